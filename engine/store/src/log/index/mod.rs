//! Where the last event of every stream of a span of segments stands: sorted, on the disk, with a
//! filter before it. A cache of the sealed segments: one that is missing is made anew.
//!
//! Sealing a segment writes its index; eight of one size are merged into one ([`merge`]), so that
//! however long the history, a stream that nobody has seen costs a few looks at filters.

pub(crate) mod filter;
pub(crate) mod merge;

use super::header::{CODEC_BINCODE_2, Content, Header, StoreId};
use super::names::{self, Span};
use super::pages::{PAGE_BYTES, Sink, Source, Table, TableWriter, checksum, open_source};
use super::streams::{STREAM_BYTES, Tail, decode_stream, encode_stream};
use crate::StoreError;
use crate::bytes::bytes;
use crate::file::{File, Files};
use schemas::{Revision, StreamId, Timestamp};
use std::io;

const MAGIC: [u8; 8] = *b"CALLINDX";
const FOOTER_BYTES: usize = 64;
/// A stream, the position of its last event in the span (6 bytes), its revision.
pub(crate) const ENTRY_BYTES: usize = STREAM_BYTES + 6 + 4;

/// The index of a span that is open.
pub(crate) struct Index<F> {
    source: Source<F>,
    pub(crate) span: Span,
    /// Over how many segments it goes.
    pub(crate) segments: u64,
    pub(crate) entries: Table,
    filter: Table,
    /// The filter, when there was room for it in memory.
    loaded: Option<Vec<u8>>,
}

impl<F: File> Index<F> {
    /// Opens the index of a span, and checks its header and footer.
    pub(crate) fn open<O: Files<File = F>>(
        files: &O,
        store: StoreId,
        span: Span,
    ) -> Result<Self, StoreError> {
        let (source, _, size) = open_source(files, store, &names::index(span), Content::Index)?;
        let offset = size.saturating_sub(FOOTER_BYTES as u64);
        let mut footer = [0; FOOTER_BYTES];
        source.read(&mut footer, offset)?;
        let crc = u32::from_le_bytes(bytes(&footer, 60));
        if footer[..8] != MAGIC || checksum(source.salt, offset, &footer[..60]) != crc {
            return Err(source.corrupt(offset, "the file does not end as an index does"));
        }
        let number = |at| u64::from_le_bytes(bytes(&footer, at));
        let entries = Table { at: PAGE_BYTES as u64, count: number(32), entry_bytes: ENTRY_BYTES };
        let filter =
            Table { at: entries.end(), count: number(40), entry_bytes: filter::BLOCK_BYTES };
        let found = Span { base: number(8), last: number(16) };
        if found != span || filter.end() != offset || filter.count == 0 {
            return Err(source.corrupt(offset, "the footer does not fit the file"));
        }
        Ok(Self { source, span, segments: number(24), entries, filter, loaded: None })
    }

    /// How many bytes the file has.
    pub(crate) fn size(&self) -> u64 {
        self.filter.end() + FOOTER_BYTES as u64
    }

    /// Takes the filter into memory, if it has at most so many bytes.
    pub(crate) fn load_filter(&mut self, bytes_max: u64) -> Result<(), StoreError> {
        let size = self.filter.count * filter::BLOCK_BYTES as u64;
        if size > bytes_max {
            return Ok(());
        }
        let mut loaded = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        self.filter.each(&self.source, |block| {
            loaded.extend_from_slice(block);
            Ok(())
        })?;
        self.loaded = Some(loaded);
        Ok(())
    }

    /// How many bytes of memory the filter takes.
    pub(crate) fn loaded_bytes(&self) -> u64 {
        self.loaded.as_ref().map_or(0, |loaded| loaded.len() as u64)
    }

    /// The last event of a stream in the span.
    pub(crate) fn tail(&self, stream: StreamId) -> Result<Option<Tail>, StoreError> {
        let wanted = encode_stream(stream);
        if self.entries.count == 0 || !self.may_contain(&wanted)? {
            return Ok(None);
        }
        self.search(&wanted)
    }

    fn may_contain(&self, wanted: &[u8; STREAM_BYTES]) -> Result<bool, StoreError> {
        let block = filter::block_of(wanted, self.filter.count);
        match &self.loaded {
            Some(loaded) => {
                let at =
                    usize::try_from(block).expect("it fitted the memory") * filter::BLOCK_BYTES;
                Ok(filter::may_contain(&loaded[at..at + filter::BLOCK_BYTES], wanted))
            }
            None => {
                let block: [u8; filter::BLOCK_BYTES] = self.filter.entry(&self.source, block)?;
                Ok(filter::may_contain(&block, wanted))
            }
        }
    }

    /// Ids are spread evenly, so a stream stands where it should, give or take; and where it
    /// should is asked again between the bounds that are left. Halving is for ids that are not.
    fn search(&self, wanted: &[u8; STREAM_BYTES]) -> Result<Option<Tail>, StoreError> {
        const GUESSES_MAX: u32 = 5;
        let prefix = |entry: &[u8]| u64::from_be_bytes(bytes(entry, 0));
        let (mut low, mut high) = (0, self.entries.pages());
        let (mut above, mut below) = (0, u64::MAX);
        let mut buffer = [0; PAGE_BYTES];
        for step in 0.. {
            if low == high {
                break;
            }
            let share = u128::from(prefix(wanted) - above) * u128::from(high - low)
                / u128::from(below - above).max(1);
            let guess = u64::try_from(share).unwrap_or(u64::MAX).min(high - low - 1);
            let page = low + if step < GUESSES_MAX { guess } else { (high - low) / 2 };
            let mut entries = self.entries.page(&self.source, page, &mut buffer)?;
            let first = entries.clone().next().expect("a page of a table holds an entry");
            let last = entries.clone().next_back().expect("a page of a table holds an entry");
            if wanted[..] < first[..STREAM_BYTES] {
                (high, below) = (page, prefix(first));
            } else if wanted[..] > last[..STREAM_BYTES] {
                (low, above) = (page + 1, prefix(last));
            } else {
                return Ok(entries
                    .find(|entry| entry[..STREAM_BYTES] == wanted[..])
                    .map(decode_tail));
            }
        }
        Ok(None)
    }

    /// The entries of a page, one after another.
    pub(crate) fn page(&self, page: u64) -> Result<Vec<u8>, StoreError> {
        let mut buffer = [0; PAGE_BYTES];
        Ok(self.entries.page(&self.source, page, &mut buffer)?.flatten().copied().collect())
    }
}

/// A stream and its last event as they stand in an index.
pub(crate) fn encode_entry(stream: StreamId, tail: Tail) -> [u8; ENTRY_BYTES] {
    let mut entry = [0; ENTRY_BYTES];
    entry[..STREAM_BYTES].copy_from_slice(&encode_stream(stream));
    entry[STREAM_BYTES..STREAM_BYTES + 6].copy_from_slice(&tail.position.to_le_bytes()[..6]);
    entry[STREAM_BYTES + 6..].copy_from_slice(&tail.revision.0.to_le_bytes());
    entry
}

/// Reads what [`encode_entry`] wrote. `None` when the stream's kind is of a later version.
pub(crate) fn decode_entry(entry: &[u8]) -> Option<(StreamId, Tail)> {
    Some((decode_stream(entry)?, decode_tail(entry)))
}

fn decode_tail(entry: &[u8]) -> Tail {
    let mut position = [0; 8];
    position[..6].copy_from_slice(&entry[STREAM_BYTES..STREAM_BYTES + 6]);
    let revision = Revision(u32::from_le_bytes(bytes(entry, STREAM_BYTES + 6)));
    Tail { revision, position: u64::from_le_bytes(position) }
}

/// Writes the index of a span under its unfinished name, synced. `entries` hands out the entries
/// in order, at most `count` of them.
pub(crate) fn write<F: Files>(
    files: &F,
    store: StoreId,
    span: Span,
    segments: u64,
    entries: &mut dyn FnMut() -> Result<Option<[u8; ENTRY_BYTES]>, StoreError>,
) -> Result<String, StoreError> {
    let unfinished = format!("{}.tmp", names::index(span));
    let failed = |error| StoreError::of_disk("write", files.place(&unfinished), error);
    let header = Header {
        content: Content::Index,
        codec: CODEC_BINCODE_2,
        store,
        base: span.base,
        created_at: Timestamp(0),
    };
    let (page, salt) = header.encode();
    let file = super::stopped::create_anew(files, &unfinished).map_err(failed)?;
    let mut sink = Sink::new(&file, salt);
    sink.write(&page).map_err(failed)?;
    let mut table = TableWriter::new(&sink, ENTRY_BYTES);
    while let Some(entry) = entries()? {
        table.push(&mut sink, &entry).map_err(failed)?;
    }
    let entries = table.finish(&mut sink).map_err(failed)?;
    sink.flush().map_err(failed)?;
    // A second pass over what was just written keeps the filter out of the memory.
    let source = Source {
        file: std::sync::Arc::new(files.open_to_read(&unfinished).map_err(failed)?),
        place: files.place(&unfinished).into(),
        salt,
    };
    let filter = write_filter(&source, &entries, &mut sink)?;
    let mut footer = [0; FOOTER_BYTES];
    footer[..8].copy_from_slice(&MAGIC);
    for (place, number) in footer[8..48].chunks_exact_mut(8).zip([
        span.base,
        span.last,
        segments,
        entries.count,
        filter.count,
    ]) {
        place.copy_from_slice(&number.to_le_bytes());
    }
    let crc = checksum(salt, sink.at(), &footer[..60]);
    footer[60..].copy_from_slice(&crc.to_le_bytes());
    let finish = |sink: &mut Sink<'_, F::File>| -> io::Result<()> {
        sink.write(&footer)?;
        sink.flush()?;
        file.sync_data()
    };
    finish(&mut sink).map_err(failed)?;
    Ok(unfinished)
}

fn write_filter<F: File>(
    source: &Source<F>,
    entries: &Table,
    sink: &mut Sink<'_, F>,
) -> Result<Table, StoreError> {
    let failed = |error| StoreError::of_disk("write", &*source.place, error);
    let blocks = filter::blocks_for(entries.count);
    let mut table = TableWriter::new(sink, filter::BLOCK_BYTES);
    let (mut block, mut at) = ([0; filter::BLOCK_BYTES], 0);
    entries.each(source, |entry| {
        let stream: [u8; STREAM_BYTES] = bytes(entry, 0);
        while at < filter::block_of(&stream, blocks) {
            table.push(sink, &block).map_err(failed)?;
            (block, at) = ([0; filter::BLOCK_BYTES], at + 1);
        }
        filter::insert(&mut block, &stream);
        Ok(())
    })?;
    while at < blocks {
        table.push(sink, &block).map_err(failed)?;
        (block, at) = ([0; filter::BLOCK_BYTES], at + 1);
    }
    table.finish(sink).map_err(failed)
}

#[cfg(test)]
mod tests;
