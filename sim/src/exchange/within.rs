//! The caller's requests within the call.

use super::World;
use super::leg::Leg;
use super::own::Asked;
use super::repeat::{Fired, Repeat};
use super::reply::transport_param;
use super::sdp::{self, Theirs};
use super::write::{ALLOW, Echo, Incoming};
use crate::callee::{Ask, Input, OnBye, OnReinvite, Sdp};
use crate::ledger::EndedBy;
use sip::message::{Message, Method};

/// A re-INVITE of the caller's that we answered.
#[derive(Debug)]
pub(super) struct Reinvited {
    branch: Box<str>,
    pub cseq: u32,
    response: Vec<u8>,
    /// Runs until the ACK.
    pub repeat: Option<Repeat>,
}

impl Leg {
    /// A request came whose To tag is ours.
    pub fn asked(
        &mut self,
        request: &Incoming<'_>,
        method: Method,
        fork: u8,
        world: &mut World<'_>,
    ) {
        let echo = Echo::of(request);
        let plain = |status| echo.response(status, "", "", "");
        let branch = request.branch();
        if method == Method::Bye {
            self.entry.byes += 1;
        }
        let again = method == Method::Bye && self.bye_branch.as_deref() == Some(branch);
        let closed = match self.on_bye {
            OnBye::Ignore if again => None,
            OnBye::Accept if again => Some(200),
            _ => Some(481),
        };
        let Some(live) = &mut self.live else {
            closed.into_iter().for_each(|status| world.send(echo.to(), plain(status)));
            return;
        };
        let dialog = live.dialogs.iter_mut().find(|dialog| dialog.fork == fork);
        let (cseq, _) = request.cseq();
        let Some(dialog) = dialog else {
            return self.asked_early(request, method, &echo, world);
        };
        if dialog.closed {
            closed.into_iter().for_each(|status| world.send(echo.to(), plain(status)));
            return;
        }
        // RFC 3261, 12.2.2. An equal number is a repeat, and is answered as before.
        if cseq < dialog.remote_cseq {
            return world.send(echo.to(), plain(500));
        }
        dialog.remote_cseq = cseq;
        self.check_direction(request);
        match method {
            Method::Bye => self.hung_up(fork, branch, &echo, world),
            Method::Invite => self.reinvited(request, branch, &echo, world),
            Method::Update => {
                let (status, headers, body) = self.renegotiate(request, world);
                world.send(echo.to(), echo.response(status, "", &headers, &body));
            }
            Method::Info => {
                self.entry.info_digits.extend(digit_of(request.body()));
                world.send(echo.to(), plain(200));
            }
            Method::Options => world.send(echo.to(), echo.response(200, "", ALLOW, "")),
            Method::Prack => self.pracked(request, &echo, world),
            _ => world.send(echo.to(), echo.response(405, "", ALLOW, "")),
        }
    }

    /// A request within a dialog that has no 2xx yet.
    fn asked_early(
        &mut self,
        request: &Message<'_>,
        method: Method,
        echo: &Echo,
        world: &mut World<'_>,
    ) {
        let to = echo.to();
        match method {
            Method::Prack => self.pracked(request, echo, world),
            // Allowed to a caller, and rare (RFC 3261, 15): it ends the INVITE as a CANCEL does.
            Method::Bye if self.entry.status == 0 => {
                world.send(to, echo.response(200, "", "", ""));
                self.entry.ended_by = EndedBy::Caller;
                self.tell(Input::Cancelled, None, world);
            }
            Method::Update | Method::Info | Method::Options if self.entry.status == 0 => {
                world.send(to, echo.response(200, "", ALLOW, ""));
            }
            _ => world.send(to, echo.response(481, "", "", "")),
        }
    }

    fn hung_up(&mut self, fork: u8, branch: &str, echo: &Echo, world: &mut World<'_>) {
        let Some(live) = &mut self.live else { return };
        let first = live.dialogs.first().is_some_and(|dialog| dialog.fork == fork);
        for dialog in live.dialogs.iter_mut().filter(|dialog| dialog.fork == fork) {
            (dialog.closed, dialog.repeat) = (true, None);
        }
        self.bye_branch = Some(branch.into());
        if first {
            if self.entry.ended_ms == 0 {
                self.entry.ended_ms = world.wall_ms();
                self.entry.ended_by = EndedBy::Caller;
            }
            self.tell(Input::HungUp, Some(echo), world);
        } else {
            world.send(echo.to(), echo.response(200, "", "", ""));
            self.settle(world);
        }
    }

    fn pracked(&mut self, request: &Message<'_>, echo: &Echo, world: &mut World<'_>) {
        let Some(live) = &mut self.live else { return };
        let wanted = live.reliable.as_ref().map(|reliable| reliable.rseq);
        let confirmed = request
            .rack()
            .filter(|rack| rack.cseq == self.entry.cseq && rack.method == Method::Invite);
        match confirmed {
            Some(rack) if Some(rack.rseq) == wanted => {
                live.reliable = None;
                self.entry.pracks += 1;
                world.send(echo.to(), echo.response(200, "", "", ""));
                self.tell(Input::Pracked, None, world);
            }
            // A repeat of one that we had.
            Some(rack) if rack.rseq <= live.rseq => {
                world.send(echo.to(), echo.response(200, "", "", ""));
            }
            _ => world.send(echo.to(), echo.response(481, "", "", "")),
        }
    }

    fn reinvited(
        &mut self,
        request: &Message<'_>,
        branch: &str,
        echo: &Echo,
        world: &mut World<'_>,
    ) {
        let Some(live) = &mut self.live else { return };
        if let Some(before) = live.reinvited.as_ref().filter(|before| *before.branch == *branch) {
            return world.send(echo.to(), before.response.clone());
        }
        let manners = live.callee.plan().manners.reinvite;
        let glare = matches!(&live.asked, Some(Asked { ask: Ask::Reinvite(_), .. }))
            || (manners == OnReinvite::GlareOnce && !std::mem::replace(&mut live.glared, true));
        let (status, headers, body) = if glare {
            // RFC 3261, 14.2.
            (491, String::new(), String::new())
        } else if manners == OnReinvite::Refuse {
            (488, String::new(), String::new())
        } else {
            self.renegotiate(request, world)
        };
        let headers = match (&self.live, status) {
            (Some(live), 200) => {
                let transport = transport_param(live.peer.transport);
                let here = world.here;
                format!("Contact: <sip:c{:x}@{here}{transport}>\r\n{headers}", self.serial)
            }
            _ => headers,
        };
        let response = echo.response(status, "", &headers, &body);
        world.send(echo.to(), response.clone());
        let Some(live) = &mut self.live else { return };
        let repeat = Some(Repeat::up_to_t2(world.now, world.options.timers));
        let (cseq, _) = request.cseq();
        live.reinvited = Some(Reinvited { branch: branch.into(), cseq, response, repeat });
    }

    /// Takes a new offer. Gives back status, headers and body of its answer.
    fn renegotiate(
        &mut self,
        request: &Message<'_>,
        world: &mut World<'_>,
    ) -> (u16, String, String) {
        self.entry.reinvites += 1;
        let mut headers = String::new();
        if let Some(expires) = request.session_expires() {
            // Who asked refreshes (RFC 4028, 9): it just did.
            let seconds = expires.seconds;
            headers = format!("Require: timer\r\nSession-Expires: {seconds};refresher=uac\r\n");
        }
        let is_invite = request.method() == Some(Method::Invite);
        if request.body().is_empty() && !is_invite {
            return (200, headers, String::new());
        }
        let local = self.local(world);
        let offer = Theirs::offered(request.body(), local);
        if offer.is_none() && !request.body().is_empty() {
            return (488, String::new(), String::new());
        }
        let Some(live) = &mut self.live else { return (481, String::new(), String::new()) };
        let version = live.next_version(self.serial);
        let body = sdp::write(Sdp::Answer, offer.as_ref(), local, version);
        if offer.is_some() {
            live.audio = offer;
            self.stream(world);
        }
        (200, headers, body)
    }

    /// Repeats our answer to their re-INVITE, while it waits for its ACK.
    pub fn wake_reinvited(&mut self, world: &mut World<'_>) {
        let Some(live) = &mut self.live else { return };
        let to = live.echo.to();
        let Some(reinvited) = &mut live.reinvited else { return };
        match reinvited.repeat.as_mut().map_or(Fired::NotYet, |repeat| repeat.fire(world.now)) {
            Fired::NotYet => {}
            Fired::Again => world.send(to, reinvited.response.clone()),
            Fired::GivenUp => {
                reinvited.repeat = None;
                self.entry.unacked += 1;
            }
        }
    }
}

/// The digit of an INFO body: `Signal=5`, or a bare `5`.
fn digit_of(body: &[u8]) -> Option<char> {
    let text = std::str::from_utf8(body).ok()?;
    let named = text.lines().find_map(|line| line.trim().strip_prefix("Signal="));
    named.unwrap_or(text).trim().chars().next().filter(|c| "0123456789*#ABCD".contains(*c))
}
