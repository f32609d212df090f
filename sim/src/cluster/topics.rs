//! Topics as brokers keep them: commands of the work by partition, and events that a relay tells.

use crate::seed::{Dice, fingerprint};
use crate::world::plan::Together;
use feed::ToldTo;
use schemas::call::CallEvent;
use schemas::commands::PlaceCall;
use schemas::{CallId, CalleeKey, Position, StreamId};
use std::collections::{BTreeMap, VecDeque};
use store::{Reader, Stored};

use super::log::CommonLog;
use crate::world::decoded;

/// The partition of a callee.
pub fn partition_of(callee: CalleeKey, partitions: u32) -> u32 {
    (fingerprint(&callee.to_string()) % u64::from(partitions.max(1))) as u32
}

/// The topic of work: what stands in each partition, and what its readers have committed.
#[derive(Default)]
pub struct Work {
    partitions: BTreeMap<u32, (Vec<PlaceCall>, i64)>,
}

impl Work {
    /// A producer writes a command.
    pub fn put(&mut self, partition: u32, command: PlaceCall) {
        self.partitions.entry(partition).or_default().0.push(command);
    }

    /// The command at an offset.
    pub fn read(&self, partition: u32, offset: i64) -> Option<&PlaceCall> {
        self.partitions.get(&partition)?.0.get(usize::try_from(offset).ok()?)
    }

    /// Where the next reader begins.
    pub fn committed(&self, partition: u32) -> i64 {
        self.partitions.get(&partition).map_or(0, |(_, committed)| *committed)
    }

    /// Its reader commits.
    pub fn commit(&mut self, partition: u32, offset: i64) {
        self.partitions.entry(partition).or_default().1 = offset;
    }

    /// Whether everything was read and committed.
    pub fn is_done(&self) -> bool {
        self.partitions.values().all(|(all, committed)| *committed == all.len() as i64)
    }
}

/// An event in its topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// Its key.
    pub callee: CalleeKey,
    /// Of which call.
    pub call: CallId,
    /// The event's number in its call.
    pub sequence: u32,
    position: Position,
    mark: Position,
}

/// The topic of events.
pub struct Events {
    partitions: BTreeMap<u32, Vec<Message>>,
    /// How far it was told, where brokers have transactions.
    checkpoint: Position,
    /// Whose transactions are taken: the latest who began.
    epoch: u64,
    /// What became visible and nobody has looked at.
    fresh: Vec<Message>,
    /// Transactions that were refused.
    pub fenced: u64,
}

impl Default for Events {
    fn default() -> Self {
        let (partitions, fresh) = (BTreeMap::new(), Vec::new());
        Self { partitions, checkpoint: Position(0), epoch: 0, fresh, fenced: 0 }
    }
}

impl Events {
    fn put(&mut self, partition: u32, message: Message) {
        self.fresh.push(message.clone());
        self.partitions.entry(partition).or_default().push(message);
    }

    /// What became visible since it was asked last.
    pub fn fresh(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.fresh)
    }
}

/// So many events are told at once: few, so that much can come between.
const BATCH: usize = 24;

/// Tells the log to the topic, as `kafka::relay` does.
pub struct Relay {
    transactions: bool,
    partitions: u32,
    epoch: u64,
    told: ToldTo,
    after: Position,
    /// Whose each open call is.
    callees: BTreeMap<CallId, CalleeKey>,
    /// What is on its way, by partition, and how far it reaches.
    sending: Option<(BTreeMap<u32, VecDeque<Message>>, Position)>,
    staged: Vec<(u32, Message)>,
    dice: Dice,
}

/// What a relay that cannot go on is.
pub struct Fenced;

impl Relay {
    /// Goes on from what the topic says.
    pub fn begin(plan: &Together, topic: &mut Events, dice: Dice) -> Self {
        topic.epoch += 1;
        let mut told = ToldTo::default();
        if plan.transactions {
            told.arrived(topic.checkpoint);
        } else {
            for (partition, messages) in &topic.partitions {
                if let Some(last) = messages.last() {
                    told.found(*partition as i32, last.position, last.mark);
                }
            }
        }
        Self {
            transactions: plan.transactions,
            partitions: plan.partitions,
            epoch: topic.epoch,
            after: told.mark(),
            told,
            callees: BTreeMap::new(),
            sending: None,
            staged: Vec::new(),
            dice,
        }
    }

    /// Whether everything was told.
    pub fn is_done(&self, log: &CommonLog) -> bool {
        self.sending.is_none() && log.events.head().is_ok_and(|head| self.after >= head)
    }

    /// One message more arrives, of whichever partition; or the next batch sets out.
    ///
    /// # Errors
    /// Another relay has begun since.
    pub fn step(&mut self, log: &CommonLog, topic: &mut Events) -> Result<(), Fenced> {
        let Some((sending, reached)) = &mut self.sending else {
            self.set_out(log);
            return Ok(());
        };
        let reached = *reached;
        let under_way: Vec<u32> =
            sending.iter().filter(|(_, left)| !left.is_empty()).map(|(id, _)| *id).collect();
        if under_way.is_empty() {
            self.sending = None;
            return self.arrived(reached, topic);
        }
        let partition = under_way[self.dice.below(under_way.len() as u64) as usize];
        if let Some(message) = sending.get_mut(&partition).and_then(VecDeque::pop_front) {
            match self.transactions {
                true => self.staged.push((partition, message)),
                false => topic.put(partition, message),
            }
        }
        Ok(())
    }

    fn arrived(&mut self, reached: Position, topic: &mut Events) -> Result<(), Fenced> {
        if self.transactions {
            if self.epoch < topic.epoch {
                topic.fenced += 1;
                return Err(Fenced);
            }
            for (partition, message) in self.staged.drain(..) {
                topic.put(partition, message);
            }
            topic.checkpoint = reached;
        }
        self.told.arrived(reached);
        self.after = reached;
        Ok(())
    }

    fn set_out(&mut self, log: &CommonLog) {
        let stretch = log.events.read_all(self.after, BATCH).expect("memory can be read");
        let Some(reached) = stretch.last().map(|last| last.position) else { return };
        let mark = self.told.mark_of(reached);
        let mut sending: BTreeMap<u32, VecDeque<Message>> = BTreeMap::new();
        for stored in &stretch {
            let Some(message) = self.message(log, stored, mark) else { continue };
            let partition = partition_of(message.callee, self.partitions);
            let is_there = self.told.is_there(partition as i32, message.position);
            if self.transactions || !is_there {
                sending.entry(partition).or_default().push_back(message);
            }
        }
        self.sending = Some((sending, reached));
    }

    fn message(&mut self, log: &CommonLog, stored: &Stored, mark: Position) -> Option<Message> {
        let call = stored.stream.as_call()?;
        let callee = *self.callees.entry(call).or_insert_with(|| callee_of(log, call));
        let (sequence, position) = (stored.revision.sequence(), stored.position);
        Some(Message { callee, call, sequence, position, mark })
    }
}

fn callee_of(log: &CommonLog, call: CallId) -> CalleeKey {
    let first = log.events.read_stream(StreamId::call(call), schemas::Revision(0), 1);
    let first = first.expect("memory can be read");
    match first.first().and_then(decoded) {
        Some(CallEvent::CallRequested(requested)) => requested.callee,
        _ => unreachable!("a call begins with its request"),
    }
}
