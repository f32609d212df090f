//! Commands that overtook the call they are to end. They stand in the checkpoint's topic, which
//! every node follows: whichever gets the PlaceCall knows that it is not to be dialled.

use crate::checkpoint::{self, Looker};
use crate::handover::Handovers;
use crate::{Error, Options};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use schemas::commands::EndCall;
use schemas::{CallId, CommandId};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What the keys of such records begin with.
const PREFIX: &str = "ending/";
/// How long one is remembered.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// The most that are remembered. Beyond it the oldest is forgotten, and said so.
const MAX: usize = 100_000;
/// How long reading what is there may take at the start.
const READ: Duration = Duration::from_secs(60);

/// A command that is to end a call which is not there yet.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Ending {
    pub call: CallId,
    pub command_id: CommandId,
    pub of: Option<CommandId>,
    pub only_unanswered: bool,
    /// Seconds since 1970.
    at: u64,
}

impl Ending {
    pub fn of(end: &EndCall) -> Self {
        let EndCall { command_id, call, of, only_unanswered } = end.clone();
        Self { call, command_id, of, only_unanswered, at: now() }
    }

    /// The command, as it came.
    pub fn command(&self) -> EndCall {
        let Self { call, command_id, of, only_unanswered, .. } = self.clone();
        EndCall { command_id, call, of, only_unanswered }
    }

    fn read(call: CallId, value: &Value) -> Option<Self> {
        Some(Self {
            call,
            command_id: CommandId::new(value["command_id"].as_str()?)?,
            of: value["of"].as_str().and_then(CommandId::new),
            only_unanswered: value["only_unanswered"].as_bool()?,
            at: value["at"].as_u64()?,
        })
    }

    fn is_old(&self) -> bool {
        now().saturating_sub(self.at) > KEPT.as_secs()
    }
}

/// The record that tells all nodes of an ending.
pub(crate) fn record(ending: &Ending) -> (String, String) {
    let of = ending.of.as_ref().map(CommandId::as_str);
    let value = json!({
        "command_id": ending.command_id.as_str(), "of": of,
        "only_unanswered": ending.only_unanswered, "at": ending.at,
    });
    (key(ending.call), value.to_string())
}

/// The key of an ending's record; without a value it makes all nodes forget it.
pub(crate) fn key(call: CallId) -> String {
    format!("{PREFIX}{call}")
}

/// What is remembered, followed as it changes.
pub(crate) struct Remembered {
    follower: BaseConsumer,
    looker: Looker,
    topic: String,
    endings: HashMap<CallId, Ending>,
}

impl Remembered {
    /// Reads what stands in the topic, to its end.
    pub fn read(options: &Options, handovers: &mut Handovers) -> Result<Self, Error> {
        let failed = || Error::client("reading the checkpoint");
        let topic = &options.topics.relay;
        // Of what nodes tell each other nothing stands in transactions, and nothing of it may wait for
        // the end of one.
        let looker = Looker::open(options, "ends")?;
        let follower = Looker::open(options, "follower")?.0;
        let partitions = checkpoint::partition_count(&follower, options, topic)?;
        let mut list = TopicPartitionList::new();
        for partition in 0..partitions {
            list.add_partition_offset(topic, partition, Offset::Beginning).map_err(failed())?;
        }
        follower.assign(&list).map_err(failed())?;
        let (topic, looker) = (topic.clone(), looker);
        let mut this = Self { follower, looker, topic, endings: HashMap::new() };
        this.catch_up(options, handovers)?;
        Ok(this)
    }

    /// Takes in everything that stood in the topic when this was asked; what is new as
    /// [`Self::follow`] gives it.
    pub fn catch_up(
        &mut self,
        options: &Options,
        handovers: &mut Handovers,
    ) -> Result<Vec<Ending>, Error> {
        let partitions = checkpoint::partition_count(&self.follower, options, &self.topic)?;
        let ends = (0..partitions)
            .map(|partition| self.looker.ends(options, &self.topic, partition))
            .collect::<Result<Vec<_>, _>>()?;
        let (mut fresh, deadline) = (Vec::new(), Instant::now() + READ);
        while Instant::now() < deadline {
            fresh.extend(self.follow(Duration::from_millis(5), handovers)?);
            let failed = Error::client("reading the checkpoint");
            let at = self.follower.position().map_err(failed)?;
            let reached = |(partition, (first, end)): (usize, &(i64, i64))| {
                let found = at.find_partition(&self.topic, partition as i32);
                first == end
                    || found.and_then(|found| found.offset().to_raw()).is_some_and(|at| at >= *end)
            };
            if ends.iter().enumerate().all(reached) {
                return Ok(fresh);
            }
        }
        let why = "it could not be read to its end in a minute".to_owned();
        Err(Error::Undelivered { topic: self.topic.clone(), why })
    }

    /// Takes in what came; what is new, to be tried on the calls that are live here.
    pub fn follow(
        &mut self,
        wait: Duration,
        handovers: &mut Handovers,
    ) -> Result<Vec<Ending>, Error> {
        let mut fresh = Vec::new();
        let mut wait = wait;
        while let Some(message) = self.follower.poll(wait) {
            wait = Duration::ZERO;
            // A broker that is away passes.
            let Ok(message) = message else { break };
            let key = message.key().and_then(|key| std::str::from_utf8(key).ok());
            if let Some(key) = key {
                let at = message.timestamp().to_millis().unwrap_or(0);
                handovers.hear(key, message.payload(), at, Instant::now());
            }
            let call = key.and_then(|key| CallId::parse(key.strip_prefix(PREFIX)?));
            let Some(call) = call else { continue };
            let value = message.payload().and_then(|value| serde_json::from_slice(value).ok());
            match value.and_then(|value| Ending::read(call, &value)) {
                Some(ending) if !ending.is_old() => {
                    self.make_room();
                    self.endings.insert(call, ending.clone());
                    fresh.push(ending);
                }
                _ => drop(self.endings.remove(&call)),
            }
        }
        Ok(fresh)
    }

    /// What is to end this call.
    pub fn of(&self, call: CallId) -> Option<&Ending> {
        self.endings.get(&call).filter(|ending| !ending.is_old())
    }

    fn make_room(&mut self) {
        if self.endings.len() < MAX {
            return;
        }
        self.endings.retain(|_, ending| !ending.is_old());
        if self.endings.len() >= MAX
            && let Some(oldest) = self.endings.values().min_by_key(|ending| ending.at)
        {
            let call = oldest.call;
            tracing::warn!(%call, "forgotten: more calls are to be ended before they began than can be remembered");
            self.endings.remove(&call);
        }
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
