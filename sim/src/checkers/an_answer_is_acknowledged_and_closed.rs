//! By the carriers' books: every final is acknowledged, and nobody is left in an open call.

use super::{Checker, Findings, Map, SMALL};
use crate::ledger::Entry;
use crate::seed::fingerprint;
use crate::world::plan::Plan;
use crate::world::{Ending, Fact, disturbed};
use schemas::call::CallEvent;
use schemas::{CallId, Recorded};
use std::time::Duration;

/// So long an answer is repeated, and so long after it a BYE.
const PATIENCE_MS: u64 = 70_000;

/// While the engine is gone for less than this, callees wait, and the next process closes what was
/// open.
const DOWN_MAX: Duration = Duration::from_secs(12);

#[derive(Default)]
pub struct Books {
    /// What owes something: whether it had to is known when the world is over.
    suspects: Vec<Entry>,
    /// Whose a Call-ID is; of small worlds.
    calls: Option<Map<u64, CallId>>,
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

    fn open(&mut self, plan: &Plan) {
        self.calls = (plan.count() <= SMALL).then(Map::default);
    }

    fn reread(&mut self, event: &Recorded<CallEvent>, _: &[u8], _: &mut Findings) {
        if let (Some(calls), CallEvent::DialStarted(dial)) = (&mut self.calls, &event.event) {
            calls.extend(event.stream.as_call().map(|call| (fingerprint(&dial.sip_call_id), call)));
        }
    }

    fn close(&mut self, end: &Ending<'_>, findings: &mut Findings) {
        end.open_entries.iter().for_each(|(_, entry)| self.look(entry));
        for entry in &self.suspects {
            let from = Duration::from_millis(entry.received_ms);
            let until = entry.ended_ms.max(entry.final_ms).max(entry.received_ms) + PATIENCE_MS;
            // A phone that nobody answers rings until somebody cancels.
            let until = if entry.status == 0 { end.at } else { Duration::from_millis(until) };
            let hit = end.crashed.iter().filter(|(at, _)| *at <= until && from <= *at);
            let gone: Duration = hit.map(|(from, to)| *to - *from).sum();
            // A refusal that nobody acknowledges is forgotten by itself: no callee waits for it.
            let forgotten = entry.status >= 300 && gone > Duration::ZERO;
            if forgotten || gone > DOWN_MAX || disturbed(end.disturbed, from, until) {
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
            let call = self.calls.as_ref().and_then(|calls| calls.get(&fingerprint(call_id)));
            findings.add(call.copied(), what);
        }
    }
}
