//! Walking everything a folder holds and saying what is wrong with it, and where.
//!
//! It shares no index with the log: what it finds, it finds in the files.

use super::frame::Fault;
use super::header::{HEADER_BYTES, StoreId};
use super::names;
use super::recover::{Cut, attested_behind, read_header};
use super::segments::{Tail, Tails};
use super::stopped;
use super::walk::{FrameWalk, Step};
use crate::StoreError;
use crate::file::{File, Files};
use schemas::{Position, Revision};
use std::collections::BTreeSet;

/// What a walk over everything found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// Files of events.
    pub segments: u64,
    /// Appends.
    pub frames: u64,
    /// Events.
    pub events: u64,
    /// Streams.
    pub streams: u64,
    /// Bytes of the files of events.
    pub bytes: u64,
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

/// Checks every frame, checksum, position, revision and back pointer. Changes nothing, and may run
/// beside a writer.
///
/// # Errors
/// The disk's. What is wrong with the content is no error but in the report.
pub fn verify<F: Files>(files: &F, store: StoreId) -> Result<Report, StoreError> {
    let names =
        files.list().map_err(|error| StoreError::of_disk("list", files.place(""), error))?;
    let bases: Vec<u64> = names
        .iter()
        .filter_map(|name| match names::parse(name) {
            names::Named::Frames(base) => Some(base),
            _ => None,
        })
        .collect();
    let mut walk = Walk {
        files,
        store,
        report: Report::default(),
        next: 1,
        attested: 0,
        tails: Tails::default(),
    };
    match stopped::read(files, store) {
        Ok(position) => walk.attested = position,
        Err(error) => walk.fault_of(stopped::NAME, error)?,
    }
    for (at, base) in bases.iter().enumerate() {
        walk.segment(&names::frames(*base), at + 1 == bases.len())?;
    }
    if walk.next <= walk.attested && walk.report.is_sound() {
        let what = format!("the log had {} events when it was last stopped", walk.attested);
        walk.fault("", 0, what);
    }
    walk.report.streams = walk.tails.len() as u64;
    walk.report.head = walk.next - 1;
    Ok(walk.report)
}

struct Walk<'a, F: Files> {
    files: &'a F,
    store: StoreId,
    report: Report,
    /// The position that is due.
    next: u64,
    attested: u64,
    tails: Tails,
}

impl<F: Files> Walk<'_, F> {
    fn segment(&mut self, name: &str, last: bool) -> Result<(), StoreError> {
        let place = self.files.place(name);
        let failed = |doing, error| StoreError::of_disk(doing, place.clone(), error);
        let file = self.files.open_to_read(name).map_err(|error| failed("open", error))?;
        let size = file.size().map_err(|error| failed("read", error))?;
        self.report.segments += 1;
        self.report.bytes += size;
        let (header, salt) = match read_header(&file, &place) {
            Ok(read) => read,
            Err(error) => return self.fault_of(name, error),
        };
        if header.store != self.store {
            self.fault(name, 16, "it is of another store".to_owned());
        }
        if header.base != self.next || names::parse(name) != names::Named::Frames(header.base) {
            self.fault(
                name,
                32,
                format!("it begins with event {}, where event {} is due", header.base, self.next),
            );
            // From here on it is judged by itself.
            self.next = header.base;
        }
        self.attested = self.attested.max(header.base - 1);
        let end = u32::try_from(size).unwrap_or(u32::MAX);
        let mut walk = FrameWalk::new(&file, salt, HEADER_BYTES as u32, end);
        loop {
            match walk.step().map_err(|error| failed("read", error))? {
                Step::End => return Ok(()),
                Step::Frame(offset, frame) => {
                    self.attested = self.attested.max(frame.head.durable);
                    if let Err(what) = self.frame(&frame) {
                        self.fault(name, offset.into(), what);
                        self.next = frame.last_position() + 1;
                    }
                }
                Step::Bad(offset, fault) => {
                    let behind = attested_behind(&file, salt, offset, end)
                        .map_err(|error| failed("read", error))?;
                    self.attested = self.attested.max(behind);
                    if last && self.attested < self.next && !matches!(fault, Fault::StreamKind(_)) {
                        let (offset, why) = (u64::from(offset), fault.to_string());
                        self.report.torn =
                            Some(Cut { file: place.clone(), offset, bytes: size - offset, why });
                    } else {
                        self.fault(name, offset.into(), fault.to_string());
                    }
                    return Ok(());
                }
            }
        }
    }

    fn frame(&mut self, frame: &super::frame::Frame<'_>) -> Result<(), String> {
        let head = frame.head;
        if head.position != self.next {
            return Err(format!(
                "it holds event {}, where event {} is due",
                head.position, self.next
            ));
        }
        let before = self.tails.get(&head.stream);
        let (revision, previous) =
            before.map_or((0, 0), |tail| (tail.revision.0 + 1, tail.position));
        if head.revision != revision {
            return Err(format!(
                "revision {} of {}, where {revision} is due",
                head.revision, head.stream
            ));
        }
        if head.previous != previous {
            return Err(format!(
                "its back pointer says event {}, and it is {previous}",
                head.previous
            ));
        }
        let records = frame.records().filter(Result::is_ok).count();
        if records != usize::from(frame.count) || frame.records().any(|record| record.is_err()) {
            return Err(Fault::Content.to_string());
        }
        self.report.frames += 1;
        self.report.events += u64::from(frame.count);
        self.next = frame.last_position() + 1;
        let tail =
            Tail { revision: Revision(frame.last_revision()), position: frame.last_position() };
        self.tails.insert(head.stream, tail);
        Ok(())
    }

    /// Notes a fault, unless this file has one already: what follows is most often its echo.
    fn fault(&mut self, name: &str, offset: u64, what: String) {
        let file = self.files.place(name);
        let seen: BTreeSet<_> =
            self.report.faults.iter().map(|fault| fault.file.as_str()).collect();
        if !seen.contains(file.as_str()) {
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
mod tests {
    use super::super::tests::{FIRST, damage, frames_of, killed, options, small_segments};
    use super::*;
    use crate::disk::SimDisk;
    use crate::log::Options;

    fn report(disk: &SimDisk, options: Options) -> Report {
        verify(disk, options.store).unwrap()
    }

    #[test]
    fn a_sound_log_is_counted() {
        let disk = killed(40, 2, small_segments());
        let report = report(&disk, small_segments());
        assert!(report.is_sound() && report.torn.is_none(), "{report:?}");
        assert_eq!((report.events, report.frames, report.streams), (42, 42, 5));
        assert_eq!((report.head, report.segments > 3), (42, true));
    }

    #[test]
    fn a_torn_tail_is_told_and_is_no_fault() {
        let disk = killed(5, 2, options());
        let frames = frames_of(&disk.contents(FIRST).unwrap());
        damage(&disk, FIRST, |contents| contents[frames[5] + 30] ^= 1);
        let report = report(&disk, options());
        assert!(report.is_sound());
        assert_eq!((report.events, report.torn.unwrap().offset), (5, frames[5] as u64));
    }

    #[test]
    fn damage_is_told_with_its_place_and_the_rest_still_judged() {
        let disk = killed(40, 0, small_segments());
        let names = disk.list().unwrap();
        let frames = frames_of(&disk.contents(&names[1]).unwrap());
        damage(&disk, &names[1], |contents| contents[frames[2] + 70] ^= 1);
        let report = report(&disk, small_segments());
        let first = &report.faults[0];
        assert!(first.file.ends_with(&names[1]), "{first:?}");
        assert_eq!(
            (first.offset, first.what.as_str()),
            (frames[2] as u64, "the frame's checksum does not fit")
        );
        assert_eq!(report.segments as usize, names.len());
    }

    #[test]
    fn a_lost_end_is_told() {
        let disk = SimDisk::new(1);
        stopped::write(&disk, options().store, 7).unwrap();
        let report = report(&disk, options());
        assert_eq!(report.faults[0].what, "the log had 7 events when it was last stopped");
    }
}
