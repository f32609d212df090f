//! What a node rebuilds its calls from after a start.

use schemas::Position;
use std::sync::Arc;
use store::{Reader, StoreError, Stored};

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
