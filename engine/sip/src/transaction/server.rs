//! A request of theirs in a dialog, and what we answered (RFC 3261, 17.2).

use std::time::Duration;

use crate::message::{Message, Method};
use crate::port::Peer;

use super::Repeat;

/// How far it is.
#[derive(Debug)]
pub(crate) enum Wait {
    /// The owner is to answer it: the request, to answer it later, and until when.
    Owner { request: Box<[u8]>, until: Duration },
    /// Our final to an INVITE waits for its ACK, and is repeated (13.3.1.4, 17.2.1).
    Ack(Repeat),
    /// Answered; kept for its repeats until then (Timers I, J).
    Repeats(Duration),
}

/// One request of theirs.
#[derive(Debug)]
pub(crate) struct Served {
    branch: Box<str>,
    /// Who sent it, by its Via: two peers may happen on one branch (RFC 3261, 17.2.3).
    sent_by: (Box<str>, Option<u16>),
    pub method: Method,
    pub cseq: u32,
    /// Where its answer goes.
    pub back: Peer,
    /// The last answer.
    pub response: Box<[u8]>,
    /// Its final was a 2xx.
    pub accepted: bool,
    /// It came without an offer, so our 2xx has one, and the ACK the answer.
    pub wants_offer: bool,
    pub wait: Wait,
}

impl Served {
    pub fn new(request: &Message<'_>, back: Peer, wait: Wait) -> Self {
        let (cseq, method) = request.cseq();
        let via = request.top_via();
        let branch = via.branch().unwrap_or("").into();
        let sent_by = (via.host.into(), via.port);
        let wants_offer = request.body().is_empty();
        Self {
            branch,
            sent_by,
            method,
            cseq,
            back,
            response: Box::default(),
            accepted: false,
            wants_offer,
            wait,
        }
    }

    /// Whether `request` is this one again (17.2.3). The ACK to a refusal and a CANCEL have the
    /// branch of their INVITE, and are none of its repeats.
    pub fn is_repeated_by(&self, request: &Message<'_>) -> bool {
        self.method == request.cseq().1 && self.has_branch_of(request)
    }

    pub fn has_branch_of(&self, request: &Message<'_>) -> bool {
        let via = request.top_via();
        via.branch().unwrap_or("") == &*self.branch
            && (via.host, via.port) == (&*self.sent_by.0, self.sent_by.1)
            && self.cseq == request.cseq().0
    }

    /// The owner has not answered it yet.
    pub fn is_open(&self) -> bool {
        matches!(self.wait, Wait::Owner { .. })
    }

    pub fn deadline(&self) -> Duration {
        match &self.wait {
            Wait::Owner { until, .. } | Wait::Repeats(until) => *until,
            Wait::Ack(repeat) => repeat.deadline(),
        }
    }
}
