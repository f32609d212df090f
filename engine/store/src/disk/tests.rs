use super::*;

fn synced_file(disk: &SimDisk, bytes: &[u8]) -> SimFile {
    let file = disk.create("f").unwrap();
    file.write_all_at(bytes, 0).unwrap();
    file.sync_data().unwrap();
    disk.sync_dir().unwrap();
    file
}

/// Runs `story` on many seeds and says in how many the file then held `wanted`.
fn count(wanted: &[u8], story: impl Fn(&SimDisk) -> SimDisk) -> usize {
    let seeds = 0..400;
    seeds
        .filter(|seed| story(&SimDisk::new(*seed)).contents("f").as_deref() == Some(wanted))
        .count()
}

#[test]
fn what_was_synced_outlives_every_power_cut() {
    let kept = count(b"durable", |disk| {
        let file = synced_file(disk, b"durable");
        file.write_all_at(b" and not", 7).unwrap();
        let disk = disk.crash(Crash::Power);
        let file = disk.open("f").unwrap();
        assert!(file.size().unwrap() >= 7, "a synced size shrank");
        file.truncate(7).unwrap();
        disk
    });
    assert_eq!(kept, 400);
}

#[test]
fn what_was_not_synced_is_sometimes_kept_and_sometimes_lost() {
    let kept = count(b"durable and not", |disk| {
        synced_file(disk, b"durable").write_all_at(b" and not", 7).unwrap();
        disk.crash(Crash::Power)
    });
    assert!((50..350).contains(&kept), "{kept}");
}

#[test]
fn a_kill_keeps_what_was_written() {
    let kept = count(b"durable and not", |disk| {
        synced_file(disk, b"durable").write_all_at(b" and not", 7).unwrap();
        disk.crash(Crash::Process)
    });
    assert_eq!(kept, 400);
}

#[test]
fn a_name_that_was_not_synced_may_vanish_with_its_file() {
    let kept = count(b"whole", |disk| {
        let file = disk.create("f").unwrap();
        file.write_all_at(b"whole", 0).unwrap();
        file.sync_data().unwrap();
        disk.crash(Crash::Power)
    });
    assert!((50..350).contains(&kept), "{kept}");
}

// Linux marks the pages clean after telling the error once: "fsyncgate", PostgreSQL 2018.
#[test]
fn after_a_failed_sync_the_next_one_promises_nothing() {
    let kept = count(b"old new", |disk| {
        let file = synced_file(disk, b"old");
        file.write_all_at(b" new", 3).unwrap();
        disk.set_faults(Faults { failed_sync_one_in: 1, ..Faults::default() });
        assert!(file.sync_data().is_err());
        disk.set_faults(Faults::default());
        file.sync_data().unwrap();
        disk.crash(Crash::Power)
    });
    assert!((50..390).contains(&kept), "{kept}");
}

#[test]
fn writing_again_after_a_failed_sync_makes_it_durable() {
    let kept = count(b"old new", |disk| {
        let file = synced_file(disk, b"old");
        disk.set_faults(Faults { failed_sync_one_in: 1, ..Faults::default() });
        file.write_all_at(b" new", 3).unwrap();
        assert!(file.sync_data().is_err());
        disk.set_faults(Faults::default());
        file.write_all_at(b" new", 3).unwrap();
        file.sync_data().unwrap();
        disk.crash(Crash::Power)
    });
    assert_eq!(kept, 400);
}

#[test]
fn a_full_disk_takes_what_fits_and_then_says_so() {
    let disk = SimDisk::new(1);
    disk.set_faults(Faults { capacity_bytes: 4, ..Faults::default() });
    let file = disk.create("f").unwrap();
    assert_eq!(file.write_at(b"abcdef", 0).unwrap(), 4);
    let error = file.write_at(b"ef", 4).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
}

#[test]
fn after_its_death_nothing_works_until_the_next_life() {
    let disk = SimDisk::new(1);
    let file = synced_file(&disk, b"x");
    disk.die_after(1);
    file.write_at(b"y", 1).unwrap();
    assert!(file.sync_data().is_err());
    let next = disk.crash(Crash::Process);
    assert!(file.write_at(b"z", 0).is_err(), "a handle outlived its process");
    assert_eq!(next.contents("f").unwrap(), b"xy");
}
