//! Nobody is rung twice for one call: a further try comes after a carrier's fault alone, never once
//! the phone rang, never through the same gateway; and on the wire there is one INVITE a try.

use super::{Checker, Findings, Map};
use crate::seed::fingerprint;
use crate::world::{Ending, Fact};
use schemas::CallId;
use schemas::call::CallEvent;
use std::time::Duration;

#[derive(Default)]
pub struct Rings {
    /// By Call-ID: what the engine heard of that try.
    tries: Map<u64, Heard>,
    /// The tries of each call that is up.
    calls: Map<CallId, Vec<u64>>,
    /// Where each Call-ID's INVITE went, and its branches.
    invites: Map<u64, Vec<u64>>,
}

#[derive(Default)]
struct Heard {
    gateway: String,
    rang: bool,
    refused: Option<u16>,
    over: bool,
    since: Duration,
}

/// So long a try waits for a first answer: 64*T1.
const TIMER_B: Duration = Duration::from_millis(31_900);

/// What a callee says, or a network that knows him: there is no use in asking another carrier.
const CALLEES_WORD: [u16; 11] = [404, 410, 433, 480, 484, 486, 487, 600, 603, 604, 607];

impl Rings {
    fn dialled(
        &mut self,
        call: CallId,
        id: u64,
        gateway: &str,
        at: Duration,
        findings: &mut Findings,
    ) {
        let tries = self.calls.entry(call).or_default();
        for before in tries.iter().filter_map(|id| self.tries.get(id)) {
            if before.rang {
                findings.add(Some(call), "tried again although it rang".to_owned());
            }
            if let Some(status) = before.refused.filter(|status| CALLEES_WORD.contains(status)) {
                findings.add(Some(call), format!("tried again after a {status}"));
            }
            if before.gateway == gateway {
                findings.add(Some(call), format!("tried twice through {gateway}"));
            }
        }
        tries.push(id);
        self.tries.insert(id, Heard { gateway: gateway.to_owned(), since: at, ..Heard::default() });
    }
}

impl Checker for Rings {
    fn says(&self) -> &'static str {
        "nobody is rung twice"
    }

    fn see(&mut self, fact: &Fact<'_>, at: Duration, findings: &mut Findings) {
        match fact {
            Fact::Durable(event) => {
                let Some(call) = event.stream.as_call() else { return };
                match &event.event {
                    CallEvent::DialStarted(dial) => {
                        let id = fingerprint(&dial.sip_call_id);
                        self.dialled(call, id, &dial.gateway, at, findings);
                    }
                    // What comes after is for nobody.
                    CallEvent::TryFailed(_) => {
                        let tries = self.calls.get(&call).into_iter().flatten();
                        for id in tries {
                            self.tries.entry(*id).and_modify(|heard| heard.over = true);
                        }
                    }
                    CallEvent::CallEnded(_) => {
                        let tries = self.calls.remove(&call).unwrap_or_default();
                        tries.iter().for_each(|id| drop(self.tries.remove(id)));
                    }
                    _ => {}
                }
            }
            Fact::Arrived { glimpse, .. } => {
                let Some(heard) = self.tries.get_mut(&fingerprint(glimpse.call_id)) else { return };
                match glimpse.status_of("INVITE").filter(|_| !heard.over) {
                    // One that a refusal or Timer B overtook tells nothing any more.
                    Some(180..=189) => {
                        heard.rang |= heard.refused.is_none() && at < heard.since + TIMER_B;
                    }
                    Some(status @ 300..) if heard.refused.is_none() => {
                        heard.refused = Some(status);
                    }
                    _ => {}
                }
            }
            Fact::Left { to, glimpse } if glimpse.begins_a_call() => {
                // A repeat has the branch of the first; one that is sent anew, a branch made of it.
                let branch = glimpse.branch.split('.').next().unwrap_or_default();
                let way = fingerprint(branch) ^ fingerprint(&to.to_string()).rotate_left(7);
                let ways = self.invites.entry(fingerprint(glimpse.call_id)).or_default();
                if !ways.contains(&way) {
                    ways.push(way);
                }
                if ways.len() == 2 {
                    let call = glimpse.call_id;
                    findings.add(None, format!("a second INVITE of {call} leaves"));
                }
            }
            _ => {}
        }
    }

    fn close(&mut self, end: &Ending<'_>, findings: &mut Findings) {
        for (_, entry) in &end.open_entries {
            if !self.invites.contains_key(&fingerprint(&entry.call_id)) {
                findings.add(None, format!("a carrier has {}, which nobody sent", entry.call_id));
            }
        }
    }
}
