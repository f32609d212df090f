//! Which column is the number, and what the others are called.

use super::COLUMNS_MAX;

/// The longest name of a column, in characters: what a variable's name may have.
const NAME_CHARS_MAX: usize = 128;

/// The columns of a list.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Columns {
    phone: usize,
    names: Vec<String>,
    /// Whether a header named them. Without one a longer row adds columns.
    named: bool,
}

impl Columns {
    /// A list without a header: the first column is the number.
    pub(super) fn none() -> Self {
        Self { phone: 0, names: Vec::new(), named: false }
    }

    /// The columns that this row names; `None` when it is no header.
    ///
    /// It is one when a cell says `phone`, or when its first cell begins with a letter: a number
    /// never does.
    pub(super) fn of_header(cells: &[String]) -> Option<Self> {
        let is_phone = |cell: &String| cell.trim().eq_ignore_ascii_case("phone");
        let phone = cells.iter().position(is_phone);
        if phone.is_none() && !is_header(cells.first()?) {
            return None;
        }
        let mut names = Vec::<String>::new();
        for (index, cell) in cells.iter().enumerate() {
            let plain = cell.trim().chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX - 4);
            let name = plain.collect::<String>();
            let name = if name.is_empty() { unnamed(index) } else { name };
            let name = match names.contains(&name) {
                true => format!("{name}_{}", index + 1),
                false => name,
            };
            names.push(name);
        }
        // Spreadsheets write a delimiter for every column that ever held something.
        while names.last().is_some_and(|name| *name == unnamed(names.len() - 1)) {
            names.pop();
        }
        Some(Self { phone: phone.unwrap_or(0), names, named: true })
    }

    /// Where the number stands.
    pub(super) fn phone(&self) -> usize {
        self.phone
    }

    /// The most cells a row may have.
    pub(super) fn most(&self) -> usize {
        if self.named { self.names.len() } else { COLUMNS_MAX }
    }

    /// Whether a row with line breaks in its cells looks like one of this list: without a header
    /// nobody can tell.
    pub(super) fn fits(&self, cells: &[String]) -> bool {
        !self.named || cells.len() == self.names.len()
    }

    /// The name of a column.
    pub(super) fn name(&mut self, index: usize) -> &str {
        while self.names.len() <= index {
            self.names.push(unnamed(self.names.len()));
        }
        &self.names[index]
    }
}

/// Whether a first row that begins so is a header.
pub(super) fn is_header(start: &str) -> bool {
    start.trim().starts_with(char::is_alphabetic)
}

fn unnamed(index: usize) -> String {
    format!("column_{}", index + 1)
}
