//! Walking everything a folder holds and saying what is wrong with it, and where.
//!
//! It trusts no index of the log: what it finds, it finds in the events, and then holds the
//! indexes against it. Its memory is bounded: of a history with more streams than fit it looks at
//! a part of the streams at a time, and walks again for the others.

mod streams;

use super::OnProgress;
use super::frame::{Fault, Frame, Record};
use super::header::read_header;
use super::header::{Content, HEADER_BYTES, StoreId};
use super::index::Index;
use super::listing::Listing;
use super::names;
use super::names::Span;
use super::recover::{Cut, attested_behind};
use super::sealed::Sealed;
use super::stopped;
use super::walk::{FrameWalk, Step};
use crate::StoreError;
use crate::file::{File, Files};
use schemas::Position;
use streams::Streams;

/// What a walk over everything found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// Files of events.
    pub segments: u64,
    /// Those of them that are sealed.
    pub sealed: u64,
    /// Events.
    pub events: u64,
    /// Streams.
    pub streams: u64,
    /// Bytes of the files of events.
    pub bytes: u64,
    /// Bytes of the indexes.
    pub index_bytes: u64,
    /// The last position.
    pub head: u64,
    /// What is wrong, at most one per file, the first first.
    pub faults: Vec<FoundFault>,
    /// What a crash left at the end, and the next start will cut. No fault.
    pub torn: Option<Cut>,
}

/// A fault and its place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FoundFault {
    /// In which file.
    pub file: String,
    /// At which byte of it.
    pub offset: u64,
    /// The position of the event that is concerned, or that was due there.
    pub position: Position,
    /// What is wrong.
    pub what: String,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }
}

/// Checks every checksum, position, revision, back pointer and index. Changes nothing. Beside a
/// writer that seals meanwhile, a file may be gone before it is read: then it asks again.
///
/// # Errors
/// The disk's. What is wrong with the content is no error but in the report.
pub fn verify<F: Files>(files: &F, store: StoreId) -> Result<Report, StoreError> {
    verify_showing(files, store, &mut |_, _| ())
}

/// As [`verify`], and tells of its progress.
///
/// # Errors
/// As [`verify`].
pub fn verify_showing<F: Files>(
    files: &F,
    store: StoreId,
    progress: OnProgress<'_>,
) -> Result<Report, StoreError> {
    const WALKS_MAX: u32 = 10;
    let mut walks = 1;
    loop {
        match verify_within(files, store, streams::STREAMS_MAX, progress) {
            Err(error) if error.is_missing() && walks < WALKS_MAX => walks += 1,
            report => return report,
        }
    }
}

fn verify_within<F: Files>(
    files: &F,
    store: StoreId,
    most: usize,
    progress: OnProgress<'_>,
) -> Result<Report, StoreError> {
    let whole = Listing::of(files)?.bytes(files);
    let mut bytes = (0, whole);
    let (mut report, mut parts) = (Report::default(), vec![streams::Part::ALL]);
    let mut first = true;
    while let Some(part) = parts.pop() {
        let mut walk = Walk {
            files,
            store,
            report: std::mem::take(&mut report),
            counting: first,
            next: 1,
            attested: 0,
            streams: Streams::new(part, most),
            bytes,
            progress: &mut *progress,
        };
        walk.all()?;
        bytes = walk.bytes;
        report = walk.report;
        report.streams += walk.streams.count();
        parts.extend(walk.streams.left_out());
        // It walks again for each part that is left.
        bytes.1 = bytes.0 + parts.len() as u64 * whole;
        first = false;
    }
    Ok(report)
}

struct Walk<'a, F: Files> {
    files: &'a F,
    store: StoreId,
    report: Report,
    /// On the first walk only.
    counting: bool,
    /// The position that is due.
    next: u64,
    attested: u64,
    streams: Streams,
    /// Done, and in all: more when it has to walk again.
    bytes: (u64, u64),
    progress: OnProgress<'a>,
}

impl<F: Files> Walk<'_, F> {
    fn all(&mut self) -> Result<(), StoreError> {
        let listing = Listing::of(self.files)?;
        match stopped::read(self.files, self.store) {
            Ok(position) => self.attested = position,
            Err(error) => self.fault_of(stopped::NAME, error)?,
        }
        for span in &listing.sealed {
            self.sealed(*span)?;
            self.done(&names::sealed(*span));
            for index in listing.indexes.iter().filter(|index| index.last == span.last) {
                self.index(*index)?;
            }
        }
        for (at, base) in listing.frames.iter().enumerate() {
            self.frames(*base, at + 1 == listing.frames.len())?;
            self.done(&names::frames(*base));
        }
        let headless = listing.frames.is_empty() && !listing.sealed.is_empty();
        if headless || self.next <= self.attested && self.report.is_sound() {
            let last = self.next - 1;
            self.fault(
                "",
                0,
                format!(
                    "the log ends with event {last}, and it had {}",
                    self.attested.max(last + 1)
                ),
            );
        }
        self.report.head = self.next - 1;
        Ok(())
    }

    fn done(&mut self, name: &str) {
        let size = self.files.open_to_read(name).and_then(|file| file.size());
        self.bytes.0 += size.unwrap_or(0);
        (self.progress)(self.bytes.0, self.bytes.1);
    }

    fn sealed(&mut self, span: Span) -> Result<(), StoreError> {
        let name = names::sealed(span);
        self.begins(&name, span.base);
        let sealed = match Sealed::open(self.files, self.store, span) {
            Ok(sealed) => sealed,
            Err(error) => return self.lost(&name, span.last, error),
        };
        if self.counting {
            self.report.segments += 1;
            self.report.sealed += 1;
            self.report.bytes += sealed.size;
        }
        let streams = match sealed.streams() {
            Ok(streams) => streams,
            Err(error) => return self.lost(&name, span.last, error),
        };
        for index in 0..sealed.blocks() {
            let at = sealed.block_at(index);
            let block = match sealed.block(index) {
                Ok(block) => block,
                Err(error) => {
                    self.lost(&name, sealed.span_of_block(index).last, error)?;
                    continue;
                }
            };
            for row in block.rows() {
                let stream = row.and_then(|row| streams.get(row.stream as usize));
                let (Some(row), Some(stream)) = (row, stream) else {
                    self.fault(&name, at, "a row is impossible".to_owned());
                    break;
                };
                self.event(&name, at, &row.record(*stream), row.previous);
            }
            self.skip_to(block.last() + 1);
        }
        self.attested = self.attested.max(span.last);
        Ok(())
    }

    fn frames(&mut self, base: u64, last: bool) -> Result<(), StoreError> {
        let name = names::frames(base);
        let place = self.files.place(&name);
        let failed = |doing, error| StoreError::of_disk(doing, place.clone(), error);
        let file = self.files.open_to_read(&name).map_err(|error| failed("open", error))?;
        let size = file.size().map_err(|error| failed("read", error))?;
        if self.counting {
            self.report.segments += 1;
            self.report.bytes += size;
        }
        let (header, salt) = match read_header(&file, &place) {
            Ok(read) => read,
            Err(error) => return self.fault_of(&name, error),
        };
        if header.store != self.store {
            self.fault(&name, 16, "it is of another store".to_owned());
        }
        if (header.base, header.content) != (base, Content::Frames) {
            self.fault(&name, 32, "it holds something else than its name says".to_owned());
        }
        self.begins(&name, base);
        self.attested = self.attested.max(base - 1);
        let end = u32::try_from(size).unwrap_or(u32::MAX);
        let mut walk = FrameWalk::new(&file, salt, HEADER_BYTES as u32, end);
        loop {
            match walk.step().map_err(|error| failed("read", error))? {
                Step::End => return Ok(()),
                Step::Frame(offset, frame) => self.frame(&name, offset.into(), &frame),
                Step::Bad(offset, fault) => {
                    let behind = attested_behind(&file, salt, offset, end);
                    let behind = behind.map_err(|error| failed("read", error))?;
                    self.attested = self.attested.max(behind);
                    let unknown = matches!(fault, Fault::StreamKind(_));
                    if last && self.attested < self.next && !unknown {
                        let (offset, why) = (u64::from(offset), fault.to_string());
                        let torn = Cut { file: place.clone(), offset, bytes: size - offset, why };
                        self.report.torn = Some(torn);
                    } else {
                        self.fault(&name, offset.into(), fault.to_string());
                        self.streams.hole();
                    }
                    return Ok(());
                }
            }
        }
    }

    fn frame(&mut self, name: &str, offset: u64, frame: &Frame<'_>) {
        self.attested = self.attested.max(frame.head.durable);
        let mut previous = frame.head.previous;
        for record in frame.records() {
            match record {
                Ok(record) => {
                    self.event(name, offset, &record, previous);
                    previous = record.position;
                }
                Err(fault) => {
                    self.fault(name, offset, fault.to_string());
                    break;
                }
            }
        }
        self.skip_to(frame.last_position() + 1);
    }

    fn event(&mut self, name: &str, offset: u64, record: &Record<'_>, previous: u64) {
        if record.position != self.next {
            let what =
                format!("it holds event {}, where event {} is due", record.position, self.next);
            self.fault(name, offset, what);
            self.streams.hole();
        }
        if let Err(what) = self.streams.see(record, previous) {
            self.fault(name, offset, what);
        }
        if self.counting {
            self.report.events += 1;
        }
        self.next = record.position + 1;
    }

    /// Holds an index against what the events of its span have shown.
    fn index(&mut self, span: Span) -> Result<(), StoreError> {
        let name = names::index(span);
        let index = match Index::open(self.files, self.store, span) {
            Ok(index) => index,
            Err(error) => return self.fault_of(&name, error),
        };
        if self.counting {
            self.report.index_bytes += index.size();
        }
        if self.streams.has_hole() {
            return Ok(());
        }
        match self.streams.hold(&index) {
            Ok(None) => Ok(()),
            Ok(Some(what)) => {
                self.fault(&name, HEADER_BYTES as u64, what);
                Ok(())
            }
            Err(error) => self.fault_of(&name, error),
        }
    }

    fn begins(&mut self, name: &str, base: u64) {
        if base != self.next {
            let what = format!("it begins with event {base}, where event {} is due", self.next);
            self.fault(name, 32, what);
            self.streams.hole();
            self.next = base;
        }
    }

    /// Notes that all up to `last` cannot be read here.
    fn lost(&mut self, name: &str, last: u64, error: StoreError) -> Result<(), StoreError> {
        self.fault_of(name, error)?;
        self.streams.hole();
        self.skip_to(last + 1);
        Ok(())
    }

    fn skip_to(&mut self, next: u64) {
        if self.next < next {
            self.streams.hole();
            self.next = next;
        }
    }

    /// Notes a fault, unless this file has one already: what follows is most often its echo.
    fn fault(&mut self, name: &str, offset: u64, what: String) {
        let file = self.files.place(name);
        if self.report.faults.iter().all(|fault| fault.file != file) {
            let position = Position(self.next);
            self.report.faults.push(FoundFault { file, offset, position, what });
        }
    }

    /// Notes what an error says of the content; an error of the disk stays one.
    fn fault_of(&mut self, name: &str, error: StoreError) -> Result<(), StoreError> {
        match error {
            StoreError::Corrupt { offset, why, .. } => self.fault(name, offset, why),
            StoreError::Foreign { why, .. } => self.fault(name, 0, why),
            StoreError::Newer { .. } => self.fault(name, 8, error.to_string()),
            other => return Err(other),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
