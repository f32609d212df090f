//! Who and what an event speaks of. One newtype per kind of id.

use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

/// The namespace of all our derived ids: `UUIDv5(DNS, "callfold")`.
fn namespace() -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_DNS, b"callfold")
}

/// One walk along the gateways towards one callee: one record, one `CallEnded`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CallId(pub [u8; 16]);

impl CallId {
    /// The first call of a command. The same command always makes the same call.
    pub fn of_command(command: &CommandId) -> Self {
        Self(Uuid::new_v5(&namespace(), command.as_str().as_bytes()).into_bytes())
    }

    /// The `attempt`-th call of a command (from 2), named after its first call, so that issuing
    /// a redial twice dials once.
    pub fn of_redial(first: CallId, attempt: u16) -> Self {
        Self(derived(first.0, attempt.to_string().as_bytes()))
    }

    /// Reads what [`fmt::Display`] wrote. `None` when it is no UUID.
    pub fn parse(text: &str) -> Option<Self> {
        Uuid::try_parse(text).ok().map(|id| Self(id.into_bytes()))
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Uuid::from_bytes(self.0).hyphenated().fmt(f)
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The id of an event: `UUIDv5(stream id, sequence in decimal)`. Derived, never stored, so that
/// an append repeated after an unknown outcome is recognised.
pub fn event_id(stream: [u8; 16], sequence: u32) -> Uuid {
    Uuid::from_bytes(derived(stream, sequence.to_string().as_bytes()))
}

fn derived(namespace: [u8; 16], name: &[u8]) -> [u8; 16] {
    Uuid::new_v5(&Uuid::from_bytes(namespace), name).into_bytes()
}

/// What the caller named its command: 1 to 128 printable characters. The same id with the same
/// content is the same command.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct CommandId(Box<str>);

impl CommandId {
    /// The longest command id, in characters.
    pub const CHARS_MAX: usize = 128;

    /// `None` when it is empty, longer than [`Self::CHARS_MAX`], or holds a control character.
    pub fn new(text: &str) -> Option<Self> {
        let fits = !text.is_empty()
            && text.chars().count() <= Self::CHARS_MAX
            && !text.chars().any(char::is_control);
        fits.then(|| Self(text.into()))
    }

    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The opaque key of a callee: the first 16 bytes of HMAC-SHA256(K, phone). Limits, owners and
/// partitions go by it; without K nobody can tell whose it is, and it outlives an erasure.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CalleeKey(pub [u8; 16]);

impl CalleeKey {
    /// Reads 32 lower-case hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        from_hex(text).map(Self)
    }
}

impl fmt::Display for CalleeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Debug for CalleeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

/// What a stream is about. The number is stored: never reuse one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum StreamKind {
    /// One call.
    Call = 1,
    /// One callee: what was reserved and released against its limits.
    Callee = 2,
    /// One node: its starts and stops.
    Node = 3,
    /// One run of one batch: its items.
    Batch = 4,
}

impl StreamKind {
    /// The kind behind a stored number; `None` for one of a later version.
    pub fn from_number(number: u8) -> Option<Self> {
        [Self::Call, Self::Callee, Self::Node, Self::Batch]
            .into_iter()
            .find(|kind| *kind as u8 == number)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Callee => "callee",
            Self::Node => "node",
            Self::Batch => "batch",
        }
    }
}

/// A stream of events that follow one another: a kind and 16 bytes, written `call-0f3a…`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// What the stream is about.
    pub kind: StreamKind,
    /// Which one.
    pub id: [u8; 16],
}

impl StreamId {
    /// The stream of a call.
    pub fn call(call: CallId) -> Self {
        Self { kind: StreamKind::Call, id: call.0 }
    }

    /// The stream of a callee's limits.
    pub fn callee(callee: CalleeKey) -> Self {
        Self { kind: StreamKind::Callee, id: callee.0 }
    }

    /// The stream of a node, by its name.
    pub fn node(name: &str) -> Self {
        Self { kind: StreamKind::Node, id: derived(namespace().into_bytes(), name.as_bytes()) }
    }

    /// The stream of one run (from 1) of a batch.
    pub fn batch(name: &str, run: u32) -> Self {
        let batch = derived(namespace().into_bytes(), format!("batch/{name}").as_bytes());
        Self { kind: StreamKind::Batch, id: derived(batch, run.to_string().as_bytes()) }
    }

    /// The call this stream belongs to, when it is a call's.
    pub fn as_call(&self) -> Option<CallId> {
        (self.kind == StreamKind::Call).then_some(CallId(self.id))
    }

    /// Reads what [`fmt::Display`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, id) = text.split_once('-')?;
        let kind = [StreamKind::Call, StreamKind::Callee, StreamKind::Node, StreamKind::Batch]
            .into_iter()
            .find(|k| k.name() == kind)?;
        Some(Self { kind, id: from_hex(id)? })
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-", self.kind.name())?;
        hex(&self.id, f)
    }
}

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where an event stands in the one order of its log. Rises strictly, gaps allowed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Position(pub u64);

/// Where an event stands in its stream: dense from 0. A call's *sequence* is its revision + 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Revision(pub u32);

impl Revision {
    /// The sequence as the contract counts it, from 1.
    pub fn sequence(self) -> u32 {
        self.0 + 1
    }
}

fn hex(bytes: &[u8; 16], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

fn from_hex(text: &str) -> Option<[u8; 16]> {
    let digits = text.as_bytes();
    if digits.len() != 32 || !digits.iter().all(|d| matches!(d, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let mut bytes = [0; 16];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    // `contract.md`: programs outside derive these ids by themselves, so they may never change.
    #[test]
    fn the_ids_that_others_derive_stay_as_they_are() {
        let command = CommandId::new("crm-17-0001").unwrap();
        let call = CallId::of_command(&command);
        assert_eq!(call.to_string(), "9eb39ff5-2506-51bf-a98b-440bd8deba94");
        assert_eq!(CallId::of_redial(call, 2).to_string(), "7f0251b3-50ce-52ab-8649-a45b7b7e5a03");
        assert_eq!(CallId::of_redial(call, 2).0, *event_id(call.0, 2).as_bytes());
    }

    #[test]
    fn a_stream_name_reads_back_as_the_same_stream() {
        for stream in [
            StreamId::call(CallId([7; 16])),
            StreamId::callee(CalleeKey([0xab; 16])),
            StreamId::node("node-1"),
            StreamId::batch("spring", 2),
        ] {
            assert_eq!(StreamId::parse(&stream.to_string()), Some(stream));
        }
        assert_eq!(StreamId::parse("call-xyz"), None);
        assert_eq!(StreamId::parse("call"), None);
    }

    #[test]
    fn a_command_id_is_printable_and_bounded() {
        assert!(CommandId::new("a").is_some());
        assert!(CommandId::new("").is_none());
        assert!(CommandId::new("a\r\nb").is_none());
        assert!(CommandId::new(&"é".repeat(128)).is_some());
        assert!(CommandId::new(&"é".repeat(129)).is_none());
    }
}
