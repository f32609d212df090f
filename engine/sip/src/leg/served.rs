//! Their requests in a dialog (RFC 3261, 12.2.2): BYE, re-INVITE, UPDATE, INFO, OPTIONS.

use crate::dialog::State;
use crate::message::{Message, Method, Name, parse};
use crate::port::{HungUpBy, Peer, SipHeard, Transport};
use crate::shared::Shared;
use crate::status::{self, ALLOW, SDP};
use crate::transaction::{Repeat, Served, Wait};

use super::{Leg, Phase, SERVED_MAX};

/// A request, and the bytes it was read from, to answer it later.
type Request<'a> = (&'a Message<'a>, &'a [u8]);

impl Leg {
    /// Takes a request whose To tag names this leg; `raw` is what it was read from. False when it has no such dialog: then it is
    /// answered 481.
    pub fn on_request(
        &mut self,
        shared: &mut Shared,
        from: Peer,
        message: &Message<'_>,
        raw: &[u8],
    ) -> bool {
        let (cseq, method) = message.cseq();
        let ids = &self.head.ids;
        if message.call_id() != ids.call_id || message.to_tag() != Some(&*ids.from_tag) {
            return false;
        }
        match method {
            Method::Ack => return self.on_ack(shared, message),
            Method::Cancel => return self.on_cancel(shared, from, message),
            _ => {}
        }
        if let Some(served) = self.served.iter().find(|served| served.is_repeated_by(message)) {
            shared.counters.requests_repeated += 1;
            shared.transmit(served.back, &served.response);
            return true;
        }
        let tag = message.from_tag().unwrap_or("");
        let known = self.dialogs.iter().position(|dialog| *dialog.tag == *tag);
        let state = match known {
            Some(at) => self.dialogs[at].state,
            // An early dialog of which nothing had to be remembered.
            None if self.phase == Phase::Inviting => State::Early,
            None => return false,
        };
        if let Some(at) = known {
            // A BYE that another request overtook ends the call all the same: they are gone.
            let late = self.dialogs[at].remote_cseq.is_some_and(|last| cseq < last);
            if late && method != Method::Bye {
                self.refuse_request(shared, from, message, 500);
                return true;
            }
            let last = &mut self.dialogs[at].remote_cseq;
            *last = Some(last.unwrap_or(cseq).max(cseq));
        }
        if message.headers(Name::Require).any(is_unknown_extension) {
            self.refuse_request(shared, from, message, 420);
            return true;
        }
        match (method, state) {
            (Method::Bye, State::Kept | State::Closed) => self.on_bye(shared, from, message, state),
            (_, State::Closed) => return false,
            (Method::Invite, _) => self.on_reinvite(shared, from, (message, raw), state),
            (Method::Update, _) => self.on_update(shared, from, (message, raw), state),
            (Method::Info, _) => self.on_info(shared, from, message),
            (Method::Options, _) => {
                let response = about_us(shared, from, message);
                self.keep_served(shared, from, message, response);
            }
            (Method::Bye | Method::Prack, _) => return false,
            _ => self.refuse_request(shared, from, message, 405),
        }
        true
    }

    fn on_bye(&mut self, shared: &mut Shared, from: Peer, message: &Message<'_>, state: State) {
        let response = shared.respond(message, from, 200, None);
        self.keep_served(shared, from, message, response);
        let up = matches!(self.phase, Phase::Answered | Phase::Up);
        if state == State::Kept && up {
            if self.phase == Phase::Answered {
                // They hung up before the owner took the answer. Their 2xx still wants its ACK.
                if let Some(kept) = self.kept() {
                    self.acknowledge(shared, kept);
                }
            }
            let (leg, by, reason) = (self.head.id, HungUpBy::Bye, message.reason());
            self.end(shared, SipHeard::HungUp { leg, by, reason });
        }
    }

    /// Their re-INVITE goes up, unless one of either side is under way (RFC 3261, 14.2).
    fn on_reinvite(
        &mut self,
        shared: &mut Shared,
        from: Peer,
        (message, raw): Request<'_>,
        state: State,
    ) {
        let ours = self.talk.as_ref().is_some_and(|talk| talk.has_offer_out());
        if state == State::Early || self.phase == Phase::Answered || ours {
            return self.refuse_request(shared, from, message, 491);
        }
        if self.phase != Phase::Up {
            return self.refuse_request(shared, from, message, 481);
        }
        if self.served.iter().any(Served::is_open) {
            return self.refuse_request(shared, from, message, 500);
        }
        if let Err(min_se) = self.refreshed_by_them(shared, message) {
            return self.refuse_for_min_se(shared, from, message, min_se);
        }
        let trying = shared.respond(message, from, 100, None);
        self.hand_up(shared, from, (message, raw), trying);
    }

    /// Their UPDATE (RFC 3311, 5.2): with an offer it goes up like a re-INVITE; without it only
    /// keeps the session alive, and may move the target.
    fn on_update(
        &mut self,
        shared: &mut Shared,
        from: Peer,
        (message, raw): Request<'_>,
        state: State,
    ) {
        let open = self.served.iter().any(Served::is_open);
        let ours = self.talk.as_ref().is_some_and(|talk| talk.has_offer_out());
        let offer = message.sdp().is_some();
        match self.phase {
            Phase::Inviting | Phase::Answered if offer => {
                // Our own offer has no final answer yet.
                return self.refuse_request(shared, from, message, 491);
            }
            Phase::Inviting | Phase::Answered | Phase::Up => {}
            _ => return self.refuse_request(shared, from, message, 481),
        }
        if offer && ours {
            return self.refuse_request(shared, from, message, 491);
        }
        if offer && open {
            return self.refuse_request(shared, from, message, 500);
        }
        if state == State::Kept
            && let Err(min_se) = self.refreshed_by_them(shared, message)
        {
            return self.refuse_for_min_se(shared, from, message, min_se);
        }
        if offer {
            return self.hand_up(shared, from, (message, raw), Box::default());
        }
        if let Some(kept) = self.kept() {
            self.retarget(shared, kept, message);
        }
        let response = self.accept(shared, from, message, None);
        self.keep_served(shared, from, message, response);
    }

    /// A change of theirs that the owner is to answer.
    fn hand_up(
        &mut self,
        shared: &mut Shared,
        from: Peer,
        (message, raw): Request<'_>,
        sent: Box<[u8]>,
    ) {
        let request = raw.into();
        let until = shared.now + shared.options.accept_within;
        let mut served =
            Served::new(message, answers_to(message, from), Wait::Owner { request, until });
        served.response = sent;
        self.serve(served);
        let sdp = message.sdp().map(<[u8]>::to_vec);
        shared.tell(SipHeard::Reinvited { leg: self.head.id, sdp });
    }

    /// The owner answers their change.
    pub fn order_answer(&mut self, shared: &mut Shared, sdp: Option<Vec<u8>>) {
        let Some(at) = self.served.iter().position(Served::is_open) else {
            shared.counters.orders_ignored += 1;
            return;
        };
        match sdp {
            Some(sdp) => {
                self.remember_sdp(&sdp);
                self.answer_open(shared, at, 200, Some(&sdp));
            }
            None => self.answer_open(shared, at, 488, None),
        }
        self.send_next_offer(shared);
    }

    /// Answers a request that was kept for it.
    fn answer_open(&mut self, shared: &mut Shared, at: usize, status: u16, sdp: Option<&[u8]>) {
        let (now, lasts) = (shared.now, shared.options.transaction());
        let (t1, t2) = (shared.options.t1, shared.options.t2);
        let done = Wait::Repeats(now + lasts);
        let served = &mut self.served[at];
        let back = served.back;
        let Wait::Owner { request, .. } = std::mem::replace(&mut served.wait, done) else { return };
        let accepted = status < 300;
        served.accepted = accepted;
        if served.method == Method::Invite {
            // A 2xx is repeated on a connection too (RFC 3261, 13.3.1.4).
            let by = if accepted { Transport::Udp } else { back.transport };
            served.wait = Wait::Ack(Repeat::new(now, by, t1, t2, lasts));
        }
        let Ok(request) = parse(&request) else { return };
        let response = if accepted {
            if let Some(kept) = self.kept() {
                self.retarget(shared, kept, &request);
            }
            self.accept(shared, back, &request, sdp)
        } else {
            shared.respond(&request, back, status, None)
        };
        self.served[at].response = response;
    }

    /// 200 to a re-INVITE or UPDATE.
    fn accept(
        &mut self,
        shared: &mut Shared,
        from: Peer,
        request: &Message<'_>,
        sdp: Option<&[u8]>,
    ) -> Box<[u8]> {
        shared.respond_with(request, from, 200, None, |mut answer, shared| {
            self.head.add_contact(&mut answer, shared, from.transport);
            answer.header(Name::Allow, ALLOW).header(Name::Supported, "timer");
            self.add_session(&mut answer);
            match sdp {
                Some(sdp) => answer.finish_with(SDP, sdp),
                None => answer.finish(),
            }
        })
    }

    fn on_info(&mut self, shared: &mut Shared, from: Peer, message: &Message<'_>) {
        let response = shared.respond(message, from, 200, None);
        self.keep_served(shared, from, message, response);
        if matches!(self.phase, Phase::Inviting | Phase::Answered | Phase::Up) {
            let content_type = message.content_type().unwrap_or("").to_ascii_lowercase();
            let body = message.body().to_vec();
            shared.tell(SipHeard::Info { leg: self.head.id, content_type, body });
        }
    }

    /// The ACK to our final. It is never answered.
    fn on_ack(&mut self, shared: &mut Shared, message: &Message<'_>) -> bool {
        let (cseq, _) = message.cseq();
        let waits =
            |served: &&mut Served| served.cseq == cseq && matches!(served.wait, Wait::Ack(_));
        let Some(served) = self.served.iter_mut().find(waits) else { return true };
        served.wait = Wait::Repeats(shared.in_a_transaction());
        if served.accepted && served.wants_offer && self.phase == Phase::Up {
            // We offered in our 2xx; this is their answer.
            let result = message.sdp().map(<[u8]>::to_vec).ok_or(488);
            shared.tell(SipHeard::Renegotiated { leg: self.head.id, result });
        }
        self.send_next_offer(shared);
        true
    }

    /// They take their re-INVITE back (RFC 3261, 9.2).
    fn on_cancel(&mut self, shared: &mut Shared, from: Peer, message: &Message<'_>) -> bool {
        let named =
            |served: &Served| served.method == Method::Invite && served.has_branch_of(message);
        let Some(at) = self.served.iter().position(named) else { return false };
        shared.respond(message, from, 200, None);
        if self.served[at].is_open() {
            self.answer_open(shared, at, 487, None);
        }
        true
    }

    /// Whether a change of theirs is under way.
    pub(super) fn has_open_change(&self) -> bool {
        self.served.iter().any(|served| served.is_open() || matches!(served.wait, Wait::Ack(_)))
    }

    /// The dialog ends: what they wait for has no answer any more.
    pub(super) fn refuse_open(&mut self, shared: &mut Shared) {
        while let Some(at) = self.served.iter().position(Served::is_open) {
            let status = if self.served[at].method == Method::Invite { 487 } else { 481 };
            self.answer_open(shared, at, status, None);
        }
    }

    /// Repeats of our finals, and the end of waiting.
    pub(super) fn repeat_served(&mut self, shared: &mut Shared) {
        let now = shared.now;
        let mut at = 0;
        while let Some(served) = self.served.get_mut(at) {
            match &mut served.wait {
                Wait::Owner { until, .. } if *until <= now => {
                    self.answer_open(shared, at, 500, None);
                }
                Wait::Ack(repeat) if repeat.is_over(now) => {
                    let accepted = served.accepted;
                    self.served.remove(at);
                    if accepted {
                        // RFC 3261, 14.2 and 13.3.1.4: without the ACK there is no session.
                        self.lose_dialog(shared, HungUpBy::DialogLost);
                    }
                    continue;
                }
                Wait::Ack(repeat) => {
                    if repeat.is_due(now) {
                        shared.transmit_again(served.back, &served.response);
                    }
                }
                Wait::Repeats(until) if *until <= now => {
                    self.served.remove(at);
                    continue;
                }
                Wait::Owner { .. } | Wait::Repeats(_) => {}
            }
            at += 1;
        }
    }

    fn refuse_request(
        &mut self,
        shared: &mut Shared,
        from: Peer,
        message: &Message<'_>,
        status: u16,
    ) {
        let response = refuse(shared, from, message, status, None);
        self.keep_served(shared, from, message, response);
    }

    fn refuse_for_min_se(
        &mut self,
        shared: &mut Shared,
        from: Peer,
        message: &Message<'_>,
        min_se: u32,
    ) {
        shared.counters.requests_refused += 1;
        let response = shared.respond_with(message, from, 422, None, |mut answer, _| {
            answer.header(Name::MinSe, min_se);
            answer.finish()
        });
        self.keep_served(shared, from, message, response);
    }

    /// An answered request, kept for its repeats.
    fn keep_served(
        &mut self,
        shared: &mut Shared,
        from: Peer,
        message: &Message<'_>,
        response: Box<[u8]>,
    ) {
        let back = answers_to(message, from);
        let wants_ack = message.method() == Some(Method::Invite);
        let (now, lasts) = (shared.now, shared.options.transaction());
        let (t1, t2) = (shared.options.t1, shared.options.t2);
        let wait = match wants_ack {
            true => Wait::Ack(Repeat::new(now, back.transport, t1, t2, lasts)),
            false => Wait::Repeats(now + lasts),
        };
        let mut served = Served::new(message, back, wait);
        served.response = response;
        self.serve(served);
    }

    fn serve(&mut self, served: Served) {
        if self.served.len() == SERVED_MAX
            && let Some(oldest) =
                self.served.iter().position(|s| matches!(s.wait, Wait::Repeats(_)))
        {
            self.served.remove(oldest);
        }
        // All of them open or unacknowledged: a peer that does that loses the repeats.
        if self.served.len() < SERVED_MAX {
            self.served.reserve_exact(1);
            self.served.push(served);
        }
    }
}

/// Refuses a request, with the headers that its status wants.
pub(crate) fn refuse(
    shared: &mut Shared,
    from: Peer,
    message: &Message<'_>,
    status: u16,
    to_tag: Option<&str>,
) -> Box<[u8]> {
    shared.counters.requests_refused += 1;
    let retry_after = shared.dice.between(0, 10);
    let method = message.cseq().1;
    shared.respond_with(message, from, status, to_tag, |mut answer, _| {
        match status {
            405 => {
                answer.header(Name::Allow, ALLOW);
            }
            420 => {
                let unknown = message.headers(Name::Require).filter(|t| is_unknown_extension(t));
                for tag in unknown {
                    answer.header(Name::Unsupported, tag);
                }
            }
            // A second change before the first is answered (RFC 3261, 14.2; RFC 3311, 5.2).
            500 if matches!(method, Method::Invite | Method::Update) => {
                answer.header(Name::RetryAfter, retry_after);
            }
            _ => {}
        }
        answer.finish()
    })
}

/// 200 to OPTIONS: what we take (RFC 3261, 11.2).
pub(crate) fn about_us(shared: &mut Shared, from: Peer, message: &Message<'_>) -> Box<[u8]> {
    let tag = shared.stateless_tag(message);
    shared.respond_with(message, from, 200, Some(&tag), |mut answer, _| {
        answer.header(Name::Allow, ALLOW);
        answer.header(Name::Accept, SDP);
        answer.header(Name::Supported, "100rel, timer");
        answer.finish()
    })
}

/// An option tag that we do not know.
pub(crate) fn is_unknown_extension(tag: &str) -> bool {
    !status::OPTION_TAGS.iter().any(|known| known.eq_ignore_ascii_case(tag))
}

fn answers_to(message: &Message<'_>, from: Peer) -> Peer {
    crate::shared::answer_goes_to(message, from)
}
