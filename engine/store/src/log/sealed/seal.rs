//! Making a sealed segment of one that is full: compressed, indexed, read back and compared, and
//! only then put in its place.
//!
//! A crash leaves the one or the other: until the sealed file has its name, durably, the segment
//! of frames stands.

use super::block::BlockWriter;
use super::{BLOCK_ENTRY_BYTES, FOOTER_BYTES, Footer, Sealed};
use crate::StoreError;
use crate::file::{File, Files};
use crate::log::frame::{Frame, Record};
use crate::log::header::{Content, HEADER_BYTES, Header, Salt, StoreId, read_header};
use crate::log::index::{self, encode_entry, merge};
use crate::log::names::{self, Span};
use crate::log::pages::{Sink, TableWriter};
use crate::log::segments::Raw;
use crate::log::shared::Shared;
use crate::log::stopped::create_anew;
use crate::log::streams::{STREAM_BYTES, Tail, Tails, encode_stream};
use crate::log::walk::{FrameWalk, Step};
use hashbrown::HashMap;
use schemas::{Revision, StreamId};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A segment that is full, and how to seal it. Takes a while, and may be done on another thread
/// while the log goes on; one at a time.
pub struct Sealing<F: Files> {
    shared: Arc<Shared<F>>,
    raw: Full<F::File>,
}

/// A segment of frames that nobody writes any more.
pub(crate) struct Full<F> {
    pub(crate) name: Arc<str>,
    pub(crate) file: Arc<F>,
    pub(crate) salt: Salt,
    pub(crate) end: u32,
    pub(crate) span: Span,
}

/// What sealing came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SealReport {
    /// Events in the segment.
    pub events: u64,
    /// Bytes it had.
    pub bytes_before: u64,
    /// Bytes it has, its part of the index included.
    pub bytes_after: u64,
}

impl<F: Files> Sealing<F> {
    /// The oldest segment that is full and not sealed; `None` also while one is being sealed.
    pub(crate) fn next(shared: &Arc<Shared<F>>) -> Option<Self> {
        if shared.sealing.swap(true, Ordering::AcqRel) {
            return None;
        }
        let raw = match &shared.segments().raw[..] {
            [oldest, _, ..] => Some(Full::of(oldest)),
            _ => None,
        };
        if raw.is_none() {
            shared.sealing.store(false, Ordering::Release);
        }
        raw.map(|raw| Self { shared: Arc::clone(shared), raw })
    }

    /// Seals it, and merges indexes if that is due.
    ///
    /// # Errors
    /// The disk's, or [`StoreError::Corrupt`] when the segment does not read back. The segment of
    /// frames then stands as it was.
    pub fn run(self) -> Result<SealReport, StoreError> {
        let shared = &*self.shared;
        let (files, store) = (&shared.files, shared.store);
        let sealed_name = names::sealed(self.raw.span);
        let unfinished = format!("{sealed_name}.tmp");
        let (tails, written) = write(files, store, &self.raw, &unfinished)?;
        let sealed = Sealed::open_named(files, store, &unfinished)?;
        compare(&sealed, self.raw.span, written)?;
        let index = write_index(files, store, self.raw.span, 1, &tails)?;
        let named = || {
            files.rename(&index, &names::index(self.raw.span))?;
            files.rename(&unfinished, &sealed_name)?;
            files.sync_dir()
        };
        named().map_err(|error| StoreError::of_disk("make", files.place(&sealed_name), error))?;
        let index = shared.open_index(self.raw.span)?;
        let bytes_after = sealed.size + index.size();
        shared.install(self.raw.span, index);
        // Removed or not, it says nothing that the sealed one does not: the next start clears it.
        drop(files.remove(&self.raw.name));
        self.merge()?;
        let events = self.raw.span.last - self.raw.span.base + 1;
        Ok(SealReport { events, bytes_before: self.raw.end.into(), bytes_after })
    }

    fn merge(&self) -> Result<(), StoreError> {
        let shared = &*self.shared;
        loop {
            let indexes = shared.indexes();
            let Some(due) = merge::due(&indexes) else { return Ok(()) };
            let (span, unfinished) = merge::merge(&shared.files, shared.store, due)?;
            let name = names::index(span);
            let named =
                shared.files.rename(&unfinished, &name).and_then(|()| shared.files.sync_dir());
            named.map_err(|error| StoreError::of_disk("make", shared.files.place(&name), error))?;
            shared.replace_indexes(due, shared.open_index(span)?);
            for index in due {
                drop(shared.files.remove(&names::index(index.span)));
            }
        }
    }
}

impl<F: Files> Drop for Sealing<F> {
    fn drop(&mut self) {
        self.shared.sealing.store(false, Ordering::Release);
    }
}

impl<F: File> Full<F> {
    pub(crate) fn of(raw: &Raw<F>) -> Self {
        Self {
            name: Arc::clone(&raw.name),
            file: Arc::clone(&raw.file),
            salt: raw.salt,
            end: raw.end,
            span: Span { base: raw.base, last: raw.next() - 1 },
        }
    }

    /// Shows its frames in order.
    fn each<O: Files<File = F>>(
        &self,
        files: &O,
        mut show: impl FnMut(&Frame<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let place = || files.place(&self.name);
        let mut walk = FrameWalk::new(&*self.file, self.salt, HEADER_BYTES as u32, self.end);
        loop {
            match walk.step().map_err(|error| StoreError::of_disk("read", place(), error))? {
                Step::End => return Ok(()),
                Step::Frame(_, frame) => show(&frame)?,
                Step::Bad(offset, fault) => {
                    let (offset, why) = (offset.into(), fault.to_string());
                    return Err(StoreError::Corrupt { file: place(), offset, why });
                }
            }
        }
    }

    fn each_record<O: Files<File = F>>(
        &self,
        files: &O,
        mut show: impl FnMut(&Record<'_>, u64) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.each(files, |frame| {
            let mut previous = frame.head.previous;
            for record in frame.records() {
                let record = record.map_err(|fault| StoreError::Corrupt {
                    file: files.place(&self.name),
                    offset: 0,
                    why: fault.to_string(),
                })?;
                show(&record, previous)?;
                previous = record.position;
            }
            Ok(())
        })
    }
}

/// Writes the sealed form under an unfinished name, synced; the streams' last events, and what
/// must read back.
fn write<F: Files>(
    files: &F,
    store: StoreId,
    raw: &Full<F::File>,
    unfinished: &str,
) -> Result<(Tails, Digest), StoreError> {
    let failed = |error| StoreError::of_disk("write", files.place(unfinished), error);
    let (before, _) = read_header(&*raw.file, &files.place(&raw.name))?;
    let header = Header { content: Content::Blocks, store, ..before };
    let (page, salt) = header.encode();
    let file = create_anew(files, unfinished).map_err(failed)?;
    let mut sink = Sink::new(&file, salt);
    sink.write(&page).map_err(failed)?;
    let mut numbers: HashMap<StreamId, u32, foldhash::fast::RandomState> = HashMap::default();
    let (mut streams, mut tails, mut blocks) = (Vec::new(), Tails::default(), Vec::new());
    let (mut block, mut digest) = (BlockWriter::default(), Digest::default());
    raw.each_record(files, |record, previous| {
        let known = u32::try_from(streams.len()).expect("fewer streams than events");
        let number = *numbers.entry(record.stream).or_insert(known);
        block.push(record, number, known, previous);
        digest.add(record, previous);
        if number == known {
            streams.push(record.stream);
        }
        let tail = Tail { revision: Revision(record.revision), position: record.position };
        tails.insert(record.stream, tail);
        if block.is_full() {
            end_block(&mut block, &mut sink, &mut blocks).map_err(failed)
        } else {
            Ok(())
        }
    })?;
    if !block.is_empty() {
        end_block(&mut block, &mut sink, &mut blocks).map_err(failed)?;
    }
    let finish = |sink: &mut Sink<'_, F::File>| {
        let mut table = TableWriter::new(sink, STREAM_BYTES);
        for stream in &streams {
            table.push(sink, &encode_stream(*stream))?;
        }
        let streams = table.finish(sink)?;
        let mut table = TableWriter::new(sink, BLOCK_ENTRY_BYTES);
        for (first, at) in &blocks {
            let mut entry = [0; BLOCK_ENTRY_BYTES];
            entry[..4].copy_from_slice(&short(first - raw.span.base));
            entry[4..].copy_from_slice(&short(*at));
            table.push(sink, &entry)?;
        }
        let blocks = table.finish(sink)?;
        let footer: [u8; FOOTER_BYTES] =
            Footer { span: raw.span, streams, blocks }.encode(salt, sink.at());
        sink.write(&footer)?;
        sink.flush()?;
        file.sync_data()
    };
    finish(&mut sink).map_err(failed)?;
    Ok((tails, digest))
}

fn end_block<F: File>(
    block: &mut BlockWriter,
    sink: &mut Sink<'_, F>,
    blocks: &mut Vec<(u64, u64)>,
) -> std::io::Result<()> {
    let at = sink.at();
    blocks.push((block.first(), at));
    sink.write(&block.finish(sink.salt(), at))
}

fn short(number: u64) -> [u8; 4] {
    u32::try_from(number).expect("a segment is smaller than 4 GiB").to_le_bytes()
}

/// Reads the sealed form back: the same events must come out that went in. The frames are about to
/// be removed, and this is the last moment to notice.
fn compare<F: File>(sealed: &Sealed<F>, span: Span, written: Digest) -> Result<(), StoreError> {
    let streams = sealed.streams()?;
    let mut read = Digest::default();
    for index in 0..sealed.blocks() {
        let impossible = || sealed.source.corrupt(sealed.block_at(index), "a row is impossible");
        let block = sealed.block(index)?;
        for row in block.rows() {
            let row = row.ok_or_else(impossible)?;
            let stream = *streams.get(row.stream as usize).ok_or_else(impossible)?;
            read.add(&row.record(stream), row.previous);
        }
    }
    if read == written && sealed.span == span {
        return Ok(());
    }
    Err(sealed.source.corrupt(0, "what was just written reads back differently"))
}

/// Stands for a sequence of events.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Digest {
    crc: u32,
    events: u64,
}

impl Digest {
    fn add(&mut self, record: &Record<'_>, previous: u64) {
        let mut fixed = [0; 48];
        fixed[..17].copy_from_slice(&encode_stream(record.stream));
        fixed[17] = record.version;
        fixed[18..20].copy_from_slice(&record.kind.to_le_bytes());
        fixed[20..24].copy_from_slice(&record.revision.to_le_bytes());
        fixed[24..32].copy_from_slice(&record.position.to_le_bytes());
        fixed[32..40].copy_from_slice(&previous.to_le_bytes());
        fixed[40..].copy_from_slice(&record.at.0.to_le_bytes());
        self.crc = crc32c::crc32c_append(crc32c::crc32c_append(self.crc, &fixed), record.body);
        self.events += 1;
    }
}

/// Writes the index of a sealed segment under its unfinished name.
pub(crate) fn write_index<F: Files>(
    files: &F,
    store: StoreId,
    span: Span,
    segments: u64,
    tails: &Tails,
) -> Result<String, StoreError> {
    let mut entries: Vec<_> =
        tails.iter().map(|(stream, tail)| encode_entry(*stream, *tail)).collect();
    entries.sort_unstable();
    let mut entries = entries.into_iter();
    index::write(files, store, span, segments, &mut || Ok(entries.next()))
}
