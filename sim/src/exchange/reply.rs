//! The replies to an INVITE, as their bytes.

use super::leg::Leg;
use super::live::{Dialog, Reliable};
use super::repeat::Repeat;
use super::sdp::{self, Theirs};
use super::write::ALLOW;
use super::{Output, RtpOrder, World};
use crate::callee::{Extra, Input, Reply, Sdp};
use crate::ledger::EndedBy;
use sip::message::Message;
use sip::port::Transport;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;

impl Leg {
    /// Sends a reply. Gives back what the callee is to be told at once.
    pub(super) fn reply(&mut self, reply: Reply, world: &mut World<'_>) -> Option<Input> {
        let tag = if reply.status == 100 { String::new() } else { self.tag(reply.fork) };
        let body = self.body(reply.sdp, world);
        let reliable = reply.reliable && self.live.as_ref().is_some_and(|live| live.takes_100rel);
        let headers = self.headers(&reply, reliable, world);
        let Some(live) = &mut self.live else { return None };
        let bytes = live.echo.response(reply.status, &tag, &headers, &body);
        let to = live.echo.to();
        for _ in 0..reply.copies {
            world.send(to, bytes.clone());
        }
        world.send(to, bytes.clone());
        let timers = world.options.timers;
        let until_acked = match to.transport {
            Transport::Udp => Repeat::up_to_t2(world.now, timers),
            Transport::Tcp => Repeat::once(world.now, timers),
        };
        match reply.status {
            100..=199 => {
                self.entry.provisionals += 1;
                if reply.status > 100 && self.entry.ringing_ms == 0 {
                    self.entry.ringing_ms = world.wall_ms();
                }
                live.last.clone_from(&bytes);
                if reliable {
                    let repeat = Repeat::doubling(world.now, timers);
                    live.reliable = Some(Reliable { rseq: live.rseq, bytes, repeat });
                } else if reply.reliable {
                    // The caller does not know 100rel: nothing to wait for.
                    return Some(Input::Pracked);
                }
            }
            200..=299 => {
                self.entry.answers += 1;
                live.dialogs.push(Dialog {
                    fork: reply.fork,
                    ok: bytes,
                    // A 2xx is repeated over streams too (13.3.1.4).
                    repeat: Some(Repeat::up_to_t2(world.now, timers)),
                    acked: false,
                    closed: false,
                    remote_cseq: self.entry.cseq,
                });
            }
            _ => {
                live.last = bytes;
                live.refusal = Some(until_acked);
                self.entry.ended_ms = world.wall_ms();
                if self.entry.ended_by == EndedBy::Nobody {
                    self.entry.ended_by = EndedBy::Callee;
                }
            }
        }
        if reply.status >= 200 {
            self.entry.finals += 1 + u32::from(reply.copies);
            if self.entry.status == 0 {
                self.entry.status = reply.status;
                self.entry.final_ms = world.wall_ms();
                *world.totals.finals.entry(reply.status).or_default() += 1;
            }
        }
        None
    }

    fn headers(&mut self, reply: &Reply, reliable: bool, world: &World<'_>) -> String {
        let number = self.entry.number.clone();
        let Some(live) = &mut self.live else { return String::new() };
        let mut text = String::with_capacity(128);
        let here = world.here;
        let transport = transport_param(live.peer.transport);
        // Writing to a String cannot fail, here and below.
        if matches!(reply.status, 101..=299) {
            text.push_str(live.echo.record_route());
            if !reply.no_contact {
                let _ = write!(text, "Contact: <sip:c{:x}@{here}{transport}>\r\n", self.serial);
            }
        }
        match reply.status {
            200..=299 => text.push_str(ALLOW),
            401 | 407 => text.push_str(&live.challenges),
            _ => {}
        }
        if reliable {
            live.rseq += 1;
            let _ = write!(text, "Require: 100rel\r\nRSeq: {}\r\n", live.rseq);
        }
        let _ = match reply.extra {
            Extra::None => Ok(()),
            Extra::RetryAfter(seconds) => write!(text, "Retry-After: {seconds}\r\n"),
            Extra::Q850(cause) => write!(text, "Reason: Q.850;cause={cause}\r\n"),
            Extra::TryInstead(code, nn) => {
                // Only what is a number is given back: the rest was unescaped, and may be anything.
                let keep = number.len().saturating_sub(8);
                let is_number = |text: &&str| text.bytes().all(|b| b == b'+' || b.is_ascii_digit());
                let front = number.get(..keep).filter(is_number).unwrap_or("");
                write!(text, "Contact: <sip:{front}999{code:03}{nn:02}@{here}{transport}>\r\n")
            }
            Extra::MinSe => write!(text, "Min-SE: 1800\r\n"),
            Extra::SessionExpires { by_caller } => {
                // RFC 4028, 9: a caller that is to refresh has to know how.
                let (refresher, require) =
                    if by_caller { ("uac", "Require: timer\r\n") } else { ("uas", "") };
                write!(text, "{require}Session-Expires: 90;refresher={refresher}\r\n")
            }
            Extra::RecordRoute => {
                live.own_routes = 2;
                write!(text, "Record-Route: <sip:second@{here};lr>, <sip:first@{here};lr>\r\n")
            }
        };
        text
    }

    /// The body of a reply; opens the call's RTP when it is a proper answer.
    fn body(&mut self, kind: Sdp, world: &mut World<'_>) -> String {
        if kind == Sdp::None {
            return String::new();
        }
        let local = self.local(world);
        let Some(live) = &mut self.live else { return String::new() };
        let kind = if local.port() == 0 { Sdp::Refused } else { kind };
        let version = live.next_version(self.serial);
        let body = sdp::write(kind, live.audio.as_ref(), local, version);
        if kind == Sdp::Answer {
            self.stream(world);
        }
        body
    }

    /// Our RTP address; with port 0 when there is none to be had.
    pub(super) fn local(&mut self, world: &mut World<'_>) -> SocketAddr {
        let nowhere = SocketAddr::new(world.options.here.ip(), 0);
        let Some(live) = &mut self.live else { return nowhere };
        if live.local.is_none() {
            live.local = world.ports.take();
            world.totals.without_port += u64::from(live.local.is_none());
        }
        live.local.unwrap_or(nowhere)
    }

    /// Opens the call's RTP, or points it elsewhere, as the caller's SDP says.
    pub(super) fn stream(&mut self, world: &mut World<'_>) {
        let Some(live) = &mut self.live else { return };
        let (Some(theirs), Some(local)) = (&live.audio, live.local) else { return };
        let audio = theirs.agreed.clone();
        if live.streaming {
            return world.out.push(Output::Rtp(RtpOrder::Aim { local, audio }));
        }
        live.streaming = true;
        let counts = Arc::clone(&self.entry.rtp);
        world.out.push(Output::Rtp(RtpOrder::Open { local, audio, counts }));
        if let Some(sound) = live.sound {
            world.out.push(Output::Rtp(RtpOrder::Play { local, sound }));
        }
    }

    /// The INVITE had no SDP, our 2xx offered, and the ACK answers.
    pub(super) fn take_late_answer(&mut self, ack: &Message<'_>, world: &mut World<'_>) {
        let Some(live) = &mut self.live else { return };
        if live.audio.is_none() {
            live.audio = Theirs::answered(ack.body());
            self.stream(world);
        }
    }

    /// Checks that a request in the dialog goes to our Contact, along our Record-Route.
    pub(super) fn check_direction(&mut self, request: &Message<'_>) {
        let Some(live) = &self.live else { return };
        let target = format!("sip:c{:x}@", self.serial);
        let routes: Vec<_> = request
            .headers(sip::message::Name::Route)
            .take(live.own_routes + 1)
            .map(|route| route.trim_start_matches('<').split('@').next().unwrap_or(""))
            .collect();
        // Our Record-Route names the second first: a caller turns it around (12.1.2).
        let along = live.own_routes == 0 || routes == ["sip:first", "sip:second"];
        let sip::message::Start::Request { uri, .. } = request.start() else { return };
        self.entry.misdirected += u32::from(!uri.starts_with(&target) || !along);
    }
}

/// What a URI of ours says of the transport.
pub(super) fn transport_param(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "",
        Transport::Tcp => ";transport=tcp",
    }
}

/// The name of a transport in a Via.
pub(super) fn via_transport(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "UDP",
        Transport::Tcp => "TCP",
    }
}
