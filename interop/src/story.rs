//! What the log tells of a call, in a line: the events in order, and how it ended.
//!
//! ```text
//! DialStarted CallRang CallAnswered CallHungUp CallEnded: completed 200 by us, max_talk
//! ```
//!
//! `CallRequested` begins every story and is left out.

use schemas::call::{CallEnded, CallEvent};
use schemas::{CallId, Event, Revision, StreamId};
use std::fmt;
use store::Reader;

/// The most events of a call that are read: a call with more is a fault of its own.
const EVENTS_MAX: usize = 1000;

/// The events of a call, in their order.
#[derive(Clone, PartialEq, Debug)]
pub struct Story(pub Vec<CallEvent>);

impl Story {
    /// Reads it from a log.
    ///
    /// # Panics
    /// The log cannot be read, or holds something else than a call there: the test is over.
    pub fn read(log: &dyn Reader, call: CallId) -> Self {
        let stored = log
            .read_stream(StreamId::call(call), Revision(0), EVENTS_MAX)
            .expect("the log can be read");
        let events = stored.iter().map(|stored| {
            let encoded = &stored.encoded;
            match Event::decode(encoded.kind, encoded.version, &encoded.body) {
                Ok(Event::Call(event)) => event,
                other => panic!("in a call's stream: {other:?}"),
            }
        });
        Self(events.collect())
    }

    /// The one end of it; `None` while it is up.
    ///
    /// # Panics
    /// It ended twice.
    pub fn end(&self) -> Option<&CallEnded> {
        let mut ends = self.0.iter().filter_map(|event| match event {
            CallEvent::CallEnded(ended) => Some(&**ended),
            _ => None,
        });
        let end = ends.next();
        assert!(ends.next().is_none(), "a call ends once: {self}");
        end
    }

    /// The first event that `wanted` takes something from.
    pub fn find<'a, T>(&'a self, wanted: impl FnMut(&'a CallEvent) -> Option<T>) -> Option<T> {
        self.0.iter().find_map(wanted)
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut space = "";
        for event in &self.0 {
            if !matches!(event, CallEvent::CallRequested(_)) {
                write!(f, "{space}{}", event.name())?;
                space = " ";
            }
        }
        match self.0.last() {
            Some(CallEvent::CallEnded(ended)) => write!(f, ": {}", End(ended)),
            _ => Ok(()),
        }
    }
}

/// How a call ended, in a few words: outcome, status, whose word it was, the finer reason.
struct End<'a>(&'a CallEnded);

impl fmt::Display for End<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CallEnded { outcome, sip_status, ended_by, reason, q850, .. } = self.0;
        write!(f, "{outcome}")?;
        if let Some(status) = sip_status {
            write!(f, " {status}")?;
        }
        write!(f, " by {}", ended_by.map_or("nobody", |by| by.word()))?;
        if let Some(reason) = reason {
            write!(f, ", {reason}")?;
        }
        if let Some(q850) = q850 {
            write!(f, ", cause {q850}")?;
        }
        Ok(())
    }
}
