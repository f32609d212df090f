//! The pump: one thread that owns the sockets of many calls and keeps their time.
//!
//! Orders go in by a channel, what was heard comes out through a closure; the thread turns the
//! [slot wheel](crate::wheel) and does, per stream and slot, a `recv` loop and at most one `send`.
//! No task per call, no allocation per packet. Streams are opened in the caller's thread, so that
//! the address is known at once.

mod measures;
#[cfg(test)]
mod tests;
mod turn;

use std::collections::HashSet;
use std::error::Error;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::iter::successors;
use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

pub use measures::{Lateness, Measures};

use crate::port::{MediaHeard, MediaOrder, StreamId};
use crate::ports::{PortOptions, PortPair, Ports};
use crate::prompt::Prompts;
use crate::record::{RecordOptions, Recorder};
use crate::stream::{Randomness, Stream, StreamOptions};
use turn::Turner;

/// How a pump works.
#[derive(Clone, Debug)]
pub struct PumpOptions {
    /// Addresses and sockets.
    pub ports: PortOptions,
    /// What every stream does.
    pub stream: StreamOptions,
    /// Recordings.
    pub record: RecordOptions,
    /// Streams that may be open at once; each has two sockets. Beyond, opening fails.
    pub streams_max: usize,
    /// Orders that may wait. Beyond, [`Pump::order`] waits until the pump has taken some, a
    /// millisecond or two.
    pub orders_waiting_max: usize,
}

impl Default for PumpOptions {
    /// Up to 4,000 streams: more than one core carries.
    fn default() -> Self {
        Self {
            ports: PortOptions::default(),
            stream: StreamOptions::default(),
            record: RecordOptions::default(),
            streams_max: 4_000,
            orders_waiting_max: 65_536,
        }
    }
}

/// Who is told what was heard. It is called from the pump's threads and must not wait: every stream
/// would.
type Heard = Arc<dyn Fn(MediaHeard) + Send + Sync>;

/// The handle of a running pump. When it is dropped every stream is closed, and recordings are
/// finished.
pub struct Pump {
    orders: SyncSender<Order>,
    shared: Arc<Shared>,
    heard: Heard,
    stream_options: Arc<StreamOptions>,
    streams_max: usize,
    // Dropped in this order: the thread closes the streams, then the recorder writes what they
    // left.
    thread: Option<JoinHandle<()>>,
    recorder: Recorder,
}

/// What the thread is told.
enum Order {
    Adopt(Box<Opened>),
    Media(MediaOrder),
    Stop,
}

/// A stream on its way from the caller's thread to the pump's.
struct Opened {
    stream: Stream,
    pair: PortPair,
}

/// What both threads touch, seldom.
struct Shared {
    begun: Instant,
    door: Mutex<Door>,
    measures: Measures,
}

struct Door {
    ports: Ports,
    open: HashSet<StreamId>,
}

impl Pump {
    /// Starts the threads. `heard` must not wait; waking the one who listens is its business.
    pub fn start(
        options: PumpOptions,
        prompts: Prompts,
        heard: impl Fn(MediaHeard) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let PumpOptions { ports, stream, record, streams_max, orders_waiting_max } = options;
        let (orders, inbox) = sync_channel(orders_waiting_max);
        let recorder = Recorder::start(record)?;
        let door = Mutex::new(Door { ports: Ports::new(ports), open: HashSet::new() });
        let shared =
            Arc::new(Shared { begun: Instant::now(), door, measures: Measures::default() });
        let heard: Heard = Arc::new(heard);
        let turner = Turner::new(shared.clone(), prompts, heard.clone());
        let thread =
            thread::Builder::new().name("media".to_owned()).spawn(move || turner.run(&inbox))?;
        let (stream_options, thread) = (Arc::new(stream), Some(thread));
        Ok(Self { orders, shared, heard, stream_options, streams_max, thread, recorder })
    }

    /// Opens a stream, in the caller's thread: [`MediaHeard::Opened`] with its address, which
    /// listens from now on, or [`MediaHeard::OpenFailed`]. The answer is returned, not told to the
    /// closure.
    pub fn open(&self, stream: StreamId, record: Option<PathBuf>) -> MediaHeard {
        match self.try_open(stream, record) {
            Ok(heard) => heard,
            Err(why) => MediaHeard::OpenFailed { stream, why },
        }
    }

    /// Gives an order. What comes of it is told to the closure, [`MediaOrder::Open`] included. An
    /// order for a stream that is not open, or not any more, is passed over.
    pub fn order(&self, order: MediaOrder) {
        match order {
            MediaOrder::Open { stream, record } => (self.heard)(self.open(stream, record)),
            order => self.send(Order::Media(order)),
        }
    }

    /// Whether its thread runs. It ends by itself only by a bug; then no stream is served any more.
    pub fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// How it goes.
    pub fn measures(&self) -> &Measures {
        &self.shared.measures
    }

    fn try_open(&self, stream: StreamId, record: Option<PathBuf>) -> Result<MediaHeard, String> {
        let now_us = self.shared.now_us();
        let mut door = self.shared.door();
        if door.open.len() >= self.streams_max {
            return Err(format!("{} streams are open, and no more may be", self.streams_max));
        }
        if !door.open.insert(stream) {
            return Err(format!("stream {} is open already", stream.0));
        }
        let taken = door.ports.take(now_us).map_err(|fault| sentence(&fault));
        drop(door);
        let opened = taken.and_then(|pair| match record.map(|path| self.recorder.create(&path)) {
            None => Ok((pair, None)),
            Some(Ok(tape)) => Ok((pair, Some(Box::new(tape)))),
            Some(Err(why)) => {
                self.shared.door().ports.give_back(pair, now_us);
                Err(why)
            }
        });
        let (pair, tape) = opened.inspect_err(|_| {
            self.shared.door().open.remove(&stream);
        })?;
        let local = pair.local;
        let stream = Stream::new(stream, self.stream_options.clone(), randomness(), tape, now_us);
        let heard = MediaHeard::Opened { stream: stream.id(), local };
        self.send(Order::Adopt(Box::new(Opened { stream, pair })));
        Ok(heard)
    }

    fn send(&self, order: Order) {
        let waits = match self.orders.try_send(order) {
            Ok(()) => None,
            Err(TrySendError::Full(order)) => Some(order),
            // Only when the thread panicked, which it told on its own.
            Err(TrySendError::Disconnected(_)) => return,
        };
        self.wake();
        if let Some(order) = waits {
            let _ = self.orders.send(order);
        }
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.send(Order::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn now_us(&self) -> u64 {
        self.begun.elapsed().as_micros() as u64
    }

    fn door(&self) -> MutexGuard<'_, Door> {
        // Ports and names stay whole between any two lines that hold the lock.
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A fault and what it comes from, in one line.
fn sentence(fault: &dyn Error) -> String {
    let causes = successors(fault.source(), |&cause| cause.source());
    causes.fold(fault.to_string(), |told, cause| format!("{told}: {cause}"))
}

/// The standard library seeds its hash maps from the system's randomness: enough to be unguessable,
/// and no crate more.
fn randomness() -> Randomness {
    let state = RandomState::new();
    Randomness([state.hash_one(0), state.hash_one(1), state.hash_one(2)])
}
