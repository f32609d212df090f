//! A node that registers at its gateway takes that back when it is stopped.

#[allow(dead_code)] // each test file uses its part
mod world;

use node::{Node, Prepared};
use sip::port::Credentials;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;
use tempfile::TempDir;
use world::{gateway, options};

/// How long anything may take before the test gives up on it.
const PATIENCE: Duration = Duration::from_secs(60);

/// The gateway's registrar: a socket that the test answers on.
struct Registrar {
    socket: UdpSocket,
    /// Who sent the last request.
    from: SocketAddr,
}

impl Registrar {
    fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let from = socket.local_addr().expect("it has one");
        Self { socket, from }
    }

    /// A node that registers here.
    fn node(&self, folder: &TempDir) -> Node {
        let mut gateway = gateway("registrar", self.socket.local_addr().expect("it has one"));
        gateway.sip.register = true;
        gateway.sip.credentials =
            Some(Credentials { username: "alice".into(), password: "secret".into() });
        Prepared::open(options(folder, vec![gateway]))
            .and_then(Prepared::start)
            .expect("the node starts")
    }

    /// The next request.
    fn hears(&mut self) -> String {
        let mut buffer = [0; 4096];
        let (length, from) = self.socket.recv_from(&mut buffer).expect("a request in time");
        self.from = from;
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        assert!(text.starts_with("REGISTER "), "{text}");
        text
    }

    fn answers(&self, request: &str, status: &str, more: &str) {
        let is_copied = |line: &&str| {
            ["Via:", "From:", "To:", "Call-ID:", "CSeq:", "Contact:"]
                .iter()
                .any(|name| line.starts_with(name))
        };
        let copied = request.lines().filter(is_copied).map(|line| format!("{line}\r\n"));
        let copied: String = copied.collect();
        let text = format!("SIP/2.0 {status}\r\n{copied}{more}Content-Length: 0\r\n\r\n");
        self.socket.send_to(text.as_bytes(), self.from).expect("sent");
    }

    /// Asks for the password, and gives the request that shows it.
    fn challenges(&mut self, request: &str) -> String {
        let challenge = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\n";
        self.answers(request, "401 Unauthorized", challenge);
        // A repeat of the first may have been on its way.
        loop {
            let request = self.hears();
            if request.contains("Authorization: Digest") {
                return request;
            }
        }
    }
}

#[test]
fn a_node_that_stops_takes_its_registration_back_and_waits_for_the_answer() {
    let (folder, mut registrar) = (tempfile::tempdir().expect("a folder"), Registrar::new());
    let node = registrar.node(&folder);
    let asked = registrar.hears();
    assert!(!asked.contains("Expires: 0\r\n"), "{asked}");
    let proven = registrar.challenges(&asked);
    registrar.answers(&proven, "200 OK", "Expires: 3600\r\n");

    let stopping = std::thread::spawn(move || node.stop());
    let mut leaves = registrar.hears();
    while !leaves.contains("Expires: 0\r\n") {
        leaves = registrar.hears();
    }
    assert!(!stopping.is_finished(), "it waits");
    if !leaves.contains("nc=") {
        leaves = registrar.challenges(&leaves);
    }
    registrar.answers(&leaves, "200 OK", "");
    stopping.join().expect("no panic").expect("a clean stop");
}

#[test]
fn a_registrar_that_is_gone_does_not_keep_a_node_from_stopping() {
    let (folder, mut registrar) = (tempfile::tempdir().expect("a folder"), Registrar::new());
    let node = registrar.node(&folder);
    let asked = registrar.hears();
    registrar.answers(&asked, "200 OK", "Expires: 3600\r\n");
    let stopping = std::thread::spawn(move || node.stop());
    while !registrar.hears().contains("Expires: 0\r\n") {}
    // Two seconds of silence later.
    stopping.join().expect("no panic").expect("a clean stop");
}
