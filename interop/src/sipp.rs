//! sipp as the callee: another stack's idea of what a call looks like on the wire. Its exit code
//! says whether it saw what its scenario expects.

use crate::caller::gateway;
use crate::patience::{PATIENCE, wait_for};
use node::Gateway;
use sip::port::Transport;
use std::fs;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// How often a port is drawn before the machine is blamed: another process may take it first.
const DRAWS_MAX: usize = 5;
const TRACE: &[&str] = &["-trace_msg", "-message_file", "messages"];
/// sipp gives up by the clock; whoever waits for it gives up before, and says more.
const GIVES_UP_AFTER: Duration = PATIENCE.saturating_mul(10);

/// What sipp is to do.
#[derive(Clone, Debug)]
pub struct Scenario<'a> {
    /// A file of `scenarios/` without its ending, or `-sn NAME` for one that sipp brings.
    pub name: &'a str,
    /// How its messages travel.
    pub transport: Transport,
    /// After so many calls it ends.
    pub calls: u32,
    /// What stands in the scenario's file for `[KEY]`. (sipp's own `-key` cannot stand in a status
    /// line.)
    pub keys: &'a [(&'a str, &'a str)],
    /// Whether every message is kept, to be shown: not where there are many thousands.
    pub is_traced: bool,
    /// More arguments.
    pub more: &'a [&'a str],
}

impl<'a> Scenario<'a> {
    /// One call by UDP.
    pub fn new(name: &'a str) -> Self {
        Self { name, transport: Transport::Udp, calls: 1, keys: &[], is_traced: true, more: &[] }
    }
}

/// A sipp that listens. Killed when it is dropped.
pub struct Sipp {
    child: Child,
    name: String,
    transport: Transport,
    address: SocketAddr,
    folder: TempDir,
}

impl Sipp {
    /// Starts it on a free port, and waits until it listens.
    ///
    /// # Panics
    /// sipp is not installed, or does not take the scenario: the test is over.
    pub fn start(scenario: &Scenario<'_>) -> Self {
        for _ in 0..DRAWS_MAX {
            let mut sipp = Self::start_at(scenario, free_port());
            match sipp.wait_until_it_listens() {
                None => return sipp,
                Some(_) if sipp.says().contains("bind") => {}
                Some(status) => panic!("sipp ended at once with {status}: {}", sipp.says()),
            }
        }
        panic!("no port for sipp in {DRAWS_MAX} attempts");
    }

    fn start_at(scenario: &Scenario<'_>, port: u16) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let Scenario { name, transport, calls, more, .. } = scenario;
        let mut command = Command::new("sipp");
        match name.strip_prefix("-sn ") {
            Some(built_in) => command.args(["-sn", built_in]),
            None => command.arg("-sf").arg(write_scenario(scenario, folder.path())),
        };
        command
            .current_dir(folder.path())
            .args(["-i", "127.0.0.1", "-p", &port.to_string(), "-mp", &free_port().to_string()])
            .args(["-t", if *transport == Transport::Udp { "u1" } else { "t1" }])
            .args(["-m", &calls.to_string(), "-nostdin"])
            .args(["-timeout", &format!("{}s", GIVES_UP_AFTER.as_secs()), "-timeout_error"])
            .args(["-trace_err", "-error_file", "errors"])
            .args(if scenario.is_traced { TRACE } else { &[] })
            .args(*more)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.path().join("stderr")).expect("a file"));
        let child = command
            .spawn()
            .expect("sipp runs: install the package sip-tester (apt-get install sip-tester)");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Self { child, name: (*name).to_owned(), transport: *transport, address, folder }
    }

    /// None when it listens, its exit status when it ended instead.
    fn wait_until_it_listens(&mut self) -> Option<ExitStatus> {
        let seen = wait_for(|| match self.child.try_wait().expect("it can be waited for") {
            Some(status) => Some(Some(status)),
            None => listens(self.child.id(), self.transport, self.address.port()).then_some(None),
        });
        seen.unwrap_or_else(|| panic!("{} does not listen", self.name))
    }

    /// It as a gateway.
    pub fn gateway(&self) -> Gateway {
        gateway(self.transport, self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has had its calls, and gives every message that it sent and received.
    ///
    /// # Panics
    /// It saw something else than its scenario expects, or not enough of it in time.
    pub fn finish(mut self) -> String {
        let status = wait_for(|| self.child.try_wait().expect("it can be waited for"));
        let messages = self.messages();
        let status = status
            .unwrap_or_else(|| panic!("{} does not end; its messages:\n{messages}", self.name));
        let (name, says) = (&self.name, self.says());
        assert!(status.success(), "{name}: {status}\n{says}\nits messages:\n{messages}");
        messages
    }

    fn messages(&self) -> String {
        self.read("messages")
    }

    fn says(&self) -> String {
        format!("{}{}", self.read("stderr"), self.read("errors"))
    }

    fn read(&self, file: &str) -> String {
        let bytes = fs::read(self.folder.path().join(file)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        // It has ended already, most often.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes the scenario with its keys filled in.
fn write_scenario(scenario: &Scenario<'_>, folder: &Path) -> PathBuf {
    let file = format!("scenarios/{}.xml", scenario.name);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let mut text = fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    for (key, value) in scenario.keys {
        text = text.replace(&format!("[{key}]"), value);
    }
    let filled_in = folder.join("scenario.xml");
    fs::write(&filled_in, text).expect("a file");
    filled_in
}

/// A port that was free by UDP and TCP a moment ago, and even: RTP likes that.
fn free_port() -> u16 {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let port = udp.local_addr().expect("it has one").port();
        if port.is_multiple_of(2) && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Whether this process, and no other, has a socket that listens on this port: trying to bind it
/// could take it away from sipp at the wrong moment.
fn listens(process: u32, transport: Transport, port: u16) -> bool {
    let table = match transport {
        Transport::Udp => "/proc/net/udp",
        Transport::Tcp => "/proc/net/tcp",
    };
    let table = fs::read_to_string(table).unwrap_or_default();
    let wanted = format!("0100007F:{port:04X}");
    let sockets = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut ours = sockets.filter(|fields| fields.get(1) == Some(&&*wanted));
    let Some(fields) = ours.next() else { return false };
    // 0A: a TCP socket that listens. 07: a UDP socket without a peer.
    let state = if transport == Transport::Udp { "07" } else { "0A" };
    let Some(inode) = fields.get(9).filter(|_| fields[3] == state) else { return false };
    let socket = format!("socket:[{inode}]");
    let Ok(files) = fs::read_dir(format!("/proc/{process}/fd")) else { return false };
    files
        .flatten()
        .any(|file| fs::read_link(file.path()).is_ok_and(|to| to.as_os_str() == &*socket))
}
