//! How fast a log is told that is behind, beside a bare idempotent producer of the very same
//! messages, and what an event costs the node.

use crate::cpu::own;
use crate::log::calls::Calls;
use anyhow::{Context, Result, anyhow};
use interop::kafka::Brokers;
use kafka::{Busy, Desk, Options, Partitions, Parts, Reply, Security, Service, Topics, topics};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message, OwnedHeaders, OwnedMessage};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use schemas::commands::Command;
use schemas::public::Include;
use schemas::{CallId, CalleeKey, CommandId, Numbering};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use store::keys::Keyring;
use store::memory::MemoryStore;
use store::{Append, Reader};

const PARTITIONS: i32 = 64;
const PATIENCE: Duration = Duration::from_secs(120);

/// Tells so many events.
pub fn run(events: usize) -> Result<()> {
    let brokers = Brokers::start(1);
    let store = Arc::new(filled(events)?);
    let options = options(&brokers, "bench");
    topics::make(&options, PARTITIONS, None)?;

    // A first one warms broker and client: their code and their pages.
    let copies = relayed(&options, store.clone(), "warm", events)?;
    let messages = read_back(&options, events)?;
    let bytes: usize = messages.iter().map(|one| one.payload().map_or(0, <[u8]>::len)).sum();
    println!("kafka: {} events, {} bytes of JSON each", copies.count, bytes / messages.len());

    let mut ratios = Vec::new();
    for turn in ["one", "two", "three"] {
        let bare = bare(&options, &messages)?;
        let told = relayed(&options, store.clone(), turn, events)?;
        println!(
            "  bare idempotent producer  {:>9.0}/s  {:>5.2} µs CPU\n  relay, transactional      \
             {:>9.0}/s  {:>5.2} µs CPU  (at least 50 000/s and 0.5 of it, at most 5 µs)",
            bare.rate(),
            bare.micros(),
            told.rate(),
            told.micros(),
        );
        ratios.push(told.rate() / bare.rate());
    }
    ratios.sort_by(f64::total_cmp);
    println!("  ratio, median of three    {:>9.2}", ratios[1]);
    Ok(())
}

struct Cost {
    count: usize,
    wall: f64,
    cpu: f64,
}

impl Cost {
    fn rate(&self) -> f64 {
        self.count as f64 / self.wall
    }

    fn micros(&self) -> f64 {
        self.cpu * 1e6 / self.count as f64
    }
}

/// Calls as in production, until there are so many events.
fn filled(events: usize) -> Result<MemoryStore> {
    let store = MemoryStore::default();
    let mut calls = Calls::new(500, 2_000);
    for _ in 0..events.div_ceil(1_000) {
        let batch: Vec<Append> = (0..1_000).map(|_| calls.next()).collect();
        for result in store.append_batch(&batch) {
            result.map_err(|error| anyhow!("{error}"))?;
        }
    }
    Ok(store)
}

fn options(brokers: &Brokers, name: &str) -> Options {
    let topic = |of: &str| format!("{name}.{of}");
    Options {
        brokers: brokers.addresses(),
        group: name.to_owned(),
        node: "bench".to_owned(),
        topics: Topics {
            commands: topic("commands"),
            work: topic("work"),
            events: topic("events"),
            dead: topic("dead"),
            relay: topic("relay"),
        },
        keyed: false,
        partitions: Partitions::All,
        security: Security::Plaintext,
        transactions: true,
    }
}

/// Nobody asks for anything.
struct Nobody;

impl Desk for Nobody {
    fn callee_of(&self, _: &str) -> CalleeKey {
        CalleeKey([0; 16])
    }

    fn callee_of_call(&self, _: CallId) -> Result<Option<CalleeKey>, String> {
        Ok(None)
    }

    fn submit(
        &self,
        _: Command,
        _: Option<CommandId>,
        _: Option<u32>,
        _: Reply,
    ) -> Result<(), Busy> {
        Err(Busy::Full)
    }

    fn own(&self, _: &[u32]) {}

    fn give_up(&self, _: &[u32], _: bool) {}

    fn given_up(&self) -> Vec<u32> {
        Vec::new()
    }
}

/// Tells the whole log as that of another node, from its beginning.
fn relayed(options: &Options, store: Arc<MemoryStore>, name: &str, events: usize) -> Result<Cost> {
    // Work of its own, since another store may not serve the same partitions.
    let mut options = options.clone();
    options.topics.work = format!("{name}.work");
    options.node = name.to_owned();
    topics::make(&options, PARTITIONS, None)?;
    let head = store.head()?;
    let parts = Parts {
        options,
        store: name.to_owned(),
        reader: store,
        vault: Box::new(Keyring::from_seed(1, 0)),
        include: Include::NOTHING,
        numbering: Numbering::INTERNATIONAL,
        desk: Arc::new(Nobody),
    };
    let service = Service::start(parts)?;
    let counts = service.counts();
    let deadline = Instant::now() + PATIENCE;
    let wait = |reached: &dyn Fn() -> bool| -> Result<()> {
        while !reached() {
            anyhow::ensure!(Instant::now() < deadline, "the relay stands still");
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    };
    wait(&|| counts.relay_running.load(Ordering::Relaxed))?;
    let (began, cpu) = (Instant::now(), own());
    wait(&|| counts.relay_position.load(Ordering::Relaxed) >= head.0)?;
    let cost = Cost { count: events, wall: began.elapsed().as_secs_f64(), cpu: own() - cpu };
    service.stop(Duration::from_secs(10));
    Ok(cost)
}

/// The same messages, as a program without a log sends them.
fn bare(options: &Options, messages: &[OwnedMessage]) -> Result<Cost> {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &options.brokers)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("compression.type", "lz4")
        .set("partitioner", "murmur2_random")
        .set("linger.ms", "5")
        .set("queue.buffering.max.messages", "40000")
        .set("batch.num.messages", "10000")
        .set("delivery.report.only.error", "true")
        .create()?;
    // It has its number and knows the partitions before the clock runs.
    producer.send(BaseRecord::to(&options.topics.events).key("k").payload("warm")).ok();
    producer.flush(PATIENCE)?;
    let (began, cpu) = (Instant::now(), own());
    for message in messages {
        let headers = message.headers().cloned().unwrap_or_else(OwnedHeaders::new);
        let mut record = BaseRecord::to(&options.topics.events)
            .key(message.key().context("a key")?)
            .payload(message.payload().context("a value")?)
            .headers(headers);
        while let Err((error, back)) = producer.send(record) {
            let full = KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);
            anyhow::ensure!(error == full, "{error}");
            record = back;
            producer.poll(Duration::from_millis(10));
        }
    }
    producer.flush(PATIENCE)?;
    let (wall, cpu) = (began.elapsed().as_secs_f64(), own() - cpu);
    Ok(Cost { count: messages.len(), wall, cpu })
}

/// What the topic holds.
fn read_back(options: &Options, events: usize) -> Result<Vec<OwnedMessage>> {
    let reader: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &options.brokers)
        .set("group.id", "bench")
        .set("enable.auto.commit", "false")
        .create()?;
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset(&options.topics.events, partition, Offset::Beginning)?;
    }
    reader.assign(&list)?;
    let (mut messages, deadline) = (Vec::with_capacity(events), Instant::now() + PATIENCE);
    while messages.len() < events {
        anyhow::ensure!(Instant::now() < deadline, "the topic does not hold what was told");
        if let Some(message) = reader.poll(Duration::from_millis(100)) {
            let message: BorrowedMessage<'_> = message?;
            messages.push(message.detach());
        }
    }
    Ok(messages)
}
