//! Where a node's events go: to a log of its own, or to one that it shares with others.

use crate::world::fact::Gone;
use crate::world::machine::Machine;
use schemas::Timestamp;
use store::keys::KeyFile;
use store::log::LogReader;
use store::writer::KeySink;
use store::{Append, Batch, Log, Ownership, Reader, Results};
use switchboard::TakenOver;

/// Where a node's events go.
pub trait Storage {
    /// Reads what is there.
    type Reader: Reader;

    /// Its reader.
    fn reader(&self) -> &Self::Reader;

    /// Takes a batch on its way; what goes with the results comes back.
    ///
    /// # Errors
    /// The keys cannot be written.
    fn submit(&mut self, batch: Batch, owners: &[Option<Ownership>]) -> Result<Vec<Append>, Gone>;

    /// The batch that is on its way is durable, as far as it fits.
    ///
    /// # Errors
    /// It cannot be made durable.
    fn finish(&mut self, appends: &[Append]) -> Result<Results, Gone>;

    /// Makes this node the owner of a partition.
    ///
    /// # Errors
    /// There are none to be had.
    fn take_over(&mut self, partition: u32, now: Timestamp) -> Result<TakenOver, Gone>;

    /// Marks the clean stop.
    ///
    /// # Errors
    /// The disk's.
    fn close(self) -> Result<(), Gone>;
}

/// A log of its own, on its own disk.
pub struct Own<F: Machine> {
    log: Log<F>,
    reader: LogReader<F>,
    keys: Option<KeyFile<F>>,
    results: Results,
}

impl<F: Machine> Own<F> {
    pub(super) fn new(log: Log<F>, reader: LogReader<F>, keys: Option<KeyFile<F>>) -> Self {
        Self { log, reader, keys, results: Vec::new() }
    }

    /// Full segments are compressed; in a node another thread does it.
    fn seal(&mut self) {
        while self.log.unsealed() > 0 {
            let Some(sealing) = self.log.sealing() else { return };
            if sealing.run().is_err() {
                return;
            }
        }
    }
}

fn broken(error: store::StoreError) -> Gone {
    Gone::Broken(error.in_full())
}

impl<F: Machine> Storage for Own<F> {
    type Reader = LogReader<F>;

    fn reader(&self) -> &LogReader<F> {
        &self.reader
    }

    fn submit(&mut self, batch: Batch, _: &[Option<Ownership>]) -> Result<Vec<Append>, Gone> {
        if let (Some(keys), false) = (&mut self.keys, batch.keys.is_empty()) {
            keys.append_and_sync(&batch.keys).map_err(broken)?;
        }
        self.results = self.log.append(&batch.appends);
        Ok(batch.appends)
    }

    fn finish(&mut self, _: &[Append]) -> Result<Results, Gone> {
        self.log.sync().map_err(broken)?;
        self.seal();
        Ok(std::mem::take(&mut self.results))
    }

    fn take_over(&mut self, partition: u32, _: Timestamp) -> Result<TakenOver, Gone> {
        // The log is this node's alone: nobody gives it a partition of the work.
        Err(Gone::Broken(format!("nobody has given it partition {partition}")))
    }

    fn close(self) -> Result<(), Gone> {
        self.log.close().map(drop).map_err(broken)
    }
}
