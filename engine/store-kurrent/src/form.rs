//! An event as KurrentDB keeps it.
//!
//! The *data* is what the event says, in JSON as others may read it: for the server's pages, its
//! projections and connectors. What is sealed stays out. The *metadata* is what we read again: the
//! type's number, the version, the time and the stored body, whose format is ours
//! (`schemas::event`). The event's id tells it from any other that could stand in its place.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use kurrentdb::{EventData, RecordedEvent};
use schemas::event::{BODY_BYTES_MAX, Encoded};
use schemas::public::EventLine;
use schemas::{Event, Position, Recorded, Revision, StreamId, Timestamp};
use serde::{Deserialize, Serialize};
use store::{NewEvent, Stored};
use uuid::Uuid;

/// Our metadata.
#[derive(Serialize, Deserialize)]
struct Metadata {
    kind: u16,
    version: u8,
    /// Milliseconds of Unix time, by the deciding node's clock.
    at: i64,
    /// The stored body, in base64.
    body: String,
}

/// The names of a log's streams.
#[derive(Clone)]
pub struct Names {
    log: String,
    prefix: String,
}

impl Names {
    /// Of the log with this name.
    pub fn new(log: &str) -> Self {
        Self { log: log.to_owned(), prefix: format!("{log}.") }
    }

    /// Where the log says which one it is.
    pub fn log(&self) -> &str {
        &self.log
    }

    /// With what the names of all its streams begin.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// A stream's name, such as `callfold.call-0f3a…`.
    pub fn of(&self, stream: StreamId) -> String {
        format!("{}{stream}", self.prefix)
    }
}

/// An event as it is proposed.
pub fn proposed(stream: StreamId, revision: Revision, event: &NewEvent, id: Uuid) -> EventData {
    let Encoded { kind, version, body } = &event.encoded;
    let metadata =
        Metadata { kind: *kind, version: *version, at: event.at.0, body: STANDARD.encode(body) };
    let metadata = serde_json::to_vec(&metadata).expect("numbers and text become JSON");
    let decoded = Event::decode(*kind, *version, body).ok();
    let recorded = decoded.map(|event_| Recorded {
        position: Position(0),
        stream,
        revision,
        at: event.at,
        event: event_,
    });
    let line = recorded.as_ref().map(|recorded| EventLine::new(recorded, *version, None, None));
    let name = Event::kind_name(*kind).map_or_else(|| format!("Type{kind}"), str::to_owned);
    let data = match &line {
        Some(line) => EventData::json(name, line.data()),
        None => EventData::json(name, &serde_json::Map::new()),
    };
    let data = data.expect("what is public is plain: texts, numbers and lists");
    data.id(id).metadata(Bytes::from(metadata))
}

/// The id of an event that goes to a known place: the same place and content make the same id. The
/// server tells a repeat by ids alone, so another event in the same place must have another.
pub fn id_of(stream: StreamId, revision: Revision, event: &NewEvent) -> Uuid {
    let Encoded { kind, version, body } = &event.encoded;
    let mut bytes = Vec::with_capacity(body.len() + 32);
    bytes.push(stream.kind as u8);
    bytes.extend(revision.0.to_le_bytes());
    bytes.extend(kind.to_le_bytes());
    bytes.push(*version);
    bytes.extend(event.at.0.to_le_bytes());
    bytes.extend(body);
    Uuid::new_v5(&Uuid::from_bytes(stream.id), &bytes)
}

/// Reads an event of ours.
///
/// # Errors
/// It is not: says why.
pub fn stored(names: &Names, event: &RecordedEvent) -> Result<Stored, String> {
    let name = event.stream_id();
    let damaged = |why: String| format!("event {} of {name} cannot be read: {why}", event.revision);
    let stream = name.strip_prefix(names.prefix()).and_then(StreamId::parse);
    let stream = stream.ok_or_else(|| damaged("no stream of ours has this name".to_owned()))?;
    let metadata: Metadata = serde_json::from_slice(&event.custom_metadata)
        .map_err(|error| damaged(format!("its metadata is not ours ({error})")))?;
    let body = STANDARD
        .decode(metadata.body)
        .map_err(|error| damaged(format!("its body is not base64 ({error})")))?;
    if body.len() > BODY_BYTES_MAX {
        return Err(damaged(format!("{} bytes, more than {BODY_BYTES_MAX}", body.len())));
    }
    let revision = u32::try_from(event.revision)
        .map_err(|_| damaged("its stream is longer than a stream can be".to_owned()))?;
    Ok(Stored {
        position: Position(event.position.commit),
        stream,
        revision: Revision(revision),
        at: Timestamp(metadata.at),
        encoded: Encoded { kind: metadata.kind, version: metadata.version, body },
    })
}
