//! Partitions of the work that the nodes of a common log share: whose commands are taken here, and
//! whose calls. Calls of no partition are the node's own.
//!
//! A partition is owned from the moment the store says so, with an epoch that every append of its
//! calls carries: of two owners the store refuses the earlier one. So what is decided here is only
//! what is worth beginning; that nobody is dialled twice is the store's word.

use crate::slots::Key;
use crate::{Answer, Input, Now, Output, Switchboard};
use mutants::mutant;
use schemas::call::CallEvent;
use schemas::{CallId, Pseudonyms, Recorded, Vault};
use std::collections::BTreeMap;
use store::Ownership;

/// A partition that the store has given to us.
#[derive(Clone, PartialEq, Debug)]
pub struct TakenOver {
    /// Which.
    pub partition: u32,
    /// What its appends carry.
    pub epoch: u64,
    /// The events of its calls whose work is not over, in the order of the log.
    pub past: Vec<Past>,
}

/// What is known of a call from before.
#[derive(Clone, PartialEq, Debug)]
pub enum Past {
    /// Something that happened to it.
    Event(Recorded<CallEvent>),
    /// Something that only a later version understands: the call is left alone.
    Beyond(CallId),
}

/// How a partition is given up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GiveUp {
    /// Calls that were dialled go on to their end; then it is given up. Those that were not are the
    /// next owner's.
    Drain,
    /// At once: what is up is hung up, and its next owner writes down that its outcome is unknown.
    Leave,
}

/// What became of a partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PartitionNews {
    /// It is ours: commands of it are taken.
    Owned {
        /// How many calls came with it that had not ended.
        open: usize,
    },
    /// It could not be taken over; why, for people. It is as if nobody had asked.
    Failed(String),
    /// Nothing of it is left here: another node may own it.
    GivenUp,
    /// Another node has taken it over, and nothing of it is left here.
    Lost {
        /// The epoch of the new owner.
        epoch: u64,
    },
}

#[derive(Default)]
pub(crate) struct Work {
    partitions: BTreeMap<u32, Partition>,
    /// Whose redials are promised, by the first call of their command.
    promised: BTreeMap<CallId, u32>,
    /// Whose command is being taken in, or whose past.
    at_hand: Option<u32>,
}

enum Partition {
    /// Asked for; commands wait.
    Taking {
        waiting: Vec<Input>,
        /// It was given up before it came.
        unwanted: bool,
    },
    Owned {
        epoch: u64,
    },
    Draining {
        epoch: u64,
    },
}

impl Work {
    /// As whose work something of this partition is appended.
    pub fn owner(&self, partition: Option<u32>) -> Option<Ownership> {
        let partition = partition.filter(|_| !mutant!("appends without its epoch"))?;
        match self.partitions.get(&partition)? {
            Partition::Owned { epoch } | Partition::Draining { epoch } => {
                Some(Ownership { partition, epoch: *epoch, over: false })
            }
            Partition::Taking { .. } => None,
        }
    }

    /// The partition of a call that is made now: a redial's is that of the call before.
    pub fn of_new(&mut self, first_call: Option<CallId>) -> Option<u32> {
        match first_call {
            Some(first) => self.promised.remove(&first),
            None => self.at_hand,
        }
    }

    /// Whose past is being taken in.
    pub fn at_hand(&self) -> Option<u32> {
        self.at_hand
    }

    /// A redial of this partition's command is promised.
    pub fn promise(&mut self, first: CallId, partition: Option<u32>) {
        self.promised.extend(partition.map(|partition| (first, partition)));
    }

    /// The redial was made after all.
    pub fn made(&mut self, first: CallId) {
        self.promised.remove(&first);
    }

    /// Whether the command whose first call this is must wait for its next owner.
    pub fn keeps_back(&self, first: Option<CallId>) -> bool {
        let partition = first.and_then(|first| self.promised.get(&first));
        partition.is_some_and(|partition| self.is_draining(*partition))
    }

    /// Whether no command waits for its partition.
    pub fn is_quiet(&self) -> bool {
        let waits = |partition: &Partition| matches!(partition, Partition::Taking { .. });
        !self.partitions.values().any(waits)
    }

    fn is_draining(&self, partition: u32) -> bool {
        matches!(self.partitions.get(&partition), Some(Partition::Draining { .. }))
    }

    fn draining(&self) -> Vec<u32> {
        self.partitions.keys().copied().filter(|partition| self.is_draining(*partition)).collect()
    }
}

impl<V: Vault + Pseudonyms> Switchboard<V> {
    /// A partition is wanted: commands of it wait until it is there.
    pub(crate) fn take(&mut self, partition: u32, now: Now) {
        match self.work.partitions.get_mut(&partition) {
            None => {
                let taking = Partition::Taking { waiting: Vec::new(), unwanted: false };
                self.work.partitions.insert(partition, taking);
                self.outputs.push_back(Output::TakeOver(partition));
            }
            Some(Partition::Taking { unwanted, .. }) => *unwanted = false,
            Some(Partition::Owned { .. }) => {
                self.tell_of(partition, PartitionNews::Owned { open: 0 })
            }
            Some(Partition::Draining { epoch }) => {
                let epoch = *epoch;
                self.work.partitions.insert(partition, Partition::Owned { epoch });
                self.unpark(partition, now);
                self.tell_of(partition, PartitionNews::Owned { open: 0 });
            }
        }
    }

    pub(crate) fn taken_over(&mut self, taken: TakenOver, now: Now) {
        let TakenOver { partition, epoch, past } = taken;
        let Some(Partition::Taking { waiting, unwanted }) = self.work.partitions.remove(&partition)
        else {
            tracing::error!(partition, "a partition came that nobody had asked for");
            return;
        };
        if unwanted {
            return self.tell_of(partition, PartitionNews::GivenUp);
        }
        self.work.partitions.insert(partition, Partition::Owned { epoch });
        self.work.at_hand = Some(partition);
        let known =
            past.into_iter().filter(|_| !mutant!("forgets the calls of what it takes over"));
        known.for_each(|past| self.recall(past));
        let open = self.start(now);
        self.work.at_hand = None;
        self.tell_of(partition, PartitionNews::Owned { open });
        waiting.into_iter().for_each(|input| self.of_partition(partition, input, now));
    }

    pub(crate) fn not_taken(&mut self, partition: u32, why: String) {
        if let Some(Partition::Taking { waiting, unwanted }) =
            self.work.partitions.remove(&partition)
        {
            waiting.into_iter().for_each(|input| self.refuse_work(&input));
            let news = if unwanted { PartitionNews::GivenUp } else { PartitionNews::Failed(why) };
            self.tell_of(partition, news);
        }
    }

    /// A command of a partition.
    pub(crate) fn of_partition(&mut self, partition: u32, input: Input, now: Now) {
        let ends_a_live_call = self.is_for_a_live_call(&input);
        match self.work.partitions.get_mut(&partition) {
            Some(Partition::Taking { waiting, unwanted: false }) => waiting.push(input),
            Some(Partition::Owned { .. }) => {
                self.work.at_hand = Some(partition);
                self.handle(input, now);
                self.work.at_hand = None;
            }
            // Those that are up are ended by whoever has them.
            Some(Partition::Draining { .. }) if ends_a_live_call => self.handle(input, now),
            _ if mutant!("takes commands that are not its own") => self.handle(input, now),
            _ => self.refuse_work(&input),
        }
    }

    pub(crate) fn give_up(&mut self, partition: u32, how: GiveUp) {
        match (self.work.partitions.get_mut(&partition), how) {
            (None, _) => self.tell_of(partition, PartitionNews::GivenUp),
            (Some(Partition::Taking { waiting, unwanted }), _) => {
                *unwanted = true;
                let waiting = std::mem::take(waiting);
                waiting.into_iter().for_each(|input| self.refuse_work(&input));
            }
            (Some(Partition::Owned { epoch } | Partition::Draining { epoch }), GiveUp::Drain) => {
                let epoch = *epoch;
                self.work.partitions.insert(partition, Partition::Draining { epoch });
            }
            (Some(_), GiveUp::Leave) => self.drop_work(partition, PartitionNews::GivenUp),
        }
    }

    /// Another node owns a partition now.
    pub(crate) fn lose(&mut self, partition: u32, epoch: u64) {
        let ours = self.work.owner(Some(partition));
        if ours.is_some_and(|ours| ours.epoch < epoch) {
            tracing::warn!(partition, epoch, "another node has taken this partition over");
            self.drop_work(partition, PartitionNews::Lost { epoch });
        }
    }

    /// Gives partitions up whose last dialled call has ended.
    pub(crate) fn drain_partitions(&mut self) {
        for partition in self.work.draining() {
            let mut is_busy = false;
            for key in self.slots_of(partition) {
                let slot = &mut self.slots[key];
                if slot.in_flight > 0 || slot.call.facts().dialled() {
                    is_busy = true;
                } else if std::mem::take(&mut slot.is_waiting) {
                    // Out of the queue, where it would stand before those that may go.
                    slot.is_parked = true;
                }
            }
            if !is_busy {
                self.drop_work(partition, PartitionNews::GivenUp);
            }
        }
    }

    /// Calls that were kept back wait for their turn again.
    fn unpark(&mut self, partition: u32, now: Now) {
        for key in self.slots_of(partition) {
            let slot = &mut self.slots[key];
            if std::mem::take(&mut slot.is_parked) {
                slot.is_waiting = true;
                let requested = &slot.call.facts().requested;
                match requested.not_before.filter(|at| *at > now.utc) {
                    Some(at) => self.waiting.join_later(key, requested.priority, at),
                    None => self.waiting.join(key, requested.priority, false),
                }
            }
        }
    }

    /// Forgets a partition with its calls. What they have on the wire is ended: hanging up is always
    /// allowed, and nobody here hears of them any more.
    fn drop_work(&mut self, partition: u32, news: PartitionNews) {
        for key in self.slots_of(partition) {
            self.hang_up_unrecorded(key);
            self.dismiss(key, &Answer::NotOurs);
        }
        let promised = std::mem::take(&mut self.work.promised);
        let (ours, others) = promised.into_iter().partition(|(_, of)| *of == partition);
        self.work.promised = others;
        let ours: BTreeMap<CallId, u32> = ours;
        for first in ours.into_keys() {
            let _ = self.redials.take_of(first);
        }
        self.work.partitions.remove(&partition);
        self.tell_of(partition, news);
    }

    fn slots_of(&self, partition: u32) -> Vec<Key> {
        let is_of = |key: &Key| self.slots[*key].partition == Some(partition);
        self.slots.keys().into_iter().filter(is_of).collect()
    }

    fn is_for_a_live_call(&self, input: &Input) -> bool {
        matches!(input, Input::End(_, end) if self.slots.of_command(end.call).is_some())
    }

    fn refuse_work(&mut self, input: &Input) {
        if let Input::Place(ticket, _) | Input::PlaceCancelled(ticket, ..) | Input::End(ticket, _) =
            input
        {
            self.outputs.push_back(Output::Answer(*ticket, Answer::NotOurs));
        }
    }

    fn tell_of(&mut self, partition: u32, news: PartitionNews) {
        self.outputs.push_back(Output::Partition(partition, news));
    }

    /// A call of a partition that we may not have any more was refused: its partition is lost, and
    /// not that call alone.
    pub(crate) fn fenced(&mut self, key: Key, epoch: u64) {
        match self.slots[key].partition {
            Some(partition) => self.lose(partition, epoch),
            None => self.given_up(key),
        }
    }

    /// Somebody else writes this call now: we must not touch it again.
    pub(crate) fn given_up(&mut self, key: Key) {
        tracing::error!(call = %self.slots[key].id, "another owner has written to this call: given up here");
        self.hang_up_unrecorded(key);
        self.dismiss(key, &Answer::NotOurs);
    }
}
