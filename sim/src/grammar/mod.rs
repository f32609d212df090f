//! Test numbers: the last eight digits of a callee's number choose what the callee does, over real
//! SIP and in simulation alike. `999`, three digits that look like a SIP status, two digits of
//! detail: `+86 138 999 486 02` rings for 2 s and is busy.
//!
//! A code that stands in no row chooses nothing: such a number behaves like any other. So rows can
//! be added, and none may ever change its meaning.

mod rows;

pub use rows::ROWS;

use crate::callee::{Plan, Step};
use std::fmt::Write;

/// What a number's last digits chose.
#[derive(Clone, Copy, Debug)]
pub struct Chosen {
    /// The three digits.
    pub code: u16,
    /// The two digits.
    pub nn: u8,
    /// The row that they stand in.
    pub row: &'static Row,
}

/// A row of the grammar.
#[derive(Debug)]
pub struct Row {
    /// The codes it is for, both ends included.
    pub codes: (u16, u16),
    /// Its name in the ledger.
    pub name: &'static str,
    /// What the last two digits mean here.
    pub nn: Detail,
    /// What the callee does, for people.
    pub does: &'static str,
    /// What an engine should make of it that rings for longer than the callee: an outcome of the
    /// call record, or what decides it.
    pub outcome: &'static str,
    plan: fn(&Case) -> Plan,
}

/// What the last two digits mean.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Detail {
    /// Nothing.
    Unused,
    /// Seconds.
    Seconds,
    /// Tenths of a second.
    Tenths,
    /// How often.
    Times,
    /// A Q.850 cause.
    Cause,
    /// Two digits to press.
    Digits,
}

impl Detail {
    fn words(self) -> &'static str {
        match self {
            Self::Unused => "–",
            Self::Seconds => "seconds",
            Self::Tenths => "tenths of a second",
            Self::Times => "times",
            Self::Cause => "Q.850 cause",
            Self::Digits => "digits",
        }
    }
}

/// What a row's plan depends on.
struct Case {
    code: u16,
    nn: u8,
    /// How many calls this number had before.
    nth: u32,
    second_ms: u32,
}

impl Case {
    /// So many of the grammar's seconds, in milliseconds.
    fn seconds(&self, seconds: u32) -> u32 {
        seconds * self.second_ms
    }

    fn nn_seconds(&self) -> u32 {
        self.seconds(u32::from(self.nn))
    }

    fn nn_tenths(&self) -> u32 {
        self.nn_seconds() / 10
    }

    /// A wait of `nn` seconds.
    fn wait(&self) -> Step {
        Step::Wait(self.nn_seconds())
    }
}

/// Reads a number as a test number. Takes the user part of a SIP URI as it comes: `+`, blanks,
/// hyphens, dots and brackets between the digits are skipped, parameters after `;` left out.
pub fn read(number: &str) -> Option<Chosen> {
    let number = number.split(';').next().unwrap_or(number);
    let mut tail = 0u32;
    let mut place = 1u32;
    for digit in number.bytes().rev().filter(u8::is_ascii_digit) {
        tail += u32::from(digit - b'0') * place;
        place *= 10;
        if place == 100_000_000 {
            break;
        }
    }
    let chosen = (place == 100_000_000 && tail / 100_000 == 999).then_some(tail % 100_000)?;
    let (code, nn) = ((chosen / 100) as u16, (chosen % 100) as u8);
    let row = ROWS.iter().find(|row| (row.codes.0..=row.codes.1).contains(&code))?;
    Some(Chosen { code, nn, row })
}

impl Chosen {
    /// What the callee does when this is its `nth` call (from 0), and the grammar's second lasts so
    /// many milliseconds: 1000, unless a test is in a hurry.
    pub fn plan(&self, nth: u32, second_ms: u32) -> Plan {
        let case = Case { code: self.code, nn: self.nn, nth, second_ms };
        Plan { name: self.row.name, ..(self.row.plan)(&case) }
    }

    /// Whether the plan depends on how many calls the number had before.
    pub fn counts_calls(&self) -> bool {
        self.row.nn == Detail::Times && (280..=289).contains(&self.code)
    }
}

/// The grammar as a table in Markdown: what `docs/test-numbers.md` and the command line show.
pub fn table() -> String {
    let mut text = String::from(
        "| last 8 digits | `nn` | what the callee does | outcome |\n|---|---|---|---|\n",
    );
    for row in ROWS {
        let (first, last) = row.codes;
        let codes = match last {
            _ if first == last => format!("`999{first:03}nn`"),
            last => format!("`999{first:03}nn` to `999{last:03}nn`"),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| {codes} | {} | {} | {} |", row.nn.words(), row.does, row.outcome);
    }
    text
}

/// The grammar for a terminal of 80 columns, wrapped.
pub fn listing() -> String {
    const MARGIN: usize = 17;
    let mut text = String::new();
    for row in ROWS {
        let codes = match row.codes {
            (first, last) if first == last => format!("{first:03}"),
            (first, last) => format!("{first:03}-{last:03}"),
        };
        let unit = match row.nn {
            Detail::Unused => String::new(),
            detail => format!("({}) ", detail.words()),
        };
        let words = format!("{unit}{} -> {}", row.does, row.outcome).replace('`', "");
        let mut line = format!("  999 {codes:<7} nn");
        let mut width = line.len();
        for word in words.split(' ') {
            if width + 1 + word.chars().count() > 79 {
                line.push('\n');
                line.push_str(&" ".repeat(MARGIN));
                width = MARGIN;
            }
            line.push(' ');
            line.push_str(word);
            width += 1 + word.chars().count();
        }
        text.push_str(&line);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect_file;

    fn check(number: &str, wanted: Option<(u16, u8)>) {
        assert_eq!(read(number).map(|chosen| (chosen.code, chosen.nn)), wanted, "{number}");
    }

    #[test]
    fn the_last_eight_digits_choose() {
        check("+8613899948602", Some((486, 2)));
        check("99920000", Some((200, 0)));
        check("+1 (219) 999-486.02", Some((486, 2)));
        check("0099920000;phone-context=+86", Some((200, 0)));
    }

    #[test]
    fn other_numbers_choose_nothing() {
        check("", None);
        check("anonymous", None);
        check("9920000", None);
        check("+8613899848602", None);
        check("99948602x1", None);
        // A code that stands in no row yet.
        check("+8613899990000", None);
        check(&"9".repeat(400), None);
    }

    #[test]
    fn rows_do_not_hide_each_other_unless_the_first_is_the_narrower() {
        for (place, row) in ROWS.iter().enumerate() {
            assert!(row.codes.0 <= row.codes.1 && row.codes.1 < 1_000);
            for earlier in &ROWS[..place] {
                assert!(
                    earlier.codes.1 < row.codes.0 || earlier.codes.0 > row.codes.0,
                    "{} hides the start of {}",
                    earlier.name,
                    row.name
                );
            }
        }
    }

    #[test]
    fn names_are_unlike_each_other() {
        let mut names: Vec<_> = ROWS.iter().map(|row| row.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ROWS.len());
    }

    #[test]
    fn every_number_has_a_plan_whatever_its_details() {
        for code in 0..1_000 {
            for nn in [0, 1, 42, 99] {
                if let Some(chosen) = read(&format!("999{code:03}{nn:02}")) {
                    let plan = chosen.plan(0, 1_000);
                    assert!(plan.steps.len() <= 16, "{code} {nn}");
                }
            }
        }
    }

    #[test]
    fn the_page_of_test_numbers_shows_the_grammar() {
        let page = format!("{}\n{}{}", PAGE_HEAD, table(), PAGE_TAIL);
        expect_file!["../../../docs/test-numbers.md"].assert_eq(&page);
    }

    #[test]
    fn the_listing_fits_a_terminal() {
        for line in listing().lines() {
            assert!(line.chars().count() <= 79, "{line}");
        }
    }

    const PAGE_HEAD: &str = "\
# Test numbers

The simulated carrier (`callfold carrier`, the demo, the simulator) lets the last eight digits of a
callee's number choose what the callee does: `999`, then three digits that look like a SIP status,
then two digits of detail, `nn`. What stands before them does not matter, so a test number can look
like a number of any country: `+86 138 999 486 02` rings for 2 seconds and is busy,
`+1 219 999 200 05` answers after 5 seconds.

A number that does not end so, or whose code stands in no row, behaves by a seeded mix of answers,
busy lines and unanswered ringing (`callfold carrier --help`: `--mix`). Rows are only added; none
changes its meaning. Where two rows are for one code, the first one counts.

The last column is what an engine's record should say when it lets the phone ring for long enough:
an outcome of the contract, or what decides it.
";

    const PAGE_TAIL: &str = "
*Answers* means: 180 at once, 200 with SDP after that time, a short \"hello\", then silence until
the caller hangs up. A code of the 2xx family that does not say otherwise answers after 1 second of
ringing. Challenges want the user name and password that the carrier was started with
(`callfold` and `callfold` unless it says otherwise), in the realm `callfold`.

This page is made from the grammar (`sim/src/grammar/rows.rs`) and checked by a test;
`UPDATE_EXPECT=1 cargo test -p sim` writes it anew.
";
}
