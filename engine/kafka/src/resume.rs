//! The relay for brokers without transactions: the topic itself says how far it was told.
//!
//! Every event carries its position, and a position up to which everything is there, in whatever
//! partition (`callfold_told_to`). After a start the log is read on from the highest such mark;
//! what a partition's last event shows to be there is passed over. Exact as long as the partitions
//! stay what they are, one relay runs, and no partition was emptied by its retention.

use crate::checkpoint::Looker;
use crate::headers::{POSITION, TOLD_TO, put, text};
use crate::partitioner::partition_of;
use crate::relay::{Way, enqueue};
use crate::tell::Told;
use crate::{Error, Options};
use feed::ToldTo;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, DeliveryResult};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use schemas::Position;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long a batch may take to arrive before the relay starts again.
const FLUSH: Duration = Duration::from_secs(60);
/// How long finding the last event of a partition may take.
const READ: Duration = Duration::from_secs(60);
/// The last offsets of a partition may be marks of old transactions: so far back an event is
/// looked for.
const BACK: i64 = 1000;

/// Sends with the idempotent producer alone.
pub(crate) struct Resume<'a> {
    producer: BaseProducer<Failures>,
    options: &'a Options,
    partitions: i32,
    told: ToldTo,
}

/// The first message that did not arrive.
#[derive(Default)]
struct Failures(Mutex<Option<KafkaError>>);

impl ClientContext for Failures {}

impl ProducerContext for Failures {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let (Err((error, _)), Ok(mut first)) = (result, self.0.lock()) {
            first.get_or_insert_with(|| error.clone());
        }
    }
}

impl<'a> Resume<'a> {
    pub fn begin(
        options: &'a Options,
        looker: &BaseConsumer,
        partitions: i32,
    ) -> Result<Self, Error> {
        let mut config = options.producer("relay");
        config
            .set("queue.buffering.max.messages", "40000")
            .set("linger.ms", "5")
            .set("delivery.report.only.error", "true");
        let producer: BaseProducer<Failures> = config
            .create_with_context(Failures::default())
            .map_err(Error::client("beginning the relay"))?;
        let ends = Looker::open(options, "ends")?;
        let mut told = ToldTo::default();
        for partition in 0..partitions {
            if let Some(found) = last_event(options, looker, &ends, partition)? {
                told.found(partition, Position(found.position), Position(found.told_to));
            }
        }
        Ok(Self { producer, options, partitions, told })
    }

    fn transmit(&self, batch: Vec<Told>, reached: Position) -> Result<(), KafkaError> {
        let told_to = self.told.mark_of(reached).0.to_string();
        for told in batch {
            let partition = partition_of(told.key.as_bytes(), self.partitions);
            if self.told.is_there(partition, told.position) {
                continue;
            }
            let record = BaseRecord::to(&self.options.topics.events)
                .key(told.key.as_str())
                .payload(&told.value)
                .partition(partition)
                .headers(put(told.headers, TOLD_TO, told_to.as_bytes()));
            enqueue(&self.producer, record)?;
        }
        self.producer.flush(FLUSH)
    }
}

impl Way for Resume<'_> {
    fn told_to(&self) -> Position {
        self.told.mark()
    }

    fn send(&mut self, batch: Vec<Told>, reached: Position) -> Result<(), Error> {
        self.transmit(batch, reached).map_err(Error::client("telling events"))?;
        let failed = self.producer.context().0.lock().ok().and_then(|mut first| first.take());
        if let Some(error) = failed {
            let topic = self.options.topics.events.clone();
            return Err(Error::Undelivered { topic, why: error.to_string() });
        }
        self.told.arrived(reached);
        Ok(())
    }
}

struct Last {
    position: u64,
    told_to: u64,
}

fn last_event(
    options: &Options,
    looker: &BaseConsumer,
    ends: &Looker,
    partition: i32,
) -> Result<Option<Last>, Error> {
    let topic = &options.topics.events;
    let failed = || Error::client("looking for the last event");
    let (first, end) = ends.ends(options, topic, partition)?;
    if first >= end {
        return Ok(None);
    }
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Offset(first.max(end - BACK)))
        .and_then(|()| looker.assign(&list))
        .map_err(failed())?;
    let (mut found, deadline) = (None, Instant::now() + READ);
    while Instant::now() < deadline {
        if let Some(message) = looker.poll(Duration::from_millis(50)) {
            found = read(&message.map_err(failed())?).or(found);
        }
        let position = looker.position().ok().and_then(|list| {
            list.find_partition(topic, partition).and_then(|found| found.offset().to_raw())
        });
        if position.is_some_and(|position| position >= end) {
            return Ok(found);
        }
    }
    let why = "its last event could not be read in a minute".to_owned();
    Err(Error::Undelivered { topic: topic.clone(), why })
}

fn read(message: &BorrowedMessage<'_>) -> Option<Last> {
    let position = text(message, POSITION)?.parse().ok()?;
    // What was told in a transaction before has no mark.
    let told_to = text(message, TOLD_TO).and_then(|text| text.parse().ok()).unwrap_or(0);
    Some(Last { position, told_to })
}
