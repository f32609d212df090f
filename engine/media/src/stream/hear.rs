//! The way in: their packets, their reports, and their silence.

use std::net::SocketAddr;

use super::Stream;
use crate::dtmf::Pressed;
use crate::jitter::Kept;
use crate::port::{Codec, MediaHeard, StreamId};
use crate::rtp::latch::Origin;
use crate::rtp::packet::{NotRtp, Packet};
use crate::rtp::receive::Arrival;
use crate::rtp::rtcp::{self, Told};
use crate::sdp::EVENTS_PAYLOAD_TYPE;

/// Comfort noise (RFC 3389): they are silent, and alive.
const COMFORT_NOISE: u8 = 13;

/// What a payload type is to us.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Audio(Codec),
    Digit,
    Comfort,
    Unknown,
}

impl Stream {
    /// A datagram that came to the RTP port at `now_us`.
    pub fn datagram(
        &mut self,
        bytes: &[u8],
        from: SocketAddr,
        now_us: u64,
        heard: &mut impl FnMut(MediaHeard),
    ) {
        let packet = match Packet::read(bytes) {
            Ok(packet) => packet,
            // RTP and RTCP on one port, without having asked (RFC 5761).
            Err(NotRtp::Rtcp) => return self.control(bytes, from, now_us),
            Err(_) => return self.reception.discard(),
        };
        let header = &packet.header;
        let kind = self.kind(header.payload_type);
        // A payload type that nobody agreed on proves nothing about who sends it.
        let origin = match kind {
            Kind::Unknown if self.latch.destination() != Some(from) => Origin::Stranger,
            _ => self.latch.judge(from, header, now_us),
        };
        if origin == Origin::Stranger {
            return self.reception.discard();
        }
        let timed = matches!(kind, Kind::Audio(_));
        let Arrival::New { restarted, .. } = self.reception.hear(header, now_us, timed) else {
            return;
        };
        if restarted {
            let pressed = self.listener.restart();
            pressed.into_iter().for_each(|pressed| heard(digit(self.id, pressed)));
            self.tape.iter_mut().for_each(|tape| tape.restart());
        }
        self.sign_of_life(now_us);
        match kind {
            Kind::Audio(codec) => {
                let tape = self.tape.as_mut();
                let kept = tape.map(|tape| tape.hear(header.timestamp, packet.payload, codec));
                if kept == Some(Kept::Late) {
                    self.ignored += 1;
                }
            }
            Kind::Digit => {
                let id = self.id;
                self.listener.hear(header.timestamp, packet.payload, now_us, |pressed| {
                    heard(digit(id, pressed));
                });
            }
            Kind::Comfort => {}
            Kind::Unknown => self.ignored += 1,
        }
    }

    /// A datagram that came to the RTCP port at `now_us`.
    pub fn control(&mut self, bytes: &[u8], from: SocketAddr, now_us: u64) {
        let named = self.agreed.as_ref().and_then(|agreed| agreed.rtcp);
        if !self.latch.knows(from) && named.is_none_or(|named| named.ip() != from.ip()) {
            return self.reception.discard();
        }
        for told in rtcp::read(bytes) {
            match told {
                Told::Report { ntp, .. } => self.reports.heard(ntp, now_us),
                Told::Block { about, lost_256ths } if about == self.sending.ssrc() => {
                    self.reports.remote_lost_256ths = Some(lost_256ths);
                }
                // Their BYE of RTP is not the call's: SIP says when that is over.
                Told::Block { .. } | Told::Goodbye { .. } => {}
            }
        }
    }

    /// What time alone brings about: a key whose end was lost, and silence.
    pub(super) fn notice(&mut self, now_us: u64, heard: &mut impl FnMut(MediaHeard)) {
        if let Some(pressed) = self.listener.turn(now_us) {
            heard(digit(self.id, pressed));
        }
        let expected = self.agreed.as_ref().is_some_and(|agreed| agreed.receive);
        let Some(no_audio_ms) = self.options.no_audio_ms else { return };
        if self.silence_told || self.answered_us.is_none() || !expected {
            return;
        }
        let ms = now_us.saturating_sub(self.silent_since_us) / 1_000;
        if ms >= u64::from(no_audio_ms) {
            self.silence_told = true;
            heard(MediaHeard::NoAudio {
                stream: self.id,
                ms: u32::try_from(ms).unwrap_or(u32::MAX),
            });
        }
    }

    /// A packet of theirs: a silence that was told ends, and may be told again.
    fn sign_of_life(&mut self, now_us: u64) {
        self.silent_since_us = now_us;
        self.silence_told = false;
        if let (None, Some(answered_us)) = (self.first_audio_ms, self.answered_us) {
            let ms = now_us.saturating_sub(answered_us) / 1_000;
            self.first_audio_ms = Some(u32::try_from(ms).unwrap_or(u32::MAX));
        }
    }

    /// Both laws are understood whichever was agreed on; telephone-event under their number and
    /// under ours, since an answer may number it anew for one direction (RFC 3264, 5.1).
    fn kind(&self, payload_type: u8) -> Kind {
        let agreed = self.agreed.as_ref();
        match Codec::of_payload_type(payload_type) {
            Some(codec) => Kind::Audio(codec),
            None if agreed.is_some_and(|agreed| agreed.events == Some(payload_type)) => Kind::Digit,
            None if payload_type == EVENTS_PAYLOAD_TYPE => Kind::Digit,
            None if payload_type == COMFORT_NOISE => Kind::Comfort,
            None => Kind::Unknown,
        }
    }
}

pub(super) fn digit(stream: StreamId, pressed: Pressed) -> MediaHeard {
    MediaHeard::Digit { stream, digit: pressed.digit, ms: pressed.ms }
}
