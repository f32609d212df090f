//! One of the nodes: its process, what it reads of the work, and what it believes is its own.

use super::log::{CommonLog, Shared};
use super::topics::Relay;
use crate::checkers::Checkers;
use crate::world::faults::{Injected, Injury};
use crate::world::glimpse::Glimpse;
use crate::world::network::{Network, Packet};
use crate::world::plan::Boundary;
use crate::world::{Around, Fact, Gone, Node};
use feed::Offsets;
use schemas::CommandId;
use sip::port::Peer;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;
use switchboard::{Answer, GiveUp, Input, PartitionNews};

/// So many commands of a node may be under way at once.
const OPEN_MAX: usize = 32;

/// One of the nodes.
pub struct Member {
    /// Where its SIP listens.
    pub address: SocketAddr,
    /// Its process, while it lives.
    pub node: Option<Node<Shared>>,
    /// How many processes it has had.
    pub life: u32,
    /// It stands still until then.
    pub paused_until: Duration,
    /// What came while it stood still.
    pub held_back: Vec<Packet>,
    /// The partitions that it reads, and the offset that is next.
    pub reading: BTreeMap<u32, i64>,
    offsets: Offsets,
    /// Where the commands stood that are under way.
    open: BTreeMap<CommandId, VecDeque<(u32, i64)>>,
    /// What it was told is its own, with the epoch that the store gave.
    pub owned: BTreeMap<u32, u64>,
    /// Given up and all gone, since it was asked last.
    pub given_up: BTreeSet<u32>,
    /// It tells the log.
    pub relay: Option<Relay>,
    /// What is around it alone.
    pub side: Side,
}

/// What is around one node alone.
pub struct Side {
    /// Where it dies, and for how long.
    pub armed: Option<(Boundary, Duration)>,
    /// Who watches this process.
    pub checkers: Checkers,
    answers: Vec<(CommandId, Answer)>,
    news: Vec<(u32, PartitionNews)>,
}

/// What is around all of them.
pub struct Common {
    /// Now.
    pub at: Duration,
    /// The network.
    pub network: Network,
    /// Who watches them all.
    pub checkers: Checkers,
    /// What was done to them.
    pub injected: Injected,
    /// Messages between nodes and carriers.
    pub messages: u64,
}

/// What is around a node.
struct Beside<'a> {
    address: SocketAddr,
    side: &'a mut Side,
    common: &'a mut Common,
}

impl Around for Beside<'_> {
    fn reached(&mut self, boundary: Boundary) -> Result<(), Gone> {
        match self.side.armed {
            Some((before, _)) if before == boundary => Err(Gone::Died { before, power: false }),
            _ => Ok(()),
        }
    }

    fn transmit(&mut self, to: Peer, bytes: Vec<u8>) {
        let Common { at, network, injected, .. } = self.common;
        if let Some(glimpse) = Glimpse::of(&bytes) {
            let fact = Fact::Left { to: to.address, glimpse: &glimpse };
            self.side.checkers.see(*at, &fact);
            self.common.checkers.see(*at, &fact);
        }
        self.common.messages += 1;
        let (to, transport) = (to.address, to.transport);
        network.send(*at, Packet { from: self.address, to, transport, bytes }, injected);
    }

    fn tell(&mut self, fact: &Fact<'_>) {
        if let Fact::Answered(command, answer) = fact {
            self.side.answers.push((command.command_id.clone(), (*answer).clone()));
            // Nothing was done with it, and nobody was told anything.
            if matches!(answer, Answer::NotOurs | Answer::Stopping) {
                return;
            }
        }
        self.side.checkers.see(self.common.at, fact);
        self.common.checkers.see(self.common.at, fact);
    }

    fn partition(&mut self, partition: u32, news: PartitionNews) {
        if !matches!(news, PartitionNews::Owned { .. }) {
            // What was answered and is not durable is closed, and nobody here writes it down.
            self.side.checkers.see(self.common.at, &Fact::Dropped);
        }
        self.side.news.push((partition, news));
    }

    fn injected(&mut self) -> &mut Injected {
        &mut self.common.injected
    }
}

impl Member {
    /// One that has not started.
    pub fn new(address: SocketAddr, checkers: Checkers) -> Self {
        let side = Side { armed: None, checkers, answers: Vec::new(), news: Vec::new() };
        Self {
            address,
            node: None,
            life: 0,
            paused_until: Duration::ZERO,
            held_back: Vec::new(),
            reading: BTreeMap::new(),
            offsets: Offsets::default(),
            open: BTreeMap::new(),
            owned: BTreeMap::new(),
            given_up: BTreeSet::new(),
            relay: None,
            side,
        }
    }

    /// Whether it does anything now.
    pub fn is_up(&self, at: Duration) -> bool {
        self.node.is_some() && at >= self.paused_until
    }

    /// The process is gone, with all that it had in memory.
    pub fn forget_all(&mut self) {
        self.node = None;
        self.reading.clear();
        self.offsets = Offsets::default();
        self.open.clear();
        self.owned.clear();
        self.given_up.clear();
        self.relay = None;
        self.side.armed = None;
        self.side.answers.clear();
        self.side.news.clear();
    }

    /// The group gives it a partition, to be read from there.
    pub fn own(&mut self, partition: u32, from: i64, at: Duration) {
        self.reading.insert(partition, from);
        if let Some(node) = &mut self.node {
            node.hand(at, Input::Take(partition));
        }
    }

    /// The group has taken a partition away.
    pub fn went(&mut self, partition: u32, at: Duration) {
        self.reading.remove(&partition);
        self.offsets.give_up(partition as i32);
        for open in self.open.values_mut() {
            open.retain(|(of, _)| *of != partition);
        }
        if partition == 0 {
            self.relay = None;
        }
        if let Some(node) = &mut self.node {
            node.hand(at, Input::GiveUp(partition, GiveUp::Leave));
        }
    }

    /// What may be committed of these partitions, or of all.
    pub fn due(&mut self, only: Option<u32>) -> Vec<(u32, i64)> {
        let only = only.map(|partition| [partition as i32]);
        let due = self.offsets.due(only.as_ref().map(<[i32; 1]>::as_slice));
        self.offsets.committed(due.iter().copied());
        due.into_iter().map(|(partition, offset)| (partition as u32, offset)).collect()
    }

    /// Whether there is room for more commands.
    pub fn has_room(&self) -> bool {
        self.offsets.open() < OPEN_MAX
    }

    /// Hands a command that was read to the engine.
    pub fn take(
        &mut self,
        partition: u32,
        offset: i64,
        command: &schemas::commands::PlaceCall,
        at: Duration,
    ) {
        let Some(node) = &mut self.node else { return };
        self.offsets.begin(partition as i32, offset);
        self.open.entry(command.command_id.clone()).or_default().push_back((partition, offset));
        node.place_of(at, partition, command);
    }

    /// Lets it work until there is nothing more to do at this moment.
    ///
    /// # Errors
    /// It is gone.
    pub fn turn(&mut self, common: &mut Common) -> Result<(), Gone> {
        let at = common.at;
        let (address, side) = (self.address, &mut self.side);
        if let Some(node) = self.node.as_mut().filter(|node| node.is_due(at)) {
            node.turn(at, &mut Beside { address, side, common })?;
        }
        for (command, answer) in std::mem::take(&mut self.side.answers) {
            let place = self.open.get_mut(&command).and_then(VecDeque::pop_front);
            // What was not done comes again, to whoever has the partition then.
            if let (Some((partition, offset)), false) =
                (place, matches!(answer, Answer::NotOurs | Answer::Stopping))
            {
                self.offsets.done(partition as i32, offset);
            }
        }
        for (partition, news) in std::mem::take(&mut self.side.news) {
            match news {
                PartitionNews::Owned { .. } => {
                    let given = self.node.as_ref().map(|node| node.storage().given(partition));
                    self.owned.extend(given.map(|epoch| (partition, epoch)));
                }
                PartitionNews::Lost { .. } => {
                    common.injected.count(Injury::PartitionLost);
                    self.owned.remove(&partition);
                }
                PartitionNews::GivenUp | PartitionNews::Failed(_) => {
                    self.owned.remove(&partition);
                    self.given_up.insert(partition);
                }
            }
        }
        Ok(())
    }

    /// A datagram comes to it.
    pub fn arrive(&mut self, common: &mut Common, packet: &Packet) {
        let Some(node) = &mut self.node else { return };
        if let Some(glimpse) = Glimpse::of(&packet.bytes) {
            let fact = Fact::Arrived { from: packet.from, glimpse: &glimpse };
            self.side.checkers.see(common.at, &fact);
            common.checkers.see(common.at, &fact);
        }
        let from = Peer { transport: packet.transport, address: packet.from };
        node.receive(common.at, from, &packet.bytes);
    }

    /// It asks the store whether what it owns is still its own.
    pub fn look(&mut self, log: &CommonLog, at: Duration) {
        let Some(node) = &mut self.node else { return };
        for (partition, ours) in &self.owned {
            let epoch = log.epoch(*partition);
            if *ours < epoch {
                node.hand(at, Input::Lost(*partition, epoch));
            }
        }
    }
}
