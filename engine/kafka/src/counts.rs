//! What has happened so far, for metrics.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64};

/// Counts since the start, and how things stand.
#[derive(Debug, Default)]
pub struct Counts {
    /// Commands that were brought to the topic of work.
    pub forwarded: AtomicU64,
    /// Commands that were taken, and are durable.
    pub taken: AtomicU64,
    /// Commands that had come before.
    pub repeated: AtomicU64,
    /// Commands whose id had another content before; dead letters.
    pub conflicts: AtomicU64,
    /// Commands for calls that have ended: nothing to be done.
    pub too_late: AtomicU64,
    /// Commands that overtook the call they are to end, and are remembered.
    pub remembered: AtomicU64,
    /// Dead letters, conflicts among them.
    pub dead: AtomicU64,
    /// How often the engine was full, so that partitions were paused.
    pub pauses: AtomicU64,
    /// Commands that were read, and are not durable.
    pub open: AtomicU64,
    /// Events that were told.
    pub events: AtomicU64,
    /// Transactions, or batches, that they were told in.
    pub transactions: AtomicU64,
    /// How far the log was told.
    pub relay_position: AtomicU64,
    /// When the last event that was told happened, in milliseconds since 1970; 0 when none was.
    pub told_at: AtomicI64,
    /// Whether a relay is at work.
    pub relay_running: AtomicBool,
    /// How often a thread started again after a failure.
    pub restarts: AtomicU64,
}
