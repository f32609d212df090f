//! `callfold demo --kafka BROKERS`: the demo through topics. Commands are written to one of them by
//! a plain producer, `callfold run` serves them in this process, and what is shown is read from the
//! topic of events by a plain consumer.

use crate::advice;
use crate::config::Config;
use crate::demo::{self, DemoOptions, MAX_TALK_MS, RING_TIMEOUT_MS};
use crate::demo_sound;
use crate::dial::Finished;
use crate::service;
use crate::signals::StopRequests;
use crate::topics::options;
use anyhow::{Context, Result, anyhow, bail};
use kafka::plain::{Follower, Writer};
use kafka::topics;
use projections::Summary;
use schemas::Outcome;
use serde_json::{Value, json};
use sim::carrier::CarrierHandle;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Of the demo's topics.
const PARTITIONS: i32 = 8;
/// Without any event for so long, something is wrong.
const SILENCE_MAX: Duration = Duration::from_secs(60);
const TURN: Duration = Duration::from_millis(10);

/// Shows it.
///
/// # Errors
/// No port, no room on the disk, brokers that do not answer; or events that do not come.
pub fn run(demo: &DemoOptions, brokers: &str, stop: &StopRequests) -> Result<Finished> {
    let data = demo.data.clone().map_or_else(demo::new_folder, Ok)?;
    let prompts = data.join("prompts");
    std::fs::create_dir_all(&prompts)
        .with_context(|| format!("{} cannot be made", prompts.display()))?;
    demo_sound::write_chime(&prompts.join("welcome.wav"))?;
    let carriers = demo::carriers(demo.seed)?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let prefix = format!("callfold.demo.{since}");
    let text = config(&data, brokers, &prefix, &[&carriers.0, &carriers.1]);
    let config = Config::read(&text, []).map_err(|faults| anyhow!("{faults}"))?;
    let kafka = config.kafka.as_ref().context("it has a section [kafka]")?;
    let options = options(kafka, &config.node.name)?;
    topics::make(&options, PARTITIONS, None).map_err(|error| anyhow!(error.in_full()))?;
    writeln!(
        std::io::stderr(),
        "Calling {} simulated people, {} a second: commands in {prefix}.commands, events in \
         {prefix}.events on {brokers}.\n",
        demo.calls,
        demo.rate
    )?;
    let stopped = StopRequests::by_hand();
    let serving = {
        let stopped = stopped.clone();
        std::thread::Builder::new().spawn(move || service::run(&config, &stopped))?
    };
    let began = Instant::now();
    let shown = show(demo, &options, stop, || serving.is_finished());
    stopped.ask();
    if shown.is_err() {
        stopped.ask();
    }
    let served = serving.join().map_err(|_| anyhow!("the service ended in the middle"))?;
    served.and(shown).and_then(|(summary, finished)| {
        let table = summary.table(0, Some(began.elapsed()), &demo.style);
        let events = advice::command("events", &data, None);
        writeln!(std::io::stderr(), "{table}\nevery event, in the log too: {events}")?;
        drop(carriers);
        Ok(finished)
    })
}

/// Writes the commands at their rate, and reads the events, until every command is over.
fn show(
    demo: &DemoOptions,
    options: &kafka::Options,
    stop: &StopRequests,
    has_ended: impl Fn() -> bool,
) -> Result<(Summary, Finished)> {
    let failed = |error: kafka::Error| anyhow!(error.in_full());
    let (writer, follower) =
        (Writer::open(options).map_err(failed)?, Follower::open(options).map_err(failed)?);
    let list = demo::callees(demo.calls, demo.seed);
    let mut people = list.lines().skip(1).filter_map(|row| row.split_once(',')).enumerate();
    let (mut summary, began, mut heard) = (Summary::default(), Instant::now(), Instant::now());
    let mut sent = 0_u32;
    while summary.calls() < demo.calls.into() {
        if stop.count() > 0 {
            return Ok((summary, Finished::Stopped));
        }
        if has_ended() {
            bail!("the service has ended");
        }
        while f64::from(sent) <= began.elapsed().as_secs_f64() * demo.rate {
            let Some((n, (phone, callee))) = people.next() else { break };
            let callee = callee.trim_matches('"');
            let command = json!({
                "type": "PlaceCall", "command_id": format!("demo-{n}"), "phone": phone,
                "prompt": "welcome.wav", "variables": {"callee": callee},
            });
            writer.send(&command).map_err(failed)?;
            sent += 1;
        }
        if let Some(event) = follower.next(TURN) {
            heard = Instant::now();
            take(&event, &mut summary);
        }
        if heard.elapsed() > SILENCE_MAX {
            bail!("no event came for {} s", SILENCE_MAX.as_secs());
        }
    }
    Ok((summary, Finished::All))
}

fn take(event: &Value, summary: &mut Summary) {
    if event["type"] != "CallEnded" {
        return;
    }
    let span = |field: &str| event[field].as_u64().and_then(|ms| u32::try_from(ms).ok());
    let word = event["outcome"].as_str().unwrap_or_default();
    if let Some(outcome) = Outcome::ALL.iter().find(|outcome| outcome.to_string() == word) {
        summary.add(*outcome, span("ring_ms"), span("talk_ms"));
    }
}

fn config(data: &Path, brokers: &str, prefix: &str, carriers: &[&CarrierHandle]) -> String {
    let quoted = |path: &Path| Value::from(path.display().to_string()).to_string();
    let at = |name: &str| quoted(&data.join(name));
    let gateways: String = carriers
        .iter()
        .enumerate()
        .map(|(n, carrier)| {
            format!("[[gateways]]\nname = \"carrier-{}\"\nuri = \"sip:{}\"\n", n + 1, carrier.addr)
        })
        .collect();
    let topics: String = ["commands", "work", "events", "dead", "relay"]
        .map(|topic| format!("{topic} = \"{prefix}.{topic}\"\n"))
        .concat();
    let log = Value::from(format!("log:{}", data.join("log").display()));
    let (ring, talk) = (f64::from(RING_TIMEOUT_MS) / 1000.0, f64::from(MAX_TALK_MS) / 1000.0);
    format!(
        "[node]\nname = \"demo\"\ndata = {}\n[store]\nurl = {log}\n[media]\nprompts = {}\n{gateways}\
         [kafka]\nbrokers = {}\ngroup = \"{prefix}\"\n{topics}[privacy]\nkey_file = {}\n\
         callee_key_file = {}\n[defaults]\nring_timeout_s = {ring:.1}\nmax_talk_s = {talk:.1}\n",
        quoted(data),
        at("prompts"),
        Value::from(brokers),
        at("master.key"),
        at("callee.key"),
    )
}
