//! What a stream costs: the pump beside a bare `send` loop and a bare timer, in one run.
//!
//! ```text
//! cargo run --release -p media --example pump_rate -- [streams] [seconds]
//! ```
//!
//! The pump's process is pinned to core 0, the peer (this program again, which echoes or swallows
//! every packet) to core 1, by `taskset`. CPU is the measured thread's own (`/proc/…/schedstat`);
//! on loopback that includes the kernel's delivery to the peer. Rounds are repeated bare, pump,
//! bare, so that a noisy neighbour shows.
#![allow(clippy::print_stdout)]

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use media::clip::Clip;
use media::port::{Agreed, Codec, MediaHeard, MediaOrder, StreamId};
use media::prompt::Prompts;
use media::pump::{Pump, PumpOptions};

/// An RTP packet of 20 ms of G.711.
const PACKET_BYTES: usize = 172;

fn main() {
    let mut arguments = env::args().skip(1);
    match arguments.next().as_deref() {
        Some("peer") => peer(),
        Some("pinned") => {
            let mut number =
                |otherwise| arguments.next().and_then(|it| it.parse().ok()).unwrap_or(otherwise);
            measure(number(2_000), number(6));
        }
        first => {
            // Begin again on core 0.
            let rest = first.map(str::to_owned).into_iter().chain(arguments);
            let status =
                pinned("0", "pinned").args(rest).status().expect("taskset runs this program");
            std::process::exit(status.code().unwrap_or(1));
        }
    }
}

fn pinned(core: &str, role: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", core]).arg(env::current_exe().expect("this program")).arg(role);
    command
}

fn measure(streams: u64, seconds: u64) {
    let peer = Peer::start();
    let long = Duration::from_secs(seconds);
    println!(
        "{streams} streams, {seconds} s per round, packets of {PACKET_BYTES} bytes, echoed by a peer"
    );
    peer.echo(false);
    let before = Bare::measure(&peer, streams, long / 2);
    timer("before", long);
    for (echo, what) in [(false, "one way"), (true, "both ways")] {
        peer.echo(echo);
        round(&peer, streams, long, what, &before);
    }
    timer("after", long);
    peer.echo(false);
    Bare::measure(&peer, streams, long / 2);
}

/// Microseconds of CPU per packet of a loop that only sends.
struct Bare {
    /// As fast as it goes, from one socket.
    one: f64,
    /// As fast as it goes, from as many sockets as the pump has.
    many: f64,
    /// The same, a twentieth of them every millisecond.
    paced: f64,
}

impl Bare {
    fn measure(peer: &Peer, streams: u64, long: Duration) -> Self {
        let sockets: Vec<_> =
            (0..streams).map(|_| UdpSocket::bind("127.0.0.1:0").expect("a socket")).collect();
        let burst = sockets.len() / 20;
        let run = |sockets: &[UdpSocket], paced: bool| {
            let packet = [0x80; PACKET_BYTES];
            let (begun, cpu) = (Instant::now(), cpu_ns(None));
            let mut due = Duration::from_millis(1);
            let mut sent = 0u64;
            let mut turn = sockets.iter().cycle();
            while begun.elapsed() < long {
                for socket in turn.by_ref().take(burst) {
                    sent += u64::from(socket.send_to(&packet, peer.address).is_ok());
                }
                if paced {
                    thread::park_timeout(due.saturating_sub(begun.elapsed()));
                    due += Duration::from_millis(1);
                }
            }
            (cpu_ns(None) - cpu) as f64 / 1_000.0 / sent as f64
        };
        let (one, many) = (run(&sockets[..1], false), run(&sockets, false));
        let bare = Self { one, many, paced: run(&sockets, true) };
        println!(
            "bare send_to: {:.2} us per packet from one socket, {:.2} from {streams}, {:.2} at our pace",
            bare.one, bare.many, bare.paced
        );
        bare
    }
}

/// How late a thread wakes that does nothing else.
fn timer(when: &str, long: Duration) {
    let begun = Instant::now();
    let mut late: Vec<u64> = Vec::new();
    let mut due = Duration::from_millis(1);
    while due < long {
        thread::park_timeout(due.saturating_sub(begun.elapsed()));
        let now = begun.elapsed();
        if now >= due {
            late.push((now - due).as_micros() as u64);
            due += Duration::from_millis(1);
        }
    }
    late.sort_unstable();
    let p99 = late[late.len() * 99 / 100];
    println!("bare timer of 1 ms, {when}: p99 {p99} us late, worst {} us", late[late.len() - 1]);
}

fn round(peer: &Peer, streams: u64, long: Duration, what: &str, bare: &Bare) {
    let prompts = Prompts::new();
    let tone = |at: u32| ((f64::from(at) * 0.5).sin() * 9_000.0) as i16;
    prompts
        .insert("tone", &Clip::of((0..8_000 * (long.as_secs() as u32 + 30)).map(tone).collect()));
    let closed = Arc::new(AtomicU64::new(0));
    let counted = closed.clone();
    let pump = Pump::start(
        PumpOptions { streams_max: 100_000, ..PumpOptions::default() },
        prompts,
        move |heard| {
            if let MediaHeard::Closed { report, .. } = heard {
                counted.fetch_add(u64::from(report.lost), Ordering::Relaxed);
            }
        },
    )
    .expect("threads");
    let memory = resident_bytes();
    for stream in (0..streams).map(StreamId) {
        if let MediaHeard::OpenFailed { why, .. } = pump.open(stream, None) {
            println!("stopped at {} streams: {why}", stream.0);
            return;
        }
        let agreed = Agreed {
            remote: peer.address,
            rtcp: None,
            codec: Codec::Pcma,
            events: None,
            ptime_ms: 20,
            send: true,
            receive: true,
        };
        pump.order(MediaOrder::Connect { stream, agreed });
        pump.order(MediaOrder::Answered { stream });
        pump.order(MediaOrder::Play { stream, prompt: "tone".to_owned() });
    }
    // The opening is not what is measured: a second later all stands.
    thread::park_timeout(Duration::from_secs(1));
    let per_stream = resident_bytes().saturating_sub(memory) / streams;
    let counts = || (cpu_ns(Some("media")), pump.measures().sent(), pump.measures().received());
    pump.measures().forget_lateness();
    let (cpu, sent, received) = counts();
    let begun = Instant::now();
    while begun.elapsed() < long {
        thread::park_timeout(long.saturating_sub(begun.elapsed()));
    }
    let (cpu_now, sent_now, received_now) = counts();
    let elapsed = begun.elapsed().as_secs_f64();
    let (cpu, sent, received) = (cpu_now - cpu, sent_now - sent, received_now - received);
    let lateness = pump.measures().lateness().expect("packets were sent");
    let skipped = pump.measures().skipped_slots();
    drop(pump);

    let per_packet = cpu as f64 / 1_000.0 / (sent + received) as f64;
    println!("pump, {what}:");
    println!("  {:.0} packets/s out, {:.0} in", sent as f64 / elapsed, received as f64 / elapsed);
    println!(
        "  {per_packet:.2} us of CPU per packet: {:.2} x bare from one socket, {:.2} x from many, {:.2} x paced",
        per_packet / bare.one,
        per_packet / bare.many,
        per_packet / bare.paced
    );
    println!(
        "  {:.1} % of a core; {:.4} % of a core per stream",
        cpu as f64 / elapsed / 1e7,
        cpu as f64 / elapsed / 1e7 / streams as f64
    );
    println!(
        "  late: p50 {} us, p99 {} us, worst {} us; {skipped} slots passed over; {} packets lost",
        lateness.p50_us,
        lateness.p99_us,
        lateness.max_us,
        closed.load(Ordering::Relaxed)
    );
    println!("  {per_stream} bytes of memory per stream");
}

/// The other process.
struct Peer {
    child: Child,
    orders: ChildStdin,
    address: SocketAddr,
}

impl Peer {
    fn start() -> Self {
        let mut child = pinned("1", "peer")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("taskset runs this program");
        let mut line = String::new();
        let output = child.stdout.take().expect("it was piped");
        BufReader::new(output).read_line(&mut line).expect("the peer tells its address");
        let orders = child.stdin.take().expect("it was piped");
        Self { child, orders, address: line.trim().parse().expect("an address") }
    }

    fn echo(&self, echo: bool) {
        let order: &[u8] = if echo { b"echo\n" } else { b"swallow\n" };
        (&self.orders).write_all(order).expect("the peer lives");
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn peer() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(4 << 20);
    println!("{}", socket.local_addr().expect("it is bound"));
    let echo = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let wanted = echo.clone();
    thread::spawn(move || {
        for line in std::io::stdin().lines() {
            wanted.store(line.is_ok_and(|line| line == "echo"), Ordering::Relaxed);
        }
        std::process::exit(0);
    });
    let mut buffer = [0; 2_048];
    while let Ok((bytes, from)) = socket.recv_from(&mut buffer) {
        if echo.load(Ordering::Relaxed) && bytes == PACKET_BYTES {
            let _ = socket.send_to(&buffer[..bytes], from);
        }
    }
}

/// CPU of the thread with this name, or of this one, in nanoseconds.
fn cpu_ns(name: Option<&str>) -> u64 {
    let folder = match name {
        None => "/proc/thread-self".to_owned(),
        Some(name) => fs::read_dir("/proc/self/task")
            .expect("Linux")
            .flatten()
            .map(|task| task.path().display().to_string())
            .find(|task| {
                fs::read_to_string(format!("{task}/comm")).is_ok_and(|comm| comm.trim() == name)
            })
            .expect("the thread runs"),
    };
    let schedstat = fs::read_to_string(format!("{folder}/schedstat")).expect("schedstat");
    schedstat.split(' ').next().and_then(|ns| ns.parse().ok()).expect("nanoseconds")
}

fn resident_bytes() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").expect("Linux");
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).expect("pages") * 4_096
}
