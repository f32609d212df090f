//! Several nodes on one log: a group gives them partitions of the work, commands stand in a topic,
//! and a relay tells the log to another. Nodes die, stand still and wake up late, brokers are away,
//! partitions move with their calls. As `world`, and what is for one node alone is not here.

mod group;
pub mod log;
mod member;
pub mod topics;

#[cfg(test)]
mod tests;

use crate::checkers::{Checker, Checkers, Violation};
use crate::exchange::Output;
use crate::seed::Dice;
use crate::world::driver::{Whose, command};
use crate::world::faults::{Injected, Injury};
use crate::world::network::Network;
use crate::world::plan::{Plan, Together};
use crate::world::queue::Queue;
use crate::world::{Carrier, Ending, Fact, Gone, Node, Seat, Summary, Sums};
use log::{CommonLog, recorded};
use member::{Common, Member};
use schemas::Pseudonyms;
use std::collections::BTreeMap;
use std::time::Duration;
use store::keys::{CalleeSecret, Keyring, NodeVault};
use topics::{Events, Fenced, Relay, Work, partition_of};

/// A node that is not heard of for so long has left the group.
const SESSION: Duration = Duration::from_secs(10);
/// So long a partition that is to move is waited for.
const LEAVE_WITHIN: Duration = Duration::from_secs(240);
/// How often a node commits, more often than in life so that more comes between, and asks the store
/// whether what it owns is its own.
const COMMIT_EVERY: Duration = Duration::from_millis(250);
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often a relay moves while there is something to tell.
const RELAY_EVERY: Duration = Duration::from_millis(40);
/// And while there is none.
const RELAY_WAITS: Duration = Duration::from_millis(100);
/// After everything is done they go on for so long.
const REST: Duration = Duration::from_secs(100);
/// What has not come to rest by then never will.
const LIFE_MAX: Duration = Duration::from_secs(24 * 3_600);
/// A mishap costs calls their ends for so long: 64*T1 and a bit.
const AFTERMATH: Duration = Duration::from_secs(40);
/// So many turns at one moment are a loop that never ends.
const TURNS_MAX: u32 = 200_000;

/// Nodes that share a log.
pub struct Cluster {
    plan: Plan,
    together: Together,
    log: CommonLog,
    members: Vec<Member>,
    carriers: Vec<Carrier>,
    common: Common,
    work: Work,
    events: Events,
    /// Whom the group has given each partition to.
    owners: BTreeMap<u32, usize>,
    /// Partitions that are to move: to whom, and until when their calls may go on.
    leaving: BTreeMap<u32, (usize, Duration)>,
    todo: Queue<Todo>,
    brokers_away_until: Duration,
    disturbed: Vec<(Duration, Duration)>,
    crashed: Vec<(Duration, Duration)>,
    calm_since: Option<Duration>,
    turns: (Duration, u32),
    dice: Dice,
    over: bool,
}

enum Todo {
    Start(usize),
    Produce(usize),
    Trouble(usize),
    Disarm(usize),
    /// The group has not heard of this process for too long.
    Missed(usize, u32),
    /// A node that stood still hears what the group did meanwhile.
    Wake(usize, u32),
    Commit(usize, u32),
    Look(usize, u32),
    Relay(usize, u32),
}

/// Runs a plan of several nodes to its end; `listener` hears what happens.
pub fn run(plan: &Plan, listener: Option<Box<dyn Checker>>) -> Summary {
    let Some(together) = plan.together.clone() else { return Summary::default() };
    let mut cluster = Cluster::new(plan, together);
    if let Some(listener) = listener {
        cluster.common.checkers.listen(listener);
    }
    while !cluster.over {
        let next = cluster.next();
        cluster.step(next);
    }
    cluster.close()
}

impl Cluster {
    fn new(plan: &Plan, together: Together) -> Self {
        let mut todo = Queue::default();
        let members = (0..together.nodes).map(|place| {
            todo.put(Duration::ZERO, Todo::Start(place.into()));
            let seat = Seat { plan, place, life: 0, at: Duration::ZERO };
            Member::new(seat.address(), Checkers::of_one_among_many(plan))
        });
        let members: Vec<Member> = members.collect();
        for (place, call) in plan.calls.iter().enumerate() {
            for nth in 0..=u32::from(call.repeats) + u32::from(call.twice) {
                let later = Duration::from_millis(700) * nth * u32::from(!call.twice || nth > 1);
                todo.put(call.at + later, Todo::Produce(place));
            }
        }
        for (place, trouble) in together.troubles.iter().enumerate() {
            todo.put(trouble.at, Todo::Trouble(place));
        }
        let common = Common {
            at: Duration::ZERO,
            network: Network::new(plan.seed, plan.weather),
            checkers: Checkers::of_many(plan),
            injected: Injected::default(),
            messages: 0,
        };
        let owners = (0..together.partitions)
            .map(|partition| (partition, partition as usize % usize::from(together.nodes)));
        Self {
            owners: owners.collect(),
            carriers: (0..plan.gateways.len()).map(|place| Carrier::new(plan, place, 0)).collect(),
            dice: Dice::new(plan.seed ^ 0x70_67_65),
            plan: plan.clone(),
            together,
            log: CommonLog::default(),
            members,
            common,
            work: Work::default(),
            events: Events::default(),
            leaving: BTreeMap::new(),
            todo,
            brokers_away_until: Duration::ZERO,
            disturbed: Vec::new(),
            crashed: Vec::new(),
            calm_since: None,
            turns: (Duration::ZERO, 0),
            over: false,
        }
    }

    fn next(&self) -> Duration {
        let at = self.common.at;
        let nodes = self.members.iter().filter_map(|member| {
            let next = member.node.as_ref()?.next(at)?;
            Some(next.max(member.paused_until))
        });
        let carriers = self.carriers.iter().filter_map(|carrier| carrier.exchange.due());
        let rest = self.calm_since.map(|since| since + REST);
        let others = [self.common.network.next_at(), self.todo.next_at(), rest];
        let next = others.into_iter().flatten().chain(nodes).chain(carriers).min();
        next.unwrap_or(LIFE_MAX).max(at)
    }

    fn step(&mut self, at: Duration) {
        self.common.at = at;
        self.turns = if self.turns.0 == at { (at, self.turns.1 + 1) } else { (at, 0) };
        if self.turns.1 > TURNS_MAX || at >= LIFE_MAX {
            let what = format!("{}: it does not", self.whats_left());
            self.common.checkers.found("the world comes to rest", at, what);
            self.over = true;
            return;
        }
        while let Some(todo) = self.todo.take(at) {
            self.act(todo, at);
        }
        self.deliver(at);
        for place in 0..self.carriers.len() {
            self.carriers[place].exchange.wake(at);
            self.drain_carrier(place, at);
        }
        for place in 0..self.members.len() {
            self.turn(place, at);
        }
        self.let_go(at);
        self.look_for_rest(at);
    }

    fn whats_left(&self) -> String {
        let live = self.members.iter().filter_map(|member| member.node.as_ref());
        let live: Vec<usize> = live.map(|node| node.board().live()).collect();
        format!("{live:?} calls are up, the work is done: {}", self.work.is_done())
    }

    fn act(&mut self, todo: Todo, at: Duration) {
        match todo {
            Todo::Start(place) => self.start(place, at),
            Todo::Produce(place) => self.produce(place, at),
            Todo::Trouble(place) => self.trouble(place, at),
            Todo::Disarm(place) => self.members[place].side.armed = None,
            Todo::Missed(place, life) => {
                let member = &self.members[place];
                if member.life == life && !member.is_up(at) {
                    self.missed(place, at);
                }
            }
            Todo::Wake(place, life) if self.is_up(place, life, at) => self.hear_of_group(place, at),
            Todo::Commit(place, life) if self.members[place].life == life => {
                self.todo.put(at + COMMIT_EVERY, Todo::Commit(place, life));
                if self.members[place].is_up(at) && at >= self.brokers_away_until {
                    self.commit(place, None);
                }
            }
            Todo::Look(place, life) if self.members[place].life == life => {
                self.todo.put(at + LOOK_EVERY, Todo::Look(place, life));
                if self.members[place].is_up(at) {
                    self.members[place].look(&self.log, at);
                    self.show(place);
                }
            }
            Todo::Relay(place, life) if self.members[place].life == life => self.relay(place, at),
            Todo::Wake(..) | Todo::Commit(..) | Todo::Look(..) | Todo::Relay(..) => {}
        }
    }

    fn is_up(&self, place: usize, life: u32, at: Duration) -> bool {
        self.members[place].life == life && self.members[place].is_up(at)
    }

    fn produce(&mut self, place: usize, at: Duration) {
        if at < self.brokers_away_until {
            return self.todo.put(at + Duration::from_secs(1), Todo::Produce(place));
        }
        let command = command(Whose::Told(place), &self.plan.calls[place]);
        let partition = partition_of(callee_key(&command.phone), self.together.partitions);
        self.common.checkers.see(at, &Fact::Given(&command, 1));
        self.work.put(partition, command);
    }

    fn relay(&mut self, place: usize, at: Duration) {
        let member = &mut self.members[place];
        let life = member.life;
        if at < member.paused_until {
            return self.todo.put(member.paused_until, Todo::Relay(place, life));
        }
        let is_done = member.relay.as_ref().is_none_or(|relay| relay.is_done(&self.log));
        let next = if is_done { RELAY_WAITS } else { RELAY_EVERY };
        self.todo.put(at + next, Todo::Relay(place, life));
        if at < self.brokers_away_until || !member.reading.contains_key(&0) {
            return;
        }
        let relay = match &mut member.relay {
            Some(relay) => relay,
            none => {
                let dice = Dice::new(self.dice.roll());
                none.insert(Relay::begin(&self.together, &mut self.events, dice))
            }
        };
        if let Err(Fenced) = relay.step(&self.log, &mut self.events) {
            self.common.injected.count(Injury::Fenced);
            member.relay = None;
        }
        for topics::Message { callee, call, sequence, .. } in self.events.fresh() {
            self.common.checkers.see(at, &Fact::Told { callee, call, sequence });
        }
    }

    fn deliver(&mut self, at: Duration) {
        while let Some(packet) = self.common.network.take(at) {
            if let Some(member) = self.members.iter_mut().find(|one| one.address == packet.to) {
                if at < member.paused_until {
                    member.held_back.push(packet);
                    continue;
                }
                member.arrive(&mut self.common, &packet);
                continue;
            }
            let place = self.carriers.iter().position(|carrier| carrier.address == packet.to);
            if let Some(place) = place {
                let from = sip::port::Peer { transport: packet.transport, address: packet.from };
                self.carriers[place].exchange.receive(from, &packet.bytes, at);
                self.drain_carrier(place, at);
            }
        }
    }

    fn drain_carrier(&mut self, place: usize, at: Duration) {
        let carrier = &mut self.carriers[place];
        let from = carrier.address;
        for output in carrier.exchange.outputs() {
            match output {
                Output::Transmit { to, bytes } => {
                    self.common.messages += 1;
                    let (to, transport) = (to.address, to.transport);
                    let packet = crate::world::network::Packet { from, to, transport, bytes };
                    self.common.network.send(at, packet, &mut self.common.injected);
                }
                Output::Rtp(order) => {
                    let nodes = self.members.iter_mut().filter_map(|one| one.node.as_mut());
                    for node in nodes {
                        if let Some((stream, digits)) = node.media.carrier(&order, at) {
                            node.press(at, stream, digits);
                        }
                    }
                }
            }
        }
        let checkers = &mut self.common.checkers;
        self.carriers[place].tell_books(|entry| {
            checkers.see(at, &Fact::Booked { gateway: place, entry });
        });
    }

    fn turn(&mut self, place: usize, at: Duration) {
        let member = &mut self.members[place];
        if !member.is_up(at) {
            return;
        }
        for packet in std::mem::take(&mut member.held_back) {
            member.arrive(&mut self.common, &packet);
        }
        if at >= self.brokers_away_until {
            let reading: Vec<(u32, i64)> =
                member.reading.iter().map(|(id, next)| (*id, *next)).collect();
            for (partition, mut next) in reading {
                while let (true, Some(command)) =
                    (member.has_room(), self.work.read(partition, next))
                {
                    let command = command.clone();
                    member.take(partition, next, &command, at);
                    next += 1;
                }
                member.reading.insert(partition, next);
            }
        }
        if let Err(gone) = member.turn(&mut self.common) {
            self.died(place, &gone, at);
        }
    }

    fn died(&mut self, place: usize, gone: &Gone, at: Duration) {
        let member = &mut self.members[place];
        let down = member.side.armed.map_or(Duration::from_secs(1), |(_, down)| down);
        match gone {
            Gone::Died { .. } => self.common.injected.count(Injury::Died),
            Gone::Stopped => self.common.injected.count(Injury::Stopped),
            Gone::Broken(why) => {
                let what = why.clone();
                self.common.checkers.found("a healthy node never stops", at, what);
            }
        }
        member.side.checkers.see(at, &Fact::Gone(gone));
        member.forget_all();
        self.crashed.push((at, at + down.max(SESSION)));
        self.todo.put(at + down, Todo::Start(place));
        self.todo.put(at + SESSION, Todo::Missed(place, member.life));
    }

    /// Shows memory and log, of a node that is not behind; and the log to who follows it.
    fn show(&mut self, place: usize) {
        let held = crate::world::Held::default();
        let fact = Fact::Looked { log: &self.log.events, calls: &[], held: &held };
        self.common.checkers.see(self.common.at, &fact);
        let member = &mut self.members[place];
        let Some(node) = &member.node else { return };
        if member.owned.iter().any(|(partition, ours)| self.log.epoch(*partition) != *ours) {
            return;
        }
        let still = |(id, call, moves): (_, _, bool)| (!moves).then_some((id, call));
        let calls: Vec<_> = node.board().calls().filter_map(still).collect();
        let fact = Fact::Looked { log: node.reader(), calls: &calls, held: &node.held() };
        member.side.checkers.see(self.common.at, &fact);
    }

    fn look_for_rest(&mut self, at: Duration) {
        let idle = |member: &Member| match &member.node {
            Some(node) => member.is_up(at) && node.is_idle(),
            None => false,
        };
        let told = self.members.iter().filter_map(|member| member.relay.as_ref());
        let is_told = told.clone().count() > 0 && told.clone().all(|it| it.is_done(&self.log));
        let last = self.together.troubles.iter().map(|trouble| trouble.at).max();
        let last = last.max(self.plan.calls.iter().map(|call| call.at).max()).unwrap_or_default();
        let calm = at > last + Duration::from_secs(5)
            && self.leaving.is_empty()
            && self.work.is_done()
            && is_told
            && self.members.iter().all(idle);
        if !calm {
            self.calm_since = None;
            return;
        }
        let since = *self.calm_since.get_or_insert(at);
        self.over |= at >= since + REST;
    }

    fn close(mut self) -> Summary {
        let at = self.common.at;
        (0..self.members.len()).for_each(|place| self.show(place));
        let mut sums = Sums::default();
        for stored in self.log.all() {
            sums.take(&stored);
            if let Some(event) = recorded(&stored) {
                self.common.checkers.reread(&event, &stored.encoded.body);
            }
        }
        let open_entries = self.carriers.iter().enumerate().flat_map(|(place, carrier)| {
            carrier.open_entries().into_iter().map(move |entry| (place, entry))
        });
        let open_entries: Vec<_> = open_entries.collect();
        let injected = &mut self.common.injected;
        injected.add(Injury::Fenced, self.log.fenced());
        self.carriers.iter().for_each(|carrier| carrier.count_manners(injected));
        let (mut violations, mut violation_count): (Vec<Violation>, u64) = (Vec::new(), 0);
        let (plan, disturbed, crashed) = (&self.plan, &self.disturbed[..], &self.crashed[..]);
        for member in &mut self.members {
            let held = member.node.as_ref().map(Node::held).unwrap_or_default();
            let open_entries = Vec::new();
            let ending = Ending { at, plan, held, open_entries, disturbed, crashed };
            member.side.checkers.close(&ending);
            let (found, count) = member.side.checkers.findings();
            violations.extend(found.iter().cloned());
            violation_count += count;
        }
        let held = crate::world::Held::default();
        let ending = Ending { at, plan, held, open_entries, disturbed, crashed };
        self.common.checkers.close(&ending);
        let (found, count) = self.common.checkers.findings();
        violations.extend(found.iter().cloned());
        violations.sort_by_key(|violation| violation.at);
        sums.summary(Summary {
            worlds: 1,
            messages: self.common.messages,
            lasted: at,
            violations,
            violation_count: violation_count + count,
            injected: self.common.injected,
            ..Summary::default()
        })
    }
}

/// Whose number this is, for who keys commands.
fn callee_key(phone: &str) -> schemas::CalleeKey {
    let secret = CalleeSecret::new(b"the world's callee secret, the same for all");
    NodeVault { keyring: Keyring::from_seed(0, 0), secret }.callee_key(phone)
}
