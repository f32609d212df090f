//! Lists as they come, and what becomes of every row of them.

mod damage;
mod good;

use super::*;
use expect_test::Expect;
use std::collections::BTreeMap;
use std::fmt::Write;

/// A row, unless its number stood in an earlier one.
fn once(row: SheetRow, seen: &mut BTreeMap<String, u32>) -> Result<SheetRow, Rejected> {
    let first = *seen.entry(row.phone.as_str().to_owned()).or_insert(row.line);
    if first == row.line { Ok(row) } else { Err(Rejected::duplicate(&row, first)) }
}

/// What is read of a list, a row a line: `line number variables`, or `line ! code [value] sentence`.
fn told(list: impl Read, region: Option<&str>) -> String {
    let numbering = region.map_or(Numbering::INTERNATIONAL, |r| Numbering::of_region(r).unwrap());
    let options = SheetOptions { numbering, ..SheetOptions::default() };
    let sheet = match Sheet::open(list, options) {
        Ok(sheet) => sheet,
        Err(fault) => return format!("fault: {fault}\n"),
    };
    let mut text = String::new();
    let mut seen = BTreeMap::new();
    for row in sheet {
        let row = row.map(|row| row.and_then(|row| once(row, &mut seen)));
        match row {
            Ok(Ok(row)) => {
                let variables = serde_json::to_string(&row.variables).unwrap();
                writeln!(text, "{} {} {variables}", row.line, row.phone.as_str())
            }
            Ok(Err(no)) => {
                writeln!(text, "{} ! {} [{}] {}", no.line, no.fault.code(), no.value, no.fault)
            }
            Err(fault) => writeln!(text, "fault: {fault}"),
        }
        .expect("a String takes everything");
    }
    text
}

fn check(list: &[u8], wanted: Expect) {
    check_in(None, list, wanted);
}

fn check_in(region: Option<&str>, list: &[u8], wanted: Expect) {
    wanted.assert_eq(&told(list, region));
}

fn utf16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(to_bytes).collect()
}
