//! Our requests in a dialog: BYE, PRACK, INFO, UPDATE, re-INVITE, and what comes of them (RFC 3261,
//! 12.2.1; 15.1.1).

use std::time::Duration;

use crate::message::{BuildError, Builder, Message, Method, Name, parse};
use crate::port::{HungUpBy, Reason, SipHeard};
use crate::shared::Shared;
use crate::transaction::{Ask, Branch, Purpose, Repeat};

use super::head::{Inside, fit};
use super::{Leg, Phase, Wish};

/// Headers that a request keeps when it is sent again with credentials.
const KEPT: [Name; 5] =
    [Name::RAck, Name::Reason, Name::Supported, Name::SessionExpires, Name::MinSe];
/// How long a re-INVITE that got a 1xx may go without a final. The RFC has no bound.
const CHANGE_WITHIN: Duration = Duration::from_secs(180);

impl Leg {
    /// Sends a request in a dialog. `more` adds headers and ends it. False when it cannot be
    /// written.
    pub(super) fn ask(
        &mut self,
        shared: &mut Shared,
        at: usize,
        method: Method,
        purpose: Purpose,
        more: impl FnOnce(Builder<'_>) -> Result<(), BuildError>,
    ) -> bool {
        if let Some(login) = &mut self.login {
            login.known.new_request();
        }
        self.ask_as(shared, at, method, purpose, false, more)
    }

    fn ask_as(
        &mut self,
        shared: &mut Shared,
        at: usize,
        method: Method,
        purpose: Purpose,
        challenged: bool,
        more: impl FnOnce(Builder<'_>) -> Result<(), BuildError>,
    ) -> bool {
        self.dialogs[at].local_cseq += 1;
        let (random, cnonce) = (shared.dice.next(), shared.cnonce(self.login.is_some()));
        let dialog = &self.dialogs[at];
        let (cseq, mut to) = (dialog.local_cseq, dialog.peer);
        let credentials = self.login.as_mut().map(|login| (&mut login.known, &*cnonce));
        let inside = Inside { method, cseq, random, credentials };
        let written =
            shared.write(|out, shared| self.head.write_inside(out, shared, dialog, inside, more));
        let Ok(mut bytes) = written else { return false };
        fit(shared, self.head.gateway, &mut to, &mut bytes);
        shared.transmit(to, &bytes);
        let options = &shared.options;
        let cap = if method == Method::Invite { Duration::MAX } else { options.t2 };
        let repeat = Repeat::new(shared.now, to.transport, options.t1, cap, options.transaction());
        let (branch, dialog) = (Branch::Own(random), at as u8);
        // Most legs ask once: a vector would make room for four.
        self.asks.reserve_exact(1);
        self.asks.push(Ask {
            purpose,
            method,
            cseq,
            branch,
            dialog,
            challenged,
            to,
            bytes,
            repeat,
            acked: false,
        });
        true
    }

    /// An answer to what was asked in a dialog. False when nothing was.
    pub(super) fn on_inside_response(
        &mut self,
        shared: &mut Shared,
        message: &Message<'_>,
        branch: &str,
        status: u16,
    ) -> bool {
        let owner = self.head.owner(shared);
        let (_, method) = message.cseq();
        let answers = |ask: &Ask| ask.is_answered_by(owner, branch, method);
        let Some(at) = self.asks.iter().position(answers) else { return false };
        let ask = &mut self.asks[at];
        match status {
            _ if ask.acked => {
                if status >= 200 {
                    shared.counters.answers_repeated += 1;
                    shared.transmit(ask.to, &ask.bytes);
                }
            }
            ..200 if method == Method::Invite => {
                ask.repeat = Repeat::silent(shared.now, CHANGE_WITHIN);
            }
            ..200 => ask.repeat.slow_down(shared.now, shared.options.t2),
            _ => {
                let ask = self.take_ask(at);
                self.on_final(shared, ask, message, status);
            }
        }
        true
    }

    fn take_ask(&mut self, at: usize) -> Ask {
        let ask = self.asks.remove(at);
        if self.asks.is_empty() {
            self.asks = Vec::new();
        }
        ask
    }

    fn on_final(&mut self, shared: &mut Shared, ask: Ask, message: &Message<'_>, status: u16) {
        if ask.method == Method::Invite {
            self.acknowledge_change(shared, &ask, message, status);
        }
        if matches!(status, 401 | 407) && self.ask_again(shared, &ask, message) {
            return;
        }
        match ask.purpose {
            Purpose::Bye => self.closed(shared),
            Purpose::QuietBye => self.acknowledge_closed(shared, usize::from(ask.dialog)),
            Purpose::Cancel | Purpose::Prack => {}
            // The other side does not have the dialog any more (12.2.1.2).
            _ if matches!(status, 408 | 481) => self.lose_dialog(shared, HungUpBy::DialogLost),
            Purpose::Info => self.send_next_info(shared),
            Purpose::Change => self.on_change_answer(shared, message, status),
            Purpose::Refresh => self.on_refresh_answer(shared, message, status),
        }
    }

    /// The same again with credentials, once. False when that would be of no use.
    fn ask_again(&mut self, shared: &mut Shared, ask: &Ask, challenge: &Message<'_>) -> bool {
        let gateway = &shared.gateways[usize::from(self.head.gateway)];
        let useless = ask.challenged || gateway.config.credentials.is_none() || ask.acked;
        if useless {
            return false;
        }
        let login = self.login.get_or_insert_default();
        if login.known.challenged(challenge).is_err() {
            return false;
        }
        let Ok(old) = parse(&ask.bytes) else { return false };
        let (at, method) = (usize::from(ask.dialog), ask.method);
        self.ask_as(shared, at, method, ask.purpose, true, |mut request| {
            for name in KEPT {
                request.copy(&old, name);
            }
            match old.content_type() {
                Some(content_type) => request.finish_with(content_type, old.body()),
                None => request.finish(),
            }
        })
    }

    /// Timers E and F.
    pub(super) fn repeat_asks(&mut self, shared: &mut Shared) {
        let mut at = 0;
        while let Some(ask) = self.asks.get_mut(at) {
            if ask.repeat.is_over(shared.now) {
                let ask = self.take_ask(at);
                self.on_unanswered(shared, &ask);
                // What came of it may have changed the list.
                at = 0;
                continue;
            }
            if ask.repeat.is_due(shared.now) {
                shared.transmit_again(ask.to, &ask.bytes);
            }
            at += 1;
        }
    }

    fn on_unanswered(&mut self, shared: &mut Shared, ask: &Ask) {
        match ask.purpose {
            _ if ask.acked => {}
            Purpose::Bye => self.closed(shared),
            Purpose::Info | Purpose::Change | Purpose::Refresh => {
                self.lose_dialog(shared, HungUpBy::DialogLost);
            }
            Purpose::Cancel | Purpose::QuietBye | Purpose::Prack => {}
        }
    }

    fn closed(&mut self, shared: &mut Shared) {
        if self.phase == Phase::Closing {
            self.end(shared, SipHeard::Closed { leg: self.head.id });
        }
    }

    /// The dialog is over and the other side may not know: it gets a BYE that nobody waits for.
    pub(super) fn lose_dialog(&mut self, shared: &mut Shared, by: HungUpBy) {
        if self.phase != Phase::Up {
            return;
        }
        if let Some(kept) = self.kept() {
            self.bye(shared, kept, Purpose::QuietBye);
        }
        self.end(shared, SipHeard::HungUp { leg: self.head.id, by, reason: Reason::default() });
    }

    /// The owner hangs up.
    pub fn order_bye(&mut self, shared: &mut Shared, reason: Option<Reason>) {
        match self.phase {
            // There is nothing to hang up yet: the try is taken back.
            Phase::Resolving | Phase::Inviting => self.order_cancel(shared, reason),
            Phase::Answered => {
                self.wish = Some(Wish::Bye);
                self.reason = reason.map(Box::new);
            }
            Phase::Up => {
                self.reason = reason.map(Box::new);
                self.hang_up(shared);
            }
            Phase::Closing | Phase::Over => shared.counters.orders_ignored += 1,
        }
    }

    pub(super) fn hang_up(&mut self, shared: &mut Shared) {
        self.phase = Phase::Closing;
        self.refuse_open(shared);
        self.talk = None;
        // A change that is under way has its ACK to come, and another try or fork its end.
        let useless = |p| matches!(p, Purpose::Info | Purpose::Refresh | Purpose::Prack);
        self.asks.retain(|ask| !useless(ask.purpose));
        let written = match self.kept() {
            Some(kept) => self.bye(shared, kept, Purpose::Bye),
            None => false,
        };
        if !written {
            self.closed(shared);
        }
    }

    /// BYE in a dialog, with the reason that was given, or without when that cannot be sent.
    pub(super) fn bye(&mut self, shared: &mut Shared, at: usize, purpose: Purpose) -> bool {
        let reason = self.reason.take();
        let written = self.ask(shared, at, Method::Bye, purpose, |mut bye| {
            if let Some(reason) = &reason {
                bye.reason(reason);
            }
            bye.finish()
        });
        let reasonless = !written && reason.is_some();
        let written =
            written || reasonless && self.ask(shared, at, Method::Bye, purpose, |bye| bye.finish());
        self.reason = reason;
        written
    }

    /// A digit: one INFO at a time, since one that overtakes another is refused (12.2.2).
    pub fn order_info(&mut self, shared: &mut Shared, body: Vec<u8>) {
        /// Digits that wait. Nobody types faster than a network answers for long.
        const INFOS_MAX: usize = 64;
        if self.phase != Phase::Up {
            shared.counters.orders_ignored += 1;
            return;
        }
        let infos = &mut self.talk().infos;
        if infos.len() == INFOS_MAX {
            shared.counters.orders_ignored += 1;
            return;
        }
        infos.push_back(body);
        if !self.asks.iter().any(|ask| ask.purpose == Purpose::Info) {
            self.send_next_info(shared);
        }
    }

    fn send_next_info(&mut self, shared: &mut Shared) {
        let Some(kept) = self.kept().filter(|_| self.phase == Phase::Up) else { return };
        let Some(body) = self.talk.as_mut().and_then(|talk| talk.infos.pop_front()) else { return };
        self.ask(shared, kept, Method::Info, Purpose::Info, |info| {
            info.finish_with("application/dtmf-relay", &body)
        });
    }

    /// Our ACK in the dialog to a final of our re-INVITE; kept for when that comes again.
    fn acknowledge_change(
        &mut self,
        shared: &mut Shared,
        ask: &Ask,
        message: &Message<'_>,
        status: u16,
    ) {
        let dialog = &self.dialogs[usize::from(ask.dialog)];
        let (written, to) = if status < 300 {
            let random = shared.dice.next();
            let method = Method::Ack;
            let inside = Inside { method, cseq: ask.cseq, random, credentials: None };
            let invite = parse(&ask.bytes).ok();
            let written = shared.write(|out, shared| {
                self.head.write_inside(out, shared, dialog, inside, |mut ack| {
                    for name in [Name::Authorization, Name::ProxyAuthorization] {
                        if let Some(invite) = &invite {
                            ack.copy(invite, name);
                        }
                    }
                    ack.finish()
                })
            });
            (written, dialog.peer)
        } else {
            // The transaction's: made of its INVITE (17.1.1.3).
            let to = message.header(Name::To).unwrap_or("");
            let written = shared.write(|out, _| match parse(&ask.bytes) {
                Ok(invite) => crate::message::ack(out, &invite, to),
                Err(_) => Err(BuildError::Unfit("our INVITE")),
            });
            (written, ask.to)
        };
        let Ok(bytes) = written else { return };
        shared.transmit(to, &bytes);
        let repeat = Repeat::silent(shared.now, shared.options.transaction());
        let Ask { purpose, method, cseq, branch, dialog, challenged, .. } = *ask;
        let acked = true;
        // Most legs ask once: a vector would make room for four.
        self.asks.reserve_exact(1);
        self.asks.push(Ask {
            purpose,
            method,
            cseq,
            branch,
            dialog,
            challenged,
            to,
            bytes,
            repeat,
            acked,
        });
    }
}
