//! Every event as one stored form: a kind, a version and a body.
//!
//! The body is bincode 2, `config::standard()` (little endian, varint), of the frozen struct of
//! that (kind, version). The *format* is ours to keep; the crate is replaceable, and a test holds
//! that another implementation writes the same bytes.
//!
//! What was ever written stands in [`table`]; `docs/schema-evolution.md` says how a type changes.

#[cfg(test)]
mod another_codec;
#[cfg(test)]
mod frozen;
#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod shape;
mod table;
#[cfg(test)]
mod tests;

pub use table::Kind;

use crate::batch::BatchEvent;
use crate::call::CallEvent;
use crate::node::NodeEvent;
use crate::{Position, Revision, StreamId, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The largest body of an event. A command is bounded to less; see `commands`.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// Anything that happened.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// To a call.
    Call(CallEvent),
    /// To a batch.
    Batch(BatchEvent),
    /// To a node.
    Node(NodeEvent),
}

/// The stored form of an event: what the log keeps without understanding it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Encoded {
    /// Which type of event: never reused.
    pub kind: u16,
    /// Which version of the type.
    pub version: u8,
    /// The frozen struct in bincode.
    pub body: Vec<u8>,
}

/// An event where it stands in its log.
#[derive(Clone, PartialEq, Debug)]
pub struct Recorded<E = Event> {
    /// In the log.
    pub position: Position,
    /// Of which stream.
    pub stream: StreamId,
    /// In the stream.
    pub revision: Revision,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub event: E,
}

/// Why a stored event could not be read.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum DecodeError {
    /// Written by a later version of the program. Views pass over it, calls refuse it.
    #[error(
        "event type {kind} version {version} is not known to this version of Callfold: run the \
         version that wrote it, or a later one"
    )]
    Unknown {
        /// The type's number.
        kind: u16,
        /// Its version.
        version: u8,
    },
    /// The body does not hold what its type says: damage.
    #[error("the body of event type {kind} version {version} cannot be read: {why}")]
    Damaged {
        /// The type's number.
        kind: u16,
        /// Its version.
        version: u8,
        /// What the decoder said.
        why: String,
    },
}

impl Event {
    /// The stored form, always of the latest version.
    pub fn encode(&self) -> Encoded {
        match self {
            Self::Call(event) => event.encode(),
            Self::Batch(event) => event.encode(),
            Self::Node(event) => event.encode(),
        }
    }

    /// Reads a stored form of any version ever written.
    ///
    /// # Errors
    /// [`DecodeError`], when it is of a later version of the program or damaged.
    pub fn decode(kind: u16, version: u8, body: &[u8]) -> Result<Self, DecodeError> {
        CallEvent::decode(kind, version, body)
            .map(|event| event.map(Self::Call))
            .or_else(|| Some(BatchEvent::decode(kind, version, body)?.map(Self::Batch)))
            .or_else(|| Some(NodeEvent::decode(kind, version, body)?.map(Self::Node)))
            .unwrap_or(Err(DecodeError::Unknown { kind, version }))
    }

    /// Every type of event, in the order of its number.
    pub fn kinds() -> impl Iterator<Item = &'static Kind> {
        [CallEvent::KINDS, BatchEvent::KINDS, NodeEvent::KINDS].into_iter().flatten()
    }

    /// The name of a stored type, such as `CallEnded`; `None` for an unknown number.
    pub fn kind_name(number: u16) -> Option<&'static str> {
        Self::kinds().find(|kind| kind.number == number).map(|kind| kind.name)
    }

    /// The number of a stored type, by its name.
    pub fn kind_number(name: &str) -> Option<u16> {
        Self::kinds().find(|kind| kind.name == name).map(|kind| kind.number)
    }
}

const FORMAT: bincode::config::Configuration = bincode::config::standard();

/// Encodes a value in the stored format. For bodies, and for what is sealed into them.
pub fn to_bytes<T: Serialize>(value: &T) -> Vec<u8> {
    // Our structs hold no map, no float and nothing that asks for a length it does not know.
    bincode::serde::encode_to_vec(value, FORMAT).expect("frozen event structs always encode")
}

/// Reads what [`to_bytes`] wrote, to its last byte.
pub fn from_plain_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    from_bytes(0, 0, bytes).ok()
}

fn from_bytes<T: DeserializeOwned>(kind: u16, version: u8, body: &[u8]) -> Result<T, DecodeError> {
    let damaged = |why: String| DecodeError::Damaged { kind, version, why };
    if body.len() > BODY_BYTES_MAX {
        return Err(damaged(format!("{} bytes, more than {BODY_BYTES_MAX}", body.len())));
    }
    // A limit keeps a damaged length from asking for all the memory there is.
    let format = FORMAT.with_limit::<{ 4 * BODY_BYTES_MAX }>();
    match bincode::serde::decode_from_slice(body, format) {
        Ok((value, read)) if read == body.len() => Ok(value),
        Ok((_, read)) => Err(damaged(format!("{} bytes are left over", body.len() - read))),
        Err(error) => Err(damaged(error.to_string())),
    }
}

impl From<CallEvent> for Event {
    fn from(event: CallEvent) -> Self {
        Self::Call(event)
    }
}

impl From<BatchEvent> for Event {
    fn from(event: BatchEvent) -> Self {
        Self::Batch(event)
    }
}

impl From<NodeEvent> for Event {
    fn from(event: NodeEvent) -> Self {
        Self::Node(event)
    }
}
