//! Who asks a node from other threads.

use crate::inbox::{Arrived, Inbox};
use switchboard::{GiveUp, Input};

/// Asks a node's shard for something, from any thread. Clones ask the same one. False is answered
/// when it has ended.
#[derive(Clone)]
pub struct Asker(pub(crate) Inbox);

impl Asker {
    /// Hands an input to the shard. False when it has ended. Whoever asks bounds how much it has
    /// open: nothing here waits.
    pub fn ask(&self, input: Input) -> bool {
        self.0.put(Arrived::Asked(input))
    }

    /// Serves these partitions of the work from now on: each is taken over with its open calls, which
    /// end as unknown where they had been dialled. What became of it is told as
    /// [`crate::Notice::Partition`]; commands for it ([`Input::Of`]) wait until then. On a log that no
    /// other node has each is there at once.
    pub fn own(&self, partitions: impl IntoIterator<Item = u32>) -> bool {
        partitions.into_iter().all(|partition| self.ask(Input::Take(partition)))
    }

    /// Serves these partitions no more. [`crate::Notice::Partition`] tells when nothing of one is left here:
    /// until then nobody else should be given it, since what is up would end as unknown.
    pub fn give_up(&self, partitions: impl IntoIterator<Item = u32>, how: GiveUp) -> bool {
        partitions.into_iter().all(|partition| self.ask(Input::GiveUp(partition, how)))
    }
}
