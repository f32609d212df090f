//! `callfold dial` with its log in KurrentDB: it is killed and goes on, nobody is called twice, and
//! what anybody sees is read from there. The server is an in-process one that speaks the published
//! protocol; `store_kurrent` holds the adapter itself to more.

use interop::callees::quick_carrier;
use interop::ledger::{called_twice, wait_until_settled};
use kurrent_server::Servers;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const CALLS: usize = 24;
const PATIENCE: Duration = Duration::from_secs(60);

fn command(folder: &Path, words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dialler"));
    command.args(words.split(' ')).current_dir(folder).stdin(Stdio::null());
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_list_is_dialled_once_though_the_program_is_killed() {
    let carrier = quick_carrier();
    let servers = Servers::start(1);
    let folder = tempfile::tempdir().expect("a folder");
    let numbers = (0..CALLS).map(|n| format!("+1212{n:03}99920105\n"));
    fs::write(folder.path().join("list.csv"), format!("phone\n{}", numbers.collect::<String>()))
        .expect("a list");
    let store = format!("--store kurrentdb://{}?tls=false", servers.host(0));
    let dial = format!(
        "dial --list list.csv --data data --json --gateway sip:{} --rate 30 --max-talk 0.7 {store}",
        carrier.addr
    );
    let mut first = command(folder.path(), &dial).stdout(Stdio::null()).spawn().expect("it starts");
    let begun = Instant::now();
    while carrier.ledger().len() < 5 {
        assert!(begun.elapsed() < PATIENCE, "nobody is called");
        std::thread::sleep(Duration::from_millis(1));
    }
    first.kill().expect("it is there");
    first.wait().expect("it ended");

    let again = command(folder.path(), &dial).output().expect("it runs");
    assert!(again.status.success(), "{}", said(&again));
    assert!(wait_until_settled(&carrier).is_empty(), "something is open at the carrier");
    assert!(called_twice(&carrier.ledger()).is_empty());

    let words = format!("records --data data --format json {store}");
    let records = command(folder.path(), &words).output().expect("it runs");
    let lines = String::from_utf8_lossy(&records.stdout).into_owned();
    let records: Vec<Value> =
        lines.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
    assert_eq!(records.len(), CALLS);
    assert!(
        records
            .iter()
            .all(|r| { r["outcome"] == "completed" || r["outcome"] == "outcome_unknown" })
    );
    assert!(records.iter().filter(|r| r["outcome"] == "completed").count() >= CALLS / 2);
    let verified = command(folder.path(), &format!("verify --data data {store}")).output().unwrap();
    assert!(verified.status.success(), "{}", said(&verified));

    // Without its name the node would begin again with an empty log of its own.
    let nameless = dial.replace(&format!(" {store}"), "");
    let nameless = command(folder.path(), &nameless).output().expect("it runs");
    assert!(
        !nameless.status.success() && said(&nameless).contains("--store"),
        "{}",
        said(&nameless)
    );
}
