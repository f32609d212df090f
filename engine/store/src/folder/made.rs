//! A data folder that is being made out of something else. It has no `node.toml` before it is whole,
//! so nobody takes it for one; broken off, it is known by what stands there, and begun or gone on
//! with again.

use super::backup::{BESIDE_THE_LOG, copy_file};
use super::node_file::NodeFile;
use super::{DataFolder, LOCK_FILE, NODE_FILE, take_lock};
use crate::StoreError;
use crate::file::{Files, RealFiles};
use crate::keys::{random, sync_folder_of};
use crate::log::{self, Log, OnProgress, Options, RepairReport, StoreId};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// What `node.toml` is going to be.
pub(super) const UNFINISHED: &str = "node.unfinished.toml";

/// A folder that is not whole yet, and is locked.
pub struct Unfinished {
    path: PathBuf,
    node: NodeFile,
    _lock: File,
}

impl Unfinished {
    /// Begins a folder where there is nothing, for a node of this name or `like` the node of
    /// another folder, with the same secrets; or goes on with one that was broken off.
    ///
    /// # Errors
    /// [`StoreError::Foreign`] when something else is there, [`StoreError::InUse`], or the disk's.
    pub fn begin(path: &Path, name: &str, like: Option<&DataFolder>) -> Result<Self, StoreError> {
        let shown = || path.display().to_string();
        let made = [path.to_owned(), path.join("log"), path.join("keys")];
        let lock = match is_free(path)? {
            true => {
                let made = made.iter().try_for_each(fs::create_dir_all);
                made.map_err(|error| StoreError::of_disk("make", shown(), error))?;
                take_lock(path)?
            }
            false => {
                let why = "there is something there already: name a new folder".to_owned();
                return Err(StoreError::Foreign { file: shown(), why });
            }
        };
        let node = match NodeFile::read(&path.join(UNFINISHED))? {
            Some(node) => node,
            None => {
                let store = StoreId(random()?);
                let node = match like {
                    Some(like) => NodeFile { store, common: None, ..like.node.clone() },
                    None => NodeFile {
                        node: name.to_owned(),
                        store,
                        sip_port: None,
                        callee_check: None,
                        common: None,
                    },
                };
                node.write(&path.join(UNFINISHED))?;
                node
            }
        };
        for name in like.iter().flat_map(|_| BESIDE_THE_LOG) {
            let from = like.expect("it has names only then").path();
            copy_file(&from.join(name), &path.join(name))?;
        }
        Ok(Self { path: path.to_owned(), node, _lock: lock })
    }

    /// Where it is made.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens its log to write.
    ///
    /// # Errors
    /// As [`Log::open`].
    pub fn open_log(&self) -> Result<Log<RealFiles>, StoreError> {
        Ok(Log::open(self.log_files(), Options::new(self.node.store))?.0)
    }

    /// It is whole: from now on it is a data folder.
    ///
    /// # Errors
    /// The disk's.
    pub fn finish(self) -> Result<(), StoreError> {
        let (from, to) = (self.path.join(UNFINISHED), self.path.join(NODE_FILE));
        let finished = fs::rename(from, &to).and_then(|()| sync_folder_of(&to));
        finished.map_err(|error| StoreError::of_disk("write", to.display().to_string(), error))
    }

    fn log_files(&self) -> RealFiles {
        RealFiles::new(self.path.join("log"))
    }

    /// Removes what is in its log.
    fn clear_log(&self) -> Result<(), StoreError> {
        let files = self.log_files();
        let cleared =
            files.list().and_then(|names| names.iter().try_for_each(|name| files.remove(name)));
        cleared.map_err(|error| StoreError::of_disk("remove", files.place(""), error))
    }
}

/// Whether a folder may be made there: there is nothing, or what was broken off.
fn is_free(path: &Path) -> Result<bool, StoreError> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(StoreError::of_disk("list", path.display().to_string(), error)),
    };
    let names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
    let begun = [UNFINISHED, LOCK_FILE, "log", "keys", "callee.key", "master.key"];
    let is_half_written = |name: &std::ffi::OsString| name.to_string_lossy().ends_with(".tmp");
    let known =
        |name: &std::ffi::OsString| begun.iter().any(|one| name == one) || is_half_written(name);
    // Before the file is there, nothing but folders and the lock are.
    let are_few = names.iter().filter(|name| !is_half_written(name)).count() <= 3;
    Ok(names.iter().all(known) && (are_few || path.join(UNFINISHED).exists()))
}

/// Copies what is provably good of a damaged log into a new data folder, with the same name and
/// secrets, and another store id: positions are dealt anew. The damaged folder stays as it is.
///
/// # Errors
/// [`StoreError::InUse`], [`StoreError::Foreign`] when something is at `to`, or the disk's. What is
/// damaged is no error but in the report.
pub fn repair(
    from: &Path,
    to: &Path,
    progress: OnProgress<'_>,
) -> Result<RepairReport, StoreError> {
    let name = DataFolder::open_to_read(from)?.node.node;
    // Nobody may write there meanwhile.
    let source = DataFolder::open(from, &name)?;
    let target = Unfinished::begin(to, &name, Some(&source))?;
    target.clear_log()?;
    let mut log = target.open_log()?;
    let report = log::repair(&source.log_files(), source.store_id(), &mut log, progress)?;
    log.close()?;
    target.finish()?;
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{append, fresh, refused};
    use super::*;
    use crate::api::{Appender, Reader};
    use crate::folder::MasterSource;
    use crate::writer::KeySink;
    use schemas::{CalleeKey, Position, Vault};

    /// A folder with a hundred events and a person.
    fn filled(path: &Path) -> schemas::Sealed {
        let mut folder = DataFolder::open(path, "n").unwrap();
        folder.set_sip_port(5062).unwrap();
        folder.callee_secret(None).unwrap();
        let (mut keyring, mut keys, _) = folder.open_keys(&MasterSource::Folder).unwrap();
        let sealed = keyring.seal(CalleeKey([7; 16]), b"name");
        keys.append_and_sync(&keyring.take_new_keys()).unwrap();
        let (mut log, _) = folder.open_log().unwrap();
        for _ in 0..100 {
            log.append(&[append()]);
            log.sync().unwrap();
        }
        log.close().unwrap();
        sealed
    }

    #[test]
    fn a_repaired_folder_is_another_store_of_the_same_node_with_the_same_persons() {
        let (place, target) = (fresh(), fresh());
        let sealed = filled(place.path());
        let file = place.path().join("log/00000000000000000001.log");
        let mut contents = fs::read(&file).unwrap();
        let at = contents.len() - 100;
        contents[at] ^= 1;
        fs::write(&file, contents).unwrap();
        refused(DataFolder::open(place.path(), "n").unwrap().open_log(), "is damaged at byte");
        let to = target.path().join("new");
        let mut seen = Vec::new();
        let report = repair(place.path(), &to, &mut |done, of| seen.push((done, of))).unwrap();
        assert!(report.copied > 90 && report.lost == 1, "{report:?}");
        assert!(seen.last().is_some_and(|(done, of)| done == of), "{seen:?}");
        let mut folder = DataFolder::open(&to, "other").unwrap();
        assert_eq!((folder.node(), folder.sip_port()), ("n", Some(5062)));
        assert_ne!(folder.store_id(), DataFolder::open_to_read(place.path()).unwrap().store_id());
        folder.callee_secret(None).unwrap();
        assert_eq!(folder.open_log().unwrap().1.head, report.copied);
        let keys = folder.read_keys(&MasterSource::Folder).unwrap();
        assert_eq!(keys.open(CalleeKey([7; 16]), &sealed).unwrap(), b"name");
        refused(repair(place.path(), &to, &mut |_, _| ()), "there is something there already");
    }

    #[test]
    fn what_was_broken_off_is_no_folder_and_is_begun_again() {
        let (place, target) = (fresh(), fresh());
        filled(place.path());
        let source = DataFolder::open_to_read(place.path()).unwrap();
        let begun = Unfinished::begin(target.path(), "n", Some(&source)).unwrap();
        let mut log = begun.open_log().unwrap();
        log.append(&[append()]);
        log.sync().unwrap();
        drop((log, begun));
        let sentence = "is not whole: a copy or repair to it was broken off";
        refused(DataFolder::open_to_read(target.path()), sentence);
        refused(DataFolder::open(target.path(), "n"), sentence);
        let report = repair(place.path(), target.path(), &mut |_, _| ()).unwrap();
        assert_eq!((report.copied, report.lost), (100, 0));
        let folder = DataFolder::open_to_read(target.path()).unwrap();
        assert_eq!(folder.read_log().unwrap().read_all(Position(0), 999).unwrap().len(), 100);
    }

    #[test]
    fn a_copy_that_was_broken_off_goes_on() {
        let (place, target) = (fresh(), fresh());
        filled(place.path());
        let source = DataFolder::open_to_read(place.path()).unwrap();
        let reader = source.read_log().unwrap();
        let copied = |stop_after: usize| {
            let target = Unfinished::begin(target.path(), "n", Some(&source)).unwrap();
            let log = target.open_log().unwrap();
            let before = log.head();
            let (writer, appender) = crate::writer::start(log, crate::writer::NoKeys).unwrap();
            if stop_after > 0 {
                let events = reader.read_all(Position(0), stop_after).unwrap();
                let appends = events.into_iter().map(|event| {
                    let events = vec![crate::NewEvent { encoded: event.encoded, at: event.at }];
                    crate::Append { stream: event.stream, expected: crate::Expected::Any, events }
                });
                appender.append(appends.collect());
                drop(writer.stop());
            } else {
                let report = crate::transfer::transfer(&reader, &appender, |_, _| ()).unwrap();
                assert_eq!((report.events, report.already), (100, before.0));
                writer.stop().unwrap();
                target.finish().unwrap();
            }
        };
        copied(40);
        copied(0);
        let whole = DataFolder::open_to_read(target.path()).unwrap().read_log().unwrap();
        assert!(
            whole.read_all(Position(0), 999).unwrap() == reader.read_all(Position(0), 999).unwrap()
        );
    }
}
