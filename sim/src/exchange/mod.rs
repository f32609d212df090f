//! The simulated carrier, sans I/O: datagrams and the time go in; datagrams and orders for the RTP
//! come out. Its server transactions (RFC 3261, 17.2) are written apart from the engine's user
//! agent, so that a misunderstanding there meets somebody who does not share it.
//!
//! ```text
//! loop { receive(...) or wake(now) · drain outputs() · wait for a datagram, until due() }
//! ```

mod digest;
mod faults;
mod leg;
mod live;
mod options;
mod outside;
mod own;
mod repeat;
mod reply;
mod sdp;
mod within;
mod write;

pub use digest::{Login, REALM};
pub use faults::Faults;
pub use options::Options;
pub use repeat::Timers;

use crate::callee::Sound;
use crate::ledger::{Entry, Ledger, Rtp, Totals};
use crate::seed::{Dice, fingerprint};
use faults::Line;
use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashTable};
use leg::Leg;
use media::port::Agreed;
use sip::message::{self, Method};
use sip::port::Peer;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::BuildHasher;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use write::{Echo, Incoming};

/// What a carrier wants done.
#[derive(Debug)]
pub enum Output {
    /// Put this message on the wire.
    Transmit {
        /// Whereto.
        to: Peer,
        /// The message.
        bytes: Vec<u8>,
    },
    /// Do this with a call's RTP.
    Rtp(RtpOrder),
}

/// An order for the RTP of the call that has the address `local`.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "`local` is said above")]
pub enum RtpOrder {
    /// From now on there is somebody to send to.
    Open {
        local: SocketAddr,
        /// What was agreed on.
        audio: Agreed,
        /// Where packets are counted.
        counts: Arc<Rtp>,
    },
    /// Something else was agreed on.
    Aim {
        local: SocketAddr,
        /// What.
        audio: Agreed,
    },
    /// Send this sound, from its start.
    Play {
        local: SocketAddr,
        /// The sound.
        sound: Sound,
    },
    /// Press two digits (RFC 4733).
    Press {
        local: SocketAddr,
        /// As characters.
        digits: [u8; 2],
    },
    /// The call is over, and the address free. May come without an `Open`.
    Close { local: SocketAddr },
}

/// Where RTP addresses come from.
pub trait Ports: Send {
    /// An address that listens, for one call, until its [`RtpOrder::Close`].
    fn take(&mut self) -> Option<SocketAddr>;
}

/// What a leg works with beside itself.
struct World<'a> {
    now: Duration,
    options: &'a Options,
    /// Our SIP address as text.
    here: &'a str,
    line: &'a mut Line,
    dice: &'a mut Dice,
    ports: &'a mut dyn Ports,
    totals: &'a mut Totals,
    out: &'a mut Vec<Output>,
}

impl World<'_> {
    fn send(&mut self, to: Peer, bytes: Vec<u8>) {
        self.line.send(to, bytes, self.now, self.out);
    }

    fn wall_ms(&self) -> u64 {
        wall_ms(self.options, self.now)
    }
}

fn wall_ms(options: &Options, now: Duration) -> u64 {
    // 0 is kept for what did not happen.
    (options.epoch_ms + u64::try_from(now.as_millis()).unwrap_or(u64::MAX)).max(1)
}

/// A carrier, as a value.
pub struct Exchange {
    options: Options,
    here: String,
    line: Line,
    dice: Dice,
    ports: Box<dyn Ports>,
    ledger: Ledger,
    out: Vec<Output>,
    legs: Vec<Option<Leg>>,
    free: Vec<u32>,
    by_call_id: HashTable<u32>,
    hasher: FixedState,
    queue: BinaryHeap<Reverse<(Duration, u64, u32)>>,
    serial: u64,
    calls: u64,
    /// How often each number, by its fingerprint, was called.
    called: HashMap<u64, u32, FixedState>,
    this_second: (u64, u32),
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange").field("calls", &self.calls).finish_non_exhaustive()
    }
}

impl Exchange {
    /// A carrier whose calls get their RTP addresses from `ports`.
    pub fn new(options: Options, ports: Box<dyn Ports>) -> Self {
        let line = Line::new(options.faults, Dice::of(options.seed, "line"));
        let ledger = Ledger::new(options.entries_max);
        let hasher = FixedState::with_seed(options.seed);
        Self {
            here: options.here.to_string(),
            line,
            dice: Dice::of(options.seed, "carrier"),
            ports,
            ledger,
            out: Vec::new(),
            legs: Vec::new(),
            free: Vec::new(),
            by_call_id: HashTable::new(),
            called: HashMap::with_hasher(hasher.clone()),
            hasher,
            queue: BinaryHeap::new(),
            serial: 0,
            calls: 0,
            this_second: (0, 0),
            options,
        }
    }

    /// A message came: a datagram, or what was cut out of a stream.
    pub fn receive(&mut self, from: Peer, bytes: &[u8], now: Duration) {
        for _ in 0..self.line.arrivals(from.transport) {
            match message::parse(bytes) {
                Ok(message) => self.take(&Incoming::new(&message, bytes, from), now),
                Err(error) => self.refuse_unreadable(from, bytes, &error, now),
            }
        }
    }

    /// Does what is due. Calling it early is harmless.
    pub fn wake(&mut self, now: Duration) {
        self.line.wake(now, &mut self.out);
        while let Some(&Reverse((due, serial, slot))) = self.queue.peek() {
            if due > now {
                break;
            }
            self.queue.pop();
            let Some(Some(leg)) = self.legs.get_mut(slot as usize) else { continue };
            if leg.serial == serial && leg.queued == Some(due) {
                leg.queued = None;
                self.with_leg(slot, now, |leg, world| leg.wake(world));
            }
        }
    }

    /// When to call [`wake`](Self::wake) next.
    pub fn due(&self) -> Option<Duration> {
        let next = self.queue.peek().map(|Reverse((due, ..))| *due);
        next.into_iter().chain(self.line.due()).min()
    }

    /// What is to be done, in order.
    pub fn outputs(&mut self) -> std::vec::Drain<'_, Output> {
        self.out.drain(..)
    }

    /// Changes what is wrong with the line.
    pub fn set_faults(&mut self, faults: Faults) {
        self.line.faults = faults;
    }

    /// What is wrong with the line.
    pub fn faults(&self) -> Faults {
        self.line.faults
    }

    /// How many calls ring or are up.
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// The sums.
    pub fn totals(&self) -> Totals {
        Totals { lost: self.line.lost, ..self.ledger.totals.clone() }
    }

    /// Every entry: those that are done, oldest first, then those that may still change.
    pub fn entries(&self) -> Vec<Entry> {
        let mut open: Vec<&Leg> = self.legs.iter().flatten().collect();
        open.sort_unstable_by_key(|leg| leg.serial);
        self.ledger.done().chain(open.into_iter().map(|leg| &leg.entry)).cloned().collect()
    }

    /// The entries that are done, and the sums.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn take(&mut self, heard: &Incoming<'_>, now: Duration) {
        let Some(method) = heard.method() else { return self.take_response(heard, now) };
        let (call_id, branch) = (heard.call_id(), heard.branch());
        if method == Method::Cancel {
            return match self.find(call_id, |leg| *leg.entry.branch == *branch) {
                Some(slot) => {
                    let echo = Echo::of(heard);
                    self.with_leg(slot, now, |leg, world| leg.cancelled(&echo, world));
                }
                None => self.stray(heard, now),
            };
        }
        let Some(to_tag) = heard.to_tag() else {
            return match method {
                Method::Invite => match self.find(call_id, |leg| *leg.entry.branch == *branch) {
                    Some(slot) => self.with_leg(slot, now, |leg, world| leg.invited_again(world)),
                    None => self.new_call(heard, now),
                },
                _ => self.outside(heard, method, now),
            };
        };
        let mut fork = 0;
        let found = self.find(call_id, |leg| {
            leg.fork_of(to_tag).is_some_and(|found| {
                fork = found;
                true
            })
        });
        match (found, method) {
            (Some(slot), Method::Ack) => {
                self.with_leg(slot, now, |leg, world| leg.acked(heard, fork, world));
            }
            (Some(slot), _) => {
                self.with_leg(slot, now, |leg, world| leg.asked(heard, method, fork, world));
            }
            (None, _) => self.stray(heard, now),
        }
    }

    fn take_response(&mut self, heard: &Incoming<'_>, now: Duration) {
        let Some(status) = heard.status() else { return };
        let serial = heard
            .branch()
            .strip_prefix("z9hG4bKs")
            .and_then(|rest| rest.split_once('q'))
            .and_then(|(serial, _)| u64::from_str_radix(serial, 16).ok());
        match self.find(heard.call_id(), |leg| Some(leg.serial) == serial) {
            Some(slot) => {
                self.with_leg(slot, now, |leg, world| leg.answered(heard, status, world));
            }
            None => self.ledger.totals.strays += 1,
        }
    }

    fn find(&self, call_id: &str, mut is_it: impl FnMut(&Leg) -> bool) -> Option<u32> {
        let leg_at = |slot: u32| self.legs.get(slot as usize).and_then(Option::as_ref);
        self.by_call_id
            .find(self.hasher.hash_one(call_id), |slot| {
                leg_at(*slot).is_some_and(|leg| *leg.entry.call_id == *call_id && is_it(leg))
            })
            .copied()
    }

    fn invites_with(&self, call_id: &str) -> usize {
        self.by_call_id.iter_hash(self.hasher.hash_one(call_id)).count()
    }

    /// Lets a leg do something, then sees to its timers and its end.
    fn with_leg(&mut self, slot: u32, now: Duration, act: impl FnOnce(&mut Leg, &mut World<'_>)) {
        let Some(Some(leg)) = self.legs.get_mut(slot as usize) else { return };
        let mut world = World {
            now,
            options: &self.options,
            here: &self.here,
            line: &mut self.line,
            dice: &mut self.dice,
            ports: &mut *self.ports,
            totals: &mut self.ledger.totals,
            out: &mut self.out,
        };
        let lived = leg.live.is_some();
        act(leg, &mut world);
        if lived && leg.live.is_none() {
            self.calls -= 1;
        }
        if leg.live.is_none() && leg.ends.is_some_and(|ends| ends <= now) {
            return self.remove(slot);
        }
        let (due, serial) = (leg.due(&self.options), leg.serial);
        if let Some(due) = due.filter(|due| leg.queued.is_none_or(|queued| *due < queued)) {
            leg.queued = Some(due);
            self.queue.push(Reverse((due, serial, slot)));
        }
    }

    /// Keeps a new leg.
    fn insert(&mut self, leg: Leg, now: Duration) {
        let hash = self.hasher.hash_one(&*leg.entry.call_id);
        let lives = leg.live.is_some();
        let slot = match self.free.pop() {
            Some(slot) => {
                self.legs[slot as usize] = Some(leg);
                slot
            }
            None => {
                self.legs.push(Some(leg));
                // Bounded by `calls_max` and what they leave behind for 64*T1.
                u32::try_from(self.legs.len() - 1).expect("there is no memory for 2^32 calls")
            }
        };
        let (legs, hasher) = (&self.legs, &self.hasher);
        self.by_call_id.insert_unique(hash, slot, |slot| {
            let leg = legs.get(*slot as usize).and_then(Option::as_ref);
            hasher.hash_one(leg.map_or("", |leg| &*leg.entry.call_id))
        });
        self.calls += u64::from(lives);
        self.ledger.totals.calls_max = self.ledger.totals.calls_max.max(self.calls);
        self.with_leg(slot, now, |_, _| ());
    }

    fn remove(&mut self, slot: u32) {
        let Some(leg) = self.legs.get_mut(slot as usize).and_then(Option::take) else { return };
        let hash = self.hasher.hash_one(&*leg.entry.call_id);
        if let Ok(found) = self.by_call_id.find_entry(hash, |other| *other == slot) {
            found.remove();
        }
        self.free.push(slot);
        self.ledger.put_away(leg.entry);
    }

    /// How often this number was called before.
    fn calls_before(&mut self, number: &str) -> u32 {
        let key = fingerprint(number);
        if self.called.len() >= self.options.numbers_max && !self.called.contains_key(&key) {
            return 0;
        }
        let count = self.called.entry(key).or_insert(0);
        *count = count.saturating_add(1);
        *count - 1
    }
}
