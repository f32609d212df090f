//! Every accepted call ends, exactly once; its events are dense, and its time never goes back.

use super::{Checker, Findings, Map, Set, short};
use crate::world::{Ending, Fact};
use schemas::call::CallEvent;
use schemas::{CallId, Recorded, Timestamp};
use std::time::Duration;
use switchboard::Answer;

#[derive(Default)]
pub struct Ends {
    accepted: Map<u64, CallId>,
    open: Map<CallId, (u32, Timestamp)>,
    ended: Set<u64>,
}

impl Checker for Ends {
    fn says(&self) -> &'static str {
        "every accepted call ends once"
    }

    fn see(&mut self, fact: &Fact<'_>, _: Duration, _: &mut Findings) {
        // Who hears either forgets the command.
        if let Fact::Answered(_, Answer::Accepted(call) | Answer::Repeated(call)) = fact {
            self.accepted.insert(short(*call), *call);
        }
    }

    fn reread(&mut self, event: &Recorded<CallEvent>, _: &[u8], findings: &mut Findings) {
        let Some(call) = event.stream.as_call() else { return };
        let name = event.event.name();
        if matches!(event.event, CallEvent::CallRequested(_)) {
            self.accepted.remove(&short(call));
            if event.revision.0 != 0 || self.open.contains_key(&call) {
                findings.add(Some(call), "it was requested twice".to_owned());
            }
            self.open.insert(call, (0, event.at));
            return;
        }
        let Some((revision, at)) = self.open.get_mut(&call) else {
            let why = if self.ended.contains(&short(call)) { "after its end" } else { "unborn" };
            return findings.add(Some(call), format!("{name} {why}"));
        };
        if event.revision.0 != *revision + 1 {
            findings.add(Some(call), format!("{name} leaves a gap behind {revision}"));
        }
        if event.at < *at {
            findings.add(Some(call), format!("{name} goes back in time"));
        }
        (*revision, *at) = (event.revision.0, event.at);
        if matches!(event.event, CallEvent::CallEnded(_)) {
            self.open.remove(&call);
            self.ended.insert(short(call));
        }
    }

    fn close(&mut self, _: &Ending<'_>, findings: &mut Findings) {
        let mut open: Vec<CallId> = self.open.keys().copied().collect();
        open.sort_unstable();
        open.into_iter().for_each(|call| findings.add(Some(call), "it never ended".to_owned()));
        let mut lost: Vec<CallId> = self.accepted.values().copied().collect();
        lost.sort_unstable();
        for call in lost {
            findings.add(Some(call), "it was accepted and is not in the log".to_owned());
        }
    }
}
