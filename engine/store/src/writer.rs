//! The thread that owns the log: takes what waits, appends it, syncs once, answers.
//!
//! One sync serves everybody who handed something over while the one before it ran: that is all
//! there is to group commit. A second thread seals the segments that are full.

mod sealer;

use crate::StoreError;
use crate::api::{AppendError, Appender, Batch, Reply, Results};
use crate::file::Files;
use crate::log::Log;
use schemas::Position;
use schemas::sealed::StoredKey;
use sealer::Sealer;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How many batches may wait. A shard has one under way and gathers the next meanwhile, so this
/// is far more than there are shards; who comes after it waits.
const BATCHES_WAITING_MAX: usize = 1024;
/// How many events one sync serves at most, so that a flood does not delay the first answer.
const EVENTS_PER_SYNC_MAX: usize = 16 * 1024;
/// How long somebody who wants a person erased waits at most for the keys to be looked after.
const KEYS_LOOKED_AFTER_EVERY: Duration = Duration::from_millis(250);

/// Where keys of persons are made durable before the events that use them.
pub trait KeySink: Send {
    /// Stores keys durably. A key that is there already is passed over.
    ///
    /// # Errors
    /// The disk's; the events that use the keys are then not appended.
    fn append_and_sync(&mut self, keys: &[StoredKey]) -> Result<(), StoreError>;

    /// Asked now and then, also while nothing is appended: what others want of the keys is done
    /// here.
    ///
    /// # Errors
    /// The disk's; nothing more is then appended.
    fn look_after(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// For a log whose events seal nothing.
pub struct NoKeys;

impl KeySink for NoKeys {
    fn append_and_sync(&mut self, _: &[StoredKey]) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Hands batches to the writer's thread. Clones hand to the same one.
#[derive(Clone)]
pub struct LogAppender {
    orders: SyncSender<Order>,
}

/// The writer's thread. Dropped without [`LogWriter::stop`], it ends when all appenders are gone
/// and leaves no mark of a clean stop.
pub struct LogWriter {
    orders: SyncSender<Order>,
    thread: JoinHandle<Result<Position, StoreError>>,
}

enum Order {
    Submit(Batch, Reply),
    Stop,
}

/// Starts the thread that owns `log`.
///
/// # Errors
/// The operating system gives no thread.
pub fn start<F: Files>(
    log: Log<F>,
    keys: impl KeySink + 'static,
) -> Result<(LogWriter, LogAppender), StoreError> {
    let (orders, waiting) = sync_channel(BATCHES_WAITING_MAX);
    let sealer = Sealer::start()?;
    let group = Group::default();
    let run = move || Committer { log, keys, waiting, group, sealer, broken: None }.run();
    let thread = std::thread::Builder::new().name("log-writer".to_owned()).spawn(run);
    let thread = thread.map_err(|error| StoreError::of_disk("start", "the log's thread", error))?;
    Ok((LogWriter { orders: orders.clone(), thread }, LogAppender { orders }))
}

impl LogWriter {
    /// Makes durable what was handed over before, marks the clean stop, and ends the thread. What
    /// is handed over later is answered [`AppendError::Broken`].
    ///
    /// # Errors
    /// The disk's, also an earlier one that broke the log.
    pub fn stop(self) -> Result<Position, StoreError> {
        // A thread that is gone already has its result waiting.
        drop(self.orders.send(Order::Stop));
        self.thread
            .join()
            .unwrap_or_else(|_| Err(StoreError::Broken("the log's thread panicked".to_owned())))
    }
}

impl Appender for LogAppender {
    fn submit(&self, batch: Batch, reply: Reply) {
        if let Err(unsent) = self.orders.send(Order::Submit(batch, reply))
            && let Order::Submit(batch, reply) = unsent.0
        {
            reply(broken(batch.appends.len(), "the log has been stopped"));
        }
    }
}

/// What one sync serves.
#[derive(Default)]
struct Group {
    batches: Vec<(Batch, Reply)>,
    events: usize,
}

struct Committer<F: Files, K> {
    log: Log<F>,
    keys: K,
    waiting: Receiver<Order>,
    group: Group,
    sealer: Sealer<F>,
    /// Once something has not become durable, nothing after it does.
    broken: Option<String>,
}

impl<F: Files, K: KeySink> Committer<F, K> {
    fn run(mut self) -> Result<Position, StoreError> {
        let mut look_after_keys = Instant::now();
        loop {
            if look_after_keys <= Instant::now() {
                self.look_after_keys();
                look_after_keys = Instant::now() + KEYS_LOOKED_AFTER_EVERY;
            }
            let order = match self.waiting.recv_timeout(KEYS_LOOKED_AFTER_EVERY) {
                Ok(order) => order,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return self.log.sync(),
            };
            let mut stop = self.take(order);
            while !stop && self.group.events < EVENTS_PER_SYNC_MAX {
                let Ok(order) = self.waiting.try_recv() else { break };
                stop = self.take(order);
            }
            self.commit();
            self.sealer.go_on(&self.log);
            if stop {
                return self.log.close();
            }
        }
    }

    fn look_after_keys(&mut self) {
        if self.broken.is_none()
            && let Err(error) = self.keys.look_after()
        {
            tracing::error!("the keys of persons cannot be kept: {}", error.in_full());
            self.broken = Some(error.first_cause());
        }
    }

    fn take(&mut self, order: Order) -> bool {
        match order {
            Order::Submit(batch, reply) => {
                self.group.events +=
                    batch.appends.iter().map(|append| append.events.len()).sum::<usize>();
                self.group.batches.push((batch, reply));
                false
            }
            Order::Stop => true,
        }
    }

    fn commit(&mut self) {
        let group = std::mem::take(&mut self.group);
        let done = self.make_durable(&group);
        match done {
            Ok(results) => {
                for ((_, reply), results) in group.batches.into_iter().zip(results) {
                    reply(results);
                }
            }
            Err(why) => {
                for (batch, reply) in group.batches {
                    reply(broken(batch.appends.len(), &why));
                }
                self.broken = Some(why);
            }
        }
    }

    fn make_durable(&mut self, group: &Group) -> Result<Vec<Results>, String> {
        if let Some(why) = &self.broken {
            return Err(why.clone());
        }
        let keys: Vec<StoredKey> =
            group.batches.iter().flat_map(|(batch, _)| batch.keys.iter().cloned()).collect();
        if !keys.is_empty() {
            self.keys.append_and_sync(&keys).map_err(|error| error.first_cause())?;
        }
        // One write for all: a system call per batch took longer than the sync.
        let results =
            self.log.append_each(group.batches.iter().map(|(batch, _)| &batch.appends[..]));
        self.log.sync().map_err(|error| error.first_cause())?;
        Ok(results)
    }
}

fn broken(count: usize, why: &str) -> Results {
    (0..count).map(|_| Err(AppendError::Broken(why.to_owned()))).collect()
}

#[cfg(test)]
mod tests;
