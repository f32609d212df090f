//! What is wrong with a row, or with a whole list, said to whoever made it.

use super::{CELL_CHARS_MAX, COLUMNS_MAX, LINE_BYTES_MAX, SheetRow};
use schemas::phone::PhoneRefusal;

/// So much of a value is shown: enough to find it, too little to fill a screen.
const VALUE_CHARS_MAX: usize = 40;

/// A row that is not dialled.
#[derive(Clone, PartialEq, Debug)]
pub struct Rejected {
    /// The line of the file it begins in, from 1.
    pub line: u32,
    /// What stands there, shortened: the number's cell, or the line when it has no cells.
    pub value: String,
    /// Why.
    pub fault: RowFault,
}

impl Rejected {
    /// A good row whose callee stands in the list already, in line `first`.
    pub fn duplicate(row: &SheetRow, first: u32) -> Self {
        Self::new(row.line, row.phone.as_str(), RowFault::Duplicate { first })
    }

    pub(super) fn new(line: u32, value: &str, fault: RowFault) -> Self {
        // What moves a terminal's cursor does not belong into a report.
        let plain = |c: char| if c.is_control() { '·' } else { c };
        let mut chars = value.trim().chars();
        let mut value: String = chars.by_ref().take(VALUE_CHARS_MAX).map(plain).collect();
        if chars.next().is_some() {
            value.push('…');
        }
        Self { line, value, fault }
    }
}

/// Why a row is not dialled. Its text is a sentence for whoever made the list.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RowFault {
    /// The cell of the number is empty.
    #[error("no number")]
    NoNumber,
    /// Letters where a number should be.
    #[error("letters where the number should be; name the column of numbers `phone`")]
    Letters,
    /// A spreadsheet rounded it: the last digits are lost.
    #[error("scientific notation: the spreadsheet rounded it; format the column as text")]
    Scientific,
    /// A spreadsheet took it for a quantity, and with that its leading zeros and plus.
    #[error("a decimal number: the spreadsheet changed it; format the column as text")]
    Decimal,
    /// Other rows begin with zeros or a plus that this one has lost.
    #[error("its leading {lost} is lost, which line {like} still has; format the column as text")]
    LostPrefix {
        /// What was lost: `+`, `0` or `00`.
        lost: &'static str,
        /// The line of a row that has it.
        like: u32,
    },
    /// One or two digits.
    #[error("too short for a number")]
    TooShort,
    /// Nothing that could be dialled.
    #[error("no number that can be dialled: {0}")]
    Undialable(PhoneRefusal),
    /// Bytes that are no text in the list's encoding.
    #[error("wrong encoding: no {0}, as the rest of the list is; save the list as UTF-8")]
    Encoding(&'static str),
    /// A NUL or another control character.
    #[error("a control character in it")]
    Control,
    /// More cells than the header has names.
    #[error("more cells than the {wanted} columns: a comma in a cell needs quotes around it")]
    TooManyCells {
        /// How many there may be.
        wanted: usize,
    },
    /// One cell is longer than [`CELL_CHARS_MAX`].
    #[error("a cell longer than {CELL_CHARS_MAX} characters")]
    CellTooLong,
    /// All cells together are more than a call may carry.
    #[error("its cells hold more than the 16 KB a call may carry")]
    TooMuch,
    /// A line longer than [`LINE_BYTES_MAX`].
    #[error("a line longer than {} KB", LINE_BYTES_MAX / 1024)]
    LineTooLong,
    /// A quote that is not closed.
    #[error("a quote is opened and not closed")]
    OpenQuote,
    /// The callee stands in the list already.
    #[error("duplicate of line {first}")]
    Duplicate {
        /// The line that is dialled.
        first: u32,
    },
}

impl RowFault {
    /// The word for programs, such as `scientific_notation`. Never changes.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoNumber => "no_number",
            Self::Letters => "letters",
            Self::Scientific => "scientific_notation",
            Self::Decimal => "decimal_number",
            Self::LostPrefix { .. } => "lost_prefix",
            Self::TooShort => "too_short",
            Self::Undialable(refusal) => refusal.code(),
            Self::Encoding(_) => "wrong_encoding",
            Self::Control => "control_character",
            Self::TooManyCells { .. } => "too_many_cells",
            Self::CellTooLong => "cell_too_long",
            Self::TooMuch => "too_much_data",
            Self::LineTooLong => "line_too_long",
            Self::OpenQuote => "open_quote",
            Self::Duplicate { .. } => "duplicate",
        }
    }
}

/// Why a list cannot be read, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum SheetFault {
    /// The file could not be read.
    #[error("the list cannot be read")]
    Read(#[source] std::io::Error),
    /// There is nothing in it.
    #[error("the list is empty")]
    Empty,
    /// A workbook.
    #[error(
        "the list is an Excel workbook, which is not read yet: save it as CSV (UTF-8) and give that"
    )]
    Excel,
    /// Packed, or another kind of file.
    #[error("the list is {0}, not a text: give a CSV file")]
    NotText(&'static str),
    /// The header has more columns than a call may have variables.
    #[error("the list has more than {COLUMNS_MAX} columns: leave out some")]
    TooManyColumns,
    /// It goes on beyond the bound. What was read stands.
    #[error("the list has more than {most} rows: split it")]
    TooManyRows {
        /// The bound.
        most: u32,
    },
}
