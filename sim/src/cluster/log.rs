//! A log that nodes share, as PostgreSQL keeps one: every append says as whose work it is made, and
//! the work of an earlier owner is refused.

use crate::seed::Dice;
use crate::world::{Gone, Storage, decoded};
use schemas::call::{CallEnded, CallEvent};
use schemas::{CallId, Outcome, Position, Recorded, Revision, StreamId, Timestamp};
use std::cell::{Ref, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use store::memory::MemoryStore;
use store::{Append, AppendError, Batch, Ownership, Reader, Results, Stored};
use switchboard::{Past, TakenOver};

/// As `node::store_url`: so long after its end a call may have something left on the wire.
const ON_THE_WIRE_MS_MAX: u32 = 40_000;

/// The log. Clones are the same one.
#[derive(Clone, Default)]
pub struct CommonLog {
    /// Its events.
    pub events: MemoryStore,
    work: Rc<RefCell<Work>>,
}

#[derive(Default)]
struct Work {
    /// Of each partition, the epoch of its owner.
    epochs: BTreeMap<u32, u64>,
    /// The calls whose work is not over.
    open: BTreeMap<u32, BTreeSet<StreamId>>,
    /// Appends that were refused: of who had been followed.
    fenced: u64,
}

impl CommonLog {
    fn append(&self, append: &Append, owner: Option<Ownership>) -> Results {
        let mut work = self.work.borrow_mut();
        if let Some(owner) = owner {
            let epoch = work.epochs.get(&owner.partition).copied().unwrap_or_default();
            if owner.epoch < epoch {
                work.fenced += 1;
                return vec![Err(AppendError::Fenced { epoch })];
            }
        }
        let results = self.events.append_batch(std::slice::from_ref(append));
        if let (Some(owner), [Ok(_)]) = (owner, &results[..]) {
            let open = work.open.entry(owner.partition).or_default();
            match is_over(append) {
                true => open.remove(&append.stream),
                false => open.insert(append.stream),
            };
        }
        results
    }

    fn take_over(&self, partition: u32, now: Timestamp) -> TakenOver {
        let epoch = {
            let mut work = self.work.borrow_mut();
            let epoch = work.epochs.entry(partition).or_default();
            *epoch += 1;
            *epoch
        };
        let streams: Vec<StreamId> =
            self.open().get(&partition).into_iter().flatten().copied().collect();
        let mut past = Vec::new();
        for stream in streams {
            let events = self.events.read_stream(stream, Revision(0), usize::MAX);
            let events = events.expect("memory can be read");
            if self.is_over_by_now(&events, now) {
                let mut work = self.work.borrow_mut();
                work.open.entry(partition).or_default().remove(&stream);
                continue;
            }
            past.extend(events.iter().filter_map(recorded).map(Past::Event));
        }
        TakenOver { partition, epoch, past }
    }

    fn open(&self) -> Ref<'_, BTreeMap<u32, BTreeSet<StreamId>>> {
        Ref::map(self.work.borrow(), |work| &work.open)
    }

    /// As `node::store_url` judges it.
    fn is_over_by_now(&self, events: &[Stored], now: Timestamp) -> bool {
        let (Some(first), Some(last)) = (events.first(), events.last()) else { return false };
        let Some(CallEvent::CallEnded(end)) = decoded(last) else { return false };
        if end.outcome == Outcome::OutcomeUnknown && now.ms_since(last.at) < ON_THE_WIRE_MS_MAX {
            return false;
        }
        if end.redial_at.is_none() {
            return true;
        }
        let (Some(CallEvent::CallRequested(asked)), Some(call)) =
            (decoded(first), first.stream.as_call())
        else {
            return false;
        };
        let next = CallId::of_redial(asked.first_call.unwrap_or(call), asked.attempt + 1);
        self.events.last_revision(StreamId::call(next)).is_some()
    }

    /// Appends that were refused, of nodes that had been followed.
    pub fn fenced(&self) -> u64 {
        self.work.borrow().fenced
    }

    /// The epoch of a partition's owner.
    pub fn epoch(&self, partition: u32) -> u64 {
        self.work.borrow().epochs.get(&partition).copied().unwrap_or_default()
    }

    /// Everything in it, in order.
    pub fn all(&self) -> Vec<Stored> {
        self.events.read_all(Position(0), usize::MAX).expect("memory can be read")
    }
}

fn is_over(append: &Append) -> bool {
    let last = append.events.last().map(|event| &event.encoded);
    let ended = last.and_then(|encoded| {
        match schemas::Event::decode(encoded.kind, encoded.version, &encoded.body) {
            Ok(schemas::Event::Call(CallEvent::CallEnded(ended))) => Some(ended),
            _ => None,
        }
    });
    let is_over =
        |end: &CallEnded| end.redial_at.is_none() && end.outcome != Outcome::OutcomeUnknown;
    ended.is_some_and(|end| is_over(&end))
}

/// A call's event as it stands there.
pub fn recorded(stored: &Stored) -> Option<Recorded<CallEvent>> {
    let Stored { position, stream, revision, at, .. } = *stored;
    Some(Recorded { position, stream, revision, at, event: decoded(stored)? })
}

/// The log as one of the nodes has it.
pub struct Shared {
    log: CommonLog,
    dice: Dice,
    owners: Vec<Option<Ownership>>,
    /// When the batch was there before its answer could be: whether it was taken in is known to the
    /// log alone.
    results: Option<Results>,
    /// With which epoch it was given each partition.
    given: BTreeMap<u32, u64>,
}

impl Shared {
    /// A way to it.
    pub fn new(log: CommonLog, dice: Dice) -> Self {
        Self { log, dice, owners: Vec::new(), results: None, given: BTreeMap::new() }
    }

    /// With which epoch it was given a partition.
    pub fn given(&self, partition: u32) -> u64 {
        self.given.get(&partition).copied().unwrap_or_default()
    }

    fn append(&self, appends: &[Append], owners: &[Option<Ownership>]) -> Results {
        let each = appends.iter().zip(owners);
        each.flat_map(|(append, owner)| self.log.append(append, *owner)).collect()
    }
}

impl Storage for Shared {
    type Reader = MemoryStore;

    fn reader(&self) -> &MemoryStore {
        &self.log.events
    }

    fn submit(&mut self, batch: Batch, owners: &[Option<Ownership>]) -> Result<Vec<Append>, Gone> {
        // A batch is taken in at any moment between its leaving and its answer.
        let at_once = self.dice.below(2) == 0;
        self.results = at_once.then(|| self.append(&batch.appends, owners));
        self.owners = owners.to_vec();
        Ok(batch.appends)
    }

    fn finish(&mut self, appends: &[Append]) -> Result<Results, Gone> {
        let owners = std::mem::take(&mut self.owners);
        Ok(self.results.take().unwrap_or_else(|| self.append(appends, &owners)))
    }

    fn take_over(&mut self, partition: u32, now: Timestamp) -> Result<TakenOver, Gone> {
        let taken = self.log.take_over(partition, now);
        self.given.insert(partition, taken.epoch);
        Ok(taken)
    }

    fn close(self) -> Result<(), Gone> {
        Ok(())
    }
}
