//! By the carriers' books: every final is acknowledged, and nobody is left in an open call.

use super::{Checker, Findings};
use crate::ledger::Entry;
use crate::world::{Ending, Fact, disturbed};
use std::time::Duration;

/// So long an answer is repeated, and so long after it a BYE.
const PATIENCE_MS: u64 = 70_000;

/// After one crash, if it is not gone for longer, the next process closes what was open.
const DOWN_MAX: Duration = Duration::from_secs(5);

#[derive(Default)]
pub struct Books {
    /// What owes something: whether it had to is known when the world is over.
    suspects: Vec<Entry>,
}

/// So many are looked at in the end.
const SUSPECTS_MAX: usize = 10_000;

impl Books {
    fn look(&mut self, entry: &Entry) {
        // Without a Contact nobody knows where it sits.
        let misled = entry.misdirected > 0 && entry.plan != "no-contact";
        // A BYE that overtakes the ACK ends the repeats of the 200 as well.
        let closed = entry.status / 100 == 2 && entry.byes > 0 && entry.open + entry.unacked == 0;
        if (!(entry.is_settled() || closed) || misled) && self.suspects.len() < SUSPECTS_MAX {
            self.suspects.push(entry.clone());
        }
    }
}

impl Checker for Books {
    fn says(&self) -> &'static str {
        "an answer is acknowledged and closed"
    }

    fn see(&mut self, fact: &Fact<'_>, _: Duration, _: &mut Findings) {
        if let Fact::Booked { entry, .. } = fact {
            self.look(entry);
        }
    }

    fn close(&mut self, end: &Ending<'_>, findings: &mut Findings) {
        end.open_entries.iter().for_each(|(_, entry)| self.look(entry));
        for entry in &self.suspects {
            let from = Duration::from_millis(entry.received_ms);
            let until = entry.ended_ms.max(entry.final_ms).max(entry.received_ms) + PATIENCE_MS;
            let until = Duration::from_millis(until);
            let hit = end.crashed.iter().filter(|(at, _)| *at <= until && from <= *at);
            let gone: Vec<&(Duration, Duration)> = hit.collect();
            let long = gone.iter().any(|(from, to)| *to - *from > DOWN_MAX);
            if gone.len() > 1 || long || disturbed(end.disturbed, from, until) {
                continue;
            }
            let Entry { call_id, status, plan, .. } = entry;
            let what = format!(
                "{call_id} ({plan}, {status}): {} open, {} unacknowledged, {} ACKs for {} answers, {} CANCELs, {} misdirected",
                entry.open,
                entry.unacked,
                entry.acks,
                entry.answers,
                entry.cancels,
                entry.misdirected
            );
            findings.add(None, what);
        }
    }
}
