//! Sends the INVITE: the first time, again while nothing comes, anew with something changed, and
//! to the next address.

use std::time::Duration;

use crate::gateway::Readiness;
use crate::message::{Message, Start};
use crate::port::{Dial, Peer, Refusal, RefusalSource, SipHeard, Transport};
use crate::shared::Shared;
use crate::transaction::Repeat;

use super::head::{Head, fit, retransport};
use super::tries::{TURNS, Try, Wants};
use super::{Leg, Phase, Wish};

/// The most addresses that one order tries.
const HOPS_MAX: u8 = 8;

/// What is needed until there is a final answer.
#[derive(Debug, Default)]
pub(super) struct Inviting {
    /// The INVITE as it was sent last.
    pub message: Box<[u8]>,
    /// Where its body begins.
    pub body_at: usize,
    /// Timers A and B; none once a 1xx is here (RFC 3261, 17.1.1.2).
    pub repeat: Option<Repeat>,
    pub wants: Wants,
    /// An 18x came: this phone is not rung again by the next address.
    pub rang: bool,
    /// The last status that was handed up.
    pub told: u16,
    /// How many were.
    pub told_times: u8,
    /// How often a challenge was answered.
    pub challenges: u8,
    /// Request-URIs that redirections led to.
    pub redirections: Vec<Box<str>>,
}

impl Inviting {
    pub fn offer(&self) -> &[u8] {
        &self.message[self.body_at..]
    }
}

impl Leg {
    /// A leg for an order to dial. Fails, with a report, when it cannot be put into a message.
    pub fn of_dial(shared: &mut Shared, dial: Dial) -> Option<Self> {
        let Dial { leg, gateway, ids, to, from, offer } = dial;
        let head = match Head::new(shared, leg, gateway.0, ids, &to, from.as_deref()) {
            Ok(head) => head,
            Err(why) => {
                let refusal = Refusal::local(RefusalSource::Unsendable, why.to_string());
                shared.tell(SipHeard::Refused { leg, refusal: Box::new(refusal) });
                return None;
            }
        };
        let session = shared.gateways[usize::from(gateway.0)].config.session_expires;
        let wants = Wants { session: session.map(|s| s.as_secs() as u32), ..Wants::default() };
        let inviting = Inviting { message: offer.into(), wants, ..Inviting::default() };
        Some(Self {
            inviting: Some(Box::new(inviting)),
            patience: Some(shared.now + answer_within(shared, gateway.0)),
            ..Self::empty(head)
        })
    }

    pub(super) fn empty(head: Head) -> Self {
        Self {
            head,
            phase: Phase::Resolving,
            answered_with: 0,
            wish: None,
            reason: None,
            tries: Default::default(),
            inviting: None,
            dialogs: Default::default(),
            asks: Vec::new(),
            served: Vec::new(),
            talk: None,
            login: None,
            left: None,
            patience: None,
            linger: Duration::ZERO,
            counted: false,
        }
    }

    /// Sends the INVITE, or ends what an earlier process left open; waits for the gateway's
    /// addresses when they are not known yet.
    pub fn begin(&mut self, shared: &mut Shared) {
        let patience = shared.options.transaction();
        let gateway = &mut shared.gateways[usize::from(self.head.gateway)];
        let (ready, ask) = gateway.ready(shared.now, patience);
        if ask {
            let resolve = gateway.resolve(self.head.gateway);
            shared.put(resolve);
        }
        match ready {
            Readiness::Ready if self.left.is_some() => self.close_left(shared),
            Readiness::Ready => {
                self.phase = Phase::Inviting;
                self.patience = None;
                self.invite_next(shared, Refusal::local(RefusalSource::Dns, String::new()));
            }
            Readiness::Waits => {
                let gateway = &mut shared.gateways[usize::from(self.head.gateway)];
                gateway.waiting.push(self.head.id);
            }
            Readiness::NoName(why) => self.refuse_for_name(shared, why),
        }
    }

    pub(super) fn refuse_for_name(&mut self, shared: &mut Shared, why: String) {
        if self.left.is_some() {
            return self.leave(shared);
        }
        self.refuse(shared, Refusal::local(RefusalSource::Dns, why));
    }

    /// Reports the refusal and ends.
    pub(super) fn refuse(&mut self, shared: &mut Shared, refusal: Refusal) {
        self.end(shared, SipHeard::Refused { leg: self.head.id, refusal: Box::new(refusal) });
    }

    /// Which try a branch names.
    pub(super) fn try_of(&self, branch: &str) -> Option<usize> {
        let behind = branch.strip_prefix(&*self.head.ids.branch)?;
        let no = match behind.strip_prefix('.') {
            Some(digits) => digits.parse().ok().filter(|&no| no > 0)?,
            None if behind.is_empty() => 0u8,
            None => return None,
        };
        self.tries.iter().position(|try_| try_.no == no)
    }

    /// The next address of the gateway, and the number of the try that it would be. None for a
    /// phone that rang: it is not rung again.
    pub(super) fn next_hop(&self, shared: &Shared) -> Option<(Peer, u8)> {
        if self.inviting.as_ref()?.rang {
            return None;
        }
        let tried = |peer: Peer| self.tries.iter().any(|t| t.peer.address == peer.address);
        let gateway = &shared.gateways[usize::from(self.head.gateway)];
        let no = match self.tries.last() {
            Some(last) => last.no + TURNS,
            None => 0,
        };
        gateway
            .next_target(shared.now, tried)
            .filter(|_| no / TURNS < HOPS_MAX)
            .map(|peer| (peer, no))
    }

    /// Sends the INVITE to the next address of the gateway, with a new branch and all else as it
    /// was (RFC 3263, 4.3): an element that had the first copy after all recognises the second
    /// (RFC 3261, 8.2.2.2). Without a next address `refusal` is the end.
    pub(super) fn invite_next(&mut self, shared: &mut Shared, refusal: Refusal) {
        match self.next_hop(shared) {
            Some((peer, no)) => {
                let uri = self.tries.last().and_then(|last| last.uri.clone());
                self.invite(shared, peer, no, uri);
            }
            None => self.refuse(shared, refusal),
        }
    }

    /// Sends the INVITE anew, one CSeq higher; to where a redirection leads, when there was one.
    /// False when it was sent anew too often already.
    pub(super) fn invite_anew(
        &mut self,
        shared: &mut Shared,
        redirection: Option<(Box<str>, Peer)>,
    ) -> bool {
        let Some(last) = self.tries.last().filter(|last| last.no % TURNS < TURNS - 1) else {
            return false;
        };
        let no = last.no + 1;
        let (uri, peer) = match redirection {
            Some((uri, peer)) => (Some(uri), peer),
            None => (last.uri.clone(), last.peer),
        };
        self.invite(shared, peer, no, uri);
        true
    }

    fn invite(&mut self, shared: &mut Shared, peer: Peer, no: u8, uri: Option<Box<str>>) {
        let Some(mut inviting) = self.inviting.take() else { return };
        if !self.tries.is_empty() {
            shared.counters.invites_sent_anew += 1;
        }
        let cseq = self.head.ids.cseq + u32::from(no % TURNS);
        let mut try_ = Try { no, cseq, peer, uri, heard: false, cancelled: false, over: false };
        let cnonce = shared.cnonce(self.login.is_some());
        let written = shared.write(|out, shared| {
            let (wants, offer) = (&inviting.wants, inviting.offer());
            let credentials = self.login.as_mut().map(|login| (&mut login.known, &*cnonce));
            self.head.write_invite(out, shared, &try_, wants, credentials, offer)
        });
        let mut message = match written {
            Ok(message) => message,
            Err(why) => {
                let refusal = Refusal::local(RefusalSource::Unsendable, why.to_string());
                return self.refuse(shared, refusal);
            }
        };
        inviting.body_at = message.len() - inviting.offer().len();
        fit(shared, self.head.gateway, &mut try_.peer, &mut message);
        inviting.message = message;
        inviting.repeat = Some(self.first_wait(shared, try_.peer.transport));
        shared.transmit(try_.peer, &inviting.message);
        self.tries.push(try_);
        self.inviting = Some(inviting);
    }

    /// Timer A doubles without a bound, Timer B ends it (RFC 3261, 17.1.1.2).
    fn first_wait(&self, shared: &Shared, transport: Transport) -> Repeat {
        let within = answer_within(shared, self.head.gateway);
        Repeat::new(shared.now, transport, shared.options.t1, Duration::MAX, within)
    }

    /// Timers A and B.
    pub(super) fn repeat_invite(&mut self, shared: &mut Shared) {
        let Some(inviting) = &mut self.inviting else { return };
        let Some(repeat) = &mut inviting.repeat else { return };
        let Some(try_) = self.tries.last() else { return };
        if repeat.is_over(shared.now) {
            shared.counters.invites_unanswered += 1;
            self.give_up_try(shared, RefusalSource::TimerB, "no answer".into());
        } else if repeat.is_due(shared.now) {
            shared.transmit_again(try_.peer, &inviting.message);
        }
    }

    /// The current try came to nothing without a word from the other side.
    fn give_up_try(&mut self, shared: &mut Shared, source: RefusalSource, why: String) {
        if let Some(inviting) = &mut self.inviting {
            inviting.repeat = None;
        }
        if let Some(try_) = self.tries.last() {
            shared.gateways[usize::from(self.head.gateway)].avoid(shared.now, try_.peer, None);
        }
        match self.wish {
            Some(_) => self.end(shared, SipHeard::Cancelled { leg: self.head.id, status: None }),
            None => self.invite_next(shared, Refusal::local(source, why)),
        }
    }

    /// Whether something of this leg waits for an answer from `peer`.
    pub fn waits_for(&self, peer: Peer) -> bool {
        let inviting = self.inviting.as_ref().is_some_and(|inviting| inviting.repeat.is_some());
        inviting && self.tries.last().is_some_and(|try_| try_.peer == peer)
            || self.asks.iter().any(|ask| ask.to == peer)
    }

    /// The transport to `peer` failed (RFC 3261, 18.4): the INVITE goes elsewhere; what is in a
    /// dialog is repeated, and has its own end.
    pub fn on_transport_failed(&mut self, shared: &mut Shared, peer: Peer, why: &str) {
        let t1 = shared.options.t1;
        for ask in self.asks.iter_mut().filter(|ask| ask.to == peer) {
            let own = self.dialogs.get(usize::from(ask.dialog)).map(|dialog| dialog.peer);
            if own.is_some_and(|own| own.transport == Transport::Udp) {
                ask.to.transport = Transport::Udp;
                retransport(&mut ask.bytes, Transport::Udp);
            }
            ask.repeat.start_again(shared.now, t1);
        }
        let waits = self.inviting.as_ref().is_some_and(|inviting| inviting.repeat.is_some());
        let Some(try_) = self.tries.last_mut().filter(|try_| waits && try_.peer == peer) else {
            return;
        };
        if !self.head.is_oversize_detour(shared, peer) {
            return self.give_up_try(shared, RefusalSource::Transport, why.to_owned());
        }
        // No connection for the large request: the same request as a datagram (18.1.1).
        try_.peer.transport = Transport::Udp;
        let to = try_.peer;
        let repeat = self.first_wait(shared, Transport::Udp);
        if let Some(inviting) = &mut self.inviting {
            retransport(&mut inviting.message, Transport::Udp);
            inviting.repeat = Some(repeat);
            shared.transmit(to, &inviting.message);
        }
    }

    /// The owner takes the try back.
    pub fn order_cancel(&mut self, shared: &mut Shared, reason: Option<crate::port::Reason>) {
        match self.phase {
            Phase::Resolving => {
                self.end(shared, SipHeard::Cancelled { leg: self.head.id, status: None })
            }
            Phase::Inviting if self.wish.is_none() => {
                self.wish = Some(Wish::Cancel);
                self.reason = reason.map(Box::new);
                self.cancel_current(shared);
            }
            // The 2xx and the order crossed inside this machine.
            Phase::Answered => self.close_crossed(shared),
            Phase::Up => self.order_bye(shared, reason),
            _ => shared.counters.orders_ignored += 1,
        }
    }
}

impl Head {
    /// Whether a connection to `peer` was only taken because a message was too large.
    fn is_oversize_detour(&self, shared: &Shared, peer: Peer) -> bool {
        let config = &shared.gateways[usize::from(self.gateway)].config;
        peer.transport == Transport::Tcp && config.transport == Transport::Udp
    }
}

impl Refusal {
    /// A failure that no message told us of.
    pub(crate) fn local(source: RefusalSource, phrase: String) -> Self {
        Self {
            source,
            phrase,
            reason: Default::default(),
            reason_raw: None,
            retry_after: None,
            contacts: Vec::new(),
        }
    }

    /// What a final answer says.
    pub(crate) fn of(message: &Message<'_>, status: u16) -> Self {
        let phrase = match message.start() {
            Start::Response { phrase, .. } => phrase,
            Start::Request { .. } => "",
        };
        Self {
            source: RefusalSource::Network(status),
            phrase: phrase.to_owned(),
            reason: message.reason(),
            reason_raw: message.reason_raw(),
            retry_after: message.retry_after(),
            contacts: Vec::new(),
        }
    }
}

/// How long an INVITE waits for its first answer.
fn answer_within(shared: &Shared, gateway: u16) -> Duration {
    let config = &shared.gateways[usize::from(gateway)].config;
    config.answer_within.unwrap_or(shared.options.transaction())
}
