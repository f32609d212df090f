//! A carrier, a folder, topics of their own, and nodes that serve them.

use interop::kafka::{Brokers, Message};
use interop::service::{Service, config};
use serde_json::{Value, json};
use sim::carrier::{Carrier, CarrierHandle, Options};
use std::collections::BTreeMap;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

/// The program, as a test of this package may start it.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_dialler");
/// Of the topics of a test.
pub const PARTITIONS: i32 = 8;
/// So often a topic is read until it holds what it must: each takes half a second.
const LOOKS_MAX: usize = 60;
/// Answers at once.
pub const ANSWERS: &str = "99911100";

pub struct World {
    pub brokers: Arc<Brokers>,
    pub carrier: CarrierHandle,
    pub folder: TempDir,
    prefix: String,
    /// More of `[kafka]`.
    pub kafka: String,
    /// More of `[node]`.
    pub node: String,
    /// Where events are kept; a log of each node's own when absent.
    pub store: Option<String>,
}

impl World {
    /// With topics of its own on the broker that all tests share.
    pub fn new() -> Self {
        Self::on(Brokers::shared())
    }

    pub fn on(brokers: Arc<Brokers>) -> Self {
        static TESTS: AtomicU32 = AtomicU32::new(0);
        let mut options = Options::new("127.0.0.1:0".parse().unwrap());
        options.behaviour.second_ms = 100;
        let carrier = Carrier::start(options).expect("the carrier starts");
        let number = TESTS.fetch_add(1, Ordering::Relaxed);
        let world = Self {
            brokers,
            carrier,
            folder: tempfile::tempdir().unwrap(),
            prefix: format!("t{}-{number}.", std::process::id()),
            kafka: String::new(),
            node: String::new(),
            store: None,
        };
        let partitions = PARTITIONS.to_string();
        let made = world.callfold("n1", &["kafka", "topics"], &["--partitions", &partitions]);
        assert_eq!(String::from_utf8_lossy(&made.stdout).matches(": made, ").count(), 5);
        world
    }

    /// The consumer group.
    pub fn group(&self) -> &str {
        &self.prefix
    }

    pub fn topic(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    pub fn config(&self, node: &str) -> String {
        let topics: String = ["commands", "work", "events", "dead", "relay"]
            .map(|name| format!("{name} = \"{}\"\n", self.topic(name)))
            .concat();
        let kafka = format!(
            "[kafka]\nbrokers = \"{}\"\ngroup = \"{}\"\n{topics}{}",
            self.brokers.addresses(),
            self.prefix,
            self.kafka,
        );
        let config = config(node, node, self.carrier.addr, &kafka);
        let store = self.store.clone().unwrap_or_else(|| format!("log:{node}/log"));
        let store = format!(
            "[store]\nurl = \"{store}\"\n[privacy]\nkey_file = \"master.key\"\n\
             callee_key_file = \"callee.key\"\n[defaults]\nregion = \"US\"\nmax_talk_s = 0.2\n"
        );
        config.replace("[http]", &format!("{}\n[http]", self.node)) + &store
    }

    /// Starts a node, and waits until it is ready.
    pub fn start(&self, node: &str) -> Service {
        Service::start(PROGRAM, self.folder.path(), &self.config(node))
    }

    /// Starts a node that is to end by itself; what it says.
    pub fn refused(&self, node: &str) -> String {
        let output = self.callfold(node, &["run"], &[]);
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Starts a node with another configuration that is to end by itself; what it says.
    pub fn refused_with(&self, config: &str) -> String {
        std::fs::write(self.folder.path().join("refused.toml"), config).unwrap();
        let mut command = Command::new(PROGRAM);
        command.args(["run", "--config", "refused.toml"]).current_dir(self.folder.path());
        let output = command.output().expect("the program runs");
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Runs a command of the program with this world's configuration.
    pub fn callfold(&self, node: &str, words: &[&str], more: &[&str]) -> Output {
        let file = self.folder.path().join(format!("{node}.toml"));
        std::fs::write(&file, self.config(node)).unwrap();
        let mut command = Command::new(PROGRAM);
        command.args(words).arg("--config").arg(&file).args(more);
        command.current_dir(self.folder.path()).output().expect("the program runs")
    }

    /// What a command of the program prints.
    pub fn prints(&self, words: &[&str], more: &[&str]) -> String {
        let output = self.callfold("n1", words, more);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{words:?}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned() + &said
    }

    pub fn command(&self, commands: &[Value]) {
        self.brokers.command(&self.topic("commands"), commands);
    }

    /// Waits until so many commands are over, and reads the topic of events.
    pub fn events_of(&self, commands: usize) -> Events {
        self.brokers.follow(&self.topic("events"), commands);
        Events(self.brokers.read(&self.topic("events")))
    }

    /// The dead letters, once there are so many.
    pub fn dead(&self, count: usize) -> Vec<Message> {
        let mut dead = Vec::new();
        for _ in 0..LOOKS_MAX {
            dead = self.brokers.read(&self.topic("dead"));
            if dead.len() >= count {
                break;
            }
        }
        assert_eq!(dead.len(), count, "{dead:?}");
        dead
    }

    /// A number of `/metrics`.
    pub fn metric(&self, service: &Service, name: &str) -> u64 {
        let page = service.get("/metrics").text;
        let row = page.lines().find_map(|row| row.strip_prefix(name)?.trim().parse::<f64>().ok());
        row.unwrap_or_else(|| panic!("no {name} in {page}")) as u64
    }
}

/// A command to call the `n`-th person, who answers at once.
pub fn place(command_id: &str, n: usize) -> Value {
    place_to(command_id, &format!("+1212{:03}{ANSWERS}", n % 1000))
}

pub fn place_to(command_id: &str, phone: &str) -> Value {
    json!({"type": "PlaceCall", "command_id": command_id, "phone": phone})
}

/// What the topic of events tells.
#[derive(Debug)]
pub struct Events(pub Vec<Message>);

impl Events {
    /// The values by call, in the order of the topic.
    pub fn by_call(&self) -> BTreeMap<String, Vec<Value>> {
        let mut calls: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for message in &self.0 {
            let value = message.json();
            let call = value["call_id"].as_str().expect("a call").to_owned();
            calls.entry(call).or_default().push(value);
        }
        calls
    }

    /// The types of the events of a command's only call.
    pub fn types_of(&self, command_id: &str) -> Vec<String> {
        let types = |events: &Vec<Value>| {
            events.iter().map(|e| e["type"].as_str().unwrap().to_owned()).collect()
        };
        let calls = self.by_call();
        let mut found = calls.values().filter(|events| events[0]["command_id"] == command_id);
        let only = found.next().unwrap_or_else(|| panic!("nothing of {command_id}"));
        assert!(found.next().is_none(), "{command_id} has several calls");
        types(only)
    }

    /// What must hold of every topic of events: each call's events are there once, without a gap,
    /// in one partition, keyed alike, in the order of the log; and each ends once.
    pub fn check(&self) {
        let mut partitions = BTreeMap::new();
        let mut positions = BTreeMap::new();
        for message in &self.0 {
            let value = message.json();
            let call = value["call_id"].as_str().unwrap().to_owned();
            let place = (message.partition, message.key.clone().expect("a key"));
            assert_eq!(partitions.entry(call).or_insert_with(|| place.clone()), &place);
            let position: u64 = message.headers["callfold_position"].parse().unwrap();
            let before = positions.insert(message.partition, position);
            assert!(before.is_none_or(|before| before < position), "not in the log's order");
            let headers = &message.headers;
            assert_eq!(headers["callfold_sequence"], value["sequence"].to_string());
            assert_eq!(headers["ce_subject"], value["call_id"].as_str().unwrap());
            assert_eq!(headers["ce_time"], value["occurred_at"].as_str().unwrap());
            let kind = format!("callfold.{}.v1", value["type"].as_str().unwrap());
            assert_eq!(headers["ce_type"], kind);
        }
        for (call, events) in self.by_call() {
            let sequences: Vec<_> =
                events.iter().map(|e| e["sequence"].as_u64().unwrap()).collect();
            let dense: Vec<_> = (1..=events.len() as u64).collect();
            assert_eq!(sequences, dense, "call {call}");
            let ends = events.iter().filter(|event| event["type"] == "CallEnded").count();
            assert_eq!(ends, 1, "call {call}");
            assert_eq!(events.last().unwrap()["type"], "CallEnded", "call {call}");
        }
    }

    /// The last `CallEnded` of each command: its outcome.
    pub fn outcomes(&self) -> BTreeMap<String, String> {
        let mut outcomes = BTreeMap::new();
        for message in &self.0 {
            let value = message.json();
            if value["type"] == "CallEnded" && value["redial_at"].is_null() {
                let command = value["command_id"].as_str().unwrap().to_owned();
                let outcome = value["outcome"].as_str().unwrap().to_owned();
                let before = outcomes.insert(command.clone(), outcome);
                assert!(before.is_none(), "{command} ended twice");
            }
        }
        outcomes
    }
}

impl World {
    /// The callee key of a number, by the secrets of a node.
    pub fn prints_key(&self, node: &str, phone: &str) -> String {
        let mut command = Command::new(PROGRAM);
        command
            .args(["key", "--data", node, "--callee-key-file", "callee.key", "--phone", phone])
            .current_dir(self.folder.path());
        let output = command.output().expect("the program runs");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}
