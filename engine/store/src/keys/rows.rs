//! What a table of keys is to its readers.

use crate::StoreError;
use schemas::CalleeKey;
use schemas::sealed::StoredKey;

/// A row of the table, as it last changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyRow {
    /// In the order of changes: strictly rising.
    pub place: u64,
    /// Whose key.
    pub callee: CalleeKey,
    /// Which of this callee's keys.
    pub generation: u16,
    /// The key; absent when the person was erased.
    pub key: Option<StoredKey>,
}

/// Where the rows come from.
pub trait KeyTable: Send {
    /// Up to so many rows that have come or changed after a place, in order.
    ///
    /// # Errors
    /// The table cannot be read.
    fn rows(&mut self, after: u64, limit: usize) -> Result<Vec<KeyRow>, StoreError>;
}
