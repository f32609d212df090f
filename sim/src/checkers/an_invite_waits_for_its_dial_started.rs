//! No INVITE leaves before its `DialStarted` is durable, and none for one that an earlier process
//! made durable: what was on the wire when the engine died is not sent again.

use super::{Checker, Findings, Set};
use crate::seed::fingerprint;
use crate::world::Fact;
use schemas::call::CallEvent;
use std::time::Duration;

#[derive(Default)]
pub struct Invites {
    dialled: Set<u64>,
}

impl Checker for Invites {
    fn says(&self) -> &'static str {
        "an INVITE waits for its DialStarted"
    }

    fn see(&mut self, fact: &Fact<'_>, _: Duration, findings: &mut Findings) {
        match fact {
            Fact::Durable(event) => {
                if let CallEvent::DialStarted(dial) = &event.event {
                    self.dialled.insert(fingerprint(&dial.sip_call_id));
                }
            }
            Fact::Left { glimpse, .. }
                if glimpse.begins_a_call()
                    && !self.dialled.contains(&fingerprint(glimpse.call_id)) =>
            {
                let call = glimpse.call_id;
                let what = format!("INVITE {call} leaves without a DialStarted of this process");
                findings.add(None, what);
            }
            Fact::Gone(_) => self.dialled.clear(),
            _ => {}
        }
    }
}
