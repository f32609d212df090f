//! Owns the calls of one shard: routes what is heard to its call, and what a call wants done to
//! whom it belongs. Decides nothing.
//!
//! Pure: no clock, socket, thread or dice. Drive it like this:
//!
//! 1. [`Switchboard::handle`] every input that is there, with the time.
//! 2. [`Switchboard::poll_output`] until it is empty, and do what it says.
//! 3. [`Switchboard::take_batch`]: when it gives one, make it durable, keys first, and hand the
//!    results back as [`Input::Durable`]. While it is on its way the next one gathers.
//! 4. Sleep until there is input, or until [`Switchboard::next_timeout`].
//!
//! Events in flight hold their call: what it hears meanwhile waits. An effect is asked for only
//! after its event is durable.

mod answers;
mod effects;
mod ending;
mod heard;
mod intake;
mod journal;
mod look;
mod port;
mod recovery;
mod slots;
mod timers;
mod waiting;
mod work;

pub use call::Options as CallOptions;
pub use journal::{AppendBatch, BatchId};
pub use look::{Counters, InUse};
pub use port::{Answer, BatchIndex, Input, Output, Ticket};
pub use recovery::Unfollowable;
pub use work::{GiveUp, PartitionNews, Past, TakenOver};

use call::{Effect, Signal};
use campaign::{Batch, Redials};
use chacha20::ChaCha12Rng;
use chacha20::rand_core::{Rng, SeedableRng};
use journal::Journal;
use media::port::Codec;
use mutants::mutant;
use pace::Lanes;
use routing::Routing;
use schemas::call::CallEvent;
use schemas::{CallId, Pseudonyms, Timestamp, Vault};
use sip::port::LegId;
use slots::{Key, Slots};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use store::{AppendError, Appended};
use timers::Timers;
use waiting::Waiting;
use work::Work;

/// This moment, by the node's clock: UTC at its start plus monotonic time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Now {
    /// Since the node's start.
    pub mono: Duration,
    /// The same moment in UTC.
    pub utc: Timestamp,
}

/// What a switchboard must know.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which shard of the node this is.
    pub shard: u8,
    /// Our SIP address, as `DialStarted` keeps it.
    pub sip_local: String,
    /// The address that stands in the SDP of calls without audio: whatever comes there is dropped.
    pub sink: SocketAddr,
    /// The codecs we offer, best first.
    pub codecs: Vec<Codec>,
    /// The most calls that may be up at once, over all batches and gateways.
    pub calls_max: u32,
    /// How long a command's call may ring when it does not say.
    pub ring_timeout_ms: u32,
    /// How long a command's call may last when it does not say.
    pub max_talk_ms: u32,
    /// Where recordings are written, one file per call; none are made when absent.
    pub recordings: Option<std::path::PathBuf>,
    /// How long calls wait for what.
    pub call: Arc<call::Options>,
}

/// The calls of one shard.
pub struct Switchboard<V> {
    options: Options,
    vault: V,
    dice: ChaCha12Rng,
    routing: Routing,
    slots: Slots,
    timers: Timers,
    waiting: Waiting,
    lanes: Lanes,
    batches: Vec<(Batch, [u8; 16])>,
    redials: Redials,
    journal: Journal,
    outputs: VecDeque<Output>,
    /// Commands that wait for the first event of a call to be read.
    repeats: BTreeMap<CallId, Vec<(Ticket, [u8; 8])>>,
    recovery: recovery::Recovery,
    work: Work,
    tries: u32,
    draining: bool,
    wake: Option<Duration>,
    counters: Counters,
}

impl<V: Vault + Pseudonyms> Switchboard<V> {
    /// A switchboard without calls. `seed` feeds the ids that strangers must not guess.
    pub fn new(options: Options, routing: Routing, vault: V, seed: [u8; 32]) -> Self {
        Self {
            lanes: Lanes::new(options.calls_max),
            dice: ChaCha12Rng::from_seed(seed),
            options,
            vault,
            routing,
            slots: Slots::new(),
            timers: Timers::default(),
            waiting: Waiting::default(),
            batches: Vec::new(),
            redials: Redials::default(),
            journal: Journal::default(),
            outputs: VecDeque::new(),
            repeats: BTreeMap::new(),
            recovery: recovery::Recovery::default(),
            work: Work::default(),
            tries: 0,
            draining: false,
            wake: None,
            counters: Counters::default(),
        }
    }

    /// Takes one input in.
    pub fn handle(&mut self, input: Input, now: Now) {
        match input {
            Input::Place(ticket, command) => self.place_command(ticket, *command, now),
            Input::End(ticket, command) => self.end_command(ticket, &command, now),
            Input::RunBatch(batch, stream) => self.batches.push((*batch, stream)),
            Input::ItemsRead(batch, items, next) => self.batches[batch.0].0.read(items, next),
            Input::FirstRead(call, fingerprint) => self.first_read(call, fingerprint),
            Input::Sip(heard) => self.sip_heard(heard, now),
            Input::Media(heard) => self.media_heard(heard, now),
            Input::Durable(batch, results) => self.durable(batch, results, now),
            Input::Of(partition, input) => self.of_partition(partition, *input, now),
            Input::Take(partition) => self.take(partition, now),
            Input::TakenOver(taken) => self.taken_over(*taken, now),
            Input::NotTaken(partition, why) => self.not_taken(partition, why),
            Input::GiveUp(partition, how) => self.give_up(partition, how),
            Input::Lost(partition, epoch) => self.lose(partition, epoch),
            Input::Drain => {
                self.drain();
                self.end_calls(now, |slot| slot.is_waiting);
            }
            Input::ShutDown => {
                self.drain();
                self.end_calls(now, |_| true);
            }
            Input::Tick => {}
        }
    }

    /// What is to be done now; ask until there is nothing.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Lets time pass: fires the timers that are due, and starts what may start now. To be called
    /// once the inputs are in, before the batch is taken.
    pub fn advance(&mut self, now: Now) {
        while let Some((index, timer)) = self.timers.pop_due(now.utc) {
            if let Some(key) = self.slots.key_at(index) {
                self.slots[key].deadlines[timer as usize] = None;
                self.hear(key, Signal::TimerFired(timer), now);
            }
        }
        self.wake = None;
        self.place_due(now);
        self.serve_waiting(now);
        self.drain_partitions();
    }

    /// The events that gathered, when none are on their way.
    pub fn take_batch(&mut self) -> Option<AppendBatch> {
        let vault = &mut self.vault;
        self.journal.take(|| vault.take_new_keys())
    }

    /// Whether [`Switchboard::take_batch`] would give a batch now.
    pub fn has_batch(&self) -> bool {
        self.journal.has_batch()
    }

    /// When to call [`Switchboard::advance`] next, if nothing else happens before. Calling
    /// earlier is harmless.
    pub fn next_timeout(&self, now: Now) -> Option<Duration> {
        let timer = self.timers.next();
        // A drain starts neither redials nor calls whose hour comes.
        let redial = self.redials.next_at().filter(|_| !self.draining);
        let spins = mutant!("spins in a drain");
        let later = self.waiting.next_at().filter(|_| !self.draining || spins);
        let by_clock = [timer, redial, later].into_iter().flatten().min();
        let by_clock = by_clock.map(|at| now.mono + at.since(now.utc));
        by_clock.into_iter().chain(self.wake).min()
    }

    /// How many calls have not ended.
    pub fn live(&self) -> usize {
        self.slots.len()
    }

    /// Whether nothing is up, on its way to the disk, promised or waiting for its turn. Once it
    /// drains, calls that were never dialled and redials may stay for the next start.
    pub fn is_idle(&self) -> bool {
        if !self.journal.is_empty() || !self.outputs.is_empty() || !self.work.is_quiet() {
            return false;
        }
        if !self.repeats.is_empty() {
            return false;
        }
        if self.draining {
            return self.slots.all(|slot| slot.is_waiting && slot.in_flight == 0);
        }
        self.slots.is_empty()
            && self.redials.is_empty()
            && self.batches.iter().all(|(batch, _)| batch.is_through())
    }

    /// How many redials are promised, and when the next one is due.
    pub fn redials(&self) -> (usize, Option<Timestamp>) {
        (self.redials.len(), self.redials.next_at())
    }

    /// What happened that nobody was told of.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    fn drain(&mut self) {
        self.draining = true;
        self.batches.iter_mut().for_each(|(batch, _)| batch.pause());
    }

    /// Calls are told that the engine will not wait for them. One that was never dialled stays
    /// for the next start.
    fn end_calls(&mut self, now: Now, which: impl Fn(&slots::Slot) -> bool) {
        for key in self.slots.keys() {
            if which(&self.slots[key]) {
                self.hear(key, Signal::ShutDown, now);
            }
        }
    }

    /// A call hears something: now, or when its events in flight are durable.
    fn hear(&mut self, key: Key, signal: Signal, now: Now) {
        let slot = &mut self.slots[key];
        if slot.in_flight > 0 {
            if mutant!("forgets what it hears meanwhile") {
                return;
            }
            if slot.held.len() >= slots::HELD_MAX && !matters(&signal) {
                self.counters.overflows += 1;
                return;
            }
            slot.held.push_back(signal);
            return;
        }
        let decision = slot.call.decide(&signal, now.utc);
        if decision.unexpected {
            let place = (slot.call.state().name(), signal.name());
            tracing::debug!(call = %slot.id, state = place.0, signal = place.1, "unexpected");
            *self.counters.unexpected.entry(place).or_default() += 1;
        }
        if !decision.events.is_empty() {
            slot.in_flight = decision.events.len() as u32;
            // A clock that was set back does not turn the order of a stream round.
            let back = mutant!("lets time go back");
            let at = if back { now.utc } else { now.utc.max(slot.last_at) };
            let (expected, owner) = (slot.expected(), self.work.owner(slot.partition));
            if mutant!("acts before it is durable") {
                let mut ahead = slot.call.clone();
                let asked = decision.events.iter().filter_map(|event| ahead.evolve(event, at).ok());
                let asked: Vec<Effect> = asked.flatten().collect();
                let id = self.slots[key].id;
                self.journal.append(key, id, (expected, owner), decision.events, at);
                return self.run(key, asked, now);
            }
            self.journal.append(key, slot.id, (expected, owner), decision.events, at);
        }
        let answers: Vec<Effect> = decision.answers.into_vec();
        self.run(key, answers, now);
    }

    /// A batch was appended: the calls move, and their effects are run.
    fn durable(&mut self, batch: BatchId, results: Vec<Result<Appended, AppendError>>, now: Now) {
        let pending = self.journal.done(batch, now.mono);
        for (pending, result) in pending.into_iter().zip(results) {
            let Some(key) = self.slots.check(pending.key) else { continue };
            match result {
                Ok(appended) => {
                    self.slots[key].last_revision = Some(appended.last);
                    self.happened(key, pending.events, pending.at, now);
                }
                Err(AppendError::Conflict { .. }) if self.slots[key].unborn => {
                    self.was_there_before(key);
                }
                Err(AppendError::Conflict { .. }) => self.given_up(key),
                Err(AppendError::Fenced { epoch }) => self.fenced(key, epoch),
                Err(AppendError::Rejected(why)) => {
                    // One event that no store would take must not stop the others' calls.
                    tracing::error!(call = %self.slots[key].id, why, "given up: its event can never be stored");
                    self.hang_up_unrecorded(key);
                    let why = "what it would be can never be stored".to_owned();
                    self.dismiss(key, &Answer::Refused(why));
                }
                Err(AppendError::Broken(why) | AppendError::Unknown(why)) => {
                    self.outputs.push_back(Output::Stop(why));
                }
            }
        }
    }

    /// Events of a call are durable: it moves by them, and what it wants is done.
    fn happened(
        &mut self,
        key: Key,
        events: impl IntoIterator<Item = CallEvent>,
        at: Timestamp,
        now: Now,
    ) {
        let slot = &mut self.slots[key];
        slot.in_flight = 0;
        slot.last_at = at;
        let mut effects = Vec::new();
        if std::mem::take(&mut slot.unborn) {
            effects.append(&mut slot.call.standing());
            self.answer_born(key);
        }
        let slot = &mut self.slots[key];
        let (mut ended, mut try_failed) = (None, false);
        for event in events {
            match slot.call.evolve(&event, at) {
                Ok(asked) => effects.extend(asked),
                Err(illegal) => {
                    // A stream that cannot be followed: this call stops here, loudly.
                    tracing::error!(call = %slot.id, "{illegal}");
                    let call = slot.id;
                    self.dismiss(key, &Answer::NoSuchCall(call));
                    return;
                }
            }
            tracing::info!(call = %slot.id, state = slot.call.state().name(), "{}", event.name());
            match event {
                CallEvent::TryFailed(_) if mutant!("leaves a try's audio open") => {
                    Self::try_is_over(&mut self.routing, slot);
                }
                CallEvent::TryFailed(_) => try_failed = true,
                CallEvent::CallEnded(end) => ended = Some(end),
                _ => {}
            }
        }
        self.run(key, effects, now);
        // Not before its audio is told to close: that goes by the name of its try.
        if let Some(slot) = self.slots.get_mut(key).filter(|_| try_failed) {
            Self::try_is_over(&mut self.routing, slot);
        }
        match ended {
            Some(ended) => self.end(key, ended, now),
            None => {
                self.hear_held(key, now);
                self.answer_still(key);
            }
        }
    }

    fn hear_held(&mut self, key: Key, now: Now) {
        while let Some(slot) = self.slots.get_mut(key) {
            if slot.in_flight > 0 {
                break;
            }
            let Some(signal) = slot.held.pop_front() else { break };
            self.hear(key, signal, now);
        }
    }

    /// Forgets a call and gives back what it held.
    fn release(&mut self, key: Key) {
        let slot = &mut self.slots[key];
        Self::try_is_over(&mut self.routing, slot);
        if slot.has_lane && !mutant!("keeps a lane") {
            self.lanes.free();
        }
        if let Some(batch) = slot.batch.filter(|_| !mutant!("keeps a list's lane")) {
            self.batches[batch.0].0.ended();
        }
        self.timers.stop_all(key.index(), &mut slot.deadlines);
        self.slots.remove(key);
    }

    fn try_is_over(routing: &mut Routing, slot: &mut slots::Slot) {
        if let Some(gateway) = slot.gateway.take().filter(|_| !mutant!("keeps a gateway's lane")) {
            routing.try_ended(gateway);
        }
        slot.leg = None;
    }

    /// The name of the next try's leg: unlike every other for four billion tries. Its low half
    /// counts up, as the user agent's table likes it; its high half is the call's slot.
    fn next_leg(&mut self, key: Key) -> LegId {
        self.next_leg_of(key.index())
    }

    fn next_leg_of(&mut self, slot: u32) -> LegId {
        self.tries = self.tries.wrapping_add(1);
        LegId(u64::from(slot) << 32 | u64::from(self.tries))
    }

    fn random(&mut self) -> u128 {
        u128::from(self.dice.next_u64()) << 64 | u128::from(self.dice.next_u64())
    }
}

/// Whether a signal must not be dropped, however many are held.
fn matters(signal: &Signal) -> bool {
    !matches!(signal, Signal::Progress { .. } | Signal::Digit { .. } | Signal::Reinvited { .. })
}
