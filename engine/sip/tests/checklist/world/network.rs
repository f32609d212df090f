//! The network between the user agent and the callees: 10 ms each way, and faults by plan.

use std::collections::BTreeMap;
use std::time::Duration;

use super::script::ms;
use sip::port::{Peer, Transport};

/// What goes wrong on the way. Only datagrams are touched: streams do not lose.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Faults {
    None,
    /// The n-th datagram, of both directions together, is lost.
    Lose(usize),
    /// The n-th comes twice.
    Double(usize),
    /// The n-th comes after the next one of its direction.
    Swap(usize),
    /// Percent lost and doubled, and delays of up to 80 ms, so that datagrams overtake each other.
    Random {
        seed: u64,
        lost: u64,
        doubled: u64,
    },
}

/// A datagram or message on its way.
#[derive(Clone, Debug)]
pub struct Flying {
    pub to_us: bool,
    /// The other side.
    pub peer: Peer,
    pub bytes: Vec<u8>,
}

pub struct Network {
    faults: Faults,
    dice: Dice,
    flying: BTreeMap<(Duration, u64), Flying>,
    held: Option<(Duration, Flying)>,
    sent: u64,
    pub datagrams: usize,
}

const LATENCY: Duration = ms(10);
/// How long a swapped datagram waits for the next one.
const HOLD: Duration = ms(5000);

impl Network {
    pub fn new(faults: Faults) -> Self {
        let seed = if let Faults::Random { seed, .. } = faults { seed } else { 0 };
        let dice = Dice(seed);
        Self { faults, dice, flying: BTreeMap::new(), held: None, sent: 0, datagrams: 0 }
    }

    pub fn send(&mut self, now: Duration, flying: Flying) {
        if flying.peer.transport == Transport::Tcp {
            return self.fly(now + LATENCY, flying);
        }
        let nth = self.datagrams;
        self.datagrams += 1;
        match self.faults {
            Faults::Lose(n) if n == nth => {}
            Faults::Double(n) if n == nth => {
                self.fly(now + LATENCY, flying.clone());
                self.fly(now + LATENCY + ms(3), flying);
            }
            Faults::Swap(n) if n == nth => self.held = Some((now + HOLD, flying)),
            Faults::Random { lost, doubled, .. } => {
                let copies = 1 + u64::from(self.dice.below(100) < doubled);
                for _ in 0..copies {
                    let delay = ms(5 + self.dice.below(75));
                    if self.dice.below(100) >= lost {
                        self.fly(now + delay, flying.clone());
                    }
                }
            }
            _ => self.fly(now + LATENCY, flying),
        }
    }

    fn fly(&mut self, at: Duration, flying: Flying) {
        self.sent += 1;
        self.flying.insert((at, self.sent), flying);
    }

    /// When something arrives.
    pub fn next(&self) -> Option<Duration> {
        let held = self.held.as_ref().map(|(at, _)| *at);
        self.flying.keys().next().map(|(at, _)| *at).into_iter().chain(held).min()
    }

    pub fn arrive(&mut self, now: Duration) -> Option<Flying> {
        if let Some((at, _)) = &self.held
            && *at <= now
        {
            return self.held.take().map(|(_, flying)| flying);
        }
        let first = self.flying.first_entry().filter(|entry| entry.key().0 <= now)?;
        let arrived = first.remove();
        if let Some((_, held)) = self.held.take_if(|(_, held)| held.to_us == arrived.to_us) {
            self.fly(now, held);
        }
        Some(arrived)
    }
}

/// SplitMix64.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) % end
    }
}
