//! Partitions that come from other nodes and go to them.

use super::{LOOK_EVERY, NOBODY, Serving, numbers, task_of};
use crate::handover::SAY_EVERY;
use crate::intake::Change;
use crate::{Error, Partitions};
use rdkafka::message::OwnedHeaders;
use std::time::{Duration, Instant};

/// How long the others may take to hear that a partition drains here before it goes all the same.
const TELL: Duration = Duration::from_secs(3);

impl Serving<'_> {
    /// Partitions come once they have drained where they were, and go at once, while their calls end
    /// here.
    pub(super) fn follow_group(&mut self) -> Result<(), Error> {
        for change in self.intake.changes() {
            match change {
                Change::Came(partitions) => self.come(&partitions)?,
                Change::Wanted(partitions) => {
                    self.drain(&partitions)?;
                    self.intake.let_go();
                }
                Change::Went(partitions) => {
                    let lost = |partition: &u32| !self.draining.contains(partition);
                    let lost: Vec<u32> = numbers(&partitions).into_iter().filter(lost).collect();
                    self.work.desk.give_up(&lost, true);
                    self.coming.retain(|partition| !partitions.contains(partition));
                    self.forget(&partitions);
                }
            }
        }
        let (held, now) = (&self.handovers, Instant::now());
        let free = |partition: &i32| !held.is_held(*partition, now);
        let come: Vec<i32> = self.coming.iter().copied().filter(free).collect();
        if !come.is_empty() {
            self.coming.retain(|partition| !come.contains(partition));
            self.work.desk.own(&numbers(&come));
            self.intake.release(&come)?;
        }
        self.say_what_drains()
    }

    /// The group has given us partitions.
    fn come(&mut self, partitions: &[i32]) -> Result<(), Error> {
        if self.work.options.partitions != Partitions::Group || partitions.is_empty() {
            return Ok(());
        }
        // Those that have not even gone.
        let back = |partition: &u32| self.draining.contains(partition);
        let back: Vec<u32> = numbers(partitions).into_iter().filter(back).collect();
        self.drained(&back)?;
        // What their last owners said before they let them go.
        let endings = self.remembered.catch_up(self.work.options, &mut self.handovers)?;
        self.waiting.extend(endings.iter().map(task_of));
        self.coming.extend(partitions);
        Ok(())
    }

    /// Gives partitions up once their calls have ended, and tells the others.
    fn drain(&mut self, partitions: &[i32]) -> Result<(), Error> {
        let served = |partition: &&i32| !self.coming.contains(*partition);
        let served: Vec<i32> = partitions.iter().filter(served).copied().collect();
        let served = numbers(&served);
        self.draining.extend(&served);
        self.work.desk.give_up(&served, false);
        self.say(&served)?;
        if let Err(error) = self.outbox.flush_within(TELL) {
            tracing::warn!("{}: calls may be cut that could have gone on", error.in_full());
        }
        Ok(())
    }

    /// Says again what drains here, and takes back what was said of what has drained.
    fn say_what_drains(&mut self) -> Result<(), Error> {
        let gone = self.work.desk.given_up();
        let gone: Vec<u32> = gone.into_iter().filter(|one| self.draining.contains(one)).collect();
        self.drained(&gone)?;
        if !self.draining.is_empty() && self.said.elapsed() >= SAY_EVERY {
            let draining: Vec<u32> = self.draining.iter().copied().collect();
            self.say(&draining)?;
        }
        Ok(())
    }

    fn say(&mut self, draining: &[u32]) -> Result<(), Error> {
        self.said = Instant::now();
        for partition in draining {
            let (key, value) = self.handovers.record(*partition);
            self.tell_nodes(&key, Some(&value))?;
        }
        Ok(())
    }

    fn drained(&mut self, partitions: &[u32]) -> Result<(), Error> {
        for partition in partitions {
            self.draining.remove(partition);
            self.tell_nodes(&self.handovers.record(*partition).0, None)?;
        }
        Ok(())
    }

    /// Writes into the topic that every node follows.
    pub(super) fn tell_nodes(&self, key: &str, value: Option<&str>) -> Result<(), Error> {
        let topic = &self.work.options.topics.relay;
        let (key, value) = (Some(key.as_bytes()), value.map(str::as_bytes));
        self.outbox.send(NOBODY, topic, key, value, OwnedHeaders::new())
    }

    /// Leaves the group at once: others get each partition when its calls have ended here.
    pub(super) fn hand_on(mut self) -> Result<(), Error> {
        self.drain(&self.intake.ours())?;
        self.intake.leave();
        while !self.draining.is_empty() && !self.work.stop.relay() {
            self.say_what_drains()?;
            self.work.stop.wait(LOOK_EVERY);
        }
        // What is left was hung up.
        let rest: Vec<u32> = self.draining.iter().copied().collect();
        self.drained(&rest)?;
        self.outbox.flush()
    }
}
