//! Where the lines, headers and body of a message begin and end. Reads each byte once, copies
//! nothing unless the text must be mended: a folded header, a stray CR, bytes that are no UTF-8.

use std::borrow::Cow;

use memchr::{memchr, memchr2};
use smallvec::SmallVec;

use super::fault::Fault;
use super::name::{Method, Name};
use super::text::{TOKEN, number};
use super::{HEADER_BYTES_MAX, HEADERS_MAX, MESSAGE_BYTES_MAX};

/// A piece of the head, by its place. A head is shorter than 64 kB, so two bytes do.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Span {
    start: u16,
    length: u16,
}

impl Span {
    fn new(start: usize, end: usize) -> Self {
        // `MESSAGE_BYTES_MAX` keeps both in range.
        Self { start: start as u16, length: (end - start) as u16 }
    }

    /// From the start of one to the end of the other behind it; an empty one adds nothing. Only the
    /// ends are looked at: a header of a thousand folds is read a thousand times otherwise.
    fn and(self, behind: Self) -> Self {
        match (self.length, behind.length) {
            (_, 0) => self,
            (0, _) => behind,
            _ => Self::new(self.range().start, behind.range().end),
        }
    }

    /// The bytes it covers, as indices.
    pub(super) fn range(self) -> std::ops::Range<usize> {
        let start = usize::from(self.start);
        start..start + usize::from(self.length)
    }
}

/// One header line: its name, and its value without blanks around it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) name: Name,
    name_length: u8,
    name_start: u16,
    pub(super) value: Span,
}

impl Field {
    /// The name as it came.
    pub(super) fn name_span(&self) -> Span {
        Span { start: self.name_start, length: self.name_length.into() }
    }
}

/// The first line.
#[derive(Clone, Copy, Debug)]
pub(super) enum StartLine {
    Request { method: Method, text: Span, uri: Span },
    Response { status: u16, phrase: Span },
}

/// Inline room for headers: what carriers send has 10 to 25.
pub(super) type Fields = SmallVec<[Field; 32]>;

/// A message taken apart.
pub(super) struct Lexed<'a> {
    pub(super) head: Cow<'a, str>,
    pub(super) start: StartLine,
    pub(super) fields: Fields,
    /// All that comes after the empty line.
    pub(super) rest: &'a [u8],
    /// What is wrong with the first line.
    pub(super) start_fault: Option<Fault>,
    /// The first line that is no header; it was passed over.
    pub(super) line_fault: Option<Fault>,
}

/// Takes a message apart.
pub(super) fn lex(bytes: &[u8]) -> Result<Lexed<'_>, Fault> {
    // Line ends before a message are skipped (RFC 3261, 7.5).
    let begin = bytes.iter().position(|b| !matches!(b, b'\r' | b'\n')).ok_or(Fault::KeepAlive)?;
    let bytes = &bytes[begin..];
    if bytes.len() > MESSAGE_BYTES_MAX {
        return Err(Fault::TooLong);
    }
    let mut lines = Lines { bytes, at: 0, stray_cr: false };
    let first = lines.next().ok_or(Fault::NotSip)?;
    let (start, start_fault) = start_line(bytes, first)?;

    let mut fields = Fields::new();
    let (mut line_fault, mut folded) = (None, false);
    // Whether the line before is one that a fold goes on with.
    let mut open = false;
    loop {
        let line = lines.next().ok_or(Fault::HeadersWithoutEnd)?;
        let text = &bytes[line.range()];
        let fault = match text.first() {
            None => break,
            Some(b' ' | b'\t') if open => {
                folded = true;
                let last = fields.last_mut().expect("a line is open when a header was pushed");
                last.value = last.value.and(trimmed(bytes, line.range().start, line.range().end));
                let length = last.value.range().len();
                (length > HEADER_BYTES_MAX).then(|| {
                    fields.pop();
                    Fault::HeaderTooLong
                })
            }
            // The fold of a line that was passed over, or of the first one.
            Some(b' ' | b'\t') => Some(Fault::HeaderLine),
            Some(_) => match field(bytes, line) {
                Ok(field) if fields.len() < HEADERS_MAX => {
                    fields.push(field);
                    None
                }
                Ok(_) => return Err(Fault::TooManyHeaders),
                Err(fault) => Some(fault),
            },
        };
        open = fault.is_none();
        line_fault = line_fault.or(fault);
    }
    let (head, rest) = bytes.split_at(lines.at);
    let head = match std::str::from_utf8(head) {
        Ok(text) if !folded && !lines.stray_cr => Cow::Borrowed(text),
        _ => Cow::Owned(mended(head, first, &fields)),
    };
    Ok(Lexed { head, start, fields, rest, start_fault, line_fault })
}

/// The Content-Type of a part of a body, if it has one, and what stands behind its headers. None
/// when they have no end. `part` begins with the end of the boundary's line.
pub(super) fn part(part: &[u8]) -> Option<(Option<Cow<'_, str>>, &[u8])> {
    let mut lines = Lines { bytes: part, at: 0, stray_cr: false };
    lines.next()?;
    let mut kind = None;
    loop {
        let line = lines.next()?;
        if line.range().is_empty() {
            return Some((kind, &part[lines.at..]));
        }
        if let Ok(field) = field(part, line)
            && field.name == Name::ContentType
        {
            kind = Some(String::from_utf8_lossy(&part[field.value.range()]));
        }
    }
}

/// The lines of a head. They end with CR LF; an LF alone is forgiven.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    /// A CR without LF was seen within a line.
    stray_cr: bool,
}

impl Iterator for Lines<'_> {
    type Item = Span;

    fn next(&mut self) -> Option<Span> {
        let start = self.at;
        let mut seen = start;
        loop {
            let found = seen + memchr2(b'\r', b'\n', &self.bytes[seen..])?;
            if self.bytes[found] == b'\n' {
                self.at = found + 1;
                return Some(Span::new(start, found));
            }
            if self.bytes.get(found + 1) == Some(&b'\n') {
                self.at = found + 2;
                return Some(Span::new(start, found));
            }
            self.stray_cr = true;
            seen = found + 1;
        }
    }
}

/// `name : value`.
fn field(bytes: &[u8], line: Span) -> Result<Field, Fault> {
    let range = line.range();
    let text = &bytes[range.clone()];
    let colon = memchr(b':', text).ok_or(Fault::HeaderLine)?;
    let text = text[..colon].trim_ascii_end();
    let name_length = u8::try_from(text.len()).map_err(|_| Fault::HeaderLine)?;
    let name = Name::read_bytes(text);
    // A name that we know is a token.
    if name == Name::Other && !TOKEN.all_bytes(text) {
        return Err(Fault::HeaderLine);
    }
    let value = trimmed(bytes, range.start + colon + 1, range.end);
    if value.range().len() > HEADER_BYTES_MAX {
        return Err(Fault::HeaderTooLong);
    }
    Ok(Field { name, name_length, name_start: line.start, value })
}

/// The span from `start` to `end` without blanks around it.
fn trimmed(bytes: &[u8], start: usize, end: usize) -> Span {
    // A stray CR will be a blank.
    let blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\r');
    let text = &bytes[start..end];
    let Some(first) = text.iter().position(|b| !blank(b)) else { return Span::new(start, start) };
    let last = text.iter().rposition(|b| !blank(b)).unwrap_or(first);
    Span::new(start + first, start + last + 1)
}

/// The head with a blank for each CR and LF inside the first line and the values, and `?` for each
/// byte that is no UTF-8. No byte moves, so the spans stay.
fn mended(head: &[u8], first: Span, fields: &Fields) -> String {
    let mut bytes = head.to_vec();
    for span in fields.iter().map(|f| f.value).chain([first]) {
        for byte in &mut bytes[span.range()] {
            if matches!(byte, b'\r' | b'\n') {
                *byte = b' ';
            }
        }
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '?'));
    }
    text
}

/// Reads the first line. A request whose line is wrong, but plainly a request's, is read as far as
/// its answer needs.
fn start_line(bytes: &[u8], line: Span) -> Result<(StartLine, Option<Fault>), Fault> {
    let range = line.range();
    let text = &bytes[range.clone()];
    if text.get(..4).is_some_and(|t| t.eq_ignore_ascii_case(b"SIP/")) {
        return status_line(text, range.start).map(|start| (start, None));
    }
    let method_end = memchr(b' ', text).ok_or(Fault::NotSip)?;
    let method = std::str::from_utf8(&text[..method_end])
        .ok()
        .filter(|m| TOKEN.all(m))
        .ok_or(Fault::NotSip)?;
    let whole = text.trim_ascii_end();
    let version_start = whole.iter().rposition(|&b| b == b' ').map_or(0, |at| at + 1);
    let version = &whole[version_start..];
    if !version.get(..4).is_some_and(|v| v.eq_ignore_ascii_case(b"SIP/")) {
        return Err(Fault::NotSip);
    }
    let uri_start = method_end + 1;
    let uri_end = (version_start - 1).max(uri_start);
    let uri = &text[uri_start..uri_end];
    let fault = if uri.is_empty()
        || whole.len() != text.len()
        || uri.iter().any(|b| matches!(b, b' ' | b'\t'))
    {
        Some(Fault::StartLine)
    } else if version[4..] != *b"2.0" {
        Some(Fault::Version)
    } else if uri.iter().any(|&b| b <= b' ' || b >= 0x7f || b"<>\"".contains(&b))
        || !uri.contains(&b':')
    {
        Some(Fault::RequestUri)
    } else {
        None
    };
    let start = StartLine::Request {
        method: Method::read(method),
        text: Span::new(range.start, range.start + method_end),
        uri: match fault {
            None | Some(Fault::Version) => {
                Span::new(range.start + uri_start, range.start + uri_end)
            }
            Some(_) => Span::default(),
        },
    };
    Ok((start, fault))
}

/// `SIP/2.0 200 OK`; a phrase, and the blank before it, may be absent.
fn status_line(text: &[u8], at: usize) -> Result<StartLine, Fault> {
    let version = text.get(..8).ok_or(Fault::StartLine)?;
    if !version.eq_ignore_ascii_case(b"SIP/2.0 ") {
        return Err(if version[7] == b' ' { Fault::Version } else { Fault::StartLine });
    }
    let digits =
        text.get(8..11).and_then(|d| std::str::from_utf8(d).ok()).ok_or(Fault::StartLine)?;
    let status = number(digits).filter(|s| (100..700).contains(s)).ok_or(Fault::StartLine)?;
    let phrase = match text.get(11) {
        None => Span::new(at + 11, at + 11),
        Some(b' ') => Span::new(at + 12, at + text.len()),
        Some(_) => return Err(Fault::StartLine),
    };
    Ok(StartLine::Response { status: status as u16, phrase })
}
