//! A bad line: datagrams lost, doubled and delayed, on a seed.

use super::Output;
use crate::seed::Dice;
use sip::port::{Peer, Transport};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// What is wrong with the line and with the carrier behind it. Streams (TCP) lose and double
/// nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Faults {
    /// Of how many datagrams in 10 000 none arrives, each way.
    pub loss_per_10_000: u32,
    /// Of how many a second copy arrives, each way.
    pub duplicates_per_10_000: u32,
    /// How much later what the carrier sends leaves.
    pub delay: Duration,
    /// How much later than that at most, evenly spread: datagrams overtake each other.
    pub jitter: Duration,
    /// How many INVITEs a second are taken; those beyond get 503 with `Retry-After: 1`. 0: all.
    pub invites_per_second: u32,
    /// Of how many calls in 10 000 the INVITE gets 503 although there is room: this carrier finds no
    /// way to the callee, another one may.
    pub refusals_per_10_000: u32,
    /// Nothing is answered, as if the machine were gone.
    pub down: bool,
}

/// What is on its way out.
#[derive(Debug, PartialEq, Eq)]
struct Delayed {
    due: Duration,
    order: u64,
    to: Peer,
    bytes: Vec<u8>,
}

impl Ord for Delayed {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due, self.order).cmp(&(other.due, other.order))
    }
}

impl PartialOrd for Delayed {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// The line: applies the faults to what goes over it.
#[derive(Debug)]
pub struct Line {
    /// What is wrong with it. May change at any time.
    pub faults: Faults,
    dice: Dice,
    delayed: BinaryHeap<Reverse<Delayed>>,
    order: u64,
    /// How many datagrams it lost.
    pub lost: u64,
}

impl Line {
    pub fn new(faults: Faults, dice: Dice) -> Self {
        Self { faults, dice, delayed: BinaryHeap::new(), order: 0, lost: 0 }
    }

    /// How often a message that came arrives: 0, 1, or 2 times.
    pub fn arrivals(&mut self, transport: Transport) -> u32 {
        if self.faults.down {
            self.lost += 1;
            return 0;
        }
        if transport != Transport::Udp {
            return 1;
        }
        if self.dice.happens(self.faults.loss_per_10_000) {
            self.lost += 1;
            return 0;
        }
        1 + u32::from(self.dice.happens(self.faults.duplicates_per_10_000))
    }

    /// Sends a message, as the faults allow.
    pub fn send(&mut self, to: Peer, bytes: Vec<u8>, now: Duration, out: &mut Vec<Output>) {
        match self.arrivals(to.transport) {
            0 => return,
            1 => {}
            _ => self.let_go(to, bytes.clone(), now, out),
        }
        self.let_go(to, bytes, now, out);
    }

    fn let_go(&mut self, to: Peer, bytes: Vec<u8>, now: Duration, out: &mut Vec<Output>) {
        let delay = self.delay(to.transport);
        if delay.is_zero() {
            out.push(Output::Transmit { to, bytes });
        } else {
            self.order += 1;
            let due = now + delay;
            self.delayed.push(Reverse(Delayed { due, order: self.order, to, bytes }));
        }
    }

    fn delay(&mut self, transport: Transport) -> Duration {
        let Faults { delay, jitter, .. } = self.faults;
        if jitter.is_zero() || transport != Transport::Udp {
            return delay;
        }
        let most = u64::try_from(jitter.as_micros()).unwrap_or(u64::MAX);
        delay + Duration::from_micros(self.dice.below(most))
    }

    /// When the next delayed message leaves.
    pub fn due(&self) -> Option<Duration> {
        self.delayed.peek().map(|Reverse(next)| next.due)
    }

    /// Lets go what is due.
    pub fn wake(&mut self, now: Duration, out: &mut Vec<Output>) {
        while self.due().is_some_and(|due| due <= now) {
            if let Some(Reverse(Delayed { to, bytes, .. })) = self.delayed.pop() {
                out.push(Output::Transmit { to, bytes });
            }
        }
    }
}
