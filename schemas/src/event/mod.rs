//! Every event as one stored form: a kind, a version and a body.
//!
//! The body is bincode 2, `config::standard()` (little endian, varint), of the frozen struct of
//! that (kind, version). The *format* is ours to keep; the crate is replaceable, and a test holds
//! that another implementation writes the same bytes.

#[cfg(test)]
mod another_codec;
#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;

use crate::batch::{BatchEvent, BatchLoaded, BatchOpened, ItemAdded};
use crate::call::{self, CallEvent};
use crate::node::{NodeEvent, NodeStarted, NodeStopped};
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
    #[error("event type {kind} version {version} is not known to this version of Callfold")]
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

/// Writes and reads the events of a family by (kind, version). A row is for ever.
macro_rules! stored {
    ($family:ident: $( $kind:literal / $version:literal => $variant:ident ( $type:ty ) ),* $(,)?) => {
        impl $family {
            /// Every (kind, version, name) of this family that is written today.
            pub const KINDS: &[(u16, u8, &str)] =
                &[ $( ($kind, $version, stringify!($variant)), )* ];

            /// The stored form, always of the latest version.
            pub fn encode(&self) -> Encoded {
                match self {
                    $( Self::$variant(event) => Encoded {
                        kind: $kind,
                        version: $version,
                        body: to_bytes::<$type>(event),
                    }, )*
                }
            }

            /// Reads a stored form; `None` when it is of no (kind, version) of this family.
            fn decode(kind: u16, version: u8, body: &[u8]) -> Option<Result<Self, DecodeError>> {
                match (kind, version) {
                    $( ($kind, $version) => Some(
                        from_bytes::<$type>(kind, version, body).map(|event| Self::$variant(event.into()))
                    ), )*
                    _ => None,
                }
            }
        }
    };
}

stored! { CallEvent:
    1 / 1 => CallRequested(call::v1::CallRequested),
    2 / 1 => CallQueued(call::v1::CallQueued),
    3 / 1 => DialStarted(call::v1::DialStarted),
    4 / 1 => CallProceeding(call::v1::CallProceeding),
    5 / 1 => CallRang(call::v1::CallRang),
    6 / 1 => EarlyMediaStarted(call::v1::EarlyMediaStarted),
    7 / 1 => TryFailed(call::v1::TryFailed),
    8 / 1 => CancelIssued(call::v1::CancelIssued),
    9 / 1 => LateAnswerReleased(call::v1::LateAnswerReleased),
    10 / 1 => CallAnswered(call::v1::CallAnswered),
    11 / 1 => PromptPlayed(call::v1::PromptPlayed),
    12 / 1 => DigitPressed(call::v1::DigitPressed),
    13 / 1 => CallHeld(call::v1::CallHeld),
    14 / 1 => CallResumed(call::v1::CallResumed),
    15 / 1 => CallHungUp(call::v1::CallHungUp),
    16 / 1 => MediaMeasured(call::v1::MediaMeasured),
    17 / 1 => CallEnded(call::v1::CallEnded),
    18 / 1 => HangUpConfirmed(call::v1::HangUpConfirmed),
}

stored! { BatchEvent:
    100 / 1 => BatchOpened(BatchOpened),
    101 / 1 => ItemAdded(ItemAdded),
    102 / 1 => BatchLoaded(BatchLoaded),
}

stored! { NodeEvent:
    200 / 1 => NodeStarted(NodeStarted),
    201 / 1 => NodeStopped(NodeStopped),
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

    /// Every (kind, version, name) that is written today.
    pub fn kinds() -> impl Iterator<Item = (u16, u8, &'static str)> {
        [CallEvent::KINDS, BatchEvent::KINDS, NodeEvent::KINDS].into_iter().flatten().copied()
    }

    /// The name of a stored type, such as `CallEnded`; `None` for an unknown number.
    pub fn kind_name(kind: u16) -> Option<&'static str> {
        Self::kinds().find(|row| row.0 == kind).map(|row| row.2)
    }

    /// The number of a stored type, by its name.
    pub fn kind_number(name: &str) -> Option<u16> {
        Self::kinds().find(|row| row.2 == name).map(|row| row.0)
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
