//! Brings each command to the topic of work, keyed by its callee, so that it reaches its callee's
//! owner whatever key it came with. At least once: a repeat is recognised by its `command_id`.

use crate::counts::Counts;
use crate::headers::{self, Origin};
use crate::intake::{Intake, Outbox};
use crate::remembered::{self, Ending};
use crate::stop::Stop;
use crate::{Desk, Error, Options};
use rdkafka::message::{BorrowedMessage, Message};
use schemas::Numbering;
use schemas::commands::Command;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// So many messages may be on their way at once.
const OPEN_MAX: usize = 10_000;
/// How long a node may be silent before others read its partitions. The least that brokers take
/// unless they are told otherwise: a mistake costs nothing but repeats.
const SESSION: Duration = Duration::from_secs(6);
/// How long the thread waits for a message before it looks at what has arrived.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What the hop works with.
pub(crate) struct Hop<'a> {
    pub options: &'a Options,
    pub numbering: Numbering,
    pub desk: &'a dyn Desk,
    pub counts: &'a Counts,
    pub stop: &'a Stop,
}

impl Hop<'_> {
    /// Forwards until it is stopped, or something fails: then the next one goes on from what was
    /// committed.
    pub fn run(&self) -> Result<(), Error> {
        let options = self.options;
        let mut intake =
            Intake::join(options, "hop", &options.group, &options.topics.commands, SESSION)?;
        let outbox = Outbox::open(options, "hop")?;
        while !self.stop.intake() {
            for (partition, offset) in outbox.arrived()? {
                intake.done(partition, offset);
            }
            intake.changes();
            intake.pause(intake.open() >= OPEN_MAX)?;
            intake.commit_sometimes()?;
            if let Some(message) = intake.next(LOOK_EVERY)? {
                self.forward(&message, &outbox)?;
            }
        }
        outbox.flush()?;
        for (partition, offset) in outbox.arrived()? {
            intake.done(partition, offset);
        }
        intake.commit_last();
        intake.leave();
        Ok(())
    }

    fn forward(&self, message: &BorrowedMessage<'_>, outbox: &Outbox) -> Result<(), Error> {
        let topics = &self.options.topics;
        let token = (message.partition(), message.offset());
        let origin = Origin::of(message);
        let command = match headers::command(message, &self.numbering) {
            Ok(command) => command,
            Err(refusal) => {
                self.counts.dead.fetch_add(1, Ordering::Relaxed);
                let headers = headers::dead(message, &origin, refusal.code(), &refusal.to_string());
                return outbox.send(token, &topics.dead, message.key(), message.payload(), headers);
            }
        };
        let callee = match &command {
            Command::PlaceCall(call) => Some(self.desk.callee_of(&call.phone)),
            Command::EndCall(end) => self.desk.callee_of_call(end.call).map_err(Error::Log)?,
        };
        match (callee, &command) {
            (Some(callee), _) => {
                self.counts.forwarded.fetch_add(1, Ordering::Relaxed);
                let headers = headers::forwarded(message, &origin);
                let key = callee.to_string();
                outbox.send(token, &topics.work, Some(key.as_bytes()), message.payload(), headers)
            }
            // It has overtaken its PlaceCall: all nodes are told, since any may get that.
            (None, Command::EndCall(end)) => {
                let (key, value) = remembered::record(&Ending::of(end));
                let headers = rdkafka::message::OwnedHeaders::new();
                let (key, value) = (Some(key.as_bytes()), Some(value.as_bytes()));
                outbox.send(token, &topics.relay, key, value, headers)
            }
            (None, Command::PlaceCall(_)) => unreachable!("a number always has a callee key"),
        }
    }
}
