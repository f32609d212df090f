//! The one statement that appends: what goes into it as arrays, and what it answers.

use crate::session::Failure;
use schemas::event::Encoded;
use schemas::sealed::StoredKey;
use schemas::{Position, Revision, StreamId, StreamKind, Timestamp};
use store::api::Ownership;
use store::{Append, Expected, Stored};
use tokio_postgres::{Client, Row};
use uuid::Uuid;

/// Appends it; see `migrations/V1__events.sql`.
pub const APPEND: &str = "SELECT states, lasts, ends FROM append(
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)";

/// Events of a stream by revision: what stands where an append would have gone.
pub const STRETCH: &str =
    "SELECT position, at, revision, stream_id, type, stream_kind, version, body
    FROM events WHERE stream_id = $1 AND stream_kind = $2 AND revision >= $3 AND revision < $4
    ORDER BY revision";

/// What became of an append on the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It is in: its last revision and position.
    In(Revision, Position),
    /// It does not fit: the last revision of its stream.
    DoesNotFit(Option<Revision>),
    /// Its partition has this owner.
    Owned(u64),
    /// This very attempt had brought it before its answer got lost.
    WasIn(Revision, Position),
}

/// A stream's name in the tables.
pub fn name_of(stream: StreamId) -> (i16, Uuid) {
    (stream.kind as i16, Uuid::from_bytes(stream.id))
}

/// The parameters of the statement, array by array.
#[derive(Default)]
pub struct Arrays<'a> {
    kinds: Vec<i16>,
    ids: Vec<Uuid>,
    expectations: Vec<i64>,
    counts: Vec<i32>,
    partitions: Vec<i32>,
    epochs: Vec<i64>,
    overs: Vec<bool>,
    places: Vec<i32>,
    indexes: Vec<i32>,
    types: Vec<i32>,
    versions: Vec<i16>,
    ats: Vec<i64>,
    bodies: Vec<&'a [u8]>,
    attempt: Uuid,
    callees: Vec<Uuid>,
    generations: Vec<i32>,
    nonces: Vec<&'a [u8]>,
    wrapped: Vec<&'a [u8]>,
}

impl<'a> Arrays<'a> {
    /// Nothing yet. `attempt` names this statement, however often it is sent.
    pub fn new(attempt: Uuid) -> Self {
        Self { attempt, ..Self::default() }
    }

    /// An append, to a stream that no other one here is to.
    pub fn add(&mut self, append: &'a Append, owner: Option<Ownership>) {
        let (kind, id) = name_of(append.stream);
        self.kinds.push(kind);
        self.ids.push(id);
        self.expectations.push(match append.expected {
            Expected::Exact(last) => last.0.into(),
            Expected::NoStream => -1,
            Expected::Exists => -2,
            Expected::Any => -3,
        });
        // The sizes were checked: a few thousand.
        self.counts.push(append.events.len() as i32);
        self.own(owner);
        let place = self.ids.len() as i32;
        for (index, event) in (0..).zip(&append.events) {
            self.places.push(place);
            self.indexes.push(index);
            self.types.push(event.encoded.kind.into());
            self.versions.push(event.encoded.version.into());
            self.ats.push(event.at.0);
            self.bodies.push(&event.encoded.body);
        }
    }

    /// Whose work the append that was just added is.
    fn own(&mut self, owner: Option<Ownership>) {
        if owner.is_none() && self.partitions.is_empty() {
            // The server does not look as long as nobody owns anything.
            return;
        }
        let before = self.ids.len() - 1;
        self.partitions.resize(before, -1);
        self.epochs.resize(before, i64::MAX);
        self.overs.resize(before, false);
        // A partition that PostgreSQL cannot number has never had an owner there.
        let partition = owner.and_then(|owner| i32::try_from(owner.partition).ok());
        let epoch = owner.and_then(|owner| i64::try_from(owner.epoch).ok());
        self.partitions.push(partition.unwrap_or(-1));
        self.epochs.push(epoch.unwrap_or(i64::MAX));
        self.overs.push(owner.is_some_and(|owner| owner.over));
    }

    /// A person's key.
    pub fn add_key(&mut self, key: &'a StoredKey) {
        self.callees.push(Uuid::from_bytes(key.callee.0));
        self.generations.push(key.generation.into());
        self.nonces.push(&key.nonce);
        self.wrapped.push(&key.wrapped);
    }

    /// How many appends it has.
    pub fn appends(&self) -> usize {
        self.ids.len()
    }

    /// Sends it.
    pub async fn run(
        &self,
        client: &Client,
        prepared: &tokio_postgres::Statement,
    ) -> Result<Vec<Outcome>, Failure> {
        let row = client
            .query_one(
                prepared,
                &[
                    &self.kinds,
                    &self.ids,
                    &self.expectations,
                    &self.counts,
                    &self.partitions,
                    &self.epochs,
                    &self.overs,
                    &self.places,
                    &self.indexes,
                    &self.types,
                    &self.versions,
                    &self.ats,
                    &self.bodies,
                    &self.attempt,
                    &self.callees,
                    &self.generations,
                    &self.nonces,
                    &self.wrapped,
                ],
            )
            .await?;
        let states: Vec<i16> = row.get(0);
        let lasts: Option<Vec<Option<i64>>> = row.get(1);
        let ends: Vec<i64> = row.get(2);
        let lasts = lasts.unwrap_or_default().into_iter();
        Ok(states
            .into_iter()
            .zip(lasts)
            .zip(ends)
            .map(|((state, last), end)| outcome(state, last, end))
            .collect())
    }
}

fn outcome(state: i16, last: Option<i64>, end: i64) -> Outcome {
    // A revision has 32 bits: the function on the server sees to that.
    let revision = |last: i64| Revision(last as u32);
    let (at, position) = (revision(last.unwrap_or(0)), Position(end.unsigned_abs()));
    match state {
        0 => Outcome::In(at, position),
        3 => Outcome::WasIn(at, position),
        2 => Outcome::Owned(last.unwrap_or(0).unsigned_abs()),
        _ => Outcome::DoesNotFit(last.map(revision)),
    }
}

/// An event of a query that gives position, at, revision, stream_id, type, stream_kind, version and
/// body. An `Err` says what cannot be read of it.
pub fn stored(row: Row) -> Result<Stored, String> {
    let position: i64 = row.get(0);
    let odd = |what: &str| format!("event {position} has {what}, which a later version may know");
    let kind: i16 = row.get(5);
    let kind = u8::try_from(kind).ok().and_then(StreamKind::from_number);
    let kind = kind.ok_or_else(|| odd("a stream of another kind"))?;
    let revision = u32::try_from(row.get::<_, i64>(2)).map_err(|_| odd("a large revision"))?;
    let event = u16::try_from(row.get::<_, i32>(4)).map_err(|_| odd("a large type"))?;
    let version = u8::try_from(row.get::<_, i16>(6)).map_err(|_| odd("a large version"))?;
    Ok(Stored {
        position: Position(position.unsigned_abs()),
        stream: StreamId { kind, id: row.get::<_, Uuid>(3).into_bytes() },
        revision: Revision(revision),
        at: Timestamp(row.get(1)),
        encoded: Encoded { kind: event, version, body: row.get(7) },
    })
}
