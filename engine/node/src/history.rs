//! What a node rebuilds its calls from after a start.

use schemas::event::DecodeError;
use schemas::{Event, Position, Recorded};
use std::sync::Arc;
use store::{Reader, StoreError, Stored};
use switchboard::Past;

/// So many events are read at a time.
const STRETCH: usize = 4096;

/// The events that a node rebuilds its calls from: all events of each call that is its own and may
/// have something left to do, in the order of the log.
pub trait ReadHistory: Send {
    /// Hands them out.
    ///
    /// # Errors
    /// The store cannot be read.
    fn read(&self, take: &mut dyn FnMut(Stored)) -> Result<(), StoreError>;
}

/// Everything: of a log that is this node's alone.
pub struct WholeHistory(pub Arc<dyn Reader>);

impl ReadHistory for WholeHistory {
    fn read(&self, take: &mut dyn FnMut(Stored)) -> Result<(), StoreError> {
        let mut after = Position(0);
        loop {
            let stored = self.0.read_all(after, STRETCH)?;
            let Some(last) = stored.last() else { return Ok(()) };
            after = last.position;
            stored.into_iter().for_each(&mut *take);
        }
    }
}

/// What a stored event tells of a call; nothing when it is of none.
///
/// # Errors
/// It is damaged: why, for people.
pub fn past(stored: &Stored) -> Result<Option<Past>, String> {
    let Some(call) = stored.stream.as_call() else { return Ok(None) };
    let encoded = &stored.encoded;
    let event = match Event::decode(encoded.kind, encoded.version, &encoded.body) {
        Ok(Event::Call(event)) => event,
        Ok(_) => return Ok(None),
        Err(error @ DecodeError::Unknown { .. }) => {
            tracing::error!(%call, %error, "left alone: it holds an event that cannot be followed");
            return Ok(Some(Past::Beyond(call)));
        }
        Err(error) => return Err(error.to_string()),
    };
    let Stored { position, stream, revision, at, .. } = *stored;
    Ok(Some(Past::Event(Recorded { position, stream, revision, at, event })))
}
