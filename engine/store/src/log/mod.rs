//! The log: one folder of segments, one order of events, one writer.
//!
//! Synchronous, without threads or clock, over a [`Files`]: the node runs it on a thread of its
//! own ([`crate::writer`]), the simulation in its loop. The format stands in `docs/log-format.md`.
//!
//! - [`Log::append`] writes, [`Log::sync`] makes durable. Nothing may be told before the sync.
//! - [`Log::reader`] gives readers that see what is durable, and never hold the writer up.
//! - A write or a sync that fails poisons the log: what is on the disk is then unknown, and only
//!   a new start finds out.

mod beside;
mod copy;
mod frame;
mod header;
#[cfg(any(test, feature = "hostile"))]
pub mod hostile;
mod index;
mod listing;
mod marks;
mod names;
mod pages;
mod read;
mod recover;
mod repair;
mod sealed;
mod segments;
mod shared;
mod stopped;
mod streams;
mod verify;
mod walk;

pub(crate) use copy::{LogCopy, copy_log};
pub use frame::{FRAME_BYTES_MAX, Fault, Record};
pub use header::{CODEC_BINCODE_2, Content, FORMAT, HEADER_BYTES, Header, StoreId};
pub use listing::{Outline, outline};
pub use read::LogReader;
pub use recover::{Cut, Recovery};
pub use repair::{Gap, RepairReport, repair};
pub use sealed::seal::{SealReport, Sealing};
pub use verify::{FoundFault, Report, verify, verify_showing};

use crate::StoreError;
use crate::api::{Append, AppendError, Appended, NewEvent, Results, Verdict};
use crate::file::{File, Files};
use frame::FrameHead;
use header::Salt;
use mutants::mutant;
use recover::Purpose;
use schemas::{Position, Revision, StreamId, Timestamp};
use segments::Raw;
use shared::Shared;
use std::ops::ControlFlow;
use std::sync::Arc;
use streams::{Tail, Tails};

/// How a log is kept.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Whose log it is. A folder of another store is refused.
    pub store: StoreId,
    /// When a segment has this many bytes, the next one begins. At most [`SEGMENT_BYTES_MAX`].
    pub segment_bytes: u32,
}

/// Hears of progress: how many bytes are done, of how many in all.
pub type OnProgress<'a> = &'a mut dyn FnMut(u64, u64);

/// The largest size that a segment may be given.
pub const SEGMENT_BYTES_MAX: u32 = 1 << 30;

impl Options {
    /// What fits most: segments of 64 MiB, so that an index of a few MB is in memory.
    pub fn new(store: StoreId) -> Self {
        Self { store, segment_bytes: 64 << 20 }
    }
}

/// The writer's end of a log. Who opens it must hold the folder's lock.
pub struct Log<F: Files> {
    shared: Arc<Shared<F>>,
    options: Options,
    active: Option<Active<F::File>>,
    /// The position of the last event that was written or is in `batch`.
    written: u64,
    unsynced: bool,
    batch: Encoded,
    poison: Option<String>,
}

/// The segment that is written.
struct Active<F> {
    name: Arc<str>,
    file: Arc<F>,
    salt: Salt,
    /// Where the next frame goes, those in the batch counted.
    end: u32,
}

/// Frames that go out with the next write, and what they change in the index.
#[derive(Default)]
struct Encoded {
    bytes: Vec<u8>,
    frames: Vec<(u32, u32, u16, StreamId, Tail)>,
    tails: Tails,
}

impl<F: Files> Log<F> {
    /// Opens a log, or begins one in an empty folder.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when something that was durable does not read back;
    /// [`StoreError::Newer`], [`StoreError::Foreign`]; or the disk's.
    pub fn open(files: F, options: Options) -> Result<(Self, Recovery), StoreError> {
        let options =
            Options { segment_bytes: options.segment_bytes.min(SEGMENT_BYTES_MAX), ..options };
        let mut found = recover::scan(&files, options.store, Purpose::Write)?;
        let cut = recover::settle(&files, &mut found)?;
        let indexes_made = found.unindexed.len();
        recover::index_anew(&files, options.store, &mut found)?;
        let written = found.segments.next() - 1;
        let active = found.segments.raw.last().map(|last| Active {
            name: Arc::clone(&last.name),
            file: Arc::clone(&last.file),
            salt: last.salt,
            end: last.end,
        });
        let sealed = found.segments.sealed.len();
        let segments = sealed + found.segments.raw.len();
        let events_scanned = found.events_scanned;
        let recovery =
            Recovery { head: written, segments, sealed, events_scanned, indexes_made, cut };
        let shared = Arc::new(Shared::new(files, options.store, found.segments, written));
        let batch = Encoded::default();
        Ok((
            Self { shared, options, active, written, unsynced: false, batch, poison: None },
            recovery,
        ))
    }

    /// Writes a batch of independent appends, each whole or not at all. Their results stand once
    /// [`Log::sync`] has succeeded, and are not to be told before.
    pub fn append(&mut self, appends: &[Append]) -> Results {
        self.append_each([appends]).pop().expect("a batch has its results")
    }

    /// As [`Log::append`] of one batch after another, with one write for all of them.
    pub fn append_each<'a>(
        &mut self,
        batches: impl IntoIterator<Item = &'a [Append]>,
    ) -> Vec<Results> {
        let admitted = |batch: &[Append]| batch.iter().map(|append| self.admit(append)).collect();
        let mut results: Vec<Results> = batches.into_iter().map(admitted).collect();
        if let Err(error) = self.flush() {
            self.break_down(&error);
        }
        if let Some(why) = &self.poison {
            for result in results.iter_mut().flatten() {
                *result = Err(AppendError::Broken(why.clone()));
            }
        }
        results
    }

    /// Makes everything durable that has been appended, and shows it to the readers. Says how far
    /// the log goes. Without anything new it asks nothing of the disk.
    ///
    /// # Errors
    /// The disk's, and from then on [`StoreError::Broken`]: stop the process.
    pub fn sync(&mut self) -> Result<Position, StoreError> {
        self.check()?;
        if let Err(error) = self.sync_active() {
            self.break_down(&error);
            return Err(error);
        }
        Ok(Position(self.written))
    }

    /// Syncs, and leaves the mark of a clean stop.
    ///
    /// # Errors
    /// The disk's.
    pub fn close(mut self) -> Result<Position, StoreError> {
        let head = self.sync()?;
        stopped::write(&self.shared.files, self.options.store, head.0)?;
        Ok(head)
    }

    /// The oldest full segment that is not sealed, to be sealed here or on another thread.
    /// `None` when there is none, or while one is being sealed.
    pub fn sealing(&self) -> Option<Sealing<F>> {
        Sealing::next(&self.shared)
    }

    /// How many full segments are not sealed. Each keeps its index in memory.
    pub fn unsealed(&self) -> usize {
        self.shared.segments().raw.len().saturating_sub(1)
    }

    /// A reader of what is durable.
    pub fn reader(&self) -> LogReader<F> {
        LogReader::new(Arc::clone(&self.shared))
    }

    /// The last revision of a stream, durable or not; `None` when it has no event.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn last_revision(&self, stream: StreamId) -> Result<Option<Revision>, StoreError> {
        Ok(self.tail(stream)?.map(|tail| tail.revision))
    }

    /// The position of the last event, durable or not; `Position(0)` when there is none.
    pub fn head(&self) -> Position {
        Position(self.written)
    }

    fn tail(&self, stream: StreamId) -> Result<Option<Tail>, StoreError> {
        match self.batch.tails.get(&stream) {
            Some(tail) => Ok(Some(*tail)),
            None => self.shared.tail(stream),
        }
    }

    fn admit(&mut self, append: &Append) -> Result<Appended, AppendError> {
        let unusable = |error: &StoreError| AppendError::Broken(error.first_cause());
        self.check().map_err(|error| unusable(&error))?;
        let tail = self.tail(append.stream).and_then(|tail| {
            match append.judge(tail.map(|t| t.revision)) {
                Ok(Verdict::Fits(first)) => self.put(append, first, tail).map(Ok),
                Ok(Verdict::RepeatOrConflict(first)) => self.compare(append, first, tail),
                Err(refusal) => Ok(Err(refusal)),
            }
        });
        tail.unwrap_or_else(|error| {
            self.break_down(&error);
            Err(unusable(&error))
        })
    }

    /// Encodes an append that fits its stream.
    fn put(
        &mut self,
        append: &Append,
        first: Revision,
        tail: Option<Tail>,
    ) -> Result<Appended, StoreError> {
        self.make_room(append)?;
        let head = FrameHead {
            stream: append.stream,
            position: self.written + 1,
            revision: first.0,
            durable: self.shared.durable(),
            previous: tail.map_or(0, |tail| tail.position),
        };
        let active = self.active.as_mut().expect("room was made in it");
        let before = self.batch.bytes.len();
        frame::encode(&mut self.batch.bytes, active.salt, active.end, &head, &append.events);
        let length = u32::try_from(self.batch.bytes.len() - before).expect("a frame is bounded");
        let count = u16::try_from(append.events.len()).expect("an append is bounded");
        self.written += u64::from(count);
        let last = Revision(first.0 + u32::from(count) - 1);
        let tail = Tail { revision: last, position: self.written };
        self.batch.frames.push((active.end, length, count, append.stream, tail));
        self.batch.tails.insert(append.stream, tail);
        active.end += length;
        Ok(Appended { last, position: Position(self.written), already: false })
    }

    /// Begins the next segment when this one is full, and writes what is encoded before there is
    /// too much of it.
    fn make_room(&mut self, append: &Append) -> Result<(), StoreError> {
        const ENCODED_BYTES_MAX: usize = 4 << 20;
        if self.batch.bytes.len() >= ENCODED_BYTES_MAX {
            self.flush()?;
        }
        if self.active.as_ref().is_some_and(|active| active.end < self.options.segment_bytes) {
            return Ok(());
        }
        self.flush()?;
        // All before a segment is durable when the segment is made: its header says so.
        self.sync_active()?;
        let created_at = append.events.first().map_or(Timestamp(0), |event| event.at);
        self.begin_segment(created_at)
    }

    fn begin_segment(&mut self, created_at: Timestamp) -> Result<(), StoreError> {
        let base = self.written + 1;
        let (store, codec) = (self.options.store, CODEC_BINCODE_2);
        let header = Header { content: Content::Frames, codec, store, base, created_at };
        let (page, salt) = header.encode();
        let name = names::frames(base);
        let files = &self.shared.files;
        // Under its name it is whole: a crash leaves at most the other name, which means nothing.
        let made = stopped::replace(files, &format!("{name}.tmp"), &name, &page)
            .and_then(|()| files.open(&name));
        let file = Arc::new(made.map_err(|error| self.shared.failed("make", &name, error))?);
        let name: Arc<str> = name.into();
        let raw = Raw::new(Arc::clone(&name), Arc::clone(&file), &header, salt);
        self.active = Some(Active { name, file, salt, end: raw.end });
        self.shared.segments_mut().raw.push(raw);
        Ok(())
    }

    /// Writes what is encoded. Readers find it, and wait for it to be durable.
    fn flush(&mut self) -> Result<(), StoreError> {
        let (Some(active), false) = (&self.active, self.batch.bytes.is_empty()) else {
            return Ok(());
        };
        let offset = u64::from(active.end) - self.batch.bytes.len() as u64;
        self.unsynced = true;
        let written = active.file.write_all_at(&self.batch.bytes, offset);
        written.map_err(|error| self.shared.failed("write", &active.name, error))?;
        let mut segments = self.shared.segments_mut();
        let raw = segments.raw.last_mut().expect("the active segment is the last one");
        for (offset, length, count, stream, tail) in self.batch.frames.drain(..) {
            raw.note(offset, length, count.into(), stream, tail);
        }
        drop(segments);
        self.batch.bytes.clear();
        self.batch.tails.clear();
        Ok(())
    }

    fn sync_active(&mut self) -> Result<(), StoreError> {
        if let (Some(active), true) = (&self.active, self.unsynced) {
            let synced = match mutant!("acknowledges before the sync") {
                true => Ok(()),
                false => active.file.sync_data(),
            };
            synced.map_err(|error| self.shared.failed("sync", &active.name, error))?;
            self.unsynced = false;
        }
        if self.written > self.shared.durable() {
            self.shared.set_durable(self.written);
        }
        Ok(())
    }

    /// Whether the very same events stand in the stream from `first` on.
    fn compare(
        &mut self,
        append: &Append,
        first: Revision,
        tail: Option<Tail>,
    ) -> Result<Result<Appended, AppendError>, StoreError> {
        // What it is compared with may be of this very batch.
        self.flush()?;
        let Some(tail) = tail else { return Ok(Err(AppendError::Conflict { current: None })) };
        let last = first.0 + u32::try_from(append.events.len()).expect("an append is bounded") - 1;
        let wanted = |revision: u32| -> Option<&NewEvent> {
            append.events.get(usize::try_from(revision.checked_sub(first.0)?).ok()?)
        };
        let (mut same, mut position) = (true, Position(0));
        self.shared.walk_back(append.stream, tail.position, |record| {
            if record.revision > last {
                return ControlFlow::Continue(());
            }
            if record.revision == last {
                position = Position(record.position);
            }
            same = wanted(record.revision).is_some_and(|event| record.is(event));
            if same && record.revision > first.0 {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
        Ok(if same {
            Ok(Appended { last: Revision(last), position, already: true })
        } else {
            Err(AppendError::Conflict { current: Some(tail.revision) })
        })
    }

    fn check(&self) -> Result<(), StoreError> {
        self.poison.as_ref().map_or(Ok(()), |why| Err(StoreError::Broken(why.clone())))
    }

    fn break_down(&mut self, error: &StoreError) {
        self.poison.get_or_insert_with(|| error.first_cause());
    }
}

impl Record<'_> {
    fn is(&self, event: &NewEvent) -> bool {
        let encoded = &event.encoded;
        (self.kind, self.version, self.at) == (encoded.kind, encoded.version, event.at)
            && self.body == encoded.body
    }
}

#[cfg(test)]
mod histories;
#[cfg(test)]
mod tests;
