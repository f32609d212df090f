//! The ACK of a 2xx leaves when `CallAnswered` is durable, and not later: else nobody would know of a callee who
//! talks into a dead line. What we cancelled, gave up or had twice is acknowledged at once.

use super::{Checker, Findings, Map};
use crate::seed::fingerprint;
use crate::world::Fact;
use crate::world::glimpse::Glimpse;
use schemas::CallId;
use schemas::call::CallEvent;
use std::net::SocketAddr;
use std::time::Duration;

/// After so long the user agent closes an answer that nobody accepts by itself.
const ACCEPT_WITHIN: Duration = Duration::from_millis(9_900);

/// An ACK leaves in the very turn in which its answer is durable.
const LATE: Duration = Duration::from_millis(100);

#[derive(Default)]
pub struct Acks {
    /// Calls that are up and have no answer, by Call-ID: who, the branch of its INVITE, and when
    /// its first 2xx came.
    waiting: Map<u64, Waiting>,
    by_call: Map<CallId, u64>,
    /// Answers that are durable, until their ACK leaves.
    owed: Map<u64, (CallId, Duration)>,
}

struct Waiting {
    call: CallId,
    branch: u64,
    answered: Option<(Duration, u64)>,
    /// Where its INVITE went, once it has left.
    to: Option<SocketAddr>,
    /// The network said that nobody is there: the try is over before that is durable.
    cut: bool,
    /// The user agent gave it up before anybody accepted it.
    given_up: bool,
}

impl Acks {
    fn arrived(&mut self, glimpse: &Glimpse<'_>, at: Duration) {
        if glimpse.status_of("INVITE").is_some_and(|status| status / 100 == 2)
            && let Some(waiting) = self.waiting.get_mut(&fingerprint(glimpse.call_id))
        {
            // One that leads nowhere is closed at once (RFC 3261, 12.1.1 wants a Contact).
            let tag = if glimpse.has_contact { glimpse.to_tag } else { "" };
            waiting.answered.get_or_insert((at, fingerprint(tag)));
        }
    }

    fn forget(&mut self, call: CallId) {
        if let Some(waiting) = self.by_call.remove(&call) {
            self.waiting.remove(&waiting);
        }
    }
}

impl Checker for Acks {
    fn says(&self) -> &'static str {
        "an ACK waits for its CallAnswered"
    }

    fn see(&mut self, fact: &Fact<'_>, at: Duration, findings: &mut Findings) {
        match fact {
            Fact::Durable(event) => {
                let Some(call) = event.stream.as_call() else { return };
                match &event.event {
                    CallEvent::DialStarted(dial) => {
                        let id = fingerprint(&dial.sip_call_id);
                        let branch = fingerprint(&dial.branch);
                        let (answered, to) = (None, None);
                        let (cut, given_up) = (false, false);
                        let waiting = Waiting { call, branch, answered, to, cut, given_up };
                        self.waiting.insert(id, waiting);
                        self.by_call.insert(call, id);
                    }
                    CallEvent::CallAnswered(_) => {
                        let is_owed =
                            |id: &&u64| self.waiting.get(*id).is_some_and(|it| !it.given_up);
                        if let Some(id) = self.by_call.get(&call).filter(is_owed) {
                            self.owed.insert(*id, (call, at));
                        }
                        self.forget(call);
                    }
                    CallEvent::CancelIssued(_)
                    | CallEvent::CallEnded(_)
                    | CallEvent::TryFailed(_) => self.forget(call),
                    _ => {}
                }
            }
            // Who hangs up before he was acknowledged is acknowledged for the repeats' sake alone.
            Fact::Arrived { glimpse, .. } if glimpse.request() == Some("BYE") => {
                if let Some(waiting) = self.waiting.get_mut(&fingerprint(glimpse.call_id)) {
                    waiting.cut = true;
                }
            }
            Fact::Arrived { glimpse, .. } => self.arrived(glimpse, at),
            Fact::Left { to, glimpse } if glimpse.begins_a_call() => {
                if let Some(waiting) = self.waiting.get_mut(&fingerprint(glimpse.call_id)) {
                    waiting.to = Some(*to);
                }
            }
            Fact::Unreachable(peer) => {
                let there = self.waiting.values_mut().filter(|it| it.to == Some(*peer));
                there.for_each(|it| it.cut = true);
            }
            Fact::Left { glimpse, .. } if glimpse.request() == Some("ACK") => {
                if let Some((call, since)) = self.owed.remove(&fingerprint(glimpse.call_id))
                    && at > since + LATE
                {
                    findings.add(Some(call), "the ACK of its 2xx leaves too late".to_owned());
                }
                let Some(waiting) = self.waiting.get_mut(&fingerprint(glimpse.call_id)) else {
                    return;
                };
                // The ACK of a refusal goes by the branch of its INVITE (RFC 3261, 17.1.1.3).
                let base = glimpse.branch.split('.').next().unwrap_or_default();
                // Another phone of a fork is of no use to anybody and is closed at once.
                let tag = fingerprint(glimpse.to_tag);
                let may = waiting
                    .answered
                    .is_some_and(|(came, first)| at >= came + ACCEPT_WITHIN || tag != first)
                    || waiting.cut;
                waiting.given_up |= fingerprint(base) != waiting.branch && may;
                if fingerprint(base) != waiting.branch && !may {
                    let call = Some(waiting.call);
                    findings.add(call, "the ACK of its 2xx leaves too early".to_owned());
                }
            }
            Fact::Gone(_) | Fact::Dropped => {
                self.waiting.clear();
                self.owed.clear();
                self.by_call.clear();
            }
            _ => {}
        }
    }
}
