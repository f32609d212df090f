//! What is left when a world has come to rest: for the checkers, and for people.

use super::faults::Injected;
use super::machine::Machine;
use super::node::{Held, Node};
use super::{Plan, World};
use crate::checkers::Violation;
use crate::ledger::Entry;
use hashbrown::HashMap;
use schemas::Outcome;
use schemas::call::CallEvent;
use schemas::{Event, Position, Recorded, Timestamp};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::time::Duration;
use store::{Reader, Stored};

/// What is left of a world.
pub struct Ending<'a> {
    /// The moment.
    pub at: Duration,
    /// What it followed from.
    pub plan: &'a Plan,
    /// What the node holds.
    pub held: Held,
    /// What carriers know of INVITEs that are not closed, by the carrier's place.
    pub open_entries: Vec<(usize, Entry)>,
    /// When the world was hit by what may cost a call its end.
    pub disturbed: &'a [(Duration, Duration)],
    /// When the node was gone, from and to.
    pub crashed: &'a [(Duration, Duration)],
}

/// Whether one of these spans touches the time between two moments.
pub fn disturbed(spans: &[(Duration, Duration)], from: Duration, to: Duration) -> bool {
    spans.iter().any(|(begin, end)| *begin <= to && from <= *end)
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// How many worlds, or shards of a large one.
    pub worlds: u64,
    /// How long all calls took together, from their request to their end, in milliseconds.
    pub call_ms: u64,
    /// Calls that ended.
    pub calls: u64,
    /// Events in the log, of calls.
    pub events: u64,
    /// SIP messages that were sent.
    pub messages: u64,
    /// How long the world lasted.
    pub lasted: Duration,
    /// How calls ended.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// What was done to it.
    pub injected: Injected,
    /// SHA-256 over the events of the log, in order.
    pub digest: [u8; 32],
    /// The first things that were wrong.
    pub violations: Vec<Violation>,
    /// How many things were wrong.
    pub violation_count: u64,
}

impl Summary {
    /// Two worlds as one: the digest is over both, in this order.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        let digest = Sha256::new().chain_update(self.digest).chain_update(other.digest);
        self.digest = digest.finalize().into();
        self.injected.merge(&other.injected);
        self.worlds += other.worlds;
        self.call_ms += other.call_ms;
        self.calls += other.calls;
        self.events += other.events;
        self.messages += other.messages;
        self.lasted += other.lasted;
        self.violation_count += other.violation_count;
        self.violations.extend(other.violations);
        for (outcome, count) in other.outcomes {
            *self.outcomes.entry(outcome).or_default() += count;
        }
        self
    }
}

/// So many events are read at a time.
const STRETCH: usize = 4_096;

impl<F: Machine> World<F> {
    /// Looks at what is left, and lets the checkers look.
    pub fn close(mut self) -> Summary {
        let mut sums = Sums::default();
        self.look();
        if let Some(node) = &self.node {
            let checkers = &mut self.outside.checkers;
            let mut after = Position(0);
            loop {
                let stored = match node.reader().read_all(after, STRETCH) {
                    Ok(stored) => stored,
                    Err(error) => {
                        let what = error.in_full();
                        checkers.found("a healthy log can be read", self.outside.at, what);
                        break;
                    }
                };
                let Some(last) = stored.last() else { break };
                after = last.position;
                for stored in &stored {
                    if let Some(event) = sums.take(stored) {
                        checkers.reread(&event, &stored.encoded.body);
                    }
                }
            }
        }
        let mut open_entries = Vec::new();
        for (place, carrier) in self.carriers.iter().enumerate() {
            carrier.count_manners(&mut self.outside.injected);
            open_entries.extend(carrier.open_entries().into_iter().map(|entry| (place, entry)));
        }
        let node = self.node.as_ref();
        let ending = Ending {
            at: self.outside.at,
            plan: &self.plan,
            held: node.map(Node::held).unwrap_or_default(),
            open_entries,
            disturbed: &self.disturbed,
            crashed: &self.crashed,
        };
        self.outside.checkers.close(&ending);
        let (violations, violation_count) = self.outside.checkers.findings();
        sums.summary(Summary {
            worlds: 1,
            messages: self.outside.messages,
            lasted: self.outside.at,
            violations: violations.to_vec(),
            violation_count,
            injected: self.outside.injected,
            ..Summary::default()
        })
    }
}

/// What is added up over the log.
#[derive(Default)]
pub(crate) struct Sums {
    /// When each call that has not ended was asked for.
    asked: HashMap<[u8; 16], Timestamp, foldhash::fast::FixedState>,
    call_ms: u64,
    calls: u64,
    events: u64,
    outcomes: BTreeMap<Outcome, u64>,
    digest: Sha256,
}

impl Sums {
    /// With what it adds up to.
    pub fn summary(self, of: Summary) -> Summary {
        let Self { call_ms, calls, events, outcomes, digest, .. } = self;
        Summary { call_ms, calls, events, outcomes, digest: digest.finalize().into(), ..of }
    }

    /// Counts an event, and gives it back when it is a call's.
    pub fn take(&mut self, stored: &Stored) -> Option<Recorded<CallEvent>> {
        let encoded = &stored.encoded;
        let mut head = [0; 36];
        head[0] = stored.stream.kind as u8;
        head[1..17].copy_from_slice(&stored.stream.id);
        head[17..21].copy_from_slice(&stored.revision.0.to_le_bytes());
        head[21..29].copy_from_slice(&stored.at.0.to_le_bytes());
        head[29..31].copy_from_slice(&encoded.kind.to_le_bytes());
        head[31] = encoded.version;
        head[32..].copy_from_slice(&(encoded.body.len() as u32).to_le_bytes());
        self.digest.update(head);
        self.digest.update(&encoded.body);
        let Ok(Event::Call(event)) = Event::decode(encoded.kind, encoded.version, &encoded.body)
        else {
            return None;
        };
        self.events += 1;
        if matches!(event, CallEvent::CallRequested(_)) {
            self.asked.insert(stored.stream.id, stored.at);
        }
        if let CallEvent::CallEnded(ended) = &event {
            self.calls += 1;
            let asked = self.asked.remove(&stored.stream.id).unwrap_or(stored.at);
            self.call_ms += u64::try_from(stored.at.0 - asked.0).unwrap_or(0);
            *self.outcomes.entry(ended.outcome).or_default() += 1;
        }
        let Stored { position, stream, revision, at, .. } = *stored;
        Some(Recorded { position, stream, revision, at, event })
    }
}
