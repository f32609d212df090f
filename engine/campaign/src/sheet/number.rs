//! The cell of the number: what a person wrote, and what a spreadsheet made of it.

use super::RowFault;
use schemas::phone::PhoneRefusal;
use schemas::{Numbering, Phone};

/// A list of numbers holds no shorter one: it is what is left of `1,38E+10`.
const DIGITS_MIN: usize = 3;

/// The number in a cell.
pub(super) fn read(
    cell: &str,
    numbering: &Numbering,
    evidence: &mut Evidence,
    line: u32,
) -> Result<Phone, RowFault> {
    let cell = cell.trim();
    if is_scientific(cell) {
        return Err(RowFault::Scientific);
    }
    if is_decimal(cell) {
        return Err(RowFault::Decimal);
    }
    let phone = numbering.read(cell).map_err(|refusal| match refusal {
        PhoneRefusal::Empty if cell.is_empty() => RowFault::NoNumber,
        PhoneRefusal::Character(_) if cell.chars().any(char::is_alphabetic) => RowFault::Letters,
        refusal => RowFault::Undialable(refusal),
    })?;
    if phone.is_name() {
        return Err(RowFault::Letters);
    }
    if phone.as_str().len() < DIGITS_MIN {
        return Err(RowFault::TooShort);
    }
    evidence.check(cell, &phone, line)?;
    Ok(phone)
}

/// `1.38E+10`: what a spreadsheet shows of a long number, and saves.
fn is_scientific(cell: &str) -> bool {
    let Some((digits, exponent)) = cell.split_once(['e', 'E']) else { return false };
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let digits = digits.strip_prefix(['+', '-']).unwrap_or(digits);
    all_digits(exponent) && all_digits(&digits.replacen(['.', ','], "", 1))
}

/// `13800000017.0`: a number that went through a program that counts with it.
fn is_decimal(cell: &str) -> bool {
    let Some((whole, zeros)) = cell.split_once(['.', ',']) else { return false };
    let is_whole = whole.len() >= 5 && whole.bytes().all(|b| b.is_ascii_digit());
    is_whole && matches!(zeros, "0" | "00")
}

/// How many forms of numbers are remembered.
const FORMS_MAX: usize = 64;

/// What earlier rows tell of a row that has lost its leading zeros or its plus.
///
/// A row alone cannot tell: `8613800000017` may be what a gateway dials. Beside rows that read
/// `008613800000016` it is one of those, without its zeros: it has exactly the digits that such a
/// row has without them, and the first two are the same. Where a region is known this is not
/// needed: then the national number is read with and without its zero.
#[derive(Default)]
pub(super) struct Evidence {
    forms: Vec<Form>,
}

#[derive(Clone, Copy, PartialEq)]
struct Form {
    /// What such rows begin with.
    prefix: &'static str,
    /// The two digits behind it.
    start: [u8; 2],
    /// How many digits are behind it.
    digits: usize,
    /// The line of one of them.
    line: u32,
}

impl Evidence {
    fn check(&mut self, cell: &str, phone: &Phone, line: u32) -> Result<(), RowFault> {
        let digits: Vec<u8> = cell.bytes().filter(u8::is_ascii_digit).collect();
        let prefix = match () {
            () if cell.trim_start_matches(['\'', '(', ' ']).starts_with('+') => "+",
            () if digits.starts_with(b"00") => "00",
            () if digits.starts_with(b"0") => "0",
            () => "",
        };
        let behind = &digits[prefix.trim_start_matches('+').len()..];
        // Shorter ones are extensions: those may well be alike.
        let [a, b, _, _, _, _, _, ..] = *behind else { return Ok(()) };
        let form = Form { prefix, start: [a, b], digits: behind.len(), line };
        if prefix.is_empty() {
            let alike = |known: &&Form| (known.start, known.digits) == (form.start, form.digits);
            return match self.forms.iter().find(alike) {
                Some(known) if !phone.is_e164() => {
                    Err(RowFault::LostPrefix { lost: known.prefix, like: known.line })
                }
                _ => Ok(()),
            };
        }
        let known = |known: &Form| {
            known.prefix == prefix && known.start == form.start && known.digits == form.digits
        };
        if self.forms.len() < FORMS_MAX && !self.forms.iter().any(known) {
            self.forms.push(form);
        }
        Ok(())
    }
}
