//! Data folders that somebody or something has spoiled, and stores that are not there: what is wrong,
//! where, and what to do, said once.

use super::folder::Folder;
use super::{callfold_in, said};
use expect_test::{Expect, expect};
use std::fs;
use std::path::Path;

const SEGMENT: &str = "data/log/00000000000000000001.log";
/// Opens the folder to write.
const DIAL: &str = "dial --list list.csv --data data --gateway sip:127.0.0.1:9 --max-attempts 1";

/// Spoils a folder of three calls, runs something, and shows what it complains of.
#[track_caller]
fn check(spoil: impl Fn(&Path), line: &str, wanted: Expect) {
    let place = tempfile::tempdir().unwrap();
    Folder::of_three_calls(&place.path().join("data"));
    fs::write(place.path().join("list.csv"), "phone\n+8613800000019\n").unwrap();
    spoil(place.path());
    let words: Vec<_> = line.split(' ').collect();
    let (code, _, err) = said(&callfold_in(place.path(), &words));
    assert_ne!(code, 0, "{err}");
    for said in err.split(": ").filter(|said| said.len() > 12) {
        assert_eq!(err.matches(said.trim()).count(), 1, "said twice: {err}");
    }
    wanted.assert_eq(&format!("{err}exit {code}\n"));
}

#[test]
fn a_segment_without_a_byte() {
    check(
        |place| fs::write(place.join(SEGMENT), "").unwrap(),
        DIAL,
        expect![[r#"
            callfold: data/log/00000000000000000001.log is damaged at byte 0: the file ends within its header. Nothing has been changed; `callfold verify` shows how far it goes, `callfold log repair --to NEW` copies what is sound
            exit 1
        "#]],
    );
}

#[test]
fn a_folder_where_a_segment_is_due() {
    let spoil = |place: &Path| {
        fs::remove_file(place.join(SEGMENT)).unwrap();
        fs::create_dir(place.join(SEGMENT)).unwrap();
    };
    check(
        spoil,
        DIAL,
        expect![[r#"
            callfold: could not list data/log/: 00000000000000000001.log there is no ordinary file
            exit 1
        "#]],
    );
    let after_a_crash = |place: &Path| {
        spoil(place);
        fs::remove_file(place.join("data/log/stopped")).unwrap();
    };
    check(
        after_a_crash,
        DIAL,
        expect![[r#"
            callfold: could not list data/log/: 00000000000000000001.log there is no ordinary file
            exit 1
        "#]],
    );
}

#[test]
fn a_file_where_the_log_is_due() {
    let spoil = |place: &Path| {
        fs::remove_dir_all(place.join("data/log")).unwrap();
        fs::write(place.join("data/log"), "").unwrap();
    };
    check(
        spoil,
        DIAL,
        expect![[r#"
            callfold: could not make data/log: File exists (os error 17)
            exit 1
        "#]],
    );
}

#[test]
fn the_segment_of_another_log() {
    let spoil = |place: &Path| {
        Folder::of_three_calls(&place.join("other"));
        fs::copy(place.join("other").join(&SEGMENT[5..]), place.join(SEGMENT)).unwrap();
    };
    check(
        spoil,
        DIAL,
        expect![[r#"
            callfold: data/log/00000000000000000001.log does not belong here: it is of another store
            exit 1
        "#]],
    );
    check(
        spoil,
        "records --data data",
        expect![[r#"
        callfold: data/log/00000000000000000001.log does not belong here: it is of another store
        exit 1
    "#]],
    );
}

#[test]
fn keys_that_are_no_keys() {
    let spoil = |place: &Path| fs::write(place.join("data/keys/persons"), "x").unwrap();
    check(
        spoil,
        DIAL,
        expect![[r#"
            callfold: data/keys/persons does not belong here: it does not begin as Callfold's keys of persons do: bring it back from a backup
            exit 1
        "#]],
    );
}

#[test]
fn a_node_file_that_is_none() {
    let spoil = |place: &Path| fs::write(place.join("data/node.toml"), "no").unwrap();
    check(
        spoil,
        DIAL,
        expect![[r#"
            callfold: data/node.toml does not belong here: key with no value, expected `=`
            exit 1
        "#]],
    );
}

#[test]
fn common_logs_that_do_not_answer_or_cannot_be_named() {
    let empty = |place: &Path| fs::remove_dir_all(place.join("data")).unwrap();
    for (url, wanted) in [
        (
            "postgres://127.0.0.1:1/x",
            expect![[r#"
                callfold: the store at postgres://127.0.0.1/x, schema callfold cannot be used: error connecting to server: Connection refused (os error 111). Start it, or put its right name and port into the URL
                exit 1
            "#]],
        ),
        (
            "kurrentdb://127.0.0.1:1?tls=false",
            expect![[r#"
                callfold: the store at kurrentdb://127.0.0.1:1, log callfold cannot be used: Connection refused (os error 111). Start it, or put its right name and port into the URL
                exit 1
            "#]],
        ),
        (
            "kurrentdb://",
            expect![[r#"
                error: invalid value 'kurrentdb://' for '--store <URL>': write a store's URL: memory:, log:PATH, postgres://… or kurrentdb://…

                For more information, try '--help'.
                exit 2
            "#]],
        ),
        (
            "mysql://127.0.0.1/x",
            expect![[r#"
                error: invalid value 'mysql://127.0.0.1/x' for '--store <URL>': write a store's URL: memory:, log:PATH, postgres://… or kurrentdb://…

                For more information, try '--help'.
                exit 2
            "#]],
        ),
    ] {
        check(empty, &format!("{DIAL} --store {url}"), wanted);
    }
}
