//! Parameters: `;name=value;flag;name="quoted, text"`, and lists with commas between the values.

use std::borrow::Cow;

use super::text::{is_blank, quoted_length, trim, unquote};

/// One parameter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Param<'a> {
    /// Its name, in the case it came in. Compare without case.
    pub name: &'a str,
    /// Its value as it came, quotation marks included; absent for a flag such as `lr`.
    pub value: Option<&'a str>,
}

impl<'a> Param<'a> {
    /// The value without quotation marks and backslashes.
    pub fn unquoted(&self) -> Option<Cow<'a, str>> {
        self.value.map(unquote)
    }
}

/// The parameters of a value or of a URI, read when asked for.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Params<'a>(pub(crate) &'a str);

impl<'a> Params<'a> {
    /// As they came, from the first semicolon on.
    pub fn raw(&self) -> &'a str {
        self.0
    }

    /// One after the other, in their order.
    pub fn iter(&self) -> impl Iterator<Item = Param<'a>> + use<'a> {
        split(self.0, b';', false).filter(|piece| !piece.is_empty()).map(|piece| match split_param(
            piece,
        ) {
            Some((name, value)) => Param { name, value: Some(value) },
            None => Param { name: piece, value: None },
        })
    }

    /// The first parameter of that name.
    pub fn get(&self, name: &str) -> Option<Param<'a>> {
        self.iter().find(|p| p.name.eq_ignore_ascii_case(name))
    }

    /// The value of the first parameter of that name, as it came.
    pub fn value(&self, name: &str) -> Option<&'a str> {
        self.get(name)?.value
    }

    /// Whether there is a parameter of that name.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

/// A value and its parameters.
pub(crate) fn with_params(value: &str) -> (&str, Params<'_>) {
    let end = piece_end(value.as_bytes(), b';', false);
    (trim(&value[..end]), Params(&value[end..]))
}

/// What stands before and after the first `at` outside quotation marks.
fn cut_unquoted(text: &str, at: u8) -> Option<(&str, &str)> {
    let end = piece_end(text.as_bytes(), at, false);
    (end < text.len()).then(|| (&text[..end], &text[end + 1..]))
}

/// Name and value of `name = value`.
pub(crate) fn split_param(piece: &str) -> Option<(&str, &str)> {
    cut_unquoted(piece, b'=').map(|(name, value)| (trim(name), trim(value)))
}

/// The values of a list: split at commas outside quotation marks and angle brackets, without
/// blanks; empty ones are left out.
pub(crate) fn list(text: &str) -> impl Iterator<Item = &str> {
    split(text, b',', true).filter(|value| !value.is_empty())
}

/// The pieces of `text` between separators outside quotation marks, and outside angle brackets when
/// asked, without blanks around them.
fn split(text: &str, separator: u8, brackets: bool) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let now = rest?;
        let end = piece_end(now.as_bytes(), separator, brackets);
        rest = now.get(end + 1..);
        Some(trim(&now[..end]))
    })
}

/// Where the first piece ends: at the separator, else at the end. An open quotation mark or
/// bracket reaches to the end.
fn piece_end(bytes: &[u8], separator: u8, brackets: bool) -> usize {
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b if b == separator => return at,
            b'"' => match quoted_length(&bytes[at..]) {
                Some(length) => at += length,
                None => return bytes.len(),
            },
            // Quotation marks are letters like any other inside a URI.
            b'<' if brackets => match bytes[at..].iter().position(|&b| b == b'>') {
                Some(length) => at += length + 1,
                None => return bytes.len(),
            },
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Cuts `text` at the first blank: the word before it, and the rest without blanks before it.
pub(crate) fn word(text: &str) -> (&str, &str) {
    let end = text.bytes().position(is_blank).unwrap_or(text.len());
    (&text[..end], trim(&text[end..]))
}
