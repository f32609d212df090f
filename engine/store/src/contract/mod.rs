//! What every store promises, as one suite: memory, the log, and what may stand in their place.
//!
//! An implementation's own test makes a [`Subject`] and calls [`every_store_keeps_it`]. Nothing
//! here assumes dense positions, or that a store is fast.

mod appends;
mod following;
mod reads;

use crate::api::{Append, AppendError, Appended, Appender, Expected, NewEvent, Reader, Stored};
use schemas::event::Encoded;
use schemas::{CallId, Position, Revision, StreamId, Timestamp};
use std::sync::Arc;

/// A store under test.
pub trait Subject {
    /// Where events go.
    fn appender(&self) -> Arc<dyn Appender>;
    /// Where they come from.
    fn reader(&self) -> Arc<dyn Reader>;
    /// The same store after a stop and a start. What cannot be stopped returns itself.
    fn reopened(self: Box<Self>) -> Box<dyn Subject>;
}

/// Makes an empty store.
pub type Make<'a> = &'a dyn Fn() -> Box<dyn Subject>;

/// Runs the whole suite. Panics with a sentence where a promise is not kept.
pub fn every_store_keeps_it(make: Make<'_>) {
    for (_, promise) in PROMISES {
        promise(make);
    }
}

type Promise = fn(Make<'_>);

/// Each promise by its name, for who wants to run them one by one.
pub const PROMISES: &[(&str, Promise)] = &[
    ("an append goes in exactly when its expectation holds", appends::expectations),
    ("several events are whole or absent", appends::whole_or_absent),
    ("a repeat of the same append is recognised", appends::repeats),
    ("another append in its place is a conflict", appends::other_content_conflicts),
    ("each append of a batch has its own result", appends::independent_results),
    ("what can never go in is rejected and changes nothing", appends::rejections),
    ("of many writers of one stream exactly one wins each revision", appends::racing_writers),
    ("a stopped store goes on where it was", appends::reopening),
    ("batches of one caller are answered in their order", appends::order_of_replies),
    ("a stream reads in order from any revision and to any limit", reads::streams),
    ("everything reads in order, forward and backward", reads::all_in_order),
    ("an event reads back as it was given", reads::unchanged),
    ("a follower sees every event once, caught up or live", following::no_seam),
    ("a filter hands out what it wants, and how far it has looked", following::filters),
    (
        "a subscription tells every wanted event once, and that it is caught up",
        following::subscriptions,
    ),
    ("waiting ends with the next event, or with the time", following::waiting),
];

/// A stream that no other number names.
fn stream(number: u64) -> StreamId {
    let mut id = [0x5a; 16];
    id[..8].copy_from_slice(&number.to_le_bytes());
    StreamId::call(CallId(id))
}

fn event(body: &str) -> NewEvent {
    let encoded = Encoded { kind: 2, version: 1, body: body.as_bytes().to_vec() };
    NewEvent { encoded, at: Timestamp(1_790_000_000_000 + body.len() as i64) }
}

fn append(stream: StreamId, expected: Expected, bodies: &[&str]) -> Append {
    Append { stream, expected, events: bodies.iter().map(|body| event(body)).collect() }
}

/// A store with a few sentences to speak to it.
struct Store {
    appender: Arc<dyn Appender>,
    reader: Arc<dyn Reader>,
}

impl Store {
    fn of(subject: &dyn Subject) -> Self {
        Self { appender: subject.appender(), reader: subject.reader() }
    }

    fn append(&self, one: Append) -> Result<Appended, AppendError> {
        let mut results = self.appender.append(vec![one]);
        assert_eq!(results.len(), 1, "an append has one result");
        results.remove(0)
    }

    fn stream(&self, stream: StreamId) -> Vec<Stored> {
        self.reader.read_stream(stream, Revision(0), usize::MAX).expect("a store reads")
    }

    fn bodies(&self, stream: StreamId) -> Vec<String> {
        self.stream(stream).iter().map(body).collect()
    }

    fn all(&self) -> Vec<Stored> {
        self.reader.read_all(Position(0), usize::MAX).expect("a store reads")
    }
}

fn body(event: &Stored) -> String {
    String::from_utf8(event.encoded.body.clone()).expect("the suite writes text")
}
