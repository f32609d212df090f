//! The secrets of a data folder: the one behind callee keys, the master key, the keys of persons.

use super::DataFolder;
use crate::StoreError;
use crate::file::RealFiles;
use crate::keys::{CalleeSecret, KeyFile, Keyring, Loaded, MasterKey};
use crate::keys::{ask_to_erase, is_asked_for, make_secret_file, put_secret_file, random};
use crate::keys::{read_secret_file, sync_folder_of};
use schemas::CalleeKey;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Where the master key comes from.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum MasterSource {
    /// `master.key` in the data folder, made when neither it nor any key of a person is there.
    #[default]
    Folder,
    /// A file elsewhere, made likewise.
    File(PathBuf),
    /// Somebody has it: a variable, say.
    Given(MasterKey),
}

impl From<Option<PathBuf>> for MasterSource {
    fn from(file: Option<PathBuf>) -> Self {
        file.map_or(Self::Folder, Self::File)
    }
}

impl DataFolder {
    /// The secret behind callee keys: from `file`, else from `callee.key`. Made when absent, by
    /// who writes. One folder keeps to one secret: with another, every callee would be another.
    ///
    /// # Errors
    /// [`StoreError::Foreign`] when it is not the secret that this folder was begun with, or the
    /// disk's.
    pub fn callee_secret(&mut self, file: Option<&Path>) -> Result<CalleeSecret, StoreError> {
        let path = file.map_or_else(|| self.path.join("callee.key"), Path::to_owned);
        let content = match (&self.lock, self.node.callee_check) {
            // Only a folder that has never had one may be given one.
            (Some(_), None) => make_secret_file(&path)?,
            _ => read_secret_file(&path)?,
        };
        let secret = CalleeSecret::new(&content);
        match self.node.callee_check {
            Some(check) if check != secret.check() => {
                let why =
                    "it is not the callee secret that the data was begun with: bring that one here"
                        .to_owned();
                return Err(StoreError::Foreign { file: path.display().to_string(), why });
            }
            None if self.lock.is_some() => {
                self.change(|node| node.callee_check = Some(secret.check()))?
            }
            _ => {}
        }
        Ok(secret)
    }

    /// Opens the keys of persons to write, and erases whom others have asked to erase meanwhile. A
    /// rotation that was interrupted is finished or taken back.
    ///
    /// # Errors
    /// As [`KeyFile::open`].
    pub fn open_keys(
        &self,
        source: &MasterSource,
    ) -> Result<(Keyring, KeyFile<RealFiles>, Loaded), StoreError> {
        self.check_lock()?;
        self.check_own_keys()?;
        let master = match source {
            MasterSource::Given(master) => master.clone(),
            MasterSource::Folder => self.master_key(&self.master_path())?,
            MasterSource::File(path) => self.master_key(path)?,
        };
        let (keyring, file, loaded) = KeyFile::open(self.key_files(), master, random()?)?;
        file.erase_whom_asked()?;
        Ok((keyring, file, loaded))
    }

    /// Opens the keys of persons to read, also beside a process that writes them.
    ///
    /// # Errors
    /// As [`KeyFile::open_beside`].
    pub fn read_keys(&self, source: &MasterSource) -> Result<Keyring, StoreError> {
        self.check_own_keys()?;
        let beside = |path: &Path| -> Result<MasterKey, StoreError> {
            let wanted = KeyFile::master_check(&self.key_files())?;
            let master = read_master(path)?;
            match wanted {
                Some(check) if check != master.check() && next_path(path).exists() => {
                    read_master(&next_path(path))
                }
                _ => Ok(master),
            }
        };
        let master = match source {
            MasterSource::Given(master) => master.clone(),
            MasterSource::Folder => beside(&self.master_path())?,
            MasterSource::File(path) => beside(path)?,
        };
        KeyFile::open_beside(self.key_files(), master, random()?)
    }

    /// Asks for a person to be erased, durably. Whoever holds the folder does it within a second,
    /// and whoever opens it next does it first.
    ///
    /// # Errors
    /// The disk's.
    pub fn ask_to_erase(&self, callee: CalleeKey) -> Result<(), StoreError> {
        ask_to_erase(&self.key_files(), callee)
    }

    /// Whether a person is still to be erased.
    ///
    /// # Errors
    /// The disk's.
    pub fn is_to_be_erased(&self, callee: CalleeKey) -> Result<bool, StoreError> {
        is_asked_for(&self.key_files(), callee)
    }

    /// Whether it is this master key that wraps the keys of persons; `None` when there are none.
    ///
    /// # Errors
    /// The disk's.
    pub fn is_wrapped_by(&self, master: &MasterKey) -> Result<Option<bool>, StoreError> {
        let found = KeyFile::master_check(&self.key_files())?;
        Ok(found.map(|check| check == master.check()))
    }

    /// Replaces the master key by a new random one, in its file and around every person's key. A
    /// crash in the middle leaves the one or the other. One that is given has no file: for that,
    /// [`KeyFile::rotate`] to another that is given.
    ///
    /// # Errors
    /// [`StoreError::Foreign`] when it is given, or the disk's.
    pub fn rotate_master_key(
        &self,
        keys: &KeyFile<RealFiles>,
        source: &MasterSource,
    ) -> Result<(), StoreError> {
        let path = match source {
            MasterSource::Folder => self.master_path(),
            MasterSource::File(path) => path.clone(),
            MasterSource::Given(_) => {
                let why = "a master key that is given is replaced by one that is given".to_owned();
                return Err(StoreError::Foreign { file: "the master key".to_owned(), why });
            }
        };
        let master = MasterKey::random()?;
        put_secret_file(&next_path(&path), master.to_hex().as_bytes())?;
        keys.rotate(master)?;
        finish_rotation(&path)
    }

    fn master_path(&self) -> PathBuf {
        self.path.join("master.key")
    }

    fn master_key(&self, path: &Path) -> Result<MasterKey, StoreError> {
        let Some(wanted) = KeyFile::master_check(&self.key_files())? else {
            return parse_master(&make_secret_file(path)?, path);
        };
        let next = next_path(path);
        if next.exists() {
            if read_master(&next)?.check() == wanted {
                finish_rotation(path)?;
            } else {
                fs::remove_file(&next).map_err(|error| {
                    StoreError::of_disk("remove", next.display().to_string(), error)
                })?;
            }
        }
        read_master(path)
    }
}

pub(super) fn next_path(path: &Path) -> PathBuf {
    path.with_extension("key.next")
}

/// Reads a master key's file.
///
/// # Errors
/// There is none, or it holds something else.
pub fn read_master(path: &Path) -> Result<MasterKey, StoreError> {
    parse_master(&read_secret_file(path)?, path)
}

fn parse_master(content: &[u8], path: &Path) -> Result<MasterKey, StoreError> {
    MasterKey::parse(content).ok_or_else(|| {
        let why =
            "a master key is 64 hex digits or 32 raw bytes: bring the one here that the data \
                   was begun with"
                .to_owned();
        StoreError::Foreign { file: path.display().to_string(), why }
    })
}

/// Puts the new master key in place of the old one, whose bytes are overwritten first.
fn finish_rotation(path: &Path) -> Result<(), StoreError> {
    let finish = || -> io::Result<()> {
        if let Ok(mut old) = File::options().write(true).open(path) {
            let size = usize::try_from(old.metadata()?.len()).unwrap_or(0);
            old.write_all(&vec![b'0'; size])?;
            old.sync_all()?;
        }
        fs::rename(next_path(path), path)?;
        sync_folder_of(path)
    };
    finish().map_err(|error| StoreError::of_disk("replace", path.display().to_string(), error))
}
