//! The group that gives partitions of the work to nodes, and what goes wrong among them: as the
//! brokers' documentation has it, for members that keep a partition until its calls have ended.

use super::log::Shared;
use super::{
    AFTERMATH, COMMIT_EVERY, Cluster, LEAVE_WITHIN, LOOK_EVERY, RELAY_EVERY, SESSION, Todo,
};
use crate::seed::Dice;
use crate::world::faults::Injury;
use crate::world::plan::Kind;
use crate::world::{Node, Seat};
use std::time::Duration;
use switchboard::{GiveUp, Input};

impl Cluster {
    pub(super) fn start(&mut self, place: usize, at: Duration) {
        let member = &mut self.members[place];
        if member.node.is_some() {
            return;
        }
        member.life += 1;
        let life = member.life;
        let seat = Seat { plan: &self.plan, place: place as u8, life, at };
        let dice = Dice::new(self.plan.seed ^ (place as u64) << 32 ^ u64::from(life));
        member.node = Some(Node::join(&seat, Shared::new(self.log.clone(), dice)));
        member.paused_until = at;
        // The group knows it by its name: it gets what it had, or what nobody has.
        let is_mine = |owner: usize| owner == place || !self.members[owner].is_up(at);
        let own: Vec<u32> =
            self.owners.iter().filter(|(_, owner)| is_mine(**owner)).map(|(id, _)| *id).collect();
        for partition in own {
            let is_first = life == 1 && self.owners[&partition] != place;
            if !is_first {
                self.assign(partition, place, at);
            }
        }
        for (every, todo) in [
            (COMMIT_EVERY, Todo::Commit(place, life)),
            (LOOK_EVERY, Todo::Look(place, life)),
            (RELAY_EVERY, Todo::Relay(place, life)),
        ] {
            self.todo.put(at + every, todo);
        }
    }

    pub(super) fn assign(&mut self, partition: u32, to: usize, at: Duration) {
        if self.members[to].reading.contains_key(&partition) {
            // It had it before and was not heard of: it hears so first.
            self.members[to].went(partition, at);
        }
        self.owners.insert(partition, to);
        self.leaving.remove(&partition);
        let from = self.work.committed(partition);
        self.members[to].own(partition, from, at);
    }

    pub(super) fn trouble(&mut self, place: usize, at: Duration) {
        match self.together.troubles[place].what {
            Kind::Crash { node, before, down } => {
                let node = usize::from(node) % self.members.len();
                self.members[node].side.armed = Some((before, down));
                self.todo.put(at + Duration::from_secs(20), Todo::Disarm(node));
            }
            Kind::Pause { node, lasts } => {
                let node = usize::from(node) % self.members.len();
                let member = &mut self.members[node];
                if !member.is_up(at) {
                    return;
                }
                member.paused_until = at + lasts;
                let life = member.life;
                self.common.injected.count(Injury::Frozen);
                self.disturbed.push((at, at + lasts + AFTERMATH));
                self.todo.put(at + SESSION, Todo::Missed(node, life));
                let hears = Duration::from_millis(self.dice.below(3_000));
                self.todo.put(at + lasts + hears, Todo::Wake(node, life));
            }
            Kind::Move { partition, to } => {
                let partition = partition % self.together.partitions;
                let (to, from) = (usize::from(to) % self.members.len(), self.owners[&partition]);
                let both = self.members[to].is_up(at) && self.members[from].is_up(at);
                if to == from || !both || self.leaving.contains_key(&partition) {
                    return;
                }
                self.common.injected.count(Injury::PartitionMoved);
                self.leaving.insert(partition, (to, at + LEAVE_WITHIN));
                self.members[from].given_up.remove(&partition);
                if let Some(node) = &mut self.members[from].node {
                    node.hand(at, Input::GiveUp(partition, GiveUp::Drain));
                }
            }
            Kind::BrokersAway(lasts) => {
                self.common.injected.count(Injury::BrokersAway);
                self.brokers_away_until = self.brokers_away_until.max(at + lasts);
            }
            Kind::RelayDies => {
                let relays = self.members.iter_mut().filter_map(|member| member.relay.take());
                for _ in relays {
                    self.common.injected.count(Injury::RelayDied);
                }
            }
        }
    }

    /// The group gives what a node had to the others.
    pub(super) fn missed(&mut self, place: usize, at: Duration) {
        let others: Vec<usize> =
            (0..self.members.len()).filter(|other| self.members[*other].is_up(at)).collect();
        if others.is_empty() {
            return;
        }
        let had = self.owners.iter().filter(|(_, owner)| **owner == place);
        let had: Vec<u32> = had.map(|(partition, _)| *partition).collect();
        for partition in had {
            self.common.injected.count(Injury::TakenOver);
            self.assign(partition, others[partition as usize % others.len()], at);
        }
    }

    /// A node that was thought dead hears what is not its own any more.
    pub(super) fn hear_of_group(&mut self, place: usize, at: Duration) {
        let reading: Vec<u32> = self.members[place].reading.keys().copied().collect();
        for partition in reading {
            if self.owners[&partition] != place {
                self.members[place].went(partition, at);
            }
        }
    }

    /// Partitions whose calls have ended go where they are to go; or when their time is up.
    pub(super) fn let_go(&mut self, at: Duration) {
        let ready = self.leaving.iter().filter(|(partition, (_, by))| {
            let from = &self.members[self.owners[partition]];
            from.is_up(at) && (from.given_up.contains(partition) || at >= *by)
        });
        let ready: Vec<(u32, usize)> = ready.map(|(id, (to, _))| (*id, *to)).collect();
        for (partition, to) in ready {
            let from = self.owners[&partition];
            self.commit(from, Some(partition));
            self.members[from].went(partition, at);
            self.members[from].given_up.remove(&partition);
            let to = if self.members[to].is_up(at) { to } else { from };
            self.assign(partition, to, at);
        }
    }

    /// A commit is taken from whom the group has given the partition to.
    pub(super) fn commit(&mut self, place: usize, only: Option<u32>) {
        for (partition, offset) in self.members[place].due(only) {
            if self.owners[&partition] == place {
                self.work.commit(partition, offset);
            }
        }
    }
}
