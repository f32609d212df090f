//! The calls that wait for a gateway and a lane, the urgent ones first, else in order of arrival.

use crate::slots::Key;
use schemas::Timestamp;
use schemas::call::Priority;
use std::collections::{BTreeSet, VecDeque};

/// So many calls are asked for at a time: behind so many that cannot start, another one hardly
/// can, and a long queue must not cost every call.
pub(crate) const SCAN_MAX: usize = 64;

#[derive(Default)]
pub(crate) struct Waiting {
    urgent: VecDeque<Key>,
    bulk: VecDeque<Key>,
    later: BTreeSet<(Timestamp, Priority, Key)>,
}

impl Waiting {
    /// Puts a call in: at the end, or at the front when it has been tried before.
    pub fn join(&mut self, key: Key, priority: Priority, tried: bool) {
        let queue = self.queue(priority);
        if tried { queue.push_front(key) } else { queue.push_back(key) }
    }

    /// Puts a call in when its hour comes.
    pub fn join_later(&mut self, key: Key, priority: Priority, at: Timestamp) {
        self.later.insert((at, priority, key));
    }

    /// Brings in those whose hour has come.
    pub fn bring_due(&mut self, now: Timestamp) {
        while let Some((at, priority, key)) = self.later.first().copied() {
            if at > now {
                break;
            }
            self.later.pop_first();
            self.join(key, priority, false);
        }
    }

    pub fn next_at(&self) -> Option<Timestamp> {
        self.later.first().map(|(at, ..)| *at)
    }

    /// The first calls of both queues, taken out; those that cannot start are put back.
    pub fn take_first(&mut self, priority: Priority) -> Vec<Key> {
        let queue = self.queue(priority);
        let count = queue.len().min(SCAN_MAX);
        queue.drain(..count).collect()
    }

    pub fn put_back(&mut self, priority: Priority, keys: Vec<Key>) {
        let queue = self.queue(priority);
        keys.into_iter().rev().for_each(|key| queue.push_front(key));
    }

    pub fn is_empty(&self) -> bool {
        self.urgent.is_empty() && self.bulk.is_empty()
    }

    fn queue(&mut self, priority: Priority) -> &mut VecDeque<Key> {
        match priority {
            Priority::Urgent => &mut self.urgent,
            Priority::Bulk => &mut self.bulk,
        }
    }
}
