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
    /// A third of what comes to us comes with a mangled copy before it.
    Mangle {
        seed: u64,
    },
}

/// A datagram or message on its way.
#[derive(Clone, Debug)]
pub struct Flying {
    pub to_us: bool,
    /// The other side.
    pub peer: Peer,
    pub bytes: Vec<u8>,
    /// Nobody meant it so.
    pub mangled: bool,
}

impl Flying {
    pub fn honest(to_us: bool, peer: Peer, bytes: Vec<u8>) -> Self {
        Self { to_us, peer, bytes, mangled: false }
    }
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
        let seed = match faults {
            Faults::Random { seed, .. } | Faults::Mangle { seed } => seed,
            _ => 0,
        };
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
            Faults::Mangle { .. } if flying.to_us && self.dice.below(3) == 0 => {
                let bytes = mangle(&mut self.dice, &flying.bytes);
                self.fly(now + LATENCY, Flying { bytes, mangled: true, ..flying.clone() });
                self.fly(now + LATENCY, flying);
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

/// A message with a few things changed: bytes, lines, numbers, tags.
fn mangle(dice: &mut Dice, bytes: &[u8]) -> Vec<u8> {
    const LINES: [&str; 14] = [
        "RSeq: 1",
        "Require: 100rel",
        "Require: foo",
        "Session-Expires: 90;refresher=uac",
        "Min-SE: 4000000000",
        "Retry-After: 1",
        "Contact: <sip:x@10.0.0.9>, <sip:y@10.0.0.9;lr>;q=0.5",
        "Contact: *",
        "Record-Route: <sip:10.0.0.9>",
        "Proxy-Authenticate: Digest realm=\"r\", nonce=\"n\"",
        "Content-Length: 99999",
        "Content-Type: application/sdp",
        "To: <sip:x@y>;tag=zz",
        "CSeq: 2147483647 BYE",
    ];
    const STATUSES: [&str; 12] =
        ["100", "180", "183", "199", "200", "202", "302", "401", "422", "486", "491", "699"];
    let mut text = String::from_utf8_lossy(bytes).into_owned();
    for _ in 0..=dice.below(2) {
        let mut lines: Vec<String> = text.split("\r\n").map(str::to_owned).collect();
        let at = dice.below(lines.len() as u64) as usize;
        match dice.below(6) {
            0 => drop(lines.remove(at)),
            1 => lines.insert(at, lines[at].clone()),
            2 => lines.insert(at.max(1), LINES[dice.below(14) as usize].to_owned()),
            3 if text.starts_with("SIP/2.0 ") => {
                lines[0].replace_range(8..11, STATUSES[dice.below(12) as usize]);
            }
            4 => lines[at] = lines[at].replace(['1', '2'], "9"),
            _ => lines[at] = lines[at].replace("tag=", "tag=x").replace("INVITE", "BYE"),
        }
        text = lines.join("\r\n");
    }
    let mut bytes = text.into_bytes();
    if dice.below(3) == 0 && !bytes.is_empty() {
        let at = dice.below(bytes.len() as u64) as usize;
        bytes[at] = dice.below(256) as u8;
    }
    bytes
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
