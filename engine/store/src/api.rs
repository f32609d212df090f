//! What a store of events takes and gives.

use schemas::{Position, Revision, StreamId, Timestamp};

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
