//! Their changes of the session: re-INVITE and UPDATE, answered by the owner (RFC 3261, 14.2;
//! RFC 3311, 5.2).

use crate::dialog::State;
use crate::message::{Message, Method, Name, parse};
use crate::port::{Peer, SipHeard, Transport};
use crate::shared::{Shared, answer_goes_to};
use crate::status::{ALLOW, SDP};
use crate::transaction::{Repeat, Served, Wait};

use super::{Leg, Phase};

/// A request, and the bytes it was read from, to answer it later.
pub(super) type Request<'a> = (&'a Message<'a>, &'a [u8]);

impl Leg {
    /// Their re-INVITE goes up, unless one of either side is under way (RFC 3261, 14.2).
    pub(super) fn on_reinvite(
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
    pub(super) fn on_update(
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
            Served::new(message, answer_goes_to(message, from), Wait::Owner { request, until });
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
    pub(super) fn answer_open(
        &mut self,
        shared: &mut Shared,
        at: usize,
        status: u16,
        sdp: Option<&[u8]>,
    ) {
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
}
