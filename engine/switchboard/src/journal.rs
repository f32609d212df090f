//! Events on their way to the disk: one batch at a time, while the next one gathers.

use crate::slots::Key;
use call::Call;
use schemas::call::CallEvent;
use schemas::sealed::StoredKey;
use schemas::{CallId, StreamId, Timestamp};
use smallvec::SmallVec;
use store::{Append, Batch, Expected, NewEvent};

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
    pending: Vec<Pending>,
    in_flight: Option<(BatchId, Vec<Pending>)>,
}

impl Journal {
    /// Events of one call: durable together or not at all.
    pub fn append(
        &mut self,
        key: Key,
        call: CallId,
        expected: Expected,
        events: SmallVec<[CallEvent; 2]>,
        at: Timestamp,
    ) {
        let encoded = events.iter().map(|event| NewEvent { encoded: event.encode(), at });
        let stream = StreamId::call(call);
        self.gathering.push(Append { stream, expected, events: encoded.collect() });
        self.pending.push(Pending { key, events, at });
    }

    /// The first events of a call: its request is the call itself and moves nothing.
    pub fn begin(
        &mut self,
        key: Key,
        id: CallId,
        call: &Call,
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
        self.pending.push(Pending { key, events: more, at });
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
        let appends = std::mem::take(&mut self.gathering);
        Some(AppendBatch { id, batch: Batch { keys: keys(), appends } })
    }

    /// What waited for this batch.
    pub fn done(&mut self, batch: BatchId) -> Vec<Pending> {
        match self.in_flight.take() {
            Some((id, pending)) if id == batch => pending,
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
