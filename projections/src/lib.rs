//! Folds of events into views. Views are caches: deleting every one of them is always safe.
//!
//! - [`call_record`]: what became of a call, one record per call.
//! - [`summary`]: what became of many.
//! - [`table`]: text that fits a terminal.

pub mod call_record;
pub mod summary;
pub mod table;

pub use call_record::{CallRecord, CallRecords};
pub use summary::Summary;
