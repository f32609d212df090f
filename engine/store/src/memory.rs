//! A store in memory: for tests, and for a run that nobody wants to keep.

use crate::StoreError;
use crate::api::{
    Append, AppendError, Appended, Appender, Batch, Reader, Reply, Results, Stored, Verdict,
};
use hashbrown::HashMap;
use schemas::{Position, Revision, StreamId};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Events in memory. Clones are the same store. It grows without bound.
#[derive(Clone, Default)]
pub struct MemoryStore {
    shared: Arc<(Mutex<Events>, Condvar)>,
}

#[derive(Default)]
struct Events {
    all: Vec<Stored>,
    /// Per stream, where its events stand in `all`.
    streams: HashMap<StreamId, Vec<usize>, foldhash::fast::RandomState>,
}

impl MemoryStore {
    /// Takes a batch in at once.
    pub fn append_batch(&self, appends: &[Append]) -> Results {
        let mut events = self.lock();
        let results = appends.iter().map(|append| events.append(append)).collect();
        drop(events);
        self.shared.1.notify_all();
        results
    }

    /// The last revision of a stream; `None` when it has no event.
    pub fn last_revision(&self, stream: StreamId) -> Option<Revision> {
        self.lock().last_revision(stream)
    }

    fn lock(&self) -> MutexGuard<'_, Events> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Events {
    fn last_revision(&self, stream: StreamId) -> Option<Revision> {
        let last = self.streams.get(&stream)?.last()?;
        Some(self.all[*last].revision)
    }

    fn append(&mut self, append: &Append) -> Result<Appended, AppendError> {
        let current = self.last_revision(append.stream);
        match append.judge(current)? {
            Verdict::Fits(first) => Ok(self.put(append, first)),
            Verdict::RepeatOrConflict(first) => {
                let stand = self
                    .streams
                    .get(&append.stream)
                    .map_or(&[][..], |stream| &stream[first.0 as usize..][..append.events.len()]);
                let same = stand
                    .iter()
                    .zip(&append.events)
                    .all(|(index, event)| self.all[*index].is(event));
                match stand.last() {
                    Some(last) if same => {
                        let last = &self.all[*last];
                        Ok(Appended { last: last.revision, position: last.position, already: true })
                    }
                    _ => Err(AppendError::Conflict { current }),
                }
            }
        }
    }

    fn put(&mut self, append: &Append, first: Revision) -> Appended {
        let stream = self.streams.entry(append.stream).or_default();
        for (revision, event) in (first.0..).zip(&append.events) {
            stream.push(self.all.len());
            self.all.push(Stored {
                position: Position(self.all.len() as u64 + 1),
                stream: append.stream,
                revision: Revision(revision),
                at: event.at,
                encoded: event.encoded.clone(),
            });
        }
        let last = Revision(self.all[self.all.len() - 1].revision.0);
        Appended { last, position: Position(self.all.len() as u64), already: false }
    }
}

impl Appender for MemoryStore {
    fn submit(&self, batch: Batch, reply: Reply) {
        reply(self.append_batch(&batch.appends));
    }
}

impl Reader for MemoryStore {
    fn head(&self) -> Result<Position, StoreError> {
        Ok(Position(self.lock().all.len() as u64))
    }

    fn read_stream(
        &self,
        stream: StreamId,
        from: Revision,
        limit: usize,
    ) -> Result<Vec<Stored>, StoreError> {
        let events = self.lock();
        let stream = events.streams.get(&stream).map_or(&[][..], Vec::as_slice);
        let wanted = stream.iter().skip(from.0 as usize).take(limit);
        Ok(wanted.map(|index| events.all[*index].clone()).collect())
    }

    fn read_all(&self, after: Position, limit: usize) -> Result<Vec<Stored>, StoreError> {
        let events = self.lock();
        let after = usize::try_from(after.0).unwrap_or(usize::MAX);
        Ok(events.all.iter().skip(after).take(limit).cloned().collect())
    }

    fn read_all_backward(&self, before: Position, limit: usize) -> Result<Vec<Stored>, StoreError> {
        let events = self.lock();
        let last =
            usize::try_from(before.0.saturating_sub(1)).unwrap_or(usize::MAX).min(events.all.len());
        Ok(events.all[..last].iter().rev().take(limit).cloned().collect())
    }

    fn wait(&self, after: Position, at_most: Duration) -> Result<Position, StoreError> {
        let deadline = Instant::now() + at_most;
        let mut events = self.lock();
        while events.all.len() as u64 <= after.0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            events =
                self.shared.1.wait_timeout(events, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(Position(events.all.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Subject, every_store_keeps_it};

    impl Subject for MemoryStore {
        fn appender(&self) -> Arc<dyn Appender> {
            Arc::new(self.clone())
        }

        fn reader(&self) -> Arc<dyn Reader> {
            Arc::new(self.clone())
        }

        fn reopened(self: Box<Self>) -> Box<dyn Subject> {
            self
        }
    }

    #[test]
    fn the_store_in_memory_keeps_the_contract() {
        every_store_keeps_it(&|| Box::new(MemoryStore::default()));
    }
}
