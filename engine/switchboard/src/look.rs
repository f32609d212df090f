//! A look from outside at what is up: for who watches, and for who checks that nothing leaks.

use crate::Switchboard;
use call::Call;
use routing::GatewayIndex;
use schemas::{CallId, Pseudonyms, Vault};
use std::collections::BTreeMap;

/// What calls hold at this moment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct InUse {
    /// Calls that have not ended.
    pub calls: usize,
    /// Lanes of the node.
    pub lanes: u32,
    /// Lanes of each gateway.
    pub gateways: Vec<u32>,
    /// Lanes of each batch.
    pub batches: Vec<u32>,
    /// Timers that run.
    pub timers: usize,
    /// Redials that are promised.
    pub redials: usize,
}

/// What happened that nobody is told of. Counts since the start.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Signals that no state of their call listens to, by (state, signal).
    pub unexpected: BTreeMap<(&'static str, &'static str), u64>,
    /// Messages for legs and streams that are gone.
    pub strays: u64,
    /// Signals dropped since their call had too many in flight.
    pub overflows: u64,
    /// Commands that were repeated.
    pub repeats: u64,
    /// Calls that ended.
    pub ended: u64,
}

impl<V: Vault + Pseudonyms> Switchboard<V> {
    /// What calls hold now.
    pub fn in_use(&self) -> InUse {
        let gateways = 0..self.routing.len();
        InUse {
            calls: self.slots.len(),
            lanes: self.lanes.taken(),
            gateways: gateways.map(|index| self.routing.live(GatewayIndex(index))).collect(),
            batches: self.batches.iter().map(|(batch, _)| batch.live()).collect(),
            timers: self.timers.len(),
            redials: self.redials.len(),
        }
    }

    /// Every call that has not ended and is in the log, and whether events of it are on their way
    /// there.
    pub fn calls(&self) -> impl Iterator<Item = (CallId, &Call, bool)> {
        let slots = self.slots.iter().filter(|slot| !slot.unborn);
        slots.map(|slot| (slot.id, &slot.call, slot.in_flight > 0))
    }
}
