//! The network between the node and its carriers: every datagram takes its time, and bad weather
//! takes some of them, doubles them, holds them back, or sends others after them.
//!
//! The fate of a message hangs on the number that its call is for and on how many of that call's
//! messages went before it: so leaving one call out of a world moves nothing for the others.

use crate::seed::{Dice, fingerprint};
use crate::world::faults::{Injected, Injury};
use crate::world::glimpse::Glimpse;
use crate::world::plan::Weather;
use crate::world::queue::Queue;
use hashbrown::HashMap;
use sip::port::Transport;
use std::net::SocketAddr;
use std::time::Duration;

/// How long a datagram that is held back is late, at most.
const LATE_MS_MAX: u64 = 2_000;
/// So many calls are told apart; past that the fates of all begin anew.
const CALLS_MAX: usize = 1 << 14;

/// A datagram on its way.
#[derive(Debug)]
pub struct Packet {
    /// Where from.
    pub from: SocketAddr,
    /// Whereto.
    pub to: SocketAddr,
    /// How: a stream loses nothing.
    pub transport: Transport,
    /// What.
    pub bytes: Vec<u8>,
}

/// The network.
pub struct Network {
    seed: u64,
    weather: Weather,
    under_way: Queue<Packet>,
    /// By Call-ID: the fingerprint of its number, and how many messages it had.
    calls: HashMap<u64, (u64, u64), foldhash::fast::FixedState>,
}

impl Network {
    /// An empty one.
    pub fn new(seed: u64, weather: Weather) -> Self {
        Self { seed, weather, under_way: Queue::default(), calls: HashMap::default() }
    }

    /// When the next datagram arrives.
    pub fn next_at(&self) -> Option<Duration> {
        self.under_way.next_at()
    }

    /// The next datagram that arrives by now.
    pub fn take(&mut self, at: Duration) -> Option<Packet> {
        self.under_way.take(at)
    }

    /// Takes a datagram on its way.
    pub fn send(&mut self, at: Duration, packet: Packet, injected: &mut Injected) {
        let Weather { delay_us, jitter_us, lost, doubled, late, noise } = self.weather;
        let is_stream = packet.transport == Transport::Tcp;
        if is_stream || jitter_us == 0 && lost + doubled + late + noise == 0 {
            let arrives = at + Duration::from_micros(delay_us.into());
            return self.under_way.put(arrives, packet);
        }
        let mut dice = self.fate(&packet);
        let mut takes = || {
            let jitter = dice.below(u64::from(jitter_us) + 1);
            Duration::from_micros(u64::from(delay_us) + jitter)
        };
        let (mut first, second) = (at + takes(), at + takes());
        if dice.happens(lost) {
            injected.count(Injury::Lost);
            return;
        }
        if dice.happens(late) {
            injected.count(Injury::Late);
            first += Duration::from_millis(1 + dice.below(LATE_MS_MAX));
        }
        if dice.happens(doubled) {
            injected.count(Injury::Doubled);
            let Packet { from, to, transport, ref bytes } = packet;
            self.under_way.put(second, Packet { from, to, transport, bytes: bytes.clone() });
        }
        if dice.happens(noise) {
            injected.count(Injury::Noise);
            let Packet { from, to, transport, ref bytes } = packet;
            let bytes = mangled(bytes, &mut dice);
            self.under_way.put(second, Packet { from, to, transport, bytes });
        }
        self.under_way.put(first, packet);
    }

    fn fate(&mut self, packet: &Packet) -> Dice {
        let glimpse = Glimpse::of(&packet.bytes);
        let call = glimpse.map_or(0, |glimpse| fingerprint(glimpse.call_id));
        if self.calls.len() >= CALLS_MAX && !self.calls.contains_key(&call) {
            self.calls.clear();
        }
        let (number, count) = self.calls.entry(call).or_insert_with(|| {
            let number = glimpse.filter(|glimpse| glimpse.begins_a_call());
            (number.map_or(0, |glimpse| fingerprint(glimpse.user())), 0)
        });
        *count += 1;
        let port = u64::from(packet.to.port());
        let mut dice =
            Dice::new(self.seed ^ *number ^ count.rotate_left(20) ^ port.rotate_left(48));
        // Seeds that are near one another begin alike.
        dice.roll();
        Dice::new(dice.roll())
    }
}

/// Rubbish: cut off, scrambled or made up. Never another message that somebody could have meant:
/// UDP has a checksum.
fn mangled(bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut mangled = bytes.to_vec();
    match dice.below(4) {
        0 => mangled.truncate(dice.below(12) as usize),
        1 => mangled.fill(dice.roll() as u8),
        2 => mangled.iter_mut().for_each(|byte| *byte = dice.roll() as u8),
        _ => mangled.iter_mut().take(7).for_each(|byte| *byte |= 0x80),
    }
    mangled
}
