//! What a call came to is what the carrier said: the status of its end came on the wire, and a
//! callee's word is told as it was.

use super::{Checker, Findings, Map};
use crate::seed::fingerprint;
use crate::world::Fact;
use schemas::call::{CallEnded, CallEvent};
use schemas::{CallId, Outcome};
use std::time::Duration;

#[derive(Default)]
pub struct Wire {
    finals: Map<u64, Vec<u16>>,
    calls: Map<CallId, Seen>,
}

#[derive(Default)]
struct Seen {
    last_try: u64,
    cancelled: bool,
    answered: bool,
}

/// What the contract says of a final, where it says one thing (`cli.md`, 2).
fn outcome_of(status: u16) -> Option<Outcome> {
    Some(match status {
        486 | 600 => Outcome::Busy,
        601 | 603 | 606 | 607 | 608 => Outcome::Rejected,
        404 | 410 | 484 | 604 => Outcome::InvalidNumber,
        480 => Outcome::Unreachable,
        500..=599 => Outcome::Failed,
        _ => return None,
    })
}

impl Wire {
    fn ended(&mut self, call: CallId, ended: &CallEnded, findings: &mut Findings) {
        let Some(seen) = self.calls.remove(&call) else { return };
        let finals = self.finals.remove(&seen.last_try).unwrap_or_default();
        if ended.outcome == Outcome::OutcomeUnknown {
            return;
        }
        if let Some(status) = ended.sip_status {
            if !finals.contains(&status) {
                findings.add(Some(call), format!("its end says {status}, which never came"));
            }
            if let Some(outcome) = outcome_of(status).filter(|_| !seen.cancelled && !seen.answered)
                && outcome != ended.outcome
            {
                findings.add(Some(call), format!("{status} became {}", ended.outcome));
            }
        }
        let is_answer = |status: &u16| *status / 100 == 2;
        if ended.outcome == Outcome::Completed && !finals.iter().any(is_answer) {
            findings.add(Some(call), "completed without an answer".to_owned());
        }
        if seen.answered != ended.talk_ms.is_some() {
            findings.add(Some(call), "it talked, or did not, unlike its end says".to_owned());
        }
    }
}

impl Checker for Wire {
    fn says(&self) -> &'static str {
        "records say what was on the wire"
    }

    fn see(&mut self, fact: &Fact<'_>, _: Duration, findings: &mut Findings) {
        match fact {
            Fact::Durable(event) => {
                let Some(call) = event.stream.as_call() else { return };
                match &event.event {
                    CallEvent::DialStarted(dial) => {
                        let id = fingerprint(&dial.sip_call_id);
                        self.finals.insert(id, Vec::new());
                        let seen = self.calls.entry(call).or_default();
                        self.finals.remove(&seen.last_try);
                        seen.last_try = id;
                    }
                    CallEvent::CancelIssued(_) => {
                        self.calls.entry(call).or_default().cancelled = true;
                    }
                    CallEvent::CallAnswered(_) => {
                        self.calls.entry(call).or_default().answered = true;
                    }
                    CallEvent::CallEnded(ended) => self.ended(call, ended, findings),
                    _ => {}
                }
            }
            Fact::Arrived { glimpse, .. } => {
                if let Some(status @ 200..) = glimpse.status_of("INVITE")
                    && let Some(finals) = self.finals.get_mut(&fingerprint(glimpse.call_id))
                    && !finals.contains(&status)
                {
                    finals.push(status);
                }
            }
            Fact::Gone(_) => {
                self.calls.clear();
                self.finals.clear();
            }
            _ => {}
        }
    }
}
