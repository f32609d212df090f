//! Version 1 of the batch's events. Frozen: a change is a new version beside it.

use crate::{CalleeKey, Sealed};
use serde::{Deserialize, Serialize};

/// A run of a batch began.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct BatchOpened {
    /// The batch's name: the list's file name unless another was given.
    pub name: String,
    /// Which run of the batch, from 1.
    pub run: u32,
}

/// A row of the list became an item: a callee to be called once in this run.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ItemAdded {
    /// The line of the list it came from, from 1.
    pub line: u32,
    /// Whom to call.
    pub callee: CalleeKey,
    /// The number, normalised.
    pub phone: Sealed,
    /// The row's other columns, as a JSON object.
    pub variables: Option<Sealed>,
}

/// A list has been read to its end. The same batch may be loaded again with more rows.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct BatchLoaded {
    /// Rows the list had, without its header.
    pub rows: u32,
    /// Rows that became new items.
    pub added: u32,
    /// Rows that were refused, duplicates among them.
    pub rejected: u32,
}
