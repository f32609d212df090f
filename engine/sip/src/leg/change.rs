//! Our own changes of the session: re-INVITE, one at a time, and what to do when both sides want
//! one (RFC 3261, 14.1).

use std::collections::VecDeque;
use std::time::Duration;

use crate::message::{Message, Method, Name};
use crate::port::SipHeard;
use crate::shared::Shared;
use crate::status::SDP;
use crate::transaction::Purpose;

use super::session::Session;
use super::{Leg, Phase};

/// Offers that wait for their turn.
const OFFERS_MAX: usize = 4;
/// How often a change that met one of theirs (491) is tried.
const ATTEMPTS_MAX: u8 = 5;

/// What a leg that is up has besides its dialog; most have none of it.
#[derive(Debug, Default)]
pub(super) struct Talk {
    /// Digits that wait for the one before.
    pub infos: VecDeque<Vec<u8>>,
    /// Changes: the first is under way, or waits for its moment.
    offers: VecDeque<Offer>,
    pub session: Option<Session>,
}

/// One change of ours.
#[derive(Debug)]
struct Offer {
    sdp: Box<[u8]>,
    /// The owner waits for its result; else it only keeps the session alive.
    ordered: bool,
    attempts: u8,
    /// It is out.
    out: bool,
    /// After a 491: not before then.
    not_before: Option<Duration>,
}

impl Talk {
    pub fn deadline(&self) -> Option<Duration> {
        let offer = self.offers.front().and_then(|offer| offer.not_before);
        offer.into_iter().chain(self.session.as_ref().map(Session::deadline)).min()
    }

    /// An offer of ours has no answer yet.
    pub fn has_offer_out(&self) -> bool {
        self.offers.front().is_some_and(|offer| offer.out)
    }
}

impl Leg {
    pub(super) fn talk(&mut self) -> &mut Talk {
        self.talk.get_or_insert_default()
    }

    /// The owner offers new SDP.
    pub fn order_reinvite(&mut self, shared: &mut Shared, sdp: Vec<u8>) {
        let full = self.talk.as_ref().is_some_and(|talk| talk.offers.len() == OFFERS_MAX);
        if self.phase != Phase::Up {
            shared.counters.orders_ignored += 1;
        } else if full {
            shared.tell(SipHeard::Renegotiated { leg: self.head.id, result: Err(491) });
        } else {
            self.offer(shared, sdp.into(), true);
        }
    }

    pub(super) fn offer(&mut self, shared: &mut Shared, sdp: Box<[u8]>, ordered: bool) {
        let offer = Offer { sdp, ordered, attempts: 0, out: false, not_before: None };
        self.talk().offers.push_back(offer);
        self.send_next_offer(shared);
    }

    /// Sends the first offer that waits, unless an INVITE is under way in either direction.
    pub(super) fn send_next_offer(&mut self, shared: &mut Shared) {
        let Some(kept) = self.kept().filter(|_| self.phase == Phase::Up) else { return };
        if self.has_open_change() {
            return;
        }
        let Some(talk) = &mut self.talk else { return };
        let Some(offer) = talk.offers.front_mut() else { return };
        if offer.out || offer.not_before.is_some_and(|at| at > shared.now) {
            return;
        }
        (offer.out, offer.not_before) = (true, None);
        offer.attempts += 1;
        let sdp = offer.sdp.clone();
        let session = talk.session.as_ref().map(Session::wish);
        let written = self.ask(shared, kept, Method::Invite, Purpose::Change, |mut invite| {
            if let Some((expires, min_se)) = session {
                invite.header(Name::Supported, "timer").header(Name::SessionExpires, expires);
                if let Some(min_se) = min_se {
                    invite.header(Name::MinSe, min_se);
                }
            }
            invite.finish_with(SDP, &sdp)
        });
        if !written {
            self.change_ended(shared, Err(400));
        }
    }

    /// A final to our re-INVITE that is no reason to hang up.
    pub(super) fn on_change_answer(
        &mut self,
        shared: &mut Shared,
        message: &Message<'_>,
        status: u16,
    ) {
        let offer = self.talk.as_mut().and_then(|talk| talk.offers.front_mut());
        let Some(offer) = offer.filter(|offer| offer.out) else { return };
        match status {
            200..300 => {
                if let Some(kept) = self.kept() {
                    self.retarget(shared, kept, message);
                }
                self.refreshed(shared, message);
                self.change_ended(shared, Ok(message.sdp().unwrap_or_default().to_vec()));
            }
            // Theirs was on its way. The one who made the Call-ID waits longer (RFC 3261, 14.1).
            491 if offer.attempts < ATTEMPTS_MAX => {
                offer.out = false;
                let wait = Duration::from_millis(shared.dice.between(210, 400) * 10);
                offer.not_before = Some(shared.now + wait);
            }
            422 if offer.attempts < ATTEMPTS_MAX && self.lengthen(message) => {
                if let Some(offer) = self.talk().offers.front_mut() {
                    offer.out = false;
                }
                self.send_next_offer(shared);
            }
            _ => self.change_ended(shared, Err(status)),
        }
    }

    fn change_ended(&mut self, shared: &mut Shared, result: Result<Vec<u8>, u16>) {
        let Some(offer) = self.talk.as_mut().and_then(|talk| talk.offers.pop_front()) else {
            return;
        };
        if offer.ordered {
            if result.is_ok() {
                self.remember_sdp(&offer.sdp);
            }
            shared.tell(SipHeard::Renegotiated { leg: self.head.id, result });
        } else if result.is_err() {
            self.refresh_later(shared);
        }
        self.send_next_offer(shared);
    }

    /// Retries after a 491, session timers.
    pub(super) fn on_talk_timeout(&mut self, shared: &mut Shared) {
        if self.talk.is_none() {
            return;
        }
        self.send_next_offer(shared);
        self.on_session_timeout(shared);
    }

    /// Their Contact may have moved (12.2.1.2, 12.2.2).
    pub(super) fn retarget(&mut self, shared: &mut Shared, at: usize, message: &Message<'_>) {
        self.part_from(shared, at);
        let way = self.way(shared, self.dialogs[at].of_try);
        self.dialogs[at].retarget(message, way);
        self.befriend(shared, at);
    }
}
