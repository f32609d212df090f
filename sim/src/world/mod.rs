//! A world in virtual time: the production code in a box, carriers and their callees, a network
//! between them, people who give commands, and a fate that breaks what can break.
//!
//! All of it follows from a [`Plan`]: the same plan gives the same events, on any machine. The loop
//! goes from one thing that happens to the next; nothing waits.

pub mod clock;
pub(crate) mod driver;
mod ending;
pub mod fact;
pub mod faults;
pub mod glimpse;
pub mod machine;
mod mishaps;
pub(crate) mod network;
mod node;
mod outside;
pub mod plan;
pub(crate) mod queue;

pub(crate) use ending::Sums;
pub use ending::{Ending, Summary, disturbed};
pub use fact::{Fact, Gone};
pub use faults::{Injected, Injury};
pub(crate) use node::{Around, Node, Seat, Storage};
pub use node::{Held, NODE, carrier, decoded};
pub use plan::Plan;

use crate::checkers::Checkers;
use crate::exchange::{Exchange, Output, Ports, RtpOrder};
use clock::WallClock;
use driver::{Drivers, Whose};
use machine::Machine;
use network::Network;
pub use node::Disks;
use node::Own;
use outside::Outside;
use plan::BurstPlan;
use queue::Queue;
use sip::port::Peer;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// After everything is done a world goes on for so long: what lingers, lets go.
const REST: Duration = Duration::from_secs(100);
/// A world that has not come to rest by then never will: calls wait a week at most.
const LIFE_MAX: Duration = Duration::from_secs(30 * 24 * 3_600);
/// So many turns at one moment are a loop that never ends.
const TURNS_MAX: u32 = 200_000;
/// In a small world memory and log are compared after so many turns of the node.
const LOOK_EVERY: u64 = 211;
/// A disk that says no is repaired after so long.
const REPAIR: Duration = Duration::from_secs(5);
/// How many healthy starts in a row may fail.
const STARTS_MAX: u32 = 3;

/// A world.
pub struct World<F: Machine> {
    plan: Plan,
    disks: Disks<F>,
    node: Option<Node<Own<F>>>,
    life: u32,
    failed_starts: u32,
    wall: WallClock,
    wall_at_start: i64,
    frozen_until: Duration,
    stopped_for: Duration,
    /// What is the matter with the disk, when something is.
    disk_trouble: Option<Injury>,
    carriers: Vec<Carrier>,
    todo: Queue<Todo>,
    /// What the bursts are yet to give.
    bursts: Option<Bursts>,
    outside: Outside,
    /// When the world was hit by what may cost a call its end, from and to.
    disturbed: Vec<(Duration, Duration)>,
    /// When the node was gone, from and to.
    crashed: Vec<(Duration, Duration)>,
    calm_since: Option<Duration>,
    over: bool,
    node_turns: u64,
    /// After so many turns of the node memory and log are compared.
    look_every: u64,
    turns: (Duration, u32),
}

/// Lines of bursts, and when each is given.
type Bursts = Box<dyn Iterator<Item = (u32, Duration)> + Send>;

/// A carrier, and how far its book was read.
pub(crate) struct Carrier {
    pub address: SocketAddr,
    pub exchange: Exchange,
    read: u64,
    restarts: u64,
}

/// What is to be done at a moment.
enum Todo {
    /// The node starts.
    Start,
    /// A mishap, by its place in the plan.
    Mishap(usize),
    /// The disk is well again.
    DiskWell,
    /// A crash whose boundary never came is off.
    Disarm,
    /// A command is given.
    Give(Whose),
    /// The next command of the bursts is given.
    Burst(u32),
    /// A call is asked to end, by its command's place.
    End(usize),
}

struct Addresses {
    carrier: u8,
    next: u32,
}

impl Ports for Addresses {
    fn take(&mut self) -> Option<SocketAddr> {
        // Half a million addresses before one comes again.
        self.next = (self.next + 1) & 0x7_ffff;
        let [_, high, low, _] = (self.next >> 3).to_be_bytes();
        let last = (self.next >> 3) as u8;
        let port = 20_000 + 2 * (self.next & 7) as u16;
        let ip = Ipv4Addr::new(11 + (high & 3), self.carrier, low, last);
        Some(SocketAddr::new(IpAddr::V4(ip), port))
    }
}

impl<F: Machine> World<F> {
    /// A world that is about to begin.
    pub fn new(plan: Plan, disks: Disks<F>, checkers: Checkers) -> Self {
        let mut todo = Queue::default();
        todo.put(Duration::ZERO, Todo::Start);
        for (place, fault) in plan.faults.iter().enumerate() {
            todo.put(fault.at, Todo::Mishap(place));
        }
        for (place, call) in plan.calls.iter().enumerate() {
            todo.put(call.at, Todo::Give(Whose::Told(place)));
            if call.twice {
                todo.put(call.at, Todo::Give(Whose::Told(place)));
            }
            if let Some(end) = call.end {
                todo.put(end.at, Todo::End(place));
            }
        }
        let bursts = plan.bursts.as_ref().map(BurstPlan::each);
        let mut bursts: Option<Bursts> = bursts.map(|each| Box::new(each) as Bursts);
        if let Some((line, at)) = bursts.as_mut().and_then(Iterator::next) {
            todo.put(at, Todo::Burst(line));
        }
        let look_every = if Checkers::are_all(&plan) { LOOK_EVERY } else { u64::MAX };
        let carriers = (0..plan.gateways.len()).map(|place| Carrier::new(&plan, place, 0));
        Self {
            carriers: carriers.collect(),
            outside: Outside {
                at: Duration::ZERO,
                drivers: Drivers::new(&plan),
                network: Network::new(plan.seed, plan.weather),
                wire_is_watched: Checkers::are_all(&plan),
                checkers,
                injected: Injected::default(),
                armed: None,
                outages: BTreeMap::new(),
                failed: Vec::new(),
                deaths: BTreeMap::new(),
                messages: 0,
                ended: 0,
            },
            plan,
            disks,
            node: None,
            life: 0,
            failed_starts: 0,
            wall: WallClock::default(),
            wall_at_start: 0,
            frozen_until: Duration::ZERO,
            stopped_for: Duration::ZERO,
            disk_trouble: None,
            todo,
            bursts,
            disturbed: Vec::new(),
            crashed: Vec::new(),
            calm_since: None,
            over: false,
            node_turns: 0,
            look_every,
            turns: (Duration::ZERO, 0),
        }
    }

    /// Lets it go on until that moment, or until it has come to rest. Whether it has.
    pub fn run(&mut self, until: Duration) -> bool {
        while !self.over {
            let next = self.next();
            if next > until {
                return false;
            }
            self.step(next);
        }
        true
    }

    /// The moment.
    pub fn at(&self) -> Duration {
        self.outside.at
    }

    /// Whether it has come to rest.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// How many calls have ended.
    pub fn ended(&self) -> u64 {
        self.outside.ended
    }

    /// When something happens next.
    pub fn next_at(&self) -> Duration {
        self.next()
    }

    fn next(&self) -> Duration {
        let at = self.outside.at;
        let node = self.node.as_ref().and_then(|node| node.next(at));
        let node = node.map(|next| next.max(self.frozen_until));
        let rest = self.calm_since.map(|since| since + REST);
        let carriers = self.carriers.iter().filter_map(|carrier| carrier.exchange.due());
        let others = [self.outside.network.next_at(), self.todo.next_at(), node, rest];
        let next = others.into_iter().flatten().chain(carriers).min();
        next.unwrap_or(LIFE_MAX).max(at)
    }

    /// Everything that happens at a moment.
    fn step(&mut self, at: Duration) {
        self.outside.at = at;
        self.mind_progress(at);
        while let Some(todo) = self.todo.take(at) {
            self.do_todo(todo, at);
        }
        self.deliver(at);
        for place in 0..self.carriers.len() {
            self.carriers[place].exchange.wake(at);
            self.drain_carrier(place, at);
        }
        self.turn_node(at);
        self.look_for_rest(at);
    }

    fn mind_progress(&mut self, at: Duration) {
        self.turns = if self.turns.0 == at { (at, self.turns.1 + 1) } else { (at, 0) };
        if self.turns.1 > TURNS_MAX || at >= LIFE_MAX {
            let what = match at >= LIFE_MAX {
                true => format!("{} calls have not ended", self.unfinished()),
                false => format!("time stands still: {}", self.whats_next()),
            };
            self.outside.checkers.found("the world comes to rest", at, what);
            self.over = true;
        }
    }

    /// Who wants to go on, for the case that nobody gets anywhere.
    fn whats_next(&self) -> String {
        let at = self.outside.at;
        let node = self.node.as_ref().map(|node| node.wants(at));
        let carriers: Vec<_> = self.carriers.iter().map(|carrier| carrier.exchange.due()).collect();
        format!(
            "network {:?}, to do {:?}, node {node:?}, carriers {carriers:?}",
            self.outside.network.next_at(),
            self.todo.next_at()
        )
    }

    fn unfinished(&self) -> usize {
        self.node.as_ref().map_or(0, |node| node.board().live())
    }

    fn deliver(&mut self, at: Duration) {
        while let Some(packet) = self.outside.network.take(at) {
            let from = Peer { transport: packet.transport, address: packet.from };
            if packet.to == NODE {
                self.outside.arrives(&packet);
                if let Some(node) = &mut self.node {
                    node.receive(at, from, &packet.bytes);
                    let reached = Around::reached(&mut self.outside, plan::Boundary::Receive);
                    self.mind_death(reached, at);
                }
                continue;
            }
            let place = self.carriers.iter().position(|carrier| carrier.address == packet.to);
            if let Some(place) = place {
                self.carriers[place].exchange.receive(from, &packet.bytes, at);
                self.drain_carrier(place, at);
            }
        }
    }

    fn drain_carrier(&mut self, place: usize, at: Duration) {
        let carrier = &mut self.carriers[place];
        let address = carrier.address;
        for output in carrier.exchange.outputs() {
            match output {
                Output::Transmit { to, bytes } => self.outside.carrier_sends(address, to, bytes),
                Output::Rtp(order) => carrier_audio(&mut self.node, &order, at),
            }
        }
        let checkers = &mut self.outside.checkers;
        self.carriers[place].tell_books(|entry| {
            checkers.see(at, &Fact::Booked { gateway: place, entry });
        });
    }

    fn turn_node(&mut self, at: Duration) {
        if at < self.frozen_until {
            return;
        }
        let Some(node) = &mut self.node else { return };
        if !node.is_due(at) {
            return;
        }
        let turned = node.turn(at, &mut self.outside);
        self.node_turns += 1;
        if turned.is_err() || self.node_turns.is_multiple_of(self.look_every) {
            self.look();
        }
        self.mind_death(turned, at);
        for peer in std::mem::take(&mut self.outside.failed) {
            self.outside.injected.count(Injury::TransportFailed);
            self.outside.checkers.see(at, &Fact::Unreachable(peer.address));
            if let Some(node) = &mut self.node {
                node.transport_failed(at, peer);
            }
        }
        for (later, whose) in self.outside.drivers.again() {
            self.todo.put(at + later, Todo::Give(whose));
        }
    }

    /// Shows memory and log to who wants to compare them.
    pub fn look(&mut self) {
        let Some(node) = &self.node else { return };
        let still = |(id, call, moves): (_, _, bool)| (!moves).then_some((id, call));
        let calls: Vec<_> = node.board().calls().filter_map(still).collect();
        let fact = Fact::Looked { log: node.reader(), calls: &calls, held: &node.held() };
        self.outside.checkers.see(self.outside.at, &fact);
    }

    /// Everything was asked for, answered and done, and nothing more is to come.
    fn look_for_rest(&mut self, at: Duration) {
        let node_rests = self.node.as_ref().is_some_and(Node::is_idle);
        let calm = node_rests
            && self.todo.is_empty()
            && self.outside.drivers.are_done()
            && self.outside.armed.is_none();
        if !calm {
            self.calm_since = None;
            return;
        }
        let since = *self.calm_since.get_or_insert(at);
        self.over |= at >= since + REST;
    }
}

fn carrier_audio<S: Storage>(node: &mut Option<Node<S>>, order: &RtpOrder, at: Duration) {
    let Some(node) = node else { return };
    if let Some((stream, digits)) = node.media.carrier(order, at) {
        node.press(at, stream, digits);
    }
}
