//! From a command's being sent to its INVITE's arrival at the carrier: `callfold run` in a process
//! of its own with its default settings, a producer that does not wait, and the simulated carrier.

use anyhow::{Context, Result};
use interop::kafka::Brokers;
use interop::service::{Service, config};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use sim::carrier::{Carrier, Options};
use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The program, which `./x bench kafka` has built.
const PROGRAM: &str = "target/release/callfold";
/// The first commands warm everything up, and are not counted: those after them are sent once these
/// were dialled, so that joining the group is not measured.
const WARM: usize = 60;

/// Commands at a rate for so long, through the hop and without it.
pub fn run(rate: usize, seconds: usize) -> Result<()> {
    let program = std::path::absolute(PROGRAM)?;
    anyhow::ensure!(program.exists(), "{PROGRAM} is not there: cargo build --release");
    let brokers = Brokers::start(1);
    for (keyed, limits) in [(false, "30 and 150"), (true, "15 and 150")] {
        let mut ms = measure(&program, &brokers, keyed, rate, seconds)?;
        ms.sort_unstable();
        let at = |percent: usize| ms[(ms.len() - 1) * percent / 100];
        println!(
            "kafka: command to INVITE at {rate}/s, {}: p50 {} ms, p99 {} ms, most {} ms of {} (at \
             most {limits} ms)",
            if keyed { "keyed by its producer" } else { "through the hop" },
            at(50),
            at(99),
            at(100),
            ms.len(),
        );
    }
    Ok(())
}

fn measure(
    program: &Path,
    brokers: &Brokers,
    keyed: bool,
    rate: usize,
    seconds: usize,
) -> Result<Vec<u64>> {
    let folder = tempfile::tempdir()?;
    let carrier = Carrier::start(Options::new("127.0.0.1:0".parse()?))?;
    let name = format!("latency-{keyed}");
    let topics: String = ["commands", "work", "events", "dead", "relay"]
        .map(|topic| format!("{topic} = \"{name}.{topic}\"\n"))
        .concat();
    let kafka = format!(
        "[kafka]\nbrokers = \"{}\"\ngroup = \"{name}\"\nkeyed = {keyed}\n{topics}",
        brokers.addresses()
    );
    let text = config("n1", "data", carrier.addr, &kafka)
        + "[store]\nurl = \"log:data/log\"\n[defaults]\nmax_talk_s = 0.2\nregion = \"US\"\n\
           [privacy]\nkey_file = \"master.key\"\ncallee_key_file = \"callee.key\"\n";
    std::fs::write(folder.path().join("c.toml"), &text)?;
    let made = Command::new(program)
        .args(["kafka", "topics", "--config", "c.toml"])
        .current_dir(folder.path())
        .output()?;
    anyhow::ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let program = program.to_str().context("a path in UTF-8")?;
    let service = Service::start(program, folder.path(), &text);

    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers.addresses())
        .set("acks", "all")
        .set("linger.ms", "0")
        .create()?;
    let (topic, mut sent) = (format!("{name}.commands"), HashMap::new());
    let mut began = Instant::now();
    for n in 0..WARM + rate * seconds {
        if n == WARM {
            producer.flush(Duration::from_secs(10))?;
            let dialled = || (carrier.totals().invites as usize >= WARM).then_some(());
            interop::patience::wait_for(dialled).context("nobody is dialled")?;
            began = Instant::now().checked_sub(due_after(n, rate)).unwrap_or(began);
        }
        let due = began + due_after(n, rate);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let phone = format!("+1{}{:02}99911100", 200 + n / 100, n % 100);
        let value = format!(r#"{{"type":"PlaceCall","command_id":"c{n}","phone":"{phone}"}}"#);
        if n >= WARM {
            sent.insert(phone, now_ms());
        }
        // Spread over the partitions like the keys of customers.
        let key = format!("customer-{n}");
        producer
            .send(BaseRecord::to(&topic).key(&key).payload(&value))
            .map_err(|(error, _)| error)?;
        producer.poll(Duration::ZERO);
    }
    producer.flush(Duration::from_secs(10))?;
    let all = WARM + rate * seconds;
    let arrived = interop::patience::wait_for(|| {
        (carrier.totals().invites as usize >= all).then(|| carrier.ledger())
    });
    let ledger = arrived.context("some were not dialled")?;
    service.kill();
    let late = |entry: &sim::ledger::Entry| {
        Some(entry.received_ms.saturating_sub(*sent.get(&*entry.number)?))
    };
    Ok(ledger.iter().filter_map(late).collect())
}

fn due_after(n: usize, rate: usize) -> Duration {
    Duration::from_secs_f64(n as f64 / rate as f64)
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
