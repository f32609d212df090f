//! Which files hold the log, and where in them an event stands: what the writer and its readers
//! share. The lock around it is held for look-ups in memory, never while the disk works.

use super::frame::Frame;
use super::header::{HEADER_BYTES, Header, Salt, StoreId};
use crate::StoreError;
use crate::file::{File, Files};
use hashbrown::HashMap;
use schemas::{Position, Revision, StreamId};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

/// The last event of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tail {
    pub(crate) revision: Revision,
    pub(crate) position: u64,
}

/// The last events of streams.
pub(crate) type Tails = HashMap<StreamId, Tail, foldhash::fast::RandomState>;

/// A segment of frames with its index in memory: a few bytes per event, and an entry per stream
/// that has an event in it.
pub(crate) struct Raw<F> {
    pub(crate) name: Arc<str>,
    pub(crate) file: Arc<F>,
    pub(crate) salt: Salt,
    pub(crate) base: u64,
    /// Where the frames that are whole end.
    pub(crate) end: u32,
    /// Per event, where its frame begins.
    offsets: Vec<u32>,
    tails: Tails,
}

/// All segments, the oldest first.
pub(crate) struct Segments<F> {
    pub(crate) raw: Vec<Raw<F>>,
}

/// The part of a log that its readers share with it.
pub(crate) struct Shared<F: Files> {
    pub(crate) files: F,
    pub(crate) store: StoreId,
    segments: RwLock<Segments<F::File>>,
    durable: AtomicU64,
    waiting: Mutex<()>,
    grown: Condvar,
    /// When another process writes the log: held while we look what it has written.
    pub(crate) beside: Option<Mutex<()>>,
}

/// A place in a segment of frames.
pub(crate) struct Place<F> {
    pub(crate) name: Arc<str>,
    pub(crate) file: Arc<F>,
    pub(crate) salt: Salt,
    pub(crate) offset: u32,
    pub(crate) end: u32,
}

impl<F: File> Raw<F> {
    /// A segment without frames.
    pub(crate) fn new(name: Arc<str>, file: Arc<F>, header: &Header, salt: Salt) -> Self {
        let (base, end) = (header.base, HEADER_BYTES as u32);
        Self { name, file, salt, base, end, offsets: Vec::new(), tails: Tails::default() }
    }

    /// The position after its last event.
    pub(crate) fn next(&self) -> u64 {
        self.base + self.offsets.len() as u64
    }

    /// Takes note of a frame that follows the others.
    pub(crate) fn push(&mut self, offset: u32, frame: &Frame<'_>) {
        let tail =
            Tail { revision: Revision(frame.last_revision()), position: frame.last_position() };
        self.note(offset, frame.length, frame.count.into(), frame.head.stream, tail);
    }

    /// Takes note of `count` events of a stream, in one frame that follows the others.
    pub(crate) fn note(
        &mut self,
        offset: u32,
        length: u32,
        count: usize,
        stream: StreamId,
        tail: Tail,
    ) {
        self.offsets.extend(std::iter::repeat_n(offset, count));
        self.tails.insert(stream, tail);
        self.end = offset + length;
    }

    /// Where the frame of an event begins. The event must be in this segment.
    pub(crate) fn offset_of(&self, position: u64) -> Option<u32> {
        self.offsets.get(usize::try_from(position.checked_sub(self.base)?).ok()?).copied()
    }
}

impl<F: File> Segments<F> {
    /// The last event of a stream, durable or not.
    pub(crate) fn tail(&self, stream: StreamId) -> Option<Tail> {
        self.raw.iter().rev().find_map(|segment| segment.tails.get(&stream).copied())
    }

    /// Where the frame of an event stands.
    pub(crate) fn place_of(&self, position: u64) -> Option<Place<F>> {
        let after = self.raw.partition_point(|segment| segment.base <= position);
        let segment = &self.raw[after.checked_sub(1)?];
        let offset = segment.offset_of(position)?;
        let (name, file) = (Arc::clone(&segment.name), Arc::clone(&segment.file));
        Some(Place { name, file, salt: segment.salt, offset, end: segment.end })
    }
}

impl<F: Files> Shared<F> {
    pub(crate) fn new(files: F, store: StoreId, segments: Segments<F::File>, durable: u64) -> Self {
        Self {
            files,
            store,
            segments: RwLock::new(segments),
            durable: AtomicU64::new(durable),
            waiting: Mutex::new(()),
            grown: Condvar::new(),
            beside: None,
        }
    }

    /// The part of a reader whose writer is another process.
    pub(crate) fn beside(files: F, store: StoreId, segments: Segments<F::File>, head: u64) -> Self {
        Self { beside: Some(Mutex::new(())), ..Self::new(files, store, segments, head) }
    }

    /// For a look-up. No code panics while it holds this lock, so a poisoned one is whole.
    pub(crate) fn segments(&self) -> RwLockReadGuard<'_, Segments<F::File>> {
        self.segments.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn segments_mut(&self) -> RwLockWriteGuard<'_, Segments<F::File>> {
        self.segments.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last event of a stream, durable or not.
    pub(crate) fn tail(&self, stream: StreamId) -> Result<Option<Tail>, StoreError> {
        Ok(self.segments().tail(stream))
    }

    /// The last position that is known to be durable.
    pub(crate) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// Tells everybody who waits that the log is durable up to here.
    pub(crate) fn set_durable(&self, position: u64) {
        self.durable.store(position, Ordering::Release);
        // Between a waiter's look at `durable` and its sleep nobody may ring.
        drop(self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        self.grown.notify_all();
    }

    /// Waits until something after `after` is durable, but at most so long.
    pub(crate) fn wait(&self, after: Position, at_most: Duration) -> u64 {
        let deadline = Instant::now() + at_most;
        let mut guard = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while self.durable() <= after.0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            guard = self.grown.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        self.durable()
    }

    /// A damage at a place of a file, as an error.
    pub(crate) fn corrupt(&self, name: &str, offset: u64, why: impl ToString) -> StoreError {
        StoreError::Corrupt { file: self.files.place(name), offset, why: why.to_string() }
    }

    /// A failure of the disk, as an error.
    pub(crate) fn failed(
        &self,
        doing: &'static str,
        name: &str,
        error: std::io::Error,
    ) -> StoreError {
        StoreError::of_disk(doing, self.files.place(name), error)
    }
}

/// The name of the segment of frames that begins at a position.
pub(crate) fn frames_name(base: u64) -> String {
    format!("{base:020}.log")
}

/// The position a name speaks of, when it is the name of a segment of frames.
pub(crate) fn parse_frames_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".log")?;
    let sound = digits.len() == 20 && digits.bytes().all(|digit| digit.is_ascii_digit());
    if sound { digits.parse().ok() } else { None }
}
