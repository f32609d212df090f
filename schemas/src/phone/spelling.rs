//! What people and spreadsheets put into a number, made plain: one alphabet of digits, no
//! separators, nothing that cannot be seen.

use super::{CHARS_MAX, PhoneRefusal};

/// The longest text that is looked at. A number in the strangest spelling is shorter.
const TEXT_BYTES_MAX: usize = 1024;

/// A number in plain characters.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Spelled {
    /// The digits behind a `+`, or behind the `00` that stands for it.
    International(String),
    /// Digits, and `*` or `#` with them.
    Digits(String),
    /// The name of a SIP user, as it was given.
    Name(String),
}

/// Makes it plain.
pub(super) fn plain(text: &str) -> Result<Spelled, PhoneRefusal> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(PhoneRefusal::TooLong);
    }
    let text = unwrapped(text.trim());
    if text.chars().any(char::is_control) {
        return Err(PhoneRefusal::Control);
    }
    let visible: Vec<char> = text.chars().filter_map(one_alphabet).collect();
    let (first, rest) = match &visible[..] {
        // Nobody who sees two plus signs means something else than one.
        ['+', '+', rest @ ..] => ('+', rest),
        [first, rest @ ..] => (*first, rest),
        [] => return Err(PhoneRefusal::Empty),
    };
    if visible.iter().any(char::is_ascii_alphabetic) {
        return name(&visible);
    }
    if is_two_numbers(&visible) {
        return Err(PhoneRefusal::Several);
    }

    let mut keys = String::new();
    for c in [first].iter().chain(rest).copied().filter(|c| !is_separator(*c)) {
        match c {
            '0'..='9' | '*' | '#' => keys.push(c),
            '+' if keys.is_empty() => keys.push(c),
            other => return Err(PhoneRefusal::Character(other)),
        }
    }
    if keys.len() > CHARS_MAX {
        return Err(PhoneRefusal::TooLong);
    }
    if !keys.bytes().any(|key| key.is_ascii_digit()) {
        return Err(PhoneRefusal::Empty);
    }
    Ok(international(&keys).map_or(Spelled::Digits(keys), Spelled::International))
}

/// What stands behind `+`, `00` or both. `000` is no prefix: it is Australia's emergency number.
fn international(keys: &str) -> Option<String> {
    let digits = keys.strip_prefix('+');
    let unprefixed = |digits: &'_ str| {
        let rest = digits.strip_prefix("00")?;
        rest.starts_with(|c: char| matches!(c, '1'..='9')).then(|| rest.to_owned())
    };
    let behind_plus = digits.map(|digits| unprefixed(digits).unwrap_or_else(|| digits.to_owned()));
    behind_plus
        .or_else(|| unprefixed(keys))
        .filter(|digits| digits.bytes().all(|d| d.is_ascii_digit()) || keys.starts_with('+'))
}

/// The marks spreadsheets and browsers put around a number to keep it a text.
fn unwrapped(text: &str) -> &str {
    let formula = text.strip_prefix("=\"").and_then(|rest| rest.strip_suffix('"'));
    let text = formula.unwrap_or(text);
    let text = text.strip_prefix('\'').unwrap_or(text);
    match text.get(..4) {
        Some(scheme) if scheme.eq_ignore_ascii_case("tel:") => &text[4..],
        _ => text,
    }
}

fn name(visible: &[char]) -> Result<Spelled, PhoneRefusal> {
    let fits =
        |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | '*' | '#');
    if let Some(stranger) = visible.iter().find(|c| !fits(c)) {
        return Err(PhoneRefusal::Character(*stranger));
    }
    if visible.len() > CHARS_MAX {
        return Err(PhoneRefusal::TooLong);
    }
    Ok(Spelled::Name(visible.iter().collect()))
}

/// `13800000017/13900000018`: dropping the stroke would dial nobody, or somebody else.
fn is_two_numbers(visible: &[char]) -> bool {
    let long = |part: &[char]| part.iter().filter(|c| c.is_ascii_digit()).count() >= 7;
    let mut parts = visible.split(|c| *c == '/');
    parts.next().is_some_and(long) && parts.any(long)
}

/// The character in ASCII where it is a digit, a sign or a letter of another width; `None` when
/// it cannot be seen.
fn one_alphabet(c: char) -> Option<char> {
    if let Some(digit) = digit(c) {
        return Some(digit);
    }
    match c {
        // Zero widths, marks of direction, joiners, variation selectors, the frame of a keycap.
        '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{20e3}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{e0000}'..='\u{e007f}' => None,
        // Full-width ASCII.
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0),
        // Dashes of every length, the minus sign, and the Japanese sound mark typed for one.
        '\u{2010}'..='\u{2015}'
        | '\u{2043}'
        | '\u{2212}'
        | '\u{fe58}'
        | '\u{fe63}'
        | '\u{30fc}'
        | '\u{2d7}' => Some('-'),
        '\u{b7}' | '\u{2022}' | '\u{2024}' | '\u{30fb}' | '\u{3002}' => Some('.'),
        '\u{fe62}' => Some('+'),
        '\u{2215}' | '\u{2044}' => Some('/'),
        '\u{2018}' | '\u{2019}' => Some('\''),
        white if white.is_whitespace() => Some(' '),
        other => Some(other),
    }
}

/// The zeros of the decimal digits (Unicode category Nd) that keyboards produce.
const ZEROS: &[u32] = &[
    0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6,
    0xe50, 0xed0, 0xf20, 0x1040, 0x17e0, 0x1810, 0xff10, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec,
    0x1d7f6,
];

fn digit(c: char) -> Option<char> {
    let value =
        ZEROS.iter().find_map(|zero| u32::from(c).checked_sub(*zero).filter(|v| *v < 10))?;
    char::from_digit(value, 10)
}

fn is_separator(c: char) -> bool {
    matches!(c, ' ' | '-' | '.' | '(' | ')' | '[' | ']' | '/' | '\'')
}
