use super::*;
use crate::disk::SimDisk;
use crate::log::Options;
use crate::log::tests::{FIRST, damage, frames_of, killed, options, sealed, small_segments};

fn report(disk: &SimDisk, options: Options) -> Report {
    verify(disk, options.store).unwrap()
}

#[track_caller]
fn faulty(disk: &SimDisk, file: &str, what: &str) {
    let report = report(disk, small_segments());
    let first = report.faults.first().expect("something is wrong");
    assert!(first.file.ends_with(file) && first.what.contains(what), "{:?}", report.faults);
}

fn first_of(disk: &SimDisk, suffix: &str) -> String {
    disk.list().unwrap().into_iter().find(|name| name.ends_with(suffix)).unwrap()
}

#[test]
fn a_sound_log_is_counted() {
    let disk = killed(40, 2, small_segments());
    let report = report(&disk, small_segments());
    assert!(report.is_sound() && report.torn.is_none(), "{report:?}");
    assert_eq!((report.events, report.streams, report.head), (42, 5, 42));
    assert!(report.segments > 3 && report.sealed == 0);
}

#[test]
fn a_sealed_log_is_counted_whatever_part_of_it_fits_the_memory() {
    let (disk, _log) = sealed(1500);
    let whole = report(&disk, small_segments());
    assert!(whole.is_sound(), "{whole:?}");
    assert_eq!((whole.events, whole.streams, whole.head), (1500, 50, 1500));
    assert!(whole.sealed > 10 && whole.index_bytes > 0);
    for most in [1, 7, 49] {
        assert_eq!(
            verify_within(&disk, small_segments().store, most, &mut |_, _| ()).unwrap(),
            whole,
            "{most}"
        );
    }
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
fn damage_in_sealed_segments_and_indexes_is_told() {
    let (disk, _log) = sealed(1500);
    let (segment, index) = (first_of(&disk, ".sealed"), first_of(&disk, ".index"));
    let sound = |name: &str| disk.contents(name).unwrap();
    let (segment_sound, index_sound) = (sound(&segment), sound(&index));
    for (name, at, what) in [
        (&segment, 4096 + 40, "a block's checksum does not fit"),
        (&segment, segment_sound.len() - 3, "the file does not end as a sealed segment does"),
        (&segment, segment_sound.len() - 64 - 4096 + 5, "a page's checksum does not fit"),
        (&index, 4096 + 5, "a page's checksum does not fit"),
        (&index, index_sound.len() - 5, "the file does not end as an index does"),
    ] {
        damage(&disk, name, |contents| contents[at] ^= 1);
        faulty(&disk, name, what);
        damage(&disk, name, |contents| contents[at] ^= 1);
    }
    assert!(report(&disk, small_segments()).is_sound());
}

#[test]
fn an_index_of_other_events_is_told() {
    let (disk, log) = sealed(1500);
    drop(log);
    // One that is whole, and says nothing of most streams.
    let listing = Listing::of(&disk).unwrap();
    let span = listing.indexes[0];
    let none = crate::log::streams::Tails::default();
    let made = crate::log::sealed::seal::write_index(&disk, small_segments().store, span, 1, &none);
    disk.rename(&made.unwrap(), &names::index(span)).unwrap();
    faulty(&disk, &names::index(span), "it has 0 of ");
}

#[test]
fn a_missing_segment_and_a_lost_end_are_told() {
    let (disk, _log) = sealed(1500);
    disk.remove(&first_of(&disk, ".log")).unwrap();
    faulty(&disk, "", "the log ends with event");
    let (disk, _log) = sealed(1500);
    let second =
        disk.list().unwrap().into_iter().filter(|name| name.ends_with(".sealed")).nth(1).unwrap();
    disk.remove(&second).unwrap();
    assert!(!report(&disk, small_segments()).is_sound());
    let disk = SimDisk::new(1);
    stopped::write(&disk, options().store, 7).unwrap();
    faulty(&disk, "", "the log ends with event 0, and it had 7");
}
