//! A node on a common log in PostgreSQL.
//!
//! What comes to a node directly (lists, HTTP) is a partition of its own, by its name: one process
//! at a time has it, an earlier one is fenced, and the node's calls are rebuilt from the streams of
//! that partition alone. Partitions of Kafka's work topic, with lower numbers, are taken over as
//! they are assigned ([`PostgresStore::take_over`], [`PostgresStore::read_work`]).

use super::{Filling, Kept, OpenStore, Partitions, Reading, Secrets};
use crate::history::ReadHistory;
use schemas::call::{CallEnded, CallEvent};
use schemas::event::Encoded;
use schemas::sealed::StoredKey;
use schemas::{CallId, CalleeKey, Event, Outcome, Position, Revision, StreamId};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;
use store::api::{Ownership, Reply};
use store::folder::{DataFolder, MasterSource, read_master};
use store::keys::{CalleeSecret, Keyring, MasterKey, make_secret_file, random};
use store::{Append, AppendError, Appender, Batch, Reader, Recovery, Results, StoreError, Stored};
use store_postgres::{Claim, Options, PostgresStore};

/// Partitions of nodes' own work begin here; those of Kafka are below.
const OWN_WORK: u32 = 1 << 30;
/// Longer than anything of a dead process can be up: 64*T1 (RFC 3261), and clocks that differ.
const ON_THE_WIRE_MS_MAX: i64 = 120_000;
/// So many streams are read at a time.
const STREAMS: usize = 500;

pub(super) fn open(
    url: &str,
    folder: &mut DataFolder,
    secrets: Secrets<'_>,
) -> Result<OpenStore, StoreError> {
    let store = PostgresStore::open(url, Options::default())?;
    folder.join_common(store.id(), store.address())?;
    let begun = store.secrets()?.unwrap_or_default();
    let callee_file = secrets.callee_file.map(Path::to_owned);
    let callee_file = callee_file.unwrap_or_else(|| folder.path().join("callee.key"));
    let master_file = master_file(folder.path(), secrets.master);
    // A secret made here would be another than the one that the data was begun with.
    for (file, begun) in [(Some(&callee_file), begun.0), (master_file.as_ref(), begun.1)] {
        if let Some(file) = file.filter(|file| begun.is_some() && !file.exists()) {
            let why = format!(
                "{} has data that was begun with a secret: bring a copy of it here",
                store.address()
            );
            return Err(StoreError::Foreign { file: file.display().to_string(), why });
        }
    }
    let secret = folder.callee_secret(secrets.callee_file)?;
    if let Some(file) = &master_file {
        make_secret_file(file)?;
    }
    let master = master_key(folder.path(), secrets.master)?;
    store.check_secrets(secret.check(), master.check())?;
    let keyring = store.open_keys(master, random()?)?;
    let (appender, claim) = claim(&store, folder.node())?;
    let partition = appender.partition;
    Ok(OpenStore {
        appender: Arc::new(appender),
        history: Box::new(OwnHistory { store: store.clone(), partition }),
        partitions: Some(Arc::new(Shared { store: store.clone(), node: folder.node().to_owned() })),
        reader: Arc::new(store),
        keyring,
        secret,
        recovery: Recovery::default(),
        kept: Kept::Claim(Box::new(claim)),
    })
}

pub(super) fn open_to_read(
    url: &str,
    data: Option<&Path>,
    master: &MasterSource,
) -> Result<Reading, StoreError> {
    let store = PostgresStore::open_to_read(url, Options::default())?;
    let keys = || {
        let data = data.ok_or_else(|| StoreError::Foreign {
            file: store.address().to_owned(),
            why: "the secrets are not there: name the data folder that has them with --data"
                .to_owned(),
        })?;
        let keyring = store.open_keys(master_key(data, master)?, random()?)?;
        Ok((keyring, DataFolder::open_to_read(data)?.callee_secret(None)?))
    };
    let keys = keys();
    Ok(Reading { reader: Arc::new(store), keys })
}

pub(super) fn open_to_fill(
    url: &str,
    node: &str,
    keyring: &Keyring,
    secret: &CalleeSecret,
) -> Result<Filling, StoreError> {
    let store = PostgresStore::open(url, Options::default())?;
    store.check_secrets(secret.check(), keyring.master_check())?;
    let (appender, claim) = claim(&store, node)?;
    let (appender, reader) = (Arc::new(appender), Arc::new(store.clone()));
    let put_keys = Box::new(move |keys: &[StoredKey]| store.put_keys(keys));
    Ok(Filling { appender, reader, put_keys, _kept: Kept::Claim(Box::new(claim)) })
}

pub(super) fn erase(url: &str, callee: CalleeKey) -> Result<Option<bool>, StoreError> {
    PostgresStore::open_to_read(url, Options::default())?.erase(callee)
}

pub(super) fn rotate(url: &str, old: MasterKey, new: MasterKey) -> Result<Option<u64>, StoreError> {
    PostgresStore::open_to_read(url, Options::default())?.rotate(old, new)
}

fn claim(store: &PostgresStore, node: &str) -> Result<(Owner, Claim), StoreError> {
    let partition = own_partition(node);
    let claim = store.claim(partition, node)?;
    Ok((Owner { store: store.clone(), partition, epoch: claim.epoch }, claim))
}

/// Where the master key stands, when it is in a file.
fn master_file(data: &Path, source: &MasterSource) -> Option<PathBuf> {
    match source {
        MasterSource::Folder => Some(data.join("master.key")),
        MasterSource::File(file) => Some(file.clone()),
        MasterSource::Given(_) => None,
    }
}

fn master_key(data: &Path, source: &MasterSource) -> Result<MasterKey, StoreError> {
    match source {
        MasterSource::Given(master) => Ok(master.clone()),
        MasterSource::File(file) => read_master(file),
        MasterSource::Folder => read_master(&data.join("master.key")),
    }
}

/// The same for a name, on any machine.
fn own_partition(node: &str) -> u32 {
    let id = StreamId::node(node).id;
    let [a, b, c, d, ..] = id;
    OWN_WORK | (u32::from_le_bytes([a, b, c, d]) & (OWN_WORK - 1))
}

/// Appends as the owner of a partition.
struct Owner {
    store: PostgresStore,
    partition: u32,
    epoch: u64,
}

impl Appender for Owner {
    fn submit(&self, batch: Batch, reply: Reply) {
        self.submit_owned(batch, Vec::new(), reply);
    }

    /// Calls that nobody is named for are the node's own work.
    fn submit_owned(&self, batch: Batch, owners: Vec<Option<Ownership>>, reply: Reply) {
        let mut named = owners.into_iter();
        let mut own = Vec::with_capacity(batch.appends.len());
        let owned = |append: &Append| {
            let named = named.next().flatten();
            own.push(named.is_none());
            append.stream.as_call()?;
            let (partition, epoch) =
                named.map_or((self.partition, self.epoch), |named| (named.partition, named.epoch));
            Some(Ownership { partition, epoch, over: is_over(append) })
        };
        let owners = batch.appends.iter().map(owned).collect();
        let reply = Box::new(move |results| reply(stop_when_fenced(results, &own)));
        self.store.submit_owned(batch, owners, reply);
    }
}

/// Whether a call has nothing left to do after this: it ended, and no redial is promised. One that
/// a restart ended as unknown may have something left to close on the wire, which the next restart
/// does again.
fn is_over(append: &Append) -> bool {
    let ended = append.events.last().and_then(|event| as_end(&event.encoded));
    ended.is_some_and(|end| end.redial_at.is_none() && end.outcome != Outcome::OutcomeUnknown)
}

fn as_end(encoded: &Encoded) -> Option<CallEnded> {
    match Event::decode(encoded.kind, encoded.version, &encoded.body) {
        Ok(Event::Call(CallEvent::CallEnded(ended))) => Some(*ended),
        _ => None,
    }
}

/// Who lost the work that came to it directly must stop, and not only drop the one call. A partition
/// that was taken over by another node costs this one its calls, and nothing else.
fn stop_when_fenced(mut results: Results, own: &[bool]) -> Results {
    for (result, own) in results.iter_mut().zip(own) {
        if let Err(AppendError::Fenced { epoch }) = result
            && *own
        {
            let why = format!("another process has taken over this node's work (epoch {epoch})");
            *result = Err(AppendError::Broken(why));
        }
    }
    results
}

/// Partitions of the work that nodes share.
struct Shared {
    store: PostgresStore,
    node: String,
}

impl Partitions for Shared {
    fn take_over(&self, partition: u32) -> Result<(u64, Box<dyn ReadHistory>), StoreError> {
        if partition >= OWN_WORK {
            let why = format!("there is no partition {partition} to share");
            return Err(StoreError::Foreign { file: self.store.address().to_owned(), why });
        }
        let epoch = self.store.take_over(partition, &self.node)?;
        Ok((epoch, Box::new(OwnHistory { store: self.store.clone(), partition })))
    }

    fn epochs(&self, partitions: &[u32]) -> Result<Vec<(u32, u64)>, StoreError> {
        self.store.epochs(partitions)
    }
}

/// The calls of one partition whose work is not over.
struct OwnHistory {
    store: PostgresStore,
    partition: u32,
}

impl ReadHistory for OwnHistory {
    fn read(&self, take: &mut dyn FnMut(Stored)) -> Result<(), StoreError> {
        let mut after = Position(0);
        loop {
            let (events, next) = self.store.read_work(self.partition, after, STREAMS)?;
            if events.is_empty() {
                return Ok(());
            }
            after = next;
            let mut over = Vec::new();
            for stream in events.chunk_by(|a, b| a.stream == b.stream) {
                if self.is_over_by_now(stream)? {
                    over.push(stream[0].stream);
                }
            }
            events.into_iter().filter(|event| !over.contains(&event.stream)).for_each(&mut *take);
            self.store.forget_work(&over)?;
        }
    }
}

impl OwnHistory {
    /// Whether a call ended long enough ago that nothing of it is on the wire any more, and its
    /// redial was made if one was promised.
    fn is_over_by_now(&self, stream: &[Stored]) -> Result<bool, StoreError> {
        let (Some(first), Some(last)) = (stream.first(), stream.last()) else { return Ok(false) };
        let Some(end) = as_end(&last.encoded) else { return Ok(false) };
        let age = UNIX_EPOCH.elapsed().unwrap_or_default().as_millis() as i64 - last.at.0;
        if end.outcome == Outcome::OutcomeUnknown && age < ON_THE_WIRE_MS_MAX {
            return Ok(false);
        }
        if end.redial_at.is_none() {
            return Ok(true);
        }
        let encoded = &first.encoded;
        let request = Event::decode(encoded.kind, encoded.version, &encoded.body);
        let (Ok(Event::Call(CallEvent::CallRequested(request))), Some(call)) =
            (request, first.stream.as_call())
        else {
            return Ok(false);
        };
        let next = CallId::of_redial(request.first_call.unwrap_or(call), request.attempt + 1);
        Ok(!self.store.read_stream(StreamId::call(next), Revision(0), 1)?.is_empty())
    }
}
