//! Random numbers from a seed.

use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng, SeedableRng};

/// ChaCha, so that nobody who sees our branches and tags can tell the next ones.
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    pub fn new(seed: [u8; 32]) -> Self {
        Self(ChaCha8Rng::from_seed(seed))
    }

    pub fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Between `low` and `high`, both included. Good enough for waiting times; not exactly even.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }
}
