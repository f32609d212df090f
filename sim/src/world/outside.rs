//! What is around the node: the network, who watches, and the fault that waits for its moment.

use crate::checkers::Checkers;
use crate::world::driver::Drivers;
use crate::world::fact::{Fact, Gone};
use crate::world::faults::{Injected, Injury};
use crate::world::glimpse::Glimpse;
use crate::world::network::{Network, Packet};
use crate::world::node::{Around, NODE};
use crate::world::plan::Boundary;
use sip::port::Peer;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// A crash that waits for the node to come to its boundary.
#[derive(Clone, Copy, Debug)]
pub struct Armed {
    /// Before what it dies.
    pub before: Boundary,
    /// With the whole machine.
    pub power: bool,
    /// How long it is down.
    pub down: Duration,
}

/// What is around the node.
pub struct Outside {
    /// Now.
    pub at: Duration,
    /// Who gives commands.
    pub drivers: Drivers,
    /// The network.
    pub network: Network,
    /// Who watches.
    pub checkers: Checkers,
    /// Whether every message is shown to the checkers.
    pub wire_is_watched: bool,
    /// What was done to the world.
    pub injected: Injected,
    /// The crash that is to come.
    pub armed: Option<Armed>,
    /// Carriers that cannot be reached, until when, and whether the network says so.
    pub outages: BTreeMap<SocketAddr, (Duration, bool)>,
    /// Peers that the network has said cannot be reached.
    pub failed: Vec<Peer>,
    /// How often the node died before each kind of boundary.
    pub deaths: BTreeMap<Boundary, u64>,
    /// Calls that ended.
    pub ended: u64,
    /// Messages between the node and its carriers.
    pub messages: u64,
}

impl Outside {
    /// Whether a carrier cannot be reached now, and whether the network says so.
    pub fn outage(&self, carrier: SocketAddr) -> Option<bool> {
        let (until, told) = self.outages.get(&carrier)?;
        (self.at < *until).then_some(*told)
    }

    /// A carrier's message leaves.
    pub fn carrier_sends(&mut self, carrier: SocketAddr, to: Peer, bytes: Vec<u8>) {
        if self.outage(carrier).is_some() {
            self.injected.count(Injury::Unreachable);
            return;
        }
        self.send(carrier, to, bytes);
    }

    fn send(&mut self, from: SocketAddr, to: Peer, bytes: Vec<u8>) {
        self.messages += 1;
        let packet = Packet { from, to: to.address, transport: to.transport, bytes };
        self.network.send(self.at, packet, &mut self.injected);
    }

    /// A message arrives at the node.
    pub fn arrives(&mut self, packet: &Packet) {
        if !self.wire_is_watched {
            return;
        }
        if let Some(glimpse) = Glimpse::of(&packet.bytes) {
            let fact = Fact::Arrived { from: packet.from, glimpse: &glimpse };
            self.checkers.see(self.at, &fact);
        }
    }
}

impl Around for Outside {
    fn reached(&mut self, boundary: Boundary) -> Result<(), Gone> {
        match self.armed {
            Some(Armed { before, power, .. }) if before == boundary => {
                Err(Gone::Died { before, power })
            }
            _ => Ok(()),
        }
    }

    fn transmit(&mut self, to: Peer, bytes: Vec<u8>) {
        // What nobody watches need not be read: in a large world that is all but the INVITEs.
        let is_watched = self.wire_is_watched || bytes.starts_with(b"INVITE ");
        if let Some(glimpse) = is_watched.then(|| Glimpse::of(&bytes)).flatten() {
            let fact = Fact::Left { to: to.address, glimpse: &glimpse };
            self.checkers.see(self.at, &fact);
        }
        match self.outage(to.address) {
            None => self.send(NODE, to, bytes),
            Some(told) => {
                self.injected.count(Injury::Unreachable);
                if told && !self.failed.contains(&to) {
                    self.failed.push(to);
                }
            }
        }
    }

    fn tell(&mut self, fact: &Fact<'_>) {
        match fact {
            Fact::Answered(command, answer) => self.drivers.answered(command, answer),
            Fact::Ended(..) => self.ended += 1,
            _ => {}
        }
        self.checkers.see(self.at, fact);
    }

    fn injected(&mut self) -> &mut Injected {
        &mut self.injected
    }
}
