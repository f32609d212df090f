//! A shard's loop: takes in what is there, lets the switchboard and the user agent work until
//! both are still, hands the events that gathered to the store, and sleeps.

use crate::clock::Clock;
use crate::dns::{Dns, Question};
use crate::errands::Errands;
use crate::inbox::{Arrived, Inbox, Outbox};
use crate::wire::{Arrival, Wire};
use campaign::Item;
use media::port::{MediaHeard, MediaOrder};
use mio::{Events, Poll};
use schemas::batch::BatchEvent;
use schemas::call::CallEnded;
use schemas::{CallId, Event, Pseudonyms, Revision, StreamId, StreamKind, Vault};
use sip::UserAgent;
use sip::port::Output as SipOutput;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;
use store::{Appender, Reader, Stored};
use switchboard::{Answer, BatchIndex, Input, Now, Output, PartitionNews, Switchboard, Ticket};

/// How often events are handed to the store when there are always more: one sync then serves
/// many calls, and the first event after a quiet moment does not wait. A call waits for the disk
/// four or five times, and a telephone network takes 100 ms for each of them; a sync costs a core
/// 0.1 ms, so at a thousand calls a second this is 20 µs a call instead of 100.
const COMMIT_EVERY: Duration = Duration::from_millis(5);
/// How long the gateways have to answer that our registrations are taken back.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);
/// The longest that the loop sleeps.
const SLEEP_MAX: Duration = Duration::from_secs(1);

/// The media plane, as a shard uses it.
pub trait Media: Send {
    /// Does what is ordered. What can be told at once is returned; the rest comes to the inbox.
    fn order(&mut self, order: MediaOrder) -> Option<MediaHeard>;
}

/// What a shard tells whoever runs it.
#[derive(Debug)]
pub enum Notice {
    /// A command's answer.
    Answer(Ticket, Answer),
    /// A call ended.
    Ended(CallId, Box<CallEnded>),
    /// What became of a partition of the work.
    Partition(u32, PartitionNews),
    /// Nothing is up, promised or on its way; told once each time it becomes so.
    Idle,
    /// The store is broken, and the shard has stopped.
    Stopped(String),
}

/// Counts that anybody may look at while the shard runs.
#[derive(Debug, Default)]
pub struct Gauges {
    /// Calls that have not ended.
    pub live: AtomicUsize,
    /// Whether nothing was up, promised or on its way when the shard last looked.
    pub idle: AtomicBool,
    /// SIP legs that are held, those included that only linger to answer what comes again.
    pub legs: AtomicUsize,
}

/// Everything a shard is made of.
pub struct Shard<V, M> {
    pub(crate) poll: Poll,
    pub(crate) wire: Wire,
    pub(crate) outbox: Outbox,
    pub(crate) inbox: Inbox,
    pub(crate) clock: Clock,
    pub(crate) agent: UserAgent,
    pub(crate) board: Switchboard<V>,
    pub(crate) media: M,
    pub(crate) dns: Dns,
    pub(crate) errands: Errands,
    pub(crate) appender: Arc<dyn Appender>,
    pub(crate) reader: Arc<dyn Reader>,
    pub(crate) notices: Sender<Notice>,
    pub(crate) gauges: Arc<Gauges>,
    pub(crate) committed: Duration,
    pub(crate) was_idle: bool,
    pub(crate) stop: bool,
}

impl<V: Vault + Pseudonyms, M: Media> Shard<V, M> {
    /// Runs until it is asked to stop, nobody listens any more, or the store breaks.
    pub fn run(mut self) {
        let mut events = Events::with_capacity(256);
        while !self.stop {
            let timeout = self.timeout();
            if let Err(error) = self.wait(&mut events, timeout) {
                self.tell(Notice::Stopped(format!("waiting for sockets failed: {error}")));
                return;
            }
            self.turn();
        }
        self.leave(&mut events);
    }

    fn wait(&mut self, events: &mut Events, timeout: Duration) -> std::io::Result<()> {
        match self.poll.poll(events, Some(timeout)) {
            Err(error) if error.kind() != std::io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &*events {
            self.wire.is_ready(event, self.poll.registry());
        }
        Ok(())
    }

    /// Takes our registrations back, so that no gateway sends calls to a port where nobody is.
    /// Nothing is decided any more: what is heard of calls waits for the next start.
    fn leave(&mut self, events: &mut Events) {
        let mut now = self.clock.now().mono;
        let until = now + LEAVE_WITHIN;
        self.agent.unregister(now);
        loop {
            while let Some(output) = self.agent.poll_output() {
                if let SipOutput::Transmit { to, bytes } = output {
                    self.wire.send(to, &bytes, self.poll.registry());
                }
            }
            if !self.agent.is_leaving() || now >= until {
                return;
            }
            let next = self.agent.poll_timeout().unwrap_or(until).min(until);
            if self.wait(events, next.saturating_sub(now)).is_err() {
                return;
            }
            now = self.clock.now().mono;
            self.receive(now);
            self.agent.handle_timeout(now);
        }
    }

    fn turn(&mut self) {
        let now = self.clock.now();
        self.receive(now.mono);
        self.take_arrived(now);
        self.agent.handle_timeout(now.mono);
        self.settle(now);
        self.commit(now);
        self.gauges.live.store(self.board.live(), Ordering::Relaxed);
        self.gauges.legs.store(self.agent.legs(), Ordering::Relaxed);
        let idle = self.board.is_idle() && self.agent.is_idle();
        self.gauges.idle.store(idle, Ordering::Release);
        if idle && !self.was_idle {
            self.tell(Notice::Idle);
        }
        self.was_idle = idle;
    }

    fn receive(&mut self, now: Duration) {
        let agent = &mut self.agent;
        self.wire.receive(now, |arrival| match arrival {
            Arrival::Message(from, bytes) => agent.receive(now, from, bytes),
            Arrival::Failed(to, why) => agent.transport_failed(now, to, &why),
        });
    }

    fn take_arrived(&mut self, now: Now) {
        let mut broken = None;
        for arrived in self.outbox.drain() {
            match arrived {
                Arrived::Durable(batch, results) => {
                    self.board.handle(Input::Durable(batch, results), now);
                }
                Arrived::Media(heard) => self.board.handle(Input::Media(heard), now),
                Arrived::Resolved(gateway, found) => {
                    self.agent.resolved(now.mono, gateway, found);
                }
                Arrived::Asked(input) => self.board.handle(input, now),
                Arrived::Broken(why) => broken = Some(why),
                Arrived::Stop => self.stop = true,
            }
        }
        broken.into_iter().for_each(|why| self.stopped(&why));
    }

    /// Lets both work until neither has anything more to say.
    fn settle(&mut self, now: Now) {
        loop {
            let mut moved = false;
            while let Some(output) = self.agent.poll_output() {
                moved = true;
                match output {
                    SipOutput::Transmit { to, bytes } => {
                        self.wire.send(to, &bytes, self.poll.registry());
                    }
                    SipOutput::Heard(heard) => self.board.handle(Input::Sip(heard), now),
                    SipOutput::Resolve { gateway, host, port, transport } => {
                        self.dns.ask(Question { gateway, host, port, transport });
                    }
                }
            }
            self.board.advance(now);
            while let Some(output) = self.board.poll_output() {
                moved = true;
                self.act(output, now);
            }
            if !moved || self.stop {
                return;
            }
        }
    }

    fn act(&mut self, output: Output, now: Now) {
        match output {
            Output::Sip(order) => self.agent.order(now.mono, order),
            Output::Media(order) => {
                if let Some(heard) = self.media.order(order) {
                    self.board.handle(Input::Media(heard), now);
                }
            }
            Output::ReadItems { batch, stream, from, limit } => {
                self.read_items(batch, stream, from, limit, now);
            }
            Output::ReadFirst(call) => self.errands.read_first(call),
            Output::TakeOver(partition) => self.errands.take_over(partition),
            Output::Partition(partition, news) => {
                if !matches!(news, PartitionNews::Owned { .. }) {
                    self.errands.forget(partition);
                }
                self.tell(Notice::Partition(partition, news));
            }
            Output::Answer(ticket, answer) => self.tell(Notice::Answer(ticket, answer)),
            Output::Ended(call, ended) => self.tell(Notice::Ended(call, ended)),
            Output::Stop(why) => {
                self.tell(Notice::Stopped(why));
                self.stop = true;
            }
        }
    }

    fn commit(&mut self, now: Now) {
        if now.mono < self.committed + COMMIT_EVERY {
            return;
        }
        let Some(batch) = self.board.take_batch() else { return };
        self.committed = now.mono;
        let inbox = self.inbox.clone();
        let id = batch.id;
        let reply = Box::new(move |results| {
            inbox.put(Arrived::Durable(id, results));
        });
        self.appender.submit_owned(batch.batch, batch.owners, reply);
    }

    fn timeout(&self) -> Duration {
        if self.wire.has_more() {
            return Duration::ZERO;
        }
        let now = self.clock.now();
        let commit = self.board.has_batch().then_some(self.committed + COMMIT_EVERY);
        let next = [self.agent.poll_timeout(), self.board.next_timeout(now), commit];
        let next = next.into_iter().flatten().min().unwrap_or(Duration::MAX);
        next.saturating_sub(now.mono).min(SLEEP_MAX)
    }

    fn read_items(
        &mut self,
        batch: BatchIndex,
        stream: [u8; 16],
        from: Revision,
        limit: u32,
        now: Now,
    ) {
        let stream = StreamId { kind: StreamKind::Batch, id: stream };
        let stored = match self.reader.read_stream(stream, from, limit as usize) {
            Ok(stored) => stored,
            Err(error) => return self.stopped(&format!("a batch cannot be read: {error}")),
        };
        let next = Revision(stored.last().map_or(from.0 + limit, |last| last.revision.0 + 1));
        let items = stored.into_iter().filter_map(item).collect();
        self.board.handle(Input::ItemsRead(batch, items, next), now);
    }

    fn stopped(&mut self, why: &str) {
        self.tell(Notice::Stopped(why.to_owned()));
        self.stop = true;
    }

    fn tell(&mut self, notice: Notice) {
        // Nobody listens any more: whoever ran this shard is gone, and so are we.
        self.stop |= self.notices.send(notice).is_err();
    }
}

fn item(stored: Stored) -> Option<Item> {
    let encoded = &stored.encoded;
    match Event::decode(encoded.kind, encoded.version, &encoded.body) {
        Ok(Event::Batch(BatchEvent::ItemAdded(added))) => {
            Some(Item { revision: stored.revision, added })
        }
        Ok(_) => None,
        Err(error) => {
            tracing::error!(stream = %stored.stream, revision = stored.revision.0, %error, "an item of a batch cannot be read and is passed over");
            None
        }
    }
}
