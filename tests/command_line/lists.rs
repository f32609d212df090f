//! `dial` before it dials: what is wrong with a list, a login or a folder is one sentence.

use super::{callfold_in, said};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// As long as a busy machine may take.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A `dial` that must fail before anything is dialled.
fn check(folder: &Path, more: &[&str], code: i32, sentence: &str) {
    let words = ["dial", "--data", "data", "--gateway", "sip:127.0.0.1:9"];
    let (seen, out, err) = said(&callfold_in(folder, &[&words[..], more].concat()));
    assert_eq!((seen, out.as_str()), (code, ""), "{more:?}: {err}");
    assert!(err.contains(sentence), "{more:?}: {err}");
    assert!(err.trim_end().lines().count() <= 4, "one sentence: {err}");
}

#[test]
fn what_cannot_be_dialled_is_said_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("list.csv"), "+8613800000017\n").unwrap();
    std::fs::write(path.join("list.xlsx"), b"PK\x03\x04rest").unwrap();
    std::fs::write(path.join("empty.csv"), "").unwrap();
    std::fs::write(path.join("hello.wav"), "no audio").unwrap();
    check(path, &["--list", "nowhere.csv"], 1, "nowhere.csv");
    check(path, &["--list", "list.xlsx"], 1, "save it as CSV (UTF-8)");
    check(path, &["--list", "empty.csv"], 1, "the list is empty");
    check(path, &["--list", "list.csv", "--prompt", "hello.wav"], 1, "hello.wav");
    check(path, &["--list", "list.csv", "--username", "u"], 2, "CALLFOLD_SIP_PASSWORD");
    check(path, &["--list", "list.csv", "--caller-id", "a\nb"], 2, "control character");
    check(path, &["--list", "list.csv", "--region", "XX"], 2, "no region");
    check(path, &["--list", "list.csv", "--batch", " "], 2, "printable");
    check(path, &["--list", "list.csv", "--rate", "0"], 2, "above 0");
}

#[test]
fn a_list_without_an_end_is_given_up_when_somebody_asks() {
    let folder = tempfile::tempdir().unwrap();
    let words = ["dial", "--list", "/dev/zero", "--data", "data", "--gateway", "sip:127.0.0.1:9"];
    let dial = Command::new(env!("CARGO_BIN_EXE_callfold"))
        .args(words)
        .current_dir(folder.path())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program was built for this test");
    let begun = Instant::now();
    while !folder.path().join("data/log").exists() {
        assert!(begun.elapsed() < PATIENCE, "it never began");
        std::thread::sleep(LOOK_EVERY);
    }
    kill(Pid::from_raw(dial.id() as i32), Signal::SIGINT).unwrap();
    let ended = dial.wait_with_output().unwrap();
    let (code, _, err) = said(&ended);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("nobody of it was called"), "{err}");
}
