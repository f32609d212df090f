//! Numbering plans: what a region's national numbers look like, and what is dialled before them.
//!
//! The data is libphonenumber's (`regions.tsv`; `data/phone_regions.py` fetches the next
//! release); the few rules that intake needs of it are here. The library's ports in Rust were
//! tried: they cost 67 to 83 CPU-seconds of building and 53 to 95 crates for these 19 KB, against
//! 2 and one. A golden file holds what libphonenumber itself makes of two thousand spellings.

use regex_lite::Regex;
use std::fmt;
use std::sync::{LazyLock, OnceLock};

/// The numbering plan of a region, or of a country code that belongs to none.
pub(super) struct Plan {
    /// The region's two letters; `001` for a country code that belongs to no region.
    pub(super) region: &'static str,
    /// What an international number of it begins with.
    pub(super) country_code: &'static str,
    /// Whether numbers of this country code are read by this plan: `US` for 1.
    main: bool,
    /// The lengths its numbers have, and those that are dialled only within a town.
    lengths: &'static str,
    local_lengths: &'static str,
    transform: &'static str,
    international_prefix: Pattern,
    trunk_prefix: Pattern,
    numbers: Pattern,
    emergency: Pattern,
}

/// Compiled when it is first asked for: a list has numbers of a few plans, and there are 254.
struct Pattern {
    text: &'static str,
    whole: bool,
    compiled: OnceLock<Option<Regex>>,
}

impl Pattern {
    fn new(text: &'static str, whole: bool) -> Self {
        Self { text, whole, compiled: OnceLock::new() }
    }

    /// `None` when the plan has no such thing.
    fn get(&self) -> Option<&Regex> {
        let compile = || {
            let end = if self.whole { "$" } else { "" };
            let anchored = format!("^(?:{}){end}", self.text);
            // The patterns are part of the program; a test compiles every one.
            (!self.text.is_empty())
                .then(|| Regex::new(&anchored).expect("a pattern of libphonenumber compiles"))
        };
        self.compiled.get_or_init(compile).as_ref()
    }

    fn matches(&self, digits: &str) -> bool {
        self.get().is_some_and(|pattern| pattern.is_match(digits))
    }
}

static PLANS: LazyLock<Vec<Plan>> = LazyLock::new(|| {
    let rows = include_str!("regions.tsv").lines().filter(|line| !line.starts_with('#'));
    rows.map(Plan::of_row).collect()
});

/// The plan of a region, by its two letters.
pub(super) fn of_region(region: &str) -> Option<&'static Plan> {
    PLANS.iter().find(|plan| plan.region == region && region != "001")
}

/// The plan an international number is read by, and its digits behind the country code. No
/// country code is the beginning of another one.
pub(super) fn of_country_code(digits: &str) -> Option<(&'static Plan, &str)> {
    let plan = PLANS.iter().find(|plan| plan.main && digits.starts_with(plan.country_code))?;
    Some((plan, &digits[plan.country_code.len()..]))
}

/// The longest emergency number of any plan, in digits. The script that writes the table asserts it.
const EMERGENCY_DIGITS_MAX: usize = 6;

/// Whether these digits are an emergency number of any plan that has this country code; of any
/// plan at all when none is given.
pub(super) fn emergency_somewhere(digits: &str, country_code: Option<&str>) -> bool {
    // So that an ordinary number does not try two dozen American plans.
    if digits.len() > EMERGENCY_DIGITS_MAX {
        return false;
    }
    let asked = |plan: &&Plan| country_code.is_none_or(|code| code == plan.country_code);
    PLANS.iter().filter(asked).any(|plan| plan.is_emergency(digits))
}

impl Plan {
    fn of_row(row: &'static str) -> Self {
        let mut cells = row.split('\t');
        let mut next = || cells.next().expect("every row of regions.tsv has ten cells");
        Self {
            region: next(),
            country_code: next(),
            main: next() == "main",
            international_prefix: Pattern::new(next(), false),
            trunk_prefix: Pattern::new(next(), false),
            transform: next(),
            lengths: next(),
            local_lengths: next(),
            numbers: Pattern::new(next(), true),
            emergency: Pattern::new(next(), true),
        }
    }

    /// Whether these digits are a national number of this plan, without trunk prefix.
    pub(super) fn has(&self, digits: &str) -> bool {
        self.numbers.matches(digits)
    }

    /// Whether these digits are one of its emergency numbers.
    pub(super) fn is_emergency(&self, digits: &str) -> bool {
        self.emergency.matches(digits)
    }

    /// The digits behind this region's international prefix, such as `011` in America. No
    /// country code begins with 0.
    pub(super) fn behind_international_prefix<'a>(&self, digits: &'a str) -> Option<&'a str> {
        let end = self.international_prefix.get()?.find(digits)?.end();
        Some(&digits[end..]).filter(|rest| !rest.is_empty() && !rest.starts_with('0'))
    }

    /// The national number without the prefix that is dialled before it within the country, as
    /// libphonenumber strips it: only where a number of a length the plan knows is left.
    pub(super) fn significant(&self, digits: &str) -> String {
        let stripped = self.stripped(digits);
        match self.is_possible_length(stripped.len()) {
            true => stripped,
            false => digits.to_owned(),
        }
    }

    fn stripped(&self, digits: &str) -> String {
        let Some(found) = self.trunk_prefix.get().and_then(|prefix| prefix.captures(digits)) else {
            return digits.to_owned();
        };
        let rest = &digits[found.get(0).map_or(0, |prefix| prefix.end())..];
        // A transformation applies where the last group took part, as Argentina's 15 that becomes
        // a 9 before the area code.
        let last = found.len() - 1;
        let result = match last > 0 && found.get(last).is_some() && !self.transform.is_empty() {
            true => {
                let mut number = String::new();
                found.expand(&self.expansion(), &mut number);
                number + rest
            }
            false => rest.to_owned(),
        };
        match self.has(digits) && !self.has(&result) {
            true => digits.to_owned(),
            false => result,
        }
    }

    /// `9$1` with its group in braces: what follows a group is a digit, which would be read as
    /// part of its name.
    fn expansion(&self) -> String {
        let mut text = String::new();
        let mut chars = self.transform.chars();
        while let Some(c) = chars.next() {
            match (c, chars.as_str().chars().next()) {
                ('$', Some(group)) => {
                    text.push_str(&format!("${{{group}}}"));
                    chars.next();
                }
                _ => text.push(c),
            }
        }
        text
    }

    fn is_possible_length(&self, length: usize) -> bool {
        let mut lengths = self.lengths.split(',').filter_map(|n| n.parse::<usize>().ok());
        let local = self.local_lengths.split(',').any(|n| n.parse() == Ok(length));
        let longest = lengths.clone().max().unwrap_or(0);
        // Too long is let through: it is for the caller to say what such a number is.
        !local && (lengths.any(|n| n == length) || length > longest)
    }

    #[cfg(test)]
    pub(super) fn all() -> &'static [Self] {
        &PLANS
    }

    #[cfg(test)]
    pub(super) fn patterns_compile(&self) -> bool {
        [&self.international_prefix, &self.trunk_prefix, &self.numbers, &self.emergency]
            .into_iter()
            .all(|pattern| pattern.get().is_some() != pattern.text.is_empty())
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plan({} +{})", self.region, self.country_code)
    }
}
