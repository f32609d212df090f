//! Which bytes may stand where (RFC 3261, 25.1), and the two escapes of SIP: `%41` and `\"`.

use std::borrow::Cow;
use std::fmt;

/// token: the letters of names, methods, tags, branches.
pub(crate) const TOKEN: Set = Set::alphanumeric().with(b"-.!%*_+`'~");
/// What a user part may hold as it is, besides `%` escapes: unreserved and user-unreserved.
pub(crate) const USER: Set = Set::alphanumeric().with(b"-_.!~*'()").with(b"&=+$,;?/");
/// A URI parameter, besides `%` escapes: unreserved and param-unreserved.
pub(crate) const PARAM: Set = Set::alphanumeric().with(b"-_.!~*'()").with(b"[]/:&+$");
/// The headers part of a URI, besides `%` escapes.
pub(crate) const URI_HEADER: Set = Set::alphanumeric().with(b"-_.!~*'()").with(b"[]/?:+$=&");
/// Host names and IPv4 addresses. `_` is no letter of a host name, but real names have it.
pub(crate) const HOST: Set = Set::alphanumeric().with(b"-._");
/// word: a Call-ID on either side of its `@`.
pub(crate) const WORD: Set = Set::alphanumeric().with(b"-.!%*_+`'~()<>:\\\"/[]?{}");

/// A set of ASCII characters.
#[derive(Clone, Copy)]
pub(crate) struct Set([bool; 128]);

impl Set {
    pub(crate) const fn alphanumeric() -> Self {
        let mut set = [false; 128];
        let mut byte = 0u8;
        while byte < 128 {
            set[byte as usize] = byte.is_ascii_alphanumeric();
            byte += 1;
        }
        Self(set)
    }

    pub(crate) const fn with(mut self, more: &[u8]) -> Self {
        let mut at = 0;
        while at < more.len() {
            self.0[more[at] as usize] = true;
            at += 1;
        }
        self
    }

    /// Whether `byte` is in it.
    pub(crate) const fn has(&self, byte: u8) -> bool {
        byte < 128 && self.0[byte as usize]
    }

    /// Whether `text` is not empty and all of it is in the set.
    pub(crate) fn all(&self, text: &str) -> bool {
        self.all_bytes(text.as_bytes())
    }

    /// As [`Set::all`].
    pub(crate) fn all_bytes(&self, text: &[u8]) -> bool {
        !text.is_empty() && text.iter().all(|&b| self.has(b))
    }

    /// Whether all of `text` is in the set, or an escape of two hex digits.
    pub(crate) fn all_or_escaped(&self, text: &str) -> bool {
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            if bytes[at] == b'%' {
                if escaped(&bytes[at..]).is_none() {
                    return false;
                }
                at += 3;
            } else if self.has(bytes[at]) {
                at += 1;
            } else {
                return false;
            }
        }
        true
    }
}

/// The byte that `%XX` at the start of `bytes` stands for.
fn escaped(bytes: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = *bytes else { return None };
    let digit = |b: u8| (b as char).to_digit(16);
    Some((digit(high)? * 16 + digit(low)?) as u8)
}

/// Linear white space between the parts of a value. Folds are blanks by the time it is asked.
pub(crate) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Without blanks at either end.
pub(crate) fn trim(text: &str) -> &str {
    let bytes = text.as_bytes();
    let Some(first) = bytes.iter().position(|&b| !is_blank(b)) else { return "" };
    let last = bytes.iter().rposition(|&b| !is_blank(b)).unwrap_or(first);
    &text[first..=last]
}

/// The first `TEXT_BYTES_MAX` bytes, or a little less: no character is cut in two.
pub(crate) fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(super::TEXT_BYTES_MAX)]
}

/// What stands before and after the first `at`, an ASCII character. What is cut here is short:
/// `str::split_once` would take longer to begin than to search.
pub(crate) fn cut(text: &str, at: u8) -> Option<(&str, &str)> {
    let place = text.bytes().position(|b| b == at)?;
    Some((&text[..place], &text[place + 1..]))
}

/// Undoes `%XX` (RFC 3261, 19.1.2). What is no escape, or would not be UTF-8, stays as it is.
pub fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match escaped(&bytes[at..]) {
            Some(byte) => {
                plain.push(byte);
                at += 3;
            }
            None => {
                plain.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(plain).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// Undoes quoting: takes the quotation marks off, and the backslashes before what they protect.
/// Text without quotation marks stays as it is.
pub fn unquote(text: &str) -> Cow<'_, str> {
    let Some(inner) = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) else {
        return Cow::Borrowed(text);
    };
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut plain = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        plain.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    Cow::Owned(plain)
}

/// Between quotation marks, with a backslash before what would end it (RFC 3261, 25.1).
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        let mut rest = self.0;
        while let Some(at) = rest.find(['"', '\\']) {
            write!(f, "{}\\{}", &rest[..at], &rest[at..=at])?;
            rest = &rest[at + 1..];
        }
        write!(f, "{rest}\"")
    }
}

/// The length of the quoted string at the start of `bytes`, marks included. None when it has no
/// end, or there is none.
pub(crate) fn quoted_length(bytes: &[u8]) -> Option<usize> {
    if bytes.first() != Some(&b'"') {
        return None;
    }
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return Some(at + 1),
            _ => at += 1,
        }
    }
    None
}

/// The number that `text` is, all digits, however many zeros before it. None above `u32::MAX`.
pub(crate) fn number(text: &str) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.trim_start_matches('0')
        .bytes()
        .try_fold(0u32, |n, b| n.checked_mul(10)?.checked_add(u32::from(b - b'0')))
}
