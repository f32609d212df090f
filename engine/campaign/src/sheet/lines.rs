//! Text to lines, none of them longer than a bound.

use super::text::Text;
use super::{LINE_BYTES_MAX, SheetFault};
use std::io::Read;

/// So much of a line that is too long is kept, to show it.
const KEPT_BYTES: usize = 256;

/// A line of the file, without its end.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Line {
    /// From 1.
    pub(super) number: u32,
    /// Its text; only its beginning when it is too long.
    pub(super) text: String,
    /// Whether it is longer than [`LINE_BYTES_MAX`].
    pub(super) too_long: bool,
}

impl Line {
    pub(super) fn is_blank(&self) -> bool {
        !self.too_long && self.text.trim().is_empty()
    }
}

/// The lines of a file: ended by LF, CR LF or CR.
pub(super) struct Lines<R> {
    text: Text<R>,
    /// What is read and not yet given out, from `start` on.
    buffer: String,
    start: usize,
    number: u32,
}

impl<R: Read> Lines<R> {
    pub(super) fn open(reader: R) -> Result<Self, SheetFault> {
        let text = Text::open(reader)?;
        Ok(Self { text, buffer: String::new(), start: 0, number: 0 })
    }

    /// The encoding's name.
    pub(super) fn encoding(&self) -> &'static str {
        self.text.encoding()
    }

    /// The next line; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Line>, SheetFault> {
        // The beginning of a line that is too long: the rest of it is dropped as it comes.
        let mut kept: Option<String> = None;
        // So many bytes of what waits hold no line's end.
        let mut searched = 0;
        loop {
            let waiting = &self.buffer[self.start..];
            let end =
                waiting.as_bytes()[searched..].iter().position(|b| matches!(b, b'\n' | b'\r'));
            let end = end.map(|end| searched + end);
            // A CR that is the last we have may be half of a CR LF.
            if let Some(end) = end.filter(|end| !waiting[*end..].eq("\r")) {
                return Ok(Some(self.take(end, kept)));
            }
            searched = end.unwrap_or(waiting.len());
            if searched > LINE_BYTES_MAX {
                kept.get_or_insert_with(|| beginning(waiting));
                self.start += searched;
                searched = 0;
            }
            if !self.read()? {
                let waiting = &self.buffer[self.start..];
                return match waiting.is_empty() && kept.is_none() {
                    true => Ok(None),
                    false => Ok(Some(self.take(waiting.trim_end_matches('\r').len(), kept))),
                };
            }
        }
    }

    /// Reads more behind what is there. `false` at the end of the file.
    fn read(&mut self) -> Result<bool, SheetFault> {
        self.buffer.drain(..self.start);
        self.start = 0;
        self.text.read_into(&mut self.buffer)
    }

    /// Gives out the line of so many bytes, and passes its end.
    fn take(&mut self, length: usize, kept: Option<String>) -> Line {
        let end = self.start + length;
        let text = &self.buffer[self.start..end];
        let too_long = kept.is_some() || text.len() > LINE_BYTES_MAX;
        let text = match kept {
            Some(kept) => kept,
            None if too_long => beginning(text),
            None => text.to_owned(),
        };
        let rest = &self.buffer.as_bytes()[end..];
        self.start = end
            + match rest {
                [b'\r', b'\n', ..] => 2,
                [] => 0,
                _ => 1,
            };
        self.number = self.number.saturating_add(1);
        Line { number: self.number, text, too_long }
    }
}

fn beginning(text: &str) -> String {
    let mut end = text.len().min(KEPT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Cursor, repeat};

    #[test]
    fn a_line_without_end_takes_no_more_memory_than_a_short_one() {
        let before = Cursor::new("a\n");
        let after = Cursor::new("\nb");
        let endless = before.chain(repeat(b'7').take(50_000_000)).chain(after);
        let mut lines = Lines::open(endless).unwrap();
        assert_eq!(lines.next().unwrap().unwrap().text, "a");
        let long = lines.next().unwrap().unwrap();
        assert!(long.too_long && long.text.len() == KEPT_BYTES && long.number == 2);
        assert_eq!(lines.next().unwrap().unwrap().text, "b");
        assert_eq!(lines.next().unwrap(), None);
        assert!(lines.buffer.capacity() < 2 * 1024 * 1024, "{}", lines.buffer.capacity());
    }
}
