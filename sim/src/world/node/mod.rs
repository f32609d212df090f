//! A node in a box: the production switchboard, user agent and log, driven as `node::shard` drives
//! them, with the world in place of sockets, threads and clocks.
//!
//! It can die at every boundary between two steps of its work: [`Around::reached`] says so, and
//! everything in memory is gone.

mod media;
mod recovery;
mod storage;

pub use recovery::{Birth, Disks, NODE, Seat, carrier};
pub use storage::{Own, Storage};

pub use media::Media;

use crate::seed::Dice;
use crate::world::clock::NodeClock;
use crate::world::fact::{Fact, Gone};
use crate::world::faults::Injected;
use crate::world::machine::SyncTime;
use crate::world::plan::Boundary;
use media_port::port::StreamId as MediaStream;
use schemas::batch::BatchEvent;
use schemas::call::CallEvent;
use schemas::commands::PlaceCall;
use schemas::{CallId, Event, Position, Recorded, Revision, StreamId, StreamKind};
use sip::UserAgent;
use sip::port::{Output as SipOutput, Peer};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use store::keys::NodeVault;
use store::{Append, Reader, Stored};
use switchboard::{
    BatchId, BatchIndex, InUse, Input, Now, Output, PartitionNews, Switchboard, TakenOver, Ticket,
};

use ::media as media_port;

/// As `node::shard`: how often events are handed to the store when there are always more.
const COMMIT_EVERY: Duration = Duration::from_millis(5);
/// So many rounds without a moment passing are a loop that never ends.
const ROUNDS_MAX: u32 = 100_000;
/// A store on another machine takes so long to give a partition and its calls.
const TAKING_OVER: Duration = Duration::from_millis(30);

/// What is around a node.
pub trait Around {
    /// The node comes to a boundary: whether it gets over it.
    ///
    /// # Errors
    /// It dies here.
    fn reached(&mut self, boundary: Boundary) -> Result<(), Gone>;
    /// A message leaves.
    fn transmit(&mut self, to: Peer, bytes: Vec<u8>);
    /// Something happened.
    fn tell(&mut self, fact: &Fact<'_>);
    /// What became of a partition of the work, for nodes that share it.
    fn partition(&mut self, _partition: u32, _news: PartitionNews) {}
    /// Counts what was done to the node.
    fn injected(&mut self) -> &mut Injected;
}

/// A node that runs.
pub struct Node<S> {
    clock: NodeClock,
    agent: UserAgent,
    board: Switchboard<NodeVault>,
    /// Its audio.
    pub media: Media,
    storage: S,
    writing: Option<Writing>,
    committed: Duration,
    sync: SyncTime,
    /// Until when syncs take two seconds.
    pub slow_until: Duration,
    dice: Dice,
    tickets: BTreeMap<Ticket, Box<PlaceCall>>,
    given: u64,
    /// Partitions that the store has given, and when that arrives here.
    taking: VecDeque<(Duration, TakenOver)>,
    /// Something came that it did not look at yet.
    asked: bool,
    stopping: bool,
}

/// What a node holds at a moment.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// For its calls.
    pub of_calls: InUse,
    /// Legs of its user agent.
    pub legs: usize,
    /// Streams that are open.
    pub streams: usize,
    /// Commands that wait for their answer.
    pub commands: usize,
}

/// A batch that was written and is not synced.
struct Writing {
    due: Duration,
    id: BatchId,
    appends: Vec<Append>,
}

impl<S: Storage> Node<S> {
    /// When to call [`Node::turn`] next, if nothing comes in.
    pub fn next(&self, at: Duration) -> Option<Duration> {
        self.wants(at).into_iter().flatten().min().map(|next| next.max(at))
    }

    /// Whether a turn would do anything.
    pub fn is_due(&self, at: Duration) -> bool {
        self.asked || self.next(at).is_some_and(|next| next <= at)
    }

    /// When each of its parts wants to go on: user agent, switchboard, the next batch, the one that
    /// is being written, media, partitions that come.
    pub fn wants(&self, at: Duration) -> [Option<Duration>; 6] {
        let now = self.clock.now(at);
        let commit = (self.writing.is_none() && self.board.has_batch())
            .then_some(self.committed + COMMIT_EVERY);
        let in_world = |mono: Duration| self.clock.in_world(mono);
        [
            self.agent.poll_timeout().map(in_world),
            self.board.next_timeout(now).map(in_world),
            commit.map(in_world),
            self.writing.as_ref().map(|writing| writing.due),
            self.media.due(),
            self.taking.front().map(|(due, _)| *due),
        ]
    }

    /// A message came. What it leads to happens in the next [`Node::turn`].
    pub fn receive(&mut self, at: Duration, from: Peer, bytes: &[u8]) {
        self.asked = true;
        self.agent.receive(self.clock.now(at).mono, from, bytes);
    }

    /// The network says that a peer cannot be reached.
    pub fn transport_failed(&mut self, at: Duration, to: Peer) {
        self.asked = true;
        self.agent.transport_failed(self.clock.now(at).mono, to, "connection refused");
    }

    /// Somebody gives a command.
    pub fn place(&mut self, at: Duration, command: &PlaceCall) {
        self.take(at, command, |input| input);
    }

    /// A command stood in a partition of the work.
    pub fn place_of(&mut self, at: Duration, partition: u32, command: &PlaceCall) {
        self.take(at, command, |input| Input::Of(partition, Box::new(input)));
    }

    fn take(&mut self, at: Duration, command: &PlaceCall, as_it_came: impl Fn(Input) -> Input) {
        self.asked = true;
        self.given += 1;
        let ticket = Ticket(self.given);
        self.tickets.insert(ticket, Box::new(command.clone()));
        let input = as_it_came(Input::Place(ticket, Box::new(command.clone())));
        self.board.handle(input, self.clock.now(at));
    }

    /// Anything else for the switchboard.
    pub fn hand(&mut self, at: Duration, input: Input) {
        self.asked = true;
        self.stopping |= matches!(input, Input::ShutDown);
        self.board.handle(input, self.clock.now(at));
    }

    /// A digit was pressed on a stream.
    pub fn press(&mut self, at: Duration, stream: MediaStream, digits: [u8; 2]) {
        self.asked = true;
        for digit in digits {
            let heard =
                media_port::port::MediaHeard::Digit { stream, digit: char::from(digit), ms: 100 };
            self.board.handle(Input::Media(heard), self.clock.now(at));
        }
    }

    /// Works until there is nothing more to do at this moment.
    ///
    /// # Errors
    /// It is gone.
    pub fn turn(&mut self, at: Duration, around: &mut dyn Around) -> Result<(), Gone> {
        self.asked = false;
        let now = self.clock.now(at);
        self.finish_writing(at, now, around)?;
        while let Some((_, taken)) = self.taking.pop_front_if(|(due, _)| *due <= at) {
            self.board.handle(Input::TakenOver(Box::new(taken)), now);
        }
        while let Some(heard) = self.media.wake(at, around.injected()) {
            self.board.handle(Input::Media(heard), now);
        }
        self.agent.handle_timeout(now.mono);
        self.settle(at, now, around)?;
        self.commit(at, now, around)?;
        if self.stopping && self.is_idle() && self.writing.is_none() {
            return Err(Gone::Stopped);
        }
        Ok(())
    }

    /// Lets both work until neither has anything more to say.
    fn settle(&mut self, at: Duration, now: Now, around: &mut dyn Around) -> Result<(), Gone> {
        for _ in 0..ROUNDS_MAX {
            let mut moved = false;
            while let Some(output) = self.agent.poll_output() {
                moved = true;
                match output {
                    SipOutput::Transmit { to, bytes } => {
                        around.reached(Boundary::Send)?;
                        around.transmit(to, bytes);
                    }
                    SipOutput::Heard(heard) => self.board.handle(Input::Sip(heard), now),
                    // Every gateway of a world is an address.
                    SipOutput::Resolve { .. } => {}
                }
            }
            self.board.advance(now);
            while let Some(output) = self.board.poll_output() {
                moved = true;
                self.act(output, at, now, around)?;
            }
            if !moved {
                return Ok(());
            }
        }
        Err(Gone::Broken("the node never comes to rest".to_owned()))
    }

    fn act(
        &mut self,
        output: Output,
        at: Duration,
        now: Now,
        around: &mut dyn Around,
    ) -> Result<(), Gone> {
        match output {
            Output::Sip(order) => {
                around.reached(Boundary::Effect)?;
                self.agent.order(now.mono, order);
            }
            Output::Media(order) => {
                if let Some(heard) = self.media.order(order, at, around.injected()) {
                    self.board.handle(Input::Media(heard), now);
                }
            }
            Output::ReadItems { batch, stream, from, limit } => {
                self.read_items(batch, stream, from, limit, now)?;
            }
            Output::ReadFirst(call) => self.read_first(call, now)?,
            Output::Answer(ticket, answer) => {
                if let Some(command) = self.tickets.remove(&ticket) {
                    around.reached(Boundary::Answer)?;
                    around.tell(&Fact::Answered(&command, &answer));
                }
            }
            Output::Ended(call, ended) => around.tell(&Fact::Ended(call, &ended)),
            Output::Stop(why) => return Err(Gone::Broken(why)),
            Output::TakeOver(partition) => {
                let taken = self.storage.take_over(partition, now.utc)?;
                self.taking.push_back((at + TAKING_OVER, taken));
            }
            Output::Partition(partition, news) => around.partition(partition, news),
        }
        Ok(())
    }

    fn commit(&mut self, at: Duration, now: Now, around: &mut dyn Around) -> Result<(), Gone> {
        if self.writing.is_some() || now.mono < self.committed + COMMIT_EVERY {
            return Ok(());
        }
        let Some(batch) = self.board.take_batch() else { return Ok(()) };
        self.committed = now.mono;
        around.reached(Boundary::Write)?;
        let appends = self.storage.submit(batch.batch, &batch.owners)?;
        let mut takes = self.sync.roll(&mut self.dice);
        if at < self.slow_until {
            takes += Duration::from_secs(2);
            around.injected().count(crate::world::faults::Injury::SlowSync);
        }
        self.writing = Some(Writing { due: at + takes, id: batch.id, appends });
        Ok(())
    }

    /// What was written becomes durable, and its calls hear of it.
    fn finish_writing(
        &mut self,
        at: Duration,
        now: Now,
        around: &mut dyn Around,
    ) -> Result<(), Gone> {
        let Some(writing) = self.writing.take_if(|writing| writing.due <= at) else {
            return Ok(());
        };
        around.reached(Boundary::Sync)?;
        let results = self.storage.finish(&writing.appends)?;
        around.reached(Boundary::Acknowledge)?;
        for (append, result) in writing.appends.iter().zip(&results) {
            if let Ok(appended) = result {
                tell_durable(append, appended, around);
            }
        }
        self.board.handle(Input::Durable(writing.id, results), now);
        Ok(())
    }

    fn read_items(
        &mut self,
        batch: BatchIndex,
        stream: [u8; 16],
        from: Revision,
        limit: u32,
        now: Now,
    ) -> Result<(), Gone> {
        let stream = StreamId { kind: StreamKind::Batch, id: stream };
        let stored = self.storage.reader().read_stream(stream, from, limit as usize);
        let stored = stored.map_err(|error| Gone::Broken(error.in_full()))?;
        let next = Revision(stored.last().map_or(from.0 + limit, |last| last.revision.0 + 1));
        let items = stored.into_iter().filter_map(item).collect();
        self.board.handle(Input::ItemsRead(batch, items, next), now);
        Ok(())
    }

    fn read_first(&mut self, call: CallId, now: Now) -> Result<(), Gone> {
        let stored = self.storage.reader().read_stream(StreamId::call(call), Revision(0), 1);
        let stored = stored.map_err(|error| Gone::Broken(error.in_full()))?;
        let fingerprint = stored.first().and_then(|stored| match decoded(stored) {
            Some(CallEvent::CallRequested(requested)) => Some(requested.fingerprint),
            _ => None,
        });
        self.board.handle(Input::FirstRead(call, fingerprint), now);
        Ok(())
    }

    /// Whether nothing is up, promised or on its way.
    pub fn is_idle(&self) -> bool {
        self.board.is_idle() && self.agent.is_idle() && self.writing.is_none()
    }

    /// What it holds.
    pub fn held(&self) -> Held {
        Held {
            of_calls: self.board.in_use(),
            legs: self.agent.legs(),
            streams: self.media.open(),
            commands: self.tickets.len(),
        }
    }

    /// Its switchboard, to look at.
    pub fn board(&self) -> &Switchboard<NodeVault> {
        &self.board
    }

    /// Where its events go.
    pub fn storage(&self) -> &S {
        &self.storage
    }

    /// Its log, to read.
    pub fn reader(&self) -> &S::Reader {
        self.storage.reader()
    }

    /// Marks the clean stop.
    ///
    /// # Errors
    /// The disk's.
    pub fn close(self) -> Result<(), Gone> {
        self.storage.close()
    }
}

fn tell_durable(append: &Append, appended: &store::Appended, around: &mut dyn Around) {
    let Some(_) = append.stream.as_call() else { return };
    let count = append.events.len() as u64;
    for (place, event) in (1..).zip(&append.events) {
        let behind = count - place;
        let encoded = &event.encoded;
        let Ok(Event::Call(call)) = Event::decode(encoded.kind, encoded.version, &encoded.body)
        else {
            continue;
        };
        around.tell(&Fact::Durable(&Recorded {
            position: Position(appended.position.0 - behind),
            stream: append.stream,
            revision: Revision(appended.last.0 - behind as u32),
            at: event.at,
            event: call,
        }));
    }
}

fn item(stored: Stored) -> Option<campaign::Item> {
    let encoded = &stored.encoded;
    match Event::decode(encoded.kind, encoded.version, &encoded.body) {
        Ok(Event::Batch(BatchEvent::ItemAdded(added))) => {
            Some(campaign::Item { revision: stored.revision, added })
        }
        _ => None,
    }
}

/// The call's event that stands there.
pub fn decoded(stored: &Stored) -> Option<CallEvent> {
    let encoded = &stored.encoded;
    match Event::decode(encoded.kind, encoded.version, &encoded.body) {
        Ok(Event::Call(event)) => Some(event),
        _ => None,
    }
}
