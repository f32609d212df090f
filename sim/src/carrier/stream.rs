//! The audio of one call: what is sent and heard over its pair of sockets.

use super::ports::Pair;
use crate::callee::Sound;
use crate::ledger::Rtp;
use crate::seed::Dice;
use crate::sound::{Playing, Tapes};
use media::codec::SAMPLES_PER_MS;
use media::dtmf::{Dialled, EVENT_BYTES, Keypad, Listener, event_payload};
use media::port::Agreed;
use media::rtp::packet::{HEADER_BYTES, Packet};
use media::rtp::receive::Reception;
use media::rtp::rtcp;
use media::rtp::send::Sending;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Packets taken from a socket every [`DRAIN_EVERY_TURNS`]: what came while we were late, and no
/// flood. In the turns between one is taken, and nobody asks whether there is another: that
/// question costs as much as the packet.
const TAKEN_MAX: usize = 32;
const DRAIN_EVERY_TURNS: u32 = 4;
/// How often a call reports by RTCP.
const REPORT_MS: u32 = 5_000;
/// The longest packet read. RTP of G.711 has 492 bytes at most here.
const PACKET_BYTES_MAX: usize = 1_500;

/// A call's audio, from its SDP until its end.
pub struct Stream {
    agreed: Agreed,
    /// Where packets really come from: what NAT makes of their address.
    heard_from: Option<SocketAddr>,
    counts: Arc<Rtp>,
    playing: Playing,
    sending: Sending,
    reception: Reception,
    keypad: Keypad,
    key_began: u32,
    listener: Listener,
    since_report_ms: u32,
    turns: u32,
}

impl Stream {
    /// A stream that says nothing yet.
    pub fn new(agreed: Agreed, counts: Arc<Rtp>, dice: &mut Dice) -> Self {
        Self {
            agreed,
            heard_from: None,
            counts,
            playing: Playing::new(Sound::Nothing),
            sending: Sending::new(dice.roll(), dice.roll() as u32),
            reception: Reception::default(),
            keypad: Keypad::default(),
            key_began: 0,
            listener: Listener::default(),
            since_report_ms: 0,
            turns: 0,
        }
    }

    /// Something else was agreed on.
    pub fn aim(&mut self, agreed: Agreed) {
        self.heard_from = None;
        // The wheel keeps its pace: a new packet interval is not taken over.
        self.agreed = Agreed { ptime_ms: self.agreed.ptime_ms, ..agreed };
    }

    /// Sends this sound from now on.
    pub fn play(&mut self, sound: Sound) {
        self.playing = Playing::new(sound);
    }

    /// Presses digits.
    pub fn press(&mut self, digits: [u8; 2]) {
        // What is no digit is refused there.
        self.keypad.dial(&String::from_utf8_lossy(&digits));
    }

    /// Its slot has come: takes what came, sends what is to be said, unless it is `lost`.
    pub fn turn(&mut self, pair: &Pair, now_us: u64, lost: bool, dice: &mut Dice) {
        self.turns = self.turns.wrapping_add(1);
        let drains = self.turns.is_multiple_of(DRAIN_EVERY_TURNS);
        self.take(pair, now_us, if drains { TAKEN_MAX } else { 1 });
        self.send(&pair.rtp, Tapes::of(self.agreed.codec), lost, dice);
        self.since_report_ms += u32::from(self.agreed.ptime_ms);
        if self.since_report_ms >= REPORT_MS {
            self.since_report_ms = 0;
            self.report(&pair.rtcp, false);
        }
    }

    /// Takes the last that came, and says goodbye.
    pub fn close(&mut self, pair: &Pair) {
        self.take(pair, 0, TAKEN_MAX);
        if self.sending.packets() > 0 {
            self.report(&pair.rtcp, true);
        }
    }

    fn remote(&self) -> SocketAddr {
        self.heard_from.unwrap_or(self.agreed.remote)
    }

    /// Takes what came since the slot before.
    fn take(&mut self, pair: &Pair, now_us: u64, at_most: usize) {
        let mut bytes = [0; PACKET_BYTES_MAX];
        for _ in 0..at_most {
            let Ok((length, from)) = pair.rtp.recv_from(&mut bytes) else { break };
            self.hear(&pair.rtp, &bytes[..length], from, now_us);
        }
        if let Some(pressed) = self.listener.turn(now_us) {
            self.counts.pressed(pressed.digit);
        }
        // RTCP is rare: it is looked for as often as it is sent.
        if self.since_report_ms == 0 {
            while pair.rtcp.recv(&mut bytes).is_ok() {
                self.counts.rtcp.fetch_add(1, Relaxed);
            }
        }
    }

    fn hear(&mut self, socket: &UdpSocket, bytes: &[u8], from: SocketAddr, now_us: u64) {
        let Ok(packet) = Packet::read(bytes) else {
            self.counts.garbage.fetch_add(1, Relaxed);
            return;
        };
        let is_key = Some(packet.header.payload_type) == self.agreed.events;
        self.reception.hear(&packet.header, now_us, !is_key);
        self.counts.received.fetch_add(1, Relaxed);
        self.counts.lost.store(self.reception.lost(), Relaxed);
        if from != self.agreed.remote && self.heard_from.is_none() {
            self.heard_from = Some(from);
        }
        if is_key {
            let counts = &self.counts;
            self.listener.hear(packet.header.timestamp, packet.payload, now_us, |pressed| {
                counts.pressed(pressed.digit);
            });
            return;
        }
        let codec = self.agreed.codec;
        if packet.header.payload_type == codec.payload_type() {
            // Louder than the hum of a line: 1/64 of full scale.
            let loud =
                packet.payload.iter().filter(|byte| codec.decode(**byte).unsigned_abs() > 512);
            self.counts.loud.fetch_add(loud.count() as u32, Relaxed);
        }
        if self.playing.sound() == Sound::Echo && self.agreed.send {
            let mut out = [0; PACKET_BYTES_MAX];
            let (head, body) = out.split_at_mut(HEADER_BYTES);
            let length = packet.payload.len().min(body.len());
            if let Some(head) = head.first_chunk_mut() {
                self.sending.audio(head, packet.header.payload_type, length);
            }
            self.sending.advance(length as u32);
            body[..length].copy_from_slice(&packet.payload[..length]);
            self.transmit(socket, &out[..HEADER_BYTES + length]);
        }
    }

    /// Sends what this slot has to say.
    fn send(&mut self, socket: &UdpSocket, tapes: &Tapes, lost: bool, dice: &mut Dice) {
        let ms = u32::from(self.agreed.ptime_ms);
        let samples = ms * SAMPLES_PER_MS;
        let sound = self.playing.sound();
        if sound == Sound::Echo {
            return;
        }
        let silent = sound == Sound::Nothing || !self.agreed.send || self.agreed.remote.port() == 0;
        let mut out = [0; HEADER_BYTES + 60 * SAMPLES_PER_MS as usize];
        let (head, body) = out.split_at_mut(HEADER_BYTES);
        let Some(head) = head.first_chunk_mut() else { return };
        let key =
            self.agreed.events.filter(|_| !silent).and_then(|payload_type| {
                self.keypad.turn(ms).map(|dialled| (payload_type, dialled))
            });
        let length = match key {
            Some((payload_type, Dialled::Key { event, held_ms, first, end, .. })) => {
                if first {
                    self.key_began = self.sending.timestamp();
                }
                self.sending.event(head, payload_type, self.key_began, first, EVENT_BYTES);
                body[..EVENT_BYTES].copy_from_slice(&event_payload(event, held_ms, end));
                EVENT_BYTES
            }
            Some((_, Dialled::Nothing)) => 0,
            None if silent => 0,
            None => {
                let length = samples as usize;
                self.sending.audio(head, self.agreed.codec.payload_type(), length);
                tapes.fill(&mut self.playing, &mut body[..length]);
                if sound == Sound::Garbage {
                    // Version 0 is no RTP.
                    *head = [0; HEADER_BYTES];
                    head[1] = dice.roll() as u8;
                }
                length
            }
        };
        self.sending.advance(samples);
        self.playing.advance(ms);
        if length == 0 {
            self.sending.fall_silent();
        } else if !lost {
            self.transmit(socket, &out[..HEADER_BYTES + length]);
        }
    }

    fn transmit(&self, socket: &UdpSocket, packet: &[u8]) {
        if socket.send_to(packet, self.remote()).is_ok() {
            self.counts.sent.fetch_add(1, Relaxed);
        }
    }

    /// Tells by RTCP how it goes, or that it is over.
    fn report(&mut self, socket: &UdpSocket, goodbye: bool) {
        let name = b"callfold-carrier";
        let sent = (self.sending.packets() > 0).then(|| rtcp::Sent {
            unix_us: unix_us(),
            timestamp: self.sending.timestamp(),
            packets: self.sending.packets(),
            octets: self.sending.octets(),
        });
        let heard =
            self.reception.tally().map(|tally| (tally, rtcp::LastReport { ntp: 0, ago: 0 }));
        let ssrc = self.sending.ssrc();
        let mut bytes = [0; rtcp::COMPOUND_BYTES_MAX];
        let length = rtcp::Ours { ssrc, name, sent, heard, goodbye }.write(&mut bytes);
        let mut to = self.agreed.remote;
        if let Some(port) = to.port().checked_add(1).filter(|port| *port > 1) {
            to.set_port(port);
            // A peer without RTCP is no fault of the call.
            let _ = socket.send_to(&bytes[..length], to);
        }
    }
}

fn unix_us() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_micros() as u64)
}
