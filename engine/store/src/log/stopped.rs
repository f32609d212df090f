//! The mark of a clean stop: how far the log went when its writer last stopped of itself.
//!
//! What was durable then must be there at every later start, so the mark stays true when the
//! log goes on, and needs no removing.

use super::header::StoreId;
use crate::StoreError;
use crate::bytes::bytes;
use crate::file::{File, Files};
use std::io;

/// Its file.
pub(crate) const NAME: &str = "stopped";
const NAME_UNFINISHED: &str = "stopped.tmp";
const MAGIC: [u8; 8] = *b"CALLSTOP";
const BYTES: usize = 36;

/// Notes durably that the log goes up to `position`.
pub(crate) fn write<F: Files>(files: &F, store: StoreId, position: u64) -> Result<(), StoreError> {
    let mut mark = [0; BYTES];
    mark[0..8].copy_from_slice(&MAGIC);
    mark[8..24].copy_from_slice(&store.0);
    mark[24..32].copy_from_slice(&position.to_le_bytes());
    let crc = crc32c::crc32c(&mark[..32]);
    mark[32..].copy_from_slice(&crc.to_le_bytes());
    let written = || -> io::Result<()> { replace(files, NAME_UNFINISHED, NAME, &mark) };
    written().map_err(|error| StoreError::of_disk("write", files.place(NAME), error))
}

/// The position of the last clean stop; 0 when there was none.
pub(crate) fn read<F: Files>(files: &F, store: StoreId) -> Result<u64, StoreError> {
    let failed = |error| StoreError::of_disk("read", files.place(NAME), error);
    let file = match files.open_to_read(NAME) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(failed(error)),
    };
    let mut mark = [0; BYTES];
    let read = file.read_full_at(&mut mark, 0).map_err(failed)?;
    let crc = u32::from_le_bytes(bytes(&mark, 32));
    if read < BYTES || mark[..8] != MAGIC || crc32c::crc32c(&mark[..32]) != crc {
        // It was renamed into place after a sync, so no crash leaves it half written.
        let why = "the mark of the last clean stop does not read back".to_owned();
        return Err(StoreError::Corrupt { file: files.place(NAME), offset: 0, why });
    }
    if StoreId(bytes(&mark, 8)) != store {
        let why = "it is of another store".to_owned();
        return Err(StoreError::Foreign { file: files.place(NAME), why });
    }
    Ok(u64::from_le_bytes(bytes(&mark, 24)))
}

/// Puts a small file in place of another, whole and durable or not at all.
pub(crate) fn replace<F: Files>(
    files: &F,
    unfinished: &str,
    name: &str,
    contents: &[u8],
) -> io::Result<()> {
    let file = create_anew(files, unfinished)?;
    file.write_all_at(contents, 0)?;
    file.sync_data()?;
    files.rename(unfinished, name)?;
    files.sync_dir()
}

/// Makes a file that may have been left behind half made.
pub(crate) fn create_anew<F: Files>(files: &F, name: &str) -> io::Result<F::File> {
    match files.remove(name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    files.create(name)
}
