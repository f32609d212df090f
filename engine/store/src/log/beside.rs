//! Reading a log that another process writes.
//!
//! There is nothing between the two but the files. Frames that are whole are shown, though the
//! last ones may not be durable yet: when their writer is killed they stay, and when the power
//! goes, this process goes too.

use super::header::{HEADER_BYTES, StoreId, read_header};
use super::index::Index;
use super::listing::Listing;
use super::names::{self, Span};
use super::read::LogReader;
use super::recover::{self, Purpose};
use super::segments::Raw;
use super::shared::Shared;
use super::walk::{FrameWalk, Step};
use crate::StoreError;
use crate::file::{File, Files};
use schemas::Position;
use std::io;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// How often a folder is listed again when a file is gone between listing and opening it.
const SCANS_MAX: u32 = 20;
/// How often a waiting reader looks whether the files have grown.
const POLL: Duration = Duration::from_millis(20);

impl<F: Files> LogReader<F> {
    /// Opens the log of a writer that may be running in another process. Changes nothing, and
    /// needs no lock.
    ///
    /// # Errors
    /// As [`super::Log::open`]; a torn tail is none.
    pub fn open_beside(files: F, store: StoreId) -> Result<Self, StoreError> {
        let mut tries = 0;
        let found = loop {
            tries += 1;
            match recover::scan(&files, store, Purpose::Read) {
                Ok(found) if found.unindexed.is_empty() => break found,
                Ok(found) if tries == SCANS_MAX => {
                    let span = found.unindexed[0];
                    let why = "it is missing; whoever opens the log to write makes it anew";
                    let file = files.place(&names::index(span));
                    return Err(StoreError::Foreign { file, why: why.to_owned() });
                }
                Err(error) if tries == SCANS_MAX || !error.is_missing() => return Err(error),
                // The writer has put a sealed segment, or a merged index, in place of what was
                // listed.
                _ => {}
            }
        };
        let head = found.segments.next() - 1;
        Ok(Self::new(Arc::new(Shared::beside(files, store, found.segments, head))))
    }
}

impl<F: Files> Shared<F> {
    /// Takes note of what the other process has written since.
    pub(crate) fn refresh(&self) -> Result<(), StoreError> {
        let Some(refreshing) = &self.beside else { return Ok(()) };
        let _one_at_a_time = refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            // Who looks seldom finds that what comes next has been sealed meanwhile.
            let gone = !self.refresh_last()?;
            if gone && self.adopt_sealed()? {
                continue;
            }
            if !self.find_next_segment()? {
                break;
            }
            self.adopt_sealed()?;
        }
        let head = self.segments().next() - 1;
        if head > self.durable() {
            self.set_durable(head);
        }
        Ok(())
    }

    /// As [`Shared::wait`], by looking again and again.
    pub(crate) fn poll(&self, after: Position, at_most: Duration) -> Result<u64, StoreError> {
        let deadline = Instant::now() + at_most;
        loop {
            self.refresh()?;
            let left = deadline.saturating_duration_since(Instant::now());
            if self.durable() > after.0 || left.is_zero() {
                return Ok(self.durable());
            }
            std::thread::sleep(POLL.min(left));
        }
    }

    /// Reads what has come to the last segment. Whether the segment still has its name.
    fn refresh_last(&self) -> Result<bool, StoreError> {
        let named = self.reopen_last()?;
        let (name, file, salt, end) = match self.segments().raw.last() {
            Some(last) => (Arc::clone(&last.name), Arc::clone(&last.file), last.salt, last.end),
            None => return Ok(false),
        };
        let failed = |error| self.failed("read", &name, error);
        let size = u32::try_from(file.size().map_err(failed)?).unwrap_or(u32::MAX);
        let mut walk = FrameWalk::new(&*file, salt, end, size);
        // What is not whole is still being written.
        while let Step::Frame(offset, frame) = walk.step().map_err(failed)? {
            let mut segments = self.segments_mut();
            let last = segments.raw.last_mut().expect("it was there, and nobody else removes it");
            if frame.head.position != last.next() {
                return Err(self.corrupt(&name, offset.into(), "an event is missing"));
            }
            last.push(offset, &frame);
        }
        Ok(named)
    }

    /// Opens the last segment by its name again: a writer that started after a crash has put a
    /// copy in its place, and goes on in that. Whether there is one of its name.
    fn reopen_last(&self) -> Result<bool, StoreError> {
        let Some(name) = self.segments().raw.last().map(|last| Arc::clone(&last.name)) else {
            return Ok(false);
        };
        match self.files.open_to_read(&name) {
            Ok(file) => {
                let mut segments = self.segments_mut();
                let last = segments.raw.last_mut();
                last.expect("it was there, and nobody else removes it").file = Arc::new(file);
                Ok(true)
            }
            // Its events stand in a sealed segment by now. What we have open stays readable.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(self.failed("open", &name, error)),
        }
    }

    /// Opens the segment after the last one, when there is one.
    fn find_next_segment(&self) -> Result<bool, StoreError> {
        let due = self.segments().next();
        let name = names::frames(due);
        let file = match self.files.open_to_read(&name) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(self.failed("open", &name, error)),
        };
        let (header, salt) = read_header(&file, &self.files.place(&name))?;
        if header.base != due || header.store != self.store {
            return Err(self.corrupt(
                &name,
                HEADER_BYTES as u64,
                "it is not the segment of its name",
            ));
        }
        let mut segments = self.segments_mut();
        if segments.raw.last().is_some_and(|last| last.base == due) {
            return Ok(false);
        }
        segments.raw.push(Raw::new(name.into(), Arc::new(file), &header, salt));
        Ok(true)
    }

    /// Forgets the frames of segments that the writer has sealed since, so that following a log
    /// for years takes no more memory than writing it.
    /// Whether there were any.
    fn adopt_sealed(&self) -> Result<bool, StoreError> {
        let listing = Listing::of(&self.files)?;
        let (known, open) = {
            let segments = self.segments();
            (segments.sealed.len(), Arc::clone(&segments.indexes))
        };
        let sealed = listing.sealed;
        let mut indexes: Vec<Arc<Index<F::File>>> = Vec::new();
        for span in listing.indexes {
            let at_hand = open.iter().find(|index| index.span == span);
            let index =
                at_hand.map_or_else(|| self.open_index(span), |index| Ok(Arc::clone(index)));
            match index {
                Ok(index) => indexes.push(index),
                // Merged away meanwhile. The next look will find what it was merged into.
                Err(error) if error.is_missing() => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        let next = indexes.last().map_or(1, |index| index.span.last + 1);
        let sealed: Vec<Span> = sealed.into_iter().filter(|span| span.last < next).collect();
        let mut segments = self.segments_mut();
        let first_left = segments.raw.iter().map(|raw| raw.base).find(|base| *base >= next);
        if sealed.len() <= known || first_left.is_some_and(|base| base != next) {
            return Ok(false);
        }
        segments.raw.retain(|raw| raw.base >= next);
        (segments.sealed, segments.indexes) = (sealed, indexes.into());
        Ok(true)
    }
}
