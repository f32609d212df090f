//! The data folder of a node: what stands where, whose it is, and who may write.
//!
//! ```text
//! node.toml     its name, its store, the SIP port it was first given, the format of the folder
//! lock          held by the one process that writes; names it
//! log/          the events
//! keys/         the keys of persons, wrapped
//! callee.key    makes callee keys of phone numbers; never changed
//! master.key    wraps the keys of persons; can be rotated
//! ```

mod backup;
mod made;
mod node_file;
mod secrets;

pub use backup::{BackupReport, backup, restore};
pub use made::{Unfinished, repair};
pub use secrets::{MasterSource, read_master};

use crate::keys::{random, sync_folder_of};
use crate::log::{Log, LogReader, Options, Recovery, StoreId};
use crate::{StoreError, file::RealFiles};
use node_file::NodeFile;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The version of the folder's layout that this program makes, and the latest that it opens.
pub const FOLDER_FORMAT: u32 = 1;

const NODE_FILE: &str = "node.toml";
const LOCK_FILE: &str = "lock";
/// Stands in a folder while a backup makes it, or puts what is new in place of what is old in it.
const HALF_MADE: &str = "backup.unfinished";
/// How often, and after which pause, a lock is asked for again that somebody holds.
const LOCK_TRIES: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// A node's data folder. Whoever opened it to write holds its lock until this is dropped.
pub struct DataFolder {
    path: PathBuf,
    node: NodeFile,
    lock: Option<File>,
}

impl DataFolder {
    /// Opens a folder to write, and makes it for a node of this name when there is none. A folder
    /// that has a name keeps it.
    ///
    /// # Errors
    /// [`StoreError::InUse`], [`StoreError::Newer`], [`StoreError::Foreign`] when it holds a log
    /// and nothing says whose, or the disk's.
    pub fn open(path: &Path, node: &str) -> Result<Self, StoreError> {
        let make = |path: &Path, mode| {
            let made = fs::DirBuilder::new().recursive(true).mode(mode).create(path);
            made.map_err(|error| StoreError::of_disk("make", path.display().to_string(), error))
        };
        make(path, 0o777)?;
        let lock = take_lock(path)?;
        check_whole(path)?;
        let node = match NodeFile::read(&path.join(NODE_FILE))? {
            Some(node) => node,
            None => begin(path, node)?,
        };
        make(&path.join("log"), 0o777)?;
        make(&path.join("keys"), 0o700)?;
        let folder = Self { path: path.to_owned(), node, lock: Some(lock) };
        sync_folder_of(&folder.path.join(NODE_FILE))
            .map_err(|error| folder.failed("sync", error))?;
        Ok(folder)
    }

    /// Opens a folder to read, also beside a process that writes there. Makes and changes nothing.
    ///
    /// # Errors
    /// There is no such folder, [`StoreError::Newer`], or the disk's.
    pub fn open_to_read(path: &Path) -> Result<Self, StoreError> {
        check_whole(path)?;
        let node = NodeFile::read(&path.join(NODE_FILE))?.ok_or_else(|| {
            let why = "no node has kept its data there; name the folder that was --data when the \
                       calls were made"
                .to_owned();
            StoreError::Foreign { file: path.display().to_string(), why }
        })?;
        Ok(Self { path: path.to_owned(), node, lock: None })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The node's name.
    pub fn node(&self) -> &str {
        &self.node.node
    }

    /// Whose log it is.
    pub fn store_id(&self) -> StoreId {
        self.node.store
    }

    /// Which log its events are in: its own, or the common one that it has joined.
    pub fn log_id(&self) -> StoreId {
        self.node.common.unwrap_or(self.node.store)
    }

    /// The SIP port that the node was first given; `None` before that.
    pub fn sip_port(&self) -> Option<u16> {
        self.node.sip_port
    }

    /// Notes durably which SIP port the node was given. Callees answer to that one, so it stays.
    ///
    /// # Errors
    /// The disk's.
    pub fn set_sip_port(&mut self, port: u16) -> Result<(), StoreError> {
        self.change(|node| node.sip_port = Some(port))
    }

    /// Opens the log to write.
    ///
    /// # Errors
    /// As [`Log::open`].
    pub fn open_log(&self) -> Result<(Log<RealFiles>, Recovery), StoreError> {
        self.check_lock()?;
        self.check_own_log()?;
        Log::open(self.log_files(), Options::new(self.store_id()))
    }

    /// Opens the log to read, also beside a process that writes it.
    ///
    /// # Errors
    /// As [`LogReader::open_beside`].
    pub fn read_log(&self) -> Result<LogReader<RealFiles>, StoreError> {
        self.check_own_log()?;
        LogReader::open_beside(self.log_files(), self.store_id())
    }

    /// Notes durably that the node keeps its events in a common log, and in no other from then
    /// on: whoever forgot to name it would dial everybody again.
    ///
    /// # Errors
    /// [`StoreError::Foreign`] when the node has kept events elsewhere, or the disk's.
    pub fn join_common(&mut self, store: StoreId, shown: &str) -> Result<(), StoreError> {
        let foreign =
            |why: String| Err(StoreError::Foreign { file: self.path.display().to_string(), why });
        match self.node.common {
            Some(common) if common == store => Ok(()),
            Some(_) => foreign(format!(
                "its events are in another common log than {shown}: name that one with --store, or \
                 another folder"
            )),
            None if holds_events(&self.path.join("log")) => foreign(format!(
                "it has a log of its own: copy that to {shown} with `callfold log copy`, and begin \
                 with a new folder that has the same callee.key and master.key, and in KurrentDB's \
                 case keys/persons, since persons' keys never stand there"
            )),
            None => self.change(|node| node.common = Some(store)),
        }
    }

    /// Whether its events, and the keys of persons, are in a log that many nodes share.
    pub fn is_in_common(&self) -> bool {
        self.node.common.is_some() && !self.has_keys()
    }

    /// Whether keys of persons were ever kept here: also those of a log in KurrentDB are.
    fn has_keys(&self) -> bool {
        self.path.join("keys").join("persons").exists()
    }

    fn check_own_keys(&self) -> Result<(), StoreError> {
        if self.has_keys() { Ok(()) } else { self.check_own_log() }
    }

    fn check_own_log(&self) -> Result<(), StoreError> {
        let why = "its events are in a common log: say which one with --store URL".to_owned();
        let foreign = || StoreError::Foreign { file: self.path.display().to_string(), why };
        self.node.common.is_none().then_some(()).ok_or_else(foreign)
    }

    /// The files of the log.
    pub fn log_files(&self) -> RealFiles {
        RealFiles::new(self.path.join("log"))
    }

    fn key_files(&self) -> RealFiles {
        RealFiles::new(self.path.join("keys"))
    }

    fn change(&mut self, change: impl FnOnce(&mut NodeFile)) -> Result<(), StoreError> {
        self.check_lock()?;
        change(&mut self.node);
        self.node.write(&self.path.join(NODE_FILE))
    }

    fn check_lock(&self) -> Result<(), StoreError> {
        let why = "it was opened to read".to_owned();
        let refused = || StoreError::Foreign { file: self.path.display().to_string(), why };
        self.lock.as_ref().map(drop).ok_or_else(refused)
    }

    fn failed(&self, doing: &'static str, error: io::Error) -> StoreError {
        StoreError::of_disk(doing, self.path.display().to_string(), error)
    }
}

/// Refuses what a backup, a restore, a copy or a repair has not finished: nobody may take a part for
/// the whole, or begin anew beside it.
fn check_whole(path: &Path) -> Result<(), StoreError> {
    let is_node = path.join(NODE_FILE).exists();
    let (what, next) = match (path.join(HALF_MADE).exists(), is_node) {
        (true, true) => (
            "backup",
            "Back up into it again; if what was backed up is gone, remove backup.unfinished there, \
             and `callfold log repair --to NEW` copies all that is good in it",
        ),
        (true, false) => ("backup or restore", AGAIN),
        (false, false) if path.join(made::UNFINISHED).exists() => ("copy or repair", AGAIN),
        (false, _) => return Ok(()),
    };
    Err(StoreError::HalfMade { folder: path.display().to_string(), what, next })
}

const AGAIN: &str = "Type the same command again, which goes on with it, or remove the folder";

/// Takes the folder's lock, which the operating system gives back however the process ends.
fn take_lock(folder: &Path) -> Result<File, StoreError> {
    let path = folder.join(LOCK_FILE);
    let failed = |error| StoreError::of_disk("lock", path.display().to_string(), error);
    let opened = File::options().read(true).write(true).create(true).truncate(false).open(&path);
    let mut lock = opened.map_err(failed)?;
    let mut tried = lock.try_lock();
    // A child that its last holder forked has the lock too, until it becomes its own program.
    for _ in 0..LOCK_TRIES {
        if !matches!(tried, Err(TryLockError::WouldBlock)) {
            break;
        }
        std::thread::sleep(LOCK_PAUSE);
        tried = lock.try_lock();
    }
    match tried {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Who has just taken it may not have written its name yet.
            let named = lock.read_to_string(&mut holder).is_ok() && !holder.trim().is_empty();
            let holder =
                if named { holder.trim().to_owned() } else { "another process".to_owned() };
            return Err(StoreError::InUse { folder: folder.display().to_string(), holder });
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    lock.set_len(0).map_err(failed)?;
    writeln!(lock, "process {}", std::process::id()).map_err(failed)?;
    Ok(lock)
}

fn holds_events(log: &Path) -> bool {
    fs::read_dir(log).is_ok_and(|entries| {
        entries.flatten().any(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.ends_with(".log") || name.ends_with(".sealed")
        })
    })
}

/// Begins the data of a node.
fn begin(path: &Path, node: &str) -> Result<NodeFile, StoreError> {
    let log = path.join("log");
    if holds_events(&log) {
        let why = format!(
            "it holds events, and there is no {NODE_FILE} beside it that says whose: bring that \
             file back, or name another folder"
        );
        return Err(StoreError::Foreign { file: log.display().to_string(), why });
    }
    let node = NodeFile {
        node: node.to_owned(),
        store: StoreId(random()?),
        sip_port: None,
        callee_check: None,
        common: None,
    };
    node.write(&path.join(NODE_FILE))?;
    Ok(node)
}

#[cfg(test)]
mod tests;
