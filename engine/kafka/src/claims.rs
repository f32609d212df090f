//! Which store serves which partitions of the work: on a log per node a partition's history lies
//! on one disk, so another store on the same partitions would dial what was dialled.
//!
//! Claims stand in the checkpoint's topic. They are taken one at a time: whoever takes them fences
//! everybody else who is about to (`transactional.id`), reads what stands there, and commits.

use crate::checkpoint::{self, ANSWER};
use crate::{Error, Options};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// How often it is tried again when another node takes claims at the same moment.
const TRIES_MAX: u32 = 10;

/// Claims partitions of `topic`, which has `count` of them, for a store.
///
/// # Errors
/// [`Error::Served`] when another store has one of them; [`Error::Topic`] when the topic had
/// another number of partitions: the same key would lead elsewhere.
pub(crate) fn claim(
    options: &Options,
    store: &str,
    topic: &str,
    count: i32,
    ours: RangeInclusive<i32>,
) -> Result<(), Error> {
    let mut tries = 0;
    loop {
        tries += 1;
        match attempt(options, store, topic, count, ours.clone()) {
            Err(Error::Client { source: KafkaError::Transaction(error), .. })
                if tries < TRIES_MAX
                    && (error.is_fatal() || error.code() == RDKafkaErrorCode::Fenced) =>
            {
                tracing::info!(tries, "another node claims partitions at this moment");
            }
            result => return result,
        }
    }
}

fn attempt(
    options: &Options,
    store: &str,
    topic: &str,
    count: i32,
    ours: RangeInclusive<i32>,
) -> Result<(), Error> {
    let failed = || Error::client("claiming partitions");
    let mut config = options.producer("claims");
    config.set("transactional.id", format!("callfold.claims.{}", options.topics.relay));
    let producer: BaseProducer = config.create().map_err(failed())?;
    producer.init_transactions(ANSWER).map_err(failed())?;
    let known = checkpoint::read(options)?;
    let wanted = new_claims(&known, options, store, topic, count, ours)?;
    if wanted.is_empty() {
        return Ok(());
    }
    producer.begin_transaction().map_err(failed())?;
    for (key, value) in &wanted {
        let value = value.to_string();
        let record = BaseRecord::to(&options.topics.relay).key(key).payload(&value);
        producer.send(record).map_err(|(error, _)| failed()(error))?;
    }
    producer.commit_transaction(ANSWER).map_err(failed())
}

/// What is to be written so that these partitions are ours; nothing when they are.
fn new_claims(
    known: &BTreeMap<String, Value>,
    options: &Options,
    store: &str,
    topic: &str,
    count: i32,
    ours: RangeInclusive<i32>,
) -> Result<Vec<(String, Value)>, Error> {
    let mut wanted = Vec::new();
    let key = format!("topic/{topic}");
    match known.get(&key).and_then(|value| value["partitions"].as_i64()) {
        Some(then) if then != i64::from(count) => {
            let why = format!(
                "it had {then} partitions and has {count}: commands of one callee would be split \
                 between two. Make a new topic and let this one run out"
            );
            return Err(Error::Topic { topic: topic.to_owned(), why });
        }
        Some(_) => {}
        None => wanted.push((key, json!({"partitions": count}))),
    }
    for partition in ours {
        let key = format!("owner/{topic}/{partition}");
        let owner = known.get(&key);
        match owner.and_then(|owner| owner["store"].as_str()) {
            Some(owned_by) if owned_by != store => {
                let node = owner.and_then(|owner| owner["node"].as_str()).unwrap_or("unknown");
                return Err(Error::Served {
                    topic: topic.to_owned(),
                    partition,
                    owner: owned_by.to_owned(),
                    node: node.to_owned(),
                });
            }
            Some(_) => {}
            None => wanted.push((key, json!({"store": store, "node": options.node}))),
        }
    }
    Ok(wanted)
}
