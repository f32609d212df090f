use super::frame::MARK;
use super::*;
use crate::api::{Expected, Reader, Stored};
use crate::disk::{Crash, Faults, SimDisk};
use schemas::CallId;
use schemas::event::Encoded;

pub(super) fn options() -> Options {
    Options::new(StoreId([1; 16]))
}

pub(super) fn small_segments() -> Options {
    Options { segment_bytes: 5000, ..options() }
}

fn stream(number: u8) -> StreamId {
    StreamId::call(CallId([number; 16]))
}

fn append(number: u8, body: &[u8]) -> Append {
    let encoded = Encoded { kind: 1, version: 1, body: body.to_vec() };
    let events = vec![NewEvent { encoded, at: Timestamp(1_790_000_000_000) }];
    Append { stream: stream(number), expected: Expected::Any, events }
}

fn open(disk: &SimDisk, options: Options) -> Result<(Log<SimDisk>, Recovery), StoreError> {
    Log::open(disk.clone(), options)
}

/// A log that was stopped with -9 after `synced` appends, each synced, and some that were not.
pub(super) fn killed(synced: u8, unsynced: u8, options: Options) -> SimDisk {
    let disk = SimDisk::new(1);
    let (mut log, _) = open(&disk, options).unwrap();
    for number in 0..synced {
        assert!(log.append(&[append(number % 5, &[number; 40])])[0].is_ok());
        log.sync().unwrap();
    }
    for number in 0..unsynced {
        assert!(log.append(&[append(number % 5, &[0xee; 40])])[0].is_ok());
    }
    disk.crash(Crash::Process)
}

fn all(log: &Log<SimDisk>) -> Vec<Stored> {
    log.reader().read_all(Position(0), usize::MAX).unwrap()
}

pub(super) const FIRST: &str = "00000000000000000001.log";

/// Where each frame of a file begins.
pub(super) fn frames_of(contents: &[u8]) -> Vec<usize> {
    (HEADER_BYTES..contents.len() - 4).filter(|at| contents[*at..][..4] == MARK).collect()
}

pub(super) fn damage(disk: &SimDisk, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let mut contents = disk.contents(name).unwrap();
    change(&mut contents);
    disk.put(name, contents);
}

#[track_caller]
fn refused(result: Result<(Log<SimDisk>, Recovery), StoreError>, wanted: &str) {
    match result {
        Ok((log, recovery)) => panic!("it opened with {} events: {recovery:?}", all(&log).len()),
        Err(error) => {
            let text = error.in_full();
            assert!(text.contains(wanted), "{text}");
        }
    }
}

#[test]
fn a_torn_tail_is_cut_even_with_whole_frames_behind_it() {
    let disk = killed(5, 3, options());
    let frames = frames_of(&disk.contents(FIRST).unwrap());
    // The disk kept the last two of three unsynced frames, and not the first.
    damage(&disk, FIRST, |contents| contents[frames[5]..frames[6]].fill(0));
    let (log, recovery) = open(&disk, options()).unwrap();
    assert_eq!(all(&log).len(), 5);
    let cut = recovery.cut.unwrap();
    assert_eq!((cut.offset, cut.why.as_str()), (frames[5] as u64, "no frame begins here"));
}

#[test]
fn damage_below_what_a_later_frame_attests_is_refused_and_named() {
    let disk = killed(5, 1, options());
    let frames = frames_of(&disk.contents(FIRST).unwrap());
    // The last frame was written after the sync of the five before it, and says so.
    for broken in &frames[..5] {
        let disk = killed(5, 1, options());
        damage(&disk, FIRST, |contents| contents[broken + 70] ^= 1);
        refused(open(&disk, options()), &format!("{FIRST} is damaged at byte {broken}: "));
    }
}

#[test]
fn every_flipped_bit_is_refused_or_costs_only_what_nobody_attests() {
    let sound = killed(3, 1, options());
    let contents = sound.contents(FIRST).unwrap();
    let (log, _) = open(&sound, options()).unwrap();
    let events = all(&log);
    for bit in (0..contents.len() * 8).filter(|bit| bit / 8 >= HEADER_BYTES || bit % 97 == 0) {
        let disk = SimDisk::new(1);
        let mut damaged = contents.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        disk.put(FIRST, damaged);
        match open(&disk, options()) {
            Ok((log, _)) => {
                let left = all(&log);
                assert!(left.len() >= 2 && left == events[..left.len()], "bit {bit}");
            }
            Err(
                StoreError::Corrupt { .. } | StoreError::Foreign { .. } | StoreError::Newer { .. },
            ) => {}
            Err(error) => panic!("bit {bit}: {error}"),
        }
    }
}

#[test]
fn an_end_that_got_lost_after_a_clean_stop_is_refused() {
    let disk = SimDisk::new(1);
    let (mut log, _) = open(&disk, options()).unwrap();
    log.append(&[append(1, b"a"), append(1, b"b")]);
    log.close().unwrap();
    let last = *frames_of(&disk.contents(FIRST).unwrap()).last().unwrap();
    damage(&disk, FIRST, |contents| contents.truncate(last));
    refused(open(&disk, options()), "ends with event 1, and it had 2 when it was last stopped");
    disk.remove(FIRST).unwrap();
    refused(open(&disk, options()), "ends with event 0, and it had 2 when it was last stopped");
}

#[test]
fn a_mark_of_an_earlier_stop_does_not_hinder_a_crash_after_it() {
    let disk = SimDisk::new(1);
    let (mut log, _) = open(&disk, options()).unwrap();
    log.append(&[append(1, b"a")]);
    log.close().unwrap();
    let (mut log, _) = open(&disk, options()).unwrap();
    log.append(&[append(1, b"b")]);
    log.sync().unwrap();
    let (log, recovery) = open(&disk.crash(Crash::Power), options()).unwrap();
    assert_eq!((all(&log).len(), recovery.cut), (2, None));
}

#[test]
fn segments_follow_one_another_and_a_missing_or_shortened_one_is_refused() {
    let disk = killed(40, 0, small_segments());
    let names: Vec<_> = disk.list().unwrap();
    assert!(names.len() > 3, "{names:?}");
    let (log, recovery) = open(&disk, small_segments()).unwrap();
    assert_eq!((all(&log).len(), recovery.segments), (40, names.len()));
    drop(log);
    damage(&disk, &names[1], |contents| contents.truncate(contents.len() - 9));
    refused(open(&disk, small_segments()), "is cut off, and a later segment follows");
    disk.remove(&names[1]).unwrap();
    refused(open(&disk, small_segments()), "it begins with event");
}

#[test]
fn a_folder_of_another_store_or_of_a_newer_format_is_refused() {
    let disk = killed(1, 0, options());
    refused(open(&disk, Options::new(StoreId([2; 16]))), "it is of another store");
    damage(&disk, FIRST, |contents| contents[8] = 9);
    refused(open(&disk, options()), "newer version of Callfold (format 9, this one reads up to 1)");
    damage(&disk, FIRST, |contents| contents[0] = b'X');
    refused(open(&disk, options()), "it does not begin as a file of a Callfold log does");
}

#[test]
fn a_file_that_was_being_made_when_the_power_went_is_cleared_away() {
    let disk = killed(2, 0, options());
    disk.put("00000000000000000003.log.tmp", b"half a head".to_vec());
    let (log, _) = open(&disk, options()).unwrap();
    assert_eq!(all(&log).len(), 2);
    assert_eq!(disk.list().unwrap(), [FIRST]);
}

#[test]
fn readers_see_nothing_before_it_is_durable() {
    let disk = SimDisk::new(1);
    let (mut log, _) = open(&disk, options()).unwrap();
    let reader = log.reader();
    log.append(&[append(1, b"a")]);
    log.sync().unwrap();
    log.append(&[append(1, b"b"), append(2, b"c")]);
    assert_eq!(reader.read_stream(stream(1), Revision(0), 9).unwrap().len(), 1);
    assert!(reader.read_stream(stream(2), Revision(0), 9).unwrap().is_empty());
    assert_eq!((reader.head().unwrap(), all(&log).len()), (Position(1), 1));
    assert_eq!(
        (log.head(), log.last_revision(stream(1)).unwrap()),
        (Position(3), Some(Revision(1)))
    );
}

#[test]
fn a_full_disk_is_told_as_such_and_costs_nothing_that_was_there() {
    let disk = killed(3, 0, options());
    let (mut log, _) = open(&disk, options()).unwrap();
    disk.set_faults(Faults { capacity_bytes: 4096 + 900, ..Faults::default() });
    let results = log.append(&[append(1, &[7; 4000])]);
    let Err(AppendError::Broken(why)) = &results[0] else { panic!("{results:?}") };
    assert!(why.contains("no space is left on the disk for simulated disk: 0000"), "{why}");
    disk.set_faults(Faults::default());
    let (log, recovery) = open(&disk.crash(Crash::Process), options()).unwrap();
    assert_eq!(all(&log).len(), 3);
    assert!(recovery.cut.is_some(), "the part that did fit was cut");
}

#[test]
fn another_process_reads_beside_the_writer_and_follows_it_over_segments_and_restarts() {
    let disk = killed(10, 1, small_segments());
    let beside = LogReader::open_beside(disk.clone(), small_segments().store).unwrap();
    assert_eq!(beside.head().unwrap(), Position(11), "a whole frame is shown, durable or not");
    // Recovery puts another file in place of the one that the reader has open.
    let (mut log, _) = open(&disk, small_segments()).unwrap();
    for number in 0..60 {
        log.append(&[append(number % 5, &[number; 40])]);
        log.sync().unwrap();
        assert_eq!(beside.head().unwrap(), log.head());
    }
    assert!(beside.read_all(Position(0), usize::MAX).unwrap() == all(&log));
    for number in 0..5 {
        let read = |reader: &LogReader<SimDisk>| reader.read_stream(stream(number), Revision(1), 9);
        assert_eq!(read(&beside).unwrap(), read(&log.reader()).unwrap());
    }
    let first = beside.wait(Position(0), std::time::Duration::ZERO).unwrap();
    assert_eq!(first, log.head());
}

#[test]
fn a_reader_beside_a_torn_tail_shows_what_is_whole_and_changes_nothing() {
    let disk = killed(5, 2, options());
    let frames = frames_of(&disk.contents(FIRST).unwrap());
    damage(&disk, FIRST, |contents| contents[frames[5] + 30] ^= 1);
    let before = disk.contents(FIRST).unwrap();
    let beside = LogReader::open_beside(disk.clone(), options().store).unwrap();
    assert_eq!(beside.read_all(Position(0), 99).unwrap().len(), 5);
    assert!(disk.contents(FIRST).unwrap() == before);
}

#[test]
fn an_empty_folder_is_a_log_without_events_also_to_a_reader_beside() {
    let disk = SimDisk::new(1);
    let beside = LogReader::open_beside(disk.clone(), options().store).unwrap();
    assert_eq!(beside.head().unwrap(), Position(0));
    let (mut log, recovery) = open(&disk, options()).unwrap();
    assert_eq!((recovery, log.sync().unwrap()), (Recovery::default(), Position(0)));
    log.append(&[append(1, b"a")]);
    log.sync().unwrap();
    assert_eq!(beside.read_all(Position(0), 9).unwrap().len(), 1);
}

/// Seals everything that is full.
fn seal_all(log: &Log<SimDisk>) -> u64 {
    std::iter::from_fn(|| log.sealing()).map(|sealing| sealing.run().unwrap().events).sum()
}

/// A log of `count` events in small segments, all sealed but the last.
pub(super) fn sealed(count: u32) -> (SimDisk, Log<SimDisk>) {
    let disk = SimDisk::new(1);
    let (mut log, _) = open(&disk, small_segments()).unwrap();
    for number in 0..count {
        assert!(log.append(&[append((number % 50) as u8, &number.to_le_bytes())])[0].is_ok());
        log.sync().unwrap();
        seal_all(&log);
    }
    (disk, log)
}

#[test]
fn sealing_changes_nothing_that_is_read() {
    let disk = SimDisk::new(1);
    let (mut log, _) = open(&disk, small_segments()).unwrap();
    for number in 0..400_u32 {
        log.append(&[append((number % 7) as u8, &number.to_le_bytes())]);
    }
    log.sync().unwrap();
    let reader = log.reader();
    let before = all(&log);
    let streams = |reader: &LogReader<SimDisk>| -> Vec<_> {
        let read = |number| reader.read_stream(stream(number), Revision(3), 20).unwrap();
        (0..8).map(read).collect()
    };
    let streams_before = streams(&reader);
    assert!(log.unsealed() > 10);
    assert!(seal_all(&log) > 300);
    assert_eq!(log.unsealed(), 0);
    assert!(all(&log) == before && streams(&reader) == streams_before);
    for after in [0, 1, 57, 399, 400] {
        assert!(
            reader.read_all(Position(after), 9).unwrap()
                == before[after as usize..][..9.min(400 - after as usize)]
        );
    }
    let back = reader.read_all_backward(Position(200), 100).unwrap();
    assert!(back.iter().eq(before[99..199].iter().rev()));
}

#[test]
fn a_long_stream_is_read_in_pages_without_walking_all_of_it_for_each() {
    let disk = SimDisk::new(1);
    let options = Options { segment_bytes: 100_000, ..options() };
    let (mut log, _) = open(&disk, options).unwrap();
    for number in 0..12_000_u32 {
        // Alone, in the same frame as others, and with other streams between.
        let mut long = append(1, &number.to_le_bytes());
        long.events = vec![long.events[0].clone(); 1 + number as usize % 3];
        assert!(log.append(&[long, append(2 + (number % 9) as u8, b"another")])[0].is_ok());
    }
    log.sync().unwrap();
    let reader = log.reader();
    let pages = |page: usize| {
        let mut read: Vec<Stored> = Vec::new();
        loop {
            let from = Revision(read.len() as u32);
            let stretch = reader.read_stream(stream(1), from, page).unwrap();
            if stretch.is_empty() {
                return read;
            }
            read.extend(stretch);
        }
    };
    let whole = reader.read_stream(stream(1), Revision(0), usize::MAX).unwrap();
    assert_eq!(whole.len(), 24_000);
    for (page, sealed) in [(100, false), (77, true), (5_000, true)] {
        if sealed {
            seal_all(&log);
        }
        let before = disk.reads();
        assert!(pages(page) == whole, "{page}");
        // Without marks it is half the stream for each page.
        let reads = (disk.reads() - before) / (24_000 / page as u64);
        assert!(reads < 2_000 + page as u64, "{reads} reads for each page of {page}");
    }
}

#[test]
fn a_sealed_log_opens_without_reading_its_events_and_knows_its_streams() {
    let (disk, log) = sealed(2000);
    let (before, last) = (all(&log), log.last_revision(stream(3)).unwrap());
    drop(log);
    let (mut log, recovery) = open(&disk.crash(Crash::Process), small_segments()).unwrap();
    assert!(recovery.sealed > 20 && recovery.events_scanned < 100, "{recovery:?}");
    assert!(all(&log) == before);
    assert_eq!(log.last_revision(stream(3)).unwrap(), last);
    assert_eq!(log.last_revision(stream(77)).unwrap(), None);
    // Expectations and repeats reach back into sealed segments.
    let again = Append { expected: Expected::NoStream, ..append(0, &0_u32.to_le_bytes()) };
    let conflict = Append { expected: Expected::NoStream, ..append(1, b"other") };
    let results = log.append(&[again, conflict]);
    assert!(results[0].as_ref().unwrap().already);
    assert!(matches!(results[1], Err(AppendError::Conflict { current: Some(_) })));
}

#[test]
fn indexes_are_merged_so_that_they_stay_few() {
    let (disk, log) = sealed(4000);
    let count = |suffix| disk.list().unwrap().iter().filter(|name| name.ends_with(suffix)).count();
    let (segments, indexes) = (count(".sealed"), count(".index"));
    assert!(segments > 64 && indexes <= 8 + 8, "{indexes} indexes of {segments} segments");
    assert_eq!((count(".log"), count(".tmp")), (1, 0));
    assert!((0..50).all(|number| log.last_revision(stream(number)).unwrap() == Some(Revision(79))));
}

#[test]
fn an_index_that_is_missing_or_damaged_is_made_anew() {
    let (disk, log) = sealed(1000);
    let before = all(&log);
    drop(log);
    let indexes = |disk: &SimDisk| -> Vec<String> {
        disk.list().unwrap().into_iter().filter(|name| name.ends_with(".index")).collect()
    };
    let names = indexes(&disk);
    disk.remove(&names[0]).unwrap();
    damage(&disk, &names[1], |contents| *contents.last_mut().unwrap() ^= 1);
    let missing = LogReader::open_beside(disk.clone(), small_segments().store).err().unwrap();
    assert!(missing.to_string().contains("whoever opens the log to write makes it anew"));
    let (log, recovery) = open(&disk, small_segments()).unwrap();
    assert!(recovery.indexes_made >= 2, "{recovery:?}");
    assert!(all(&log) == before && !indexes(&disk).is_empty());
    assert!((0..50).all(|number| log.last_revision(stream(number)).unwrap() == Some(Revision(19))));
}

#[test]
fn damage_in_a_sealed_segment_is_named_when_it_is_read() {
    let (disk, log) = sealed(1000);
    let name = disk.list().unwrap().into_iter().find(|name| name.ends_with(".sealed")).unwrap();
    drop(log);
    damage(&disk, &name, |contents| contents[HEADER_BYTES + 50] ^= 1);
    let (log, _) = open(&disk, small_segments()).unwrap();
    let error = log.reader().read_all(Position(0), 9).unwrap_err();
    assert!(
        error.to_string().contains(&format!("{name} is damaged at byte 4096: a block's checksum")),
        "{error}"
    );
    drop(log);
    damage(&disk, &name, |contents| contents.truncate(contents.len() - 1));
    refused(open(&disk, small_segments()), "the file does not end as a sealed segment does");
    disk.remove(&name).unwrap();
    refused(open(&disk, small_segments()), "it begins with event");
}

#[test]
fn a_log_whose_last_segment_is_gone_is_refused() {
    let (disk, log) = sealed(1000);
    drop(log);
    let name = disk.list().unwrap().into_iter().find(|name| name.ends_with(".log")).unwrap();
    disk.remove(&name).unwrap();
    refused(open(&disk, small_segments()), "the log ends with event");
}

#[test]
fn a_reader_beside_follows_through_the_sealing() {
    let disk = SimDisk::new(1);
    let (mut log, _) = open(&disk, small_segments()).unwrap();
    let beside = LogReader::open_beside(disk.clone(), small_segments().store).unwrap();
    let mut late = None;
    for number in 0..1500_u32 {
        log.append(&[append((number % 9) as u8, &number.to_le_bytes())]);
        log.sync().unwrap();
        seal_all(&log);
        if number % 100 == 99 {
            assert_eq!(beside.head().unwrap(), log.head());
            let opened = LogReader::open_beside(disk.clone(), small_segments().store).unwrap();
            late.get_or_insert(opened);
        }
    }
    for reader in [&beside, &late.unwrap()] {
        assert!(reader.read_all(Position(0), usize::MAX).unwrap() == all(&log));
        let one = reader.read_stream(stream(3), Revision(0), usize::MAX).unwrap();
        assert_eq!(one.len(), 167);
    }
    assert!(beside.unsealed() < 5, "{} segments in memory", beside.unsealed());
}
