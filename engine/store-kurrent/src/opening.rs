//! Which log it is: a stream of its own, under the log's name, beside the streams with events.
//!
//! Its first event says the log's id and format, the second tells the secrets it was begun with
//! from others, the third whose it is.

use crate::connection::Failure;
use crate::reading::LogReading;
use kurrentdb::{
    AppendToStreamOptions, Client, Error, EventData, ReadStreamOptions, StreamPosition, StreamState,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use store::{StoreError, StoreId};
use uuid::Uuid;

/// The format of what stands in the streams.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct LogBegun {
    id: Uuid,
    format: u32,
}

/// Tells a node's secrets from others, without telling what they are.
#[derive(Serialize, Deserialize, PartialEq, Eq, Clone, Copy)]
pub struct Secrets {
    pub callee: u64,
    pub master: u64,
}

/// Opens the log: which it is. Begins it when it is to be made and is not there.
pub async fn open(reading: &LogReading, make: bool) -> Result<StoreId, StoreError> {
    let remote = |failure| reading.connection.remote(failure);
    let found = match read::<LogBegun>(reading, 0).await {
        Ok(found) => found,
        Err(failure) => return Err(reading.connection.explain(failure).await),
    };
    let begun = match found {
        None if make => {
            let mut id = [0; 16];
            getrandom::fill(&mut id).expect("an operating system that runs this has randomness");
            let id = uuid::Builder::from_random_bytes(id).into_uuid();
            let begun = LogBegun { id, format: FORMAT };
            put(reading, StreamState::NoStream, "LogBegun", &begun).await.map_err(remote)?;
            // Of two nodes that begin it at once, one has.
            read::<LogBegun>(reading, 0).await.map_err(remote)?
        }
        found => found,
    };
    let nobody = || Failure::lasting("no node has kept its events there".to_owned());
    let begun = begun.ok_or_else(|| remote(nobody()))?;
    if begun.format > FORMAT {
        let file = reading.connection.address().shown().to_owned();
        return Err(StoreError::Newer { file, found: begun.format, known: FORMAT });
    }
    Ok(StoreId(begun.id.into_bytes()))
}

/// The secrets that the log was begun with; these, when nobody has said any.
pub async fn secrets(reading: &LogReading, given: Secrets) -> Result<Secrets, Failure> {
    if let Some(known) = read(reading, 1).await? {
        return Ok(known);
    }
    put(reading, StreamState::StreamRevision(0), "SecretsNamed", &given).await?;
    let gone = || Failure::passing("the server does not show what it took".to_owned());
    read(reading, 1).await?.ok_or_else(gone)
}

#[derive(Serialize, Deserialize)]
struct NodeNamed {
    node: String,
}

/// The node whose log it is; this one, when nobody has said any. The secrets were named before.
pub async fn node(reading: &LogReading, given: String) -> Result<String, Failure> {
    if let Some(NodeNamed { node }) = read(reading, 2).await? {
        return Ok(node);
    }
    let named = NodeNamed { node: given };
    put(reading, StreamState::StreamRevision(1), "NodeNamed", &named).await?;
    let gone = || Failure::passing("the server does not show what it took".to_owned());
    read(reading, 2).await?.map(|NodeNamed { node }| node).ok_or_else(gone)
}

async fn read<T: DeserializeOwned>(
    reading: &LogReading,
    number: u64,
) -> Result<Option<T>, Failure> {
    let options = ReadStreamOptions::default().position(StreamPosition::Position(number));
    let options = options.max_count(1).requires_leader(true);
    let options = match reading.connection.address().login() {
        Some(login) => options.authenticated(login.clone()),
        None => options,
    };
    let (options, log) = (&options, reading.names.log());
    let read = |client: Client| async move {
        let mut events = client.read_stream(log, options).await?;
        let event = match events.next().await {
            Ok(Some(event)) => event,
            Ok(None) | Err(Error::ResourceNotFound) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let strange =
            |error| Failure::lasting(format!("event {number} of {log} is not ours: {error}"));
        event.get_original_event().as_json().map(Some).map_err(strange)
    };
    reading.connection.patiently(reading.patience, read).await
}

/// Appends to the log's own stream, unless somebody else has.
async fn put(
    reading: &LogReading,
    expected: StreamState,
    kind: &str,
    event: &impl Serialize,
) -> Result<(), Failure> {
    let event = EventData::json(kind, event).expect("numbers and ids become JSON");
    let options = AppendToStreamOptions::default().stream_state(expected).requires_leader(true);
    let options = match reading.connection.address().login() {
        Some(login) => options.authenticated(login.clone()),
        None => options,
    };
    let (options, log) = (&options, reading.names.log());
    let put = |client: Client| {
        let event = event.clone();
        async move {
            match client.append_to_stream(log, options, event).await {
                Ok(_) | Err(Error::WrongExpectedVersion { .. }) => Ok(()),
                Err(error) => Err(error.into()),
            }
        }
    };
    reading.connection.patiently(reading.patience, put).await
}
