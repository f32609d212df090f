//! A redial comes when it was promised, once, never before the end of the call it follows, and
//! never more often than the command may be called.

use super::{Checker, Findings, Map};
use crate::world::Ending;
use schemas::call::CallEvent;
use schemas::{CallId, Recorded, Timestamp};

#[derive(Default)]
pub struct Redials {
    promised: Map<CallId, Timestamp>,
    /// When the calls that were made of it were due.
    due: Map<CallId, Timestamp>,
    /// Of each open call: the first call of its command, and after how long it is redialled.
    open: Map<CallId, (CallId, Option<u32>)>,
}

impl Checker for Redials {
    fn says(&self) -> &'static str {
        "a redial comes as promised"
    }

    fn reread(&mut self, event: &Recorded<CallEvent>, _: &[u8], findings: &mut Findings) {
        let Some(call) = event.stream.as_call() else { return };
        match &event.event {
            CallEvent::CallRequested(requested) => {
                let first = requested.first_call.unwrap_or(call);
                self.open.insert(call, (first, requested.redial_after_ms));
                if requested.attempt > requested.max_attempts {
                    findings.add(Some(call), "called more often than it may".to_owned());
                }
                if requested.attempt == 1 {
                    return;
                }
                match self.promised.remove(&call) {
                    None => findings.add(Some(call), "a redial that nobody promised".to_owned()),
                    Some(due) => drop(self.due.insert(call, due)),
                }
            }
            // One that was made early to end it, undialled, is none.
            CallEvent::DialStarted(_) => {
                let due = self.due.remove(&call);
                due.filter(|due| event.at < *due).into_iter().for_each(|_| {
                    findings.add(Some(call), "redialled too early".to_owned());
                });
            }
            CallEvent::CallEnded(ended) => {
                self.due.remove(&call);
                let Some((first, after)) = self.open.remove(&call) else { return };
                let Some(due) = ended.redial_at else { return };
                if after.is_some_and(|ms| due.ms_since(event.at) != ms) || due <= event.at {
                    findings.add(Some(call), "its redial is due at another time".to_owned());
                }
                self.promised.insert(CallId::of_redial(first, ended.attempt + 1), due);
            }
            _ => {}
        }
    }

    fn close(&mut self, _: &Ending<'_>, findings: &mut Findings) {
        let mut missing: Vec<&CallId> = self.promised.keys().collect();
        missing.sort_unstable();
        for call in missing {
            findings.add(Some(*call), "its redial never came".to_owned());
        }
    }
}
