//! How much may wait to be appended: a flood makes its source wait, and not memory grow.

use std::sync::{Condvar, Mutex, PoisonError};

/// Lets batches in while there is room.
pub struct Gate {
    inside: Mutex<Inside>,
    left: Condvar,
    batches_max: usize,
    bytes_max: usize,
}

#[derive(Default)]
struct Inside {
    batches: usize,
    bytes: usize,
}

impl Gate {
    /// Room for so many batches and so many bytes; one batch always has room.
    pub fn new(batches_max: usize, bytes_max: usize) -> Self {
        Self { inside: Mutex::default(), left: Condvar::new(), batches_max, bytes_max }
    }

    /// Waits until there is room.
    pub fn enter(&self, bytes: usize) {
        let full = |inside: &mut Inside| {
            inside.batches > 0
                && (inside.batches >= self.batches_max || inside.bytes + bytes > self.bytes_max)
        };
        let inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        let mut inside = self.left.wait_while(inside, full).unwrap_or_else(PoisonError::into_inner);
        inside.batches += 1;
        inside.bytes += bytes;
    }

    /// A batch was answered.
    pub fn leave(&self, bytes: usize) {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.batches -= 1;
        inside.bytes -= bytes;
        drop(inside);
        self.left.notify_all();
    }
}
