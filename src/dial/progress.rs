//! What is seen while calls are up: a bar on a terminal, a line now and then elsewhere.

use super::DialOptions;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use node::Node;
use schemas::Outcome;
use schemas::call::CallEnded;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// The progress of a list.
pub struct Progress {
    bar: ProgressBar,
    terminal: bool,
    seen: RefCell<Seen>,
}

struct Seen {
    outcomes: BTreeMap<Outcome, u64>,
    ended: u64,
    total: u64,
    live: usize,
    last_line: Instant,
    note: String,
}

impl Progress {
    /// Of so many callees.
    pub fn start(total: u64, options: &DialOptions) -> Self {
        let terminal = std::io::stderr().is_terminal() && options.style.terminal;
        let target = match terminal {
            true => ProgressDrawTarget::stderr_with_hz(10),
            false => ProgressDrawTarget::hidden(),
        };
        let style =
            ProgressStyle::with_template("{wide_bar} {pos}/{len}  {per_sec}  {elapsed}\n{msg}")
                .expect("the template is a constant");
        let bar = ProgressBar::with_draw_target(Some(total), target).with_style(style);
        let seen = Seen {
            outcomes: BTreeMap::new(),
            ended: 0,
            total,
            live: 0,
            last_line: Instant::now(),
            note: String::new(),
        };
        Self { bar, terminal, seen: RefCell::new(seen) }
    }

    /// A call ended.
    pub fn ended(&self, ended: &CallEnded) {
        let seen = &mut *self.seen.borrow_mut();
        *seen.outcomes.entry(ended.outcome).or_default() += 1;
        // A call that is tried again is not done with.
        if ended.redial_at.is_none() {
            seen.ended += 1;
            self.bar.inc(1);
        }
    }

    /// Looks at what is up now.
    pub fn look(&self, node: &Node) {
        let seen = &mut *self.seen.borrow_mut();
        seen.live = node.gauges.live.load(Ordering::Relaxed);
        if self.terminal {
            self.bar.set_message(seen.text());
        } else if seen.last_line.elapsed() >= LINE_EVERY {
            seen.last_line = Instant::now();
            say(&format!("{}/{} ended, {}", seen.ended, seen.total, seen.text()));
        }
    }

    /// Somebody wants it to stop, for the `times`-th time.
    pub fn stopping(&self, times: usize) {
        let seen = &mut *self.seen.borrow_mut();
        seen.note = match times {
            1 => "stopping: no new calls; press Ctrl-C again to hang up".into(),
            _ => "hanging up; press Ctrl-C again to leave at once".into(),
        };
        if !self.terminal {
            say(&seen.note);
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Seen {
    fn text(&self) -> String {
        let mut parts = vec![format!("{} live", self.live)];
        parts.extend(self.outcomes.iter().map(|(outcome, count)| format!("{count} {outcome}")));
        if !self.note.is_empty() {
            parts.push(self.note.clone());
        }
        parts.join(" · ")
    }
}

fn say(text: &str) {
    // Nobody reads any more: the calls go on.
    let _ = writeln!(std::io::stderr(), "{text}");
}
