//! The timers of all calls, in the order they come due.
//!
//! A timer that is stopped is gone at once, since most never fire: one that waits for a deadline
//! in a week must not stay for a week.

use call::Timer;
use mutants::mutant;
use schemas::Timestamp;
use std::collections::BTreeSet;

#[derive(Default)]
pub(crate) struct Timers {
    due: BTreeSet<(Timestamp, u32, Timer)>,
}

impl Timers {
    /// Starts a timer of the call in slot `index`, in place of one of the same name.
    pub fn start(
        &mut self,
        index: u32,
        timer: Timer,
        at: Timestamp,
        deadlines: &mut [Option<Timestamp>; 6],
    ) {
        self.stop(index, timer, deadlines);
        deadlines[timer as usize] = Some(at);
        self.due.insert((at, index, timer));
    }

    pub fn stop(&mut self, index: u32, timer: Timer, deadlines: &mut [Option<Timestamp>; 6]) {
        if let Some(at) = deadlines[timer as usize].take()
            && !mutant!("forgets to stop a timer")
        {
            self.due.remove(&(at, index, timer));
        }
    }

    pub fn stop_all(&mut self, index: u32, deadlines: &mut [Option<Timestamp>; 6]) {
        Timer::ALL.into_iter().for_each(|timer| self.stop(index, timer, deadlines));
    }

    /// The next timer that is due by now.
    pub fn pop_due(&mut self, now: Timestamp) -> Option<(u32, Timer)> {
        self.due.first().filter(|(at, ..)| *at <= now)?;
        self.due.pop_first().map(|(_, index, timer)| (index, timer))
    }

    pub fn len(&self) -> usize {
        self.due.len()
    }

    pub fn next(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, ..)| *at)
    }
}
