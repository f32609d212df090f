//! What a call costs the simulated carrier, beside `sipp -sn uas` in the same run.
//!
//! ```text
//! cargo run --release -p sim --example carrier_rate [CALLS_PER_SECOND] [SECONDS] [ROUNDS]
//! cargo run --release -p sim --example carrier_rate rtp [CALLS] [SECONDS]
//! cargo run --release -p sim --example carrier_rate value [CALLS]
//! ```
//!
//! Each round lets `sipp -sn uac` (INVITE, 180, 200, ACK, BYE, 200, no media) call sipp's own
//! answering side and then the carrier, and prints the CPU time of each per call. With `rtp`, calls
//! are held up with RTP both ways instead, and the CPU time per packet stands beside that of a bare
//! loop of `send`. With `value`, the carrier is called as a value in virtual time, without sockets,
//! at 1000 calls/s. Needs /proc and sipp (package sip-tester).

#![allow(clippy::print_stdout, reason = "it is there to print")]

use anyhow::{Context, Result, bail, ensure};
use sim::carrier::{Carrier, Options};
use sim::exchange::{self, Exchange, Output, Ports};
use sip::port::{Peer, Transport};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The clock of /proc/PID/stat on every Linux there is.
const TICKS_PER_SECOND: f64 = 100.0;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, other: u32| -> Result<u32> {
        arguments.get(at).map_or(Ok(other), |text| Ok(text.parse()?))
    };
    match arguments.first().map(String::as_str) {
        Some("serve") => serve(),
        Some("value") => value(number(1, 200_000)?),
        Some("rtp") => rtp(number(1, 1_000)?, number(2, 10)?),
        _ => {
            let (rate, seconds, rounds) = (number(0, 1_000)?, number(1, 10)?, number(2, 3)?);
            let mut ratios = Vec::new();
            for round in 1..=rounds {
                let sipp = drive(Answering::Sipp, rate, seconds)?;
                let ours = drive(Answering::Carrier, rate, seconds)?;
                ratios.push(ours / sipp);
                println!(
                    "round {round}, {rate} calls/s for {seconds} s: sipp uas {sipp:.1} µs/call, \
                     carrier {ours:.1} µs/call, {:.2} x",
                    ours / sipp
                );
            }
            ratios.sort_by(f64::total_cmp);
            println!("median {:.2} x sipp's uas", ratios[ratios.len() / 2]);
            Ok(())
        }
    }
}

/// The carrier in a process of its own: says where it listens, stops when its input ends.
fn serve() -> Result<()> {
    let carrier = Carrier::start(Options::new("127.0.0.1:0".parse()?))?;
    println!("{}", carrier.addr);
    std::io::stdin().read_line(&mut String::new())?;
    let report = carrier.stop();
    eprint(&report.to_string());
    let owed = report.entries.iter().filter(|entry| !entry.is_settled()).count();
    ensure!(owed == 0 && report.totals.strays == 0, "{owed} calls are not settled");
    Ok(())
}

fn eprint(text: &str) {
    if std::env::var_os("VERBOSE").is_some() {
        // Nobody reads it: nothing to do about it.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
}

#[derive(Clone, Copy, Debug)]
enum Answering {
    Sipp,
    Carrier,
}

/// Microseconds of CPU per call of the answering side.
fn drive(who: Answering, rate: u32, seconds: u32) -> Result<f64> {
    let (mut answering, address) = start(who)?;
    let before = cpu_seconds(answering.id())?;
    let calls = rate * seconds;
    let number = std::env::var("NUMBER").unwrap_or_else(|_| "99920000".to_owned());
    let uac = Command::new("sipp")
        .args(["-sn", "uac", "-nostdin", "-i", "127.0.0.1", "-s", &number, "-d", "0"])
        .args(["-r", &rate.to_string(), "-m", &calls.to_string(), "-l", "20000"])
        .args(["-timeout", &format!("{}s", seconds * 2 + 20), "-timeout_error"])
        .arg(address.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .context("cannot run sipp (package sip-tester)")?;
    let used = cpu_seconds(answering.id())? - before;
    drop(answering.stdin.take());
    match who {
        Answering::Sipp => answering.kill()?,
        Answering::Carrier => ensure!(answering.wait()?.success(), "the carrier found calls amiss"),
    }
    answering.wait()?;
    ensure!(uac.success(), "sipp saw calls to {who:?} fail: {uac}");
    Ok(used * 1e6 / f64::from(calls))
}

fn start(who: Answering) -> Result<(Child, SocketAddr)> {
    match who {
        Answering::Carrier => {
            let mut child = Command::new(std::env::current_exe()?)
                .arg("serve")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()?;
            let mut line = String::new();
            let said = child.stdout.take().context("has an output")?;
            BufReader::new(said).read_line(&mut line)?;
            Ok((child, line.trim().parse()?))
        }
        Answering::Sipp => {
            // A port that was free a moment ago.
            let address = UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
            let child = Command::new("sipp")
                .args(["-sn", "uas", "-nostdin", "-i", "127.0.0.1"])
                .args(["-p", &address.port().to_string()])
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .context("cannot run sipp (package sip-tester)")?;
            wait_for(address)?;
            Ok((child, address))
        }
    }
}

/// Until somebody listens there, as the system's own list has it.
fn wait_for(address: SocketAddr) -> Result<()> {
    let until = Instant::now() + Duration::from_secs(10);
    let local = format!("0100007F:{:04X}", address.port());
    while Instant::now() < until {
        if std::fs::read_to_string("/proc/net/udp")?.contains(&local) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    bail!("sipp did not start")
}

/// User and system time of a process so far.
fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name before it may hold blanks, but no bracket follows its own.
    let (_, fields) = stat.rsplit_once(')').context("is a stat line")?;
    let ticks = |at: usize| -> Result<f64> {
        Ok(fields.split_whitespace().nth(at).context("has that field")?.parse()?)
    };
    Ok((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND)
}

/// Answered calls of no length, in virtual time.
fn value(calls: u32) -> Result<()> {
    struct OnePort;
    impl Ports for OnePort {
        fn take(&mut self) -> Option<SocketAddr> {
            Some(SocketAddr::from(([127, 0, 0, 1], 9_000)))
        }
    }
    let here = "127.0.0.1:5070".parse()?;
    let peer = Peer { transport: Transport::Udp, address: "127.0.0.1:4060".parse()? };
    let mut exchange = Exchange::new(exchange::Options::new(here), Box::new(OnePort));
    let mut carrier_ran = Duration::ZERO;
    let before = resident_kb()?;
    let mut most = 0;
    // By the thousand, so that the clock of this thread's CPU is read rarely.
    for thousand in 0..calls / 1_000 {
        let now = Duration::from_secs(u64::from(thousand));
        let mut to = vec!["<sip:99911100@carrier.example>".to_owned(); 1_000];
        for (cseq, method) in [(1, "INVITE"), (1, "ACK"), (2, "BYE")] {
            let messages: Vec<_> = (0..1_000)
                .zip(&to)
                .map(|(n, to)| plain(method, thousand * 1_000 + n, cseq, to, 4_000))
                .collect();
            let start = own_cpu()?;
            for message in &messages {
                exchange.wake(now);
                exchange.receive(peer, message.as_bytes(), now);
            }
            let said: Vec<_> = exchange.outputs().collect();
            carrier_ran += own_cpu()?.checked_sub(start).context("time goes forward")?;
            let answers = said.into_iter().filter_map(|output| match output {
                Output::Transmit { bytes, .. } => String::from_utf8(bytes).ok(),
                Output::Rtp(_) => None,
            });
            for (to, answer) in to.iter_mut().zip(answers) {
                let theirs = answer.lines().find_map(|line| line.strip_prefix("To: "));
                *to = theirs.context("has a To")?.to_owned();
            }
        }
        most = most.max(resident_kb()?);
    }
    let finals = exchange.totals().finals;
    ensure!(finals.get(&200) == Some(&u64::from(calls)), "not all were answered: {finals:?}");
    println!(
        "{calls} calls at 1000/s of virtual time: {:.2} µs of CPU per call, {} kB for the 32 s of \
         calls that are over and the ledger",
        carrier_ran.as_secs_f64() * 1e6 / f64::from(calls),
        most.saturating_sub(before)
    );
    Ok(())
}

fn resident_kb() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    Ok(line.and_then(|l| l.split_whitespace().next()).context("has a size")?.parse()?)
}

/// Calls that stay up, with RTP both ways.
fn rtp(calls: u32, seconds: u32) -> Result<()> {
    let mut options = Options::new("127.0.0.1:0".parse()?);
    options.rtp_calls_max = calls as usize;
    let carrier = Carrier::start(options)?;
    let sip = UdpSocket::bind("127.0.0.1:0")?;
    sip.connect(carrier.addr)?;
    let mut streams = Vec::new();
    for call in 0..calls {
        let media = UdpSocket::bind("127.0.0.1:0")?;
        media.set_nonblocking(true)?;
        let port = media.local_addr()?.port();
        let remote = answer(&sip, call, port)?;
        media.connect(remote)?;
        streams.push(media);
    }
    let threads = threads_cpu()?;
    let start = Instant::now();
    let mut packet = [0x55u8; 172];
    let mut heard = 0u64;
    let mut bytes = [0; 200];
    for slot in 0..seconds * 1_000 {
        let due = start + Duration::from_millis(u64::from(slot));
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let mine = streams.iter().enumerate().skip((slot % 20) as usize).step_by(20);
        for (at, media) in mine {
            packet[..12].copy_from_slice(&[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            packet[2..4].copy_from_slice(&((slot / 20) as u16).to_be_bytes());
            packet[4..8].copy_from_slice(&(slot / 20 * 160).to_be_bytes());
            packet[8..12].copy_from_slice(&(at as u32).to_be_bytes());
            media.send(&packet)?;
            while media.recv(&mut bytes).is_ok() {
                heard += 1;
            }
        }
    }
    let ran = start.elapsed().as_secs_f64();
    let used = threads_cpu()?.checked_sub(threads).context("time goes forward")?.as_secs_f64();
    let counts: Vec<_> = carrier.ledger().iter().map(|entry| entry.rtp.counts()).collect();
    let sent: u64 = counts.iter().map(|counts| u64::from(counts.sent)).sum();
    let received: u64 = counts.iter().map(|counts| u64::from(counts.received)).sum();
    let bare = bare_send(&streams)?;
    let each = used * 1e6 / sent as f64;
    println!(
        "{calls} calls for {ran:.1} s: the carrier sent {sent} packets ({heard} heard), received \
         {received}; {:.0} % of a core, {each:.2} µs per packet sent and one received; a bare \
         send and recv {bare:.2} µs",
        100.0 * used / ran
    );
    Ok(())
}

/// A message of a call, by the plainest means.
fn plain(method: &str, call: u32, cseq: u32, to: &str, port: u16) -> String {
    let body = match method {
        "INVITE" => format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP 0\r\n"
        ),
        _ => String::new(),
    };
    format!(
        "{method} sip:99911100@carrier.example SIP/2.0\r\n\
         Via: SIP/2.0/UDP 127.0.0.1:4060;branch=z9hG4bK{method}{call};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:1@us.example>;tag=1\r\nTo: {to}\r\nCall-ID: rate{call}\r\n\
         CSeq: {cseq} {method}\r\nContact: <sip:1@127.0.0.1:4060>\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Calls, and gives back where the carrier's RTP is.
fn answer(sip: &UdpSocket, call: u32, port: u16) -> Result<SocketAddr> {
    sip.send(plain("INVITE", call, 1, "<sip:99911100@carrier.example>", port).as_bytes())?;
    let mut bytes = [0; 2_000];
    let length = sip.recv(&mut bytes)?;
    let text = std::str::from_utf8(&bytes[..length])?;
    let header = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
    let to = header("To: ").context("has a To")?;
    sip.send(plain("ACK", call, 1, to, port).as_bytes())?;
    let port = header("m=audio ").and_then(|m| m.split(' ').next()).context("has audio")?;
    Ok(SocketAddr::new(carrier_ip(), port.parse()?))
}

fn carrier_ip() -> std::net::IpAddr {
    std::net::Ipv4Addr::LOCALHOST.into()
}

/// CPU time of the carrier's threads, to the nanosecond.
fn threads_cpu() -> Result<Duration> {
    let mut sum = Duration::ZERO;
    for thread in std::fs::read_dir("/proc/self/task")? {
        let thread = thread?.path();
        if std::fs::read_to_string(thread.join("comm"))?.starts_with("carrier") {
            let stat = std::fs::read_to_string(thread.join("schedstat"))?;
            let nanos = stat.split(' ').next().context("has a time")?.parse()?;
            sum += Duration::from_nanos(nanos);
        }
    }
    Ok(sum)
}

/// CPU microseconds of one `send` and one `recv` of a packet as long, over as many sockets.
fn bare_send(streams: &[UdpSocket]) -> Result<f64> {
    let sinks =
        streams.iter().map(|_| UdpSocket::bind("127.0.0.1:0")).collect::<Result<Vec<_>, _>>()?;
    for (from, to) in streams.iter().zip(&sinks) {
        from.connect(to.local_addr()?)?;
    }
    let mut packet = [0x55; 172];
    let rounds = 100_000 / streams.len();
    let before = own_cpu()?;
    for _ in 0..rounds {
        for (from, to) in streams.iter().zip(&sinks) {
            from.send(&packet)?;
            to.recv(&mut packet)?;
        }
    }
    let used = own_cpu()?.checked_sub(before).context("time goes forward")?;
    Ok(used.as_secs_f64() * 1e6 / (rounds * streams.len()) as f64)
}

/// CPU time of this thread.
fn own_cpu() -> Result<Duration> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(Duration::from_nanos(stat.split(' ').next().context("has a time")?.parse()?))
}
