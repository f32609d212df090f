//! Dead letters: what could not be read or accepted, to look at and to send again.

use crate::checkpoint::{Looker, partition_count};
use crate::headers::{self, DETAIL, OFFSET, Origin, PARTITION, REASON, TOPIC, text};
use crate::intake::Outbox;
use crate::{Error, Options};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::{Message, OwnedMessage, Timestamp};
use rdkafka::{Offset, TopicPartitionList};
use std::time::{Duration, Instant};

/// How long a topic may be silent before reading it is given up.
const SILENCE: Duration = Duration::from_secs(30);
/// How long a broker may take to say what was sent again before.
const ANSWER: Duration = Duration::from_secs(10);

/// One dead letter.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Where it lies in the topic of dead letters.
    pub partition: i32,
    /// And at which offset.
    pub offset: i64,
    /// Since when, in milliseconds since 1970.
    pub at_ms: Option<i64>,
    /// Why it is there: a code.
    pub reason: String,
    /// Why it is there: a sentence.
    pub detail: String,
    /// Where it was read.
    pub from: String,
    /// Its size, in bytes.
    pub bytes: usize,
    /// Whether it was sent again before.
    pub redriven: bool,
    message: OwnedMessage,
}

impl Letter {
    /// What its producer wrote. It may hold a phone number.
    pub fn value(&self) -> &[u8] {
        self.message.payload().unwrap_or_default()
    }
}

/// Reads the dead letters in the order in which they lie there, from those that were not sent again
/// on; with `all`, from the first. `each` says whether to go on.
///
/// # Errors
/// The brokers do not answer, or the topic is not there.
pub fn read(
    options: &Options,
    all: bool,
    mut each: impl FnMut(Letter) -> Result<bool, Error>,
) -> Result<(), Error> {
    options.check()?;
    let topic = &options.topics.dead;
    let (letters, looker) = (consumer(options)?, Looker::open(options, "ends")?);
    let failed = || Error::client("reading dead letters");
    for partition in 0..partition_count(&letters, options, topic)? {
        let (first, end) = looker.ends(options, topic, partition)?;
        let done = redriven_to(options, &letters, partition)?.unwrap_or(first);
        let from = if all { first } else { done.max(first) };
        if from >= end {
            continue;
        }
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(from))
            .and_then(|()| letters.assign(&list))
            .map_err(failed())?;
        let (mut next, mut heard) = (from, Instant::now());
        while next < end {
            if let Some(message) = letters.poll(Duration::from_millis(50)) {
                let message = message.map_err(failed())?.detach();
                heard = Instant::now();
                next = message.offset() + 1;
                if !each(letter(message, done))? {
                    return Ok(());
                }
                continue;
            }
            // Marks of transactions have offsets and are no messages.
            let at = letters.position().map_err(failed())?;
            let at = at.find_partition(topic, partition).and_then(|found| found.offset().to_raw());
            next = next.max(at.unwrap_or(next));
            if heard.elapsed() > SILENCE {
                let why = "its letters could not be read in time".to_owned();
                return Err(Error::Undelivered { topic: topic.clone(), why });
            }
        }
    }
    Ok(())
}

/// Sends the letters again that were not before, each to the topic it came from, with its key and
/// its headers, one by one in their order. Only those of one reason, if one is given: then the
/// others are not passed over for good. How many.
///
/// # Errors
/// The brokers do not answer. What was sent may be sent once more by the next try; the engine
/// recognises a repeat.
pub fn redrive(options: &Options, reason: Option<&str>, all: bool) -> Result<u64, Error> {
    let outbox = Outbox::open(options, "redrive")?;
    let (mut sent, mut last) = (0, std::collections::BTreeMap::new());
    read(options, all, |letter| {
        if reason.is_none_or(|reason| letter.reason == reason) {
            let origin = Origin::of_forwarded(&letter.message);
            let (key, value) = (letter.message.key(), letter.message.payload());
            let headers = headers::own(&letter.message);
            // Not into the topic of work: it is keyed anew on its way.
            let topic = &options.topics.commands;
            tracing::info!(from = origin.topic, offset = origin.offset, "sent again");
            outbox.send((letter.partition, letter.offset), topic, key, value, headers)?;
            sent += 1;
        }
        last.insert(letter.partition, letter.offset + 1);
        Ok(true)
    })?;
    outbox.flush()?;
    outbox.arrived()?;
    if reason.is_none() && !last.is_empty() {
        let mut list = TopicPartitionList::new();
        for (partition, next) in last {
            list.add_partition_offset(&options.topics.dead, partition, Offset::Offset(next))
                .map_err(Error::client("noting what was sent again"))?;
        }
        consumer(options)?
            .commit(&list, CommitMode::Sync)
            .map_err(Error::client("noting what was sent again"))?;
    }
    Ok(sent)
}

fn consumer(options: &Options) -> Result<BaseConsumer, Error> {
    let group = format!("{}.redrive", options.group);
    options.consumer("redrive", &group).create().map_err(Error::client("reading dead letters"))
}

fn redriven_to(
    options: &Options,
    letters: &BaseConsumer,
    partition: i32,
) -> Result<Option<i64>, Error> {
    let mut list = TopicPartitionList::new();
    list.add_partition(&options.topics.dead, partition);
    let found = letters.committed_offsets(list, ANSWER);
    let found = found.map_err(Error::client("asking what was sent again"))?;
    let element = found.find_partition(&options.topics.dead, partition);
    Ok(element.and_then(|element| match element.offset() {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    }))
}

fn letter(message: OwnedMessage, done: i64) -> Letter {
    let header = |name| text(&message, name).unwrap_or("unknown").to_owned();
    let from = format!("{} {}:{}", header(TOPIC), header(PARTITION), header(OFFSET));
    Letter {
        partition: message.partition(),
        offset: message.offset(),
        at_ms: match message.timestamp() {
            Timestamp::NotAvailable => None,
            Timestamp::CreateTime(at) | Timestamp::LogAppendTime(at) => Some(at),
        },
        reason: header(REASON),
        detail: header(DETAIL),
        from,
        bytes: message.payload().map_or(0, <[u8]>::len),
        redriven: message.offset() < done,
        message,
    }
}
