//! Session timers (RFC 4028): a call whose other side is gone ends by itself.

use std::time::Duration;

use crate::message::{Builder, Message, Method, Name, Refresher, SessionExpires};
use crate::port::HungUpBy;
use crate::shared::Shared;
use crate::transaction::Purpose;

use super::{Leg, Phase};

/// The shortest session that we take part in (RFC 4028, 4).
const MIN_SE: u32 = 90;
/// The longest: beyond it a timer is of no use, and times would leave their types.
const MAX_SE: u32 = 7 * 86_400;
/// After a refresh that was refused for a reason that may pass.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// A session that ends unless it is refreshed.
#[derive(Debug)]
pub(super) struct Session {
    seconds: u32,
    min_se: Option<u32>,
    we_refresh: bool,
    /// When to refresh, when that is ours to do and none is out.
    refresh_at: Option<Duration>,
    /// When to hang up.
    ends_at: Duration,
    /// The peer takes UPDATE; else a refresh is a re-INVITE with `sdp`.
    by_update: bool,
    /// Our SDP in force; empty when it is not known.
    sdp: Box<[u8]>,
}

impl Session {
    fn new(now: Duration, seconds: u32, we_refresh: bool, sdp: Box<[u8]>) -> Self {
        let mut session = Self {
            seconds,
            min_se: None,
            we_refresh,
            refresh_at: None,
            ends_at: Duration::ZERO,
            by_update: true,
            sdp,
        };
        session.restart(now);
        session
    }

    /// Counts anew: refresh at half time, hang up a third or 32 s before the end (RFC 4028, 7.2,
    /// 10).
    fn restart(&mut self, now: Duration) {
        let whole = Duration::from_secs(self.seconds.into());
        self.refresh_at = self.we_refresh.then(|| now + whole / 2);
        self.ends_at = now + whole - (whole / 3).min(Duration::from_secs(32));
    }

    pub fn deadline(&self) -> Duration {
        self.refresh_at.map_or(self.ends_at, |at| at.min(self.ends_at))
    }

    /// What a refresh of ours asks for: the interval with us as refresher if we are, and Min-SE.
    pub fn wish(&self) -> (String, Option<u32>) {
        let refresher = if self.we_refresh { "uac" } else { "uas" };
        (format!("{};refresher={refresher}", self.seconds), self.min_se)
    }
}

impl Leg {
    /// Takes what the 2xx to the INVITE says of the session. It counts from the ACK.
    pub(super) fn note_session(
        &mut self,
        shared: &Shared,
        message: &Message<'_>,
        offer: &[u8],
        takes_update: bool,
    ) {
        let Some(expires) = message.session_expires().filter(is_sound) else { return };
        // Without a refresher it is theirs: a UAS that adds the header must name one (9).
        let we_refresh = expires.refresher == Some(Refresher::Uac);
        let session = Session::new(shared.now, expires.seconds, we_refresh, offer.into());
        self.talk().session = Some(Session { by_update: takes_update, ..session });
    }

    /// The call is up: counts from now.
    pub(super) fn start_session(&mut self, shared: &Shared) {
        if let Some(session) = self.session() {
            session.restart(shared.now);
        }
    }

    fn session(&mut self) -> Option<&mut Session> {
        self.talk.as_mut()?.session.as_mut()
    }

    /// The SDP of ours that is now in force.
    pub(super) fn remember_sdp(&mut self, sdp: &[u8]) {
        if let Some(session) = self.session() {
            session.sdp = sdp.into();
        }
    }

    pub(super) fn on_session_timeout(&mut self, shared: &mut Shared) {
        let Some(kept) = self.kept().filter(|_| self.phase == Phase::Up) else { return };
        let Some(session) = self.session() else { return };
        if session.ends_at <= shared.now {
            return self.lose_dialog(shared, HungUpBy::SessionExpired);
        }
        if session.refresh_at.is_none_or(|at| at > shared.now) {
            return;
        }
        session.refresh_at = None;
        if !session.by_update && !session.sdp.is_empty() {
            let sdp = session.sdp.clone();
            return self.offer(shared, sdp, false);
        }
        let (expires, min_se) = session.wish();
        self.ask(shared, kept, Method::Update, Purpose::Refresh, |mut update| {
            update.header(Name::Supported, "timer").header(Name::SessionExpires, &expires);
            if let Some(min_se) = min_se {
                update.header(Name::MinSe, min_se);
            }
            update.finish()
        });
    }

    /// A final to our refresh by UPDATE that is no reason to hang up.
    pub(super) fn on_refresh_answer(
        &mut self,
        shared: &mut Shared,
        message: &Message<'_>,
        status: u16,
    ) {
        match status {
            200..300 => {
                if let Some(kept) = self.kept() {
                    self.retarget(shared, kept, message);
                }
                self.refreshed(shared, message);
            }
            422 if self.lengthen(message) => self.refresh_at(shared.now),
            405 | 501 => {
                if let Some(session) = self.session() {
                    session.by_update = false;
                }
                self.refresh_at(shared.now);
            }
            // Refused for now, or for good: the session still has its end.
            _ => self.refresh_later(shared),
        }
    }

    /// A refresh came to nothing for now.
    pub(super) fn refresh_later(&mut self, shared: &Shared) {
        self.refresh_at(shared.now + AGAIN_AFTER);
    }

    fn refresh_at(&mut self, at: Duration) {
        if let Some(session) = self.session().filter(|session| session.we_refresh) {
            session.refresh_at = Some(at);
        }
    }

    /// A refresh of ours was accepted: the answer says for how long, and who is next (7.2).
    pub(super) fn refreshed(&mut self, shared: &Shared, message: &Message<'_>) {
        let expires = message.session_expires().filter(is_sound);
        let Some(session) = self.session() else { return };
        if let Some(expires) = expires {
            session.seconds = expires.seconds;
            session.we_refresh = expires.refresher != Some(Refresher::Uas);
        }
        session.restart(shared.now);
    }

    /// 422: the interval that the peer wants. False when it is no longer than ours.
    pub(super) fn lengthen(&mut self, message: &Message<'_>) -> bool {
        let min_se = message.seconds(Name::MinSe).filter(|&seconds| seconds <= MAX_SE);
        let Some((session, min_se)) = self.session().zip(min_se) else { return false };
        let longer = min_se > session.seconds;
        (session.seconds, session.min_se) = (session.seconds.max(min_se), Some(min_se));
        longer
    }

    /// Their refresh: takes the interval that it asks for. An `Err` is the Min-SE for a 422 (9).
    pub(super) fn refreshed_by_them(
        &mut self,
        shared: &Shared,
        request: &Message<'_>,
    ) -> Result<(), u32> {
        let Some(expires) = request.session_expires() else {
            // A refresh without the header turns the timer off (9).
            if let Some(talk) = &mut self.talk {
                talk.session = None;
            }
            return Ok(());
        };
        if expires.seconds < MIN_SE {
            return Err(MIN_SE);
        }
        let seconds = expires.seconds.min(MAX_SE);
        // In their request the UAC is they.
        let we_refresh = expires.refresher == Some(Refresher::Uas);
        let (by_update, sdp) = match self.session() {
            Some(session) => (session.by_update, std::mem::take(&mut session.sdp)),
            None => (true, Box::default()),
        };
        let session = Session::new(shared.now, seconds, we_refresh, sdp);
        self.talk().session = Some(Session { by_update, ..session });
        Ok(())
    }

    /// What our 2xx to their refresh says of the session.
    pub(super) fn add_session(&self, answer: &mut Builder<'_>) {
        let Some(session) = self.talk.as_ref().and_then(|talk| talk.session.as_ref()) else {
            return;
        };
        let refresher = if session.we_refresh { "uas" } else { "uac" };
        let value = format_args!("{};refresher={refresher}", session.seconds);
        answer.header(Name::SessionExpires, value);
        if !session.we_refresh {
            answer.header(Name::Require, "timer");
        }
    }
}

/// An interval that a timer makes sense for.
fn is_sound(expires: &SessionExpires) -> bool {
    (MIN_SE..=MAX_SE).contains(&expires.seconds)
}
