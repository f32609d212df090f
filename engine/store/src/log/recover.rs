//! Finding out what a folder holds: whole frames, a torn tail, or damage.
//!
//! A disk may keep what was not synced in any order, so a bad frame with good ones behind it can
//! be an ordinary power cut. What tells: every frame carries the position that was known to be
//! durable when it was written. A bad frame at or below such a position is damage, and refused;
//! one above all of them was never acknowledged, and the log is cut there.

use super::frame::{self, Fault, MARK};
use super::header::{Content, HEADER_BYTES, Salt, StoreId, read_header};
use super::index::Index;
use super::listing::Listing;
use super::names::{self, Span};
use super::sealed::Sealed;
use super::sealed::seal::write_index;
use super::segments::{Raw, Segments};
use super::shared::open_index;
use super::stopped;
use super::streams::{Tail, Tails};
use super::walk::{FrameWalk, Step};
use crate::StoreError;
use crate::file::{File, Files};
use schemas::Revision;
use std::io;
use std::sync::Arc;

/// What opening a log found and did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Recovery {
    /// The position of the last event.
    pub head: u64,
    /// Files of events.
    pub segments: usize,
    /// Those of them that are sealed.
    pub sealed: usize,
    /// Events that were read to build the index: those that are not sealed.
    pub events_scanned: u64,
    /// Indexes of sealed segments that were missing and have been made anew.
    pub indexes_made: usize,
    /// What was cut off the end, if anything.
    pub cut: Option<Cut>,
}

/// A torn tail: appends that were never acknowledged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cut {
    /// The file it was in.
    pub file: String,
    /// Where in the file the good part ends.
    pub offset: u64,
    /// How many bytes were cut.
    pub bytes: u64,
    /// What stood there.
    pub why: String,
}

/// What a scan of a folder found, before anything is changed.
pub(crate) struct Found<F> {
    pub(crate) segments: Segments<F>,
    pub(crate) events_scanned: u64,
    /// The last position that some file says was durable.
    pub(crate) attested: u64,
    /// Where the last segment stops being good, and why.
    pub(crate) torn: Option<(u32, Fault)>,
    /// Files that are not needed any more.
    left_behind: Vec<String>,
    /// Sealed segments without an index.
    pub(crate) unindexed: Vec<Span>,
}

/// Whether a folder is opened to write, or to read beside a writer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    Write,
    Read,
}

/// Scans a folder. Changes nothing.
pub(crate) fn scan<F: Files>(
    files: &F,
    store: StoreId,
    purpose: Purpose,
) -> Result<Found<F::File>, StoreError> {
    let listing = Listing::of(files)?;
    let mut found = Found {
        segments: Segments::none(),
        events_scanned: 0,
        attested: stopped::read(files, store)?,
        torn: None,
        left_behind: listing.left_behind,
        unindexed: Vec::new(),
    };
    for span in &listing.sealed {
        // Its header and footer are looked at, its events are not.
        let sealed = Sealed::open(files, store, *span)?;
        let due = found.segments.next();
        if span.base != due {
            let why = format!("it begins with event {}, where event {due} is due", span.base);
            return Err(sealed.source.corrupt(32, why));
        }
        found.segments.sealed.push(*span);
    }
    open_indexes(files, store, &listing.indexes, &mut found)?;
    for (index, base) in listing.frames.iter().enumerate() {
        let last = index + 1 == listing.frames.len();
        scan_segment(files, store, purpose, *base, last, &mut found)?;
    }
    // Reading beside a writer, the mark may be newer than the scan. It is not a fault then.
    let headless = found.segments.raw.is_empty() && !found.segments.sealed.is_empty();
    if purpose == Purpose::Write && (headless || found.segments.next() <= found.attested) {
        return Err(end_is_lost(files, &found));
    }
    Ok(found)
}

/// Opens the indexes of the sealed segments. One that does not open is as good as none.
fn open_indexes<F: Files>(
    files: &F,
    store: StoreId,
    listed: &[Span],
    found: &mut Found<F::File>,
) -> Result<(), StoreError> {
    let (mut open, mut loaded) = (Vec::<Arc<Index<F::File>>>::new(), 0);
    for span in listed {
        let ends_fit = found.segments.sealed.iter().any(|sealed| sealed.base == span.base)
            && found.segments.sealed.iter().any(|sealed| sealed.last == span.last);
        match open_index(files, store, *span, loaded) {
            Ok(index) if ends_fit => {
                loaded += index.loaded_bytes();
                open.push(index);
            }
            Ok(_) | Err(StoreError::Corrupt { .. }) => found.left_behind.push(names::index(*span)),
            Err(error) => return Err(error),
        }
    }
    let covered = |sealed: &Span| {
        open.iter().any(|index| index.span.base <= sealed.base && sealed.last <= index.span.last)
    };
    found.unindexed =
        found.segments.sealed.iter().filter(|sealed| !covered(sealed)).copied().collect();
    found.segments.indexes = open.into();
    Ok(())
}

fn scan_segment<F: Files>(
    files: &F,
    store: StoreId,
    purpose: Purpose,
    base: u64,
    last: bool,
    found: &mut Found<F::File>,
) -> Result<(), StoreError> {
    let name = names::frames(base);
    let place = files.place(&name);
    let failed = |doing, error| StoreError::of_disk(doing, files.place(&name), error);
    let corrupt =
        |offset: u64, why: String| StoreError::Corrupt { file: files.place(&name), offset, why };
    let file = match purpose {
        Purpose::Write => files.open(&name),
        Purpose::Read => files.open_to_read(&name),
    };
    let file = file.map_err(|error| failed("open", error))?;
    let (header, salt) = read_header(&file, &place)?;
    if header.store != store {
        let why = "it is of another store".to_owned();
        return Err(StoreError::Foreign { file: place, why });
    }
    if header.content != Content::Frames {
        return Err(corrupt(10, "it holds something else than its name says".to_owned()));
    }
    if header.base != base || base != found.segments.next() {
        let why = format!(
            "it begins with event {}, where event {} is due",
            header.base,
            found.segments.next()
        );
        return Err(corrupt(32, why));
    }
    // Its predecessor was synced before it was made.
    found.attested = found.attested.max(base - 1);
    let size = file.size().map_err(|error| failed("read", error))?;
    let end = u32::try_from(size)
        .map_err(|_| corrupt(0, "it is larger than a segment can be".to_owned()))?;
    let mut raw = Raw::new(name.clone().into(), Arc::new(file), &header, salt);
    let file = Arc::clone(&raw.file);
    let mut walk = FrameWalk::new(&*file, salt, HEADER_BYTES as u32, end);
    let torn = loop {
        match walk.step().map_err(|error| failed("read", error))? {
            Step::End => break None,
            Step::Bad(offset, fault) => break Some((offset, fault)),
            Step::Frame(offset, frame) if frame.head.position == raw.next() => {
                found.attested = found.attested.max(frame.head.durable);
                raw.push(offset, &frame);
            }
            Step::Frame(offset, _) => break Some((offset, Fault::Content)),
        }
    };
    found.events_scanned += raw.next() - base;
    if let Some((offset, fault)) = torn {
        if let Fault::StreamKind(_) = fault {
            return Err(corrupt(offset.into(), fault.to_string()));
        }
        if !last {
            return Err(corrupt(offset.into(), format!("{fault}, and a later segment follows")));
        }
        if purpose == Purpose::Write {
            let behind = attested_behind(&*file, salt, offset, end)
                .map_err(|error| failed("read", error))?;
            found.attested = found.attested.max(behind);
            if found.attested >= raw.next() {
                let why = format!(
                    "{fault}, where event {} is due; events up to {} had been durable",
                    raw.next(),
                    found.attested
                );
                return Err(corrupt(offset.into(), why));
            }
        }
    }
    found.torn = torn;
    found.segments.raw.push(raw);
    Ok(())
}

/// The last position that any whole frame behind a bad one says was durable; 0 when none does.
pub(crate) fn attested_behind<F: File>(
    file: &F,
    salt: Salt,
    from: u32,
    end: u32,
) -> io::Result<u64> {
    let mut rest = vec![0; (end - from) as usize];
    let read = file.read_full_at(&mut rest, from.into())?;
    rest.truncate(read);
    let (mut at, mut attested) = (0, 0);
    while let Some(next) = rest[at..].windows(MARK.len()).position(|window| window == MARK) {
        at += next;
        let offset = from + u32::try_from(at).expect("it is within a segment");
        match frame::decode(&rest[at..], salt, offset) {
            Ok(frame) => {
                attested = attested.max(frame.head.durable);
                at += frame.length as usize;
            }
            Err(_) => at += 1,
        }
    }
    Ok(attested)
}

fn end_is_lost<F: Files>(files: &F, found: &Found<F::File>) -> StoreError {
    let (name, offset) = match found.segments.raw.last() {
        Some(last) => (last.name.to_string(), last.end.into()),
        None => (String::new(), 0),
    };
    let why = format!(
        "the log ends with event {}, and it had {} when it was last stopped",
        found.segments.next() - 1,
        found.attested
    );
    StoreError::Corrupt { file: files.place(&name), offset, why }
}

/// Makes what a scan found into what the log goes on from: leaves a torn tail behind, and makes
/// sure that all of the rest is durable.
pub(crate) fn settle<F: Files>(
    files: &F,
    found: &mut Found<F::File>,
) -> Result<Option<Cut>, StoreError> {
    // The writer before us may have died between a rename and its sync.
    files.sync_dir().map_err(|error| StoreError::of_disk("sync", files.place(""), error))?;
    for name in &found.left_behind {
        let removed = files.remove(name);
        removed.map_err(|error| StoreError::of_disk("remove", files.place(name), error))?;
    }
    let unattested = found.segments.next() > found.attested + 1;
    let Some(last) = found.segments.raw.last_mut() else { return Ok(None) };
    if found.torn.is_none() && !unattested {
        return Ok(None);
    }
    let failed = |doing, error| StoreError::of_disk(doing, files.place(&last.name), error);
    let size = last.file.size().map_err(|error| failed("read", error))?;
    // What nobody attests may stand in the cache alone, behind a sync that failed: the kernel told
    // that process, counts the pages as clean, and would tell us that all is well. So it has to be
    // written again; and in another file, since it may also be durable and acknowledged, and a
    // power cut must not find it half overwritten.
    let copied = copy_whole(files, last).and_then(|()| files.open(&last.name));
    last.file = Arc::new(copied.map_err(|error| failed("write", error))?);
    Ok(found.torn.map(|(offset, fault)| Cut {
        file: files.place(&last.name),
        offset: offset.into(),
        bytes: size.saturating_sub(offset.into()),
        why: fault.to_string(),
    }))
}

/// Puts a copy of a segment's whole frames in its place.
fn copy_whole<F: Files>(files: &F, segment: &Raw<F::File>) -> io::Result<()> {
    const CHUNK_BYTES: u32 = 1 << 20;
    let unfinished = format!("{}.tmp", segment.name);
    let copy = files.create(&unfinished)?;
    let (mut chunk, mut at) = (Vec::new(), 0);
    while at < segment.end {
        chunk.resize(CHUNK_BYTES.min(segment.end - at) as usize, 0);
        segment.file.read_exact_at(&mut chunk, at.into())?;
        copy.write_all_at(&chunk, at.into())?;
        at += CHUNK_BYTES.min(segment.end - at);
    }
    copy.sync_data()?;
    files.rename(&unfinished, &segment.name)?;
    files.sync_dir()
}

/// Makes the indexes that are missing, each of one sealed segment, by reading it.
pub(crate) fn index_anew<F: Files>(
    files: &F,
    store: StoreId,
    found: &mut Found<F::File>,
) -> Result<(), StoreError> {
    let mut indexes = found.segments.indexes.to_vec();
    for span in std::mem::take(&mut found.unindexed) {
        let sealed = Sealed::open(files, store, span)?;
        let unfinished = write_index(files, store, span, 1, &tails_of(&sealed)?)?;
        let name = names::index(span);
        let named = files.rename(&unfinished, &name).and_then(|()| files.sync_dir());
        named.map_err(|error| StoreError::of_disk("make", files.place(&name), error))?;
        let loaded = indexes.iter().map(|index| index.loaded_bytes()).sum();
        indexes.push(open_index(files, store, span, loaded)?);
    }
    indexes.sort_unstable_by_key(|index| index.span.base);
    found.segments.indexes = indexes.into();
    Ok(())
}

/// The last event of each stream in a sealed segment.
fn tails_of<F: File>(sealed: &Sealed<F>) -> Result<Tails, StoreError> {
    let streams = sealed.streams()?;
    let mut tails = Tails::default();
    for index in 0..sealed.blocks() {
        let impossible = || sealed.source.corrupt(sealed.block_at(index), "a row is impossible");
        for row in sealed.block(index)?.rows() {
            let row = row.ok_or_else(impossible)?;
            let stream = *streams.get(row.stream as usize).ok_or_else(impossible)?;
            tails.insert(stream, Tail { revision: Revision(row.revision), position: row.position });
        }
    }
    Ok(tails)
}
