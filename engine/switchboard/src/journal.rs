//! Events on their way to the disk: one batch at a time, while the next one gathers.

use crate::slots::Key;
use call::Call;
use schemas::call::CallEvent;
use schemas::sealed::StoredKey;
use schemas::{CallId, StreamId, Timestamp};
use smallvec::SmallVec;
use std::time::Duration;
use store::{Append, Batch, Expected, NewEvent, Ownership};

/// While so many dials wait for the disk, or one so long, no further one is cleared. A disk that
/// stands still for seconds would else let all of their INVITEs go in one moment when it moves
/// again: past every rate, and into the receive buffer of a peer that is too small for them, again
/// with each retransmission. A disk that is merely slow is not held up by this.
const DIALS_WAITING_MAX: u32 = 128;
const DIAL_WAITS_MAX: Duration = Duration::from_millis(250);

/// Names a batch until it is durable.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BatchId(pub u64);

/// What is to become durable as one batch, its keys first.
#[derive(Clone, PartialEq, Debug)]
pub struct AppendBatch {
    /// Its name, for [`crate::Input::Durable`].
    pub id: BatchId,
    /// What to hand to the store.
    pub batch: Batch,
    /// As whose work each of its appends is made; nobody's is the node's own.
    pub owners: Vec<Option<Ownership>>,
}

/// What waits for an append.
pub(crate) struct Pending {
    pub key: Key,
    pub events: SmallVec<[CallEvent; 2]>,
    pub at: Timestamp,
}

#[derive(Default)]
pub(crate) struct Journal {
    batches: u64,
    gathering: Vec<Append>,
    owners: Vec<Option<Ownership>>,
    pending: Vec<Pending>,
    in_flight: Option<(BatchId, Vec<Pending>)>,
    dials: DialsWaiting,
}

/// The dials among what is not durable yet.
#[derive(Default)]
struct DialsWaiting {
    gathering: u32,
    in_flight: u32,
    /// When the first of them began to wait, or the batch before it was done.
    since: Option<Duration>,
}

impl Journal {
    /// Events of one call: durable together or not at all.
    pub fn append(
        &mut self,
        key: Key,
        call: CallId,
        (expected, owner): (Expected, Option<Ownership>),
        events: SmallVec<[CallEvent; 2]>,
        at: Timestamp,
    ) {
        let encoded = events.iter().map(|event| NewEvent { encoded: event.encode(), at });
        let stream = StreamId::call(call);
        self.gathering.push(Append { stream, expected, events: encoded.collect() });
        self.owners.push(owner);
        self.pending.push(Pending { key, events, at });
    }

    /// The first events of a call: its request is the call itself and moves nothing.
    pub fn begin(
        &mut self,
        key: Key,
        id: CallId,
        (call, owner): (&Call, Option<Ownership>),
        more: SmallVec<[CallEvent; 2]>,
        at: Timestamp,
    ) {
        let requested = CallEvent::CallRequested(Box::new((*call.facts().requested).clone()));
        let encoded = [&requested]
            .into_iter()
            .chain(&more)
            .map(|event| NewEvent { encoded: event.encode(), at });
        self.gathering.push(Append {
            stream: StreamId::call(id),
            expected: Expected::NoStream,
            events: encoded.collect(),
        });
        self.owners.push(owner);
        self.pending.push(Pending { key, events: more, at });
    }

    /// A dial is among what gathers now.
    pub fn dial_waits(&mut self, now: Duration) {
        self.dials.gathering += 1;
        self.dials.since.get_or_insert(now);
    }

    /// Whether the disk is too far behind for another dial. It ends when a batch is done.
    pub fn is_behind(&self, now: Duration) -> bool {
        let DialsWaiting { gathering, in_flight, since } = self.dials;
        gathering + in_flight >= DIALS_WAITING_MAX
            || since.is_some_and(|since| now.saturating_sub(since) > DIAL_WAITS_MAX)
    }

    pub fn has_batch(&self) -> bool {
        self.in_flight.is_none() && !self.gathering.is_empty()
    }

    pub fn take(&mut self, keys: impl FnOnce() -> Vec<StoredKey>) -> Option<AppendBatch> {
        if !self.has_batch() {
            return None;
        }
        self.batches += 1;
        let id = BatchId(self.batches);
        self.in_flight = Some((id, std::mem::take(&mut self.pending)));
        self.dials.in_flight = std::mem::take(&mut self.dials.gathering);
        let appends = std::mem::take(&mut self.gathering);
        let owners = std::mem::take(&mut self.owners);
        Some(AppendBatch { id, batch: Batch { keys: keys(), appends }, owners })
    }

    /// What waited for this batch.
    pub fn done(&mut self, batch: BatchId, now: Duration) -> Vec<Pending> {
        match self.in_flight.take() {
            Some((id, pending)) if id == batch => {
                self.dials.in_flight = 0;
                self.dials.since = (self.dials.gathering > 0).then_some(now);
                pending
            }
            other => {
                self.in_flight = other;
                tracing::error!(?batch, "a batch that is not in flight was reported durable");
                Vec::new()
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.in_flight.is_none() && self.gathering.is_empty()
    }
}
