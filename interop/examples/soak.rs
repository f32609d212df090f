//! Many calls against a peer that we did not write, or against our simulated carrier in a process of
//! its own: are all of them right, what do they cost, and is anything left behind?
//!
//! ```text
//! cargo run --release -p interop --example soak -- sipp|sim CALLS RATE
//! ```
//!
//! Prints the outcomes, the calls that ended otherwise than they should, CPU, memory and open files
//! at the start and at the end, and what is left. Ends with 1 when anything is wrong.

// It is a program for people: it prints.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use interop::caller::{call_to, gateway, node_options};
use interop::cost;
use interop::ledger::{called_twice, wait_until_settled};
use interop::patience::wait_for;
use interop::sipp::{Scenario, Sipp};
use node::{Node, Notice, Prepared};
use schemas::call::CallEnded;
use schemas::commands::PlaceCall;
use schemas::{CallId, Outcome};
use sim::carrier::{Carrier, Options};
use sip::port::Transport;
use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use switchboard::{Answer, Input, Ticket};

/// What the carrier's callees do by the ends of their numbers, and what has to come of it.
const KINDS: [(&str, Outcome); 10] = [
    ("99920101", Outcome::Completed),
    ("99948600", Outcome::Busy),
    ("99948601", Outcome::Busy),
    ("99940400", Outcome::InvalidNumber),
    ("99918000", Outcome::NoAnswer),
    ("99921105", Outcome::Completed),
    ("99911100", Outcome::Completed),
    ("99980100", Outcome::NoAnswer),
    ("99919001", Outcome::Completed),
    ("99926001", Outcome::Completed),
];
/// How long those ring who never answer.
const RING_MS: u32 = 3_000;
/// Wrong ones beyond this are counted and not listed.
const LISTED_MAX: usize = 20;
const TURN: Duration = Duration::from_millis(10);
/// Without any end for so long, what is up is given up.
const SILENCE_MAX: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<u32>().ok().filter(|n| *n > 0);
    match arguments[..] {
        ["carrier"] => carrier(),
        [peer @ ("sipp" | "sim"), calls, rate] => match (number(calls), number(rate)) {
            (Some(calls), Some(rate)) => soak(peer, calls, rate),
            _ => usage(),
        },
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: soak sipp|sim CALLS RATE");
    ExitCode::from(2)
}

/// The simulated carrier: prints its address, serves until its input ends, then tells what it is
/// owed.
fn carrier() -> ExitCode {
    let mut options = Options::new(SocketAddr::from(([127, 0, 0, 1], 0)));
    options.behaviour.second_ms = 200;
    options.behaviour.entries_max = 1 << 20;
    let carrier = Carrier::start(options).expect("the carrier starts");
    println!("{}", carrier.addr);
    // Whatever ends the reading ends us.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    let owed = wait_until_settled(&carrier);
    let twice = called_twice(&carrier.ledger());
    for entry in owed.iter().take(LISTED_MAX) {
        println!("owed: {entry:?}");
    }
    println!("the carrier is owed {} calls; {} were called twice", owed.len(), twice.len());
    ExitCode::from(u8::from(!owed.is_empty() || !twice.is_empty()))
}

/// Whom is called.
enum Peer {
    Sipp(Sipp),
    Carrier(Child, BufReader<std::process::ChildStdout>),
}

impl Peer {
    fn start(name: &str, calls: u32) -> (Self, SocketAddr) {
        if name == "sipp" {
            let scenario = Scenario { calls, is_traced: false, ..Scenario::new("-sn uas") };
            let sipp = Sipp::start(&scenario);
            let address = sipp.address();
            return (Self::Sipp(sipp), address);
        }
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .arg("carrier")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the carrier starts");
        let mut says = BufReader::new(child.stdout.take().expect("it was asked for"));
        let mut line = String::new();
        says.read_line(&mut line).expect("the carrier says where it is");
        let address = line.trim().parse().expect("an address");
        (Self::Carrier(child, says), address)
    }

    /// Whether it is content.
    fn finish(self) -> bool {
        match self {
            // It says so itself when it is not.
            Self::Sipp(sipp) => {
                sipp.finish();
                true
            }
            Self::Carrier(mut child, mut says) => {
                drop(child.stdin.take());
                let mut text = String::new();
                says.read_to_string(&mut text).expect("the carrier's last word");
                print!("{text}");
                child.wait().expect("the carrier ends").success()
            }
        }
    }
}

/// What became of the calls.
#[derive(Default)]
struct Outcomes {
    counts: BTreeMap<Outcome, u32>,
    wrong: Vec<String>,
    ended: u32,
}

impl Outcomes {
    fn note(&mut self, phone: &str, expected: Outcome, end: &CallEnded) {
        self.ended += 1;
        *self.counts.entry(end.outcome).or_default() += 1;
        if end.outcome != expected {
            let CallEnded { outcome, sip_status, reason, .. } = end;
            self.wrong.push(format!("{phone}: {outcome} ({sip_status:?}, {reason:?})"));
        }
    }
}

fn soak(peer: &str, calls: u32, rate: u32) -> ExitCode {
    println!("{calls} calls at {rate}/s against {peer}");
    let (far, address) = Peer::start(peer, calls);
    let folder = tempfile::tempdir().expect("a folder");
    let options = node_options(folder.path(), vec![gateway(Transport::Udp, address)]);
    let node = Prepared::open(options).and_then(Prepared::start).expect("the node starts");
    let (memory, files) = (cost::resident_bytes(), cost::open_files());
    let (cpu, start) = (cost::cpu(), Instant::now());

    let (outcomes, most) = call_everybody(&node, peer, calls, rate);
    let (took, cpu) = (start.elapsed(), cost::cpu() - cpu);
    // Legs linger for 64*T1, to answer what comes again.
    let left = || {
        let gauges = &node.gauges;
        [gauges.live.load(Ordering::Relaxed), gauges.legs.load(Ordering::Relaxed)]
    };
    let is_empty = wait_for(|| (left() == [0, 0]).then_some(())).is_some();
    let [live, legs] = left();

    let seconds = took.as_secs_f64();
    println!("  took {seconds:.1} s, {:.1} calls/s", f64::from(calls) / seconds);
    let counts: Vec<String> = outcomes.counts.iter().map(|(o, n)| format!("{n} {o}")).collect();
    println!("  {}", counts.join(", "));
    println!("  wrong: {} of {calls}", outcomes.wrong.len() as u32 + calls - outcomes.ended);
    outcomes.wrong.iter().take(LISTED_MAX).for_each(|wrong| println!("    {wrong}"));
    println!("  CPU {cpu:.2} s, {:.0} µs each call", 1e6 * cpu / f64::from(calls));
    let megabytes = [memory, most, cost::resident_bytes()].map(|bytes| bytes as f64 / 1e6);
    println!(
        "  memory {:.1} MB at the start, {:.1} MB at the most, {:.1} MB at the end",
        megabytes[0], megabytes[1], megabytes[2]
    );
    let files_left = cost::open_files();
    println!("  open files {files} at the start, {files_left} at the end");
    println!("  left: {live} calls, {legs} legs");
    let is_stopped = node.stop().is_ok();
    let is_content = far.finish();
    let is_right = outcomes.wrong.is_empty() && outcomes.ended == calls;
    let is_clean = is_empty && files_left <= files && is_stopped;
    ExitCode::from(u8::from(!(is_right && is_clean && is_content)))
}

/// Places them at their rate, whatever becomes of those before, and waits for their ends. The most
/// memory that was used meanwhile is given as well.
fn call_everybody(node: &Node, peer: &str, calls: u32, rate: u32) -> (Outcomes, u64) {
    let (mut outcomes, mut most) = (Outcomes::default(), 0);
    let mut open: HashMap<CallId, (String, Outcome)> = HashMap::new();
    let (start, mut placed, mut last) = (Instant::now(), 0, Instant::now());
    while outcomes.ended < calls && last.elapsed() < SILENCE_MAX {
        let due = (start.elapsed().as_secs_f64() * f64::from(rate)) as u32;
        while placed < due.min(calls) {
            let (phone, expected) = nth(peer, placed);
            let wish = match expected {
                Outcome::NoAnswer => {
                    PlaceCall { ring_timeout_ms: Some(RING_MS), ..call_to(&phone) }
                }
                _ => call_to(&phone),
            };
            open.insert(CallId::of_command(&wish.command_id), (phone, expected));
            assert!(node.ask(Input::Place(Ticket(0), Box::new(wish))), "the node goes on");
            placed += 1;
        }
        std::thread::sleep(TURN);
        for notice in node.notices.try_iter() {
            match notice {
                Notice::Ended(call, end) => {
                    let (phone, expected) = open.remove(&call).expect("a call ends once");
                    outcomes.note(&phone, expected, &end);
                    last = Instant::now();
                }
                Notice::Idle | Notice::Partition(..) | Notice::Answer(_, Answer::Accepted(_)) => {}
                Notice::Answer(_, other) => panic!("a command was not accepted: {other:?}"),
                Notice::Stopped(why) => panic!("the node stopped: {why}"),
            }
        }
        most = most.max(cost::resident_bytes());
    }
    (outcomes, most)
}

fn nth(peer: &str, n: u32) -> (String, Outcome) {
    match peer {
        "sim" => {
            let (kind, expected) = KINDS[n as usize % KINDS.len()];
            (format!("+1{n:06}{kind}"), expected)
        }
        _ => (format!("+1212{n:07}"), Outcome::Completed),
    }
}
