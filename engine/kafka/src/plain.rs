//! A producer and a consumer as anybody would write them: for who shows the topics.

use crate::checkpoint::{partition_count, reader};
use crate::intake::Outbox;
use crate::{Error, Options};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Message, OwnedHeaders};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::Value;
use std::time::Duration;

/// Writes commands.
pub struct Writer {
    outbox: Outbox,
    topic: String,
}

impl Writer {
    /// To the topic of commands.
    ///
    /// # Errors
    /// The client cannot be made.
    pub fn open(options: &Options) -> Result<Self, Error> {
        options.check()?;
        let outbox = Outbox::open(options, "writer")?;
        Ok(Self { outbox, topic: options.topics.commands.clone() })
    }

    /// Hands a command over, without a key.
    ///
    /// # Errors
    /// The client does not take it, or one before it did not arrive.
    pub fn send(&self, command: &Value) -> Result<(), Error> {
        let value = command.to_string();
        self.outbox.send((0, 0), &self.topic, None, Some(value.as_bytes()), OwnedHeaders::new())?;
        self.outbox.arrived().map(drop)
    }
}

/// Reads events, each once, from the first on.
pub struct Follower(BaseConsumer);

impl Follower {
    /// Of the topic of events.
    ///
    /// # Errors
    /// The brokers do not answer, or there is no such topic.
    pub fn open(options: &Options) -> Result<Self, Error> {
        let failed = || Error::client("reading events");
        let follower = reader(options, "follower")?;
        let topic = &options.topics.events;
        let mut list = TopicPartitionList::new();
        for partition in 0..partition_count(&follower, options, topic)? {
            list.add_partition_offset(topic, partition, Offset::Beginning).map_err(failed())?;
        }
        follower.assign(&list).map_err(failed())?;
        Ok(Self(follower))
    }

    /// The next event, if one comes in time.
    pub fn next(&self, wait: Duration) -> Option<Value> {
        // A broker that is away passes.
        let message = self.0.poll(wait)?.ok()?;
        serde_json::from_slice(message.payload()?).ok()
    }
}
