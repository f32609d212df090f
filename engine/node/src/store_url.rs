//! Where a node's events are kept, by a URL; and that place, open.
//!
//! | URL | kept |
//! |---|---|
//! | `log:PATH` | in our own log: the folder `log` of the node's data folder |
//! | `memory:` | nowhere: gone with the process |
//! | `postgres://…` | in PostgreSQL, for many nodes; see `store_postgres::address` |
//! | `kurrentdb://…` | in KurrentDB, for one node; see `store_kurrent` |

#[cfg(feature = "kurrentdb")]
mod kurrent;
#[cfg(feature = "postgres")]
mod postgres;

use crate::history::{ReadHistory, WholeHistory};
use schemas::CalleeKey;
use schemas::sealed::StoredKey;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use store::folder::{DataFolder, MasterSource};
use store::keys::{CalleeSecret, Keyring, MasterKey};
use store::memory::MemoryStore;
use store::writer::LogWriter;
use store::{Appender, Reader, Recovery, StoreError};

/// What a store's URL may be, for people.
pub const WANTED: &str = "memory:, log:PATH, postgres://… or kurrentdb://…";

/// Where events are kept. Not shown by `Debug` or `Display` where it may hold a password.
#[derive(Clone, PartialEq)]
pub enum StoreUrl {
    /// `memory:`: gone with the process.
    Memory,
    /// `log:PATH`: our own log in a folder.
    Log(PathBuf),
    /// `postgres://…`: a common log.
    Postgres(String),
    /// `kurrentdb://…`: a log on another machine, of one node.
    Kurrent(String),
}

impl StoreUrl {
    /// Whether the events are on another machine, where a data folder has none.
    pub fn is_common(&self) -> bool {
        matches!(self, Self::Postgres(_) | Self::Kurrent(_))
    }

    /// Whether its nodes can share the partitions of the work: the store says whose each is, and takes
    /// nothing from an owner that was followed by another.
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Whether the keys of persons stand beside the events there, and not in the data folder.
    pub fn has_keys(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }
}

impl FromStr for StoreUrl {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        let wanted = || format!("write a store's URL: {WANTED}");
        match url.split_once(':').ok_or_else(wanted)? {
            ("memory", "") => Ok(Self::Memory),
            ("log", path) if !path.is_empty() => Ok(Self::Log(path.into())),
            ("postgres" | "postgresql", rest) if rest.len() > 2 => {
                #[cfg(feature = "postgres")]
                store_postgres::address::Address::parse(url).map_err(|error| error.in_full())?;
                Ok(Self::Postgres(url.to_owned()))
            }
            ("kurrentdb" | "esdb", rest) if rest.len() > 2 => Ok(Self::Kurrent(url.to_owned())),
            _ => Err(wanted()),
        }
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory:"),
            Self::Log(path) => write!(f, "log:{}", path.display()),
            Self::Postgres(_) => f.write_str("postgres://…"),
            Self::Kurrent(_) => f.write_str("kurrentdb://…"),
        }
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where the two secrets come from.
#[derive(Clone, Copy)]
pub struct Secrets<'a> {
    /// The master key.
    pub master: &'a MasterSource,
    /// The file of the secret behind callee keys; in the data folder when absent.
    pub callee_file: Option<&'a Path>,
}

/// The partitions of the work that the nodes of a common log share out among them: those of the work
/// topic. What comes to a node directly is a partition of its own, which it has without asking.
pub trait Partitions: Send + Sync {
    /// Takes a partition over: what its owner before appended is visible from now on, and what it
    /// appends later is refused ([`store::AppendError::Fenced`]). The epoch to append with
    /// ([`store::Ownership`], by [`Appender::submit_owned`]), and the calls whose work is not over.
    ///
    /// # Errors
    /// The store cannot be reached, or has no such partition.
    fn take_over(&self, partition: u32) -> Result<(u64, Box<dyn ReadHistory>), StoreError>;

    /// The epochs of the owners of these partitions, of those that ever had one.
    ///
    /// # Errors
    /// The store cannot be reached.
    fn epochs(&self, partitions: &[u32]) -> Result<Vec<(u32, u64)>, StoreError>;
}

/// A store that is open to write.
pub struct OpenStore {
    /// Where a shard's events go.
    pub appender: Arc<dyn Appender>,
    /// Where they are read.
    pub reader: Arc<dyn Reader>,
    /// What this node's calls are rebuilt from.
    pub history: Box<dyn ReadHistory>,
    /// The partitions of the work, on a log that many nodes share.
    pub partitions: Option<Arc<dyn Partitions>>,
    /// The keys of persons.
    pub keyring: Keyring,
    /// The secret behind callee keys.
    pub secret: CalleeSecret,
    /// What opening an embedded log found; nothing for others.
    pub recovery: Recovery,
    kept: Kept,
}

/// What must be kept until the end.
enum Kept {
    Nothing,
    Writer(LogWriter),
    #[cfg(feature = "postgres")]
    Claim(Box<store_postgres::Claim>),
}

impl OpenStore {
    /// Opens a store to write, as the node that a folder belongs to. The folder keeps to the kind
    /// of store that it was first used with.
    ///
    /// # Errors
    /// It cannot be used, or is somebody else's, or this program was built without it.
    pub fn open(
        url: &StoreUrl,
        folder: &mut DataFolder,
        secrets: Secrets<'_>,
    ) -> Result<Self, StoreError> {
        match url {
            StoreUrl::Memory => Self::in_memory(folder, secrets),
            StoreUrl::Log(path) => {
                check_log(path, folder)?;
                Self::log(folder, secrets)
            }
            #[cfg(feature = "postgres")]
            StoreUrl::Postgres(url) => postgres::open(url, folder, secrets),
            #[cfg(feature = "kurrentdb")]
            StoreUrl::Kurrent(url) => kurrent::open(url, folder, secrets),
            #[allow(unreachable_patterns)] // with every kind of store built in
            other => Err(left_out(other)),
        }
    }

    /// Opens the log in the data folder.
    ///
    /// # Errors
    /// As [`OpenStore::open`].
    pub fn log(folder: &mut DataFolder, secrets: Secrets<'_>) -> Result<Self, StoreError> {
        let secret = folder.callee_secret(secrets.callee_file)?;
        let (keyring, key_file, _) = folder.open_keys(secrets.master)?;
        let (log, recovery) = folder.open_log()?;
        let reader: Arc<dyn Reader> = Arc::new(log.reader());
        let (writer, appender) = store::writer::start(log, key_file)?;
        let history = Box::new(WholeHistory(reader.clone()));
        let (appender, kept) = (Arc::new(appender), Kept::Writer(writer));
        let partitions = None;
        Ok(Self { appender, reader, history, partitions, keyring, secret, recovery, kept })
    }

    fn in_memory(folder: &mut DataFolder, secrets: Secrets<'_>) -> Result<Self, StoreError> {
        let secret = folder.callee_secret(secrets.callee_file)?;
        let store = Arc::new(MemoryStore::default());
        let history = Box::new(WholeHistory(store.clone()));
        let (appender, recovery, kept) = (store.clone(), Recovery::default(), Kept::Nothing);
        // The events are gone with the process, and the keys to them need not outlive it.
        let keyring = Keyring::from_seed(u64::from_le_bytes(store::keys::random()?), 0);
        let (reader, partitions) = (store, None);
        Ok(Self { appender, reader, history, partitions, keyring, secret, recovery, kept })
    }

    /// Ends it. What was handed over before is durable then.
    ///
    /// # Errors
    /// What was written last could not be made durable.
    pub fn stop(self) -> Result<(), StoreError> {
        match self.kept {
            Kept::Nothing => Ok(()),
            Kept::Writer(writer) => writer.stop().map(drop),
            // Every batch was answered: nothing is on its way.
            #[cfg(feature = "postgres")]
            Kept::Claim(claim) => {
                drop(claim);
                Ok(())
            }
        }
    }
}

/// A store that is open to read, and the keys to what is sealed in it.
pub struct Reading {
    /// Where its events are read.
    pub reader: Arc<dyn Reader>,
    /// The keys of persons and the callee secret, or why they cannot be had.
    pub keys: Result<(Keyring, CalleeSecret), StoreError>,
}

/// Opens a store to read, also beside nodes that write it; changes nothing. `data` is the folder
/// with the secrets; a log has its own.
///
/// # Errors
/// As [`OpenStore::open`].
#[cfg_attr(not(all(feature = "postgres", feature = "kurrentdb")), allow(unused_variables))]
pub fn open_to_read(
    url: &StoreUrl,
    data: Option<&Path>,
    master: &MasterSource,
) -> Result<Reading, StoreError> {
    match url {
        StoreUrl::Log(path) => read_folder(data_folder(path), master),
        #[cfg(feature = "postgres")]
        StoreUrl::Postgres(url) => postgres::open_to_read(url, data, master),
        #[cfg(feature = "kurrentdb")]
        StoreUrl::Kurrent(url) => kurrent::open_to_read(url, data, master),
        StoreUrl::Memory => Err(refused(url, "nothing of it can be seen from another process")),
        #[allow(unreachable_patterns)] // with every kind of store built in
        other => Err(left_out(other)),
    }
}

/// So many keys of persons are copied at a time.
const KEYS_AT_ONCE: usize = 5_000;

/// A common log that takes the history of another store.
pub struct Filling {
    /// Takes the events: calls that are open become the work of the node they were copied for.
    pub appender: Arc<dyn Appender>,
    /// What is there already.
    pub reader: Arc<dyn Reader>,
    put_keys: PutKeys,
    _kept: Kept,
}

type PutKeys = Box<dyn Fn(&[StoredKey]) -> Result<(), StoreError>>;

impl Filling {
    /// Stores the keys of persons that a keyring has, which the same master key wraps: before the
    /// events that need them.
    ///
    /// # Errors
    /// The store's.
    pub fn put_keys(&self, keyring: &Keyring) -> Result<(), StoreError> {
        keyring.saved_keys().chunks(KEYS_AT_ONCE).try_for_each(&self.put_keys)
    }
}

/// Opens a common log to take the history of another store with the same secrets, for a node of this
/// name, which must not run.
///
/// # Errors
/// As [`OpenStore::open`], and [`StoreError::Foreign`] for a store that is none.
#[cfg_attr(not(all(feature = "postgres", feature = "kurrentdb")), allow(unused_variables))]
pub fn open_to_fill(
    url: &StoreUrl,
    node: &str,
    keyring: &Keyring,
    secret: &CalleeSecret,
) -> Result<Filling, StoreError> {
    match url {
        #[cfg(feature = "postgres")]
        StoreUrl::Postgres(url) => postgres::open_to_fill(url, node, keyring, secret),
        #[cfg(feature = "kurrentdb")]
        StoreUrl::Kurrent(url) => kurrent::open_to_fill(url, node, keyring, secret),
        StoreUrl::Memory | StoreUrl::Log(_) => Err(refused(url, "it is no common log")),
        #[allow(unreachable_patterns)] // with every kind of store built in
        other => Err(left_out(other)),
    }
}

/// Wraps all keys of persons in a common log by another master key. No node may run. How many there
/// were; `None` when it was done before.
///
/// # Errors
/// As [`open_to_fill`], and when a node runs or it is not `old` that wraps them.
#[cfg_attr(not(feature = "postgres"), allow(unused_variables))]
pub fn rotate(url: &StoreUrl, old: MasterKey, new: MasterKey) -> Result<Option<u64>, StoreError> {
    match url {
        #[cfg(feature = "postgres")]
        StoreUrl::Postgres(url) => postgres::rotate(url, old, new),
        StoreUrl::Memory | StoreUrl::Log(_) => Err(refused(url, "it is no common log")),
        other => Err(left_out(other)),
    }
}

/// Destroys the keys of a person in a common log, for every node of it. Whether there was one;
/// `None` when there never was.
///
/// # Errors
/// As [`open_to_fill`]; the keys may then still stand there.
#[cfg_attr(not(all(feature = "postgres", feature = "kurrentdb")), allow(unused_variables))]
pub fn erase(url: &StoreUrl, callee: CalleeKey) -> Result<Option<bool>, StoreError> {
    match url {
        #[cfg(feature = "postgres")]
        StoreUrl::Postgres(url) => postgres::erase(url, callee),
        StoreUrl::Memory | StoreUrl::Log(_) => Err(refused(url, "it is no common log")),
        #[allow(unreachable_patterns)] // with every kind of store built in
        other => Err(left_out(other)),
    }
}

/// Opens the log in a data folder to read.
///
/// # Errors
/// As [`DataFolder::open_to_read`] and [`DataFolder::read_log`].
pub fn read_folder(data: &Path, master: &MasterSource) -> Result<Reading, StoreError> {
    let mut folder = DataFolder::open_to_read(data)?;
    let reader = Arc::new(folder.read_log()?);
    let keys =
        folder.read_keys(master).and_then(|keyring| Ok((keyring, folder.callee_secret(None)?)));
    Ok(Reading { reader, keys })
}

/// A log stands in its node's data folder, and nowhere else.
fn check_log(path: &Path, folder: &DataFolder) -> Result<(), StoreError> {
    let own = folder.path().join("log");
    let absolute = |path: &Path| std::path::absolute(path).map(|path| normal(&path)).ok();
    if absolute(path) == absolute(&own) {
        return Ok(());
    }
    let why = format!("this node keeps its log in {}", own.display());
    Err(StoreError::Foreign { file: path.display().to_string(), why })
}

fn normal(path: &Path) -> PathBuf {
    path.components().filter(|part| *part != std::path::Component::CurDir).collect()
}

/// The folder whose log it is: the configuration names `DATA/log`, a person may name `DATA`.
pub fn data_folder(path: &Path) -> &Path {
    match path.file_name() {
        Some(name) if name == "log" && !path.join("node.toml").exists() => {
            path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
        }
        _ => path,
    }
}

fn refused(url: &StoreUrl, why: &str) -> StoreError {
    StoreError::Foreign { file: url.to_string(), why: why.to_owned() }
}

fn left_out(url: &StoreUrl) -> StoreError {
    refused(url, "this program was built without that kind of store")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_one_of_four_kinds_and_shows_no_password() {
        for (url, shown) in [
            ("memory:", "memory:"),
            ("log:./data/log", "log:./data/log"),
            ("postgres://jo:s3cret@db/calls", "postgres://…"),
            ("postgresql://db", "postgres://…"),
            ("kurrentdb://jo:s3cret@a,b", "kurrentdb://…"),
            ("esdb://a", "kurrentdb://…"),
        ] {
            assert_eq!(url.parse::<StoreUrl>().unwrap().to_string(), shown);
        }
        for url in ["", "log:", "memory:x", "mysql://db", "data", "postgres:", "postgres://"] {
            let error = url.parse::<StoreUrl>().unwrap_err();
            assert!(error.contains("postgres://"), "{url}: {error}");
        }
    }

    #[test]
    fn a_log_stands_in_its_data_folder() {
        for (path, folder) in
            [("data/log", "data"), ("log", "."), ("data", "data"), ("/x/log", "/x")]
        {
            assert_eq!(data_folder(Path::new(path)), Path::new(folder));
        }
    }

    #[test]
    fn a_log_is_that_of_the_data_folder() {
        let data = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(data.path(), "n").unwrap();
        check_log(&data.path().join("log"), &folder).unwrap();
        check_log(&data.path().join("./log/"), &folder).unwrap();
        assert!(check_log(&data.path().join("other"), &folder).is_err());
    }
}
