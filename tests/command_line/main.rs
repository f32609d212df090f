//! The program as it is typed: what it prints, and how it ends.

mod folder;
mod hostile;
mod lists;
mod persons;
mod reading;
mod tools;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs something beside the simulated carrier, which is told where it listens.
fn with_carrier<T>(folder: &Path, run: impl FnOnce(SocketAddr) -> T) -> T {
    let mut carrier = Command::new(env!("CARGO_BIN_EXE_callfold"))
        .args(["carrier", "--listen", "127.0.0.1:0"])
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program was built for this test");
    let said = BufReader::new(carrier.stderr.take().expect("is piped")).lines();
    let line = said.map_while(Result::ok).find(|line| line.contains("listens on"));
    let line = line.expect("it says where it listens");
    let address = line.split(' ').find_map(|word| word.trim_end_matches([',', '.']).parse().ok());
    let done = run(address.unwrap_or_else(|| panic!("an address in {line}")));
    carrier.kill().expect("it is ours");
    carrier.wait().expect("it ends");
    done
}

/// Runs the program with these words, in this folder, as a pipe sees it.
fn callfold_in(folder: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_callfold"))
        .args(words)
        .current_dir(folder)
        .env_remove("CALLFOLD_LOG")
        .env("NO_COLOR", "1")
        .env("COLUMNS", "100")
        .stdin(Stdio::null())
        .output()
        .expect("the program was built for this test")
}

fn callfold(words: &[&str]) -> Output {
    callfold_in(&std::env::temp_dir(), words)
}

/// What it said: exit code, stdout, stderr.
fn said(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("it prints UTF-8");
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

#[test]
fn wrong_usage_is_two_and_help_is_none() {
    for (words, code) in [
        (&["--help"][..], 0),
        (&["--version"], 0),
        (&["dial", "--help"], 0),
        (&[], 2),
        (&["call"], 2),
        (&["records"], 2),
        (&["records", "--data", ".", "--outcome", "fine"], 2),
        (&["events", "--data", ".", "--call", "xyz"], 2),
        (&["dial", "--list", "a.csv", "--data", "d", "--gateway", "127.0.0.1"], 2),
        (
            &[
                "dial",
                "--list",
                "a.csv",
                "--data",
                "d",
                "--gateway",
                "sip:a",
                "--password-file",
                "p",
            ],
            2,
        ),
        (&["demo", "--calls", "0"], 2),
        (&["run"], 2),
        (&["run", "--config", "nowhere.toml"], 2),
        (&["config"], 2),
        (&["config", "--check", "nowhere.toml"], 2),
        (&["records", "--data", "nowhere"], 1),
        (&["verify", "--data", "nowhere"], 1),
        (&["log"], 2),
        (&["log", "info", "--data", "nowhere"], 1),
        (&["log", "verify", "--data", "nowhere"], 1),
        (&["log", "repair", "--data", "nowhere", "--to", "new"], 1),
        (&["log", "copy", "--from", "log:nowhere", "--to", "log:new"], 1),
        (&["backup", "--data", "nowhere", "--to", "new"], 1),
        (&["restore", "--from", "nowhere", "--data", "new"], 1),
        (&["erase", "--data", "nowhere"], 2),
        (&["erase", "--data", "nowhere", "--phone", "+8613800000017"], 1),
        (&["key", "--data", "nowhere", "--phone", "+8613800000017"], 1),
        (&["key", "--data", "nowhere"], 2),
        (&["key"], 2),
        (&["key", "rotate", "--data", "nowhere"], 1),
    ] {
        let (seen, out, err) = said(&callfold(words));
        assert_eq!(seen, code, "{words:?}\n{out}\n{err}");
        // One sentence for whoever typed it; nothing that looks like a crash.
        assert!(
            !err.contains("panicked") && (code == 0 || !err.trim().is_empty()),
            "{words:?}: {err}"
        );
    }
}

#[test]
fn every_command_is_explained_with_an_example() {
    let (_, help, _) = said(&callfold(&["--help"]));
    let commands = [
        "demo", "dial", "run", "schema", "records", "events", "replay", "verify", "config",
        "carrier", "log", "backup", "restore", "erase", "key",
    ];
    for command in commands {
        assert!(help.contains(&format!("\n  {command} ")), "{command} in {help}");
    }
    let tasks = ["log info", "log verify", "log repair", "log copy", "key rotate"];
    for command in commands.into_iter().chain(tasks) {
        let words: Vec<_> = command.split(' ').chain(["--help"]).collect();
        let (_, its, _) = said(&callfold(&words));
        assert!(its.contains(&format!("callfold {command}")), "an example in {its}");
        assert!(its.lines().all(|line| line.chars().count() <= 110), "{its}");
    }
}

#[test]
fn the_contract_is_printed_whole_and_written_a_file_each() {
    let (code, printed, _) = said(&callfold(&["schema"]));
    assert_eq!((code, printed.as_str()), (0, schemas::documents::async_api()));
    let folder = tempfile::tempdir().unwrap();
    let (code, out, err) = said(&callfold_in(folder.path(), &["schema", "--out", "a/b"]));
    assert_eq!((code, out.as_str()), (0, ""), "{err}");
    for document in schemas::documents::ALL {
        let file = folder.path().join("a/b").join(document.path);
        assert_eq!(std::fs::read_to_string(file).unwrap(), document.text);
    }
}

#[test]
fn the_printed_configuration_checks_itself() {
    let folder = tempfile::tempdir().unwrap();
    let (code, printed, _) = said(&callfold(&["config", "--print-default"]));
    assert_eq!(code, 0);
    std::fs::write(folder.path().join("callfold.toml"), &printed).unwrap();
    let (code, out, err) =
        said(&callfold_in(folder.path(), &["config", "--check", "callfold.toml"]));
    assert_eq!((code, out.as_str()), (0, "callfold.toml: nothing is wrong\n"));
    assert!(err.contains("secret.txt"), "a secret that is missing is said: {err}");
    let broken = printed.replace("brokers", "borkers");
    std::fs::write(folder.path().join("callfold.toml"), broken).unwrap();
    let (code, _, err) = said(&callfold_in(folder.path(), &["config", "--check", "callfold.toml"]));
    assert_eq!(code, 2);
    assert!(
        err.contains("did you mean `kafka.brokers`?") && err.contains("callfold.toml: line"),
        "{err}"
    );
}
