//! What time it is: UTC at the node's start plus monotonic time, so that a clock that is set back
//! turns no order round, and one that jumps fires no timer.

use schemas::Timestamp;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use switchboard::Now;

/// The node's clock. Copies show the same time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    start_utc: Timestamp,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let ms = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
        Self { start: Instant::now(), start_utc: Timestamp(ms) }
    }

    /// This moment.
    pub fn now(&self) -> Now {
        let mono = self.start.elapsed();
        Now { mono, utc: self.start_utc.after(mono) }
    }

    /// The instant that is `mono` after the start, for threads that wait for it.
    pub fn instant(&self, mono: Duration) -> Instant {
        self.start + mono
    }
}
