//! The RTP thread: one slot wheel paces every call's packets; a slot lasts a millisecond.

use super::ports::Pair;
use crate::callee::Sound;
use crate::exchange::RtpOrder;
use crate::ledger::Rtp;
use crate::seed::Dice;
use crate::sound::{Playing, Tapes};
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use media::codec::SAMPLES_PER_MS;
use media::dtmf::{Dialled, EVENT_BYTES, Keypad, Listener, event_payload};
use media::port::Agreed;
use media::rtp::packet::{HEADER_BYTES, Packet};
use media::rtp::receive::Reception;
use media::rtp::rtcp;
use media::rtp::send::Sending;
use std::collections::VecDeque;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::time::{Duration, Instant};

/// What the thread is told.
#[derive(Debug)]
pub enum Order {
    /// These sockets belong to a call now.
    Keep(Pair),
    /// An order for that call.
    Rtp(RtpOrder),
    /// Of how many packets in 10 000 none leaves.
    Lose(u32),
    /// Stop.
    Stop,
}

/// Slots of the wheel: a multiple of every packet interval there is (10, 20, 30, 60 ms).
const SLOTS: usize = 60;
/// Orders are looked for at least so often while anything goes on.
const LOOK_EVERY_SLOTS: u64 = 5;
/// Packets taken from a socket every [`DRAIN_EVERY_TURNS`]: what came while we were late, and no
/// flood. In the turns between one is taken, and nobody asks whether there is another: that
/// question costs as much as the packet.
const TAKEN_MAX: usize = 32;
const DRAIN_EVERY_TURNS: u32 = 4;
/// How long closed sockets rest, so that no call hears what was sent to the one before.
const REST: Duration = Duration::from_secs(1);
/// How often a call reports by RTCP.
const REPORT_MS: u32 = 5_000;
/// The longest packet read. RTP of G.711 has 492 bytes at most here.
const PACKET_BYTES_MAX: usize = 1_500;

/// Runs until it is told to stop.
pub fn run(orders: &Receiver<Order>, rested: &Sender<Pair>, seed: u64) {
    let mut wheel = Wheel {
        calls: HashMap::with_hasher(RandomState::default()),
        slots: std::array::from_fn(|_| Vec::new()),
        resting: VecDeque::new(),
        dice: Dice::of(seed, "rtp"),
        loss_per_10_000: 0,
    };
    let start = Instant::now();
    let mut slot = 0u64;
    loop {
        if wheel.is_idle() {
            match orders.recv() {
                Ok(Order::Stop) | Err(_) => return,
                Ok(order) => wheel.obey(order, slot),
            }
            // Slots in which nobody had anything to send are not made up for.
            slot = start.elapsed().as_millis() as u64;
        } else {
            let due = wheel.next_slot(slot).min(slot + LOOK_EVERY_SLOTS);
            let due = start + Duration::from_millis(due);
            // Asleep and not waiting for orders: an order that wakes us costs both threads more
            // than all else about it, and a call's first packet may wait for some milliseconds.
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        loop {
            match orders.try_recv() {
                Ok(Order::Stop) | Err(TryRecvError::Disconnected) => return,
                Ok(order) => wheel.obey(order, slot),
                Err(TryRecvError::Empty) => break,
            }
        }
        let now = start.elapsed();
        let passed = now.as_millis() as u64;
        // Far behind, as after the machine slept: begin anew instead of making it up.
        slot = slot.max(passed.saturating_sub(SLOTS as u64));
        while slot <= passed {
            wheel.turn(slot, now.as_micros() as u64);
            slot += 1;
        }
        wheel.rest(rested);
    }
}

struct Wheel {
    calls: HashMap<SocketAddr, Call, RandomState>,
    slots: [Vec<SocketAddr>; SLOTS],
    resting: VecDeque<(Instant, Pair)>,
    dice: Dice,
    loss_per_10_000: u32,
}

/// A call's audio.
struct Call {
    pair: Pair,
    /// From the SDP until its end; before, the sockets only wait.
    open: Option<Open>,
}

struct Open {
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

impl Wheel {
    /// Whether nothing is to be done before the next order.
    fn is_idle(&self) -> bool {
        self.resting.is_empty() && self.slots.iter().all(Vec::is_empty)
    }

    /// The first slot from this one on in which somebody has something to send.
    fn next_slot(&self, from: u64) -> u64 {
        (from..from + SLOTS as u64)
            .find(|slot| !self.slots[(slot % SLOTS as u64) as usize].is_empty())
            .unwrap_or(u64::MAX)
    }

    /// Hands back the sockets that have rested.
    fn rest(&mut self, rested: &Sender<Pair>) {
        while self.resting.front().is_some_and(|(since, _)| since.elapsed() >= REST) {
            if let Some((_, pair)) = self.resting.pop_front() {
                // Nobody takes them when the carrier is stopping.
                let _ = rested.send(pair);
            }
        }
    }

    fn obey(&mut self, order: Order, slot: u64) {
        match order {
            Order::Keep(pair) => {
                self.calls.insert(pair.local, Call { pair, open: None });
            }
            Order::Rtp(RtpOrder::Open { local, audio, counts }) => {
                self.open(local, audio, counts, slot);
            }
            Order::Rtp(RtpOrder::Aim { local, audio }) => {
                if let Some(open) = self.open_call(local) {
                    open.heard_from = None;
                    // The wheel keeps its pace: a new packet interval is not taken over.
                    open.agreed = Agreed { ptime_ms: open.agreed.ptime_ms, ..audio };
                }
            }
            Order::Rtp(RtpOrder::Play { local, sound }) => {
                if let Some(open) = self.open_call(local) {
                    open.playing = Playing::new(sound);
                }
            }
            Order::Rtp(RtpOrder::Press { local, digits }) => {
                if let Some(open) = self.open_call(local) {
                    open.keypad.dial(&String::from_utf8_lossy(&digits));
                }
            }
            Order::Rtp(RtpOrder::Close { local }) => self.close(local),
            Order::Lose(per_10_000) => self.loss_per_10_000 = per_10_000,
            Order::Stop => {}
        }
    }

    fn open_call(&mut self, local: SocketAddr) -> Option<&mut Open> {
        self.calls.get_mut(&local)?.open.as_mut()
    }

    fn open(&mut self, local: SocketAddr, agreed: Agreed, counts: Arc<Rtp>, now: u64) {
        let Some(call) = self.calls.get_mut(&local) else { return };
        // What the call before was sent is not ours.
        let mut stale = [0; 1];
        for socket in [&call.pair.rtp, &call.pair.rtcp] {
            for _ in 0..1_000 {
                if socket
                    .recv(&mut stale)
                    .is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock)
                {
                    break;
                }
            }
        }
        let interval = usize::from(agreed.ptime_ms.clamp(10, 60));
        // Its first packet leaves in the emptiest slot of the next interval.
        let first = (1..=interval)
            .map(|ahead| (now as usize + ahead) % SLOTS)
            .min_by_key(|slot| self.slots[*slot].len())
            .unwrap_or(0);
        for slot in (0..SLOTS / interval).map(|turn| (first + turn * interval) % SLOTS) {
            self.slots[slot].push(local);
        }
        call.open = Some(Open {
            agreed,
            heard_from: None,
            counts,
            playing: Playing::new(Sound::Nothing),
            sending: Sending::new(self.dice.roll(), self.dice.roll() as u32),
            reception: Reception::default(),
            keypad: Keypad::default(),
            key_began: 0,
            listener: Listener::default(),
            since_report_ms: 0,
            turns: 0,
        });
    }

    fn close(&mut self, local: SocketAddr) {
        let Some(mut call) = self.calls.remove(&local) else { return };
        if let Some(open) = &mut call.open {
            open.take(&call.pair, 0, TAKEN_MAX);
            if open.sending.packets() > 0 {
                open.report(&call.pair.rtcp, true);
            }
            for slot in &mut self.slots {
                slot.retain(|other| *other != local);
            }
        }
        self.resting.push_back((Instant::now(), call.pair));
    }

    /// Everybody whose slot it is receives and sends.
    fn turn(&mut self, slot: u64, now_us: u64) {
        for local in &self.slots[(slot % SLOTS as u64) as usize] {
            let Some(Call { pair, open: Some(open) }) = self.calls.get_mut(local) else { continue };
            open.turns = open.turns.wrapping_add(1);
            let drains = open.turns.is_multiple_of(DRAIN_EVERY_TURNS);
            open.take(pair, now_us, if drains { TAKEN_MAX } else { 1 });
            let lost = self.dice.happens(self.loss_per_10_000);
            open.send(&pair.rtp, Tapes::of(open.agreed.codec), lost, &mut self.dice);
            let ms = u32::from(open.agreed.ptime_ms);
            open.since_report_ms += ms;
            if open.since_report_ms >= REPORT_MS {
                open.since_report_ms = 0;
                open.report(&pair.rtcp, false);
            }
        }
    }
}

impl Open {
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
