//! Reading: one stream, or everything of the log from a position on, or before it.
//!
//! The server counts in 32 bits, gives the event at a position as well when it reads forward, and
//! wants a window larger than the count when it filters. What is asked for stands in its `$all`
//! among what others have written, so it looks for the log's prefix.

use crate::connection::{Connection, Failure};
use crate::form::{self, Names};
use kurrentdb::{
    Client, Error, Position, ReadAllOptions, ReadStream, ReadStreamOptions, StreamPosition,
    SubscriptionFilter,
};
use schemas::{Revision, StreamId};
use std::sync::Arc;
use std::time::Duration;
use store::Stored;
use uuid::Uuid;

/// How many events one request asks for; as many as an append has at most.
pub const PAGE: usize = 4096;
/// How many records the server looks at before it comes up for air.
const WINDOW: u32 = 2 * PAGE as u32;

/// Reads a log.
#[derive(Clone)]
pub struct LogReading {
    /// The way to the server.
    pub connection: Arc<Connection>,
    /// What its streams are called.
    pub names: Names,
    /// How long a read is tried again.
    pub patience: Duration,
}

/// From where everything is read.
#[derive(Clone, Copy)]
enum From {
    After(u64),
    Before(u64),
    End,
}

impl LogReading {
    /// The position of the last event, 0 when there is none.
    pub async fn head(&self) -> Result<u64, Failure> {
        let last = self.page_of_all(From::End, 1).await?;
        Ok(last.first().map_or(0, |event| event.position.0))
    }

    /// The last revision of a stream; `None` when it has no event.
    pub async fn last_revision(&self, stream: StreamId) -> Result<Option<Revision>, Failure> {
        let options = ReadStreamOptions::default().backwards().position(StreamPosition::End);
        let last = self.page_of_stream(stream, options.max_count(1)).await?;
        Ok(last.first().map(|(_, event)| event.revision))
    }

    /// Up to a page of events of a stream from a revision on, with their ids.
    pub async fn stretch(
        &self,
        stream: StreamId,
        from: Revision,
        count: usize,
    ) -> Result<Vec<(Uuid, Stored)>, Failure> {
        let from = StreamPosition::Position(u64::from(from.0));
        let options = ReadStreamOptions::default().position(from);
        self.page_of_stream(stream, options.max_count(count.min(PAGE))).await
    }

    /// Up to `limit` events of a stream from a revision on.
    pub async fn stream(
        &self,
        stream: StreamId,
        from: Revision,
        limit: usize,
    ) -> Result<Vec<Stored>, Failure> {
        let (mut events, mut from) = (Vec::new(), u64::from(from.0));
        while events.len() < limit {
            let count = PAGE.min(limit - events.len());
            let options = ReadStreamOptions::default().position(StreamPosition::Position(from));
            let page = self.page_of_stream(stream, options.max_count(count)).await?;
            let is_last = page.len() < count;
            from += page.len() as u64;
            events.extend(page.into_iter().map(|(_, event)| event));
            if is_last {
                break;
            }
        }
        Ok(events)
    }

    /// Up to `limit` events after a position, which is one of an event, or 0.
    pub async fn after(&self, after: u64, limit: usize) -> Result<Vec<Stored>, Failure> {
        let (mut events, mut after): (Vec<Stored>, u64) = (Vec::new(), after);
        while events.len() < limit {
            let wanted = PAGE.min(limit - events.len());
            // One more: the event at the position comes along.
            let page = self.page_of_all(From::After(after), wanted + 1).await?;
            let is_last = page.len() <= wanted;
            events.extend(page.into_iter().filter(|event| event.position.0 > after).take(wanted));
            if is_last {
                break;
            }
            after = events.last().map_or(after, |event| event.position.0);
        }
        Ok(events)
    }

    /// Up to `limit` events before a position, which is one of an event, or from the end; the
    /// latest first.
    pub async fn before(&self, before: Option<u64>, limit: usize) -> Result<Vec<Stored>, Failure> {
        let (mut events, mut before): (Vec<Stored>, Option<u64>) = (Vec::new(), before);
        while events.len() < limit {
            let wanted = PAGE.min(limit - events.len());
            let from = before.map_or(From::End, From::Before);
            let page = self.page_of_all(from, wanted).await?;
            let is_last = page.len() < wanted;
            before = page.last().map(|event| event.position.0);
            events.extend(page);
            if is_last {
                break;
            }
        }
        Ok(events)
    }

    /// The filter for what is this log's.
    pub fn filter(&self) -> SubscriptionFilter {
        SubscriptionFilter::on_stream_name().add_prefix(self.names.prefix()).max(WINDOW)
    }

    async fn page_of_all(&self, from: From, count: usize) -> Result<Vec<Stored>, Failure> {
        let at = |place| StreamPosition::Position(Position { commit: place, prepare: place });
        let options = ReadAllOptions::default().max_count(count).filter(self.filter());
        let options = match from {
            From::After(0) => options.position(StreamPosition::Start),
            From::After(place) => options.position(at(place)),
            From::Before(place) => options.position(at(place)).backwards(),
            From::End => options.position(StreamPosition::End).backwards(),
        };
        let options = match self.connection.address().login() {
            Some(login) => options.authenticated(login.clone()),
            None => options,
        };
        let (options, names) = (&options.requires_leader(true), &self.names);
        let read = |client: Client| async move {
            let events = client.read_all(options).await?;
            Ok(all_of(names, events).await?.into_iter().map(|(_, event)| event).collect())
        };
        self.connection.patiently(self.patience, read).await
    }

    async fn page_of_stream(
        &self,
        stream: StreamId,
        options: ReadStreamOptions,
    ) -> Result<Vec<(Uuid, Stored)>, Failure> {
        let name = &self.names.of(stream);
        let options = match self.connection.address().login() {
            Some(login) => options.authenticated(login.clone()),
            None => options,
        };
        let (options, names) = (&options.requires_leader(true), &self.names);
        let read = |client: Client| async move {
            // Here "not found" is the answer of something that is no KurrentDB that leads; that
            // there is no such stream is said in the answer itself.
            let events = client.read_stream(name.as_str(), options).await?;
            all_of(names, events).await
        };
        self.connection.patiently(self.patience, read).await
    }
}

async fn all_of(names: &Names, mut events: ReadStream) -> Result<Vec<(Uuid, Stored)>, Failure> {
    let mut all = Vec::new();
    loop {
        match events.next().await {
            Ok(Some(event)) => {
                let event = event.get_original_event();
                all.push((event.id, form::stored(names, event).map_err(Failure::lasting)?));
            }
            Ok(None) | Err(Error::ResourceNotFound) => return Ok(all),
            Err(error) => return Err(error.into()),
        }
    }
}
