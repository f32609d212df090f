//! `callfold dial` with its log in KurrentDB: it is killed and goes on, nobody is called twice, and
//! what anybody sees is read from there. The server is an in-process one that speaks the published
//! protocol; `store_kurrent` holds the adapter itself to more.

use interop::callees::quick_carrier;
use interop::ledger::{called_twice, wait_until_settled};
use interop::told::{objects, without_positions};
use kurrent_server::Servers;
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
    let records = objects(&records.stdout);
    assert_eq!(records.len(), CALLS);
    assert!(
        records
            .iter()
            .all(|r| { r["outcome"] == "completed" || r["outcome"] == "outcome_unknown" })
    );
    assert!(records.iter().filter(|r| r["outcome"] == "completed").count() >= CALLS / 2);
    let verified = command(folder.path(), &format!("verify --data data {store}")).output().unwrap();
    assert!(verified.status.success(), "{}", said(&verified));

    moving(folder.path(), &store);

    // Without its name the node would begin again with an empty log of its own.
    let nameless = dial.replace(&format!(" {store}"), "");
    let nameless = command(folder.path(), &nameless).output().expect("it runs");
    assert!(
        !nameless.status.success() && said(&nameless).contains("--store"),
        "{}",
        said(&nameless)
    );
}

/// The history moves to a folder, from there to another server, and back to a folder; each tells the
/// same of every call and event, with the keys of persons.
fn moving(folder: &Path, store: &str) {
    let run = |words: &str| {
        let output = command(folder, words).output().expect("it runs");
        assert!(output.status.success(), "{words}: {}", said(&output));
        output.stdout
    };
    let elsewhere = Servers::start(1);
    let first = store.trim_start_matches("--store ");
    let second = format!("kurrentdb://{}?tls=false", elsewhere.host(0));
    let tells = |place: &str| {
        let events = run(&format!("events --all --format json {place}"));
        (run(&format!("records --format json {place}")), without_positions(&events))
    };
    let original = tells(&format!("--data data {store}"));
    assert_eq!(String::from_utf8_lossy(&original.0).matches("\"phone\":\"+1212").count(), CALLS);
    run(&format!("log copy --from {first} --data data --to log:copy/log"));
    run(&format!("log copy --from log:copy/log --to {second}"));
    run(&format!("log copy --from {second} --data copy --to log:again/log"));
    for data in ["copy", "again"] {
        run(&format!("verify --data {data}"));
        assert!(tells(&format!("--data {data}")) == original, "{data} tells something else");
    }
    assert!(tells(&format!("--data copy --store {second}")) == original, "the second server does");
    // Typed again, what is there already is recognised; another history is not mixed with it.
    let again = format!("log copy --from log:copy/log --to {second}");
    let output = command(folder, &again).output().expect("it runs");
    assert!(output.status.success() && said(&output).contains("were there already"));
}
