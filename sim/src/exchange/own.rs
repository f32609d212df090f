//! The callee's own requests within the call: BYE, INFO, re-INVITE.

use super::leg::Leg;
use super::repeat::{Fired, Repeat};
use super::reply::{transport_param, via_transport};
use super::sdp::{self, Theirs};
use super::write::{self, Incoming, line};
use super::{Output, RtpOrder, World};
use crate::callee::{Ask, Input, Offer, Sdp};
use crate::ledger::EndedBy;
use sip::message::{Message, Method, Name};
use sip::port::Transport;
use std::fmt::Write;

/// A request of ours that waits for its final.
#[derive(Debug)]
pub(super) struct Asked {
    pub ask: Ask,
    pub branch: String,
    bytes: Vec<u8>,
    pub repeat: Repeat,
}

impl Leg {
    /// Sends a request of the callee's.
    pub fn ask(&mut self, ask: Ask, world: &mut World<'_>) {
        let local = match ask {
            Ask::Reinvite(_) => self.local(world),
            _ => world.options.here,
        };
        let Some(live) = &mut self.live else { return };
        live.own_cseq += 1;
        let version = live.next_version(self.serial);
        let branch = format!("z9hG4bKs{:x}q{:x}", self.serial, live.own_cseq);
        let (method, body_type, body) = match ask {
            Ask::Bye(_) => (Method::Bye, "", String::new()),
            Ask::Info(digit) => {
                let body = format!("Signal={}\r\nDuration=160\r\n", char::from(digit));
                (Method::Info, "application/dtmf-relay", body)
            }
            Ask::Reinvite(offer) => {
                let body = sdp::write_offer(offer, local, version);
                (Method::Invite, "application/sdp", body)
            }
        };
        let extra = match ask {
            Ask::Bye(Some(cause)) => format!("Reason: Q.850;cause={cause}\r\n"),
            _ => String::new(),
        };
        let cseq = live.own_cseq;
        let bytes = self.request(method, cseq, &branch, &extra, body_type, &body, world);
        let Some(live) = &mut self.live else { return };
        let timers = world.options.timers;
        let repeat = match (live.peer.transport, method) {
            (Transport::Tcp, _) => Repeat::once(world.now, timers),
            (Transport::Udp, Method::Invite) => Repeat::doubling(world.now, timers),
            (Transport::Udp, _) => Repeat::up_to_t2(world.now, timers),
        };
        world.send(live.peer, bytes.clone());
        live.asked = Some(Asked { ask, branch, bytes, repeat });
        if method == Method::Bye {
            // Who hangs up talks no longer, whatever becomes of the BYE.
            if let Some(local) = live.local.take() {
                live.streaming = false;
                world.out.push(Output::Rtp(RtpOrder::Close { local }));
            }
            self.entry.byes_sent += 1;
            if self.entry.ended_ms == 0 {
                self.entry.ended_ms = world.wall_ms();
                self.entry.ended_by = EndedBy::Callee;
            }
        }
    }

    /// Writes a request within the first dialog.
    #[allow(clippy::too_many_arguments, reason = "each is one part of the message")]
    fn request(
        &self,
        method: Method,
        cseq: u32,
        branch: &str,
        extra: &str,
        body_type: &str,
        body: &str,
        world: &World<'_>,
    ) -> Vec<u8> {
        let Some(live) = &self.live else { return Vec::new() };
        let (here, name) = (world.here, method.text());
        // It was read when it came.
        let Ok(invite) = sip::message::parse(&live.invite) else { return Vec::new() };
        let target = invite.contact().map_or("", |contact| contact.uri);
        let header = |name| invite.header(name).unwrap_or("");
        let fork = live.dialogs.first().map_or(0, |dialog| dialog.fork);
        let via = via_transport(live.peer.transport);
        let transport = transport_param(live.peer.transport);
        let mut text = String::with_capacity(700);
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "{name} {} SIP/2.0\r\nVia: SIP/2.0/{via} {here};branch={branch};rport\r\n\
             Max-Forwards: 70\r\nFrom: {};tag={}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {cseq} {name}\r\n\
             Contact: <sip:c{:x}@{here}{transport}>\r\n",
            target,
            header(Name::To),
            self.tag(fork),
            header(Name::From),
            self.entry.call_id,
            self.serial,
        );
        for route in invite.headers(Name::RecordRoute) {
            line(&mut text, "Route", route);
        }
        text.push_str(extra);
        match body_type {
            "" | "application/sdp" => write::finish(text, body),
            other => {
                let _ = write!(
                    text,
                    "Content-Type: {other}\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
                text.into_bytes()
            }
        }
    }

    /// A response to a request of ours came.
    pub fn answered(&mut self, response: &Incoming<'_>, status: u16, world: &mut World<'_>) {
        let Some(live) = &mut self.live else { return };
        let (cseq, method) = response.cseq();
        if let Some((acked, bytes)) = &live.last_ack
            && (method, *acked) == (Method::Invite, cseq)
            && status >= 200
        {
            let bytes = bytes.clone();
            return world.send(live.peer, bytes);
        }
        let branch = response.branch();
        let Some(asked) = live.asked.as_mut().filter(|asked| asked.branch == branch) else {
            return;
        };
        if status < 200 {
            match asked.ask {
                // Only its end is waited for now.
                Ask::Reinvite(_) => asked.repeat = Repeat::once(world.now, world.options.timers),
                _ => asked.repeat.slow_down(world.now, world.options.timers),
            }
            return;
        }
        if matches!(asked.ask, Ask::Reinvite(_)) {
            self.ack(cseq, branch, status, response, world);
        }
        self.finish_request(status, world);
    }

    /// ACKs the final of our re-INVITE, and takes its SDP.
    fn ack(
        &mut self,
        cseq: u32,
        branch: &str,
        status: u16,
        response: &Message<'_>,
        world: &mut World<'_>,
    ) {
        let accepted = status / 100 == 2;
        let branch = if accepted { format!("{branch}k") } else { branch.to_owned() };
        let local = self.local(world);
        let offered_nothing = self.offered_nothing();
        let Some(live) = &mut self.live else { return };
        // When we had offered nothing they did, and the ACK answers.
        let theirs = match offered_nothing {
            _ if !accepted => None,
            true => Theirs::offered(response.body(), local),
            false => Theirs::answered(response.body()),
        };
        let body = match &theirs {
            Some(_) if offered_nothing => {
                let version = live.next_version(self.serial);
                sdp::write(Sdp::Answer, theirs.as_ref(), local, version)
            }
            _ => String::new(),
        };
        let bytes = self.request(Method::Ack, cseq, &branch, "", "application/sdp", &body, world);
        let Some(live) = &mut self.live else { return };
        world.send(live.peer, bytes.clone());
        live.last_ack = Some((cseq, bytes));
        if theirs.is_some() {
            live.audio = theirs;
            self.stream(world);
        }
    }

    fn offered_nothing(&self) -> bool {
        let asked = self.live.as_ref().and_then(|live| live.asked.as_ref());
        asked.is_some_and(|asked| asked.ask == Ask::Reinvite(Offer::Empty))
    }

    /// Our request has its final, or none came in time.
    fn finish_request(&mut self, status: u16, world: &mut World<'_>) {
        let Some(live) = &mut self.live else { return };
        let Some(asked) = live.asked.take() else { return };
        let over = matches!(asked.ask, Ask::Bye(_)) || matches!(status, 408 | 481);
        if let Some(dialog) = live.dialogs.first_mut().filter(|_| over) {
            (dialog.closed, dialog.repeat) = (true, None);
        }
        self.tell(Input::Replied(status), None, world);
    }

    /// Repeats our request, while it waits for its final.
    pub fn wake_asked(&mut self, world: &mut World<'_>) {
        let Some(live) = &mut self.live else { return };
        let Some(asked) = &mut live.asked else { return };
        match asked.repeat.fire(world.now) {
            Fired::NotYet => {}
            Fired::Again => {
                self.entry.byes_sent += u32::from(matches!(asked.ask, Ask::Bye(_)));
                world.send(live.peer, asked.bytes.clone());
            }
            Fired::GivenUp => self.finish_request(408, world),
        }
    }
}
