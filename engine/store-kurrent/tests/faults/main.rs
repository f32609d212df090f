//! What goes wrong between us and the server, and what a caller sees of it.

mod appends;
mod cluster;
mod following;
mod keys;
mod opening;

use kurrent_server::Servers;
use schemas::event::Encoded;
use schemas::{CallId, Position, Revision, StreamId, Timestamp};
use std::time::Duration;
use store::writer::NoKeys;
use store::{Append, AppendError, Appended, Appender, Expected, NewEvent, Reader};
use store_kurrent::{KurrentStore, Options};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

fn options() -> Options {
    Options { patience: PATIENCE, ..Options::default() }
}

/// Gives up soon.
fn hasty() -> Options {
    Options { patience: Duration::from_millis(300), ..Options::default() }
}

fn open(url: &str) -> KurrentStore {
    KurrentStore::open(url, options(), NoKeys).unwrap()
}

fn stream(number: u64) -> StreamId {
    let mut id = [0x5a; 16];
    id[..8].copy_from_slice(&number.to_le_bytes());
    StreamId::call(CallId(id))
}

fn append(stream: StreamId, expected: Expected, bodies: &[&str]) -> Append {
    let event = |body: &&str| NewEvent {
        encoded: Encoded { kind: 2, version: 1, body: body.as_bytes().to_vec() },
        at: Timestamp(1_790_000_000_000),
    };
    Append { stream, expected, events: bodies.iter().map(event).collect() }
}

/// A store with a few words to speak to it.
trait Short {
    fn put(&self, one: Append) -> Result<Appended, AppendError>;
    fn bodies(&self, stream: StreamId) -> String;
}

impl Short for KurrentStore {
    fn put(&self, one: Append) -> Result<Appended, AppendError> {
        self.append(vec![one]).remove(0)
    }

    fn bodies(&self, stream: StreamId) -> String {
        let events = self.read_stream(stream, Revision(0), 10_000).unwrap();
        events.into_iter().map(|event| String::from_utf8(event.encoded.body).unwrap()).collect()
    }
}
