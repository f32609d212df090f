//! A list of numbers to dial, read row by row: CSV as spreadsheets and scripts write it.
//!
//! Comma, semicolon or tab; quotes; UTF-8, UTF-16 or GB18030; a header or none. The first column,
//! or the one named `phone`, is the number, the others are the call's variables. A row that
//! cannot be dialled is [`Rejected`] with its line and the reason, and the next one is read: no
//! row stops the others, and none makes the reader's memory grow.
//!
//! Whether a callee stands twice in a list is for the caller to say, who knows callees by their
//! keys: [`Rejected::duplicate`].
//!
//! ```
//! # use campaign::sheet::{Sheet, SheetOptions};
//! let list = "phone,name\n+8613800000017,Li Lei\n1.38E+10,Han\n";
//! let sheet = Sheet::open(list.as_bytes(), SheetOptions::default())?;
//! let rows: Vec<_> = sheet.collect::<Result<_, _>>()?;
//! assert_eq!(rows[0].as_ref().unwrap().variables["name"], "Li Lei");
//! assert_eq!(rows[1].as_ref().unwrap_err().line, 3);
//! # Ok::<(), campaign::sheet::SheetFault>(())
//! ```

mod cells;
mod columns;
mod lines;
mod number;
mod rejected;
mod row;
mod text;

#[cfg(test)]
mod tests;

pub use rejected::{Rejected, RowFault, SheetFault};

use cells::{Delimiter, Fed, Splitter};
use columns::Columns;
use lines::{Line, Lines};
use number::Evidence;
use schemas::commands::Variables;
use schemas::{Numbering, Phone};
use std::collections::VecDeque;
use std::io::Read;

/// The longest line, in bytes of UTF-8. A longer one is rejected and passed over.
pub const LINE_BYTES_MAX: usize = 64 * 1024;
/// The most lines a row may span with line breaks in its quoted cells.
pub const ROW_LINES_MAX: usize = 32;
/// The most columns: the number and as many variables as a call may have.
pub const COLUMNS_MAX: usize = 1 + schemas::commands::VARIABLES_MAX;
/// The longest cell, in characters.
pub const CELL_CHARS_MAX: usize = 4096;
/// So many lines are looked at to guess the delimiter.
const LINES_TO_GUESS_BY: usize = 16;

/// How a list is read.
#[derive(Clone, Copy, Debug)]
pub struct SheetOptions {
    /// How its numbers are read.
    pub numbering: Numbering,
    /// The most rows; a list with more is not read to its end.
    pub rows_max: u32,
}

impl Default for SheetOptions {
    fn default() -> Self {
        Self { numbering: Numbering::INTERNATIONAL, rows_max: 10_000_000 }
    }
}

/// A row that can be dialled.
#[derive(Clone, PartialEq, Debug)]
pub struct SheetRow {
    /// The line of the file it begins in, from 1.
    pub line: u32,
    /// Whom to call.
    pub phone: Phone,
    /// The other columns, by their names.
    pub variables: Variables,
}

/// A list that is being read: an iterator of its rows, good and bad, in their order. It ends
/// after the first [`SheetFault`]. Its memory is bounded, whatever the file.
pub struct Sheet<R> {
    lines: Lines<R>,
    /// Lines that were read ahead: to guess by, or as part of a row that was none.
    ahead: VecDeque<Line>,
    splitter: Splitter,
    columns: Columns,
    evidence: Evidence,
    options: SheetOptions,
    rows: u32,
    over: bool,
}

impl<R: Read> Sheet<R> {
    /// Reads as much as it takes to know encoding, delimiter and columns.
    ///
    /// # Errors
    /// [`SheetFault`], when it is no list at all.
    pub fn open(reader: R, options: SheetOptions) -> Result<Self, SheetFault> {
        let mut lines = Lines::open(reader)?;
        let mut ahead = VecDeque::new();
        while ahead.len() < LINES_TO_GUESS_BY
            && let Some(line) = lines.next()?
        {
            // Above the first row; further down one may be part of a cell.
            if !(line.is_blank() && ahead.is_empty()) {
                ahead.push_back(line);
            }
        }
        let announced = ahead.front().and_then(|line| Delimiter::announced(&line.text));
        if announced.is_some() {
            ahead.pop_front();
        }
        let texts = ahead.iter().filter(|line| !line.is_blank()).map(|line| line.text.as_str());
        let guessed = || Delimiter::guess(texts);
        let splitter = Splitter::new(announced.unwrap_or_else(guessed));
        let columns = Columns::none();
        let evidence = Evidence::default();
        let (rows, over) = (0, false);
        let mut sheet = Self { lines, ahead, splitter, columns, evidence, options, rows, over };
        sheet.read_header()?;
        Ok(sheet)
    }

    fn read_header(&mut self) -> Result<(), SheetFault> {
        let first = loop {
            match self.next_line()? {
                None => return Err(SheetFault::Empty),
                Some(line) if line.is_blank() => {}
                Some(line) => break line,
            }
        };
        let columns = match self.split(&first) {
            Fed::Row(cells) => Columns::of_header(&cells),
            Fed::TooManyCells if columns::is_header(&first.text) => {
                return Err(SheetFault::TooManyColumns);
            }
            // It is no row: it will be rejected as one.
            Fed::Open | Fed::TooManyCells => None,
        };
        match columns {
            Some(columns) => self.columns = columns,
            None => self.ahead.push_front(first),
        }
        Ok(())
    }

    fn next_line(&mut self) -> Result<Option<Line>, SheetFault> {
        match self.ahead.pop_front() {
            Some(line) => Ok(Some(line)),
            None => self.lines.next(),
        }
    }

    fn split(&mut self, line: &Line) -> Fed {
        self.splitter.begin();
        self.splitter.feed(&line.text)
    }

    /// The cells of the row that begins with this line, or why it is none.
    fn cells(&mut self, first: &Line) -> Result<Result<Vec<String>, RowFault>, SheetFault> {
        if first.too_long {
            return Ok(Err(RowFault::LineTooLong));
        }
        match self.split(first) {
            Fed::Row(cells) => return Ok(Ok(cells)),
            Fed::TooManyCells => return Ok(Err(RowFault::TooManyCells { wanted: COLUMNS_MAX })),
            Fed::Open => {}
        }
        // A quote is open at the end of the line. The row goes on in the next lines, or somebody
        // forgot to close it: then those are rows of their own.
        let mut taken = Vec::new();
        let mut bytes = first.text.len();
        while taken.len() + 1 < ROW_LINES_MAX
            && bytes <= LINE_BYTES_MAX
            && let Some(line) = self.next_line()?
        {
            let too_long = line.too_long;
            bytes += line.text.len();
            taken.push(line);
            if too_long {
                break;
            }
            match self.splitter.feed(&taken[taken.len() - 1].text) {
                Fed::Open => {}
                Fed::Row(cells) if self.columns.fits(&cells) && self.splitter.is_strict() => {
                    return Ok(Ok(cells));
                }
                Fed::Row(_) | Fed::TooManyCells => break,
            }
        }
        for line in taken.into_iter().rev() {
            self.ahead.push_front(line);
        }
        Ok(Err(RowFault::OpenQuote))
    }

    fn row(&mut self) -> Result<Option<Result<SheetRow, Rejected>>, SheetFault> {
        loop {
            let Some(first) = self.next_line()? else { return Ok(None) };
            if first.is_blank() {
                continue;
            }
            let line = first.number;
            let cells = match self.cells(&first)? {
                Ok(cells) => cells,
                Err(fault) => return Ok(Some(Err(Rejected::new(line, &first.text, fault)))),
            };
            // `,,,` is what spreadsheets write below a list.
            if cells.iter().all(|cell| cell.trim().is_empty()) {
                continue;
            }
            let place = row::Place { line, encoding: self.lines.encoding() };
            let numbering = &self.options.numbering;
            let read = row::read(&cells, &mut self.columns, numbering, &mut self.evidence, place);
            let read = read.map_err(|fault| {
                let phone = cells.get(self.columns.phone()).map_or("", String::as_str);
                Rejected::new(line, phone, fault)
            });
            return Ok(Some(read));
        }
    }
}

impl<R: Read> Iterator for Sheet<R> {
    type Item = Result<Result<SheetRow, Rejected>, SheetFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let next = match self.row().transpose() {
            Some(Ok(_)) if self.rows == self.options.rows_max => {
                Some(Err(SheetFault::TooManyRows { most: self.rows }))
            }
            next => next,
        };
        self.rows += 1;
        self.over = !matches!(next, Some(Ok(_)));
        next
    }
}
