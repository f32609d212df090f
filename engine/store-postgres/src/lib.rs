//! A common log for many nodes, in PostgreSQL (13 or later).
//!
//! - [`PostgresStore`]: an [`Appender`] and a [`Reader`]. Clones share a thread with a runtime of
//!   its own, one connection that appends, and a few that read and hear.
//! - `migrations/`: the tables, and the one function that appends. Whoever opens the store to
//!   write brings them up to date.
//! - [`address`]: `postgres://USER@HOST/DATABASE?schema=callfold`, and what may stand in it.
//! - [`PostgresStore::open_keys`]: the keys of persons, as a table.
//! - [`PostgresStore::claim`], [`PostgresStore::read_work`]: whose work a stream is.
//!
//! Many events go in one statement, which judges each append, and is one transaction. What was
//! sent when a connection broke is sent again, and recognised if it had arrived.

pub mod address;
#[cfg(feature = "cluster")]
pub mod cluster;
mod keys;
mod link;
mod migrations;
mod pool;
mod rotation;
mod session;
mod statement;
#[cfg(feature = "tls")]
mod tls;
mod work;
mod writer;

pub use work::Claim;

use address::Address;
use keys::Keyrings;
use link::{Link, thread_has_ended};
use pool::Pool;
use schemas::{Position, Revision, StreamId};
use session::{Ears, Opened};
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::api::{Batch, Ownership, Reply};
use store::remote::{Gate, Head};
use store::{Appender, Reader, StoreError, StoreId, Stored};
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_postgres::types::ToSql;
use writer::{Order, Writer};

/// How often a reader that waits asks by itself, should a notification get lost: a pooler between
/// us and the server may swallow them all.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// How the store is used.
#[derive(Clone, Debug)]
pub struct Options {
    /// So long an append or a read goes on trying when the server is away. After that an append
    /// is of unknown outcome, and the caller stops.
    pub patience: Duration,
    /// So long a claim waits for the one before it to end: of a process that was killed, the server
    /// notices in a moment; of a machine that lost its power, when its connection says nothing.
    pub claim_patience: Duration,
    /// How many connections read.
    pub readers: usize,
    /// The most batches that wait to be appended; who comes after them waits.
    pub batches_waiting_max: usize,
    /// The most bytes in them.
    pub bytes_waiting_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            // A server that fails over is back within this.
            patience: Duration::from_secs(60),
            claim_patience: Duration::from_secs(20),
            readers: 3,
            batches_waiting_max: 1024,
            bytes_waiting_max: 64 << 20,
        }
    }
}

/// A log in PostgreSQL. Clones are the same store; the thread behind them ends with the last.
#[derive(Clone)]
pub struct PostgresStore {
    shared: Arc<Shared>,
}

struct Shared {
    address: Arc<Address>,
    options: Options,
    id: StoreId,
    head: Arc<Head>,
    link: Link,
    keyrings: Arc<Keyrings>,
    gate: Arc<Gate>,
    orders: UnboundedSender<Order>,
}

impl PostgresStore {
    /// Opens a store to read and write, and makes its tables when there are none.
    ///
    /// # Errors
    /// [`StoreError::Remote`] when the server does not answer within ten seconds or refuses us,
    /// [`StoreError::Newer`], or an address that cannot be read.
    pub fn open(address: &str, options: Options) -> Result<Self, StoreError> {
        Self::start(address, options, true)
    }

    /// Opens a store to read. Makes and changes nothing there.
    ///
    /// # Errors
    /// As [`PostgresStore::open`], and when nobody has made the tables.
    pub fn open_to_read(address: &str, options: Options) -> Result<Self, StoreError> {
        Self::start(address, options, false)
    }

    fn start(address: &str, options: Options, make: bool) -> Result<Self, StoreError> {
        let address = Arc::new(Address::parse(address)?);
        let system = |error| StoreError::of_disk("start", "the thread of PostgreSQL", error);
        let runtime = Builder::new_current_thread().enable_all().build().map_err(system)?;
        let head = Arc::new(Head::default());
        let gate = Arc::new(Gate::new(options.batches_waiting_max, options.bytes_waiting_max));
        let (orders, waiting) = unbounded_channel();
        let keyrings = Arc::new(Keyrings::default());
        let ears = Ears { head: head.clone(), keyrings: keyrings.clone() };
        let pool = Arc::new(Pool::new(address.clone(), ears.clone(), &options));
        let writer = Writer::new(address.clone(), ears, gate.clone(), options.patience);
        let link = Link::new(pool, runtime.handle().clone());
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let opening = address.clone();
        // All of it on a thread of its own: whoever calls may run in a runtime already.
        let run = move || {
            runtime.block_on(async move {
                let opened = session::open(&opening, make).await;
                let is_open = opened.is_ok();
                if tell.send(opened).is_ok() && is_open {
                    writer.run(waiting).await;
                }
            });
        };
        std::thread::Builder::new().name("postgres".to_owned()).spawn(run).map_err(system)?;
        let Opened { id } = told.recv().unwrap_or_else(|_| Err(thread_has_ended()))?;
        let shared = Shared { address, options, id, head, link, keyrings, gate, orders };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Which store it is: given when its tables were made.
    pub fn id(&self) -> StoreId {
        self.shared.id
    }

    /// Its address, for people: without the password.
    pub fn address(&self) -> &str {
        self.shared.address.shown()
    }

    /// Holds the store to the secrets that it was begun with: with another callee secret every
    /// callee would be another, with another master key no person's key could be read. The first
    /// who asks sets them.
    ///
    /// # Errors
    /// [`StoreError::Foreign`] when they are others, or [`StoreError::Remote`].
    pub fn check_secrets(&self, callee: [u8; 8], master: [u8; 8]) -> Result<(), StoreError> {
        let (callee, master) = (callee.to_vec(), master.to_vec());
        let given = (callee.clone(), master.clone());
        let stored: (Vec<u8>, Vec<u8>) = self.shared.link.wait_for(move |pool| async move {
            let query = "UPDATE store SET callee_check = coalesce(callee_check, $1),
                 master_check = coalesce(master_check, $2) RETURNING callee_check, master_check";
            let rows = pool.rows(query, &[&callee, &master]).await?;
            let row = rows.first().ok_or_else(|| pool.strange("its table `store` is empty"))?;
            Ok((row.get(0), row.get(1)))
        })?;
        let what = match (stored.0 == given.0, stored.1 == given.1) {
            (true, true) => return Ok(()),
            (false, _) => "callee secret",
            (true, false) => "master key",
        };
        let why =
            format!("the data there was begun with another {what}: bring a copy of that one here");
        Err(StoreError::Foreign { file: self.address().to_owned(), why })
    }

    /// By what the secrets that the store was begun with are told from others: that of callee
    /// keys, and the master key. `None` before the first node has set them.
    ///
    /// # Errors
    /// [`StoreError::Remote`].
    pub fn secrets(&self) -> Result<Option<Checks>, StoreError> {
        self.shared.link.wait_for(move |pool| async move {
            let rows = pool.rows("SELECT callee_check, master_check FROM store", &[]).await?;
            let row = rows.first().ok_or_else(|| pool.strange("its table `store` is empty"))?;
            let check = |column| -> Result<Option<[u8; 8]>, StoreError> {
                let bytes: Option<&[u8]> = row.get(column);
                let odd = |_| pool.strange("it has a check of another length");
                bytes.map(|bytes| bytes.try_into().map_err(odd)).transpose()
            };
            let (callee, master) = (check(0)?, check(1)?);
            Ok((callee.is_some() || master.is_some()).then_some((callee, master)))
        })
    }

    /// What an event takes on the server's disk, indexes and all.
    ///
    /// # Errors
    /// [`StoreError::Remote`].
    pub fn bytes_per_event(&self) -> Result<f64, StoreError> {
        self.shared.link.wait_for(move |pool| async move {
            let query = "SELECT pg_total_relation_size('events')::double precision
                 / greatest((SELECT max(position) FROM events), 1)";
            let rows = pool.rows(query, &[]).await?;
            Ok(rows.first().map_or(0.0, |row| row.get(0)))
        })
    }

    fn foreign(&self, why: &str) -> StoreError {
        StoreError::Foreign { file: self.address().to_owned(), why: why.to_owned() }
    }
}

/// Of the secret of callee keys, and of the master key.
pub type Checks = (Option<[u8; 8]>, Option<[u8; 8]>);

impl Appender for PostgresStore {
    fn submit(&self, batch: Batch, reply: Reply) {
        self.submit_owned(batch, Vec::new(), reply);
    }

    fn submit_owned(&self, batch: Batch, owners: Vec<Option<Ownership>>, reply: Reply) {
        let bytes = Order::bytes_of(&batch);
        self.shared.gate.enter(bytes);
        let order = Order { batch, owners, reply, bytes };
        if let Err(unsent) = self.shared.orders.send(order) {
            unsent.0.refuse("the thread of PostgreSQL has ended");
        }
    }
}

impl Reader for PostgresStore {
    fn head(&self) -> Result<Position, StoreError> {
        let head = self.shared.link.wait_for(|pool| async move { pool.head().await })?;
        self.shared.head.is_at_least(head);
        Ok(Position(head))
    }

    fn read_stream(
        &self,
        stream: StreamId,
        from: Revision,
        limit: usize,
    ) -> Result<Vec<Stored>, StoreError> {
        let (kind, id) = statement::name_of(stream);
        let query = "SELECT position, at, revision, stream_id, type, stream_kind, version, body
             FROM events WHERE stream_id = $1 AND stream_kind = $2 AND revision >= $3
             ORDER BY revision LIMIT $4";
        let from = i64::from(from.0);
        self.shared
            .link
            .read(query, vec![Box::new(id), Box::new(kind), Box::new(from), as_limit(limit)])
    }

    fn read_all(&self, after: Position, limit: usize) -> Result<Vec<Stored>, StoreError> {
        let query = "SELECT position, at, revision, stream_id, type, stream_kind, version, body
             FROM events WHERE position > $1 ORDER BY position LIMIT $2";
        self.shared.link.read(query, vec![as_bigint(after.0), as_limit(limit)])
    }

    fn read_all_backward(&self, before: Position, limit: usize) -> Result<Vec<Stored>, StoreError> {
        let query = "SELECT position, at, revision, stream_id, type, stream_kind, version, body
             FROM events WHERE position < $1 ORDER BY position DESC LIMIT $2";
        self.shared.link.read(query, vec![as_bigint(before.0), as_limit(limit)])
    }

    fn wait(&self, after: Position, at_most: Duration) -> Result<Position, StoreError> {
        let deadline = Instant::now() + at_most;
        loop {
            let head = self.shared.head.known();
            if head > after.0 {
                return Ok(Position(head));
            }
            let head = self.head()?;
            let left = deadline.saturating_duration_since(Instant::now());
            if head > after || left.is_zero() {
                return Ok(head);
            }
            self.shared.head.wait(after.0, left.min(ASK_EVERY));
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        tracing::debug!(store = self.address.shown(), patience = ?self.options.patience, "closed");
    }
}

fn as_bigint(number: u64) -> Box<dyn ToSql + Sync + Send> {
    Box::new(i64::try_from(number).unwrap_or(i64::MAX))
}

fn as_limit(limit: usize) -> Box<dyn ToSql + Sync + Send> {
    as_bigint(limit as u64)
}

fn as_i32(partition: u32) -> Result<i32, StoreError> {
    i32::try_from(partition)
        .map_err(|_| StoreError::Broken(format!("there is no partition {partition}")))
}
