//! Copying a data folder while its node runs, and bringing a copy back.
//!
//! A backup is a data folder of its own: `verify`, `records` and the like read it as they read
//! the original. It holds the secrets that stand in the folder, and the keys of persons as they
//! were: who is erased later can still be read in it.

use super::node_file::NodeFile;
use super::{DataFolder, HALF_MADE, LOCK_FILE, NODE_FILE, read_master, take_lock};
use crate::StoreError;
use crate::file::RealFiles;
use crate::keys::KeyFile;
use crate::keys::sync_folder_of;
use crate::log::{LogCopy, OnProgress, copy_log};
use std::fs;
use std::io::{self, Write};
use std::path::Path;

/// What a backup came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BackupReport {
    /// The position of the last event in it.
    pub head: u64,
    /// Files of events and indexes in it.
    pub files: u64,
    /// Bytes that were copied.
    pub copied_bytes: u64,
    /// Files that an earlier backup had brought already.
    pub kept_files: u64,
}

/// How often the keys are copied at most when the master key changes meanwhile.
const TRIES_MAX: u32 = 10;

/// What stands in a data folder beside the log, in the order in which it is copied. The keys come
/// after the events, so that no event is there without the key that it needs.
pub(super) const BESIDE_THE_LOG: [&str; 3] = ["keys/persons", "callee.key", "master.key"];

/// Copies a data folder, also while its node runs, and tells of its progress. Into an earlier
/// backup of the same store only what is new is copied; one that was broken off goes on. An earlier
/// backup stays what it was until all that is new is there, and then changes in a moment; broken
/// off just then, or before it was ever whole, it says so whoever opens it.
///
/// # Errors
/// [`StoreError::Foreign`] when `to` holds something else, [`StoreError::InUse`] when a node or
/// another backup is at it, or the disk's.
pub fn backup(
    from: &Path,
    to: &Path,
    progress: OnProgress<'_>,
) -> Result<BackupReport, StoreError> {
    let source = DataFolder::open_to_read(from)?;
    let make = |path: &Path| {
        let made = fs::create_dir_all(path);
        made.map_err(|error| StoreError::of_disk("make", path.display().to_string(), error))
    };
    make(to)?;
    let _lock = take_lock(to)?;
    let is_earlier = is_earlier_backup(&source, to)?;
    if !is_earlier {
        mark_half_made(to)?;
    }
    make(&to.join("log"))?;
    make(&to.join("keys"))?;
    let target = RealFiles::new(to.join("log"));
    let mut begin_to_change = || if is_earlier { mark_half_made(to) } else { Ok(()) };
    let LogCopy { head, files, copied_bytes, kept_files } =
        copy_log(&source.log_files(), &target, source.store_id(), progress, &mut begin_to_change)?;
    let mut report = BackupReport { head, files, copied_bytes, kept_files };
    for tries in 1.. {
        for name in BESIDE_THE_LOG {
            report.copied_bytes += copy_file(&from.join(name), &to.join(name))?;
        }
        // The master key may have been rotated between the one file and the other.
        if tries == TRIES_MAX || fit(to)? {
            break;
        }
    }
    if !is_earlier {
        report.copied_bytes += copy_file(&from.join(NODE_FILE), &to.join(NODE_FILE))?;
    }
    let mark = to.join(HALF_MADE);
    let whole = fs::remove_file(&mark).and_then(|()| sync_folder_of(&mark));
    whole.map_err(|error| StoreError::of_disk("remove", mark.display().to_string(), error))?;
    Ok(report)
}

/// From now on nobody takes the folder for whole.
fn mark_half_made(folder: &Path) -> Result<(), StoreError> {
    let mark = folder.join(HALF_MADE);
    let marked = fs::File::create(&mark)
        .and_then(|file| file.sync_all())
        .and_then(|()| sync_folder_of(&mark));
    marked.map_err(|error| StoreError::of_disk("make", mark.display().to_string(), error))
}

/// Whether the keys that were copied are wrapped by the master key that was copied, if one was.
fn fit(to: &Path) -> Result<bool, StoreError> {
    let master = to.join("master.key");
    if !master.exists() {
        return Ok(true);
    }
    let wrapped_by = KeyFile::master_check(&RealFiles::new(to.join("keys")))?;
    Ok(wrapped_by.is_none_or(|check| read_master(&master).is_ok_and(|key| key.check() == check)))
}

/// Brings a backup back as a data folder, where there is none; one that was broken off goes on. A
/// node that starts on it knows
/// nothing of what happened after the backup.
///
/// # Errors
/// [`StoreError::Foreign`] when there is something at `to`, or as [`backup`].
pub fn restore(
    from: &Path,
    to: &Path,
    progress: OnProgress<'_>,
) -> Result<BackupReport, StoreError> {
    if to.join(NODE_FILE).exists() && !to.join(HALF_MADE).exists() {
        let why =
            "a backup is restored only to where there is nothing yet: name a new folder".to_owned();
        return Err(StoreError::Foreign { file: to.display().to_string(), why });
    }
    backup(from, to, progress)
}

/// Whether there is an earlier backup of the same store. Anything else is refused but nothing, and
/// what was broken off.
fn is_earlier_backup(source: &DataFolder, to: &Path) -> Result<bool, StoreError> {
    let foreign =
        |why: &str| StoreError::Foreign { file: to.display().to_string(), why: why.to_owned() };
    match NodeFile::read(&to.join(NODE_FILE))? {
        Some(node) if node.store == source.store_id() => Ok(true),
        Some(_) => Err(foreign("it holds the data of another store: name a new folder")),
        None => {
            let known = ["log", "keys", LOCK_FILE, HALF_MADE, "callee.key", "master.key"];
            let entries = fs::read_dir(to)
                .map_err(|error| StoreError::of_disk("list", to.display().to_string(), error))?;
            let ours = |name: &std::ffi::OsStr| {
                known.iter().any(|known| name == *known) || name.to_string_lossy().ends_with(".tmp")
            };
            match entries.flatten().all(|entry| ours(&entry.file_name())) {
                true => Ok(false),
                false => Err(foreign("it holds other files: name a new folder")),
            }
        }
    }
}

/// Copies a small file, durably and in one instant. One that is not there is passed over.
pub(super) fn copy_file(from: &Path, to: &Path) -> Result<u64, StoreError> {
    let contents = match fs::read(from) {
        Ok(contents) => contents,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(StoreError::of_disk("read", from.display().to_string(), error)),
    };
    let copy = || -> io::Result<()> {
        let unfinished = to.with_extension("tmp");
        let mut file = fs::File::create(&unfinished)?;
        file.set_permissions(fs::metadata(from)?.permissions())?;
        file.write_all(&contents)?;
        file.sync_all()?;
        fs::rename(&unfinished, to)?;
        sync_folder_of(to)
    };
    copy().map_err(|error| StoreError::of_disk("write", to.display().to_string(), error))?;
    Ok(contents.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::super::MasterSource;
    use super::super::tests::{append, fresh, refused};
    use super::*;
    use crate::api::Reader;
    use crate::log::{Log, Options, verify};
    use crate::writer::KeySink;
    use schemas::{CalleeKey, Position, Vault};

    fn options(folder: &DataFolder) -> Options {
        Options { segment_bytes: 6000, ..Options::new(folder.store_id()) }
    }

    fn grow(log: &mut Log<RealFiles>, events: u32) {
        for _ in 0..events {
            assert!(log.append(&[append()])[0].is_ok());
            log.sync().unwrap();
            while let Some(sealing) = log.sealing() {
                sealing.run().unwrap();
            }
        }
    }

    #[test]
    fn a_backup_of_a_running_node_is_a_data_folder_and_grows_by_what_is_new() {
        let (place, target) = (fresh(), fresh());
        let mut folder = DataFolder::open(place.path(), "n").unwrap();
        let (mut keyring, mut keys, _) = folder.open_keys(&MasterSource::Folder).unwrap();
        folder.callee_secret(None).unwrap();
        let sealed = keyring.seal(CalleeKey([7; 16]), b"name");
        keys.append_and_sync(&keyring.take_new_keys()).unwrap();
        let (mut log, _) = Log::open(folder.log_files(), options(&folder)).unwrap();
        grow(&mut log, 300);
        let first = backup(place.path(), target.path(), &mut |_, _| ()).unwrap();
        assert_eq!((first.head, first.kept_files), (300, 0));
        grow(&mut log, 300);
        let second = backup(place.path(), target.path(), &mut |_, _| ()).unwrap();
        assert!(second.head == 600 && second.kept_files > 0, "{second:?}");
        let copy = DataFolder::open_to_read(target.path()).unwrap();
        assert_eq!((copy.node(), copy.store_id()), ("n", folder.store_id()));
        let report = verify(&copy.log_files(), copy.store_id()).unwrap();
        assert!(report.is_sound() && report.torn.is_none(), "{report:?}");
        let read =
            |folder: &DataFolder| folder.read_log().unwrap().read_all(Position(0), 999).unwrap();
        assert!(read(&copy) == read(&folder));
        let opened =
            copy.read_keys(&MasterSource::Folder).unwrap().open(CalleeKey([7; 16]), &sealed);
        assert_eq!(opened.unwrap(), b"name");
    }

    #[test]
    fn a_restored_backup_goes_on_where_it_was_taken() {
        let (place, saved, target) = (fresh(), fresh(), fresh());
        let folder = DataFolder::open(place.path(), "n").unwrap();
        let (mut log, _) = Log::open(folder.log_files(), options(&folder)).unwrap();
        grow(&mut log, 200);
        backup(place.path(), saved.path(), &mut |_, _| ()).unwrap();
        assert_eq!(restore(saved.path(), target.path(), &mut |_, _| ()).unwrap().head, 200);
        refused(
            restore(saved.path(), target.path(), &mut |_, _| ()),
            "only to where there is nothing yet",
        );
        let restored = DataFolder::open(target.path(), "other").unwrap();
        let (mut log, recovery) = Log::open(restored.log_files(), options(&restored)).unwrap();
        assert_eq!((recovery.head, recovery.indexes_made, restored.node()), (200, 0, "n"));
        grow(&mut log, 1);
    }

    #[test]
    fn a_backup_goes_nowhere_where_it_could_do_harm() {
        let (place, other) = (fresh(), fresh());
        drop(DataFolder::open(place.path(), "n").unwrap());
        let running = DataFolder::open(other.path(), "m").unwrap();
        refused(backup(place.path(), other.path(), &mut |_, _| ()), "is in use by process");
        drop(running);
        refused(
            backup(place.path(), other.path(), &mut |_, _| ()),
            "it holds the data of another store",
        );
        let home = fresh();
        fs::write(home.path().join("letter.txt"), "x").unwrap();
        refused(backup(place.path(), home.path(), &mut |_, _| ()), "it holds other files");
        refused(
            backup(home.path(), other.path(), &mut |_, _| ()),
            "no node has kept its data there",
        );
    }

    #[test]
    fn an_earlier_backup_stays_as_it_is_until_all_that_is_new_is_there() {
        let (place, target) = (fresh(), fresh());
        let folder = DataFolder::open(place.path(), "n").unwrap();
        let (mut log, _) = Log::open(folder.log_files(), options(&folder)).unwrap();
        grow(&mut log, 300);
        backup(place.path(), target.path(), &mut |_, _| ()).unwrap();
        grow(&mut log, 300);
        let copy = DataFolder::open_to_read(target.path()).unwrap();
        let (from, to) = (folder.log_files(), copy.log_files());
        let mut broken_off = || Err(StoreError::Broken("killed".to_owned()));
        let error = copy_log(&from, &to, folder.store_id(), &mut |_, _| (), &mut broken_off);
        refused(error, "killed");
        let report = verify(&to, copy.store_id()).unwrap();
        assert!(report.is_sound() && report.head == 300, "{report:?}");
        let second = backup(place.path(), target.path(), &mut |_, _| ()).unwrap();
        assert!(second.head == 600 && second.copied_bytes < 20_000, "{second:?}");
        assert_eq!(verify(&to, copy.store_id()).unwrap().head, 600);
    }

    #[test]
    fn what_was_broken_off_is_taken_for_whole_by_nobody() {
        let (place, target) = (fresh(), fresh());
        let folder = DataFolder::open(place.path(), "n").unwrap();
        let (mut log, _) = Log::open(folder.log_files(), options(&folder)).unwrap();
        grow(&mut log, 3);
        let check = |next: &str| {
            refused(DataFolder::open_to_read(target.path()), next);
            refused(DataFolder::open(target.path(), "n"), next);
        };
        fs::write(target.path().join(HALF_MADE), "").unwrap();
        check("a backup or restore to it was broken off, or is not done yet. Type the same");
        restore(place.path(), target.path(), &mut |_, _| ()).unwrap();
        fs::write(target.path().join(HALF_MADE), "").unwrap();
        check("Back up into it again");
        backup(place.path(), target.path(), &mut |_, _| ()).unwrap();
        assert_eq!(DataFolder::open(target.path(), "n").unwrap().open_log().unwrap().1.head, 3);
    }

    #[test]
    fn a_backup_whose_end_gets_lost_is_noticed() {
        let (place, target) = (fresh(), fresh());
        let folder = DataFolder::open(place.path(), "n").unwrap();
        let (mut log, _) = Log::open(folder.log_files(), options(&folder)).unwrap();
        grow(&mut log, 3);
        backup(place.path(), target.path(), &mut |_, _| ()).unwrap();
        let file = target.path().join("log/00000000000000000001.log");
        let contents = fs::read(&file).unwrap();
        fs::write(&file, &contents[..contents.len() - 20]).unwrap();
        let copy = DataFolder::open(target.path(), "n").unwrap();
        refused(copy.open_log(), "had been durable");
    }
}
