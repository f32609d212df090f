//! `callfold dial` on a common log in PostgreSQL: the program is killed with -9, and so is the
//! server; nobody is called twice, each call has one end, and what was open on the wire is closed.

use interop::callees::{KINDS, quick_carrier};
use interop::ledger::{called_twice, wait_until_settled};
use interop::story::Story;
use node::StoreUrl;
use node::store_url::{OpenStore, Secrets};
use schemas::event::Encoded;
use schemas::{CallId, Position, StreamId, Timestamp};
use serde_json::Value;
use sim::carrier::CarrierHandle;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use store::folder::{DataFolder, MasterSource};
use store::{Append, AppendError, Batch, Expected, NewEvent, Ownership, Reader};
use store_postgres::PostgresStore;
use store_postgres::cluster::Cluster;
use tempfile::TempDir;

const CALLS: usize = 80;
/// After how many more INVITEs a process is killed, one after the other.
const KILLED_AFTER: [usize; 4] = [5, 17, 1, 12];
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(1);

struct World {
    carrier: CarrierHandle,
    cluster: Cluster,
    url: String,
    folder: TempDir,
}

impl World {
    fn new() -> Self {
        let carrier = quick_carrier();
        let cluster = Cluster::start().expect("PostgreSQL starts");
        let folder = tempfile::tempdir().expect("a folder");
        let numbers = (0..CALLS).map(|n| format!("+1212{n:03}{}\n", KINDS[n % KINDS.len()]));
        let list = format!("phone\n{}", numbers.collect::<String>());
        fs::write(folder.path().join("list.csv"), list).expect("a list");
        let url = cluster.url("callfold");
        Self { carrier, cluster, url, folder }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dialler"));
        command.args(words).current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Starts it on the list, from the beginning or where it was killed.
    fn dial(&self, more: &[&str]) -> Child {
        self.dial_with("data", more)
    }

    fn dial_with(&self, data: &str, more: &[&str]) -> Child {
        let mut command = self.command(&["dial", "--list", "list.csv", "--data", data, "--json"]);
        command.args(["--gateway", &format!("sip:{}", self.carrier.addr)]).args(more);
        command.args(["--rate", "40", "--ring-timeout", "1", "--max-talk", "0.7"]);
        command.spawn().expect("the program starts")
    }

    /// Waits until the carrier has seen so many more INVITEs.
    fn wait_for_invites(&self, more: usize, child: &mut Child) {
        let before = self.carrier.totals().invites as usize;
        let until = Instant::now() + PATIENCE;
        while (self.carrier.totals().invites as usize) < before + more {
            assert!(child.try_wait().expect("it can be asked").is_none(), "it ended by itself");
            assert!(Instant::now() < until, "it dials nobody");
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Nobody was called twice, each call has one end, and nothing is open on the wire.
    fn check(&self) {
        let owed = wait_until_settled(&self.carrier);
        assert_eq!(called_twice(&self.carrier.ledger()), BTreeMap::new());
        assert!(owed.is_empty(), "owed to the carrier: {owed:?}");
        let stories = self.stories();
        assert_eq!(stories.len(), CALLS);
        for story in stories.values() {
            assert!(story.end().is_some(), "without an end: {story}");
        }
    }

    /// The story of every call in the store.
    fn stories(&self) -> HashMap<CallId, Story> {
        let store = PostgresStore::open_to_read(&self.url, Default::default()).expect("it opens");
        let events = store.read_all(Position(0), usize::MAX).expect("it reads");
        let calls = events.iter().filter_map(|event| event.stream.as_call());
        let mut stories = HashMap::new();
        for call in calls {
            stories.entry(call).or_insert_with(|| Story::read(&store, call));
        }
        stories
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_run_on_postgres_that_is_killed_and_whose_server_is_killed_dials_nobody_twice() {
    let world = World::new();
    let on_store = ["--store", world.url.as_str()];
    for invites in KILLED_AFTER {
        let mut child = world.dial(&on_store);
        world.wait_for_invites(invites, &mut child);
        child.kill().expect("it can be killed");
        child.wait().expect("it is gone");
    }
    let mut last = world.dial(&on_store);
    world.wait_for_invites(5, &mut last);
    world.cluster.kill().expect("the server is killed");
    world.cluster.restart().expect("it comes back");
    let Output { status, stdout, stderr } = last.wait_with_output().expect("it ends");
    assert!(status.success(), "{status}\n{}", text(&stderr));

    world.check();
    let report: Value = serde_json::from_slice(&stdout).expect("one JSON object");
    assert_eq!(report["calls"].as_array().map(Vec::len), Some(CALLS));
    reading(&world);
    moving(&world);
    erasing(&world);
    forgetting(&world);
}

#[test]
fn two_nodes_dial_one_list_and_one_of_them_is_killed() {
    let world = World::new();
    let run =
        |data: &str, node: &str| world.dial_with(data, &["--store", &world.url, "--node", node]);
    let succeeds = |child: Child| {
        let Output { status, stderr, .. } = child.wait_with_output().expect("it ends");
        assert!(status.success(), "{status}\n{}", text(&stderr));
    };
    let mut north = run("north", "north");
    world.wait_for_invites(3, &mut north);
    let folder = |name: &str| world.folder.path().join(name);
    fs::create_dir(folder("south")).expect("a folder");
    for secret in ["callee.key", "master.key"] {
        fs::copy(folder("north").join(secret), folder("south").join(secret)).expect("a secret");
    }
    let mut south = run("south", "south");
    world.wait_for_invites(30, &mut south);
    north.kill().expect("it can be killed");
    north.wait().expect("it is gone");
    succeeds(south);
    // What the dead one had up is its own to close.
    succeeds(run("north", "north"));
    world.check();
}

fn begin(call: u8) -> Append {
    let encoded = Encoded { kind: 2, version: 1, body: vec![call] };
    let events = vec![NewEvent { encoded, at: Timestamp(1) }];
    Append { stream: StreamId::call(CallId([call; 16])), expected: Expected::NoStream, events }
}

/// What comes with a partition when its owner is gone, or should be.
#[test]
fn a_partition_that_is_taken_over_comes_with_its_open_calls_and_leaves_the_owner_before_none() {
    let cluster = Cluster::start().expect("PostgreSQL starts");
    let url: StoreUrl = cluster.url("shared").parse().expect("a URL");
    let place = tempfile::tempdir().expect("a folder");
    let open = |node: &str| {
        let data = place.path().join(node);
        fs::create_dir(&data).expect("a folder");
        for (name, secret) in [("callee.key", "c"), ("master.key", &"a".repeat(64))] {
            fs::write(data.join(name), secret).expect("a secret");
        }
        let mut folder = DataFolder::open(&data, node).expect("a data folder");
        let secrets = Secrets { master: &MasterSource::Folder, callee_file: None };
        let store = OpenStore::open(&url, &mut folder, secrets).expect("it opens");
        (store, folder)
    };
    let submit = |store: &OpenStore, append: Append, owner| {
        let (answer, heard) = std::sync::mpsc::channel();
        let batch = Batch { keys: Vec::new(), appends: vec![append] };
        let reply = move |results| answer.send(results).expect("the test waits");
        store.appender.submit_owned(batch, vec![owner], Box::new(reply));
        heard.recv().expect("it answers").remove(0)
    };
    let ((one, _a), (other, _b)) = (open("one"), open("other"));
    let take = |store: &OpenStore, partition| {
        let partitions = store.partitions.as_ref().expect("a common log has partitions");
        let (epoch, history) = partitions.take_over(partition).expect("it takes over");
        let mut calls = Vec::new();
        history.read(&mut |event| calls.push(event.stream.id[0])).expect("it reads");
        (Some(Ownership { partition, epoch, over: false }), calls)
    };
    let (mine, calls) = take(&one, 5);
    assert!(calls.is_empty());
    submit(&one, begin(1), mine).expect("its owner appends");
    submit(&one, begin(2), take(&one, 6).0).expect("its owner appends");
    submit(&one, begin(3), None).expect("its own work");
    assert_eq!(take(&other, 5).1, [1]);
    let fenced = submit(&one, begin(4), mine);
    assert!(matches!(fenced, Err(AppendError::Fenced { .. })), "{fenced:?}");
    // What it has besides goes on.
    submit(&one, begin(5), None).expect("its own work");
    let mut own = Vec::new();
    one.history.read(&mut |event| own.push(event.stream.id[0])).expect("it reads");
    assert_eq!(own, [3, 5]);
}

/// What the history commands tell, with the keys and without.
fn reading(world: &World) {
    let records = |more: &[&str]| {
        let mut command = world.command(&["records", "--format", "json", "--store", &world.url]);
        let output = command.args(more).output().expect("it runs");
        assert!(output.status.success(), "{}", text(&output.stderr));
        let lines: Vec<Value> = text(&output.stdout)
            .lines()
            .map(|line| serde_json::from_str(line).expect("a JSON object a line"))
            .collect();
        assert_eq!(lines.len(), CALLS);
        lines.iter().filter(|record| record["phone"].is_string()).count()
    };
    assert_eq!(records(&["--data", "data"]), CALLS, "the folder has the keys");
    assert_eq!(records(&[]), 0, "without the keys no number is told");
    let mut verify = world.command(&["verify", "--store", &world.url]);
    let output = verify.output().expect("it runs");
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

/// The history moves to a log and from there to another common log, with the keys of persons.
fn moving(world: &World) {
    let elsewhere = world.cluster.url("moved");
    let run = |words: &[&str]| {
        let output = world.command(words).output().expect("it runs");
        assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    run(&["log", "copy", "--from", &world.url, "--data", "data", "--to", "log:copy/log"]);
    run(&["verify", "--data", "copy"]);
    run(&["log", "copy", "--from", "log:copy/log", "--to", &elsewhere]);
    let original = run(&["records", "--format", "json", "--store", &world.url, "--data", "data"]);
    assert_eq!(original.matches("\"phone\":\"+1212").count(), CALLS);
    for place in [&["--data", "copy"][..], &["--store", &elsewhere, "--data", "data"]] {
        let records = run(&[&["records", "--format", "json"], place].concat());
        assert!(records == original, "{place:?}: the copy tells something else");
    }
}

/// An erasure is for every reader of the log.
fn erasing(world: &World) {
    let run = |words: &[&str]| world.command(words).output().expect("it runs");
    let phone = format!("+1212000{}", KINDS[0]);
    let erase = ["erase", "--data", "data", "--phone", &phone];
    let refused = run(&erase);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("say which one with --store"));
    let on_store = [&erase[..], &["--store", &world.url]].concat();
    for said in ["erased: ", "erased already"] {
        let output = run(&on_store);
        assert!(output.status.success() && text(&output.stderr).contains(said), "{output:?}");
    }
    let records = run(&["records", "--format", "json", "--store", &world.url, "--data", "data"]);
    let told = text(&records.stdout);
    assert_eq!(told.matches("\"phone\":\"+1212").count(), CALLS - 1);
    let rotate = ["key", "rotate", "--data", "data"];
    let refused = run(&rotate);
    assert!(text(&refused.stderr).contains("say which one with --store"));
    let rotated =
        run(&[&rotate[..], &["--store", &world.url, "--new-key-file", "new.key"]].concat());
    assert!(rotated.status.success(), "{rotated:?}");
    let folder = world.folder.path();
    fs::rename(folder.join("new.key"), folder.join("data/master.key")).expect("it is replaced");
    let records = run(&["records", "--format", "json", "--store", &world.url, "--data", "data"]);
    assert!(text(&records.stdout) == told, "the new master key opens what the old one did");
}

/// Who forgets where the events are, or what opens them, dials nobody.
fn forgetting(world: &World) {
    let before = world.carrier.totals().invites;
    let refused = |child: Child, why: &str| {
        let Output { status, stderr, .. } = child.wait_with_output().expect("it ends");
        assert_eq!(status.code(), Some(1), "{}", text(&stderr));
        assert!(text(&stderr).contains(why), "{}", text(&stderr));
    };
    refused(world.dial(&[]), "say which one with --store");
    let elsewhere = world.cluster.url("elsewhere");
    refused(world.dial(&["--store", &elsewhere]), "its events are in another common log");
    let data = world.folder.path().join("data");
    fs::rename(&data, world.folder.path().join("away")).expect("a folder can be moved");
    refused(world.dial(&["--store", &world.url]), "bring a copy of it here");
    assert_eq!(world.carrier.totals().invites, before, "somebody was dialled");
}
