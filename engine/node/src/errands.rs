//! What a shard wants to know of the store, asked on a thread of its own: a store on another machine
//! takes its time, and no call may wait for that. Partitions of the work are taken over and watched
//! here, and repeated commands compared with what they repeat.

use crate::history::past;
use crate::inbox::{Arrived, Inbox};
use crate::store_url::Partitions;
use schemas::call::CallEvent;
use schemas::{CallId, Event, Revision, StreamId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};
use store::{Reader, StoreError, Stored};
use switchboard::{Input, Past, TakenOver};

/// How often the store is asked whether what we own is still ours. A node that was stopped and wakes
/// up finds it out with its first append as well; this is for one that has nothing to append.
const LOOK_EVERY: Duration = Duration::from_secs(2);

enum Errand {
    TakeOver(u32),
    Forget(u32),
    ReadFirst(CallId),
}

/// Does a shard's errands, one after the other. Its thread ends with it.
pub struct Errands(Sender<Errand>);

impl Errands {
    /// Starts the thread. Without partitions to share every one is ours for the asking.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn start(
        partitions: Option<Arc<dyn Partitions>>,
        reader: Arc<dyn Reader>,
        inbox: Inbox,
    ) -> Result<Self, std::io::Error> {
        let (orders, ordered) = channel();
        let owned = BTreeMap::new();
        let thread = Thread { partitions, reader, inbox, owned };
        let run = move || thread.run(&ordered);
        std::thread::Builder::new().name("errands".into()).spawn(run)?;
        Ok(Self(orders))
    }

    /// Reads the first event of a call; what stands there comes to the inbox.
    pub fn read_first(&self, call: CallId) {
        // The thread lives as long as somebody can order something.
        let _ = self.0.send(Errand::ReadFirst(call));
    }

    /// Takes a partition over; the answer comes to the inbox.
    pub fn take_over(&self, partition: u32) {
        let _ = self.0.send(Errand::TakeOver(partition));
    }

    /// Nothing of a partition is here any more.
    pub fn forget(&self, partition: u32) {
        let _ = self.0.send(Errand::Forget(partition));
    }
}

struct Thread {
    partitions: Option<Arc<dyn Partitions>>,
    reader: Arc<dyn Reader>,
    inbox: Inbox,
    owned: BTreeMap<u32, u64>,
}

impl Thread {
    fn run(mut self, ordered: &Receiver<Errand>) {
        let mut looked = Instant::now();
        loop {
            match ordered.recv_timeout(LOOK_EVERY.saturating_sub(looked.elapsed())) {
                Ok(Errand::TakeOver(partition)) => self.take_over(partition),
                Ok(Errand::ReadFirst(call)) => self.read_first(call),
                Ok(Errand::Forget(partition)) => drop(self.owned.remove(&partition)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if looked.elapsed() >= LOOK_EVERY {
                looked = Instant::now();
                self.look();
            }
        }
    }

    fn read_first(&self, call: CallId) {
        let arrived = match self.reader.read_stream(StreamId::call(call), Revision(0), 1) {
            Ok(stored) => {
                Arrived::Asked(Input::FirstRead(call, stored.first().and_then(fingerprint)))
            }
            Err(error) => Arrived::Broken(format!("a call cannot be read: {}", error.in_full())),
        };
        self.inbox.put(arrived);
    }

    fn take_over(&mut self, partition: u32) {
        let input = match self.taken_over(partition) {
            Ok(taken) => {
                self.owned.insert(partition, taken.epoch);
                Input::TakenOver(Box::new(taken))
            }
            Err(error) => {
                tracing::error!(partition, error = error.in_full(), "not taken over");
                Input::NotTaken(partition, error.in_full())
            }
        };
        self.inbox.put(Arrived::Asked(input));
    }

    fn taken_over(&self, partition: u32) -> Result<TakenOver, StoreError> {
        let mut taken = TakenOver { partition, epoch: 0, past: Vec::new() };
        if let Some(partitions) = &self.partitions {
            let (epoch, history) = partitions.take_over(partition)?;
            taken.epoch = epoch;
            history.read(&mut |stored| match past(&stored) {
                Ok(known) => taken.past.extend(known),
                // One call that is damaged does not keep the others from their next owner.
                Err(why) => {
                    tracing::error!(stream = %stored.stream, why, "left alone: damaged");
                    taken.past.extend(stored.stream.as_call().map(Past::Beyond));
                }
            })?;
        }
        Ok(taken)
    }

    fn look(&self) {
        let Some(partitions) = self.partitions.as_ref().filter(|_| !self.owned.is_empty()) else {
            return;
        };
        let ours: Vec<u32> = self.owned.keys().copied().collect();
        match partitions.epochs(&ours) {
            Ok(epochs) => {
                for (partition, epoch) in epochs {
                    if self.owned.get(&partition).is_some_and(|ours| *ours < epoch) {
                        self.inbox.put(Arrived::Asked(Input::Lost(partition, epoch)));
                    }
                }
            }
            // What cannot be asked now is asked again; appends are held to it in any case.
            Err(error) => tracing::warn!(error = error.in_full(), "owners cannot be asked for"),
        }
    }
}

fn fingerprint(stored: &Stored) -> Option<[u8; 8]> {
    let encoded = &stored.encoded;
    match Event::decode(encoded.kind, encoded.version, &encoded.body) {
        Ok(Event::Call(CallEvent::CallRequested(requested))) => Some(requested.fingerprint),
        _ => None,
    }
}
