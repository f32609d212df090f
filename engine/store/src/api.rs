//! What a store of events takes and gives.

use crate::StoreError;
use crate::filter::Filter;
use mutants::mutant;
use schemas::event::BODY_BYTES_MAX;
use schemas::sealed::StoredKey;
use schemas::{Position, Revision, StreamId, Timestamp};
use std::time::Duration;

/// What an append expects of its stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expected {
    /// It has no event yet.
    NoStream,
    /// Its last event is this one.
    Exact(Revision),
    /// It has at least one event.
    Exists,
    /// Nothing.
    Any,
}

/// An event to append. Its id is derived from stream and revision and never stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewEvent {
    /// Type, version and body, as `schemas::Event::encode` makes them.
    pub encoded: schemas::event::Encoded,
    /// When it happened, by the deciding node's clock.
    pub at: Timestamp,
}

/// Events for one stream: all of them or none become durable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Append {
    /// Whose events.
    pub stream: StreamId,
    /// What must be true of the stream.
    pub expected: Expected,
    /// At least one.
    pub events: Vec<NewEvent>,
}

/// An append that is durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Appended {
    /// The stream's last revision after it.
    pub last: Revision,
    /// The position of its last event.
    pub position: Position,
    /// The very same events stood there already: a repeat after an unknown outcome.
    pub already: bool,
}

/// Why an append is not durable. One variant per thing the caller does differently.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Another event came first: read the stream and decide again.
    #[error("the stream's last revision is {current:?}, which was not expected")]
    Conflict {
        /// The stream's last revision.
        current: Option<Revision>,
    },
    /// It may or may not have happened: repeat the very same append.
    #[error("the outcome of the append is not known: {0}")]
    Unknown(String),
    /// Somebody else owns this now: give it up.
    #[error("epoch {epoch} has taken over")]
    Fenced {
        /// The owner's epoch.
        epoch: u64,
    },
    /// It can never happen: too large, or empty. Do not repeat it.
    #[error("the append is refused: {0}")]
    Rejected(String),
    /// The storage is poisoned: stop the process.
    #[error("the store is broken and the process must stop: {0}")]
    Broken(String),
}

/// An event as the store keeps it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stored {
    /// In the log.
    pub position: Position,
    /// Of which stream.
    pub stream: StreamId,
    /// In the stream.
    pub revision: Revision,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub encoded: schemas::event::Encoded,
}

/// What a shard hands over at once: independent appends, one durable commit.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Batch {
    /// Keys of persons that the events are the first to use: durable before them.
    pub keys: Vec<StoredKey>,
    /// Every one has its own result.
    pub appends: Vec<Append>,
}

/// Each append's result, in the order of the batch.
pub type Results = Vec<Result<Appended, AppendError>>;

/// Hears the results of a batch once they stand. Called on the store's own thread: it hands over
/// and returns, and does not wait.
pub type Reply = Box<dyn FnOnce(Results) + Send>;

/// As whose work an append is made, on a log that many nodes share.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ownership {
    /// Of the work.
    pub partition: u32,
    /// Which owner of it: every later one has a higher number.
    pub epoch: u64,
    /// Whether the work of the stream is over with this append: whoever owns the partition next
    /// need not look at it.
    pub over: bool,
}

/// Where a shard's events go.
pub trait Appender: Send + Sync {
    /// Hands a batch over. Batches of one caller become durable in the order they are handed
    /// over, and `reply` is always called, after that. Waits when too many batches wait already.
    fn submit(&self, batch: Batch, reply: Reply);

    /// As [`Appender::submit`], and each append is refused as [`AppendError::Fenced`] when its
    /// partition has a later owner than the one it says. `owners` goes along with the batch's
    /// appends. A store that nobody can take over from a node looks at nothing.
    fn submit_owned(&self, batch: Batch, owners: Vec<Option<Ownership>>, reply: Reply) {
        drop(owners);
        self.submit(batch, reply);
    }

    /// Hands appends over and waits for their results. For tools and tests: a shard has a loop to
    /// run.
    fn append(&self, appends: Vec<Append>) -> Results {
        self.append_with_keys(Batch { keys: Vec::new(), appends })
    }

    /// As [`Appender::append`], with the keys that the events are the first to use. Without
    /// appends nothing says whether the keys are durable.
    fn append_with_keys(&self, batch: Batch) -> Results {
        let count = batch.appends.len();
        let (results, arrived) = std::sync::mpsc::channel();
        // Nobody waits any more only when this very function has panicked.
        self.submit(batch, Box::new(move |done| drop(results.send(done))));
        let lost = || AppendError::Unknown("the store dropped the batch".to_owned());
        arrived.recv().unwrap_or_else(|_| vec![Err(lost()); count])
    }
}

/// Reads what is durable, and waits for more. Catch-up and live are the same reader: read on from
/// the last position, and when nothing is left, [`Reader::wait`].
pub trait Reader: Send + Sync {
    /// The position of the last event; `Position(0)` when there is none.
    ///
    /// # Errors
    /// The store cannot be read.
    fn head(&self) -> Result<Position, StoreError>;

    /// Up to `limit` events of a stream in order, from revision `from` on. Empty when there is no
    /// such stream, or it ends before.
    ///
    /// # Errors
    /// The store cannot be read.
    fn read_stream(
        &self,
        stream: StreamId,
        from: Revision,
        limit: usize,
    ) -> Result<Vec<Stored>, StoreError>;

    /// Up to `limit` events of all streams, in order, after a position. `Position(0)` is before
    /// everything.
    ///
    /// # Errors
    /// The store cannot be read.
    fn read_all(&self, after: Position, limit: usize) -> Result<Vec<Stored>, StoreError>;

    /// Up to `limit` events of all streams, the latest first, before a position.
    ///
    /// # Errors
    /// The store cannot be read.
    fn read_all_backward(&self, before: Position, limit: usize) -> Result<Vec<Stored>, StoreError>;

    /// Up to `limit` events after a position that `filter` wants, in order; and how far it has
    /// looked. It may look at only a part of what is there: read on from where it stopped, until
    /// that is the head.
    ///
    /// # Errors
    /// The store cannot be read.
    fn read_matching(
        &self,
        after: Position,
        filter: &Filter,
        limit: usize,
    ) -> Result<(Vec<Stored>, Position), StoreError> {
        let looked_at = self.read_all(after, EVENTS_LOOKED_AT)?;
        let mut looked = looked_at.last().map_or(after, |event| event.position);
        let mut events: Vec<Stored> = looked_at
            .into_iter()
            .filter(|event| filter.wants(event.stream, event.encoded.kind))
            .collect();
        if events.len() > limit {
            events.truncate(limit);
            looked = events.last().map_or(after, |event| event.position);
        }
        Ok((events, looked))
    }

    /// Waits until there is an event after `after`, but at most so long; then the head.
    ///
    /// # Errors
    /// The store cannot be read.
    fn wait(&self, after: Position, at_most: Duration) -> Result<Position, StoreError>;
}

/// How many events one read with a filter looks at, at most.
pub(crate) const EVENTS_LOOKED_AT: usize = 10_000;
/// The most events of one append.
pub const EVENTS_PER_APPEND_MAX: usize = 4096;
/// The most bytes that the bodies of one append may have together.
pub const APPEND_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What an append comes to, as far as its stream's last revision tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It goes in, from this revision on.
    Fits(Revision),
    /// It does not, unless the very same events stand there from this revision on.
    RepeatOrConflict(Revision),
}

impl Append {
    /// Judges this append against its stream's last revision. The one place where expectations
    /// have a meaning; for who makes a store.
    ///
    /// # Errors
    /// [`AppendError::Conflict`], or [`AppendError::Rejected`] when it can go in nowhere.
    pub fn judge(&self, current: Option<Revision>) -> Result<Verdict, AppendError> {
        self.check_size()?;
        let next = current.map_or(0, |last| u64::from(last.0) + 1);
        let fits = match self.expected {
            Expected::NoStream => current.is_none() || mutant!("lets a stream begin twice"),
            Expected::Exact(expected) => current == Some(expected),
            Expected::Exists => current.is_some(),
            Expected::Any => true,
        };
        let count = self.events.len() as u64;
        if fits {
            // The last revision a stream can have leaves room for a sequence, which is one more.
            return match u32::try_from(next) {
                Ok(first) if next + count < u64::from(u32::MAX) => {
                    Ok(Verdict::Fits(Revision(first)))
                }
                _ => Err(AppendError::Rejected(
                    "the stream holds as many events as it can".to_owned(),
                )),
            };
        }
        let first = match self.expected {
            Expected::NoStream => 0,
            Expected::Exact(expected) => u64::from(expected.0) + 1,
            Expected::Exists | Expected::Any => return Err(AppendError::Conflict { current }),
        };
        match u32::try_from(first) {
            Ok(first_revision) if first + count <= next => {
                Ok(Verdict::RepeatOrConflict(Revision(first_revision)))
            }
            _ => Err(AppendError::Conflict { current }),
        }
    }

    /// Whether any store would take it: it has events, and not too many or too large ones.
    ///
    /// # Errors
    /// [`AppendError::Rejected`].
    pub fn check_size(&self) -> Result<(), AppendError> {
        let rejected = |why: String| Err(AppendError::Rejected(why));
        if self.events.is_empty() {
            return rejected("it holds no event".to_owned());
        }
        if self.events.len() > EVENTS_PER_APPEND_MAX {
            return rejected(format!(
                "{} events, more than {EVENTS_PER_APPEND_MAX}",
                self.events.len()
            ));
        }
        let sizes = self.events.iter().map(|event| event.encoded.body.len());
        if let Some(size) = sizes.clone().find(|size| *size > BODY_BYTES_MAX) {
            return rejected(format!("a body of {size} bytes, more than {BODY_BYTES_MAX}"));
        }
        let size: usize = sizes.sum();
        if size > APPEND_BYTES_MAX {
            return rejected(format!("{size} bytes, more than {APPEND_BYTES_MAX}"));
        }
        Ok(())
    }
}

impl Stored {
    /// Whether this is what `event` would have been stored as.
    pub fn is(&self, event: &NewEvent) -> bool {
        self.encoded == event.encoded && self.at == event.at
    }
}
