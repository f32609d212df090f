//! Text that fits a terminal: cells of a known width, colours only where somebody looks.

use schemas::Outcome;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// How a table is printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Style {
    /// Columns of the terminal, at least 40 are used.
    pub width: usize,
    /// Whether somebody looks at it: bars are drawn.
    pub terminal: bool,
    /// Whether colours are wished for: a terminal, and no `NO_COLOR`.
    pub color: bool,
}

impl Style {
    /// For a file or a pipe: 80 columns, no colour.
    pub const PLAIN: Self = Self { width: 80, terminal: false, color: false };

    /// The text in a colour, if colours are wished for.
    pub fn paint(&self, paint: Paint, text: &str) -> String {
        match self.color {
            true => format!("\u{1b}[{}m{text}\u{1b}[0m", paint.code()),
            false => text.to_owned(),
        }
    }
}

/// What a colour says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Paint {
    /// As wished.
    Good,
    /// Nobody's fault, may come to something later.
    Waiting,
    /// Something is wrong.
    Bad,
    /// Nothing happened.
    Quiet,
    /// A heading.
    Heading,
}

impl Paint {
    fn code(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Waiting => "33",
            Self::Bad => "31",
            Self::Quiet => "2",
            Self::Heading => "1",
        }
    }

    /// The colour of an outcome; of a call that is open when there is none.
    pub fn of(outcome: Option<Outcome>) -> Self {
        match outcome {
            Some(Outcome::Completed) => Self::Good,
            Some(Outcome::Busy | Outcome::NoAnswer | Outcome::Unreachable) | None => Self::Waiting,
            Some(Outcome::Rejected | Outcome::InvalidNumber) => Self::Waiting,
            Some(Outcome::Failed | Outcome::OutcomeUnknown) => Self::Bad,
            Some(Outcome::Cancelled | Outcome::Suppressed) => Self::Quiet,
        }
    }
}

/// Where a cell's text stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Align {
    /// At the left.
    Left,
    /// At the right: numbers.
    Right,
}

/// The text in exactly so many columns: cut with `…`, or filled with blanks. What could move the
/// cursor is shown as `·`.
pub fn cell(text: &str, width: usize, align: Align) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { '·' } else { c }).collect();
    let text = if plain.width() <= width { plain } else { cut(&plain, width) };
    let blanks = " ".repeat(width.saturating_sub(text.width()));
    match align {
        Align::Left => text + &blanks,
        Align::Right => blanks + &text,
    }
}

/// As [`cell`] at the left, but what is cut is the beginning: numbers and addresses differ at their
/// end.
pub fn cell_of_end(text: &str, width: usize) -> String {
    let backward = |text: &str| text.chars().rev().collect::<String>();
    let cut = backward(&cell(&backward(text), width, Align::Left));
    cell(cut.trim_start_matches(' '), width, Align::Left)
}

fn cut(text: &str, width: usize) -> String {
    let mut kept = String::new();
    let mut left = width.saturating_sub(1);
    for c in text.chars() {
        let columns = c.width().unwrap_or(0);
        if columns > left {
            break;
        }
        left -= columns;
        kept.push(c);
    }
    if width > 0 {
        kept.push('…');
    }
    kept
}

/// A span as people say it: `740 ms`, `3.2 s`, `2:05`, `1:02:05`. At most 7 columns below 10 hours.
pub fn span(ms: u32) -> String {
    let seconds = ms / 1000;
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..60_000 => format!("{seconds}.{} s", ms % 1000 / 100),
        60_000..3_600_000 => format!("{}:{:02}", seconds / 60, seconds % 60),
        _ => format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60),
    }
}

/// A part of a whole as a bar of at most `width` columns, to an eighth of a column.
pub fn bar(part: u64, whole: u64, width: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    if whole == 0 || part == 0 {
        return String::new();
    }
    let eighths = (width as u128 * 8 * u128::from(part.min(whole)) / u128::from(whole)).max(1);
    // Bounded by the width of a terminal.
    let (full, rest) = ((eighths / 8) as usize, (eighths % 8) as usize);
    "█".repeat(full) + EIGHTHS[rest]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_as_wide_as_it_is_told_whatever_stands_in_it() {
        for text in ["", "a", "carrier-a", "线路一号网关", "a\u{1b}[31mb", "é̂", "😀😀😀😀😀"]
        {
            for width in 0..12 {
                for align in [Align::Left, Align::Right] {
                    let cell = cell(text, width, align);
                    assert_eq!(cell.width(), width, "{text:?} in {width}: {cell:?}");
                    assert!(!cell.contains('\u{1b}'));
                }
            }
        }
        assert_eq!(cell("carrier-a", 8, Align::Left), "carrier…");
        assert_eq!(cell("200", 5, Align::Right), "  200");
        assert_eq!(cell_of_end("8600000599940400", 10), "…599940400");
        assert_eq!(cell_of_end("线路一号网关", 6), "…网关 ");
        assert_eq!(cell_of_end("a", 3), "a  ");
    }

    #[test]
    fn a_span_is_said_as_people_say_it() {
        let said = [0, 740, 999, 1_000, 3_249, 59_999, 60_000, 125_000, 3_725_000].map(span);
        let wanted =
            ["0 ms", "740 ms", "999 ms", "1.0 s", "3.2 s", "59.9 s", "1:00", "2:05", "1:02:05"];
        assert_eq!(said, wanted);
    }

    #[test]
    fn a_bar_never_leaves_its_width_and_never_hides_what_is_there() {
        assert_eq!(bar(1, 2, 4), "██");
        assert_eq!(bar(1, 1_000_000, 4), "▏");
        assert_eq!(bar(9, 8, 4), "████");
        assert_eq!((bar(0, 8, 4), bar(1, 0, 4)), (String::new(), String::new()));
        assert_eq!(bar(u64::MAX, u64::MAX, 40).chars().count(), 40);
    }
}
