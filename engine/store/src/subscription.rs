//! Following a store: everything from a position on, and then what comes. Catch-up and live are
//! the same reads, so there is no seam between them.

use crate::StoreError;
use crate::api::{Reader, Stored};
use crate::filter::Filter;
use schemas::Position;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// How many events are read at once.
const PAGE: usize = 1000;

/// What a subscription hands out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Feed {
    /// An event. Who has dealt with it may note its position.
    Event(Stored),
    /// Nothing up to here is wanted that has not been handed out: the position may be noted, so
    /// that a filter which wants little does not look at everything again.
    Checkpoint(Position),
    /// All that is durable has been handed out or was not wanted. A checkpoint as well.
    CaughtUp(Position),
}

/// Reads a store from a position on, for ever. Whoever starts again begins a new one after the
/// position it noted last, and gets what follows: no gap, and no repeat but of what was not noted.
pub struct Subscription {
    reader: Arc<dyn Reader>,
    filter: Filter,
    ready: VecDeque<Stored>,
    /// Everything up to here has been looked at.
    looked: Position,
    /// The last position that was handed out, in whatever form.
    told: Position,
    /// Whether the reader has been told that it has everything.
    caught_up: bool,
}

impl Subscription {
    /// What `filter` wants, after a position.
    pub fn new(reader: Arc<dyn Reader>, after: Position, filter: Filter) -> Self {
        let (ready, caught_up) = (VecDeque::new(), false);
        Self { reader, filter, ready, looked: after, told: after, caught_up }
    }

    /// What comes next. Waits for it at most so long, then `None`.
    ///
    /// # Errors
    /// The store cannot be read. The next call tries again from the same place.
    pub fn next(&mut self, at_most: Duration) -> Result<Option<Feed>, StoreError> {
        if self.ready.is_empty() && self.told == self.looked && !self.look(at_most)? {
            return Ok(None);
        }
        if let Some(event) = self.ready.pop_front() {
            self.told = event.position;
            return Ok(Some(Feed::Event(event)));
        }
        self.told = self.looked;
        let head = self.reader.head()?;
        self.caught_up = self.looked >= head;
        Ok(Some(if self.caught_up {
            Feed::CaughtUp(self.looked)
        } else {
            Feed::Checkpoint(self.looked)
        }))
    }

    /// Looks at the next events. Whether there is something to tell.
    fn look(&mut self, at_most: Duration) -> Result<bool, StoreError> {
        if self.reader.head()? <= self.looked {
            if !self.caught_up {
                return Ok(true);
            }
            if self.reader.wait(self.looked, at_most)? <= self.looked {
                return Ok(false);
            }
        }
        self.caught_up = false;
        let (events, looked) = self.reader.read_matching(self.looked, &self.filter, PAGE)?;
        self.ready = events.into();
        self.looked = looked;
        Ok(true)
    }
}
