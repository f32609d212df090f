//! The way out: what a slot sends, and the reports.

use std::net::SocketAddr;

use super::{Idle, Stream};
use crate::codec::SAMPLES_PER_MS;
use crate::dtmf::{self, Dialled};
use crate::port::{Codec, MediaHeard};
use crate::rtp::packet::HEADER_BYTES;
use crate::rtp::rtcp::{COMPOUND_BYTES_MAX, LastReport, Ours, Sent};
use crate::tones;

/// The longest packet of ours: 60 ms.
pub const PACKET_BYTES_MAX: usize = HEADER_BYTES + 60 * SAMPLES_PER_MS as usize;

/// A packet of ours to be sent: so many bytes of the buffer, there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slot {
    /// Where it goes.
    pub to: SocketAddr,
    /// How long it is.
    pub bytes: usize,
}

/// What goes out in a slot.
enum Said {
    /// Nothing.
    Nothing,
    /// So many bytes of audio, in the buffer behind the header.
    Audio(usize),
    /// An event, in the buffer behind the header.
    Event { payload_type: u8, first: bool },
}

impl Stream {
    /// Its slot has come: at `slot_us`, which may be a little in the past. What is to be sent
    /// stands in `packet`.
    pub fn slot(
        &mut self,
        slot_us: u64,
        packet: &mut [u8; PACKET_BYTES_MAX],
        heard: &mut impl FnMut(MediaHeard),
    ) -> Option<Slot> {
        let passed_ms = slot_us.saturating_sub(self.slot_us) / 1_000;
        self.slot_us = slot_us;
        // A stream that just opened, or a pump that stood still for an hour: either fits.
        let passed = (passed_ms as u32).wrapping_mul(SAMPLES_PER_MS);
        self.sending.advance(passed);
        self.notice(slot_us, heard);

        let codec = self.agreed.as_ref().map_or(Codec::Pcmu, |agreed| agreed.codec);
        let (head, payload) =
            packet.split_first_chunk_mut().expect("a packet has room for its header");
        let length = usize::from(self.ptime_ms()) * SAMPLES_PER_MS as usize;
        let said = self.choose(&mut payload[..length], codec, slot_us, heard);

        let audio = if let Said::Audio(bytes) = said { &payload[..bytes] } else { &[] };
        if let Some(tape) = &mut self.tape {
            // No more silence than a recording may hold, however long the pump stood still.
            tape.turn(passed.min(60_000 * SAMPLES_PER_MS) as usize, audio, codec);
        }
        let bytes = match said {
            Said::Nothing => {
                self.sending.fall_silent();
                return None;
            }
            Said::Audio(bytes) => {
                self.sending.audio(head, codec.payload_type(), bytes);
                bytes
            }
            Said::Event { payload_type, first } => {
                if first {
                    self.key_began = self.sending.timestamp();
                }
                self.sending.event(head, payload_type, self.key_began, first, dtmf::EVENT_BYTES);
                dtmf::EVENT_BYTES
            }
        };
        self.idle.sent_us = slot_us;
        let to = self.latch.destination().expect("who may send has agreed on an address");
        Some(Slot { to, bytes: HEADER_BYTES + bytes })
    }

    /// Keys go before the prompt, the prompt before silence.
    fn choose(
        &mut self,
        payload: &mut [u8],
        codec: Codec,
        slot_us: u64,
        heard: &mut impl FnMut(MediaHeard),
    ) -> Said {
        if !self.may_send() {
            return Said::Nothing;
        }
        if let Some(dialled) = self.keypad.turn(u32::from(self.ptime_ms())) {
            return self.key(dialled, payload, codec);
        }
        if let Some(playing) = &mut self.playing {
            let rest = &playing.prompt.bytes(codec)[playing.at..];
            if !rest.is_empty() {
                let (spoken, padding) = payload.split_at_mut(rest.len().min(payload.len()));
                spoken.copy_from_slice(&rest[..spoken.len()]);
                padding.fill(codec.silence());
                playing.at += spoken.len();
                return Said::Audio(payload.len());
            }
            // One interval after its last packet left: they have heard it by now, or lost it.
            heard(MediaHeard::PromptFinished { stream: self.id, ms: playing.prompt.ms() });
            self.playing = None;
        }
        let due = match self.options.idle {
            Idle::Nothing => false,
            Idle::Silence => true,
            Idle::KeepAlive { every_ms } => {
                let silent_us = slot_us.saturating_sub(self.idle.sent_us);
                self.idle.burst > 0 || silent_us >= u64::from(every_ms) * 1_000
            }
        };
        if !due {
            return Said::Nothing;
        }
        self.idle.burst = self.idle.burst.saturating_sub(1);
        payload.fill(codec.silence());
        Said::Audio(payload.len())
    }

    /// A key as an event, or to be heard when they did not agree on events.
    fn key(&mut self, dialled: Dialled, payload: &mut [u8], codec: Codec) -> Said {
        let events = self.agreed.as_ref().and_then(|agreed| agreed.events);
        match (dialled, events) {
            (Dialled::Key { event, held_ms, first, end, .. }, Some(payload_type)) => {
                payload[..dtmf::EVENT_BYTES]
                    .copy_from_slice(&dtmf::event_payload(event, held_ms, end));
                Said::Event { payload_type, first }
            }
            (Dialled::Key { event, from_ms, .. }, None) => {
                let from = (from_ms * SAMPLES_PER_MS) as usize;
                let tone = tones::tone(codec, event).get(from..).unwrap_or_default();
                let (spoken, padding) = payload.split_at_mut(tone.len().min(payload.len()));
                spoken.copy_from_slice(&tone[..spoken.len()]);
                padding.fill(codec.silence());
                Said::Audio(payload.len())
            }
            (Dialled::Nothing, Some(_)) => Said::Nothing,
            (Dialled::Nothing, None) => {
                payload.fill(codec.silence());
                Said::Audio(payload.len())
            }
        }
    }
}

/// When we report, and what they told us.
#[derive(Clone, Debug)]
pub(super) struct Reports {
    due_us: u64,
    interval_us: u64,
    random: u64,
    name: [u8; 16],
    packets_before: u32,
    /// The time in their last sender report, and when it came.
    last: Option<(u32, u64)>,
    pub remote_lost_256ths: Option<u8>,
}

impl Reports {
    pub fn new(random: u64, now_us: u64, report_ms: u32) -> Self {
        let mut name = [0; 16];
        for (at, letter) in name.iter_mut().enumerate() {
            *letter = b"0123456789abcdef"[(random >> (at * 4)) as usize & 15];
        }
        let interval_us = u64::from(report_ms) * 1_000;
        let (last, remote_lost_256ths) = (None, None);
        let mut reports = Self {
            due_us: 0,
            interval_us,
            random,
            name,
            packets_before: 0,
            last,
            remote_lost_256ths,
        };
        // The first one comes after half the time (RFC 3550, 6.2).
        reports.schedule(now_us.saturating_sub(interval_us / 2));
        reports
    }

    pub fn heard(&mut self, ntp: u32, now_us: u64) {
        self.last = Some((ntp, now_us));
    }

    /// Half to one and a half intervals ahead, so that a thousand calls that began together do not
    /// report together (RFC 3550, 6.3.1).
    fn schedule(&mut self, now_us: u64) {
        self.random =
            self.random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        let part = self.random >> 44;
        self.due_us = now_us + self.interval_us / 2 + ((self.interval_us * part) >> 20);
    }

    fn last_report(&self, now_us: u64) -> LastReport {
        self.last.map_or(LastReport::default(), |(ntp, came_us)| {
            let ago = (now_us.saturating_sub(came_us) << 16) / 1_000_000;
            LastReport { ntp, ago: u32::try_from(ago).unwrap_or(u32::MAX) }
        })
    }
}

impl Stream {
    /// Whether a report is due.
    #[inline]
    pub fn report_due(&self, now_us: u64) -> bool {
        now_us >= self.reports.due_us
    }

    /// A report on both directions, at `now_us`, which is `unix_us` since 1970. With `goodbye` it
    /// is the last one and is made whether or not it is due.
    pub fn report(
        &mut self,
        now_us: u64,
        unix_us: u64,
        goodbye: bool,
        packet: &mut [u8; COMPOUND_BYTES_MAX],
    ) -> Option<Slot> {
        if !goodbye && !self.report_due(now_us) {
            return None;
        }
        self.reports.schedule(now_us);
        let to = self.report_destination()?;
        let packets = self.sending.packets();
        let sent = (packets != self.reports.packets_before).then(|| Sent {
            unix_us,
            timestamp: self.sending.timestamp(),
            packets,
            octets: self.sending.octets(),
        });
        self.reports.packets_before = packets;
        let heard = self.reception.tally().map(|tally| (tally, self.reports.last_report(now_us)));
        let name = &self.reports.name;
        let bytes = Ours { ssrc: self.sending.ssrc(), name, sent, heard, goodbye }.write(packet);
        Some(Slot { to, bytes })
    }

    /// Where their SDP says, else one port above their RTP (RFC 3550, 11). While they hold us by
    /// `0.0.0.0` (RFC 3264, 8.4) there is no such place.
    fn report_destination(&self) -> Option<SocketAddr> {
        let agreed = self.agreed.as_ref()?;
        let audio = self.latch.destination()?;
        let beside = || Some(SocketAddr::new(audio.ip(), audio.port().checked_add(1)?));
        let to = agreed.rtcp.filter(|_| audio == agreed.remote).or_else(beside)?;
        (!to.ip().is_unspecified()).then_some(to)
    }
}
