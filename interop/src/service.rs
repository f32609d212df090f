//! `callfold run` as a process of its own, and whoever asks it over HTTP.

use crate::patience::wait_for;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Longer than any answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// A service that runs. Dropped, it is killed.
pub struct Service {
    child: Child,
    /// Where its HTTP listens.
    pub http: SocketAddr,
    /// What it has said so far.
    pub said: Arc<Mutex<String>>,
}

/// An answer over HTTP.
#[derive(Debug)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// Its head, in small letters.
    pub head: String,
    /// Its body, as JSON where it is that.
    pub json: Value,
    /// Its body.
    pub text: String,
}

/// What a service with its data in `data` below its folder is told. `more` comes first, and may
/// close with a section of its own.
pub fn config(node: &str, data: &str, gateway: SocketAddr, more: &str) -> String {
    format!(
        "{more}\n[node]\nname = \"{node}\"\ndata = \"{data}\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
         [[gateways]]\nname = \"carrier\"\nuri = \"sip:{gateway}\"\n"
    )
}

impl Service {
    /// Starts the program `callfold` in a folder, and waits until it is ready.
    pub fn start(program: &str, folder: &Path, config: &str) -> Self {
        let service = Self::begin(program, folder, config);
        let ready = wait_for(|| service.said.lock().unwrap().contains("\nready\n").then_some(()));
        assert!(ready.is_some(), "it does not get ready: {}", service.said.lock().unwrap());
        service
    }

    /// Starts it, and waits until it can be asked; it may rebuild its calls for a while.
    pub fn begin(program: &str, folder: &Path, config: &str) -> Self {
        let file = tempfile::NamedTempFile::new_in(folder).unwrap();
        fs::write(file.path(), config).unwrap();
        let mut command = Command::new(program);
        command.args(["run", "--config"]).arg(file.path()).current_dir(folder);
        if std::env::var_os("CALLFOLD_LOG").is_none() {
            // What its tests fail for.
            command.env("CALLFOLD_LOG", "warn,kafka=info");
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let said = Arc::new(Mutex::new(String::new()));
        let heard = said.clone();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                writeln!(heard.lock().unwrap(), "{line}").unwrap();
            }
        });
        let http = wait_for(|| {
            let said = said.lock().unwrap();
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended by itself: {said}");
            said.lines().find_map(|line| line.strip_prefix("HTTP on http://")?.parse().ok())
        });
        let http = http.expect("it says where its HTTP listens");
        Self { child, http, said }
    }

    /// Asks it for something.
    pub fn ask(&self, method: &str, path: &str, head: &[(&str, &str)], body: &str) -> Reply {
        let mut stream = TcpStream::connect(self.http).unwrap();
        stream.set_read_timeout(Some(ANSWER_WITHIN)).unwrap();
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.http);
        for (name, value) in head {
            write!(request, "{name}: {value}\r\n").unwrap();
        }
        write!(request, "Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
            .unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, text) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let json = serde_json::from_str(text).unwrap_or(Value::Null);
        let status = status.unwrap_or_else(|| panic!("no answer: {answer}"));
        Reply { status, head: head.to_ascii_lowercase(), json, text: text.to_owned() }
    }

    /// Asks for something that has no body.
    pub fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, &[], "")
    }

    /// Asks for a call.
    pub fn place(&self, body: &str) -> Reply {
        self.ask("POST", "/v1/calls", &[("Content-Type", "application/json")], body)
    }

    /// The record of a command's call once it says this.
    pub fn record_when(&self, command: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let record = wait_for(|| {
            last = self.get(&format!("/v1/calls?command_id={command}")).json;
            is_so(&last).then(|| last.take())
        });
        record.unwrap_or_else(|| panic!("{command} does not come to that: {last}"))
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).expect("it is there");
    }

    /// Kills it with -9.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until it ends by itself.
    pub fn wait(mut self) -> ExitStatus {
        let ended = wait_for(|| self.child.try_wait().unwrap());
        ended.unwrap_or_else(|| panic!("it does not end: {}", self.said.lock().unwrap()))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() || std::env::var_os("SHOW_SERVICES").is_some() {
            // What a test of several nodes failed for is in what they said.
            let said =
                self.said.lock().map_or_else(|said| said.into_inner().clone(), |s| s.clone());
            let _ = writeln!(std::io::stderr(), "what the service on {} said:\n{said}", self.http);
        }
    }
}
