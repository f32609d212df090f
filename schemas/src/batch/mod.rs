//! What happened to a batch: one uploaded list, run once or again.

pub mod v1;
pub use v1::{BatchLoaded, BatchOpened, ItemAdded};

/// What happened to one run of a batch.
#[derive(Clone, PartialEq, Debug)]
pub enum BatchEvent {
    /// A run of the batch began.
    BatchOpened(BatchOpened),
    /// A row of the list became an item.
    ItemAdded(ItemAdded),
    /// A list has been read to its end: every good row is an item now.
    BatchLoaded(BatchLoaded),
}
