//! Events out: tells the log to the topic of events, in the order of the log.
//!
//! Where the brokers have transactions, each batch is one: the events, and how far they come. Then
//! who reads what is committed sees each event once. Elsewhere ([`crate::resume`]) the topic
//! itself says how far it was told.
//!
//! Few events make a small transaction at once; a relay that is behind makes large ones, since a
//! commit costs the same for one event as for thousands.

use crate::checkpoint;
use crate::counts::Counts;
use crate::lead::Lead;
use crate::resume::Resume;
use crate::stop::Stop;
use crate::tell::{Teller, Told};
use crate::{Error, Options};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::ToBytes;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::util::IntoOpaque;
use schemas::public::Include;
use schemas::{Position, Vault};
use serde_json::json;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use store::Reader;

/// The most events of a transaction.
const EVENTS_MAX: usize = 20_000;
/// The most bytes of a transaction; memory for two of them, one on its way and one being read.
const BYTES_MAX: usize = 16 * 1024 * 1024;
/// So many events are read from the log at a time.
const STRETCH: usize = 2_000;
/// Transactions begin so far apart while there is little to tell: a commit is dear, and the time
/// is short beside what a reader waits for.
const PACE: Duration = Duration::from_millis(20);
/// How long the log is waited for before the relay looks whether it is to stop.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Events of other streams are not told; a checkpoint past so many of them is worth a transaction.
const SKIPPED_MAX: u64 = 10_000;
/// After so long the brokers end a transaction by themselves whose relay is gone for good, and with
/// it nobody to fence it: until then who reads what is committed waits. A transaction is over in a
/// second or two; one that takes longer is fenced and told again.
const TRANSACTION: Duration = Duration::from_secs(20);
/// How long one request of a transaction is waited for before it is tried again.
const ANSWER: Duration = Duration::from_secs(10);

/// What is told, and to whom.
pub(crate) struct Relay<'a> {
    pub options: &'a Options,
    /// Which log this is.
    pub store: &'a str,
    pub reader: &'a dyn Reader,
    pub vault: &'a (dyn Vault + Sync),
    pub include: Include,
    pub counts: &'a Counts,
    pub stop: &'a Stop,
    /// Whether it is ours to tell.
    pub lead: &'a Lead,
}

impl Relay<'_> {
    /// Tells until it is stopped and everything is told, or it is no more ours, or something fails:
    /// then the next one goes on from what was committed.
    pub fn run(&self) -> Result<(), Error> {
        let topic = &self.options.topics.events;
        let looker = checkpoint::reader(self.options, "relay-reader")?;
        let partitions = checkpoint::partition_count(&looker, self.options, topic)?;
        let mut way: Box<dyn Way + '_> = match self.options.transactions {
            true => Box::new(Transactions::begin(self, partitions)?),
            false => Box::new(Resume::begin(self.options, &looker, partitions)?),
        };
        drop(looker);
        let after = way.told_to();
        let head = self.reader.head()?;
        if after > head {
            let (topic, told, head) = (topic.clone(), after.0, head.0);
            return Err(Error::Behind { topic, told, head });
        }
        self.counts.relay_running.store(true, Ordering::Relaxed);
        let ended = self.tell(&mut *way, after);
        self.counts.relay_running.store(false, Ordering::Relaxed);
        ended
    }

    fn tell(&self, way: &mut dyn Way, mut after: Position) -> Result<(), Error> {
        let mut teller = Teller::new(self.reader, self.vault, self.include);
        let (mut noted, mut ahead) = (after, None);
        while self.lead.is_ours()? {
            self.counts.relay_position.store(after.0, Ordering::Relaxed);
            let began = Instant::now();
            let (batch, reached) = match ahead.take() {
                Some(gathered) => gathered,
                None => self.gather(&mut teller, after)?,
            };
            let count = batch.len();
            if count > 0 || reached.0 - noted.0 >= SKIPPED_MAX {
                if count >= STRETCH {
                    // Behind: what comes next is read while this is on its way.
                    let gathered = std::thread::scope(|scope| {
                        let gathering = scope.spawn(|| self.gather(&mut teller, reached));
                        let sent = way.send(batch, reached);
                        let gathered = gathering.join().expect("reading the log does not panic");
                        sent.and(gathered)
                    });
                    ahead = Some(gathered?);
                } else {
                    way.send(batch, reached)?;
                }
                noted = reached;
                self.counts.events.fetch_add(count as u64, Ordering::Relaxed);
                self.counts.transactions.fetch_add(1, Ordering::Relaxed);
            }
            after = reached;
            if count >= STRETCH {
                continue;
            }
            if self.stop.relay() && self.reader.head()? <= after {
                return Ok(());
            }
            self.stop.wait(PACE.saturating_sub(began.elapsed()));
            self.reader.wait(after, LOOK_EVERY)?;
        }
        Ok(())
    }

    /// What is to be told next, and where the log was read to.
    fn gather(
        &self,
        teller: &mut Teller<'_>,
        after: Position,
    ) -> Result<(Vec<Told>, Position), Error> {
        let (mut batch, mut reached, mut bytes) = (Vec::new(), after, 0);
        while batch.len() < EVENTS_MAX && bytes < BYTES_MAX {
            let stretch = self.reader.read_all(reached, STRETCH)?;
            for stored in &stretch {
                if let Some(told) = teller.tell(stored)? {
                    bytes += told.value.len();
                    batch.push(told);
                }
            }
            let Some(last) = stretch.last() else { break };
            reached = last.position;
            self.counts.told_at.store(last.at.0, Ordering::Relaxed);
            if stretch.len() < STRETCH {
                break;
            }
        }
        Ok((batch, reached))
    }
}

/// How a batch gets there whole.
pub(crate) trait Way {
    /// Everything up to here is in the topic.
    fn told_to(&self) -> Position;

    /// Sends a batch that reaches up to a position, and waits until it is there.
    fn send(&mut self, batch: Vec<Told>, reached: Position) -> Result<(), Error>;
}

/// The events and the checkpoint become visible together.
struct Transactions<'a> {
    producer: BaseProducer,
    options: &'a Options,
    stop: &'a Stop,
    key: String,
    partitions: i32,
    told_to: Position,
}

impl<'a> Transactions<'a> {
    fn begin(relay: &Relay<'a>, partitions: i32) -> Result<Self, Error> {
        let failed = || Error::client("beginning the relay");
        let options = relay.options;
        let mut config = options.producer("relay");
        config
            .set("transactional.id", format!("callfold.relay.{}", relay.store))
            .set("transaction.timeout.ms", TRANSACTION.as_millis().to_string())
            .set("queue.buffering.max.messages", (2 * EVENTS_MAX).to_string())
            .set("batch.num.messages", "10000")
            .set("batch.size", "1000000")
            .set("linger.ms", "5")
            // Only what failed is reported: a commit says that everything has arrived.
            .set("delivery.report.only.error", "true");
        let producer: BaseProducer = config.create().map_err(failed())?;
        // From here on an older relay of this log can commit nothing more.
        again(relay.stop, || producer.init_transactions(ANSWER)).map_err(failed())?;
        let key = format!("relay/{}", relay.store);
        let known = checkpoint::read(options)?;
        let checkpoint = known.get(&key);
        let then = checkpoint.and_then(|value| value["partitions"].as_i64());
        if let Some(then) = then.filter(|then| *then != i64::from(partitions)) {
            let why = format!(
                "it had {then} partitions and has {partitions}: events of one call would be split \
                 between two. Make a new topic"
            );
            return Err(Error::Topic { topic: options.topics.events.clone(), why });
        }
        let told_to = checkpoint.and_then(|value| value["position"].as_u64()).unwrap_or(0);
        let (stop, told_to) = (relay.stop, Position(told_to));
        Ok(Self { producer, options, stop, key, partitions, told_to })
    }

    fn transact(&self, batch: Vec<Told>, reached: Position) -> Result<(), KafkaError> {
        let (producer, topics) = (&self.producer, &self.options.topics);
        producer.begin_transaction()?;
        for told in batch {
            let record = BaseRecord::to(&topics.events)
                .key(&told.key)
                .payload(&told.value)
                .headers(told.headers);
            enqueue(producer, record)?;
        }
        let value = json!({
            "position": reached.0, "partitions": self.partitions, "node": self.options.node,
            "events": topics.events,
        })
        .to_string();
        enqueue(producer, BaseRecord::to(&topics.relay).key(&self.key).payload(&value))?;
        again(self.stop, || producer.commit_transaction(ANSWER))
    }
}

impl Way for Transactions<'_> {
    fn told_to(&self) -> Position {
        self.told_to
    }

    fn send(&mut self, batch: Vec<Told>, reached: Position) -> Result<(), Error> {
        self.transact(batch, reached).map_err(|error| {
            // The next relay would end it too, but only after its time.
            if let KafkaError::Transaction(why) = &error
                && why.txn_requires_abort()
            {
                let _ = self.producer.abort_transaction(ANSWER);
            }
            Error::client("telling events")(error)
        })?;
        self.told_to = reached;
        Ok(())
    }
}

/// Puts a message into the client's queue, as soon as there is room.
pub(crate) fn enqueue<'a, D: IntoOpaque, C>(
    producer: &BaseProducer<C>,
    mut record: BaseRecord<'a, impl ToBytes + ?Sized, impl ToBytes + ?Sized, D>,
) -> Result<(), KafkaError>
where
    C: ProducerContext<DeliveryOpaque = D>,
{
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                record = back;
                producer.poll(Duration::from_millis(10));
            }
            Err((error, _)) => return Err(error),
        }
    }
}

/// Asks again as long as the client says that it helps and we are not told to end at once.
fn again(stop: &Stop, ask: impl Fn() -> Result<(), KafkaError>) -> Result<(), KafkaError> {
    loop {
        match ask() {
            Err(KafkaError::Transaction(why)) if why.is_retriable() && !stop.at_once() => {
                tracing::info!(why = why.string(), "brokers are slow or away: asking again");
                stop.wait(PACE);
            }
            result => return result,
        }
    }
}
