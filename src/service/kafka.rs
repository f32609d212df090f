//! Commands from topics and events to them, beside the rest of the service.

use super::desk::Desk;
use super::http::Door;
use crate::config::Config;
use crate::topics::{AtDesk, News, options};
use anyhow::{Result, anyhow};
use kafka::{Counts, Parts, Service};
use media::prompt::Prompts;
use node::Node;
use schemas::Position;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use store::Reader;
use switchboard::PartitionNews;

/// How long the last events may take to reach the topic when the service ends.
const LAST_EVENTS: Duration = Duration::from_secs(10);

/// The topics, when the configuration names any.
pub struct Topics {
    service: Option<Service>,
    news: Arc<News>,
}

impl Topics {
    /// Starts.
    ///
    /// # Errors
    /// The topics do not fit the configuration, or another store serves them.
    pub fn start(
        config: &Config,
        node: &Node,
        desk: &Arc<Desk>,
        prompts: Prompts,
        door: &Door,
    ) -> Result<Self> {
        let news = Arc::new(News::default());
        let Some(kafka) = &config.kafka else { return Ok(Self { service: None, news }) };
        let (reader, vault) = (node.reader.clone(), node.vault.clone());
        let at_desk = AtDesk {
            desk: desk.clone(),
            reader: reader.clone(),
            vault: vault.clone(),
            asker: node.asker(),
            prompts,
            news: news.clone(),
        };
        let parts = Parts {
            options: options(kafka, &config.node.name)?,
            store: node.log_id().to_string(),
            reader,
            vault: Box::new(vault),
            include: config.include,
            numbering: config.defaults.numbering,
            desk: Arc::new(at_desk),
        };
        let service = Service::start(parts).map_err(|error| anyhow!(error.in_full()))?;
        let (counts, reader) = (service.counts(), node.reader.clone());
        let _ = door.more_metrics.set(Box::new(move || metrics(&counts, &*reader)));
        Ok(Self { service: Some(service), news })
    }

    /// What nobody but a person can mend.
    pub fn fault(&self) -> Option<String> {
        self.service.as_ref()?.fault()
    }

    /// What became of a partition.
    pub fn partition(&self, partition: u32, news: PartitionNews) {
        self.news.heard(partition, news);
    }

    /// Takes no more commands.
    pub fn stop_taking(&self) {
        self.service.iter().for_each(Service::stop_taking);
    }

    /// Whether nothing is taken any more.
    pub fn has_stopped_taking(&self) -> bool {
        self.service.as_ref().is_none_or(Service::has_stopped_taking)
    }

    /// Tells the last events, and ends.
    pub fn stop(self) {
        if let Some(service) = self.service {
            service.stop(LAST_EVENTS);
        }
    }
}

/// What topics have to tell on the page of metrics.
fn metrics(counts: &Counts, reader: &dyn Reader) -> String {
    let mut page = String::new();
    let mut rows = |name: &str, kind: &str, help: &str, rows: &[(&str, u64)]| {
        write!(page, "# HELP {name} {help}\n# TYPE {name} {kind}\n").expect("a String takes all");
        for (label, value) in rows {
            writeln!(page, "{name}{label} {value}").expect("a String takes all");
        }
    };
    let of = |became: &'static str| format!("{{became=\"{became}\"}}");
    let commands = [
        ("forwarded", &counts.forwarded),
        ("taken", &counts.taken),
        ("repeated", &counts.repeated),
        ("too_late", &counts.too_late),
        ("remembered", &counts.remembered),
        ("conflict", &counts.conflicts),
        ("dead", &counts.dead),
    ]
    .map(|(became, count)| (of(became), count.load(Relaxed)));
    let commands: Vec<_> = commands.iter().map(|(label, value)| (&**label, *value)).collect();
    let help = "commands of topics, by what became of them; conflicts are dead letters too";
    rows("callfold_kafka_commands_total", "counter", help, &commands);
    let told = counts.relay_position.load(Relaxed);
    let (behind, since_ms) = lag(reader, Position(told));
    for (name, kind, help, value) in [
        ("callfold_kafka_open", "gauge", "commands read and not durable", &counts.open),
        ("callfold_kafka_pauses_total", "counter", "partitions paused: full", &counts.pauses),
        ("callfold_kafka_restarts_total", "counter", "failures outlived", &counts.restarts),
        ("callfold_relay_events_total", "counter", "events told", &counts.events),
        ("callfold_relay_transactions_total", "counter", "batches told", &counts.transactions),
        ("callfold_relay_position", "gauge", "how far the log was told", &counts.relay_position),
    ] {
        rows(name, kind, help, &[("", value.load(Relaxed))]);
    }
    let running = counts.relay_running.load(Relaxed).into();
    rows("callfold_relay_running", "gauge", "whether a relay is at work here", &[("", running)]);
    let help = "positions of the log that were not told";
    rows("callfold_relay_lag_positions", "gauge", help, &[("", behind)]);
    let help = "age of the oldest event that was not told";
    rows("callfold_relay_lag_milliseconds", "gauge", help, &[("", since_ms)]);
    page
}

/// How many positions of the log were not told, and how long the first of them has waited.
fn lag(reader: &dyn Reader, told: Position) -> (u64, u64) {
    let Ok(head) = reader.head() else { return (0, 0) };
    let first = reader.read_all(told, 1).ok().and_then(|events| Some(events.first()?.at));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let waited = first.map_or(0, |at| (now as i64).saturating_sub(at.0).max(0) as u64);
    (head.0.saturating_sub(told.0), waited)
}
