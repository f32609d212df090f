//! Through which gateway a call goes: their order, their limits, their health.
//!
//! Pure. Which finals are a carrier's fault is data (`schemas::causes`); that a phone that rang
//! is not rung by another gateway is the call's rule.

mod gateway;

pub use gateway::{Finding, GatewayOptions};

use gateway::Gateway;
use mutants::mutant;
use schemas::causes;
use std::time::Duration;

/// A gateway, by its place in the configuration.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct GatewayIndex(pub usize);

/// Where a call may go now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Choice {
    /// Through this one.
    Via(GatewayIndex),
    /// Not now: all that may be used are full, at their rate or held back. Ask again then, or
    /// when a call ends.
    Wait {
        /// The earliest moment the answer may change by itself.
        until: Option<Duration>,
    },
    /// There is none left to try.
    NoneLeft,
}

/// The gateways, in the order they are tried.
#[derive(Clone, Debug)]
pub struct Routing {
    gateways: Vec<Gateway>,
}

impl Routing {
    /// Gateways in the order of preference.
    pub fn new(gateways: Vec<GatewayOptions>) -> Self {
        Self { gateways: gateways.into_iter().map(Gateway::new).collect() }
    }

    /// The gateway for a call that may use `only` this one and has `tried` those.
    ///
    /// The first that is healthy and has room; when none is healthy, the first that has room,
    /// since a probe that fails says less than a call that does (carriers answer OPTIONS as they
    /// like). One that asked to be left alone is left alone.
    pub fn choose(&self, now: Duration, only: Option<&str>, tried: &[String]) -> Choice {
        let usable = || {
            self.gateways.iter().enumerate().filter(|(_, gateway)| {
                only.is_none_or(|name| name == gateway.name())
                    && (!tried.contains(gateway.name()) || mutant!("tries one gateway twice"))
            })
        };
        if usable().next().is_none() {
            return Choice::NoneLeft;
        }
        let has_room = |gateway: &Gateway| gateway.free_at(now).is_some_and(|at| at <= now);
        let healthy = usable().find(|(_, gateway)| gateway.is_healthy(now) && has_room(gateway));
        // A healthy one that is full is waited for: overflow goes to the next healthy one only.
        let any = usable().all(|(_, gateway)| !gateway.is_healthy(now));
        let last_resort = || usable().find(|(_, gateway)| any && has_room(gateway));
        match healthy.or_else(last_resort) {
            Some((index, _)) => Choice::Via(GatewayIndex(index)),
            None => {
                let until = usable()
                    .filter(|(_, gateway)| any || gateway.is_healthy(now))
                    .filter_map(|(_, gateway)| gateway.free_at(now))
                    .min();
                Choice::Wait { until }
            }
        }
    }

    /// A try starts on this gateway: it takes one of its lanes and a turn of its rate.
    pub fn try_started(&mut self, gateway: GatewayIndex, now: Duration) {
        self.gateways[gateway.0].start(now);
    }

    /// A try on this gateway is over, whatever it came to.
    pub fn try_ended(&mut self, gateway: GatewayIndex) {
        self.gateways[gateway.0].end();
    }

    /// What was found out about a gateway.
    pub fn found(&mut self, gateway: GatewayIndex, finding: Finding, now: Duration) {
        self.gateways[gateway.0].found(finding, now);
    }

    /// Whether this end of a try is the carrier's fault, so that another gateway may be tried.
    /// `status` is the final one, absent when a timer or the transport decided.
    pub fn is_carrier_fault(status: Option<u16>, q850: Option<u16>) -> bool {
        let by_status = status.is_none_or(|status| causes::cause(status).carrier_fault);
        by_status && !q850.is_some_and(causes::q850_speaks_for_callee)
    }

    /// The gateway's configured name.
    pub fn name(&self, gateway: GatewayIndex) -> &str {
        self.gateways[gateway.0].name()
    }

    /// The gateway of this name.
    pub fn by_name(&self, name: &str) -> Option<GatewayIndex> {
        self.gateways.iter().position(|gateway| gateway.name() == name).map(GatewayIndex)
    }

    /// How many calls a gateway carries now.
    pub fn live(&self, gateway: GatewayIndex) -> u32 {
        self.gateways[gateway.0].live()
    }

    /// How many gateways there are.
    pub fn len(&self) -> usize {
        self.gateways.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.gateways.is_empty()
    }
}
