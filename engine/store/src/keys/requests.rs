//! Asking the process that holds the keys to erase a person: by an empty file beside them, named
//! after the callee key. Who opens the keys, or has them open, does what is asked and then removes
//! the file, so that a crash between the two erases again.

use super::KeyFile;
use crate::StoreError;
use crate::bytes::hex;
use crate::file::Files;
use schemas::CalleeKey;
use std::io;

const PREFIX: &str = "erase-";

/// Asks durably for a person to be erased.
///
/// # Errors
/// The disk's.
pub(crate) fn ask_to_erase(files: &impl Files, callee: CalleeKey) -> Result<(), StoreError> {
    let name = name_of(callee);
    let made = match files.create(&name) {
        // Somebody has asked already.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop),
    };
    let asked = made.and_then(|()| files.sync_dir());
    asked.map_err(|error| StoreError::of_disk("make", files.place(&name), error))
}

/// Whether a person is still to be erased.
///
/// # Errors
/// The disk's.
pub(crate) fn is_asked_for(files: &impl Files, callee: CalleeKey) -> Result<bool, StoreError> {
    Ok(asked_for(files)?.contains(&callee))
}

fn asked_for(files: &impl Files) -> Result<Vec<CalleeKey>, StoreError> {
    let names = files.list();
    let names = names.map_err(|error| StoreError::of_disk("list", files.place(""), error))?;
    Ok(names.iter().filter_map(|name| callee_of(name.strip_prefix(PREFIX)?)).collect())
}

fn name_of(callee: CalleeKey) -> String {
    format!("{PREFIX}{}", hex(&callee.0))
}

fn callee_of(digits: &str) -> Option<CalleeKey> {
    let key = u128::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 32)?;
    Some(CalleeKey(key.to_be_bytes()))
}

impl<F: Files> KeyFile<F> {
    /// Erases whom others have asked to erase, and says how many.
    ///
    /// # Errors
    /// The disk's, as of [`KeyFile::erase`].
    pub fn erase_whom_asked(&self) -> Result<u64, StoreError> {
        let files = self.files();
        let asked = asked_for(&files)?;
        for callee in &asked {
            self.erase(*callee)?;
            let name = name_of(*callee);
            files
                .remove(&name)
                .map_err(|error| StoreError::of_disk("remove", files.place(&name), error))?;
        }
        if !asked.is_empty() {
            // A request that comes back with the power erases who is erased.
            let synced = files.sync_dir();
            synced.map_err(|error| StoreError::of_disk("sync", files.place(""), error))?;
        }
        Ok(asked.len() as u64)
    }
}
