//! An append on its way: where it goes, and what is known of it.

use crate::connection::Failure;
use crate::form;
use crate::reading::LogReading;
use futures_util::future::try_join;
use kurrentdb::StreamState;
use schemas::{Position, Revision};
use std::future::ready;
use store::api::Verdict;
use store::{Append, AppendError, Appended, Expected, NewEvent, Stored};
use uuid::Uuid;

/// How often an append is sent again because its stream, looked at, is as expected after all.
const REFUSALS_MAX: u32 = 8;

/// An append on its way.
pub struct Pending<'a> {
    pub append: &'a Append,
    /// What it came to, once that stands.
    pub result: Option<Result<Appended, AppendError>>,
    /// Its stream is looked at before it is sent.
    pub needs_a_look: bool,
    /// It was sent, and may stand.
    pub lost: bool,
    /// Where its events go, as far as that is known.
    first: Option<Revision>,
    /// Where the log ended, as far as we knew, when it was first sent: what stands below was there
    /// before.
    floor: Option<u64>,
    /// Makes the ids of events whose place the caller leaves open, so that two appends of the same
    /// content are two.
    open: Option<Uuid>,
    refusals: u32,
}

/// What a look at the stream says.
pub struct Look {
    /// Its last revision.
    pub current: Option<Revision>,
    verdict: Result<Revision, Result<Appended, AppendError>>,
}

impl<'a> Pending<'a> {
    /// Not sent yet. What can go in nowhere has its result.
    pub fn new(append: &'a Append) -> Self {
        let result = append.check_size().err().map(Err);
        // As if the stream were as expected. Where that cannot be, the stream is looked at.
        let supposed = match append.expected {
            Expected::NoStream => append.judge(None).ok(),
            Expected::Exact(revision) => append.judge(Some(revision)).ok(),
            Expected::Exists | Expected::Any => None,
        };
        let first = supposed.and_then(fits);
        let is_open = matches!(append.expected, Expected::Exists | Expected::Any);
        Self {
            append,
            result,
            needs_a_look: first.is_none(),
            lost: false,
            first,
            floor: None,
            open: is_open.then(random_id),
            refusals: 0,
        }
    }

    /// Whether a stream that reaches this far leaves no place for it.
    pub fn is_taken(&self, seen: Revision) -> bool {
        self.open.is_none() && self.first.is_some_and(|first| seen >= first)
    }

    /// Its stream has been seen to reach at least this far.
    pub fn learn(&mut self, seen: Revision) {
        if self.open.is_some() && self.first.is_none() {
            self.first = self.append.judge(Some(seen)).ok().and_then(fits);
            self.needs_a_look = self.first.is_none();
        }
        self.needs_a_look |= self.is_taken(seen);
    }

    /// Looks at the stream.
    pub async fn look(&self, reading: &LogReading) -> Result<Look, Failure> {
        let (stream, count) = (self.append.stream, self.append.events.len());
        let stretch = |first| reading.stretch(stream, first, count);
        // Both at once: a read waits 40 ms whatever it asks for.
        let place = self.first.filter(|_| self.open.is_none() || self.lost);
        let (current, mut stand) = match place {
            Some(first) => try_join(reading.last_revision(stream), stretch(first)).await?,
            None => try_join(reading.last_revision(stream), ready(Ok(Vec::new()))).await?,
        };
        // It may have gone in where it was sent: its ids are nobody else's.
        if self.open.is_some() && !stand.is_empty() && self.is_by_id(&stand) {
            return Ok(Look { current, verdict: Err(Ok(self.done(&stand, false))) });
        }
        let conflict = || Err(Err(AppendError::Conflict { current }));
        let verdict = match self.append.judge(current) {
            Ok(Verdict::Fits(first)) if self.refusals < REFUSALS_MAX => Ok(first),
            Ok(Verdict::Fits(_)) => conflict(),
            Ok(Verdict::RepeatOrConflict(first)) => {
                if stand.len() < count {
                    stand = stretch(first).await?;
                }
                if self.is_by_content(&stand) {
                    Err(Ok(self.done(&stand, true)))
                } else {
                    conflict()
                }
            }
            Err(error) => Err(Err(error)),
        };
        Ok(Look { current, verdict })
    }

    /// Takes over what a look said.
    pub fn take(&mut self, look: Look) {
        match look.verdict {
            Ok(first) => (self.first, self.needs_a_look) = (Some(first), false),
            Err(settled) => self.result = Some(settled),
        }
    }

    /// What the server is to expect, and where the first event goes. `None` when it is settled.
    pub fn place(&mut self, floor: u64) -> Option<(StreamState, Revision)> {
        let first = self.first.filter(|_| self.result.is_none())?;
        self.floor.get_or_insert(floor);
        let expected = match first.0.checked_sub(1) {
            None => StreamState::NoStream,
            Some(last) => StreamState::StreamRevision(u64::from(last)),
        };
        Some((expected, first))
    }

    /// An event's revision and id.
    pub fn name(&self, first: Revision, index: usize, event: &NewEvent) -> (Revision, Uuid) {
        // An append has far fewer events than a stream has room for.
        let revision = Revision(first.0 + index as u32);
        let id = match self.open {
            Some(open) => Uuid::new_v5(&open, &index.to_le_bytes()),
            None => form::id_of(self.append.stream, revision, event),
        };
        (revision, id)
    }

    /// The server says that it stands. Its last revision.
    pub fn stands(&mut self, last: Option<u64>, position: u64) -> Revision {
        let due = self.last();
        let already = self.open.is_none() && self.floor.is_some_and(|floor| position <= floor);
        self.result = Some(if last.is_none_or(|last| last == u64::from(due.0)) {
            Ok(Appended { last: due, position: Position(position), already })
        } else {
            let stream = self.append.stream;
            Err(AppendError::Broken(format!("somebody deletes events of {stream}")))
        });
        due
    }

    /// Where its last event stands, when the server has not said so.
    pub async fn find(&self, reading: &LogReading) -> Result<u64, Failure> {
        let event = reading.stretch(self.append.stream, self.last(), 1).await?;
        let gone = || Failure::passing("the server does not show what it took".to_owned());
        event.first().map(|(_, event)| event.position.0).ok_or_else(gone)
    }

    /// The stream was not as expected.
    pub fn refused(&mut self) {
        self.refusals += 1;
        self.needs_a_look = true;
    }

    /// Nobody will ever know.
    pub fn give_up(&mut self, failure: &Failure) {
        let why = failure.why.clone();
        self.result = Some(Err(match failure.lasting && !self.lost {
            true => AppendError::Broken(why),
            false => AppendError::Unknown(why),
        }));
    }

    /// What it came to.
    pub fn into_result(self) -> Result<Appended, AppendError> {
        let lost = || AppendError::Unknown("the server said nothing of it".to_owned());
        self.result.unwrap_or_else(|| Err(lost()))
    }

    /// The revision of its last event, once it has a place.
    fn last(&self) -> Revision {
        let first = self.first.expect("only what has a place is sent");
        Revision(first.0 + (self.append.events.len() - 1) as u32)
    }

    fn is_by_id(&self, stand: &[(Uuid, Stored)]) -> bool {
        let is_ours = |((index, event), (id, stored)): ((usize, &NewEvent), &(Uuid, Stored))| {
            let first = Revision(stored.revision.0 - index as u32);
            self.name(first, index, event).1 == *id
        };
        stand.len() == self.append.events.len()
            && self.append.events.iter().enumerate().zip(stand).all(is_ours)
    }

    fn is_by_content(&self, stand: &[(Uuid, Stored)]) -> bool {
        stand.len() == self.append.events.len()
            && stand.iter().zip(&self.append.events).all(|((_, stored), event)| stored.is(event))
    }

    /// The very events of this append, as they stand.
    fn done(&self, stand: &[(Uuid, Stored)], may_be_older: bool) -> Appended {
        let (_, last) = stand.last().expect("an append has at least one event");
        // What was not there when it was first sent, an earlier try of it has brought.
        let already = may_be_older && self.floor.is_none_or(|floor| last.position.0 <= floor);
        Appended { last: last.revision, position: last.position, already }
    }
}

fn fits(verdict: Verdict) -> Option<Revision> {
    match verdict {
        Verdict::Fits(first) => Some(first),
        Verdict::RepeatOrConflict(_) => None,
    }
}

fn random_id() -> Uuid {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("an operating system that runs this has randomness");
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::event::Encoded;
    use schemas::{CallId, StreamId, Timestamp};

    fn append(expected: Expected) -> Append {
        let encoded = Encoded { kind: 2, version: 1, body: vec![7] };
        let events = vec![NewEvent { encoded, at: Timestamp(5) }; 2];
        Append { stream: StreamId::call(CallId([1; 16])), expected, events }
    }

    // The server knows a repeat by these: what is to be one must be one, and nothing else.
    #[test]
    fn only_an_append_that_says_where_it_goes_has_the_same_ids_again() {
        for (expected, same) in [
            (Expected::NoStream, true),
            (Expected::Exact(Revision(3)), true),
            (Expected::Any, false),
            (Expected::Exists, false),
        ] {
            let append = append(expected);
            let ids = || {
                let pending = Pending::new(&append);
                [0, 1].map(|index| pending.name(Revision(4), index, &append.events[index]).1)
            };
            let (one, other) = (ids(), ids());
            assert_eq!(one == other, same, "{expected:?}");
            assert_ne!(one[0], one[1], "{expected:?}");
        }
    }

    #[test]
    fn a_place_is_supposed_and_what_was_seen_corrects_it() {
        for (expected, seen, place, looks) in [
            (Expected::NoStream, None, Some(0), false),
            (Expected::NoStream, Some(0), Some(0), true),
            (Expected::Exact(Revision(3)), None, Some(4), false),
            (Expected::Exact(Revision(3)), Some(3), Some(4), false),
            (Expected::Exact(Revision(3)), Some(4), Some(4), true),
            (Expected::Exact(Revision(u32::MAX)), None, None, true),
            (Expected::Any, None, None, true),
            (Expected::Any, Some(6), Some(7), false),
            (Expected::Exists, Some(0), Some(1), false),
        ] {
            let append = append(expected);
            let mut pending = Pending::new(&append);
            if let Some(seen) = seen {
                pending.learn(Revision(seen));
            }
            assert_eq!(pending.needs_a_look, looks, "{expected:?} after {seen:?}");
            let first = pending.place(0).map(|(_, first)| first.0);
            assert_eq!(first, place, "{expected:?} after {seen:?}");
        }
    }
}
