//! Reading a log that another process writes.
//!
//! There is nothing between the two but the files. Frames that are whole are shown, though the
//! last ones may not be durable yet: when their writer is killed they stay, and when the power
//! goes, this process goes too.

use super::header::{HEADER_BYTES, Salt, StoreId};
use super::read::LogReader;
use super::recover::{self, Purpose, read_header};
use super::segments::{Raw, Shared, frames_name};
use super::walk::{FrameWalk, Step};
use crate::StoreError;
use crate::file::{File, Files};
use schemas::Position;
use std::io;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// How often a waiting reader looks whether the files have grown.
const POLL: Duration = Duration::from_millis(20);

impl<F: Files> LogReader<F> {
    /// Opens the log of a writer that may be running in another process. Changes nothing, and
    /// needs no lock.
    ///
    /// # Errors
    /// As [`super::Log::open`]; a torn tail is none.
    pub fn open_beside(files: F, store: StoreId) -> Result<Self, StoreError> {
        let found = recover::scan(&files, store, Purpose::Read)?;
        let head = found.next() - 1;
        Ok(Self::new(Arc::new(Shared::beside(files, store, found.segments, head))))
    }
}

impl<F: Files> Shared<F> {
    /// Takes note of what the other process has written since.
    pub(crate) fn refresh(&self) -> Result<(), StoreError> {
        let Some(refreshing) = &self.beside else { return Ok(()) };
        let _one_at_a_time = refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            self.refresh_last()?;
            if !self.find_next_segment()? {
                break;
            }
        }
        let head = self.segments().raw.last().map_or(0, |last| last.next() - 1);
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

    fn refresh_last(&self) -> Result<(), StoreError> {
        let Some((name, salt, end)) = self.reopen_last()? else { return Ok(()) };
        let file = {
            let segments = self.segments();
            Arc::clone(&segments.raw.last().expect("it was there, and nobody else removes it").file)
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
        Ok(())
    }

    /// Opens the last segment by its name again: a writer that started after a crash has put a
    /// copy in its place, and goes on in that.
    fn reopen_last(&self) -> Result<Option<(Arc<str>, Salt, u32)>, StoreError> {
        let (name, salt, end) = match self.segments().raw.last() {
            Some(last) => (Arc::clone(&last.name), last.salt, last.end),
            None => return Ok(None),
        };
        match self.files.open_to_read(&name) {
            Ok(file) => {
                let mut segments = self.segments_mut();
                let last = segments.raw.last_mut();
                last.expect("it was there, and nobody else removes it").file = Arc::new(file);
            }
            // Its blocks stand in another file by now. What we have open stays readable.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(self.failed("open", &name, error)),
        }
        Ok(Some((name, salt, end)))
    }

    /// Opens the segment after the last one, when there is one.
    fn find_next_segment(&self) -> Result<bool, StoreError> {
        let due = self.segments().raw.last().map_or(1, Raw::next);
        let name = frames_name(due);
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
}
