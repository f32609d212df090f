//! Copying out of a damaged log what is provably good, and saying what is not.
//!
//! Every event whose checksum fits is read, also behind damage, and appended to a new log. Of a
//! stream that misses an event, what comes after is left out: nobody could tell what it followed.
//! Positions are dealt anew, so the new log is another store: views and relays begin again.

use super::frame::{self, FRAME_BYTES_MAX, MARK, Record};
use super::header::{Content, HEADER_BYTES, Salt, StoreId};
use super::listing::Listing;
use super::names;
use super::names::Span;
use super::pages::Source;
use super::sealed::Salvaged;
use super::stopped;
use super::{Log, OnProgress};
use crate::StoreError;
use crate::api::{Append, AppendError, Expected, NewEvent};
use crate::file::{File, Files};
use schemas::event::Encoded;
use schemas::{Revision, StreamId};
use std::collections::BTreeSet;
use std::sync::Arc;

/// How many gaps, and how many streams, a report names.
const NAMED_MAX: usize = 1000;

/// What a repair came to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RepairReport {
    /// Events in the new log.
    pub copied: u64,
    /// Events that could not be read.
    pub lost: u64,
    /// Where they were, the first thousand gaps.
    pub gaps: Vec<Gap>,
    /// Events that could be read, and follow one in their stream that could not.
    pub left_out: u64,
    /// The streams that end early, the first thousand of them.
    pub streams_cut: BTreeSet<StreamId>,
}

/// Events that could not be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Gap {
    /// The file they were in.
    pub file: String,
    /// The positions of the first and the last of them.
    pub positions: (u64, u64),
}

/// Copies what is good in `files` to `log`, which must be empty. Makes it durable, and tells of
/// its progress.
///
/// # Errors
/// The disk's; what is damaged is no error but in the report.
pub fn repair<F: Files, T: Files>(
    files: &F,
    store: StoreId,
    log: &mut Log<T>,
    progress: OnProgress<'_>,
) -> Result<RepairReport, StoreError> {
    let listing = Listing::of(files)?;
    let (mut done, whole) = (0, listing.bytes(files));
    let mut read = |name: &str| {
        let size = files.open_to_read(name).and_then(|file| file.size());
        done += size.unwrap_or(0);
        progress(done, whole);
    };
    let mut copy = Copy { log, report: RepairReport::default(), next: 1, batch: Vec::new() };
    for span in &listing.sealed {
        let name = names::sealed(*span);
        copy.reaches(files.place(&name), span.base);
        // A crash may have left the frames beside what was made of them.
        let frames = names::frames(span.base);
        if files.open_to_read(&frames).is_ok() {
            read_frames(files, store, span.base, &mut copy)?;
        }
        read_sealed(files, store, *span, &mut copy)?;
        copy.reaches(files.place(&name), span.last + 1);
        read(&name);
    }
    for base in &listing.frames {
        copy.reaches(files.place(&names::frames(*base)), *base);
        read_frames(files, store, *base, &mut copy)?;
        read(&names::frames(*base));
    }
    // What had been behind the end, only the mark of a clean stop tells.
    if let Ok(stopped) = stopped::read(files, store) {
        copy.reaches(files.place(stopped::NAME), stopped + 1);
    }
    copy.flush()?;
    copy.log.sync()?;
    Ok(copy.report)
}

struct Copy<'a, T: Files> {
    log: &'a mut Log<T>,
    report: RepairReport,
    /// The position that is due in the damaged log.
    next: u64,
    batch: Vec<Append>,
}

impl<T: Files> Copy<'_, T> {
    /// Takes an event of the damaged log. Those before it that have not come are lost.
    fn take(
        &mut self,
        place: impl FnOnce() -> String,
        record: &Record<'_>,
    ) -> Result<(), StoreError> {
        if record.position < self.next {
            return Ok(());
        }
        if record.position > self.next {
            self.reaches(place(), record.position);
        }
        self.next = record.position + 1;
        let expected = record.revision.checked_sub(1);
        let encoded =
            Encoded { kind: record.kind, version: record.version, body: record.body.to_vec() };
        self.batch.push(Append {
            stream: record.stream,
            expected: expected.map_or(Expected::NoStream, |last| Expected::Exact(Revision(last))),
            events: vec![NewEvent { encoded, at: record.at }],
        });
        if self.batch.len() == 1000 { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        let results = self.log.append(&self.batch);
        for (append, result) in self.batch.drain(..).zip(results) {
            match result {
                Ok(_) => self.report.copied += 1,
                Err(AppendError::Conflict { .. } | AppendError::Rejected(_)) => {
                    self.report.left_out += 1;
                    if self.report.streams_cut.len() < NAMED_MAX {
                        self.report.streams_cut.insert(append.stream);
                    }
                }
                Err(error) => return Err(StoreError::Broken(error.to_string())),
            }
        }
        while let Some(sealing) = self.log.sealing() {
            sealing.run()?;
        }
        Ok(())
    }

    /// The damaged log has come to `position`: what was due before it is lost.
    fn reaches(&mut self, file: String, position: u64) {
        if position > self.next {
            self.report.lost += position - self.next;
            if self.report.gaps.len() < NAMED_MAX {
                self.report.gaps.push(Gap { file, positions: (self.next, position - 1) });
            }
            self.next = position;
        }
    }
}

fn read_sealed<F: Files, T: Files>(
    files: &F,
    store: StoreId,
    span: Span,
    copy: &mut Copy<'_, T>,
) -> Result<(), StoreError> {
    let name = names::sealed(span);
    let source = open(files, store, &name, Content::Blocks, span.base)?;
    let salvaged = Salvaged::of(source, span)?;
    salvaged.each_block(|block| {
        for row in block.rows() {
            let Some(row) = row else { break };
            if let Some(stream) = salvaged.stream(row.stream) {
                copy.take(|| files.place(&name), &row.record(stream))?;
            }
        }
        Ok(())
    })
}

fn read_frames<F: Files, T: Files>(
    files: &F,
    store: StoreId,
    base: u64,
    copy: &mut Copy<'_, T>,
) -> Result<(), StoreError> {
    let name = names::frames(base);
    let source = open(files, store, &name, Content::Frames, base)?;
    let failed = |error| StoreError::of_disk("read", files.place(&name), error);
    let size = source.file.size().map_err(failed)?;
    let mut contents = vec![0; usize::try_from(size).unwrap_or(0)];
    let read = source.file.read_full_at(&mut contents, 0).map_err(failed)?;
    contents.truncate(read);
    let mut at = HEADER_BYTES;
    while let Some(found) = contents
        .get(at..)
        .and_then(|rest| rest.windows(MARK.len()).position(|window| window == MARK))
    {
        at += found;
        let rest = &contents[at..contents.len().min(at + FRAME_BYTES_MAX)];
        let offset = u32::try_from(at).unwrap_or(u32::MAX);
        match frame::decode(rest, source.salt, offset) {
            Ok(frame) => {
                for record in frame.records().map_while(Result::ok) {
                    copy.take(|| files.place(&name), &record)?;
                }
                at += frame.length as usize;
            }
            Err(_) => at += 1,
        }
    }
    Ok(())
}

/// Opens a file by what its name says, since its header may be damaged.
fn open<F: Files>(
    files: &F,
    store: StoreId,
    name: &str,
    content: Content,
    base: u64,
) -> Result<Source<F::File>, StoreError> {
    let place: Arc<str> = files.place(name).into();
    let file =
        files.open_to_read(name).map_err(|error| StoreError::of_disk("open", &*place, error))?;
    Ok(Source { file: Arc::new(file), place, salt: Salt::of(store, content, base) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Reader, Stored};
    use crate::disk::SimDisk;
    use crate::log::tests::{FIRST, damage, frames_of, killed, options, sealed, small_segments};
    use crate::log::{Options, verify};
    use schemas::Position;

    fn repaired(disk: &SimDisk) -> (RepairReport, Vec<Stored>) {
        let target = SimDisk::new(2);
        let other = Options { store: StoreId([9; 16]), ..small_segments() };
        let (mut log, _) = Log::open(target.clone(), other).unwrap();
        let report = repair(disk, small_segments().store, &mut log, &mut |_, _| ()).unwrap();
        let events = log.reader().read_all(Position(0), usize::MAX).unwrap();
        log.close().unwrap();
        assert!(verify(&target, other.store).unwrap().is_sound());
        assert_eq!(report.copied, events.len() as u64);
        (report, events)
    }

    /// Events without their positions, stream by stream up to the given ones.
    fn bodies(events: &[Stored], without: &BTreeSet<u64>) -> Vec<(StreamId, Revision, Vec<u8>)> {
        let mut cut = BTreeSet::new();
        let kept = events.iter().filter(|event| {
            if without.contains(&event.position.0) {
                cut.insert(event.stream);
            }
            !cut.contains(&event.stream)
        });
        kept.map(|event| (event.stream, event.revision, event.encoded.body.clone())).collect()
    }

    #[track_caller]
    fn check(disk: &SimDisk, before: &[Stored], lost: impl IntoIterator<Item = u64>) {
        let lost: BTreeSet<u64> = lost.into_iter().collect();
        let (report, events) = repaired(disk);
        assert_eq!(report.lost, lost.len() as u64, "{:?}", report.gaps);
        assert_eq!(bodies(&events, &BTreeSet::new()), bodies(before, &lost));
        assert_eq!(report.copied + report.left_out + report.lost, before.len() as u64);
    }

    fn whole(disk: &SimDisk, options: Options) -> Vec<Stored> {
        let (log, _) = Log::open(disk.clone(), options).unwrap();
        log.reader().read_all(Position(0), usize::MAX).unwrap()
    }

    #[test]
    fn of_a_sound_log_everything_is_copied() {
        let (disk, log) = sealed(1500);
        drop(log);
        check(&disk, &whole(&disk, small_segments()), []);
    }

    #[test]
    fn behind_a_damaged_frame_only_its_stream_ends() {
        let disk = killed(20, 0, options());
        let before = whole(&disk, options());
        let frames = frames_of(&disk.contents(FIRST).unwrap());
        damage(&disk, FIRST, |contents| contents[frames[6] + 70] ^= 1);
        check(&disk, &before, [7]);
    }

    #[test]
    fn a_damaged_header_costs_nothing() {
        let (disk, log) = sealed(1500);
        let before = whole(&disk, small_segments());
        drop(log);
        for name in disk.list().unwrap() {
            damage(&disk, &name, |contents| {
                contents.iter_mut().take(4096).for_each(|byte| *byte = 0)
            });
        }
        check(&disk, &before, []);
    }

    #[test]
    fn a_sealed_segment_without_footer_or_table_costs_nothing() {
        let (disk, log) = sealed(1500);
        let before = whole(&disk, small_segments());
        drop(log);
        let name = disk.list().unwrap().into_iter().find(|name| name.ends_with(".sealed")).unwrap();
        damage(&disk, &name, |contents| contents.truncate(contents.len() - 64));
        check(&disk, &before, []);
        damage(&disk, &name, |contents| contents.truncate(contents.len() - 4096));
        check(&disk, &before, []);
    }

    #[test]
    fn a_damaged_block_costs_its_events() {
        let (disk, log) = sealed(1500);
        let before = whole(&disk, small_segments());
        drop(log);
        let span = Listing::of(&disk).unwrap().sealed[1];
        damage(&disk, &names::sealed(span), |contents| contents[HEADER_BYTES + 100] ^= 1);
        check(&disk, &before, span.base..=span.last);
    }

    #[test]
    fn a_missing_segment_and_a_lost_end_are_told() {
        let (disk, log) = sealed(1500);
        let before = whole(&disk, small_segments());
        log.close().unwrap();
        let listing = Listing::of(&disk).unwrap();
        let (span, last) = (listing.sealed[2], *listing.frames.last().unwrap());
        disk.remove(&names::sealed(span)).unwrap();
        disk.remove(&names::frames(last)).unwrap();
        check(&disk, &before, (span.base..=span.last).chain(last..=1500));
    }
}
