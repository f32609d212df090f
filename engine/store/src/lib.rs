//! The event log: append frames, durable before the acknowledgement, one order for all.

pub mod api;

pub use api::{Append, AppendError, Appended, Expected, NewEvent, Stored};
