//! What a node holds follows the calls that are up: a call that ended leaves nothing behind for
//! longer than a transaction lingers. A leak is seen while the world goes on, not in the end.

use super::{Checker, Findings, Set, short};
use crate::world::{Fact, Held};
use schemas::call::CallEvent;
use std::collections::VecDeque;
use std::time::Duration;

#[derive(Default)]
pub struct Memory {
    /// Calls that were requested and have not ended, by the log.
    up: Set<u64>,
    /// Redials that were promised and not made yet.
    promised: usize,
    /// When tries ended: their legs linger.
    ended: VecDeque<Duration>,
    /// Calls that processes have left open: what of them became durable may not have been told.
    left_open: usize,
}

/// A leg waits for what may still come of a try: 64*T1 behind its last final, and one more for a
/// BYE that nobody answers.
const LINGERS: Duration = Duration::from_secs(100);
/// Timers that a call may have at once.
const TIMERS_MAX: usize = 6;
/// What is on its way to the log is not counted: so many calls begin at one moment.
const SLACK: usize = 64;

impl Memory {
    fn look(&mut self, held: &Held, at: Duration, findings: &mut Findings) {
        while self.ended.front().is_some_and(|ended| *ended + LINGERS < at) {
            self.ended.pop_front();
        }
        let up = self.up.len() + self.left_open + SLACK;
        let tries = up + self.ended.len();
        let of_calls = &held.of_calls;
        let lanes_of = |lanes: &[u32]| lanes.iter().map(|lanes| *lanes as usize).sum::<usize>();
        let bounds = [
            ("calls", of_calls.calls, up),
            ("lanes", of_calls.lanes as usize, up),
            ("lanes of gateways", lanes_of(&of_calls.gateways), up),
            ("lanes of lists", lanes_of(&of_calls.batches), up),
            ("timers", of_calls.timers, TIMERS_MAX * up),
            ("redials", of_calls.redials, self.promised + self.left_open + SLACK),
            ("legs", held.legs, tries),
            ("streams", held.streams, tries),
        ];
        for (what, count, most) in bounds.into_iter().filter(|(_, count, most)| count > most) {
            let up = self.up.len();
            let what = format!("{count} {what} while {up} calls are up: {most} at most");
            findings.add(None, what);
        }
    }
}

impl Checker for Memory {
    fn says(&self) -> &'static str {
        "memory follows the calls"
    }

    fn see(&mut self, fact: &Fact<'_>, at: Duration, findings: &mut Findings) {
        match fact {
            Fact::Durable(event) => {
                let Some(call) = event.stream.as_call() else { return };
                match &event.event {
                    CallEvent::CallRequested(requested) => {
                        self.up.insert(short(call));
                        let is_redial = usize::from(requested.attempt > 1);
                        self.promised = self.promised.saturating_sub(is_redial);
                    }
                    CallEvent::TryFailed(_) => self.ended.push_back(at),
                    CallEvent::CallEnded(end) => {
                        self.up.remove(&short(call));
                        self.ended.push_back(at);
                        self.promised += usize::from(end.redial_at.is_some());
                    }
                    _ => {}
                }
            }
            Fact::Started { unfinished, .. } => self.left_open += unfinished,
            Fact::Looked { held, .. } => self.look(held, at, findings),
            _ => {}
        }
    }
}
