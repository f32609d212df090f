//! Indexes of equal size made into one, so that there are few.

use super::{ENTRY_BYTES, Index, write};
use crate::StoreError;
use crate::bytes::bytes;
use crate::file::{File, Files};
use crate::log::header::StoreId;
use crate::log::names::Span;
use crate::log::streams::STREAM_BYTES;
use std::sync::Arc;

/// How many indexes of one size are made into one.
pub(crate) const FAN_IN: usize = 8;

/// Which of the latest indexes are due to be merged: [`FAN_IN`] of one size, oldest first.
pub(crate) fn due<F>(indexes: &[Arc<Index<F>>]) -> Option<&[Arc<Index<F>>]> {
    let latest = &indexes[indexes.len().checked_sub(FAN_IN)?..];
    let size = size_class(latest[0].segments);
    latest.iter().all(|index| size_class(index.segments) == size).then_some(latest)
}

fn size_class(segments: u64) -> u32 {
    segments.max(1).ilog(FAN_IN as u64)
}

/// Writes one index of adjacent ones, the oldest first, under its unfinished name.
pub(crate) fn merge<F: Files>(
    files: &F,
    store: StoreId,
    indexes: &[Arc<Index<F::File>>],
) -> Result<(Span, String), StoreError> {
    let (first, last) =
        (indexes.first().expect("there are some"), indexes.last().expect("there are some"));
    let span = Span { base: first.span.base, last: last.span.last };
    let segments = indexes.iter().map(|index| index.segments).sum();
    let mut heads: Vec<Head<F::File>> = indexes.iter().map(|index| Head::new(index)).collect();
    let mut next = || -> Result<Option<[u8; ENTRY_BYTES]>, StoreError> {
        let mut least: Option<[u8; ENTRY_BYTES]> = None;
        for head in &mut heads {
            let Some(entry) = head.entry()? else { continue };
            // Of one stream the latest index knows the last event, and it comes last here.
            if least.is_none_or(|least| entry[..STREAM_BYTES] <= least[..STREAM_BYTES]) {
                least = Some(entry);
            }
        }
        let Some(least) = least else { return Ok(None) };
        for head in &mut heads {
            if head.entry()?.is_some_and(|entry| entry[..STREAM_BYTES] == least[..STREAM_BYTES]) {
                head.at += 1;
            }
        }
        Ok(Some(least))
    };
    let unfinished = write(files, store, span, segments, &mut next)?;
    Ok((span, unfinished))
}

/// How far an index has been read.
struct Head<'a, F> {
    index: &'a Index<F>,
    at: u64,
    page: Vec<u8>,
    page_number: Option<u64>,
}

impl<'a, F: File> Head<'a, F> {
    fn new(index: &'a Index<F>) -> Self {
        Self { index, at: 0, page: Vec::new(), page_number: None }
    }

    fn entry(&mut self) -> Result<Option<[u8; ENTRY_BYTES]>, StoreError> {
        let entries = self.index.entries;
        if self.at == entries.count {
            return Ok(None);
        }
        let (page, within) = (self.at / entries.per_page(), self.at % entries.per_page());
        if self.page_number != Some(page) {
            self.page = self.index.page(page)?;
            self.page_number = Some(page);
        }
        let within = usize::try_from(within).expect("it is below the entries of a page");
        Ok(Some(bytes(&self.page, within * ENTRY_BYTES)))
    }
}
