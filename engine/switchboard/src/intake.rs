//! How calls come to be: from commands, from the items of a batch, from redials; and how those
//! that wait are cleared to dial.

use crate::slots::{Key, Slot};
use crate::waiting::SCAN_MAX;
use crate::{Answer, BatchIndex, Now, Output, Switchboard, Ticket};
use call::{Call, Cleared, Signal, Timer};
use campaign::{BatchOptions, Item, Turn};
use mutants::mutant;
use routing::{Choice, GatewayIndex};
use schemas::call::{BatchItem, CallEvent, CallRequested, Priority, QueueCause};
use schemas::commands::PlaceCall;
use schemas::{CallId, CommandId, Pseudonyms, Vault};
use sip::ids::{Owner, dial_ids};
use sip::port::LegId;
use smallvec::SmallVec;
use std::sync::Arc;
use std::time::Duration;

/// So many calls are made at a time; the rest follow in the next round, so that one large batch
/// does not keep the messages of live calls waiting.
const STARTS_PER_ROUND: usize = 256;

/// A redial that is due while its list's lanes are taken asks again after so long.
const LANE_ASKED_AGAIN: Duration = Duration::from_secs(1);

/// Whether a call may dial now.
enum Clearance {
    /// Yes, this way.
    Way(GatewayIndex, LegId, Box<Cleared>),
    /// Not yet.
    Wait(QueueCause, Option<Duration>),
    /// No gateway is left for it.
    NoRoute,
}

impl<V: Vault + Pseudonyms> Switchboard<V> {
    pub(crate) fn place_command(
        &mut self,
        ticket: Ticket,
        command: PlaceCall,
        cancelled_by: Option<CommandId>,
        now: Now,
    ) {
        if let Some(name) = command.gateway.as_ref().filter(|n| self.routing.by_name(n).is_none()) {
            let why = format!("there is no gateway named {name}");
            self.outputs.push_back(Output::Answer(ticket, Answer::Refused(why)));
            return;
        }
        if self.draining {
            self.outputs.push_back(Output::Answer(ticket, Answer::Stopping));
            return;
        }
        let callee = self.vault.callee_key(&command.phone);
        let phone = self.vault.seal(callee, command.phone.as_bytes());
        let variables = (!command.variables.is_empty()).then(|| {
            let json = serde_json::to_vec(&command.variables).expect("JSON values are JSON");
            self.vault.seal(callee, &json)
        });
        let fingerprint = self.vault.fingerprint(&command.canonical());
        let requested = CallRequested {
            command_id: command.command_id,
            fingerprint,
            callee,
            phone,
            caller_id: command.caller_id,
            variables,
            item: None,
            campaign: command.campaign,
            script: command.script,
            gateway: command.gateway,
            prompt: command.prompt,
            record: command.record,
            ring_timeout_ms: command.ring_timeout_ms.unwrap_or(self.options.ring_timeout_ms),
            max_talk_ms: command.max_talk_ms.unwrap_or(self.options.max_talk_ms),
            attempt: 1,
            max_attempts: command.max_attempts.unwrap_or(1),
            first_call: None,
            redial_after_ms: command.redial_after_ms,
            priority: command.priority,
            not_before: command.not_before,
            deadline: command.deadline,
        };
        let mut id = CallId::of_command(&requested.command_id);
        if mutant!("dials a repeated command") && self.slots.of_call(id).is_some() {
            id = CallId::of_redial(id, 77);
        }
        if let Some(key) = self.slots.of_call(id) {
            let slot = &mut self.slots[key];
            if slot.unborn && !mutant!("answers a repeat before it is durable") {
                slot.asked.push((ticket, fingerprint));
            } else {
                let same = slot.call.facts().requested.fingerprint == fingerprint;
                self.answer_repeat(ticket, id, same);
            }
            return;
        }
        let requested = Arc::new(requested);
        let key = match cancelled_by {
            None => self.make(id, requested, None, now),
            Some(by) => {
                let key = self.seat(id, requested, None, now);
                self.begin(key, &Signal::CancelAsked(Some(by)), now);
                key
            }
        };
        if mutant!("answers before it is durable") {
            self.outputs.push_back(Output::Answer(ticket, Answer::Accepted(id)));
            return;
        }
        self.slots[key].asked.push((ticket, fingerprint));
    }

    /// Makes the calls whose turn it is: redials that fell due, then items of batches.
    pub(crate) fn place_due(&mut self, now: Now) {
        if self.draining {
            return;
        }
        for _ in 0..STARTS_PER_ROUND {
            let Some((id, requested)) = self.redials.take_due(now.utc) else { break };
            let batch = self.batch_of(&requested);
            let no_lane = batch.is_some_and(|batch| !self.batches[batch.0].0.has_lane());
            let no_lane = no_lane && !mutant!("redials beside the list's lanes");
            if no_lane || self.work.keeps_back(requested.first_call) {
                self.redials.put_off(now.utc.after(LANE_ASKED_AGAIN), id, requested);
                continue;
            }
            self.make(id, requested, batch, now);
        }
        for index in 0..self.batches.len() {
            self.place_items(BatchIndex(index), now);
        }
    }

    fn place_items(&mut self, index: BatchIndex, now: Now) {
        for _ in 0..STARTS_PER_ROUND {
            // Items stay in the list while calls wait for gateways or the disk: a call that only
            // waits costs memory, an item does not.
            let behind = self.journal.is_behind(now.mono);
            if behind || !self.waiting.is_empty() || !self.lanes.is_free() {
                return;
            }
            let (batch, stream) = &mut self.batches[index.0];
            if let Some((from, limit)) = batch.wants() {
                let stream = *stream;
                self.outputs.push_back(Output::ReadItems { batch: index, stream, from, limit });
            }
            match self.batches[index.0].0.turn(now.mono) {
                Turn::Start(item) => {
                    let (batch, stream) = &self.batches[index.0];
                    let requested = item_request(batch.options(), *stream, item);
                    let id = CallId::of_command(&requested.command_id);
                    if self.slots.of_call(id).is_none() {
                        self.make(id, Arc::new(requested), Some(index), now);
                    }
                }
                Turn::Wait(until) => return self.wake_at(until),
                Turn::Full | Turn::Reading | Turn::Through => return,
            }
        }
        self.wake_at(now.mono);
    }

    /// The batch that a redial or a recovered call belongs to, when it runs here.
    pub(crate) fn batch_of(&self, requested: &CallRequested) -> Option<BatchIndex> {
        let stream = requested.item?.batch;
        self.batches.iter().position(|(_, id)| *id == stream).map(BatchIndex)
    }

    /// Makes a call. When it may dial at once, its request and its first try become durable
    /// together: one wait for the disk instead of two.
    fn make(
        &mut self,
        id: CallId,
        requested: Arc<CallRequested>,
        batch: Option<BatchIndex>,
        now: Now,
    ) -> Key {
        let key = self.seat(id, requested, batch, now);
        let asked = &self.slots[key].call.facts().requested;
        let too_late = asked.deadline.is_some_and(|deadline| deadline < now.utc);
        let too_late = too_late && !mutant!("dials after the deadline");
        let signal = match asked.not_before {
            // Given late, or due while nothing ran: its timer would fire behind its INVITE.
            _ if too_late => Signal::TimerFired(Timer::Deadline),
            Some(at) if at > now.utc && !mutant!("dials before the hour") => {
                Signal::MustWait(QueueCause::NotBefore)
            }
            _ => match self.clearance(key, now) {
                Clearance::Way(gateway, leg, way) => {
                    self.take_way(key, gateway, leg, now);
                    Signal::Cleared(way)
                }
                Clearance::Wait(cause, until) => {
                    until.into_iter().for_each(|until| self.wake_at(until));
                    Signal::MustWait(cause)
                }
                Clearance::NoRoute => Signal::NoRoute,
            },
        };
        self.begin(key, &signal, now);
        key
    }

    /// A place for a call that is not durable yet.
    pub(crate) fn seat(
        &mut self,
        id: CallId,
        requested: Arc<CallRequested>,
        batch: Option<BatchIndex>,
        now: Now,
    ) -> Key {
        let is_first = requested.attempt == 1;
        let partition = self.work.of_new(requested.first_call);
        let (call, _) = Call::begin(requested, now.utc, &self.options.call);
        let key = self.slots.insert(Slot { partition, ..Slot::new(id, call, now.utc) });
        if let Some(batch) = batch {
            self.slots[key].batch = Some(batch);
            self.batches[batch.0].0.started(now.mono, is_first);
        }
        key
    }

    /// Makes a call's request durable, with what it decides on the first thing that it hears.
    pub(crate) fn begin(&mut self, key: Key, signal: &Signal, now: Now) {
        let slot = &mut self.slots[key];
        let more: SmallVec<[CallEvent; 2]> = slot.call.decide(signal, now.utc).events;
        slot.in_flight = 1 + more.len() as u32;
        let (id, call, owner) = (slot.id, slot.call.clone(), self.work.owner(slot.partition));
        self.journal.begin(key, id, (&call, owner), more, now.utc);
    }

    /// Lets the calls that wait dial, as far as lanes and gateways go.
    pub(crate) fn serve_waiting(&mut self, now: Now) {
        if self.draining {
            return;
        }
        self.waiting.bring_due(now.utc);
        for priority in [Priority::Urgent, Priority::Bulk] {
            loop {
                let keys = self.waiting.take_first(priority);
                let (asked, mut left) = (keys.len(), Vec::new());
                for key in keys {
                    if !self.serve(key, now) {
                        left.push(key);
                    }
                }
                let served = asked - left.len();
                self.waiting.put_back(priority, left);
                if served == 0 || asked < SCAN_MAX {
                    break;
                }
            }
        }
    }

    /// Whether this call needs to wait no longer.
    fn serve(&mut self, key: Key, now: Now) -> bool {
        let Some(slot) = self.slots.get_mut(key).filter(|slot| slot.is_waiting) else {
            return true;
        };
        if slot.in_flight > 0 {
            return false;
        }
        match self.clearance(key, now) {
            Clearance::Way(gateway, leg, way) => {
                self.take_way(key, gateway, leg, now);
                self.hear(key, Signal::Cleared(way), now);
                true
            }
            Clearance::Wait(cause, until) => {
                until.into_iter().for_each(|until| self.wake_at(until));
                self.hear(key, Signal::MustWait(cause), now);
                false
            }
            Clearance::NoRoute => {
                self.hear(key, Signal::NoRoute, now);
                true
            }
        }
    }

    fn clearance(&mut self, key: Key, now: Now) -> Clearance {
        let slot = &self.slots[key];
        if self.journal.is_behind(now.mono) {
            return Clearance::Wait(QueueCause::Rate, None);
        }
        if !slot.has_lane && !self.lanes.is_free() && !mutant!("ignores the node's lanes") {
            return Clearance::Wait(QueueCause::Concurrency, None);
        }
        let facts = slot.call.facts();
        let tried: Vec<String> = facts.tries.iter().map(|t| t.gateway.clone()).collect();
        let only = facts.requested.gateway.as_deref();
        match self.routing.choose(now.mono, only, &tried) {
            Choice::Wait { until } => Clearance::Wait(QueueCause::Gateway, until),
            Choice::NoneLeft => Clearance::NoRoute,
            Choice::Via(gateway) => {
                let caller_id = facts.requested.caller_id.clone();
                let leg = self.next_leg(key);
                let owner = Owner { shard: self.options.shard, leg };
                let ids = dial_ids(owner, self.random());
                let way = Cleared {
                    gateway: self.routing.name(gateway).to_owned(),
                    caller_id,
                    local: self.options.sip_local.clone(),
                    sip_call_id: ids.call_id,
                    from_tag: ids.from_tag,
                    cseq: ids.cseq,
                    branch: ids.branch,
                };
                Clearance::Way(gateway, leg, Box::new(way))
            }
        }
    }

    fn take_way(&mut self, key: Key, gateway: GatewayIndex, leg: LegId, now: Now) {
        self.routing.try_started(gateway, now.mono);
        self.journal.dial_waits(now.mono);
        let slot = &mut self.slots[key];
        slot.gateway = Some(gateway);
        slot.leg = Some(leg);
        if !std::mem::replace(&mut slot.has_lane, true) {
            self.lanes.take();
        }
    }

    fn wake_at(&mut self, at: Duration) {
        self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
    }
}

fn item_request(options: &BatchOptions, stream: [u8; 16], item: Item) -> CallRequested {
    let added = item.added;
    let command_id: CommandId = options.command_id(added.callee);
    CallRequested {
        command_id,
        // The same callee in the same run is the same command, whatever the row says.
        fingerprint: [0; 8],
        callee: added.callee,
        phone: added.phone,
        caller_id: options.caller_id.clone(),
        variables: added.variables,
        item: Some(BatchItem { batch: stream, line: added.line }),
        campaign: None,
        script: None,
        gateway: None,
        prompt: options.prompt.clone(),
        record: options.record,
        ring_timeout_ms: options.ring_timeout_ms,
        max_talk_ms: options.max_talk_ms,
        attempt: 1,
        max_attempts: options.max_attempts,
        first_call: None,
        redial_after_ms: options.redial_after_ms,
        priority: Priority::Bulk,
        not_before: None,
        deadline: None,
    }
}
