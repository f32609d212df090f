//! The user agent against sipp, over real datagrams: a second opinion on what we send. sipp plays
//! a scenario and ends with 0 when every message of ours was as it expects.
//!
//! Where sipp is not installed the tests say so and check nothing.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sip::ids::{Owner, dial_ids};
use sip::port::{
    Credentials, Dial, GatewayConfig, GatewayId, LegId, Output, Peer, SipHeard, SipOrder, Transport,
};
use sip::{Options, UserAgent};

/// Longer than any scenario takes: then it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// sipp with a scenario: a built-in one by name, else a file of this folder. None without sipp.
fn sipp(scenario: &str, port: u16) -> Option<Child> {
    let file = format!("{}/tests/sipp/{scenario}.xml", env!("CARGO_MANIFEST_DIR"));
    let scenario = if scenario == "uas" { ["-sn", "uas"] } else { ["-sf", &file] };
    let started = Command::new("sipp")
        .args(scenario)
        .args(["-i", "127.0.0.1", "-p", &port.to_string(), "-m", "1", "-nostdin"])
        .args(["-timeout", "15", "-timeout_error"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match started {
        Ok(child) => Some(child),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => panic!("sipp cannot be started: {error}"),
    }
}

/// A shell of a few lines: one socket, one clock, one leg. Accepts what is answered.
struct Shell {
    agent: UserAgent,
    socket: UdpSocket,
    began: Instant,
    heard: Vec<SipHeard>,
}

impl Shell {
    fn new(gateway: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port for us");
        let config = GatewayConfig {
            host: gateway.ip().to_string(),
            port: Some(gateway.port()),
            transport: Transport::Udp,
            credentials: Some(Credentials { username: "trunk7".into(), password: "secret".into() }),
            register: false,
            options_every: None,
            answer_within: None,
            trusted: false,
            follow_redirects: false,
            session_expires: None,
        };
        let options = Options::new(socket.local_addr().expect("bound"), vec![config]);
        let agent = UserAgent::new(options, [3; 32]);
        Self { agent, socket, began: Instant::now(), heard: vec![] }
    }

    fn order(&mut self, order: SipOrder) {
        self.agent.order(self.began.elapsed(), order);
    }

    fn dial(&mut self) {
        let owner = Owner { shard: 0, leg: LegId(1) };
        let offer = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n";
        self.order(SipOrder::Dial(Box::new(Dial {
            leg: LegId(1),
            gateway: GatewayId(0),
            ids: dial_ids(owner, self.began.elapsed().as_nanos() | 1 << 100),
            to: "2000".into(),
            from: Some("1000".into()),
            offer: offer.into(),
        })));
    }

    /// Runs until something is heard that `wanted` knows.
    fn until(&mut self, wanted: impl Fn(&SipHeard) -> bool) {
        let from = self.heard.len();
        while !self.heard[from..].iter().any(&wanted) {
            assert!(self.began.elapsed() < PATIENCE, "not heard in time: {:?}", self.heard);
            self.turn();
        }
    }

    /// Does what is due, and waits a little for what comes.
    fn turn(&mut self) {
        let now = self.began.elapsed();
        self.agent.handle_timeout(now);
        while let Some(output) = self.agent.poll_output() {
            match output {
                Output::Transmit { to, bytes } => {
                    // sipp may not listen yet: the INVITE is sent again.
                    let _ = self.socket.send_to(&bytes, to.address);
                }
                Output::Heard(heard) => {
                    if matches!(heard, SipHeard::Answered { .. }) {
                        self.agent.order(now, SipOrder::Accept(LegId(1)));
                    }
                    self.heard.push(heard);
                }
                Output::Resolve { .. } => {}
            }
        }
        let due = self.agent.poll_timeout().unwrap_or(PATIENCE).saturating_sub(now);
        let wait = due.clamp(Duration::from_millis(1), Duration::from_millis(20));
        self.socket.set_read_timeout(Some(wait)).expect("a timeout");
        let mut buffer = [0; 4096];
        if let Ok((length, address)) = self.socket.recv_from(&mut buffer) {
            let peer = Peer { transport: Transport::Udp, address };
            self.agent.receive(self.began.elapsed(), peer, &buffer[..length]);
        }
    }
}

/// Runs a scenario while `call` plays our side; sipp must be content.
fn check(scenario: &str, call: impl FnOnce(&mut Shell)) {
    let free = UdpSocket::bind("127.0.0.1:0").expect("a port for sipp");
    let gateway = free.local_addr().expect("bound");
    drop(free);
    let mut sipp = sipp(scenario, gateway.port())
        .expect("sipp is not installed; `./x test` installs it (package sip-tester)");
    let mut shell = Shell::new(gateway);
    shell.dial();
    call(&mut shell);
    // What is out may still need its repeats.
    let ended = loop {
        if let Some(status) = sipp.try_wait().expect("sipp is ours") {
            break status;
        }
        let lingers = shell.began.elapsed() < PATIENCE;
        assert!(lingers, "sipp does not end: {:?}", shell.heard);
        shell.turn();
    };
    assert!(ended.success(), "sipp: {ended}; we heard {:?}", shell.heard);
}

#[test]
fn sipp_is_called_and_hung_up() {
    check("uas", |shell| {
        shell.until(|heard| matches!(heard, SipHeard::Answered { .. }));
        shell.order(SipOrder::Bye(LegId(1), None));
        shell.until(|heard| matches!(heard, SipHeard::Closed { .. }));
    });
}

#[test]
fn sipp_rings_and_is_cancelled() {
    check("ring_only", |shell| {
        shell.until(|heard| matches!(heard, SipHeard::Progress { status: 180, .. }));
        shell.order(SipOrder::Cancel(LegId(1), None));
        shell.until(|heard| matches!(heard, SipHeard::Cancelled { status: Some(487), .. }));
    });
}

/// sipp verifies the digest by itself.
#[test]
fn sipp_asks_for_credentials_and_is_content_with_ours() {
    check("challenge", |shell| {
        shell.until(|heard| matches!(heard, SipHeard::Answered { .. }));
        shell.order(SipOrder::Bye(LegId(1), None));
        shell.until(|heard| matches!(heard, SipHeard::Closed { .. }));
    });
}
