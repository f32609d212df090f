//! The topics: made with the settings they need, and looked at before they are used.

use crate::checkpoint::{ANSWER, partition_count, reader};
use crate::{Error, Options};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::RDKafkaErrorCode;

/// How many partitions the topics of commands, work and events get unless somebody says otherwise.
/// For life: the same key must lead to the same partition.
pub const PARTITIONS: i32 = 64;

/// What became of a topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Made {
    /// Its name.
    pub topic: String,
    /// How many partitions it has.
    pub partitions: i32,
    /// Whether it was there before.
    pub was_there: bool,
}

/// Makes the topics that are not there. `replication` as the brokers have it by default when
/// absent.
///
/// # Errors
/// The brokers do not answer, or refuse one.
pub fn make(
    options: &Options,
    partitions: i32,
    replication: Option<i32>,
) -> Result<Vec<Made>, Error> {
    options.check()?;
    let admin: AdminClient<DefaultClientContext> =
        options.client("topics").create().map_err(Error::client("making topics"))?;
    let topics = &options.topics;
    let new = |name, partitions| {
        NewTopic::new(name, partitions, TopicReplication::Fixed(replication.unwrap_or(-1)))
    };
    // Commands are as good as done when they are in the log; a week is for people. Dead letters and
    // events stay longer: what a platform keeps is its own decision.
    let wanted = [
        new(&topics.commands, partitions).set("retention.ms", "604800000"),
        new(&topics.work, partitions).set("retention.ms", "604800000"),
        new(&topics.events, partitions).set("retention.ms", "2592000000"),
        new(&topics.dead, 1).set("retention.ms", "2592000000"),
        new(&topics.relay, 1).set("cleanup.policy", "compact"),
    ];
    let names: Vec<String> = wanted.iter().map(|topic| topic.name.to_owned()).collect();
    let ask = AdminOptions::new().operation_timeout(Some(ANSWER)).request_timeout(Some(ANSWER));
    let away =
        |source| Error::Away { brokers: options.brokers.clone(), doing: "making topics", source };
    let waiting = tokio::runtime::Builder::new_current_thread().build().map_err(Error::Thread)?;
    let results = waiting.block_on(admin.create_topics(&wanted, &ask)).map_err(away)?;
    let looker = reader(options, "topics-reader")?;
    let mut made = Vec::new();
    for (topic, result) in names.into_iter().zip(results) {
        let was_there = match result {
            Ok(_) => false,
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => true,
            Err((_, code)) => return Err(Error::Topic { topic, why: code.to_string() }),
        };
        let partitions = settled(options, &looker, &topic)?;
        made.push(Made { topic, partitions, was_there });
    }
    Ok(made)
}

/// The partitions of a topic that was made a moment ago: brokers hear of it one after the other.
fn settled(
    options: &Options,
    looker: &rdkafka::consumer::BaseConsumer,
    topic: &str,
) -> Result<i32, Error> {
    for _ in 0..50 {
        match partition_count(looker, options, topic) {
            Err(Error::NoTopic(_)) => std::thread::sleep(std::time::Duration::from_millis(100)),
            result => return result,
        }
    }
    partition_count(looker, options, topic)
}

/// Looks whether the topics are there.
pub(crate) fn check(options: &Options) -> Result<(), Error> {
    let looker = reader(options, "topics-reader")?;
    let topics = &options.topics;
    let mut wanted = vec![&topics.commands, &topics.events, &topics.dead, &topics.relay];
    if !options.keyed {
        wanted.push(&topics.work);
    }
    for topic in wanted {
        partition_count(&looker, options, topic)?;
    }
    Ok(())
}
