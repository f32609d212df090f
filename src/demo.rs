//! `callfold demo`: the whole engine against a simulated carrier, real SIP and RTP over loopback.

use crate::advice;
use crate::demo_sound;
use crate::dial::{self, DialOptions, Finished, GatewayTerms};
use crate::signals::StopRequests;
use anyhow::{Context, Result, ensure};
use projections::table::Style;
use schemas::Numbering;
use sim::carrier::{Carrier, CarrierHandle, Options as CarrierOptions};
use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The most calls of a demo: it is one machine that plays both sides.
pub const CALLS_MAX: u32 = 1_000_000;
/// How long a phone rings in the demo: nobody wants to watch thirty seconds.
pub(crate) const RING_TIMEOUT_MS: u32 = 5_000;
/// How long an answered call may last.
pub(crate) const MAX_TALK_MS: u32 = 6_000;

/// What is to be shown.
#[derive(Clone, Debug)]
pub struct DemoOptions {
    /// How many calls.
    pub calls: u32,
    /// How many start per second.
    pub rate: f64,
    /// The seed of who is called.
    pub seed: u64,
    /// The data folder; a new one among the temporary files when absent.
    pub data: Option<PathBuf>,
    /// Whether one JSON object is printed, as by `dial`.
    pub json: bool,
    /// How tables are printed.
    pub style: Style,
}

/// Shows it. Stopped or not, what was dialled has its end.
///
/// # Errors
/// No port, no room on the disk, a folder that cannot be used; or a call without exactly one end.
pub fn run(options: &DemoOptions, stop: &StopRequests) -> Result<Finished> {
    let data = match &options.data {
        Some(data) => data.clone(),
        None => new_folder()?,
    };
    std::fs::create_dir_all(&data).with_context(|| format!("{} cannot be made", data.display()))?;
    let (main, second) = carriers(options.seed)?;
    let list = data.join("demo.csv");
    std::fs::write(&list, callees(options.calls, options.seed))
        .with_context(|| format!("{} cannot be written", list.display()))?;
    let prompt = data.join("welcome.wav");
    demo_sound::write_chime(&prompt)?;
    if !options.json {
        introduce(options, &main, &second)?;
    }
    let gateway = |carrier: &CarrierHandle| {
        let address = carrier.addr;
        Ok::<_, anyhow::Error>(format!("sip:{address}").parse()?)
    };
    let dial = DialOptions {
        list,
        batch: Some("demo".into()),
        again: false,
        gateways: vec![gateway(&main)?, gateway(&second)?],
        terms: GatewayTerms::default(),
        caller_id: Some("4008001234".into()),
        prompt: Some(prompt),
        overlay: None,
        record: None,
        rate: Some(options.rate),
        concurrency: 2_000,
        ring_timeout_ms: RING_TIMEOUT_MS,
        max_talk_ms: Some(MAX_TALK_MS),
        max_attempts: 1,
        redial_after_ms: None,
        bind: None,
        numbering: Numbering::INTERNATIONAL,
        data: data.clone(),
        store: None,
        node: "demo".to_owned(),
        json: options.json,
        style: options.style,
    };
    let finished = dial::run(&dial, stop)?;
    let seen = [main.stop(), second.stop()];
    if !options.json {
        let unacked: u64 = seen.iter().map(|report| report.totals.unacked).sum();
        ensure!(unacked == 0, "the carrier waits for {unacked} ACKs in vain");
        what_next(&data)?;
    }
    Ok(finished)
}

pub(crate) fn carriers(seed: u64) -> Result<(CarrierHandle, CarrierHandle)> {
    let start = |seed| {
        let listen = "127.0.0.1:0".parse().expect("a loopback address");
        let mut options = CarrierOptions::new(listen);
        options.behaviour.seed = seed;
        Carrier::start(options).context("the simulated carrier cannot be started")
    };
    Ok((start(seed)?, start(seed ^ 1)?))
}

/// Who is called: one of each kind first, so that a small demo shows them all, then a mix that is
/// more like a list of people.
pub(crate) fn callees(calls: u32, seed: u64) -> String {
    // The last eight digits choose what the callee does: docs/test-numbers.md.
    const ONE_OF_EACH: [(&str, &str); 16] = [
        ("99920002", "answers after 2 s"),
        ("99921103", "hangs up soon"),
        ("99948601", "busy"),
        ("99918001", "rings, nobody answers"),
        ("99960302", "declines"),
        ("99940400", "no such number"),
        ("99948001", "switched off"),
        ("99918302", "ringback song, then answers"),
        ("99918602", "announcement, then unavailable"),
        ("99922002", "answering machine"),
        ("99923000", "answers, sends no audio"),
        ("99927042", "presses 4 and 2"),
        ("99926001", "puts us on hold"),
        ("99950300", "carrier congested: second gateway"),
        ("99924300", "answers with unusable SDP"),
        ("99980100", "answers as we cancel"),
    ];
    const PEOPLE: [(&str, &str); 12] = [
        ("99920001", "answers"),
        ("99920002", "answers"),
        ("99920003", "answers"),
        ("99921120", "hangs up after 2 s"),
        ("99921108", "hangs up soon"),
        ("99922003", "answering machine"),
        ("99918302", "ringback song, answers"),
        ("99948601", "busy"),
        ("99948600", "busy"),
        ("99918001", "nobody answers"),
        ("99960301", "declines"),
        ("99940400", "no such number"),
    ];
    let mut list = String::from("phone,callee\n");
    let mut dice = sim::seed::Dice::new(seed);
    for n in 0..calls as usize {
        let (digits, what) = match ONE_OF_EACH.get(n) {
            Some(row) => *row,
            None => PEOPLE[dice.below(PEOPLE.len() as u64) as usize],
        };
        // Dial strings: digits before the last eight make every number another one.
        writeln!(list, "86{n:06}{digits},\"{what}\"").expect("writing to a String cannot fail");
    }
    list
}

fn introduce(options: &DemoOptions, main: &CarrierHandle, second: &CarrierHandle) -> Result<()> {
    let mut out = std::io::stderr().lock();
    writeln!(
        out,
        "Calling {} simulated people over real SIP and RTP on this machine, {} a second.\n\
         Carriers: {} and, when it is congested, {}.\n",
        options.calls, options.rate, main.addr, second.addr
    )?;
    Ok(())
}

fn what_next(data: &Path) -> Result<()> {
    let command = |task| advice::command(task, data, None);
    let mut out = std::io::stderr().lock();
    writeln!(
        out,
        "every event:     {}\n\
         one call, lived: {} --call ID\n\
         all in order?    {}",
        command("events"),
        command("replay"),
        command("verify")
    )?;
    Ok(())
}

pub(crate) fn new_folder() -> Result<PathBuf> {
    let name = format!("callfold-demo-{}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    // A process of the same number may have left one.
    if folder.exists() {
        std::fs::remove_dir_all(&folder)
            .with_context(|| format!("{} cannot be removed", folder.display()))?;
    }
    Ok(folder)
}
