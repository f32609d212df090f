//! Transactions (RFC 3261, 17): what is sent again, how often, and how long.
//!
//! Peers that are reached by datagrams get repeats; connections do not lose. The INVITE's own
//! states (RFC 6026) are the leg's phases; here is what every transaction has in common.

mod client;
mod server;

pub(crate) use client::{Ask, Branch, Purpose};
pub(crate) use server::{Served, Wait};

use std::time::Duration;

use crate::port::Transport;

/// When a message without an answer is sent again, and when we stop waiting.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Repeat {
    interval: Duration,
    cap: Duration,
    /// None: not sent again any more.
    at: Option<Duration>,
    ends: Duration,
}

impl Repeat {
    /// Repeats after T1, twice that, and so on up to `cap`, for `lasts`. On a connection it only
    /// waits (RFC 3261, 17.1.1.2, 17.1.2.2).
    pub fn new(
        now: Duration,
        transport: Transport,
        t1: Duration,
        cap: Duration,
        lasts: Duration,
    ) -> Self {
        let at = (transport == Transport::Udp).then(|| now + t1);
        Self { interval: t1, cap, at, ends: now.saturating_add(lasts) }
    }

    /// Only waits.
    pub fn silent(now: Duration, lasts: Duration) -> Self {
        Self { interval: lasts, cap: lasts, at: None, ends: now + lasts }
    }

    /// When to look again.
    pub fn deadline(&self) -> Duration {
        self.at.map_or(self.ends, |at| at.min(self.ends))
    }

    /// Whether the wait is over.
    pub fn is_over(&self, now: Duration) -> bool {
        now >= self.ends
    }

    /// Whether to send again now. Says so once for each time.
    pub fn is_due(&mut self, now: Duration) -> bool {
        let due = self.at.is_some_and(|at| at <= now);
        if due {
            self.interval = (self.interval * 2).min(self.cap);
            self.at = Some(now + self.interval);
        }
        due
    }

    /// A provisional answer to a request that is no INVITE: from now on every T2 (17.1.2.2). More
    /// of them change nothing.
    pub fn slow_down(&mut self, now: Duration, t2: Duration) {
        if self.interval < t2 {
            self.interval = t2;
            self.at = self.at.map(|_| now + t2);
        }
    }

    /// The connection that it went over is gone: sent again as if it had been a datagram.
    pub fn start_again(&mut self, now: Duration, t1: Duration) {
        if self.at.is_none() {
            self.interval = t1;
            self.at = Some(now + t1);
        }
    }
}
