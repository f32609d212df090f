//! The carrier over real sockets: the same stories as in virtual time, and its RTP.

mod caller;

use caller::{Caller, Script, header, sdp};
use sim::carrier::{Carrier, CarrierHandle, Options};
use sim::exchange::Timers;
use sim::grammar::{self, Detail};
use sim::ledger::Entry;
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

/// A carrier on any free port, in which the grammar's second lasts 100 ms.
fn carrier(change: impl FnOnce(&mut Options)) -> CarrierHandle {
    let mut options = Options::new("127.0.0.1:0".parse().expect("is an address"));
    options.behaviour.second_ms = 100;
    // A busy machine may answer late; what is repeated, and when, is tested in virtual time.
    options.behaviour.timers.t1 = Duration::from_secs(10);
    change(&mut options);
    Carrier::start(options).expect("starts on a free port")
}

/// How messages reach the carrier.
trait Wire {
    fn send(&mut self, message: &str);
    /// The next message, or none when nothing came within that time.
    fn receive(&mut self, wait: Duration) -> Option<String>;
    fn via(&self) -> String;
}

struct Datagrams(UdpSocket);

impl Datagrams {
    fn to(carrier: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("binds");
        socket.connect(carrier).expect("connects");
        Self(socket)
    }
}

impl Wire for Datagrams {
    fn send(&mut self, message: &str) {
        self.0.send(message.as_bytes()).expect("is sent");
    }

    fn receive(&mut self, wait: Duration) -> Option<String> {
        self.0.set_read_timeout(Some(wait.max(Duration::from_millis(1)))).expect("is set");
        let mut bytes = [0; 65_536];
        let length = self.0.recv(&mut bytes).ok()?;
        Some(String::from_utf8(bytes[..length].to_vec()).expect("is text"))
    }

    fn via(&self) -> String {
        format!("UDP {}", self.0.local_addr().expect("is bound"))
    }
}

struct Stream(TcpStream, Vec<u8>);

impl Stream {
    fn to(carrier: SocketAddr) -> Self {
        Self(TcpStream::connect(carrier).expect("connects"), Vec::new())
    }
}

impl Wire for Stream {
    fn send(&mut self, message: &str) {
        self.0.write_all(message.as_bytes()).expect("is sent");
    }

    fn receive(&mut self, wait: Duration) -> Option<String> {
        let until = Instant::now() + wait;
        loop {
            let text = String::from_utf8_lossy(&self.1).into_owned();
            if let Some((head, rest)) = text.split_once("\r\n\r\n") {
                let length: usize = header(head, "Content-Length").parse().expect("is a number");
                if rest.len() >= length {
                    let message = format!("{head}\r\n\r\n{}", &rest[..length]);
                    self.1.drain(..message.len());
                    return Some(message);
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            self.0.set_read_timeout(Some(left.max(Duration::from_millis(1)))).expect("is set");
            let mut bytes = [0; 4_096];
            let length = self.0.read(&mut bytes).ok().filter(|length| *length > 0)?;
            self.1.extend_from_slice(&bytes[..length]);
        }
    }

    fn via(&self) -> String {
        format!("TCP {}", self.0.local_addr().expect("is bound"))
    }
}

/// Lets all callers call at once over one wire, until none of them has anything to do and nothing
/// came for `quiet`.
fn talk(wire: &mut dyn Wire, callers: &mut HashMap<String, Caller>, quiet: Duration) {
    let start = Instant::now();
    for caller in callers.values_mut() {
        caller.call(start.elapsed()).iter().for_each(|message| wire.send(message));
    }
    let mut last = start.elapsed();
    loop {
        let due = callers.values().filter_map(Caller::due).min();
        let now = start.elapsed();
        let wait = due.map_or((last + quiet).saturating_sub(now), |due| due.saturating_sub(now));
        match wire.receive(wait) {
            Some(message) => {
                last = start.elapsed();
                let caller = callers.get_mut(header(&message, "Call-ID")).expect("is ours");
                caller.receive(&message, last).iter().for_each(|message| wire.send(message));
            }
            None if due.is_none() && start.elapsed() >= last + quiet => return,
            None => {}
        }
        for caller in callers.values_mut() {
            caller.wake(start.elapsed()).iter().for_each(|message| wire.send(message));
        }
    }
}

/// One call, and what it became in the ledger.
fn call(carrier: &CarrierHandle, number: &str, script: Script) -> (Caller, Entry) {
    let mut wire = Datagrams::to(carrier.addr);
    let call_id = format!("one-{number}-{}", wire.via());
    let caller = Caller::new(number, &call_id, &wire.via(), script);
    let mut callers = HashMap::from([(call_id.clone(), caller)]);
    talk(&mut wire, &mut callers, Duration::from_millis(150));
    let entry = carrier.ledger().into_iter().rfind(|entry| *entry.call_id == *call_id);
    (callers.remove(&call_id).expect("was put in"), entry.expect("is in the ledger"))
}

/// The lines of a story without their times and without what only virtual time sees.
fn without_times(story: &str) -> Vec<String> {
    story
        .lines()
        .filter(|line| !line.contains("  rtp "))
        .map(|line| line.trim_start().split_once(' ').map_or("", |(_, rest)| rest).to_owned())
        .collect()
}

fn script_of(code: u16) -> Script {
    Script {
        cancel_after: matches!(code, 100 | 180 | 184 | 800..=803 | 805 | 806).then_some(100),
        bye_after: Some(1_500),
        reinvite_after: matches!(code, 262 | 263).then_some(100),
        ..Script::default()
    }
}

/// The stories of the golden file, by number.
fn golden() -> HashMap<String, Vec<String>> {
    let text = include_str!("behaviours.txt");
    text.split("\n\n")
        .filter_map(|part| {
            let (head, story) = part.trim_start().split_once('\n')?;
            let story: String = story
                .lines()
                .filter(|l| !l.contains("finals="))
                .map(|l| format!("{l}\n"))
                .collect();
            Some((head.split(' ').next()?.to_owned(), without_times(&story)))
        })
        .collect()
}

/// Where a call has two dialogs, each by itself: they do not wait for one another, and on a busy
/// machine the second's BYE leaves before the first's is answered, or after.
fn by_dialog(mut story: Vec<String>) -> Vec<String> {
    let dialog = |line: &String| {
        let mut words = line.split(' ').filter_map(|word| word.parse::<char>().ok());
        words.find(char::is_ascii_lowercase)
    };
    if story.iter().any(|line| dialog(line) == Some('b')) {
        story.sort_by_key(dialog);
    }
    story
}

fn check_stories(wire: &mut dyn Wire, carrier: &CarrierHandle) {
    let mut callers = HashMap::new();
    for row in grammar::ROWS {
        let code = match row.codes {
            (300, 399) => 302,
            (400, 699) => 486,
            // Takes 32 s: virtual time has it.
            (812, _) => continue,
            (code, _) => code,
        };
        let nn = match row.nn {
            Detail::Unused => 0,
            Detail::Cause => 17,
            Detail::Digits => 42,
            Detail::Times => 1,
            _ => 3,
        };
        let number = format!("999{code:03}{nn:02}");
        let via = wire.via();
        callers.insert(number.clone(), Caller::new(&number, &number, &via, script_of(code)));
    }
    talk(wire, &mut callers, Duration::from_millis(1_500));
    let golden = golden();
    for (number, caller) in callers {
        let there = carrier.addr.to_string();
        let story = caller.story.replace(&there, "127.0.0.1:5070").replace(";transport=tcp", "");
        assert_eq!(
            by_dialog(without_times(&story)).join("\n"),
            by_dialog(golden.get(&number).expect("has a story").clone()).join("\n"),
            "{number}\n{}",
            caller.story
        );
    }
}

#[test]
fn every_row_tells_the_same_story_over_udp_as_in_virtual_time() {
    let carrier = carrier(|_| ());
    check_stories(&mut Datagrams::to(carrier.addr), &carrier);
    let report = carrier.stop();
    assert_eq!((report.totals.strays, report.totals.unreadable, report.unsent), (0, 0, 0));
    for entry in &report.entries {
        assert!(entry.is_settled() || entry.plan == "no-answer-at-first", "{entry:?}");
    }
}

#[test]
fn every_row_tells_the_same_story_over_tcp() {
    let carrier = carrier(|_| ());
    check_stories(&mut Stream::to(carrier.addr), &carrier);
}

/// A call whose RTP socket the test holds: sends `packets` of a loud tone, hears what comes.
fn hear(number: &str, packets: u16, change: impl FnOnce(&mut Options)) -> (Vec<Vec<u8>>, Entry) {
    let carrier = carrier(change);
    let rtp = UdpSocket::bind("127.0.0.1:0").expect("binds");
    let port = rtp.local_addr().expect("is bound").port();
    let script = Script { bye_after: None, sdp: sdp("127.0.0.1", port), ..Script::default() };
    let (mut caller, _) = call(&carrier, number, script);
    let remote = caller.rtp.expect("the answer has SDP");
    rtp.set_read_timeout(Some(Duration::from_millis(1_000))).expect("is set");
    let mut heard = Vec::new();
    let mut bytes = [0; 1_500];
    for sequence in 0..packets {
        let mut packet = vec![0x80, 0, 0, sequence as u8, 0, 0, 0, 0, 0, 0, 0, 9];
        packet.extend([0x10; 160]);
        rtp.send_to(&packet, remote).expect("is sent");
    }
    // 25 packets, or silence.
    while heard.len() < 25 {
        match rtp.recv(&mut bytes) {
            Ok(length) => heard.push(bytes[..length].to_vec()),
            Err(_) => break,
        }
    }
    let _ = caller.wake(Duration::MAX);
    let entry = carrier.ledger().pop().expect("is in the ledger");
    (heard, entry)
}

#[test]
fn an_answered_call_is_heard_as_an_even_stream_of_packets() {
    let (heard, entry) = hear("99920000", 5, |_| ());
    assert_eq!(heard.len(), 25);
    let number = |packet: &[u8]| u16::from_be_bytes([packet[2], packet[3]]);
    let stamp = |packet: &[u8]| u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]);
    for pair in heard.windows(2) {
        assert_eq!(pair[1].len(), 172);
        assert_eq!((pair[1][0], pair[1][1] & 0x7f), (0x80, 0));
        assert_eq!(number(&pair[1]), number(&pair[0]).wrapping_add(1));
        assert_eq!(stamp(&pair[1]), stamp(&pair[0]).wrapping_add(160));
        assert_eq!(pair[1][8..12], pair[0][8..12]);
    }
    let counts = entry.rtp.counts();
    assert_eq!((counts.received, counts.lost, counts.garbage), (5, 0, 0));
    assert_eq!(counts.loud, 800);
    assert!(counts.sent >= 25, "{counts:?}");
}

#[test]
fn an_echo_gives_back_each_packet_once() {
    let (heard, entry) = hear("99923400", 7, |_| ());
    assert_eq!(heard.len(), 7);
    assert!(heard.iter().all(|packet| packet[12..] == [0x10; 160]));
    assert_eq!(entry.rtp.counts().received, 7);
}

#[test]
fn a_callee_without_rtp_sends_none_and_one_with_garbage_sends_no_rtp() {
    let (heard, entry) = hear("99923000", 1, |_| ());
    assert_eq!((heard.len(), entry.rtp.counts().received), (0, 1));
    let (heard, _) = hear("99923600", 0, |_| ());
    assert_eq!(heard.len(), 25);
    assert!(heard.iter().all(|packet| packet[0] >> 6 != 2));
}

#[test]
fn pressed_digits_come_as_events_with_three_ends_each() {
    let (heard, _) = hear("99927042", 0, |options| options.behaviour.second_ms = 10);
    let events: Vec<_> = heard.iter().filter(|packet| packet[1] & 0x7f == 101).collect();
    for digit in [4, 2] {
        let ends = events.iter().filter(|p| p[12] == digit && p[13] & 0x80 != 0).count();
        assert_eq!(ends, 3, "digit {digit} of {events:?}");
    }
}

#[test]
fn calls_beyond_the_rtp_ports_are_answered_without_audio() {
    let carrier = carrier(|options| options.rtp_calls_max = 1);
    let talks = Script { bye_after: None, ..Script::default() };
    let (first, _) = call(&carrier, "99920000", talks.clone());
    let (second, _) = call(&carrier, "99920000", talks);
    assert!(!first.story.contains("port 0"), "{}", first.story);
    assert!(second.story.contains("port 0"), "{}", second.story);
    assert_eq!(carrier.totals().without_port, 1);
}

#[test]
fn a_port_that_is_taken_is_said_so() {
    let taken = UdpSocket::bind("127.0.0.1:0").expect("binds");
    let address = taken.local_addr().expect("is bound");
    let error = Carrier::start(Options::new(address)).expect_err("cannot start");
    assert_eq!(error.to_string(), format!("cannot listen for SIP on {address}"));
}

#[test]
fn the_ledger_file_has_a_line_for_every_invite() {
    let path = std::env::temp_dir().join(format!("callfold-ledger-{}.jsonl", std::process::id()));
    let carrier = carrier(|options| {
        options.ledger = Some(path.clone());
        // What is over is done 64 ms later.
        options.behaviour.timers =
            Timers { t1: Duration::from_millis(1), t2: Duration::from_millis(8) };
    });
    call(&carrier, "99948600", Script::default());
    call(&carrier, "99920000", Script { bye_after: None, ..Script::default() });
    drop(carrier.stop());
    let text = std::fs::read_to_string(&path).expect("was written");
    std::fs::remove_file(&path).expect("is ours");
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("is JSON")).collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert_eq!((&lines[0]["plan"], &lines[0]["status"]), (&"refuse".into(), &486.into()));
    assert_eq!((&lines[1]["plan"], &lines[1]["open"]), (&"answer".into(), &1.into()));
    assert_eq!(lines[1]["ended_by"], "nobody");
}
