//! The last position that we have heard of, and waking those who wait for the next.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Moved by our own appends, by notifications, and by whoever asks the server.
#[derive(Default)]
pub struct Head {
    known: Mutex<u64>,
    moved: Condvar,
}

impl Head {
    /// The last position that we have heard of.
    pub fn known(&self) -> u64 {
        *self.lock()
    }

    /// There is an event at this position.
    pub fn is_at_least(&self, position: u64) {
        let mut known = self.lock();
        if position > *known {
            *known = position;
            drop(known);
            self.moved.notify_all();
        }
    }

    /// The server says where its end is. After a failover this may be behind what we had heard of:
    /// who goes on from there must not believe in events that are gone.
    pub fn is(&self, position: u64) {
        *self.lock() = position;
        self.moved.notify_all();
    }

    /// Waits for an event after this position, but at most so long.
    pub fn wait(&self, after: u64, at_most: Duration) {
        let known = self.lock();
        // Both ends of the wait look again for themselves.
        drop(self.moved.wait_timeout_while(known, at_most, |known| *known <= after));
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
