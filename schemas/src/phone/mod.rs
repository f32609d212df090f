//! Phone numbers: read once, where they come in, and one form from there on.
//!
//! Limits, deny lists, duplicates and owners go by the callee, so two spellings of one number must
//! come out the same: `+86 138-0000-0017`, `0086 138 0000 0017`, full-width digits, a
//! `(0)` behind the country code, or the national form where the [`Numbering`] knows the region.
//! What is no E.164 number then is a dial string: keys a gateway takes, or the name of a SIP user.
//!
//! Emergency numbers are refused in every spelling, and nothing configures that off: a machine
//! that calls them keeps somebody else's call waiting.

mod emergency;
mod plan;
mod spelling;

use plan::Plan;
use spelling::Spelled;
use std::fmt;

/// The most digits of an E.164 number (ITU-T E.164, 6.2.1).
const E164_DIGITS_MAX: usize = 15;
/// The fewest digits we take for one: country code and four digits, as on Niue.
const E164_DIGITS_MIN: usize = 7;
/// The longest dial string, in characters: a carrier's prefix, an international prefix and a
/// number fit twice.
pub const CHARS_MAX: usize = 64;

/// A number in its one form: `+` and 7 to 15 digits, or a dial string of at most [`CHARS_MAX`]
/// characters of `A-Z a-z 0-9 . _ - + * #`. Made by [`Numbering::read`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Phone(Box<str>);

impl Phone {
    /// The normalised text: what is hashed, stored and dialled.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is an E.164 number, and not a dial string.
    pub fn is_e164(&self) -> bool {
        self.0.starts_with('+')
    }

    /// Whether it is the name of a SIP user: it holds letters.
    pub fn is_name(&self) -> bool {
        self.0.bytes().any(|byte| byte.is_ascii_alphabetic())
    }
}

impl From<Phone> for String {
    fn from(phone: Phone) -> Self {
        phone.0.into()
    }
}

/// Shows how long it is, never which: a number in a log cannot be erased.
impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Phone({} characters)", self.0.len())
    }
}

/// Why a text is no number we dial. Shown without the number, so that it may go into a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PhoneRefusal {
    /// Nothing is left when separators are dropped.
    #[error("there is no number")]
    Empty,
    /// A line break, a NUL or the like: somebody tries to write a header.
    #[error("it holds a control character")]
    Control,
    /// A character that no gateway takes.
    #[error("{0:?} does not belong into a number")]
    Character(char),
    /// More than [`CHARS_MAX`] characters.
    #[error("it is longer than {CHARS_MAX} characters")]
    TooLong,
    /// It begins as an international number, and is none.
    #[error("an international number has a country code and 7 to 15 digits in all")]
    NotInternational,
    /// Two numbers between which stands a stroke.
    #[error("it holds two numbers: give each its own row")]
    Several,
    /// An emergency number, here or where the number leads.
    #[error("emergency numbers are never dialled")]
    Emergency,
}

impl PhoneRefusal {
    /// The word for programs, such as `emergency_number`. Never changes.
    pub fn code(self) -> &'static str {
        match self {
            Self::Empty => "no_number",
            Self::Control => "control_character",
            Self::Character(_) => "not_a_number",
            Self::TooLong => "too_long",
            Self::NotInternational => "not_international",
            Self::Several => "several_numbers",
            Self::Emergency => "emergency_number",
        }
    }
}

/// The configuration names a region that libphonenumber does not know.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is no region with a numbering plan: give two letters of ISO 3166, such as \"CN\"")]
pub struct UnknownRegion(pub String);

/// How numbers are read here: which region's national numbers are understood, if any.
#[derive(Clone, Copy, Debug, Default)]
pub struct Numbering {
    home: Option<&'static Plan>,
}

impl Numbering {
    /// Reads international numbers only; a national one stays a dial string as it is given.
    pub const INTERNATIONAL: Self = Self { home: None };

    /// Reads the national numbers of a region too, by its two letters (ISO 3166-1), such as `CN`.
    ///
    /// # Errors
    /// When nobody has a numbering plan by that name.
    pub fn of_region(region: &str) -> Result<Self, UnknownRegion> {
        match plan::of_region(&region.to_ascii_uppercase()) {
            Some(plan) => Ok(Self { home: Some(plan) }),
            None => Err(UnknownRegion(region.chars().take(16).collect())),
        }
    }

    /// The number in its one form. Reading that form again gives the same.
    ///
    /// # Errors
    /// [`PhoneRefusal`]: it is nothing that could be dialled, or must not be.
    pub fn read(&self, text: &str) -> Result<Phone, PhoneRefusal> {
        let phone = self.read_any(text)?;
        match emergency::is_one(&phone, self.home) {
            true => Err(PhoneRefusal::Emergency),
            false => Ok(phone),
        }
    }

    /// As [`Self::read`], for a number that is shown and not dialled: an emergency number may
    /// stand there.
    ///
    /// # Errors
    /// [`PhoneRefusal`], but never [`PhoneRefusal::Emergency`].
    pub fn read_shown(&self, text: &str) -> Result<Phone, PhoneRefusal> {
        let phone = self.read_any(text)?;
        match phone.0.strip_prefix('+').is_some_and(|digits| digits.len() < E164_DIGITS_MIN) {
            true => Err(PhoneRefusal::NotInternational),
            false => Ok(phone),
        }
    }

    fn read_any(&self, text: &str) -> Result<Phone, PhoneRefusal> {
        match spelling::plain(text)? {
            Spelled::International(digits) => international(&digits),
            Spelled::Name(text) => Ok(Phone(text.into())),
            Spelled::Digits(digits) => match self.home {
                Some(home) => national(home, &digits),
                None => Ok(Phone(digits.into())),
            },
        }
    }
}

/// Digits behind a `+`: country code, then the national number, whose trunk prefix people leave in
/// (`+44 (0)20 …`).
fn international(digits: &str) -> Result<Phone, PhoneRefusal> {
    let e164 = match plan::of_country_code(digits) {
        Some((plan, rest)) => format!("+{}{}", plan.country_code, plan.significant(rest)),
        None => format!("+{digits}"),
    };
    let length = e164.len() - 1;
    let fits = !digits.starts_with('0') && length <= E164_DIGITS_MAX;
    // Too short for a number, and yet it may lead to one that must not be dialled: that is what
    // is said of it then.
    let phone = Phone(e164.into());
    if fits && (length >= E164_DIGITS_MIN || emergency::is_one(&phone, None)) {
        return Ok(phone);
    }
    Err(PhoneRefusal::NotInternational)
}

/// Digits without a `+`, read as people in that region dial them.
fn national(home: &'static Plan, digits: &str) -> Result<Phone, PhoneRefusal> {
    // What is too short behind the prefix was not meant so: `0112` in America.
    if let Some(phone) = home.behind_international_prefix(digits).map(international)
        && phone.is_ok()
    {
        return phone;
    }
    // Jamaica dials America as a national number: they share their country code.
    let main = plan::of_country_code(home.country_code).map_or(home, |(main, _)| main);
    let known = |significant: &str| home.has(significant) || main.has(significant);
    // `8613800000017`: the plus got lost. It is believed when what stands behind the country code
    // is a number of this plan and the whole is none.
    let without_code = digits.strip_prefix(home.country_code).map(|rest| home.significant(rest));
    let significant = match without_code {
        Some(rest) if !known(digits) && known(&rest) => rest,
        _ => home.significant(digits),
    };
    if known(&significant) {
        return Ok(Phone(format!("+{}{significant}", home.country_code).into()));
    }
    Ok(Phone(digits.into()))
}

#[cfg(test)]
mod tests;
