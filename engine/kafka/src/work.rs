//! Hands the commands of our partitions to the engine, and commits what is durable.
//!
//! When the engine is full, partitions are paused and nothing more is read: what waits is on the
//! broker, not here.

mod sharing;

use crate::claims;
use crate::counts::Counts;
use crate::handover::Handovers;
use crate::headers::{self, Origin};
use crate::intake::{Intake, Outbox, Token};
use crate::remembered::{self, Ending, Remembered};
use crate::stop::Stop;
use crate::{Busy, Desk, Error, Options, Partitions, Verdict, checkpoint};
use rdkafka::message::{Message, OwnedHeaders, OwnedMessage};
use schemas::commands::Command;
use schemas::{CallId, CommandId, Numbering};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// So many commands may be with the engine at once.
const OPEN_MAX: usize = 4096;
/// So many bytes of them are kept, for the dead letter that one may become.
const BYTES_MAX: usize = 32 * 1024 * 1024;
/// How long the thread waits for a message before it looks at what was answered.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long the engine is waited for at the end.
const LAST_ANSWERS: Duration = Duration::from_secs(10);
/// How long a node may be silent before its partitions go to others, which end its calls as unknown.
const SESSION: Duration = Duration::from_secs(10);
/// Sent for no message of ours: no partition has this number.
const NOBODY: Token = (-1, 0);

/// What the thread works with.
pub(crate) struct Work<'a> {
    pub options: &'a Options,
    pub store: &'a str,
    pub numbering: Numbering,
    pub desk: &'a dyn Desk,
    pub counts: &'a Counts,
    pub stop: &'a Stop,
    /// Whether nothing more is handed to the engine, though partitions are kept.
    pub settled: &'a AtomicBool,
}

impl Work<'_> {
    /// Serves until it is stopped, or something fails: then the next one goes on from what was
    /// committed.
    pub fn run(&self) -> Result<(), Error> {
        let intake = self.take_partitions()?;
        let outbox = Outbox::open(self.options, "work")?;
        let mut handovers = Handovers::new(self.options);
        let remembered = Remembered::read(self.options, &mut handovers)?;
        let (tell, told) = channel();
        let mut serving = Serving {
            work: self,
            intake,
            outbox,
            remembered,
            tell,
            told,
            waiting: VecDeque::new(),
            open: HashMap::new(),
            bytes: 0,
            handovers,
            coming: BTreeSet::new(),
            draining: BTreeSet::new(),
            said: Instant::now(),
        };
        while !self.stop.intake() {
            serving.turn()?;
        }
        serving.end()
    }

    fn take_partitions(&self) -> Result<Intake, Error> {
        let options = self.options;
        let (topic, group) = (options.source(), options.work_group());
        let looker = checkpoint::reader(options, "work-reader")?;
        let count = checkpoint::partition_count(&looker, options, topic)?;
        let Some(ours) = options.partitions.of(count) else {
            return Intake::join(options, "work", &group, topic, SESSION);
        };
        if ours.is_empty() || *ours.end() >= count {
            let why = format!("it has {count} partitions, and kafka.partitions asks for others");
            return Err(Error::Topic { topic: topic.to_owned(), why });
        }
        claims::claim(options, self.store, topic, count, ours.clone())?;
        Intake::pin(options, "work", &group, topic, ours)
    }
}

/// What is to be handed to the engine.
#[derive(Clone)]
struct Task {
    source: Source,
    command: Command,
    cancelled_by: Option<CommandId>,
}

/// Where it comes from.
#[derive(Clone, Copy)]
enum Source {
    Message(Token),
    /// A command that came before its call, tried on what is live here.
    Remembered(CallId),
}

struct Serving<'a> {
    work: &'a Work<'a>,
    intake: Intake,
    outbox: Outbox,
    remembered: Remembered,
    tell: Sender<(Source, Verdict)>,
    told: Receiver<(Source, Verdict)>,
    /// Read, and not yet with the engine.
    waiting: VecDeque<Task>,
    /// With the engine or waiting: the message, and which call it is for.
    open: HashMap<Token, Open>,
    bytes: usize,
    /// Which partitions drain with others.
    handovers: Handovers,
    /// Partitions that are ours once they have drained where they were.
    coming: BTreeSet<i32>,
    /// Partitions that are others' once they have drained here, and when that was said last.
    draining: BTreeSet<u32>,
    said: Instant,
}

struct Open {
    message: OwnedMessage,
    call: CallId,
    cancelled: bool,
}

impl Serving<'_> {
    fn turn(&mut self) -> Result<(), Error> {
        self.settle()?;
        let endings = self.remembered.follow(Duration::ZERO, &mut self.handovers)?;
        self.waiting.extend(endings.iter().map(task_of));
        self.follow_group()?;
        let is_stopping = self.hand_over();
        let full =
            !self.waiting.is_empty() || self.open.len() >= OPEN_MAX || self.bytes >= BYTES_MAX;
        if full && !self.intake.is_paused() {
            count(&self.work.counts.pauses);
        }
        self.intake.pause(full)?;
        self.intake.commit_sometimes()?;
        self.work.counts.open.store(self.open.len() as u64, Ordering::Relaxed);
        if is_stopping {
            // Somebody has yet to tell us: nothing is taken meanwhile.
            self.work.stop.wait(LOOK_EVERY);
        }
        if let Some(message) = self.intake.next(LOOK_EVERY)? {
            let read = read(&message, &self.work.numbering);
            let token = (message.partition(), message.offset());
            let kept = message.detach();
            drop(message);
            self.take(token, kept, read)?;
        }
        Ok(())
    }

    /// Takes in a message.
    fn take(
        &mut self,
        token: Token,
        message: OwnedMessage,
        read: Result<Command, (String, String)>,
    ) -> Result<(), Error> {
        let command = match read {
            Ok(command) => command,
            Err((reason, detail)) => return self.bury(token, &message, &reason, &detail),
        };
        let call = call_of(&command);
        let place = matches!(command, Command::PlaceCall(_));
        let ending = self.remembered.of(call).filter(|_| place);
        let cancelled_by = ending.map(|ending| ending.command_id.clone());
        self.bytes += message.payload().map_or(0, <[u8]>::len);
        let cancelled = cancelled_by.is_some();
        self.open.insert(token, Open { message, call, cancelled });
        self.waiting.push_back(Task { source: Source::Message(token), command, cancelled_by });
        self.hand_over();
        Ok(())
    }

    /// Hands over what waits, as far as the engine takes it. Whether it is stopping.
    fn hand_over(&mut self) -> bool {
        let shared = self.work.options.partitions == Partitions::Group;
        while let Some(task) = self.waiting.pop_front() {
            let (tell, source) = (self.tell.clone(), task.source);
            // Nobody hears it any more only when this thread has ended.
            let reply = Box::new(move |verdict| drop(tell.send((source, verdict))));
            let kept = task.clone();
            let partition = match source {
                Source::Message((partition, _)) if shared => u32::try_from(partition).ok(),
                _ => None,
            };
            let Task { command, cancelled_by, .. } = task;
            if let Err(busy) = self.work.desk.submit(command, cancelled_by, partition, reply) {
                self.waiting.push_front(kept);
                return busy == Busy::Stopping;
            }
        }
        false
    }

    /// What the engine has answered, and what has arrived where it was sent.
    fn settle(&mut self) -> Result<(), Error> {
        for token in self.outbox.arrived()? {
            self.done(token);
        }
        while let Ok((source, verdict)) = self.told.try_recv() {
            match source {
                Source::Message(token) => self.judge(token, verdict)?,
                Source::Remembered(call) => match verdict {
                    Verdict::NoSuchCall if !self.is_there(call)? => {}
                    Verdict::Stopping => {}
                    _ => self.forget_ending(call)?,
                },
            }
        }
        Ok(())
    }

    fn judge(&mut self, token: Token, verdict: Verdict) -> Result<(), Error> {
        // Its partition went meanwhile.
        let Some(open) = self.open.get(&token) else { return Ok(()) };
        let (call, cancelled) = (open.call, open.cancelled);
        let counts = self.work.counts;
        match verdict {
            Verdict::Taken | Verdict::Repeated => {
                count(if verdict == Verdict::Taken { &counts.taken } else { &counts.repeated });
                if cancelled {
                    self.forget_ending(call)?;
                }
            }
            Verdict::NoSuchCall if self.is_there(call)? => count(&counts.too_late),
            Verdict::NoSuchCall => return self.remember(token, call),
            Verdict::Conflict => {
                let detail = "another command had this command_id before, with other content";
                return self.bury_open(token, "conflict", detail);
            }
            Verdict::Refused(why) => return self.bury_open(token, "refused", &why),
            // It comes again: to us after the start, or to who has its partition then.
            Verdict::Stopping => return Ok(()),
        }
        self.done(token);
        Ok(())
    }

    /// Whether the log has such a call.
    fn is_there(&self, call: CallId) -> Result<bool, Error> {
        self.work.desk.callee_of_call(call).map(|callee| callee.is_some()).map_err(Error::Log)
    }

    fn remember(&mut self, token: Token, call: CallId) -> Result<(), Error> {
        let Some(open) = self.open.get(&token) else { return Ok(()) };
        let Ok(Command::EndCall(end)) = read(&open.message, &self.work.numbering) else {
            // Read once, it reads again; and only such a command ends a call.
            unreachable!("no command to end {call}");
        };
        count(&self.work.counts.remembered);
        let (key, value) = remembered::record(&Ending::of(&end));
        let topic = &self.work.options.topics.relay;
        let (key, value) = (Some(key.as_bytes()), Some(value.as_bytes()));
        self.outbox.send(token, topic, key, value, OwnedHeaders::new())
    }

    fn forget_ending(&mut self, call: CallId) -> Result<(), Error> {
        self.tell_nodes(&remembered::key(call), None)
    }

    fn bury_open(&mut self, token: Token, reason: &str, detail: &str) -> Result<(), Error> {
        if reason == "conflict" {
            count(&self.work.counts.conflicts);
        }
        let Some(open) = self.open.remove(&token) else { return Ok(()) };
        let buried = self.bury(token, &open.message, reason, detail);
        self.open.insert(token, open);
        buried
    }

    fn bury(
        &self,
        token: Token,
        message: &OwnedMessage,
        reason: &str,
        detail: &str,
    ) -> Result<(), Error> {
        count(&self.work.counts.dead);
        let origin = Origin::of_forwarded(message);
        let headers = headers::dead(message, &origin, reason, detail);
        let topic = &self.work.options.topics.dead;
        self.outbox.send(token, topic, origin.key.as_deref(), message.payload(), headers)
    }

    fn done(&mut self, token: Token) {
        if let Some(open) = self.open.remove(&token) {
            self.bytes -= open.message.payload().map_or(0, <[u8]>::len);
        }
        self.intake.done(token.0, token.1);
    }

    /// Partitions went: what waits of them is their next owner's.
    fn forget(&mut self, partitions: &[i32]) {
        let ours = |token: &Token| !partitions.contains(&token.0);
        self.waiting.retain(|task| !matches!(&task.source, Source::Message(token) if !ours(token)));
        let mut gone = 0;
        self.open.retain(|token, open| {
            let stays = ours(token);
            gone += if stays { 0 } else { open.message.payload().map_or(0, <[u8]>::len) };
            stays
        });
        self.bytes -= gone;
    }

    /// Waits for what is with the engine, and commits it.
    fn end(mut self) -> Result<(), Error> {
        let waiting: Vec<Token> = self
            .waiting
            .drain(..)
            .filter_map(|task| match task.source {
                Source::Message(token) => Some(token),
                Source::Remembered(_) => None,
            })
            .collect();
        for token in waiting {
            self.open.remove(&token);
        }
        let deadline = Instant::now() + LAST_ANSWERS;
        while !self.open.is_empty() && Instant::now() < deadline && !self.work.stop.at_once() {
            if let Ok((source, verdict)) = self.told.recv_timeout(LOOK_EVERY)
                && let Source::Message(token) = source
            {
                match verdict {
                    Verdict::Stopping => drop(self.open.remove(&token)),
                    verdict => self.judge(token, verdict)?,
                }
            }
            self.settle()?;
        }
        self.outbox.flush()?;
        self.settle()?;
        self.intake.commit_last();
        self.work.settled.store(true, Ordering::Release);
        if self.work.options.partitions == Partitions::Group {
            self.hand_on()?;
        }
        Ok(())
    }
}

fn numbers(partitions: &[i32]) -> Vec<u32> {
    partitions.iter().filter_map(|partition| u32::try_from(*partition).ok()).collect()
}

fn read<M: Message>(message: &M, numbering: &Numbering) -> Result<Command, (String, String)> {
    headers::command(message, numbering)
        .map_err(|refusal| (refusal.code().to_owned(), refusal.to_string()))
}

fn call_of(command: &Command) -> CallId {
    match command {
        Command::PlaceCall(call) => CallId::of_command(&call.command_id),
        Command::EndCall(end) => end.call,
    }
}

fn task_of(ending: &Ending) -> Task {
    let command = Command::EndCall(ending.command());
    Task { source: Source::Remembered(ending.call), command, cancelled_by: None }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
