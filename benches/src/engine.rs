//! The whole engine without audio, beside sipp: calls per CPU second at the same rate, against the
//! same callee (`sipp -sn uas`), in the same run.

use crate::cpu::{self, Beside};
use crate::kernel;
use anyhow::{Result, ensure};
use campaign::BatchOptions;
use media::clip::Clip;
use media::prompt::Prompts;
use media::pump::PumpOptions;
use node::engine::Gateway;
use node::list::Row;
use node::{Node, NodeOptions, Notice, Prepared};
use routing::GatewayOptions;
use schemas::Outcome;
use sip::port::{GatewayConfig, Transport};
use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// About as long as a message of such a call.
const PACKET_BYTES: usize = 500;

/// Prints both, and the ratio.
///
/// # Errors
/// sipp is not there, or a call ends otherwise than it should.
pub fn run(calls: u32, rate: u32) -> Result<()> {
    println!("{calls} calls at {rate}/s against sipp -sn uas, hung up at the answer");
    let sipp = sipp_calls(calls, rate)?;
    println!(
        "  sipp -sn uac        {:8.0} calls per CPU second   {:6.1} µs each",
        1.0 / sipp,
        sipp * 1e6
    );
    let ours = our_calls(calls, rate)?;
    println!(
        "  callfold, durable   {:8.0} calls per CPU second   {:6.1} µs each",
        1.0 / ours.cpu,
        ours.cpu * 1e6
    );
    println!("  ratio               {:8.2} × sipp                 (limit 0.4)", sipp / ours.cpu);
    // INVITE, ACK and BYE out; 180 and two 200s in. Half of a datagram's way is the peer's.
    let kernel = 3.0 * kernel::datagram(PACKET_BYTES)?;
    println!(
        "  the kernel alone    {:8.0} calls per CPU second   {:6.1} µs for the 6 packets of a call",
        1.0 / kernel,
        kernel * 1e6
    );
    println!(
        "  took {:.1} s, {:.0} calls/s; memory {:.1} MB",
        ours.wall,
        f64::from(calls) / ours.wall,
        ours.memory as f64 / 1e6
    );
    Ok(())
}

/// The engine without sipp's turn, for a profiler, and by quarters of the run.
///
/// # Errors
/// As [`run`].
pub fn run_alone(calls: u32, rate: u32) -> Result<()> {
    let ours = our_calls(calls, rate)?;
    println!(
        "callfold alone: {:.1} µs of CPU for each of {calls} calls at {rate}/s",
        ours.cpu * 1e6
    );
    println!("  by quarter, that a call does not pay for those that ended before it:");
    println!("  {}", ours.quarters.map(|cpu| format!("{:.1}", cpu * 1e6)).join(", "));
    println!("  memory at the end {:.1} MB", ours.memory as f64 / 1e6);
    Ok(())
}

/// What a live call takes of memory, held up after its answer, silent or playing a prompt, and what
/// is left when all have ended.
///
/// # Errors
/// As [`run`].
pub fn run_memory(calls: u32, audio: bool) -> Result<()> {
    let (_uas, port) = callee()?;
    let folder = tempfile::tempdir()?;
    let mut options = options(folder.path(), port);
    let prompt = audio.then(|| "tone".to_owned());
    if let Some(prompt) = &prompt {
        let tone = |at: u32| ((f64::from(at) * 0.5).sin() * 9_000.0) as i16;
        options.prompts.insert(prompt, &Clip::of((0..8_000 * 60).map(tone).collect()));
    }
    options.max_talk_ms = 3_600_000;
    let mut prepared = Prepared::open(options)?;
    let mut loading = prepared.load("bench", false)?;
    for line in 1..=calls {
        loading.take(Row { line, phone: format!("+1555{line:07}"), variables: None })?;
    }
    let run = loading.finish()?;
    let talk_ms = 1000 * (calls / 1000 + 8);
    prepared.run(BatchOptions { max_talk_ms: talk_ms, prompt, ..batch(1000) }, run);
    let node = prepared.start()?;
    let before = cpu::resident_bytes();
    let (mut most, mut at) = (0, 0);
    let start = Instant::now();
    loop {
        std::thread::sleep(Duration::from_millis(200));
        let live = node.gauges.live.load(std::sync::atomic::Ordering::Relaxed);
        if live >= at {
            (at, most) = (live, cpu::resident_bytes());
        }
        if node.notices.try_iter().any(|notice| matches!(notice, Notice::Idle)) {
            break;
        }
        ensure!(start.elapsed() < Duration::from_secs(300), "the calls do not end");
    }
    let after = cpu::resident_bytes();
    println!(
        "memory {}: {at} live calls, {:.0} bytes each   (limit {})",
        if audio { "with audio" } else { "without audio" },
        (most - before) as f64 / at as f64,
        if audio { 12_000 } else { 6_000 }
    );
    println!(
        "  before {:.1} MB, at the most {:.1} MB, after their end {:.1} MB",
        before as f64 / 1e6,
        most as f64 / 1e6,
        after as f64 / 1e6
    );
    node.stop()?;
    Ok(())
}

/// CPU seconds of one call by sipp.
fn sipp_calls(calls: u32, rate: u32) -> Result<f64> {
    let (_uas, port) = callee()?;
    let calls_text = calls.to_string();
    let rate_text = rate.to_string();
    let target = format!("127.0.0.1:{port}");
    let uac = Beside::start(
        "sipp",
        &[
            "-sn",
            "uac",
            &target,
            "-i",
            "127.0.0.1",
            "-m",
            &calls_text,
            "-r",
            &rate_text,
            "-d",
            "0",
            "-nostdin",
            "-l",
            "100000",
        ],
    )?;
    let (well, cpu) = uac.finish()?;
    ensure!(well, "a call of sipp's failed");
    Ok(cpu / f64::from(calls))
}

/// A callee that answers at once, and its port.
fn callee() -> Result<(Beside, u16)> {
    let port = UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port();
    let uas = Beside::start(
        "sipp",
        &["-sn", "uas", "-i", "127.0.0.1", "-p", &port.to_string(), "-nostdin"],
    )?;
    wait_for(port)?;
    Ok((uas, port))
}

/// Asks until somebody listens there.
fn wait_for(port: u16) -> Result<()> {
    let start = Instant::now();
    while UdpSocket::bind(("127.0.0.1", port)).is_ok() {
        ensure!(start.elapsed() < Duration::from_secs(10), "sipp does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// CPU seconds used and calls ended, at each quarter of a run.
type Marks = Vec<(f64, u32)>;

struct Ours {
    cpu: f64,
    wall: f64,
    memory: u64,
    /// CPU seconds of a call among the first quarter of them, the second and so on.
    quarters: [f64; 4],
}

fn our_calls(calls: u32, rate: u32) -> Result<Ours> {
    let (_uas, port) = callee()?;
    let folder = tempfile::tempdir()?;
    let mut prepared = Prepared::open(options(folder.path(), port))?;
    let mut loading = prepared.load("bench", false)?;
    for line in 1..=calls {
        loading.take(Row { line, phone: format!("+1555{line:07}"), variables: None })?;
    }
    let run = loading.finish()?;
    prepared.run(batch(rate), run);
    let (before, start) = (cpu::own(), Instant::now());
    let node = prepared.start()?;
    let (outcomes, marks) = wait(&node, calls)?;
    let (cpu, wall) = (cpu::own() - before, start.elapsed().as_secs_f64());
    let memory = cpu::resident_bytes();
    ensure!(
        outcomes.get(&Outcome::Completed) == Some(&calls),
        "not all were answered: {outcomes:?}"
    );
    node.stop()?;
    let quarters = std::array::from_fn(|at| {
        let (from, to) = (at.checked_sub(1).map_or((before, 0), |at| marks[at]), marks[at]);
        (to.0 - from.0) / f64::from(to.1 - from.1)
    });
    Ok(Ours { cpu: cpu / f64::from(calls), wall, memory, quarters })
}

/// Looks ten times a second, as the command line does: being woken for each call would be half of
/// what it costs.
/// Gives what became of them, and the CPU seconds and number of ended calls at each quarter.
fn wait(node: &Node, calls: u32) -> Result<(BTreeMap<Outcome, u32>, Marks)> {
    let (mut outcomes, mut marks) = (BTreeMap::new(), Vec::new());
    let (mut ended, mut last) = (0, Instant::now());
    loop {
        std::thread::sleep(Duration::from_millis(100));
        if ended >= calls / 4 * (marks.len() as u32 + 1) {
            marks.push((cpu::own(), ended));
        }
        for notice in node.notices.try_iter() {
            last = Instant::now();
            match notice {
                Notice::Ended(_, end) => {
                    ended += 1;
                    *outcomes.entry(end.outcome).or_default() += 1;
                }
                Notice::Idle if ended == calls => {
                    marks.resize(4, (cpu::own(), ended));
                    return Ok((outcomes, marks));
                }
                Notice::Stopped(why) => anyhow::bail!("{why}"),
                Notice::Idle | Notice::Partition(..) | Notice::Answer(..) => {}
            }
        }
        ensure!(last.elapsed() < Duration::from_secs(120), "the node is silent");
    }
}

fn batch(rate: u32) -> BatchOptions {
    BatchOptions {
        name: "bench".into(),
        run: 1,
        per_second: Some(rate.into()),
        concurrency: 100_000,
        caller_id: Some("4000".into()),
        prompt: None,
        record: false,
        ring_timeout_ms: 30_000,
        max_talk_ms: 0,
        max_attempts: 1,
        redial_after_ms: None,
    }
}

fn options(folder: &Path, port: u16) -> NodeOptions {
    NodeOptions {
        name: "bench".into(),
        data: folder.to_owned(),
        key_file: None,
        callee_key_file: None,
        sip_bind: "127.0.0.1:0".parse().expect("an address"),
        gateways: vec![Gateway {
            options: GatewayOptions {
                name: "sipp".into(),
                max_concurrent: 100_000,
                calls_per_second: None,
            },
            sip: GatewayConfig {
                host: "127.0.0.1".into(),
                port: Some(port),
                transport: Transport::Udp,
                credentials: None,
                register: false,
                options_every: None,
                answer_within: None,
                trusted: false,
                follow_redirects: false,
                session_expires: None,
            },
        }],
        media: PumpOptions::default(),
        prompts: Prompts::new(),
        recordings: None,
        calls_max: 100_000,
        ring_timeout_ms: 30_000,
        max_talk_ms: 0,
        call: Arc::default(),
    }
}
