//! Lines to cells: RFC 4180 as `csv-core` reads it, one line at a time.

use super::COLUMNS_MAX;
use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

/// What stands between cells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Delimiter(u8);

impl Delimiter {
    /// `sep=;`, which Excel writes as a first line.
    pub(super) fn announced(line: &str) -> Option<Self> {
        match line.trim().strip_prefix("sep=")?.as_bytes() {
            [delimiter @ (b',' | b';' | b'\t' | b'|')] => Some(Self(*delimiter)),
            _ => None,
        }
    }

    /// The one that stands in every line equally often, and most often. A comma when there is
    /// none: a list of numbers alone.
    pub(super) fn guess<'a>(lines: impl Iterator<Item = &'a str> + Clone) -> Self {
        let steadiness = |delimiter: u8| {
            let mut counts = lines.clone().map(|line| outside_quotes(line, delimiter));
            let first = counts.next().unwrap_or(0);
            let like_first = counts.filter(|count| *count == first).count();
            if first == 0 { (0, 0) } else { (like_first + 1, first) }
        };
        let candidates = [b',', b';', b'\t'].map(|candidate| (steadiness(candidate), candidate));
        let best =
            candidates.into_iter().reduce(|best, next| if next.0 > best.0 { next } else { best });
        Self(best.map_or(b',', |(_, delimiter)| delimiter))
    }
}

fn outside_quotes(line: &str, delimiter: u8) -> usize {
    let mut quoted = false;
    let counts = line.bytes().filter(|byte| {
        quoted ^= *byte == b'"';
        !quoted && *byte == delimiter
    });
    counts.count()
}

/// What a row is after one more line.
#[derive(PartialEq, Debug)]
pub(super) enum Fed {
    /// It is whole: its cells.
    Row(Vec<String>),
    /// A quote is open: it goes on in the next line.
    Open,
    /// It has more cells than are read.
    TooManyCells,
}

/// Splits rows, line by line.
pub(super) struct Splitter {
    delimiter: Delimiter,
    reader: Reader,
    quotes: Quotes,
    cells: Vec<u8>,
    ends: Vec<usize>,
}

impl Splitter {
    pub(super) fn new(delimiter: Delimiter) -> Self {
        let reader = ReaderBuilder::new().delimiter(delimiter.0).build();
        let quotes = Quotes::default();
        Self { delimiter, reader, quotes, cells: Vec::new(), ends: Vec::new() }
    }

    /// Forgets the row that was begun.
    pub(super) fn begin(&mut self) {
        self.reader.reset();
        self.quotes = Quotes::default();
        self.cells.clear();
        self.ends.clear();
    }

    /// Takes the next line of the row, without its end.
    pub(super) fn feed(&mut self, line: &str) -> Fed {
        self.quotes.pass(line, self.delimiter);
        let mut input = line.as_bytes();
        let mut ended = false;
        loop {
            let (done, old) = (self.cells.len(), self.ends.len());
            // What is written is never longer than what is read.
            self.cells.resize(done + input.len() + 1, 0);
            self.ends.resize(COLUMNS_MAX + 1, 0);
            let (result, read, written, cells) =
                self.reader.read_record(input, &mut self.cells[done..], &mut self.ends[old..]);
            self.cells.truncate(done + written);
            self.ends.truncate(old + cells);
            input = &input[read..];
            match result {
                ReadRecordResult::Record => return self.row(),
                ReadRecordResult::OutputEndsFull => return Fed::TooManyCells,
                ReadRecordResult::InputEmpty if ended => return Fed::Open,
                ReadRecordResult::InputEmpty | ReadRecordResult::OutputFull if input.is_empty() => {
                    input = b"\n";
                    ended = true;
                }
                ReadRecordResult::InputEmpty | ReadRecordResult::OutputFull => {}
                ReadRecordResult::End => return Fed::Row(Vec::new()),
            }
        }
    }

    /// Whether every quote so far stands where RFC 4180 lets it: a closing one before a delimiter
    /// or the row's end. A row over several lines is believed only then: where a quote was left
    /// open, the next quoted cell closes it in front of its own text.
    pub(super) fn is_strict(&self) -> bool {
        self.quotes.strict
    }

    fn row(&self) -> Fed {
        if self.ends.len() > COLUMNS_MAX {
            return Fed::TooManyCells;
        }
        let starts = [0].into_iter().chain(self.ends.iter().copied());
        let cells = starts.zip(&self.ends).map(|(start, end)| {
            // Cut from a text at ASCII characters.
            String::from_utf8_lossy(&self.cells[start..*end]).into_owned()
        });
        Fed::Row(cells.collect())
    }
}

/// Where we are between the quotes of a row.
struct Quotes {
    state: Quote,
    strict: bool,
}

#[derive(Clone, Copy)]
enum Quote {
    CellStart,
    Plain,
    Inside,
    /// A quote within quotes: the end of the cell, or the first half of a quote in it.
    Closing,
}

impl Default for Quotes {
    fn default() -> Self {
        Self { state: Quote::CellStart, strict: true }
    }
}

impl Quotes {
    fn pass(&mut self, line: &str, delimiter: Delimiter) {
        for byte in line.bytes().chain([b'\n']) {
            let ends_cell = byte == delimiter.0 || byte == b'\n';
            self.state = match (self.state, byte) {
                (Quote::CellStart, b'"') | (Quote::Closing, b'"') => Quote::Inside,
                (Quote::Inside, b'"') => Quote::Closing,
                (Quote::Inside, _) => Quote::Inside,
                (_, _) if ends_cell => Quote::CellStart,
                (Quote::Closing, _) => {
                    self.strict = false;
                    Quote::Plain
                }
                (Quote::CellStart | Quote::Plain, _) => Quote::Plain,
            };
        }
    }
}
