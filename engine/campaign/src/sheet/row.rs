//! Cells to a row that can be dialled.

use super::columns::Columns;
use super::number::{self, Evidence};
use super::{CELL_CHARS_MAX, RowFault, SheetRow};
use schemas::Numbering;
use schemas::commands::{VARIABLES_BYTES_MAX, Variables};

/// Where the row stands, and in what.
pub(super) struct Place {
    pub(super) line: u32,
    pub(super) encoding: &'static str,
}

pub(super) fn read(
    cells: &[String],
    columns: &mut Columns,
    numbering: &Numbering,
    evidence: &mut Evidence,
    place: Place,
) -> Result<SheetRow, RowFault> {
    for cell in cells {
        check_cell(cell, place.encoding)?;
    }
    let wanted = columns.most();
    if cells.iter().skip(wanted).any(|cell| !cell.trim().is_empty()) {
        return Err(RowFault::TooManyCells { wanted });
    }
    let phone = cells.get(columns.phone()).map_or("", String::as_str);
    let phone = number::read(phone, numbering, evidence, place.line)?;

    let mut variables = Variables::new();
    let mut bytes = 2;
    for (index, cell) in cells.iter().enumerate().take(wanted) {
        if index == columns.phone() {
            continue;
        }
        let name = columns.name(index);
        // As JSON: with quotes, colon and comma, and room for escapes.
        bytes += name.len() + serde_json::Value::from(cell.as_str()).to_string().len() + 4;
        variables.insert(name.to_owned(), cell.as_str().into());
    }
    if bytes > VARIABLES_BYTES_MAX {
        return Err(RowFault::TooMuch);
    }
    Ok(SheetRow { line: place.line, phone, variables })
}

fn check_cell(cell: &str, encoding: &'static str) -> Result<(), RowFault> {
    if cell.contains(char::REPLACEMENT_CHARACTER) {
        return Err(RowFault::Encoding(encoding));
    }
    if cell.contains(|c: char| c.is_control() && !matches!(c, '\t' | '\r' | '\n')) {
        return Err(RowFault::Control);
    }
    if cell.len() > CELL_CHARS_MAX && cell.chars().count() > CELL_CHARS_MAX {
        return Err(RowFault::CellTooLong);
    }
    Ok(())
}
