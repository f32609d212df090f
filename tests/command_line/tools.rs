//! `log`, `backup` and `restore`, over a folder of three calls.

use super::folder::Folder;
use super::{callfold_in, said};
use expect_test::{Expect, expect};
use std::path::{Path, PathBuf};
use store::DataFolder;

/// A place with a folder of three calls in it.
fn place() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    Folder::of_three_calls(&place.path().join("data"));
    place
}

fn run(place: &Path, line: &str) -> (i32, String, String) {
    said(&callfold_in(place, &line.split(' ').collect::<Vec<_>>()))
}

/// What a command prints, and how it ends.
#[track_caller]
fn check(place: &Path, line: &str, wanted: Expect) {
    let (code, out, err) = run(place, line);
    let store = DataFolder::open_to_read(&place.join("data")).unwrap().store_id().to_string();
    wanted.assert_eq(&format!("{out}{err}exit {code}\n").replace(&store, "(store)"));
}

fn damage(place: &Path) -> PathBuf {
    let file = place.join("data/log/00000000000000000001.log");
    let mut contents = std::fs::read(&file).unwrap();
    // In the second call's only frame.
    let at = 4096 + (contents.len() - 4096) / 2;
    contents[at] ^= 1;
    std::fs::write(&file, contents).unwrap();
    file
}

#[test]
fn a_log_says_what_it_is() {
    let place = place();
    check(
        place.path(),
        "log info --data data",
        expect![[r#"
            node      node-1
            store     (store), format 1
            events    13, from 2026-09-21T14:13:20.000Z to 2026-09-21T14:13:42.000Z
            sealed    0 segments to event 0, 0.0 MB
            open      1 segment, 0.0 MB, 406 bytes an event
            indexes   0, 0.0 MB
            exit 0
        "#]],
    );
    let (_, json, _) = run(place.path(), "log info --data data --json");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["events"], &json["sealed_segments"]), (&13.into(), &0.into()));
}

#[test]
fn what_is_sound_is_said_to_be_and_damage_is_told_with_its_place() {
    let place = place();
    check(
        place.path(),
        "log verify --data data",
        expect![[r#"
        log      13 events in 3 streams, 1 segment (0 sealed), 0.0 MB
        exit 0
    "#]],
    );
    damage(place.path());
    check(
        place.path(),
        "log verify --data data",
        expect![[r#"
            log      4 events in 1 streams, 1 segment (0 sealed), 0.0 MB
              FAULT  data/log/00000000000000000001.log byte 4508, position 5: the frame's checksum does not fit
            callfold: data is not sound: `callfold log repair --to NEW` copies what is good
            exit 1
        "#]],
    );
    let (code, out, _) = run(place.path(), "verify --data data");
    assert_eq!(code, 1);
    assert!(out.ends_with("something is wrong: see above\n"), "{out}");
}

#[test]
fn of_a_damaged_log_what_is_good_is_copied_and_what_is_lost_is_named() {
    let place = place();
    damage(place.path());
    check(
        place.path(),
        "log repair --data data --to new",
        expect![[r#"
            copied   7 events to new
            lost     6 events
              LOST   positions 5 to 10, data/log/00000000000000000001.log
            left out 0 events that follow a lost one in their stream
            callfold: new holds what could be saved: go on with it. What could not be stands above, and the damaged folder is as it was
            exit 1
        "#]],
    );
    check(
        place.path(),
        "log repair --data data --to new",
        expect![[r#"
        callfold: new does not belong here: there is something there already: name a new folder
        exit 1
    "#]],
    );
    let (code, out, err) = run(place.path(), "verify --data new");
    assert_eq!(code, 0, "{out}{err}");
    let (_, records, _) = run(place.path(), "records --data new --format json");
    assert_eq!(records.lines().count(), 2);
    assert!(records.contains("+8613800000017"), "the persons came along: {records}");
}

#[test]
fn a_history_is_copied_to_another_log() {
    let place = place();
    let (code, out, err) = run(place.path(), "log copy --from log:data/log --to log:copy/log");
    assert_eq!((code, out.as_str()), (0, ""), "{err}");
    assert_eq!(err, "callfold: 13 events copied to log:copy/log\n");
    let events = |data| run(place.path(), &format!("events --data {data} --format json")).1;
    assert_eq!(events("copy"), events("data"));
    let (code, _, err) = run(place.path(), "log copy --from log:data --to log:copy");
    assert_eq!(code, 1);
    assert!(err.contains("there is something there already: name a new folder"), "{err}");
    let (code, _, err) = run(place.path(), "log copy --from log:data --to log:data");
    assert_eq!(code, 1);
    assert!(err.contains("both where from and where to"), "{err}");
    let (code, _, err) = run(place.path(), "log copy --from log:data --to ftp://x");
    assert_eq!(code, 2);
    assert!(err.contains("write a store's URL"), "{err}");
}

#[test]
fn a_backup_is_made_beside_the_engine_and_brought_back() {
    let place = place();
    let running = Folder::open(&place.path().join("data"));
    let (code, out, err) = run(place.path(), "backup --data data --to saved");
    assert_eq!((code, out.as_str()), (0, ""), "{err}");
    assert!(err.contains("13 events in 1 files"), "{err}");
    running.close();
    let (code, _, err) = run(place.path(), "restore --from saved --data back");
    assert_eq!(code, 0, "{err}");
    let records = |data| run(place.path(), &format!("records --data {data}")).1;
    assert_eq!(records("back"), records("data"));
    assert_eq!(run(place.path(), "verify --data back").0, 0);
    let (code, _, err) = run(place.path(), "restore --from saved --data back");
    assert_eq!(code, 1);
    assert!(err.contains("only to where there is nothing yet"), "{err}");
}
