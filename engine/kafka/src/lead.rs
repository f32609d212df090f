//! Which node tells a log that nodes share: the one that a group of their own gives the first
//! partition of the relay's topic.
//!
//! Not whoever serves some partition of the work: those stand still while calls drain, for minutes,
//! and nobody would tell meanwhile. Two that believe it at once do no harm: the later fences the
//! earlier (`transactional.id`).

use crate::error::is_forbidden;
use crate::{Error, Options, Partitions};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaResult, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long the node that tells may be silent before another one does: the least that brokers take
/// unless they are told otherwise. Short, since a mistake costs a restart of the relay only.
const SESSION: Duration = Duration::from_secs(6);
/// How long leaving the group may take.
const LEAVE: Duration = Duration::from_secs(3);
/// How often it is looked whether it was left.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Whether it is ours to tell.
pub(crate) struct Lead(Option<BaseConsumer<Seat>>);

#[derive(Default)]
struct Seat {
    is_ours: AtomicBool,
}

impl ClientContext for Seat {}

impl ConsumerContext for Seat {
    fn rebalance(
        &self,
        group: &BaseConsumer<Self>,
        code: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        let has_first = list.elements().iter().any(|element| element.partition() == 0);
        let result = match code {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                if has_first {
                    tracing::info!("it is ours to tell the log");
                    self.is_ours.store(true, Ordering::Release);
                }
                sit_down(group, list)
            }
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS => {
                if has_first {
                    tracing::info!("another node tells the log");
                    self.is_ours.store(false, Ordering::Release);
                }
                group.incremental_unassign(list)
            }
            code => {
                tracing::warn!(?code, "the group of the relay has trouble");
                Ok(())
            }
        };
        if let Err(error) = result {
            tracing::warn!(%error, "the group of the relay");
        }
    }
}

/// Takes partitions, and reads nothing of them.
fn sit_down(group: &BaseConsumer<Seat>, list: &mut TopicPartitionList) -> KafkaResult<()> {
    list.set_all_offsets(Offset::End)?;
    group.incremental_assign(list)?;
    group.pause(list)
}

impl Lead {
    /// Nobody else has this log; or, of a log that nodes share, as a member of their group.
    pub fn join(options: &Options) -> Result<Self, Error> {
        if options.partitions != Partitions::Group {
            return Ok(Self(None));
        }
        let failed = || Error::client("joining the group of the relay");
        let mut config = options.consumer("relay-lead", &options.relay_group());
        config
            .set("group.instance.id", format!("{}-relay", options.node))
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", SESSION.as_millis().to_string())
            .set("heartbeat.interval.ms", "1500");
        let group: BaseConsumer<Seat> =
            config.create_with_context(Seat::default()).map_err(failed())?;
        group.subscribe(&[&options.topics.relay]).map_err(failed())?;
        Ok(Self(Some(group)))
    }

    /// Whether it is ours now. To be asked often: the group hears of us by it.
    pub fn is_ours(&self) -> Result<bool, Error> {
        let Some(group) = &self.0 else { return Ok(true) };
        if let Some(Err(error)) = group.poll(Duration::ZERO) {
            let code = error.rdkafka_error_code();
            if code.is_some_and(|code| {
                code == RDKafkaErrorCode::FencedInstanceId || is_forbidden(code)
            }) {
                return Err(Error::client("asking who tells the log")(error));
            }
            // Brokers that come and go: the client goes on by itself.
            tracing::info!(%error, "the group of the relay");
        }
        Ok(group.context().is_ours.load(Ordering::Acquire))
    }

    /// Leaves the group, so that another node tells at once and not when we are missed.
    pub fn leave(&self) {
        let Some(group) = &self.0 else { return };
        group.unsubscribe();
        let deadline = Instant::now() + LEAVE;
        while group.assignment().is_ok_and(|ours| ours.count() > 0) && Instant::now() < deadline {
            let _ = group.poll(LOOK_EVERY);
        }
    }
}
