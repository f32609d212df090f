//! Reading a sealed segment whose header, table or footer may be damaged: from block to block,
//! by what each says of itself.

use super::Footer;
use super::block::{BLOCK_HEADER_BYTES, BLOCK_PLAIN_BYTES_MAX, Block};
use crate::StoreError;
use crate::bytes::bytes;
use crate::file::File;
use crate::log::header::HEADER_BYTES;
use crate::log::names::Span;
use crate::log::pages::{PAGE_BYTES, Source, Table};
use crate::log::streams::{STREAM_BYTES, decode_stream};
use schemas::StreamId;

/// What is left of a sealed segment.
pub(crate) struct Salvaged<F> {
    source: Source<F>,
    span: Span,
    blocks_end: u64,
    /// By their number, as far as they can be read.
    streams: Vec<Option<StreamId>>,
}

impl<F: File> Salvaged<F> {
    /// Finds out what is left.
    pub(crate) fn of(source: Source<F>, span: Span) -> Result<Self, StoreError> {
        let size = source
            .file
            .size()
            .map_err(|error| StoreError::of_disk("read", &*source.place, error))?;
        let footer = Footer::decode(&source, size).ok();
        let mut salvaged = Self { source, span, blocks_end: size, streams: Vec::new() };
        let table = match footer {
            Some(footer) => footer.streams,
            None => salvaged.find_streams(size)?,
        };
        salvaged.blocks_end = table.at;
        let mut buffer = [0; PAGE_BYTES];
        for page in 0..table.pages() {
            match table.page(&salvaged.source, page, &mut buffer) {
                Ok(entries) => salvaged.streams.extend(entries.map(decode_stream)),
                Err(_) => {
                    let per_page =
                        usize::try_from(table.per_page()).expect("a page's entries are few");
                    salvaged.streams.resize(salvaged.streams.len() + per_page, None);
                }
            }
        }
        Ok(salvaged)
    }

    /// The stream that has a number.
    pub(crate) fn stream(&self, number: u32) -> Option<StreamId> {
        self.streams.get(number as usize).copied().flatten()
    }

    /// Shows every block that is whole, in order.
    pub(crate) fn each_block(
        &self,
        mut show: impl FnMut(&Block) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut at = HEADER_BYTES as u64;
        while at < self.blocks_end {
            match self.block_at(at)? {
                Some((block, length)) => {
                    show(&block)?;
                    at += length;
                }
                None => at += 1,
            }
        }
        Ok(())
    }

    /// The block that begins here, and its length; `None` when none does.
    fn block_at(&self, at: u64) -> Result<Option<(Block, u64)>, StoreError> {
        let mut head = [0; BLOCK_HEADER_BYTES];
        if at + head.len() as u64 > self.blocks_end {
            return Ok(None);
        }
        self.source.read(&mut head, at)?;
        let length = u64::from(u32::from_le_bytes(bytes(&head, 4)));
        let first = u64::from_le_bytes(bytes(&head, 16));
        // What can be told without reading on, since this is asked of every byte of a damaged part.
        let plausible = (BLOCK_HEADER_BYTES as u64
            ..=(BLOCK_HEADER_BYTES + BLOCK_PLAIN_BYTES_MAX) as u64)
            .contains(&length)
            && at + length <= self.blocks_end
            && (self.span.base..=self.span.last).contains(&first)
            && head[29..] == [0; 3];
        if !plausible {
            return Ok(None);
        }
        let mut stored = vec![0; usize::try_from(length).expect("it is bounded")];
        self.source.read(&mut stored, at)?;
        Ok(Block::decode(&stored, self.source.salt, at).ok().map(|block| (block, length)))
    }

    /// Where the streams stand when no footer says so: behind the last block, in pages.
    fn find_streams(&self, size: u64) -> Result<Table, StoreError> {
        let mut end = HEADER_BYTES as u64;
        let mut at = end;
        while at < size {
            match self.block_at(at)? {
                Some((_, length)) => {
                    at += length;
                    end = at;
                }
                // Blocks stand without gaps: here the streams begin, or damage.
                None if Self::page_at(&self.source, at) => break,
                None => at += 1,
            }
        }
        let at = if at < size { at } else { end };
        let pages = (at..size)
            .step_by(PAGE_BYTES)
            .take_while(|at| at + (PAGE_BYTES as u64) <= size)
            .count();
        // The table of blocks stands behind and is read along: no event names its entries.
        let one = Table { at, count: 1, entry_bytes: STREAM_BYTES };
        Ok(Table { count: pages as u64 * one.per_page(), ..one })
    }

    fn page_at(source: &Source<F>, at: u64) -> bool {
        let page = Table { at, count: 1, entry_bytes: STREAM_BYTES };
        page.page(source, 0, &mut [0; PAGE_BYTES]).is_ok()
    }
}
