//! What a data folder knows of persons: erasing one, the opaque key of one, another master key.

use anyhow::{Context, Result, bail};
use node::store_url::{self, StoreUrl};
use schemas::CalleeKey;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use store::StoreError;
use store::folder::{DataFolder, MasterSource, read_master};
use store::keys::{MasterKey, PersonsKey, make_secret_file};

/// Holds the master key, where it stands in no file.
pub const MASTER_VARIABLE: &str = "CALLFOLD_MASTER_KEY";
/// Holds the one that is to take its place.
pub const NEW_MASTER_VARIABLE: &str = "CALLFOLD_NEW_MASTER_KEY";

/// How long an engine that runs is given to erase somebody; it takes a quarter of a second.
const ERASED_WITHIN: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A data folder and where its secrets are.
#[derive(Clone, Debug)]
pub struct Secrets {
    /// The data folder.
    pub data: PathBuf,
    /// The master key's file; by the variable or in the folder when absent.
    pub key_file: Option<PathBuf>,
    /// The callee secret's file; in the folder when absent.
    pub callee_key_file: Option<PathBuf>,
}

/// Where the master key comes from: the file that was named, else the variable, else the folder.
pub fn master_key(file: Option<PathBuf>) -> Result<MasterSource> {
    if file.is_some() {
        return Ok(file.into());
    }
    Ok(variable(MASTER_VARIABLE)?.map_or(MasterSource::Folder, MasterSource::Given))
}

/// As [`master_key`], for a service: what is in the environment stands over its configuration.
pub fn service_master_key(file: &Path) -> Result<MasterSource> {
    let given = variable(MASTER_VARIABLE)?;
    Ok(given.map_or_else(|| MasterSource::File(file.to_owned()), MasterSource::Given))
}

fn variable(name: &str) -> Result<Option<MasterKey>> {
    let Some(content) = std::env::var_os(name).filter(|content| !content.is_empty()) else {
        return Ok(None);
    };
    let key = MasterKey::parse(content.as_encoded_bytes());
    key.map(Some).with_context(|| format!("{name} holds no master key: that is 64 hex digits"))
}

/// The opaque key of whoever has this number, normalised.
pub fn callee_key(secrets: &Secrets, phone: &str) -> Result<CalleeKey> {
    let mut folder = DataFolder::open_to_read(&secrets.data)?;
    Ok(folder.callee_secret(secrets.callee_key_file.as_deref())?.callee_key(phone))
}

/// What erasing somebody came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Erasure {
    /// The key was destroyed.
    Done,
    /// That had been done before.
    Before,
    /// Nothing was ever sealed for this person here.
    Nobody,
}

/// Destroys a person's key in a log that many nodes share: for all of them.
pub fn erase_in(store: &StoreUrl, callee: CalleeKey) -> Result<Erasure> {
    Ok(match store_url::erase(store, callee)? {
        Some(true) => Erasure::Done,
        Some(false) => Erasure::Before,
        None => Erasure::Nobody,
    })
}

/// Destroys a person's key, durably, also in a folder that is in use. Returns when it is gone.
pub fn erase(secrets: &Secrets, callee: CalleeKey) -> Result<Erasure> {
    let master = master_key(secrets.key_file.clone())?;
    let folder = DataFolder::open_to_read(&secrets.data)?;
    let before = folder.read_keys(&master)?.person(callee);
    folder.ask_to_erase(callee)?;
    let deadline = Instant::now() + ERASED_WITHIN;
    while folder.is_to_be_erased(callee)? {
        match DataFolder::open(&secrets.data, folder.node()) {
            Ok(held) => {
                held.open_keys(&master)?;
            }
            Err(StoreError::InUse { holder, .. }) if Instant::now() < deadline => {
                tracing::debug!(holder, "asked for the erasure");
                std::thread::sleep(LOOK_EVERY);
            }
            Err(StoreError::InUse { holder, .. }) => bail!(
                "{holder} holds {} and has not erased anybody within {} s; it will at its next \
                 start, at the latest",
                secrets.data.display(),
                ERASED_WITHIN.as_secs()
            ),
            Err(error) => return Err(error.into()),
        }
    }
    match (before, folder.read_keys(&master)?.person(callee)) {
        (_, PersonsKey::Never) => Ok(Erasure::Nobody),
        (PersonsKey::Erased, PersonsKey::Erased) => Ok(Erasure::Before),
        (_, PersonsKey::Erased) => Ok(Erasure::Done),
        (_, PersonsKey::Stands) => {
            bail!("this person was called again meanwhile and has a new key: erase again")
        }
    }
}

/// What takes the master key's place.
#[derive(Clone, Debug)]
pub enum NewMaster {
    /// A new random one, in the file of the old one.
    InPlace,
    /// The one in this file, made when there is none.
    File(PathBuf),
    /// What the variable holds.
    Variable,
}

/// What a rotation came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rotation {
    /// So many persons' keys are wrapped by the new one.
    Done(u64),
    /// They had been already.
    Before,
}

/// Wraps every person's key by another master key. Broken off at any moment and done again it goes
/// on: the file of the keys is the old one or the new one, and says which.
pub fn rotate(secrets: &Secrets, new: &NewMaster) -> Result<Rotation> {
    let source = master_key(secrets.key_file.clone())?;
    let exists = DataFolder::open_to_read(&secrets.data)?;
    if exists.is_in_common() {
        bail!("its keys of persons are in a common log: say which one with --store URL");
    }
    let folder = DataFolder::open(&secrets.data, exists.node())?;
    let new = match new {
        NewMaster::InPlace if matches!(source, MasterSource::Given(_)) => bail!(
            "the master key comes from {MASTER_VARIABLE}: put the new one into \
             {NEW_MASTER_VARIABLE}, or into a file for --new-key-file"
        ),
        NewMaster::InPlace => {
            let (_, keys, loaded) = folder.open_keys(&source)?;
            folder.rotate_master_key(&keys, &source)?;
            return Ok(Rotation::Done(loaded.persons));
        }
        NewMaster::File(path) => key_in(path)?,
        NewMaster::Variable => variable(NEW_MASTER_VARIABLE)?.with_context(not_set)?,
    };
    if folder.is_wrapped_by(&new)? == Some(true) {
        return Ok(Rotation::Before);
    }
    let (_, keys, loaded) = folder.open_keys(&source)?;
    keys.rotate(new)?;
    Ok(Rotation::Done(loaded.persons))
}

/// The same in a log that many nodes share. Each of them takes the new one before its next start, so
/// it stands in a file of its own or in the variable.
pub fn rotate_in(store: &StoreUrl, secrets: &Secrets, new: &NewMaster) -> Result<Rotation> {
    let new = match new {
        NewMaster::InPlace => bail!(
            "every node needs the new master key: name its file with --new-key-file, and bring it \
             to all of them"
        ),
        NewMaster::File(path) => key_in(path)?,
        NewMaster::Variable => variable(NEW_MASTER_VARIABLE)?.with_context(not_set)?,
    };
    let old = match master_key(secrets.key_file.clone())? {
        MasterSource::Given(master) => master,
        MasterSource::File(file) => read_master(&file)?,
        MasterSource::Folder => read_master(&secrets.data.join("master.key"))?,
    };
    Ok(store_url::rotate(store, old, new)?.map_or(Rotation::Before, Rotation::Done))
}

fn not_set() -> String {
    format!("{NEW_MASTER_VARIABLE} is not set: put the new master key there, 64 hex digits")
}

fn key_in(path: &Path) -> Result<MasterKey> {
    make_secret_file(path)?;
    Ok(read_master(path)?)
}
