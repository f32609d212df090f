//! What the two consumers have in common: partitions that come and go, offsets that are committed
//! when what they stand for is safe, and messages that must arrive before that.

use crate::offsets::Offsets;
use crate::relay::enqueue;
use crate::{Error, Options};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, DeliveryResult, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often offsets are committed.
const COMMIT_EVERY: Duration = Duration::from_millis(500);
/// How long leaving the group may take.
const LEAVE: Duration = Duration::from_secs(3);
/// How long what was sent may take to arrive before the thread starts again.
const ARRIVE: Duration = Duration::from_secs(30);

/// A consumer with its offsets.
pub(crate) struct Intake {
    pub consumer: BaseConsumer<Membership>,
    topic: String,
    last_commit: Instant,
    paused: bool,
    is_member: bool,
    /// Partitions that are not read though they are ours.
    held: BTreeSet<i32>,
}

/// Which partitions are ours, as the group tells it.
#[derive(Default)]
pub(crate) struct Membership {
    topic: String,
    offsets: Mutex<Offsets>,
    changes: Mutex<Vec<Change>>,
    commit_failed: AtomicBool,
    /// Whether partitions are not read before [`Intake::release`], and not given back before
    /// [`Intake::let_go`].
    keeps: bool,
    wanted: Mutex<Option<TopicPartitionList>>,
    closing: AtomicBool,
}

/// Partitions that came or went.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Came(Vec<i32>),
    /// They are wanted back, and nobody gets them before [`Intake::let_go`].
    Wanted(Vec<i32>),
    Went(Vec<i32>),
}

impl ClientContext for Membership {}

impl ConsumerContext for Membership {
    /// The partitions of a group are given back one by one (cooperative), and when we say so: the
    /// group waits for us, and others go on meanwhile.
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        code: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        match code {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                self.change(Change::Came(ids(list)));
                self.note("taking partitions", consumer.incremental_assign(list));
                if self.keeps {
                    // Until it is known whether its last owner is done with it.
                    self.note("pausing partitions", consumer.pause(list));
                }
            }
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS => {
                let keeps = self.keeps && !self.closing.load(Ordering::Acquire);
                if keeps && !consumer.assignment_lost() {
                    self.note("pausing partitions", consumer.pause(list));
                    *self.wanted() = Some(list.clone());
                    self.change(Change::Wanted(ids(list)));
                } else {
                    *self.wanted() = None;
                    self.let_go(consumer, list);
                }
            }
            code => tracing::warn!(?code, "the group has trouble"),
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        if let Err(error) = result {
            tracing::info!(%error, "offsets were not committed: once more");
            self.commit_failed.store(true, Ordering::Release);
        }
    }
}

impl Membership {
    fn let_go(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) {
        let gone = ids(list);
        let mut offsets = self.offsets();
        // So that the next owner reads as little as possible again. When the group has thrown us
        // out there is nothing to commit to.
        if !consumer.assignment_lost()
            && let Some(due) = offsets.due(&self.topic, Some(&gone))
        {
            self.note("committing what went", consumer.commit(&due, CommitMode::Sync));
        }
        gone.iter().for_each(|partition| offsets.give_up(*partition));
        drop(offsets);
        self.note("giving partitions back", consumer.incremental_unassign(list));
        self.change(Change::Went(gone));
    }

    fn wanted(&self) -> MutexGuard<'_, Option<TopicPartitionList>> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, doing: &str, result: KafkaResult<()>) {
        if let Err(error) = result {
            tracing::warn!(%error, topic = self.topic, "{doing}");
        }
    }

    fn offsets(&self) -> MutexGuard<'_, Offsets> {
        self.offsets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: Change) {
        tracing::info!(topic = self.topic, ?change, "partitions");
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).push(change);
    }
}

impl Intake {
    /// A member of a group that shares the partitions of a topic, and may be silent for a
    /// `session`. Of work, partitions that are wanted back are kept until [`Intake::let_go`].
    pub fn join(
        options: &Options,
        role: &str,
        group: &str,
        topic: &str,
        session: Duration,
    ) -> Result<Self, Error> {
        let keeps = role == "work";
        let failed = || Error::client("joining the group");
        let mut config = options.consumer(role, group);
        config
            // A node that comes back gets the partitions that it had.
            .set("group.instance.id", format!("{}-{role}", options.node))
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", session.as_millis().to_string())
            .set("heartbeat.interval.ms", "2000");
        let consumer: BaseConsumer<Membership> = config
            .create_with_context(Membership { keeps, ..membership(topic) })
            .map_err(failed())?;
        consumer.subscribe(&[topic]).map_err(failed())?;
        Ok(Self::new(consumer, topic, true))
    }

    /// Reads partitions that are ours whoever else there is, from where the group's name left off.
    pub fn pin(
        options: &Options,
        role: &str,
        group: &str,
        topic: &str,
        partitions: impl Iterator<Item = i32>,
    ) -> Result<Self, Error> {
        let failed = || Error::client("taking partitions");
        let consumer: BaseConsumer<Membership> = options
            .consumer(role, group)
            .create_with_context(membership(topic))
            .map_err(failed())?;
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition_offset(topic, partition, Offset::Stored).map_err(failed())?;
        }
        consumer.assign(&list).map_err(failed())?;
        Ok(Self::new(consumer, topic, false))
    }

    fn new(consumer: BaseConsumer<Membership>, topic: &str, is_member: bool) -> Self {
        let topic = topic.to_owned();
        Self {
            consumer,
            topic,
            last_commit: Instant::now(),
            paused: false,
            is_member,
            held: BTreeSet::new(),
        }
    }

    /// The next message, if one comes in time.
    pub fn next(&self, wait: Duration) -> Result<Option<BorrowedMessage<'_>>, Error> {
        match self.consumer.poll(wait) {
            None => Ok(None),
            Some(Ok(message)) => {
                self.consumer.context().offsets().begin(message.partition(), message.offset());
                Ok(Some(message))
            }
            // A broker that comes and goes: the client goes on by itself.
            Some(Err(KafkaError::MessageConsumption(code))) if passes(code) => {
                tracing::info!(%code, topic = self.topic, "brokers are slow or away");
                Ok(None)
            }
            Some(Err(error)) => Err(Error::client("reading commands")(error)),
        }
    }

    /// What changed since it was asked last.
    pub fn changes(&mut self) -> Vec<Change> {
        let changes = &self.consumer.context().changes;
        let changes = std::mem::take(&mut *changes.lock().unwrap_or_else(PoisonError::into_inner));
        for change in &changes {
            match change {
                Change::Came(partitions) => {
                    // Those that came are not paused with the others.
                    self.paused = false;
                    if self.consumer.context().keeps {
                        self.held.extend(partitions);
                    }
                }
                Change::Wanted(_) => {}
                Change::Went(partitions) => self.held.retain(|held| !partitions.contains(held)),
            }
        }
        changes
    }

    /// Reads these partitions from now on.
    pub fn release(&mut self, partitions: &[i32]) -> Result<(), Error> {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            if self.held.remove(partition) {
                list.add_partition(&self.topic, *partition);
            }
        }
        if list.count() == 0 || self.paused {
            return Ok(());
        }
        self.consumer.resume(&list).map_err(Error::client("reading partitions"))
    }

    /// The partitions that are ours, also those that are not read.
    pub fn ours(&self) -> Vec<i32> {
        self.consumer.assignment().map_or_else(|_| Vec::new(), |list| ids(&list))
    }

    /// Gives back the partitions that are wanted.
    pub fn let_go(&self) {
        let context = self.consumer.context();
        let wanted = context.wanted().take();
        if let Some(list) = wanted {
            context.let_go(&self.consumer, &list);
        }
    }

    /// A message is done with: whatever it stands for is durable.
    pub fn done(&self, partition: i32, offset: i64) {
        self.consumer.context().offsets().done(partition, offset);
    }

    /// Messages that are not done with.
    pub fn open(&self) -> usize {
        self.consumer.context().offsets().open()
    }

    /// Stops reading, or goes on. What was fetched ahead and not read is read again.
    pub fn pause(&mut self, pause: bool) -> Result<(), Error> {
        let ours = self.consumer.assignment().map_err(Error::client("pausing"))?;
        if ours.count() > 0 && pause != self.paused {
            let mut read = TopicPartitionList::new();
            for partition in ids(&ours).into_iter().filter(|one| !self.held.contains(one)) {
                read.add_partition(&self.topic, partition);
            }
            let done = if pause { self.consumer.pause(&ours) } else { self.consumer.resume(&read) };
            done.map_err(Error::client("pausing"))?;
            self.paused = pause;
        }
        Ok(())
    }

    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Commits what is due, now and then.
    pub fn commit_sometimes(&mut self) -> Result<(), Error> {
        if self.last_commit.elapsed() < COMMIT_EVERY {
            return Ok(());
        }
        self.last_commit = Instant::now();
        let context = self.consumer.context();
        let mut offsets = context.offsets();
        if context.commit_failed.swap(false, Ordering::AcqRel) {
            offsets.uncommitted();
        }
        if let Some(due) = offsets.due(&self.topic, None) {
            self.consumer.commit(&due, CommitMode::Async).map_err(Error::client("committing"))?;
            offsets.committed(&due);
        }
        Ok(())
    }

    /// Commits everything that is due and waits for it. To be asked last.
    pub fn commit_last(&self) {
        let mut offsets = self.consumer.context().offsets();
        // What was committed without waiting may have failed: everything once more.
        offsets.uncommitted();
        if let Some(due) = offsets.due(&self.topic, None)
            && let Err(error) = self.consumer.commit(&due, CommitMode::Sync)
        {
            tracing::warn!(%error, "offsets were not committed: commands will come again, and be recognised");
        }
    }

    /// Leaves the group, so that others get our partitions at once and not when we are missed. To be
    /// asked when nothing of them is left here.
    pub fn leave(&self) {
        if !self.is_member {
            return;
        }
        self.consumer.context().closing.store(true, Ordering::Release);
        self.let_go();
        self.consumer.unsubscribe();
        let deadline = Instant::now() + LEAVE;
        let has_some = || self.consumer.assignment().is_ok_and(|ours| ours.count() > 0);
        while has_some() && Instant::now() < deadline {
            let _ = self.consumer.poll(LEAVE / 100);
        }
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        // Closing waits until everything was given back.
        self.consumer.context().closing.store(true, Ordering::Release);
        self.let_go();
    }
}

fn ids(list: &TopicPartitionList) -> Vec<i32> {
    list.elements().iter().map(|element| element.partition()).collect()
}

fn membership(topic: &str) -> Membership {
    Membership { topic: topic.to_owned(), ..Membership::default() }
}

/// Whether the client deals with it by itself, sooner or later.
fn passes(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::AllBrokersDown
            | Code::BrokerTransportFailure
            | Code::OperationTimedOut
            | Code::Resolve
            | Code::MessageTimedOut
            | Code::CoordinatorNotAvailable
            | Code::CoordinatorLoadInProgress
            | Code::NotCoordinator
            | Code::RebalanceInProgress
            | Code::LeaderNotAvailable
            | Code::NotLeaderForPartition
            | Code::RequestTimedOut
            | Code::PollExceeded
            | Code::UnknownMemberId
            | Code::IllegalGeneration
    )
}

/// Sends messages, and says of each when it has arrived.
pub(crate) struct Outbox {
    producer: BaseProducer<Arrivals>,
}

/// Which message of ours an arrival belongs to.
pub(crate) type Token = (i32, i64);

#[derive(Default)]
struct Arrivals(Mutex<Vec<(Token, Result<(), KafkaError>)>>);

impl ClientContext for Arrivals {}

impl ProducerContext for Arrivals {
    type DeliveryOpaque = Box<Token>;

    fn delivery(&self, result: &DeliveryResult<'_>, token: Box<Token>) {
        let result = match result {
            Ok(_) => Ok(()),
            Err((error, _)) => Err(error.clone()),
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((*token, result));
    }
}

impl Outbox {
    pub fn open(options: &Options, role: &str) -> Result<Self, Error> {
        let mut config = options.producer(role);
        config.set("linger.ms", "0").set("queue.buffering.max.messages", "20000");
        let producer =
            config.create_with_context(Arrivals::default()).map_err(Error::client("sending"))?;
        Ok(Self { producer })
    }

    /// Hands a message over; [`Outbox::arrived`] names the token once it is there.
    pub fn send(
        &self,
        token: Token,
        topic: &str,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: OwnedHeaders,
    ) -> Result<(), Error> {
        let mut record = BaseRecord::with_opaque_to(topic, Box::new(token)).headers(headers);
        record.key = key;
        record.payload = value;
        enqueue(&self.producer, record).map_err(Error::client("sending"))
    }

    /// What has arrived since it was asked last.
    pub fn arrived(&self) -> Result<Vec<Token>, Error> {
        self.producer.poll(Duration::ZERO);
        let arrivals = &self.producer.context().0;
        let arrivals =
            std::mem::take(&mut *arrivals.lock().unwrap_or_else(PoisonError::into_inner));
        let token = |(token, result): (Token, Result<(), KafkaError>)| {
            result.map(|()| token).map_err(Error::client("sending"))
        };
        arrivals.into_iter().map(token).collect()
    }

    /// Waits until everything has arrived.
    pub fn flush(&self) -> Result<(), Error> {
        self.flush_within(ARRIVE)
    }

    /// Waits until everything has arrived, for so long at most.
    pub fn flush_within(&self, at_most: Duration) -> Result<(), Error> {
        self.producer.flush(at_most).map_err(Error::client("sending"))
    }
}
