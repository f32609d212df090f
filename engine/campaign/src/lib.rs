//! When and how fast: batches of items, their pace, and the calls that are tried again.
//!
//! Pure. An item is a row of a list that became durable; its call is made when its turn comes.

pub mod batch;
pub mod redial;
pub mod sheet;

pub use batch::{Batch, BatchOptions, Item, Turn};
pub use redial::Redials;
pub use sheet::Sheet;
