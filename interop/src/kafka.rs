//! A real Apache Kafka, from its published jars, and a client for it that is not ours. What they
//! need is fetched by `./x kafka`.

use crate::forwarder::Forwarder;
use crate::patience::wait_for;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tempfile::TempDir;

const MISSING: &str = "the tests with Kafka need a JRE (openjdk-17-jre-headless), Maven and Python 3 with venv; \
     `./x kafka` installs them where it may, fetches Kafka and a client below target/kafka, and runs \
     these tests";

/// Brokers on loopback. Killed when the last test has dropped them.
pub struct Brokers {
    folder: TempDir,
    port: u16,
    count: u16,
    more: Option<(&'static str, String)>,
}

/// The doors of a guarded broker.
#[derive(Clone, Copy, Debug)]
pub enum Door {
    /// TLS, and no password.
    Tls,
    /// A password, over TLS.
    Sasl,
    /// A password, in the clear.
    Open,
}

/// A message as the client saw it.
#[derive(Clone, Debug)]
pub struct Message {
    /// In which partition.
    pub partition: i64,
    /// At which offset.
    pub offset: i64,
    /// When it was written, in milliseconds since 1970.
    pub timestamp: i64,
    /// Its key.
    pub key: Option<String>,
    /// Its headers.
    pub headers: BTreeMap<String, String>,
    /// Its value.
    pub value: String,
}

impl Message {
    /// Its value, as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.value).unwrap_or(Value::Null)
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Below the repository's `target`, wherever builds go.
fn fetched(what: &str) -> PathBuf {
    let path = repository().join("target/kafka").join(what);
    assert!(path.exists(), "{} is not there: {MISSING}", path.display());
    path
}

impl Brokers {
    /// One broker that all tests of a process share.
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Brokers>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let brokers = Arc::new(Self::start(1));
            *shared = Arc::downgrade(&brokers);
            brokers
        })
    }

    /// Starts so many, and waits until they answer.
    pub fn start(count: u16) -> Self {
        let (folder, port) = (tempfile::tempdir().expect("a folder"), free_ports());
        let brokers = Self { folder, port, count, more: None };
        let lib = fetched("lib/.complete").parent().expect("a folder").to_owned();
        brokers.script(&["start"], &lib, &[&count.to_string(), &port.to_string()]);
        brokers
    }

    /// Starts one that guards its topics: `interop/kafka/broker` says how.
    pub fn start_guarded() -> Self {
        let (folder, port) = (tempfile::tempdir().expect("a folder"), free_ports());
        let brokers = Self { folder, port, count: 1, more: Some(("SECURE", "1".to_owned())) };
        let lib = fetched("lib/.complete").parent().expect("a folder").to_owned();
        brokers.script(&["start"], &lib, &["1", &port.to_string()]);
        brokers
    }

    /// Starts one that is reached through a line that can be cut.
    pub fn start_behind(line: &Forwarder) -> Self {
        let (folder, port) = (tempfile::tempdir().expect("a folder"), free_ports());
        let more = Some(("VIA", line.port.to_string()));
        let brokers = Self { folder, port, count: 1, more };
        let lib = fetched("lib/.complete").parent().expect("a folder").to_owned();
        brokers.script(&["start"], &lib, &["1", &port.to_string()]);
        line.lead_to(port + 2);
        brokers
    }

    /// Where a guarded broker is reached in another way.
    pub fn door(&self, door: Door) -> String {
        let behind = match door {
            Door::Tls => 2,
            Door::Sasl => 3,
            Door::Open => 4,
        };
        format!("127.0.0.1:{}", self.port + behind)
    }

    /// The certificate of a guarded broker.
    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// `host:port` of each, with commas.
    pub fn addresses(&self) -> String {
        let of = |n| format!("127.0.0.1:{}", self.port + 10 * n);
        (0..self.count).map(of).collect::<Vec<_>>().join(",")
    }

    /// Stops one of them, from 1; with `kill` by -9.
    pub fn stop(&self, number: u16, kill: bool) {
        let mut command = Command::new(script());
        command.arg("stop").arg(self.folder.path()).arg(number.to_string());
        if kill {
            command.env("KILL", "1");
        }
        assert!(command.status().expect("the script runs").success());
    }

    /// Starts one again on its old data.
    pub fn again(&self, number: u16) {
        let lib = fetched("lib");
        self.script(&["again"], &lib, &[&number.to_string()]);
    }

    fn script(&self, first: &[&str], lib: &Path, more: &[&str]) {
        let mut command = Command::new(script());
        let told = self.folder.path().join("script.log");
        let out = std::fs::File::create(&told).expect("a file");
        command.args(first).arg(lib).arg(self.folder.path()).args(more).stdin(Stdio::null());
        command.current_dir(self.folder.path());
        command.envs(self.more.clone());
        command.stdout(out.try_clone().expect("a file")).stderr(out);
        let status = command.status().expect("the script runs");
        let said = std::fs::read_to_string(told).unwrap_or_default();
        assert!(status.success(), "no broker: {said}\n{MISSING}");
    }

    /// Writes messages, and gives their partitions and offsets.
    pub fn produce(&self, topic: &str, messages: &[Value]) -> Vec<(i64, i64)> {
        let lines = messages.iter().fold(String::new(), |mut lines, message| {
            writeln!(lines, "{message}").expect("a String takes all");
            lines
        });
        let at = |line: Value| {
            (line["partition"].as_i64().expect("a number"), line["offset"].as_i64().expect("one"))
        };
        self.client(&["produce"], topic, &[], &lines).into_iter().map(at).collect()
    }

    /// Writes commands as a plain producer does: a value, and no key.
    pub fn command(&self, topic: &str, commands: &[Value]) {
        let messages: Vec<Value> =
            commands.iter().map(|one| json!({"value": one.to_string()})).collect();
        self.produce(topic, &messages);
    }

    /// Every message that was committed, partition after partition.
    pub fn read(&self, topic: &str) -> Vec<Message> {
        self.messages(topic, &[])
    }

    /// Every message, also those of transactions that came to nothing.
    pub fn read_uncommitted(&self, topic: &str) -> Vec<Message> {
        self.messages(topic, &["--uncommitted"])
    }

    /// How many events a topic holds, and of how many types. Each is valid by the JSON Schema of its
    /// type, as it is checked in.
    pub fn validate(&self, topic: &str) -> (u64, u64) {
        let schemas = repository().join("schemas/generated/events").display().to_string();
        let counted = self.client(&["validate"], topic, &[&schemas], "");
        let of = |name: &str| counted[0][name].as_u64().expect("a number");
        (of("events"), of("types"))
    }

    /// Waits until so many commands have their last `CallEnded`.
    pub fn follow(&self, topic: &str, commands: usize) {
        self.client(&["follow"], topic, &[&commands.to_string()], "");
    }

    fn messages(&self, topic: &str, more: &[&str]) -> Vec<Message> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let message = |line: Value| Message {
            partition: line["partition"].as_i64().expect("a number"),
            offset: line["offset"].as_i64().expect("a number"),
            timestamp: line["timestamp"].as_i64().expect("a number"),
            key: text(&line["key"]),
            headers: line["headers"]
                .as_object()
                .expect("headers")
                .iter()
                .map(|(name, value)| (name.clone(), text(value).unwrap_or_default()))
                .collect(),
            value: text(&line["value"]).unwrap_or_default(),
        };
        let mut read: Vec<_> =
            self.client(&["read"], topic, more, "").into_iter().map(message).collect();
        read.sort_by_key(|message| (message.partition, message.offset));
        read
    }

    fn client(&self, what: &[&str], topic: &str, more: &[&str], stdin: &str) -> Vec<Value> {
        let mut command = python();
        command.arg(repository().join("interop/kafka/client.py")).args(what);
        command.arg(self.addresses()).arg(topic).args(more);
        let output = run(command, stdin);
        let lines = String::from_utf8(output.stdout).expect("text");
        lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

impl Drop for Brokers {
    fn drop(&mut self) {
        let mut command = Command::new(script());
        command.env("KILL", "1").arg("stop").arg(self.folder.path());
        let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

/// The Python that has the client.
pub fn python() -> Command {
    Command::new(fetched("venv/bin/python"))
}

/// Runs the consumer of `examples/` until nothing comes for so long; what it printed.
pub fn example(brokers: &Brokers, topic: &str, idle_ms: u32) -> String {
    let mut command = python();
    command.arg(repository().join("examples/call_events.py"));
    command.arg(brokers.addresses()).arg(topic).arg(idle_ms.to_string());
    String::from_utf8(run(command, "").stdout).expect("text")
}

/// The partitions that Java's own producer chooses for keys.
pub fn partitions_in_java(count: i32, keys: &[String]) -> Vec<i32> {
    let mut command = Command::new("java");
    command.arg("-cp").arg(fetched("lib").join("*"));
    command.arg(repository().join("interop/kafka/Partitions.java"));
    command.arg(count.to_string()).args(keys);
    let output = run(command, "");
    let lines = String::from_utf8(output.stdout).expect("text");
    lines.lines().map(|line| line.parse().expect("a number")).collect()
}

fn run(mut command: Command, stdin: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child =
        command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}: {MISSING}"));
    let mut input = child.stdin.take().expect("it is piped");
    let text = stdin.to_owned();
    // Beside us: it may answer before it has read everything.
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = child.wait_with_output().expect("it ends");
    let _ = writer.join();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    output
}

fn script() -> PathBuf {
    repository().join("interop/kafka/broker")
}

/// Kafka's own tool for access, as an administrator uses it.
pub fn acl_command<'a>(brokers: &Brokers, words: impl Iterator<Item = &'a str>) {
    let mut command = Command::new("java");
    command.arg("-Xmx128m").arg("-cp").arg(fetched("lib").join("*"));
    command.args(["kafka.admin.AclCommand", "--bootstrap-server", &brokers.addresses()]);
    command.args(words);
    run(command, "");
}

/// A port that is free, with those of three brokers and their controllers behind it.
fn free_ports() -> u16 {
    wait_for(|| {
        let listener = TcpListener::bind("127.0.0.1:0").ok()?;
        let port = listener.local_addr().ok()?.port();
        let others = [1, 2, 3, 4, 10, 11, 20, 21].map(|n| port.checked_add(n));
        let free = |port: &Option<u16>| {
            port.is_some_and(|port| TcpListener::bind(("127.0.0.1", port)).is_ok())
        };
        others.iter().all(free).then_some(port)
    })
    .expect("free ports")
}
