//! Bytes to text, in the encoding the file turns out to have.
//!
//! A byte order mark decides, or NULs between the first letters (UTF-16 without a mark). Otherwise
//! ASCII is passed on as it is, which UTF-8 and GB18030 have in common, until the first other
//! byte: from there on a window is looked at. What spreadsheets in China save without asking is
//! GB18030.

use super::SheetFault;
use encoding_rs::{CoderResult, Decoder, Encoding, GB18030, UTF_8, UTF_16BE, UTF_16LE};
use std::io::Read;

/// So many bytes are read at a time, and looked at to tell the encoding.
const WINDOW_BYTES: usize = 64 * 1024;

/// What files that are no text begin with.
const MAGICS: &[(&[u8], Option<&str>)] = &[
    (b"PK\x03\x04", None),
    (b"\xd0\xcf\x11\xe0", None),
    (b"\x1f\x8b", Some("gzip-packed")),
    (b"%PDF", Some("a PDF")),
    (b"7z\xbc\xaf", Some("7z-packed")),
    (b"Rar!", Some("rar-packed")),
];

/// A file as text. What is no text in its encoding becomes U+FFFD.
pub(super) struct Text<R> {
    reader: R,
    raw: Vec<u8>,
    at_end: bool,
    decoder: Option<Decoder>,
    last_call_done: bool,
}

impl<R: Read> Text<R> {
    pub(super) fn open(reader: R) -> Result<Self, SheetFault> {
        let mut text =
            Self { reader, raw: Vec::new(), at_end: false, decoder: None, last_call_done: false };
        text.fill()?;
        if let Some((_, kind)) = MAGICS.iter().find(|(magic, _)| text.raw.starts_with(magic)) {
            return Err(kind.map_or(SheetFault::Excel, SheetFault::NotText));
        }
        if let Some((encoding, mark)) = Encoding::for_bom(&text.raw) {
            text.raw.drain(..mark);
            text.decoder = Some(encoding.new_decoder_without_bom_handling());
        } else if let Some(encoding) = utf16_without_mark(&text.raw) {
            text.decoder = Some(encoding.new_decoder_without_bom_handling());
        }
        Ok(text)
    }

    /// The encoding's name, as far as it is known: UTF-8 until something else is found.
    pub(super) fn encoding(&self) -> &'static str {
        self.decoder.as_ref().map_or(UTF_8, Decoder::encoding).name()
    }

    /// Puts more text behind what is there. `false` at the end.
    pub(super) fn read_into(&mut self, text: &mut String) -> Result<bool, SheetFault> {
        if self.raw.is_empty() && !self.at_end {
            self.fill()?;
        }
        if self.decoder.is_none() {
            let ascii = self.raw.iter().position(|byte| !byte.is_ascii()).unwrap_or(self.raw.len());
            if ascii > 0 || (self.raw.is_empty() && self.at_end) {
                text.push_str(std::str::from_utf8(&self.raw[..ascii]).expect("ASCII is UTF-8"));
                self.raw.drain(..ascii);
                return Ok(ascii > 0);
            }
            while self.raw.len() < WINDOW_BYTES && !self.at_end {
                self.fill()?;
            }
            self.decoder = Some(told_by(&self.raw).new_decoder_without_bom_handling());
        }
        self.decode(text)
    }

    fn decode(&mut self, text: &mut String) -> Result<bool, SheetFault> {
        let Some(decoder) = self.decoder.as_mut().filter(|_| !self.last_call_done) else {
            return Ok(false);
        };
        let last = self.at_end;
        let most =
            decoder.max_utf8_buffer_length(self.raw.len()).unwrap_or(self.raw.len() * 3 + 16);
        text.reserve(most);
        let (result, read, _) = decoder.decode_to_string(&self.raw, text, last);
        // There is room for all of it: `OutputFull` cannot be, and if it were the rest would wait
        // for the next call.
        self.raw.drain(..read);
        self.last_call_done = last && result == CoderResult::InputEmpty;
        Ok(true)
    }

    fn fill(&mut self) -> Result<(), SheetFault> {
        let mut window = self.reader.by_ref().take(WINDOW_BYTES as u64);
        let read = window.read_to_end(&mut self.raw).map_err(SheetFault::Read)?;
        self.at_end = read < WINDOW_BYTES;
        Ok(())
    }
}

fn utf16_without_mark(start: &[u8]) -> Option<&'static Encoding> {
    match start {
        [low, 0, ..] if *low != 0 => Some(UTF_16LE),
        [0, low, ..] if *low != 0 => Some(UTF_16BE),
        _ => None,
    }
}

/// UTF-8 or GB18030. By vote of the lines, not by the first mistake: one row in the wrong encoding
/// must not turn all the others into other words.
fn told_by(window: &[u8]) -> &'static Encoding {
    let mut lines: Vec<&[u8]> = window.split(|byte| *byte == b'\n').collect();
    if lines.len() > 1 {
        // The last one may be cut in the middle of a character.
        lines.pop();
    }
    let foreign = |line: &&&[u8]| !line.is_ascii();
    let (yes, no): (Vec<&[u8]>, Vec<&[u8]>) =
        lines.iter().filter(foreign).partition(|line| is_utf8(line));
    let chinese =
        |line: &&&[u8]| GB18030.decode_without_bom_handling_and_without_replacement(line).is_some();
    match no.iter().filter(chinese).count() > yes.len() {
        true => GB18030,
        false => UTF_8,
    }
}

/// Whether it is UTF-8, its last character perhaps cut.
fn is_utf8(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).map_or_else(|error| error.error_len().is_none(), |_| true)
}
