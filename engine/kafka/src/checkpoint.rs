//! What we keep in the compacted topic beside the events: how far each log was told, and which
//! store serves which partitions. A handful of small records; the last one of a key counts.

use crate::error::is_forbidden;
use crate::{Error, Options};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long a broker may take for one answer.
pub(crate) const ANSWER: Duration = Duration::from_secs(10);
/// How long reading the topic may take.
const READ: Duration = Duration::from_secs(60);
/// So many events of a client are looked at for a reason.
const LOOKS_MAX: usize = 100;
/// The most keys that are read: far more than there are partitions and stores.
const KEYS_MAX: usize = 100_000;

/// The last value of every key in the topic, as far as transactions were committed.
pub(crate) fn read(options: &Options) -> Result<BTreeMap<String, Value>, Error> {
    let topic = &options.topics.relay;
    let (reader, looker) = (reader(options, "checkpoint")?, Looker::open(options, "ends")?);
    let partitions = partition_count(&reader, options, topic)?;
    let mut found = BTreeMap::new();
    let deadline = Instant::now() + READ;
    for partition in 0..partitions {
        let (first, end) = looker.ends(options, topic, partition)?;
        if first == end {
            continue;
        }
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Beginning)
            .and_then(|()| reader.assign(&list))
            .map_err(Error::client("reading the checkpoint"))?;
        read_partition(&reader, topic, partition, end, deadline, &mut found)?;
    }
    Ok(found)
}

fn read_partition(
    reader: &BaseConsumer,
    topic: &str,
    partition: i32,
    end: i64,
    deadline: Instant,
    found: &mut BTreeMap<String, Value>,
) -> Result<(), Error> {
    let unusable = |why: &str| Error::Topic { topic: topic.to_owned(), why: why.to_owned() };
    loop {
        if Instant::now() > deadline {
            return Err(unusable("it could not be read to its end in a minute"));
        }
        if let Some(Ok(message)) = reader.poll(Duration::from_millis(50)) {
            let key = message.key().and_then(|key| std::str::from_utf8(key).ok());
            match (key, message.payload().map(serde_json::from_slice::<Value>)) {
                (Some(key), Some(Ok(value))) => drop(found.insert(key.to_owned(), value)),
                // A tombstone.
                (Some(key), None) => drop(found.remove(key)),
                _ => tracing::warn!(
                    topic,
                    partition,
                    offset = message.offset(),
                    "passed over: it is none of ours"
                ),
            }
            if found.len() > KEYS_MAX {
                return Err(unusable("it holds more keys than Callfold writes: it is not ours"));
            }
        }
        // Markers of transactions have offsets and are no messages: only the position tells the
        // end.
        let position = reader.position().ok().and_then(|list| {
            list.find_partition(topic, partition).and_then(|found| found.offset().to_raw())
        });
        if position.is_some_and(|position| position >= end) {
            return Ok(());
        }
    }
}

/// A consumer that is of no group.
pub(crate) fn reader(options: &Options, role: &str) -> Result<BaseConsumer, Error> {
    let config = options.consumer(role, &format!("{}.reader", options.group));
    config.create().map_err(Error::client("reading"))
}

/// Why brokers do not answer, when they have said it.
fn refusal(reader: &BaseConsumer, options: &Options) -> Option<Error> {
    for _ in 0..LOOKS_MAX {
        // Nothing comes of what the client logs, which stands in the same queue.
        let Some(Err(error)) = reader.poll(Duration::from_millis(1)) else { continue };
        let refused = error.rdkafka_error_code().and_then(|c| Error::denied(&options.brokers, c));
        if refused.is_some() {
            return refused;
        }
    }
    None
}

/// How many partitions a topic has.
pub(crate) fn partition_count(
    reader: &BaseConsumer,
    options: &Options,
    topic: &str,
) -> Result<i32, Error> {
    let away = |source| Error::Away {
        brokers: options.brokers.clone(),
        doing: "asking for a topic",
        source,
    };
    let metadata = match reader.fetch_metadata(Some(topic), ANSWER) {
        Ok(metadata) => metadata,
        Err(error) => return Err(refusal(reader, options).unwrap_or_else(|| away(error))),
    };
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    let code = found.and_then(|found| found.error()).map(RDKafkaErrorCode::from);
    if let Some(code) = code.filter(|code| is_forbidden(*code)) {
        let what = format!("{topic}: {code}");
        return Err(Error::Forbidden { doing: "asking for a topic", what });
    }
    match found.map(|found| found.partitions().len()) {
        None | Some(0) => Err(Error::NoTopic(topic.to_owned())),
        Some(count) => Ok(i32::try_from(count).unwrap_or(i32::MAX)),
    }
}

/// Sees where partitions really end.
///
/// To who reads what is committed a partition ends at the first transaction that is open, be it
/// that of another log's dead relay: what we ourselves have committed behind it would be missed, and
/// told again. So the end is asked for by somebody who reads everything, and waited for by who reads
/// what is committed: brokers close such a transaction after its time.
pub(crate) struct Looker(pub(crate) BaseConsumer);

impl Looker {
    pub fn open(options: &Options, role: &str) -> Result<Self, Error> {
        let mut config = options.consumer(role, &format!("{}.reader", options.group));
        config.set("isolation.level", "read_uncommitted");
        config.create().map(Self).map_err(Error::client("looking for the ends of a topic"))
    }

    /// The first offset of a partition, and the one after its last.
    pub fn ends(
        &self,
        options: &Options,
        topic: &str,
        partition: i32,
    ) -> Result<(i64, i64), Error> {
        self.0.fetch_watermarks(topic, partition, ANSWER).map_err(|source| Error::Away {
            brokers: options.brokers.clone(),
            doing: "asking for the end of a topic",
            source,
        })
    }
}
