//! A common log for many nodes, in KurrentDB (or EventStoreDB 22.10 and later).
//!
//! - [`KurrentStore`]: an [`Appender`] and a [`Reader`]. Clones share a thread with a runtime of its
//!   own, one batch session that appends, and one subscription that hears of new events.
//! - [`address`]: `kurrentdb://USER:PASSWORD@HOST?log=callfold`, and what may stand in it.
//! - [`form`]: what of an event stands where.
//!
//! Every append goes to an exact place in its stream, also when its caller expects nothing: what was
//! sent when a connection broke is sent again, and recognised if it had arrived. A node that has
//! lost its work to another is stopped by that: KurrentDB knows no owners, and the next append to
//! any of its calls is a conflict.
//!
//! The keys of persons are no part of the log: they go where the caller says, before the events
//! that use them (`docs/adr`).
//!
//! # Tests against a real server
//! `CALLFOLD_KURRENTDB=kurrentdb://localhost:2113?tls=false cargo test -p store_kurrent` runs the
//! contract against that server too. It must take appends of 16 MB:
//! `--insecure --mem-db --max-append-size 16000000`. Each run makes logs of its own names and leaves
//! them there.

pub mod address;
mod connection;
mod following;
pub mod form;
mod opening;
mod pending;
mod reading;
mod session;
mod writer;

use address::Address;
use connection::{Connection, Failure};
use following::Following;
use form::Names;
use opening::Secrets;
use reading::LogReading;
use schemas::{Position, Revision, StreamId};
use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use store::api::{Batch, Reply};
use store::remote::{Gate, Head};
use store::writer::{KeySink, NoKeys};
use store::{Appender, Filter, Reader, StoreError, StoreId, Stored};
use tokio::runtime::{Builder, Handle};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use writer::{Order, Writer};

/// How long opening may take when the server does not answer.
const OPEN_PATIENCE: Duration = Duration::from_secs(10);
/// How often a reader that waits asks by itself, should nothing be heard.
const ASK_EVERY: Duration = Duration::from_secs(5);

/// How the store is used.
#[derive(Clone, Debug)]
pub struct Options {
    /// So long an append or a read goes on trying when the server is away. After that an append
    /// is of unknown outcome, and the caller stops.
    pub patience: Duration,
    /// So long an answer may take; who gives none by then is asked anew. The server gives an append
    /// up after 2 s by itself.
    pub silence_max: Duration,
    /// The most batches that wait to be appended; who comes after them waits.
    pub batches_waiting_max: usize,
    /// The most bytes in them.
    pub bytes_waiting_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            // A cluster that elects a leader has one within this.
            patience: Duration::from_secs(60),
            silence_max: Duration::from_secs(15),
            batches_waiting_max: 1024,
            bytes_waiting_max: 64 << 20,
        }
    }
}

/// A log in KurrentDB. Clones are the same store; the thread behind them ends with the last.
#[derive(Clone)]
pub struct KurrentStore {
    shared: Arc<Shared>,
}

struct Shared {
    reading: LogReading,
    id: StoreId,
    head: Arc<Head>,
    live: Arc<AtomicBool>,
    gate: Arc<Gate>,
    orders: UnboundedSender<Order>,
    runtime: Handle,
}

impl KurrentStore {
    /// Opens a store to read and write, and begins its log when there is none. Keys of persons go
    /// to `keys`.
    ///
    /// # Errors
    /// [`StoreError::Remote`] when the server does not answer within ten seconds or refuses us,
    /// [`StoreError::Newer`], or an address that cannot be read.
    pub fn open(
        address: &str,
        options: Options,
        keys: impl KeySink + 'static,
    ) -> Result<Self, StoreError> {
        Self::start(address, options, Arc::new(Mutex::new(keys)), true)
    }

    /// Opens a store to read. Makes and changes nothing there; what is handed over is answered
    /// [`store::AppendError::Broken`].
    ///
    /// # Errors
    /// As [`KurrentStore::open`], and when nobody has begun the log.
    pub fn open_to_read(address: &str, options: Options) -> Result<Self, StoreError> {
        Self::start(address, options, Arc::new(Mutex::new(NoKeys)), false)
    }

    fn start(
        address: &str,
        options: Options,
        keys: Arc<Mutex<dyn KeySink>>,
        make: bool,
    ) -> Result<Self, StoreError> {
        let address = Arc::new(Address::parse(address)?);
        let system = |error| StoreError::of_disk("start", "the thread of KurrentDB", error);
        let runtime = Builder::new_current_thread().enable_all().build().map_err(system)?;
        let handle = runtime.handle().clone();
        let (head, live) = (Arc::new(Head::default()), Arc::new(AtomicBool::new(false)));
        let gate = Arc::new(Gate::new(options.batches_waiting_max, options.bytes_waiting_max));
        let (orders, waiting) = unbounded_channel();
        let names = Names::new(address.log());
        let connection = Arc::new(Connection::new(address, options.silence_max));
        let reading = LogReading { connection, names, patience: options.patience };
        let opening =
            LogReading { patience: options.patience.min(OPEN_PATIENCE), ..reading.clone() };
        let following =
            Following { reading: reading.clone(), head: head.clone(), live: live.clone() };
        let writer = Writer {
            reading: LogReading { patience: Duration::ZERO, ..reading.clone() },
            patience: options.patience,
            head: head.clone(),
            gate: gate.clone(),
            keys,
            session: None,
            seen: HashMap::new(),
            broken: (!make).then(|| "the store was opened to read".to_owned()),
        };
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        // All of it on a thread of its own: whoever calls may run in a runtime already.
        let run = move || {
            runtime.block_on(async move {
                let opened = open(&opening, &writer.head, make).await;
                let is_open = opened.is_ok();
                if tell.send(opened).is_ok() && is_open {
                    tokio::spawn(following.run());
                    writer.run(waiting).await;
                }
            });
        };
        std::thread::Builder::new().name("kurrentdb".to_owned()).spawn(run).map_err(system)?;
        let id = told.recv().unwrap_or_else(|_| Err(gone()))?;
        let shared = Shared { reading, id, head, live, gate, orders, runtime: handle };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Which store it is: given when its log was begun.
    pub fn id(&self) -> StoreId {
        self.shared.id
    }

    /// Its address, for people: without the password.
    pub fn address(&self) -> &str {
        self.shared.reading.connection.address().shown()
    }

    /// Holds the store to the secrets that it was begun with: with another callee secret every
    /// callee would be another, with another master key no person's key could be read. The first
    /// who asks sets them.
    ///
    /// # Errors
    /// [`StoreError::Foreign`] when they are others, or [`StoreError::Remote`].
    pub fn check_secrets(&self, callee: [u8; 8], master: [u8; 8]) -> Result<(), StoreError> {
        let (callee, master) = (u64::from_be_bytes(callee), u64::from_be_bytes(master));
        let given = Secrets { callee, master };
        let known =
            self.wait_for(|reading| async move { opening::secrets(&reading, given).await })?;
        let what = match (known.callee == callee, known.master == master) {
            (true, true) => return Ok(()),
            (false, _) => "callee secret",
            (true, false) => "master key",
        };
        let why = format!("the data there was begun with another {what}: bring that one here");
        Err(StoreError::Foreign { file: self.address().to_owned(), why })
    }

    /// Holds the log to the node that began it: nothing there fences a second one, which would take
    /// the open calls of the first for its own. To be asked after [`KurrentStore::check_secrets`].
    ///
    /// # Errors
    /// [`StoreError::Foreign`] when it is another's, or [`StoreError::Remote`].
    pub fn check_node(&self, name: &str) -> Result<(), StoreError> {
        let given = name.to_owned();
        let known = self.wait_for(|reading| async move { opening::node(&reading, given).await })?;
        if known == name {
            return Ok(());
        }
        let why =
            format!("it is the log of the node {known}: each node has one of its own (?log=NAME)");
        Err(StoreError::Foreign { file: self.address().to_owned(), why })
    }

    /// Runs something on the store's thread, and waits for what comes of it.
    fn wait_for<T, F>(&self, work: impl FnOnce(LogReading) -> F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        let (done, arrived) = std::sync::mpsc::sync_channel(1);
        let work = work(self.shared.reading.clone());
        // Nobody waits any more only when this very function has panicked.
        self.shared.runtime.spawn(async move { drop(done.send(work.await)) });
        let done = arrived.recv().map_err(|_| gone())?;
        done.map_err(|failure| self.shared.reading.connection.remote(failure))
    }

    /// Asks the server where the log ends.
    fn ask_head(&self) -> Result<Position, StoreError> {
        let head = self.wait_for(|reading| async move { reading.head().await })?;
        self.shared.head.is_at_least(head);
        Ok(Position(head))
    }
}

async fn open(reading: &LogReading, head: &Head, make: bool) -> Result<StoreId, StoreError> {
    let id = opening::open(reading, make).await?;
    head.is_at_least(reading.head().await.map_err(|failure| reading.connection.remote(failure))?);
    Ok(id)
}

fn gone() -> StoreError {
    StoreError::Broken("the thread of KurrentDB has ended".to_owned())
}

impl Appender for KurrentStore {
    fn submit(&self, batch: Batch, reply: Reply) {
        let bytes = Order::bytes_of(&batch);
        self.shared.gate.enter(bytes);
        if let Err(unsent) = self.shared.orders.send(Order { batch, reply, bytes }) {
            unsent.0.refuse("the thread of KurrentDB has ended");
        }
    }
}

impl Reader for KurrentStore {
    /// What has been heard of, while everything is heard; else the server is asked.
    fn head(&self) -> Result<Position, StoreError> {
        match self.shared.live.load(Ordering::SeqCst) {
            true => Ok(Position(self.shared.head.known())),
            false => self.ask_head(),
        }
    }

    fn read_stream(
        &self,
        stream: StreamId,
        from: Revision,
        limit: usize,
    ) -> Result<Vec<Stored>, StoreError> {
        self.wait_for(move |reading| async move { reading.stream(stream, from, limit).await })
    }

    /// `after` is the position of an event, or 0: the server knows no others.
    fn read_all(&self, after: Position, limit: usize) -> Result<Vec<Stored>, StoreError> {
        if after.0 >= self.shared.head.known() && after >= self.ask_head()? {
            return Ok(Vec::new());
        }
        self.wait_for(move |reading| async move { reading.after(after.0, limit).await })
    }

    /// `before` is the position of an event, or after the last.
    fn read_all_backward(&self, before: Position, limit: usize) -> Result<Vec<Stored>, StoreError> {
        let known = before.0 <= self.shared.head.known() || before <= self.ask_head()?;
        let from = known.then_some(before.0);
        if from == Some(0) {
            return Ok(Vec::new());
        }
        let mut events =
            self.wait_for(move |reading| async move { reading.before(from, limit).await })?;
        events.retain(|event| event.position < before);
        Ok(events)
    }

    /// Looks at a page, or at no more than is wanted: all of it comes over the network.
    fn read_matching(
        &self,
        after: Position,
        filter: &Filter,
        limit: usize,
    ) -> Result<(Vec<Stored>, Position), StoreError> {
        let wants_all = *filter == Filter::default();
        let seen = self.read_all(after, if wants_all { limit } else { reading::PAGE })?;
        let mut looked = after;
        let mut events = Vec::new();
        for event in seen {
            let wanted = filter.wants(event.stream, event.encoded.kind);
            if wanted && events.len() == limit {
                break;
            }
            looked = event.position;
            events.extend(wanted.then_some(event));
        }
        Ok((events, looked))
    }

    fn wait(&self, after: Position, at_most: Duration) -> Result<Position, StoreError> {
        let deadline = Instant::now() + at_most;
        let mut head = self.head()?;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if head > after || left.is_zero() {
                return Ok(head);
            }
            self.shared.head.wait(after.0, left.min(ASK_EVERY));
            head = Position(self.shared.head.known());
            if head <= after && left > ASK_EVERY {
                head = self.ask_head()?;
            }
        }
    }
}
