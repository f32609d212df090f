//! Events as others read them: JSON, translated from the stored form.
//!
//! The outside never sees what we store. This is where fields that are ours alone are dropped
//! (what identifies a try on the wire, what hangs up after a crash), where stored numbers become
//! words, spans become times, and where sealed fields stay out unless somebody asks for them and
//! holds the keys. Times are RFC 3339 with milliseconds.

pub(crate) mod call;
mod other;
#[cfg(test)]
mod tests;
pub(crate) mod words;

pub use call::{CallEventData, TryData};

use crate::{CallId, CalleeKey, CommandId, Event, Position, Recorded, Sealed, Timestamp, Vault};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use std::fmt::Display;

/// Which personal data is told. Nothing by default: the contract's topic carries none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Include {
    /// The callee's number.
    pub phone: bool,
    /// The caller's own data.
    pub variables: bool,
    /// Free text of carriers, which may hold a number, and the keys that were pressed.
    pub detail: bool,
}

impl Include {
    /// Nothing personal.
    pub const NOTHING: Self = Self { phone: false, variables: false, detail: false };
    /// Everything: for an operator at the machine that holds the keys.
    pub const EVERYTHING: Self = Self { phone: true, variables: true, detail: true };
}

/// Who opens sealed fields, and which. `None` leaves every one of them out.
pub type Reveal<'a> = Option<(&'a dyn Vault, Include)>;

/// Whose event it is: what every event of a call is told with, and only its first event holds.
#[derive(Clone, PartialEq, Debug)]
pub struct Subject {
    /// The call.
    pub call: CallId,
    /// Its PlaceCall; the same for its redials.
    pub command_id: CommandId,
    /// Whom it is for: opens what is sealed, and is never told.
    pub callee: CalleeKey,
}

/// An event where it stands in its log, as `callfold events` prints it.
#[derive(Serialize)]
pub struct EventLine<'a> {
    /// In the log.
    pub position: Position,
    /// `None` for an event of a batch or a node.
    #[serde(serialize_with = "shown_or_null")]
    pub call_id: Option<CallId>,
    /// In its stream, dense from 1.
    pub sequence: u32,
    /// The type, such as `CallAnswered`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The version it is stored in.
    pub version: u8,
    /// When it happened.
    #[serde(serialize_with = "shown")]
    pub occurred_at: Timestamp,
    data: Data<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Data<'a> {
    Call(call::Data<'a>),
    Other(other::Data<'a>),
}

impl<'a> EventLine<'a> {
    /// Translates an event. `callee` is the call's, from its `CallRequested`; without it what is
    /// sealed in a call's event stays out.
    pub fn new(
        recorded: &'a Recorded,
        version: u8,
        callee: Option<CalleeKey>,
        reveal: Reveal<'_>,
    ) -> Self {
        let opened = Opened { callee, reveal };
        let (kind, data) = match &recorded.event {
            Event::Call(event) => {
                (event.name(), Data::Call(call::Data::of(event, recorded.at, &opened)))
            }
            Event::Batch(event) => {
                let (kind, data) = other::batch(event, reveal);
                (kind, Data::Other(data))
            }
            Event::Node(event) => {
                let (kind, data) = other::node(event);
                (kind, Data::Other(data))
            }
        };
        Self {
            position: recorded.position,
            call_id: recorded.stream.as_call(),
            sequence: recorded.revision.sequence(),
            kind,
            version,
            occurred_at: recorded.at,
            data,
        }
    }

    /// The whole line as JSON, without the line's end.
    pub fn to_json(&self) -> Vec<u8> {
        json(self)
    }

    /// Its own fields alone: what a table has room for, and what stores keep that show JSON.
    pub fn data(&self) -> &(impl Serialize + use<'a>) {
        &self.data
    }

    /// Its own fields alone, as JSON.
    pub fn data_json(&self) -> Vec<u8> {
        json(&self.data)
    }
}

/// Opens the sealed fields of one callee, as far as it may.
struct Opened<'a> {
    callee: Option<CalleeKey>,
    reveal: Reveal<'a>,
}

/// A field that was sealed: `Some(None)` is told as null, since the person was erased.
type Unsealed<T> = Option<Option<T>>;

impl Opened<'_> {
    fn bytes(&self, sealed: &Sealed, wanted: fn(&Include) -> bool) -> Unsealed<Vec<u8>> {
        let ((vault, include), callee) = self.reveal.zip(self.callee)?;
        wanted(&include).then(|| vault.open(callee, sealed))
    }

    fn text(&self, sealed: &Sealed, wanted: fn(&Include) -> bool) -> Unsealed<String> {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        self.bytes(sealed, wanted).map(|bytes| bytes.map(text))
    }

    fn phone(&self, sealed: &Sealed) -> Unsealed<String> {
        self.text(sealed, |include| include.phone)
    }

    fn detail(&self, sealed: Option<&Sealed>) -> Unsealed<String> {
        sealed.and_then(|sealed| self.text(sealed, |include| include.detail))
    }

    fn variables(&self, sealed: Option<&Sealed>) -> Unsealed<Map<String, Value>> {
        let bytes = self.bytes(sealed?, |include| include.variables)?;
        Some(bytes.and_then(|json| serde_json::from_slice(&json).ok()))
    }
}

fn json(data: &impl Serialize) -> Vec<u8> {
    // Structs of texts, numbers and lists: nothing in them can fail to become JSON.
    serde_json::to_vec(data).expect("the data of an event is plain")
}

fn shown<S: Serializer>(value: &impl Display, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

fn shown_or_null<S: Serializer>(value: &Option<impl Display>, to: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => to.collect_str(value),
        None => to.serialize_none(),
    }
}

/// Milliseconds as the seconds that commands and configuration speak of, whole where they are.
fn seconds<S: Serializer>(ms: &u32, to: S) -> Result<S::Ok, S::Error> {
    match ms % 1000 {
        0 => to.serialize_u32(ms / 1000),
        _ => to.serialize_f64(f64::from(*ms) / 1000.0),
    }
}

/// So many milliseconds before a moment: events keep spans to their end.
fn before(at: Timestamp, ms: u32) -> Timestamp {
    Timestamp(at.0.saturating_sub(i64::from(ms)))
}
