//! 2xx to the INVITE: one is kept, the others are acknowledged and hung up (RFC 3261, 13.2.2.4;
//! RFC 6026).

use crate::dialog::State;
use crate::message::{Message, Method, Name, parse};
use crate::port::{HungUpBy, Refusal, SipHeard};
use crate::shared::Shared;
use crate::transaction::Purpose;

use super::head::Inside;
use super::{Leg, Phase, Wish};
use mutants::mutant;

/// The ACK to an orphan's answer waits for the answer to the BYE, and for so many repeats at most: a
/// callee who takes no BYE before it must not wait for both.
const REPEATS_MAX: u8 = 3;

impl Leg {
    pub(super) fn on_answer(
        &mut self,
        shared: &mut Shared,
        at: usize,
        message: &Message<'_>,
        status: u16,
    ) {
        let tag = message.to_tag().unwrap_or("");
        let known = self.dialogs.iter().position(|dialog| *dialog.tag == *tag);
        if let Some(known) = known.filter(|&known| self.dialogs[known].state != State::Early) {
            if mutant!("acknowledges once") {
                return;
            }
            return self.acknowledge_again(shared, known);
        }
        let Some(dialog) = known.or_else(|| self.new_dialog(shared, at, message)) else { return };
        let first = !std::mem::replace(&mut self.tries[at].over, true);
        self.forget_cancel(at, None);
        if first {
            self.keep_credentials();
            shared.gateways[usize::from(self.head.gateway)].answers(self.tries[at].peer);
        }
        // The 2xx says target and route anew (13.2.2.4).
        self.learn_dialog(shared, dialog, message);
        let wanted = self.phase == Phase::Inviting && self.wish.is_none();
        // Without a Contact there is nobody to talk to in the dialog (12.1.2): it is ended the way
        // it came.
        if wanted && message.contact().is_some() {
            return self.keep(shared, at, dialog, message, status);
        }
        if !mutant!("forgets the late 200") {
            self.close_dialog(shared, dialog);
        }
        if self.phase == Phase::Inviting {
            let leg = self.head.id;
            if self.wish.is_some() {
                self.end(shared, SipHeard::LateAnswerClosed { leg, status });
            } else {
                let phrase = "an answer without Contact".to_owned();
                self.refuse(shared, Refusal { phrase, ..Refusal::of(message, status) });
            }
        }
    }

    /// The ACK has the credentials of its INVITE, letter for letter (RFC 3261, 22.1).
    fn keep_credentials(&mut self) {
        let (Some(inviting), Some(login)) = (&self.inviting, &mut self.login) else { return };
        let Ok(invite) = parse(&inviting.message) else { return };
        for name in [Name::Authorization, Name::ProxyAuthorization] {
            let values = invite.headers(name).map(|value| (name, Box::from(value)));
            login.of_answered.extend(values);
        }
    }

    /// This is the answer: hands it up, and waits for the owner.
    fn keep(
        &mut self,
        shared: &mut Shared,
        at: usize,
        dialog: usize,
        message: &Message<'_>,
        status: u16,
    ) {
        self.phase = Phase::Answered;
        self.answered_with = status;
        self.patience = Some(shared.now + shared.options.accept_within);
        self.linger = shared.in_a_transaction();
        self.abandon_tries(shared, Some(at));
        self.dialogs[dialog].state = State::Kept;
        self.drop_early();
        let inviting = self.inviting.take().unwrap_or_default();
        let kept = &mut self.dialogs[dialog];
        let early_sdp = kept.sdp.take();
        let sdp = message.sdp().map(<[u8]>::to_vec).or(early_sdp.map(Vec::from));
        let remote = kept.remote(self.tries[at].cseq);
        let takes_update = kept.takes_update;
        self.note_session(shared, message, inviting.offer(), takes_update);
        shared.tell(SipHeard::Answered { leg: self.head.id, status, sdp, dialog: remote });
    }

    /// The dialog that the owner knows.
    pub(super) fn kept(&self) -> Option<usize> {
        self.dialogs.iter().position(|dialog| dialog.state == State::Kept)
    }

    /// The owner takes the answer.
    pub fn order_accept(&mut self, shared: &mut Shared) {
        let (Phase::Answered, Some(kept)) = (self.phase, self.kept()) else {
            shared.counters.orders_ignored += 1;
            return;
        };
        self.phase = Phase::Up;
        self.patience = None;
        self.acknowledge(shared, kept);
        self.start_session(shared);
        if matches!(self.wish, Some(Wish::Bye)) {
            self.hang_up(shared);
        }
    }

    /// The ACK to the 2xx of a dialog: a request of its own, kept for when the 2xx comes again.
    pub(super) fn acknowledge(&mut self, shared: &mut Shared, at: usize) {
        let (cseq, random) = (self.dialogs[at].invite_cseq, shared.dice.next());
        let dialog = &self.dialogs[at];
        let inside = Inside { method: Method::Ack, cseq, random, credentials: None };
        let credentials = self.login.as_ref().map(|login| &login.of_answered);
        let written = shared.write(|out, shared| {
            self.head.write_inside(out, shared, dialog, inside, |mut ack| {
                for (name, value) in credentials.into_iter().flatten() {
                    ack.header(*name, value);
                }
                ack.finish()
            })
        });
        // Target and route were read from a message; what cannot be sent back cannot be
        // acknowledged, and the callee gives up by itself.
        if let Ok(ack) = written {
            shared.transmit(dialog.peer, &ack);
            self.dialogs[at].ack = Some(ack);
        }
    }

    fn acknowledge_again(&mut self, shared: &mut Shared, at: usize) {
        let dialog = &mut self.dialogs[at];
        match &dialog.ack {
            Some(ack) => {
                shared.counters.answers_repeated += 1;
                shared.transmit(dialog.peer, ack);
            }
            None if dialog.state == State::Closed => {
                dialog.repeats = dialog.repeats.saturating_add(1);
                if dialog.repeats >= REPEATS_MAX {
                    self.acknowledge(shared, at);
                }
            }
            // One that was not accepted yet is not acknowledged; it comes again.
            None => {}
        }
    }

    /// The BYE to an orphan's answer has arrived: nobody needs to meet that answer again.
    pub(super) fn acknowledge_closed(&mut self, shared: &mut Shared, at: usize) {
        let dialog = &self.dialogs[at];
        if dialog.state == State::Closed && dialog.ack.is_none() {
            self.acknowledge(shared, at);
        }
    }

    /// Acknowledges and hangs up a dialog that nobody wants.
    ///
    /// The answer to an orphan stands in no event: if this process dies as well, the next one knows
    /// of that dialog only while the callee repeats his answer. So the BYE goes first, as a caller
    /// may (RFC 3261, 15), and the ACK, which ends the repeats, when it has arrived.
    pub(super) fn close_dialog(&mut self, shared: &mut Shared, at: usize) {
        shared.counters.answers_closed += 1;
        self.dialogs[at].state = State::Closed;
        self.dialogs[at].sdp = None;
        self.linger = self.linger.max(shared.in_a_transaction());
        if self.left.is_none() {
            self.acknowledge(shared, at);
        }
        self.bye(shared, at, Purpose::QuietBye);
    }

    /// The owner took the try back when the answer was on its way up to it.
    pub(super) fn close_crossed(&mut self, shared: &mut Shared) {
        if let Some(kept) = self.kept() {
            self.close_dialog(shared, kept);
        }
        let status = self.answered_with;
        self.end(shared, SipHeard::LateAnswerClosed { leg: self.head.id, status });
    }

    /// The owner did not take the answer in time.
    pub(super) fn hang_up_unaccepted(&mut self, shared: &mut Shared) {
        shared.counters.answers_not_accepted += 1;
        if let Some(kept) = self.kept() {
            self.close_dialog(shared, kept);
        }
        let leg = self.head.id;
        match self.wish {
            // The owner wanted to hang up anyway.
            Some(_) => self.end(shared, SipHeard::Closed { leg }),
            None => {
                let by = HungUpBy::NotAccepted;
                self.end(shared, SipHeard::HungUp { leg, by, reason: Default::default() });
            }
        }
    }
}
