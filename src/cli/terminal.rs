//! Who reads: a person at a terminal, or a file.

use projections::table::Style;
use std::io::{IsTerminal, stderr, stdout};

/// Fewer columns than that are not believed.
const WIDTH_MIN: usize = 40;
/// What is taken where nobody says.
const WIDTH_DEFAULT: usize = 80;

/// Whether colours are wished for: unless `NO_COLOR` is set (no-color.org), or the terminal is a
/// dumb one.
pub fn colors_wanted() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// How tables are printed to stdout.
pub fn of_stdout() -> Style {
    style(stdout().is_terminal())
}

/// How tables and progress are printed to stderr.
pub fn of_stderr() -> Style {
    style(stderr().is_terminal())
}

fn style(terminal: bool) -> Style {
    let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let seen = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    let width = told.or_else(|| seen().filter(|_| terminal)).unwrap_or(WIDTH_DEFAULT);
    Style { width: width.max(WIDTH_MIN), terminal, color: terminal && colors_wanted() }
}
