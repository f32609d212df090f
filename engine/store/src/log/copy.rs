//! Copying the files of a log while its writer writes, for a backup.

use super::OnProgress;
use super::header::read_header;
use super::header::{HEADER_BYTES, StoreId};
use super::listing::Listing;
use super::names;
use super::recover::attested_behind;
use super::stopped;
use super::walk::{FrameWalk, Step};
use crate::StoreError;
use crate::file::{File, Files};
use std::io;

/// How often the copy begins again when a file is gone before it was opened.
const TRIES_MAX: u32 = 20;
const CHUNK_BYTES: usize = 1 << 20;

/// Is told before the first file of an earlier copy changes.
pub(crate) type OnChange<'a> = &'a mut dyn FnMut() -> Result<(), StoreError>;

/// What was copied.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct LogCopy {
    pub(crate) head: u64,
    pub(crate) files: u64,
    pub(crate) copied_bytes: u64,
    pub(crate) kept_files: u64,
}

/// Copies the log in `from` to `to`, which holds nothing or an earlier copy. Sealed segments and
/// indexes never change, so those that are there already stay. All that is new is copied beside it
/// under names that mean nothing; then `change` is told, and it is put in place in a moment.
///
/// # Errors
/// The disk's, or [`StoreError::Corrupt`] when the log is damaged where it is read.
pub(crate) fn copy_log<F: Files, T: Files>(
    from: &F,
    to: &T,
    store: StoreId,
    progress: OnProgress<'_>,
    change: OnChange<'_>,
) -> Result<LogCopy, StoreError> {
    let mut tries = 1;
    loop {
        match try_copy(from, to, store, progress, change) {
            // The writer has sealed a segment, or merged an index, that was just listed.
            Err(error) if error.is_missing() && tries < TRIES_MAX => tries += 1,
            copied => return copied,
        }
    }
}

fn try_copy<F: Files, T: Files>(
    from: &F,
    to: &T,
    store: StoreId,
    progress: OnProgress<'_>,
    change: OnChange<'_>,
) -> Result<LogCopy, StoreError> {
    let listing = Listing::of(from)?;
    let (mut done, whole) = (0, listing.bytes(from) + listing.index_bytes(from));
    let mut copied =
        LogCopy { head: listing.sealed.last().map_or(0, |span| span.last), ..LogCopy::default() };
    let (mut names, mut fresh) = (Vec::new(), Vec::new());
    for name in listing
        .sealed
        .iter()
        .map(|span| names::sealed(*span))
        .chain(listing.indexes.iter().map(|span| names::index(*span)))
    {
        let source = open(from, &name)?;
        let size =
            source.size().map_err(|error| StoreError::of_disk("read", from.place(&name), error))?;
        let is_there = |name: &str| {
            to.open_to_read(name).and_then(|file| file.size()).is_ok_and(|there| there == size)
        };
        if is_there(&name) {
            copied.kept_files += 1;
        } else if is_there(&new(&name)) {
            copied.kept_files += 1;
            fresh.push(name.clone());
        } else {
            copy(from, to, &name, &source, size)?;
            copied.copied_bytes += size;
            fresh.push(name.clone());
        }
        done += size;
        progress(done.min(whole), whole);
        names.push(name);
    }
    for (index, base) in listing.frames.iter().enumerate() {
        let name = names::frames(*base);
        let source = open(from, &name)?;
        let (end, next) = whole_frames(from, &name, &source, *base)?;
        if listing.frames.get(index + 1).is_some_and(|following| *following != next) {
            let why = format!("event {next} is due, and another segment follows");
            return Err(StoreError::Corrupt { file: from.place(&name), offset: end.into(), why });
        }
        copy(from, to, &name, &source, end.into())?;
        copied.copied_bytes += u64::from(end);
        copied.head = next - 1;
        done += u64::from(end);
        progress(done.min(whole), whole);
        fresh.push(name.clone());
        names.push(name);
    }
    copied.files = names.len() as u64;
    change()?;
    for name in &fresh {
        let put = to.rename(&new(name), name);
        put.map_err(|error| StoreError::of_disk("write", to.place(name), error))?;
    }
    // The mark comes last: all that it speaks of is there.
    stopped::write(to, store, copied.head)?;
    names.push(stopped::NAME.to_owned());
    let failed = |error| StoreError::of_disk("remove", to.place(""), error);
    for name in to.list().map_err(failed)? {
        if !names.contains(&name) {
            to.remove(&name).map_err(failed)?;
        }
    }
    to.sync_dir().map_err(|error| StoreError::of_disk("sync", to.place(""), error))?;
    Ok(copied)
}

fn open<F: Files>(files: &F, name: &str) -> Result<F::File, StoreError> {
    files.open_to_read(name).map_err(|error| StoreError::of_disk("open", files.place(name), error))
}

/// Where the whole frames of a segment end, and which position is next.
fn whole_frames<F: Files>(
    files: &F,
    name: &str,
    file: &F::File,
    base: u64,
) -> Result<(u32, u64), StoreError> {
    let failed = |error| StoreError::of_disk("read", files.place(name), error);
    let (_, salt) = read_header(file, &files.place(name))?;
    let size = u32::try_from(file.size().map_err(failed)?).unwrap_or(u32::MAX);
    let (mut end, mut next) = (HEADER_BYTES as u32, base);
    let mut walk = FrameWalk::new(file, salt, end, size);
    while let Step::Frame(offset, frame) = walk.step().map_err(failed)? {
        (end, next) = (offset + frame.length, frame.last_position() + 1);
    }
    // What is not whole is still being written, unless something behind it says otherwise.
    if attested_behind(file, salt, end, size).map_err(failed)? >= next {
        let why = format!("no whole frame begins where event {next} is due");
        return Err(StoreError::Corrupt { file: files.place(name), offset: end.into(), why });
    }
    Ok((end, next))
}

/// What a file is called that is whole and waits for the others.
fn new(name: &str) -> String {
    format!("{name}.new.tmp")
}

/// Copies the first `size` bytes of a file beside what is there, durably and in one instant.
fn copy<F: Files, T: Files>(
    from: &F,
    to: &T,
    name: &str,
    source: &F::File,
    size: u64,
) -> Result<(), StoreError> {
    let unfinished = format!("{name}.tmp");
    let read_failed = |error| StoreError::of_disk("read", from.place(name), error);
    let write_failed = |error: io::Error| StoreError::of_disk("write", to.place(name), error);
    let target = stopped::create_anew(to, &unfinished).map_err(write_failed)?;
    let (mut chunk, mut at) = (vec![0; CHUNK_BYTES], 0);
    while at < size {
        let length = CHUNK_BYTES.min(usize::try_from(size - at).unwrap_or(CHUNK_BYTES));
        source.read_exact_at(&mut chunk[..length], at).map_err(read_failed)?;
        target.write_all_at(&chunk[..length], at).map_err(write_failed)?;
        at += length as u64;
    }
    target.sync_data().and_then(|()| to.rename(&unfinished, &new(name))).map_err(write_failed)
}
