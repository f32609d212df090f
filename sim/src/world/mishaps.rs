//! What goes wrong, done when its moment comes; and how a node ends and starts again.

use super::driver::Whose;
use super::faults::{Injected, Injury};
use super::machine::Machine;
use super::node::{Around, Birth, Disks, Node};
use super::outside::Armed;
use super::plan::{Boundary, Mishap};
use super::{Carrier, Fact, Gone, REPAIR, STARTS_MAX, Todo, World, carrier};
use crate::callee::{Mix, Share};
use crate::exchange::{Exchange, Faults, Options};
use crate::ledger::Entry;
use crate::world::plan::Plan;
use schemas::CommandId;
use schemas::commands::EndCall;
use std::time::Duration;
use store::disk::Faults as DiskFaults;
use switchboard::{Input, Ticket};

/// A mishap costs calls their ends for as long as anybody waits for an answer: 64*T1 and a bit.
const AFTERMATH: Duration = Duration::from_secs(40);

/// Plans of callees and carriers that come badly, as the number grammar names them.
const BAD_MANNERS: [&str; 19] = [
    "silence",
    "sdp-unreadable",
    "sdp-missing",
    "sdp-other-codec",
    "sdp-refused",
    "no-contact",
    "answer-repeated",
    "fork-answers-twice",
    "late-ringing",
    "late-answer",
    "crossing-answer",
    "no-487",
    "deaf-to-cancel",
    "denies-cancel",
    "busy-after-cancel",
    "deaf-to-bye",
    "denies-bye",
    "deaf-to-ack",
    "busy-repeated",
];

impl Carrier {
    /// A carrier of the plan, after so many restarts.
    pub fn new(plan: &Plan, place: usize, restarts: u64) -> Self {
        let address = carrier(place);
        let of = &plan.gateways[place];
        let login = crate::callee::Scheme::Md5;
        let challenge = crate::callee::Challenge {
            www: of.challenges.then_some(login),
            ..crate::callee::Challenge::default()
        };
        let options = Options {
            // Every carrier knows the callees by the same seed: a number behaves alike on all.
            seed: plan.seed,
            begins_at: plan.begins_at,
            mix: plan.congested.map_or_else(Mix::default, |parts| {
                Mix::default().with_part(Share::Congested, parts)
            }),
            faults: Faults {
                invites_per_second: of.takes_per_second,
                refusals_per_10_000: of.refuses,
                ..Faults::default()
            },
            challenge,
            call_max: Duration::from_secs(1 << 30),
            calls_max: 1 << 20,
            entries_max: 4_096,
            ..Options::new(address)
        };
        let ports = super::Addresses { carrier: place as u8, next: (restarts as u32) << 12 };
        Self { address, exchange: Exchange::new(options, Box::new(ports)), read: 0, restarts }
    }
}

impl Carrier {
    /// Shows what it has closed its book on since it was asked last.
    pub fn tell_books(&mut self, mut see: impl FnMut(&Entry)) {
        let ledger = self.exchange.ledger();
        if ledger.put_away_count() > self.read {
            ledger.done_since(self.read).for_each(&mut see);
            self.read = ledger.put_away_count();
        }
    }

    /// What it knows of INVITEs that are not closed.
    pub fn open_entries(&self) -> Vec<Entry> {
        let done = self.exchange.ledger().done().count();
        self.exchange.entries().into_iter().skip(done).collect()
    }

    /// Counts what it and its callees did that comes badly.
    pub fn count_manners(&self, injected: &mut Injected) {
        for (plan, count) in self.exchange.totals().plans {
            match plan {
                "over-limit" => injected.add(Injury::OverLimit, count),
                "no-way" => injected.add(Injury::NoWay, count),
                _ if BAD_MANNERS.contains(&plan) => injected.add(Injury::BadManners, count),
                _ => {}
            }
        }
    }
}

impl<F: Machine> World<F> {
    pub(super) fn do_todo(&mut self, todo: Todo, at: Duration) {
        match todo {
            Todo::Start => self.start_node(at),
            Todo::Mishap(place) => self.mishap(place, at),
            Todo::Disarm => self.outside.armed = None,
            // What was written while it was ill may still stop the node.
            Todo::DiskWell => self.set_disk(DiskFaults::default()),
            Todo::Give(whose) => self.give(whose, at),
            Todo::Burst(line) => {
                self.give(Whose::Made(line), at);
                if let Some((line, at)) = self.bursts.as_mut().and_then(Iterator::next) {
                    self.todo.put(at, Todo::Burst(line));
                }
            }
            Todo::End(place) => {
                let call = self.outside.drivers.call(place);
                let only_unanswered =
                    self.plan.calls[place].end.is_some_and(|end| end.only_unanswered);
                let command_id = CommandId::new(&format!("e{place}")).expect("a letter and digits");
                let end = EndCall { command_id, call, of: None, only_unanswered };
                if let Some(node) = &mut self.node {
                    node.hand(at, Input::End(Ticket(u64::MAX), end));
                }
            }
        }
    }

    fn give(&mut self, whose: Whose, at: Duration) {
        if self.node.is_none() {
            // Nobody is there to take it.
            self.todo.put(at + Duration::from_secs(1), Todo::Give(whose));
            return;
        }
        let reached = self.outside.reached(Boundary::Command);
        if reached.is_err() {
            self.todo.put(at + Duration::from_secs(1), Todo::Give(whose));
            return self.mind_death(reached, at);
        }
        let (command, nth) = self.outside.drivers.give(whose);
        let command = command.clone();
        if nth > 1 {
            self.outside.injected.count(Injury::CommandRepeated);
        }
        self.outside.checkers.see(at, &Fact::Given(&command, nth));
        if let Some(node) = &mut self.node {
            node.place(at, &command);
        }
    }

    fn mishap(&mut self, place: usize, at: Duration) {
        let mishap = self.plan.faults[place].what.clone();
        match mishap {
            Mishap::Crash { before, power, down } => {
                self.outside.armed = Some(Armed { before, power, down });
                // A node that has nothing to do never comes to that boundary.
                self.todo.put(at + Duration::from_secs(20), Todo::Disarm);
            }
            Mishap::Stop { down } => {
                if let Some(node) = &mut self.node {
                    node.hand(at, Input::ShutDown);
                    self.stopped_for = down;
                    self.disturb(at, at + down + AFTERMATH);
                }
            }
            Mishap::Freeze(span) => {
                self.outside.injected.count(Injury::Frozen);
                self.frozen_until = self.frozen_until.max(at + span);
                self.disturb(at, at + span + AFTERMATH);
            }
            Mishap::Clock(ahead_ms) => self.wall.ahead_ms = ahead_ms,
            Mishap::Outage { gateway, told, lasts } => {
                self.outside.outages.insert(carrier(gateway), (at + lasts, told));
                self.disturb(at, at + lasts + AFTERMATH);
            }
            Mishap::CarrierRestart(place) => self.restart_carrier(place, at),
            Mishap::SlowDisk(lasts) => {
                if let Some(node) = &mut self.node {
                    node.slow_until = at + lasts;
                }
                self.disturb(at, at + lasts + AFTERMATH);
            }
            Mishap::FailedSync => {
                self.disk_trouble.get_or_insert(Injury::FailedSync);
                self.set_disk(DiskFaults { failed_sync_one_in: 1, ..DiskFaults::default() });
            }
            Mishap::ShortWrites(lasts) => {
                self.outside.injected.count(Injury::ShortWrite);
                self.set_disk(DiskFaults { short_write_one_in: 2, ..DiskFaults::default() });
                self.todo.put(at + lasts, Todo::DiskWell);
            }
            Mishap::FullDisk(lasts) => {
                self.disk_trouble.get_or_insert(Injury::DiskFull);
                self.set_disk(DiskFaults { capacity_bytes: 1, ..DiskFaults::default() });
                self.todo.put(at + lasts, Todo::DiskWell);
            }
            Mishap::DeadDisk(operations) => {
                self.disk_trouble = Some(Injury::DiskDied);
                self.disks.log.die_after(operations.into());
            }
        }
    }

    fn restart_carrier(&mut self, place: usize, at: Duration) {
        let Some(old) = self.carriers.get(place) else { return };
        let restarts = old.restarts + 1;
        old.count_manners(&mut self.outside.injected);
        self.carriers[place] = Carrier::new(&self.plan, place, restarts);
        self.outside.injected.count(Injury::CarrierRestarted);
        self.disturb(at, at + AFTERMATH);
    }

    fn set_disk(&self, faults: DiskFaults) {
        self.disks.log.set_faults(faults);
    }

    fn disturb(&mut self, from: Duration, to: Duration) {
        // A call is up for a minute or two before, and is hit as well.
        self.disturbed.push((from, to));
    }

    /// The node has come to an end, or has not.
    pub(super) fn mind_death(&mut self, turned: Result<(), Gone>, at: Duration) {
        let Err(gone) = turned else { return };
        let node = self.node.take();
        let mut down = REPAIR;
        let mut power = false;
        match &gone {
            Gone::Died { before, power: cut } => {
                *self.outside.deaths.entry(*before).or_default() += 1;
                power = *cut;
                self.outside.injected.count(if power { Injury::PowerCut } else { Injury::Died });
                if let Some(armed) = self.outside.armed.take() {
                    down = armed.down;
                }
            }
            Gone::Broken(why) => self.broke(why, at),
            Gone::Stopped => {
                self.outside.injected.count(Injury::Stopped);
                down = self.stopped_for;
                if let Some(Err(Gone::Broken(why))) = node.map(Node::close) {
                    self.broke(&why, at);
                }
                self.node = None;
            }
        }
        self.outside.checkers.see(at, &Fact::Gone(&gone));
        // A disk that broke in the middle lost its power as often as not.
        let power = power || matches!(&gone, Gone::Broken(why) if why.len() % 2 == 0);
        self.disks = Disks {
            log: self.disks.log.crash(power),
            keys: self.disks.keys.as_ref().map(|keys| keys.crash(power)),
        };
        self.disk_trouble = None;
        self.set_disk(DiskFaults::default());
        self.crashed.push((at, at + down));
        self.todo.put(at + down, Todo::Start);
    }

    fn broke(&mut self, why: &str, at: Duration) {
        match self.disk_trouble.take() {
            Some(trouble) => self.outside.injected.count(trouble),
            None => {
                let what = why.to_owned();
                self.outside.checkers.found("a healthy disk never stops a node", at, what);
            }
        }
    }

    fn start_node(&mut self, at: Duration) {
        if self.node.is_some() {
            return;
        }
        self.life += 1;
        if self.wall.ahead_ms != self.wall_at_start {
            self.outside.injected.count(Injury::ClockSet);
            self.wall_at_start = self.wall.ahead_ms;
        }
        let (plan, disks, life, wall) = (&self.plan, &self.disks, self.life, self.wall);
        match Node::start(&Birth { plan, disks, life, at, wall }) {
            Ok((node, unfinished)) => {
                self.failed_starts = 0;
                let started = Fact::Started { life, unfinished };
                self.outside.checkers.see(at, &started);
                self.outside.drivers.engine_started();
                self.node = Some(node);
                self.turn_node(at);
            }
            Err(gone) => {
                self.failed_starts += u32::from(self.disk_trouble.is_none());
                if self.failed_starts >= STARTS_MAX {
                    let what = format!("{gone:?}");
                    self.outside.checkers.found("a node starts again after every crash", at, what);
                    self.over = true;
                    return;
                }
                self.mind_death(Err(gone), at);
            }
        }
    }
}
