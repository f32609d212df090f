//! What the writer of a log and its readers share. Its locks are held for look-ups in memory,
//! never while the disk works.

use super::header::StoreId;
use super::index::Index;
use super::marks::Marks;
use super::names::Span;
use super::sealed::Sealed;
use super::sealed::block::Block;
use super::segments::Segments;
use super::streams::Tail;
use crate::StoreError;
use crate::file::Files;
use schemas::{Position, StreamId};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

/// How many bytes of filters are kept in memory: those of 20 million streams. What goes beyond is
/// read from the disk, a page a look.
const FILTER_BYTES_MAX: u64 = 32 << 20;
/// How many sealed segments are kept open.
const SEALED_OPEN_MAX: usize = 16;
/// How many blocks are kept unpacked, 32 KiB each: neighbours in time are read together.
const BLOCKS_KEPT_MAX: usize = 64;

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
    /// Somebody is sealing a segment.
    pub(crate) sealing: AtomicBool,
    open: Mutex<Kept<u64, Arc<Sealed<F::File>>>>,
    blocks: Mutex<Kept<(u64, usize), Arc<Block>>>,
    marks: Mutex<Marks>,
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
            sealing: AtomicBool::new(false),
            open: Mutex::new(Kept::new(SEALED_OPEN_MAX)),
            blocks: Mutex::new(Kept::new(BLOCKS_KEPT_MAX)),
            marks: Mutex::default(),
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
        let indexes = {
            let segments = self.segments();
            match segments.recent_tail(stream) {
                None if segments.indexes.is_empty() => return Ok(None),
                None => Arc::clone(&segments.indexes),
                recent => return Ok(recent),
            }
        };
        for index in indexes.iter().rev() {
            if let Some(tail) = index.tail(stream)? {
                return Ok(Some(tail));
            }
        }
        Ok(None)
    }

    /// A sealed segment, opened now if it is not open.
    pub(crate) fn sealed(&self, span: Span) -> Result<Arc<Sealed<F::File>>, StoreError> {
        if let Some(open) = locked(&self.open).get(&span.base) {
            return Ok(open);
        }
        let opened = Arc::new(Sealed::open(&self.files, self.store, span)?);
        locked(&self.open).put(span.base, Arc::clone(&opened));
        Ok(opened)
    }

    /// A block of a sealed segment, read now if it is not at hand.
    pub(crate) fn block(
        &self,
        sealed: &Sealed<F::File>,
        index: usize,
    ) -> Result<Arc<Block>, StoreError> {
        let key = (sealed.span.base, index);
        if let Some(block) = locked(&self.blocks).get(&key) {
            return Ok(block);
        }
        let block = Arc::new(sealed.block(index)?);
        locked(&self.blocks).put(key, Arc::clone(&block));
        Ok(block)
    }

    /// Ways into long streams, left by those who read them.
    pub(crate) fn marks(&self) -> MutexGuard<'_, Marks> {
        locked(&self.marks)
    }

    /// The indexes of the sealed segments, the oldest first.
    pub(crate) fn indexes(&self) -> Arc<[Arc<Index<F::File>>]> {
        Arc::clone(&self.segments().indexes)
    }

    /// Opens an index, with its filter in memory if there is room.
    pub(crate) fn open_index(&self, span: Span) -> Result<Arc<Index<F::File>>, StoreError> {
        let loaded = self.indexes().iter().map(|index| index.loaded_bytes()).sum();
        open_index(&self.files, self.store, span, loaded)
    }

    /// Puts a sealed segment in place of the oldest one that was not.
    pub(crate) fn install(&self, span: Span, index: Arc<Index<F::File>>) {
        let mut segments = self.segments_mut();
        segments.sealed.push(span);
        segments.indexes = segments.indexes.iter().cloned().chain([index]).collect();
        segments.raw.remove(0);
    }

    /// Puts one index in place of the latest ones, which it was merged from.
    pub(crate) fn replace_indexes(&self, merged: &[Arc<Index<F::File>>], by: Arc<Index<F::File>>) {
        let mut segments = self.segments_mut();
        let stay = segments.indexes.len() - merged.len();
        segments.indexes = segments.indexes[..stay].iter().cloned().chain([by]).collect();
    }

    /// The last position that is known to be durable.
    pub(crate) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// Tells everybody who waits that the log is durable up to here.
    pub(crate) fn set_durable(&self, position: u64) {
        self.durable.store(position, Ordering::Release);
        // Between a waiter's look at `durable` and its sleep nobody may ring.
        drop(locked(&self.waiting));
        self.grown.notify_all();
    }

    /// Waits until something after `after` is durable, but at most so long.
    pub(crate) fn wait(&self, after: Position, at_most: Duration) -> u64 {
        let deadline = Instant::now() + at_most;
        let mut guard = locked(&self.waiting);
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

/// Opens an index beside those whose filters take `loaded` bytes of memory.
pub(crate) fn open_index<F: Files>(
    files: &F,
    store: StoreId,
    span: Span,
    loaded: u64,
) -> Result<Arc<Index<F::File>>, StoreError> {
    let mut index = Index::open(files, store, span)?;
    index.load_filter(FILTER_BYTES_MAX.saturating_sub(loaded))?;
    Ok(Arc::new(index))
}

/// The few things that were used last.
struct Kept<K, V> {
    /// The latest last.
    entries: Vec<(K, V)>,
    most: usize,
}

impl<K: PartialEq, V: Clone> Kept<K, V> {
    fn new(most: usize) -> Self {
        Self { entries: Vec::with_capacity(most), most }
    }

    fn get(&mut self, key: &K) -> Option<V> {
        let at = self.entries.iter().rposition(|(known, _)| known == key)?;
        self.entries[at..].rotate_left(1);
        self.entries.last().map(|(_, value)| value.clone())
    }

    fn put(&mut self, key: K, value: V) {
        if self.entries.len() == self.most {
            self.entries.remove(0);
        }
        self.entries.push((key, value));
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code panics while it holds one of these.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
