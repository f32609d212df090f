//! How far long work is: a bar on a terminal, a line now and then elsewhere.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// The progress of one piece of work.
pub struct Bar {
    bar: ProgressBar,
    what: &'static str,
    last_line: Instant,
    terminal: bool,
}

impl Bar {
    /// Of bytes.
    pub fn of_bytes(what: &'static str) -> Self {
        Self::new(what, "{prefix}  {wide_bar} {bytes}/{total_bytes}  {eta}")
    }

    /// Of events.
    pub fn of_events(what: &'static str) -> Self {
        Self::new(what, "{prefix}  {wide_bar} {pos}/{len}  {eta}")
    }

    fn new(what: &'static str, template: &str) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let target = match terminal {
            true => ProgressDrawTarget::stderr_with_hz(10),
            false => ProgressDrawTarget::hidden(),
        };
        let style = ProgressStyle::with_template(template).expect("the templates are constants");
        let bar = ProgressBar::with_draw_target(None, target).with_style(style).with_prefix(what);
        Self { bar, what, last_line: Instant::now(), terminal }
    }

    /// It is so far, and goes so far.
    pub fn at(&mut self, done: u64, whole: u64) {
        self.bar.set_length(whole);
        self.bar.set_position(done);
        if !self.terminal && self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = Instant::now();
            let percent = done.saturating_mul(100) / whole.max(1);
            // Nobody listens: the work goes on all the same.
            let _ = writeln!(std::io::stderr(), "{}: {percent} %", self.what);
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
