//! One gateway: its limits and what is known of its health.

use mutants::mutant;
use pace::{Lanes, Rate};
use std::time::Duration;

/// How a gateway may be used.
#[derive(Clone, PartialEq, Debug)]
pub struct GatewayOptions {
    /// Its name, as records tell it.
    pub name: String,
    /// The most calls at once.
    pub max_concurrent: u32,
    /// The most INVITEs per second; no limit when absent.
    pub calls_per_second: Option<f64>,
}

/// What was found out about a gateway.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Finding {
    /// A probe says it is well.
    Up,
    /// A probe says it is not.
    Down,
    /// It asked to be left alone for so long (RFC 3261, 20.33).
    HeldBack(Duration),
    /// A try met a live network, whatever it came to.
    Answered,
    /// A try met nobody: Timer B, the transport, DNS.
    Silent,
}

/// So many silent tries in a row, and the gateway is passed over for a while: a black hole must
/// not cost every call 32 seconds.
const SILENT_MAX: u32 = 3;
const REST_MIN: Duration = Duration::from_secs(10);
const REST_MAX: Duration = Duration::from_secs(300);
/// A gateway cannot hold itself back longer than this, whatever its header says.
const HELD_BACK_MAX: Duration = Duration::from_secs(600);

#[derive(Clone, Debug)]
pub(crate) struct Gateway {
    options: GatewayOptions,
    lanes: Lanes,
    rate: Option<Rate>,
    probe_down: bool,
    silent_in_a_row: u32,
    resting_until: Duration,
    rest: Duration,
    held_back_until: Duration,
}

impl Gateway {
    pub fn new(options: GatewayOptions) -> Self {
        Self {
            lanes: Lanes::new(options.max_concurrent),
            rate: options.calls_per_second.map(Rate::per_second),
            options,
            probe_down: false,
            silent_in_a_row: 0,
            resting_until: Duration::ZERO,
            rest: REST_MIN,
            held_back_until: Duration::ZERO,
        }
    }

    pub fn name(&self) -> &String {
        &self.options.name
    }

    pub fn live(&self) -> u32 {
        self.lanes.taken()
    }

    pub fn is_healthy(&self, now: Duration) -> bool {
        !self.probe_down && now >= self.resting_until
    }

    /// When the next try may start, by the clock alone; `None` while every lane is taken.
    pub fn free_at(&self, now: Duration) -> Option<Duration> {
        let by_rate = self.rate.as_ref().map_or(now, Rate::free_at);
        (self.lanes.is_free() || mutant!("ignores a gateway's lanes"))
            .then(|| by_rate.max(self.held_back_until).max(now))
    }

    pub fn start(&mut self, now: Duration) {
        self.lanes.take();
        if let Some(rate) = self.rate.as_mut().filter(|_| !mutant!("ignores a gateway's rate")) {
            rate.take(now);
        }
    }

    pub fn end(&mut self) {
        self.lanes.free();
    }

    pub fn found(&mut self, finding: Finding, now: Duration) {
        match finding {
            // Does not end a rest: some answer OPTIONS well and lose every INVITE.
            Finding::Up => self.probe_down = false,
            Finding::Down => self.probe_down = true,
            Finding::HeldBack(span) => {
                let until = now + span.min(HELD_BACK_MAX);
                self.held_back_until = self.held_back_until.max(until);
            }
            Finding::Answered => self.recover(),
            Finding::Silent => {
                self.silent_in_a_row += 1;
                if self.silent_in_a_row >= SILENT_MAX {
                    self.resting_until = now + self.rest;
                    self.rest = (self.rest * 2).min(REST_MAX);
                }
            }
        }
    }

    fn recover(&mut self) {
        self.silent_in_a_row = 0;
        self.resting_until = Duration::ZERO;
        self.rest = REST_MIN;
    }
}
