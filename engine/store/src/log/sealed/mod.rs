//! A sealed segment: its events in compressed blocks, never changed again.
//!
//! Header page, blocks, the streams by their number, the table of blocks, footer.

pub(crate) mod block;
mod salvage;
pub(crate) mod seal;

pub(crate) use salvage::Salvaged;

use super::header::{Content, POSITION_MAX, StoreId};
use super::names::{self, Span};
use super::pages::{Source, Table, checksum, open_source};
use super::streams::{STREAM_BYTES, decode_stream};
use crate::StoreError;
use crate::bytes::bytes;
use crate::file::{File, Files};
use block::Block;
use schemas::StreamId;

pub(crate) const FOOTER_BYTES: usize = 64;
const MAGIC: [u8; 8] = *b"CALLSEAL";
/// A block in the segment's table: how far its first event is behind the segment's, and where it
/// begins.
const BLOCK_ENTRY_BYTES: usize = 8;

/// What stands at the end of a sealed segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Footer {
    pub(crate) span: Span,
    pub(crate) streams: Table,
    pub(crate) blocks: Table,
}

/// A sealed segment that is open.
pub(crate) struct Sealed<F> {
    pub(crate) source: Source<F>,
    pub(crate) span: Span,
    pub(crate) size: u64,
    streams: Table,
    /// Per block, the position of its first event and where it begins.
    blocks: Vec<(u64, u64)>,
    blocks_end: u64,
}

impl Footer {
    fn encode(&self, salt: super::header::Salt, offset: u64) -> [u8; FOOTER_BYTES] {
        let mut footer = [0; FOOTER_BYTES];
        footer[..8].copy_from_slice(&MAGIC);
        let numbers = [
            self.span.base,
            self.span.last,
            self.streams.at,
            self.streams.count,
            self.blocks.at,
            self.blocks.count,
        ];
        for (place, number) in footer[8..56].chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        let crc = checksum(salt, offset, &footer[..60]);
        footer[60..].copy_from_slice(&crc.to_le_bytes());
        footer
    }

    fn decode<F: File>(source: &Source<F>, size: u64) -> Result<Self, StoreError> {
        let offset = size.saturating_sub(FOOTER_BYTES as u64);
        let mut footer = [0; FOOTER_BYTES];
        source.read(&mut footer, offset)?;
        let crc = u32::from_le_bytes(bytes(&footer, 60));
        if footer[..8] != MAGIC || checksum(source.salt, offset, &footer[..60]) != crc {
            return Err(source.corrupt(offset, "the file does not end as a sealed segment does"));
        }
        let number = |at| u64::from_le_bytes(bytes(&footer, at));
        let footer = Self {
            span: Span { base: number(8), last: number(16) },
            streams: Table { at: number(24), count: number(32), entry_bytes: STREAM_BYTES },
            blocks: Table { at: number(40), count: number(48), entry_bytes: BLOCK_ENTRY_BYTES },
        };
        let sound = footer.span.base <= footer.span.last
            && footer.span.last <= POSITION_MAX
            && footer.streams.end() == footer.blocks.at
            && footer.blocks.end() == offset
            && footer.blocks.count > 0;
        if sound { Ok(footer) } else { Err(source.corrupt(offset, "the footer is impossible")) }
    }
}

impl<F: File> Sealed<F> {
    /// Opens the sealed segment of a span, and checks its header, footer and table of blocks.
    pub(crate) fn open<O: Files<File = F>>(
        files: &O,
        store: StoreId,
        span: Span,
    ) -> Result<Self, StoreError> {
        let sealed = Self::open_named(files, store, &names::sealed(span))?;
        if sealed.span != span {
            return Err(sealed.source.corrupt(0, "it holds other events than its name says"));
        }
        Ok(sealed)
    }

    /// Opens the file of a sealed segment, whatever its name says.
    pub(crate) fn open_named<O: Files<File = F>>(
        files: &O,
        store: StoreId,
        name: &str,
    ) -> Result<Self, StoreError> {
        let (source, header, size) = open_source(files, store, name, Content::Blocks)?;
        let footer = Footer::decode(&source, size)?;
        if footer.span.base != header.base {
            return Err(source.corrupt(size, "header and footer speak of different events"));
        }
        let mut blocks = Vec::new();
        footer.blocks.each(&source, |entry| {
            let first = footer.span.base + u64::from(u32::from_le_bytes(bytes(entry, 0)));
            let at = u64::from(u32::from_le_bytes(bytes(entry, 4)));
            let rises = blocks.last().is_none_or(|(before, end)| *before < first && *end < at);
            if !rises || at >= footer.streams.at || first > footer.span.last {
                return Err(source.corrupt(footer.blocks.at, "the table of blocks is impossible"));
            }
            blocks.push((first, at));
            Ok(())
        })?;
        let Footer { span, streams, .. } = footer;
        Ok(Self { source, span, size, streams, blocks, blocks_end: streams.at })
    }

    /// How many blocks it has.
    pub(crate) fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// Which block holds an event.
    pub(crate) fn block_of(&self, position: u64) -> usize {
        self.blocks.partition_point(|(first, _)| *first <= position).saturating_sub(1)
    }

    /// Reads a block, checks and unpacks it.
    pub(crate) fn block(&self, index: usize) -> Result<Block, StoreError> {
        let (first, at) = self.blocks[index];
        let (next, end) =
            self.blocks.get(index + 1).copied().unwrap_or((self.span.last + 1, self.blocks_end));
        let size = usize::try_from(end - at).expect("a block is shorter than its file");
        if size > block::BLOCK_HEADER_BYTES + block::BLOCK_PLAIN_BYTES_MAX {
            return Err(self.source.corrupt(at, "a block's length is impossible"));
        }
        let mut stored = vec![0; size];
        self.source.read(&mut stored, at)?;
        let block = Block::decode(&stored, self.source.salt, at)
            .map_err(|why| self.source.corrupt(at, why))?;
        if block.first != first || block.last() + 1 != next {
            return Err(self.source.corrupt(at, "a block holds other events than the table says"));
        }
        Ok(block)
    }

    /// The positions of a block's first and last event.
    pub(crate) fn span_of_block(&self, index: usize) -> Span {
        let next = self.blocks.get(index + 1).map_or(self.span.last + 1, |(first, _)| *first);
        Span { base: self.blocks[index].0, last: next - 1 }
    }

    /// Where a block begins, to name it.
    pub(crate) fn block_at(&self, index: usize) -> u64 {
        self.blocks[index].1
    }

    /// Which stream has this number.
    pub(crate) fn stream(&self, number: u32) -> Result<StreamId, StoreError> {
        let entry: [u8; STREAM_BYTES] = self.streams.entry(&self.source, number.into())?;
        decode_stream(&entry).ok_or_else(|| self.unknown_kind(entry[16]))
    }

    /// All streams, by their number.
    pub(crate) fn streams(&self) -> Result<Vec<StreamId>, StoreError> {
        let mut streams = Vec::new();
        self.streams.each(&self.source, |entry| {
            streams.push(decode_stream(entry).ok_or_else(|| self.unknown_kind(entry[16]))?);
            Ok(())
        })?;
        Ok(streams)
    }

    fn unknown_kind(&self, kind: u8) -> StoreError {
        let why = format!("a stream is of kind {kind}, which a newer version of Callfold knows");
        self.source.corrupt(self.streams.at, why)
    }
}
