//! A run of `callfold dial` that is killed with -9 again and again, and started again on the same
//! folder: no call is dialled twice, each has one end, and what was open on the wire is closed.

use interop::callees::{KINDS, quick_carrier};
use interop::ledger::{called_twice, wait_until_settled};
use interop::patience::wait_for;
use interop::story::Story;
use schemas::call::CallEvent;
use schemas::{CallId, Position, StreamId};
use serde_json::Value;
use sim::carrier::CarrierHandle;
use sim::ledger::Entry;
use sim::seed::Dice;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use store::Reader;
use store::folder::DataFolder;
use tempfile::TempDir;

const CALLS: usize = 200;
const KILLS: usize = 10;

struct World {
    carrier: CarrierHandle,
    folder: TempDir,
}

impl World {
    fn new() -> Self {
        let carrier = quick_carrier();
        let folder = tempfile::tempdir().expect("a folder");
        let numbers = (0..CALLS).map(|n| format!("+1212{n:03}{}\n", KINDS[n % KINDS.len()]));
        let list = format!("phone\n{}", numbers.collect::<String>());
        fs::write(folder.path().join("list.csv"), list).expect("a list");
        Self { carrier, folder }
    }

    fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    /// Starts the program on the list, from the beginning or where it was killed.
    fn dial(&self) -> Child {
        Command::new(env!("CARGO_BIN_EXE_dialler"))
            .args(["dial", "--list", "list.csv", "--data", "data", "--json"])
            .args(["--gateway", &format!("sip:{}", self.carrier.addr)])
            .args(["--rate", "50", "--ring-timeout", "1", "--max-talk", "0.7"])
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts")
    }

    /// How many INVITEs the carrier has seen.
    fn invites(&self) -> usize {
        self.carrier.totals().invites as usize
    }
}

/// Runs it, and kills it at a moment that the dice choose: some calls later, or as soon as it is
/// there, while it still cleans up after the run before.
fn run_and_kill(world: &World, dice: &mut Dice) {
    let mut child = world.dial();
    let before = world.invites();
    let (calls, ms) = match dice.happens(3_000) {
        true => (0, dice.below(150)),
        false => (5 + dice.below(20) as usize, dice.below(40)),
    };
    let seen = wait_for(|| {
        assert!(child.try_wait().expect("it can be asked").is_none(), "it ended by itself");
        (world.invites() >= before + calls).then_some(())
    });
    assert!(seen.is_some(), "it dials nobody");
    // The moment of the kill, not a wait for anything.
    std::thread::sleep(Duration::from_millis(ms));
    child.kill().expect("it can be killed");
    child.wait().expect("it is gone");
}

/// Kills a run so often on this seed, and lets the last one end.
fn check(seed: u64) {
    let world = World::new();
    let mut dice = Dice::new(seed);
    for _ in 0..KILLS {
        run_and_kill(&world, &mut dice);
    }
    let Output { status, stdout, stderr } =
        world.dial().wait_with_output().expect("the last run ends");
    let stderr = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "seed {seed}: {status}\n{stderr}");

    let owed = wait_until_settled(&world.carrier);
    let ledger = world.carrier.ledger();
    let stories = stories(&world.data());
    check_report(&stdout);
    check_one_end_each(&stories);
    check_record_of_everything_seen(&ledger, &stories);
    assert_eq!(called_twice(&ledger), BTreeMap::new(), "seed {seed}");
    let told: String = owed.iter().map(|entry| owed_by(entry, &stories)).collect();
    assert!(owed.is_empty(), "seed {seed}: owed to the carrier:\n{told}");
}

/// What the last run prints holds every item, from the runs before too.
fn check_report(stdout: &[u8]) {
    let report: Value = serde_json::from_slice(stdout).expect("one JSON object");
    let calls = report["calls"].as_array().expect("a list of calls");
    let phones: BTreeSet<_> = calls.iter().map(|call| call["phone"].to_string()).collect();
    assert_eq!((calls.len(), phones.len()), (CALLS, CALLS));
    assert!(calls.iter().all(|call| call["outcome"].is_string()), "each has an outcome: {report}");
}

/// Every item made one call, and every call ended once.
fn check_one_end_each(stories: &HashMap<CallId, Story>) {
    assert_eq!(stories.len(), CALLS);
    for story in stories.values() {
        assert!(story.end().is_some(), "without an end: {story}");
    }
}

/// What reached the carrier was durable before: an INVITE has its `DialStarted`, the ACK of an
/// answer its `CallAnswered`, unless the call was being ended.
fn check_record_of_everything_seen(ledger: &[Entry], stories: &HashMap<CallId, Story>) {
    let by_sip_id: HashMap<&str, &Story> = stories
        .values()
        .flat_map(|story| {
            story.0.iter().filter_map(move |event| match event {
                CallEvent::DialStarted(dial) => Some((&*dial.sip_call_id, story)),
                _ => None,
            })
        })
        .collect();
    for entry in ledger {
        let story = by_sip_id.get(&*entry.call_id);
        let story = story.unwrap_or_else(|| panic!("an INVITE without its event: {entry:?}"));
        let told = story.to_string();
        let explains = ["CallAnswered", "LateAnswerReleased", "outcome_unknown"];
        let is_explained = explains.iter().any(|word| told.contains(word));
        let taken = entry.answers > 0 && entry.acks > 0;
        assert!(!taken || is_explained, "an ACK without its event: {story}\n{entry:?}");
    }
}

fn owed_by(entry: &Entry, stories: &HashMap<CallId, Story>) -> String {
    let of_entry = |story: &&Story| {
        let is_it = |event: &CallEvent| matches!(event, CallEvent::DialStarted(dial) if *dial.sip_call_id == *entry.call_id);
        story.0.iter().any(is_it)
    };
    let story = stories.values().find(of_entry);
    format!("{}\n  {entry:?}\n", story.map(ToString::to_string).unwrap_or_default())
}

/// The story of every call in the log.
fn stories(data: &Path) -> HashMap<CallId, Story> {
    let log = DataFolder::open_to_read(data).and_then(|folder| folder.read_log()).expect("a log");
    let mut stories = HashMap::new();
    let mut after = Position(0);
    loop {
        let stored = log.read_all(after, 4096).expect("the log can be read");
        let Some(last) = stored.last() else { return stories };
        after = last.position;
        let streams: BTreeSet<StreamId> = stored.iter().map(|stored| stored.stream).collect();
        for call in streams.into_iter().filter_map(|stream| stream.as_call()) {
            stories.entry(call).or_insert_with(|| Story::read(&log, call));
        }
    }
}

#[test]
fn a_run_that_is_killed_ten_times_dials_nobody_twice_and_leaves_nothing_open() {
    check(1);
}
