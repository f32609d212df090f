//! Their requests in a dialog (RFC 3261, 12.2.2): BYE, INFO, OPTIONS, and what all of them share.

use crate::answers::{about_us, is_unknown_extension, refuse};
use crate::dialog::State;
use crate::message::{Message, Method, Name};
use crate::port::{HungUpBy, Peer, SipHeard};
use crate::shared::{Shared, answer_goes_to};
use crate::transaction::{Repeat, Served, Wait};

use super::{Leg, Phase, SERVED_MAX};

impl Leg {
    /// Takes a request whose To tag names this leg; `raw` is what it was read from. False when it
    /// has no such dialog: then it is answered 481.
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
            // An UPDATE that the owner is to answer has no answer yet.
            if !served.response.is_empty() {
                shared.transmit(served.back, &served.response);
            }
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

    pub(super) fn refuse_request(
        &mut self,
        shared: &mut Shared,
        from: Peer,
        message: &Message<'_>,
        status: u16,
    ) {
        let response = refuse(shared, from, message, status, None);
        self.keep_served(shared, from, message, response);
    }

    /// An answered request, kept for its repeats.
    pub(super) fn keep_served(
        &mut self,
        shared: &mut Shared,
        from: Peer,
        message: &Message<'_>,
        response: Box<[u8]>,
    ) {
        let back = answer_goes_to(message, from);
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

    pub(super) fn serve(&mut self, served: Served) {
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
