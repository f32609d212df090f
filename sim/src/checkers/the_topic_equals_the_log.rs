//! What stands in the topic of events is what stands in the log: of each callee every event, in its
//! order, once. Where brokers have no transactions a message may come again; who drops what is not
//! higher than what it has seen of that call, sees the same.

use super::{Checker, Findings, Map};
use crate::world::plan::Plan;
use crate::world::{Ending, Fact};
use schemas::call::CallEvent;
use schemas::{CallId, CalleeKey, Recorded};
use std::collections::VecDeque;
use std::time::Duration;

#[derive(Default)]
pub struct Topic {
    exactly_once: bool,
    told: Map<CalleeKey, VecDeque<(CallId, u32)>>,
    last: Map<CallId, u32>,
    callees: Map<CallId, CalleeKey>,
}

impl Checker for Topic {
    fn says(&self) -> &'static str {
        "the topic equals the log"
    }

    fn open(&mut self, plan: &Plan) {
        self.exactly_once = plan.together.as_ref().is_none_or(|together| together.transactions);
    }

    fn see(&mut self, fact: &Fact<'_>, _: Duration, findings: &mut Findings) {
        let Fact::Told { callee, call, sequence } = *fact else { return };
        let last = self.last.entry(call).or_default();
        if sequence <= *last {
            if self.exactly_once {
                findings.add(Some(call), format!("event {sequence} is told behind {last}"));
            }
            return;
        }
        *last = sequence;
        self.told.entry(callee).or_default().push_back((call, sequence));
    }

    fn reread(&mut self, event: &Recorded<CallEvent>, _: &[u8], findings: &mut Findings) {
        let Some(call) = event.stream.as_call() else { return };
        if let CallEvent::CallRequested(requested) = &event.event {
            self.callees.insert(call, requested.callee);
        }
        let stands = (call, event.revision.sequence());
        let callee = self.callees.get(&call).copied();
        let told = callee.and_then(|callee| self.told.get_mut(&callee)?.pop_front());
        if told != Some(stands) {
            let what = format!("event {} of the log, and in the topic {told:?}", stands.1);
            findings.add(Some(call), what);
        }
    }

    fn close(&mut self, _: &Ending<'_>, findings: &mut Findings) {
        let left = self.told.values().flatten();
        let mut left: Vec<_> = left.copied().collect();
        left.sort_unstable();
        for (call, sequence) in left {
            findings.add(Some(call), format!("event {sequence} was told and is not in the log"));
        }
    }
}
