//! Two processes that share the partitions of the work on one PostgreSQL: one is killed, stopped and
//! woken up, drained; nobody is called twice, no command is lost, and what a dead one had up ends as
//! unknown. What Kafka would tell them is told by the test: who owns what, and a command again and
//! again until it is answered.

use interop::callees::{KINDS, quick_carrier};
use interop::ledger::{called_twice, wait_until_settled};
use interop::patience::wait_for;
use interop::story::Story;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use schemas::call::CallEvent;
use schemas::{CallId, CommandId, Outcome};
use sim::carrier::CarrierHandle;
use sim::seed::Dice;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use store_postgres::PostgresStore;
use store_postgres::cluster::Cluster;
use tempfile::TempDir;

const PARTITIONS: u32 = 6;

struct World {
    carrier: CarrierHandle,
    reader: OnceCell<PostgresStore>,
    cluster: Cluster,
    folder: TempDir,
}

impl World {
    fn new() -> Self {
        let carrier = quick_carrier();
        let cluster = Cluster::start().expect("PostgreSQL starts");
        let folder = tempfile::tempdir().unwrap();
        for name in ["north", "south"] {
            let data = folder.path().join(name);
            fs::create_dir(&data).unwrap();
            fs::write(data.join("callee.key"), "c").unwrap();
            fs::write(data.join("master.key"), "a".repeat(64)).unwrap();
        }
        Self { carrier, reader: OnceCell::new(), cluster, folder }
    }

    fn start(&self, name: &str) -> Worker {
        let mut command = Command::new(env!("CARGO_BIN_EXE_worker"));
        command.args([name, name, &self.cluster.url("callfold"), &self.carrier.addr.to_string()]);
        command.current_dir(self.folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said = Arc::new(Mutex::new(Vec::new()));
        let heard = said.clone();
        std::thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| heard.lock().unwrap().push(line));
        });
        let worker = Worker { child, said };
        worker.wait_for("ready");
        worker
    }

    fn story(&self, id: &str) -> Story {
        // Not before somebody has made the tables.
        let open =
            || PostgresStore::open_to_read(&self.cluster.url("callfold"), Default::default());
        let store = self.reader.get_or_init(|| open().expect("it opens"));
        Story::read(store, call(id))
    }

    /// Nobody was called twice, nothing is open on the wire, and the log is sound.
    fn check(&self) {
        let owed = wait_until_settled(&self.carrier);
        assert_eq!(called_twice(&self.carrier.ledger()), BTreeMap::new());
        assert!(owed.is_empty(), "owed to the carrier: {owed:?}");
        let mut verify = Command::new(env!("CARGO_BIN_EXE_dialler"));
        verify.args(["verify", "--store", &self.cluster.url("callfold")]);
        let output = verify.output().expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

struct Worker {
    child: Child,
    said: Arc<Mutex<Vec<String>>>,
}

impl Worker {
    fn told(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().unwrap();
        writeln!(stdin, "{line}").expect("it listens");
    }

    /// Waits for a line that begins so, and forgets all before it.
    fn wait_for(&self, line: &str) -> String {
        let found = wait_for(|| {
            let mut said = self.said.lock().unwrap();
            let at = said.iter().position(|said| said.starts_with(line))?;
            let found = said.remove(at);
            Some(found)
        });
        found.unwrap_or_else(|| panic!("`{line}` is not said: {:?}", self.said.lock().unwrap()))
    }

    /// How many open calls came with them.
    fn own(&mut self, partitions: &[u32]) -> usize {
        self.told(&format!("own {}", words(partitions)));
        let open = |partition| {
            let line = self.wait_for(&format!("partition {partition} owned with "));
            line.rsplit(' ').next().and_then(|open| open.parse::<usize>().ok()).expect("a count")
        };
        partitions.iter().map(open).sum()
    }

    fn drain(&mut self, partitions: &[u32]) {
        self.told(&format!("drain {}", words(partitions)));
        for partition in partitions {
            self.wait_for(&format!("partition {partition} given up"));
        }
    }

    /// The commands that it has answered since it was asked last, and how.
    fn answers(&self) -> Vec<(String, String)> {
        let mut said = self.said.lock().unwrap();
        let mut answers = Vec::new();
        said.retain(|line| match line.strip_prefix("answer ").and_then(|a| a.split_once(' ')) {
            Some((id, answer)) => {
                answers.push((id.to_owned(), answer.to_owned()));
                false
            }
            None => true,
        });
        answers
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
    }

    fn die(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn words(partitions: &[u32]) -> String {
    partitions.iter().map(u32::to_string).collect::<Vec<_>>().join(" ")
}

fn call(id: &str) -> CallId {
    CallId::of_command(&CommandId::new(id).unwrap())
}

/// What a topic would keep: commands that nobody has answered yet are told again.
#[derive(Default)]
struct Topic {
    open: BTreeMap<String, (u32, String)>,
    /// With their partitions.
    all: BTreeMap<String, u32>,
}

impl Topic {
    fn publish(&mut self, count: usize) {
        for n in self.all.len()..self.all.len() + count {
            let phone = format!("+1{:03}{:04}{}", 200 + n % 700, n, KINDS[n % KINDS.len()]);
            let partition = n as u32 % PARTITIONS;
            self.open.insert(format!("c{n}"), (partition, phone));
            self.all.insert(format!("c{n}"), partition);
        }
    }

    fn of(&self, partitions: &[u32]) -> impl Iterator<Item = &String> {
        self.all.iter().filter(|(_, of)| partitions.contains(of)).map(|(id, _)| id)
    }

    /// Tells what is open of these partitions, and takes note of what was answered before.
    fn deliver(&mut self, worker: &mut Worker, partitions: &[u32]) {
        self.settle(worker);
        for (id, (partition, phone)) in &self.open {
            if partitions.contains(partition) {
                worker.told(&format!("place {partition} {id} {phone}"));
            }
        }
    }

    fn settle(&mut self, worker: &Worker) {
        for (id, answer) in worker.answers() {
            match answer.as_str() {
                "accepted" | "repeated" => drop(self.open.remove(&id)),
                "not ours" => {}
                other => panic!("{id}: {other}"),
            }
        }
    }

    fn wait_for_answers(&mut self, worker: &Worker) {
        let answered = wait_for(|| {
            self.settle(worker);
            self.open.is_empty().then_some(())
        });
        assert!(answered.is_some(), "not answered: {:?}", self.open);
    }
}

#[test]
fn nodes_that_are_killed_and_drained_lose_no_command_and_call_nobody_twice() {
    let world = World::new();
    let (mut dice, mut topic, mut taken) = (Dice::new(1), Topic::default(), 0);
    let all: Vec<u32> = (0..PARTITIONS).collect();
    let (mine, others) = all.split_at(3);
    let mut north = world.start("north");
    let mut south = world.start("south");
    north.own(mine);
    south.own(others);
    for _ in 0..4 {
        topic.publish(24);
        topic.deliver(&mut north, mine);
        topic.deliver(&mut south, others);
        let before = world.carrier.totals().invites as usize;
        let more = 2 + dice.below(14) as usize;
        let dials =
            wait_for(|| (world.carrier.totals().invites as usize >= before + more).then_some(()));
        assert!(dials.is_some(), "nobody dials");
        topic.settle(&north);
        north.die();
        taken += south.own(mine);
        topic.deliver(&mut south, &all);
        topic.wait_for_answers(&south);
        // It comes back, and gets its partitions again.
        north = world.start("north");
        topic.publish(12);
        topic.deliver(&mut south, &all);
        topic.wait_for_answers(&south);
        south.drain(mine);
        // Whatever it had dialled has ended: the next owner finds nothing up.
        for id in topic.of(mine) {
            let story = world.story(id);
            let is_up = story.to_string().contains("DialStarted") && story.end().is_none();
            assert!(!is_up, "{id}: {story}");
        }
        north.own(mine);
    }
    let ends = wait_for(|| {
        let ended = |id: &String| world.story(id).end().is_some();
        topic.all.keys().all(ended).then_some(())
    });
    for id in topic.all.keys() {
        let story = world.story(id);
        let ends = story.0.iter().filter(|event| matches!(event, CallEvent::CallEnded(_))).count();
        assert_eq!(ends, 1, "{id}: {story}");
    }
    assert!(ends.is_some());
    let outcomes = topic.all.keys().filter_map(|id| world.story(id).end().map(|end| end.outcome));
    let unknown = outcomes.filter(|outcome| *outcome == Outcome::OutcomeUnknown).count();
    assert!((1..=taken).contains(&unknown), "{unknown} of {taken} taken over");
    world.check();
}

#[test]
fn a_node_that_was_stopped_wakes_up_without_the_partition_that_another_took_over() {
    let world = World::new();
    let mut north = world.start("north");
    let mut south = world.start("south");
    north.own(&[1, 2, 3]);
    // One talks until it is hung up on, one rings for ever, one has not been dialled.
    for (id, phone) in [("talks", "+121299911100"), ("rings", "+121399918000")] {
        north.told(&format!("place 1 {id} {phone}"));
        north.wait_for(&format!("answer {id} accepted"));
    }
    let up = wait_for(|| {
        let up = |id: &str| world.story(id).to_string();
        (up("talks").contains("CallAnswered") && up("rings").contains("CallRang")).then_some(())
    });
    assert!(up.is_some());
    north.signal(Signal::SIGSTOP);
    assert_eq!(south.own(&[1, 3]), 2);
    for id in ["talks", "rings"] {
        let end = wait_for(|| world.story(id).end().cloned());
        assert_eq!(end.map(|end| end.outcome), Some(Outcome::OutcomeUnknown), "{id}");
    }
    // What the stopped one is told before it finds out is not done there.
    north.told("place 1 late +121499948600");
    north.signal(Signal::SIGCONT);
    north.wait_for("partition 1 lost");
    // Of this one it had nothing to append.
    north.wait_for("partition 3 lost");
    assert_eq!(north.wait_for("answer late"), "answer late not ours");
    south.told("place 1 late +121499948600");
    south.wait_for("answer late accepted");
    north.told("place 2 own +121599948600");
    north.wait_for("answer own accepted");
    for id in ["late", "own"] {
        let end = wait_for(|| world.story(id).end().cloned());
        assert_eq!(end.map(|end| end.outcome), Some(Outcome::Busy), "{id}");
    }
    world.check();
}
