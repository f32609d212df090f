//! When what is to be looked at next: one entry for each thing that waits.
//!
//! A leg has up to a dozen deadlines, and most of them move or go before they come. So a leg
//! keeps its deadlines to itself and has one entry here, its earliest: a heap that knows where
//! each entry stands changes it in place. No garbage, and the cost is that of what waits now,
//! whatever has ended before.

use std::time::Duration;

/// Not in the heap.
const NOWHERE: u32 = u32::MAX;

/// A heap of (deadline, item), earliest first, at most one entry an item.
///
/// Items are small numbers, places in a table: memory is proportional to the largest.
#[derive(Default)]
pub(crate) struct Timers {
    heap: Vec<(Duration, u32)>,
    /// Where each item stands in the heap.
    places: Vec<u32>,
}

impl Timers {
    /// The earliest deadline and whose it is.
    pub fn first(&self) -> Option<(Duration, u32)> {
        self.heap.first().copied()
    }

    /// Moves the deadline of `item`, or takes it away.
    pub fn set(&mut self, item: u32, deadline: Option<Duration>) {
        let item_at = item as usize;
        if item_at >= self.places.len() {
            self.places.resize(item_at + 1, NOWHERE);
        }
        let place = self.places[item_at];
        match deadline {
            Some(deadline) if place == NOWHERE => {
                self.heap.push((deadline, item));
                self.rise(self.heap.len() - 1);
            }
            Some(deadline) => {
                let place = place as usize;
                let before = std::mem::replace(&mut self.heap[place].0, deadline);
                if deadline < before {
                    self.rise(place);
                } else {
                    self.sink(place);
                }
            }
            None if place != NOWHERE => {
                let place = place as usize;
                self.heap.swap_remove(place);
                self.places[item_at] = NOWHERE;
                if place < self.heap.len() {
                    // What was last may belong above or below the hole it fills.
                    let moved = self.rise(place);
                    self.sink(moved);
                }
            }
            None => {}
        }
    }

    /// Moves the entry at `place` up to where it belongs, and says where that is.
    fn rise(&mut self, mut place: usize) -> usize {
        let entry = self.heap[place];
        while place > 0 {
            let parent = (place - 1) / 2;
            if self.heap[parent] <= entry {
                break;
            }
            self.put(place, self.heap[parent]);
            place = parent;
        }
        self.put(place, entry);
        place
    }

    fn sink(&mut self, mut place: usize) {
        let entry = self.heap[place];
        loop {
            let left = 2 * place + 1;
            let Some(&child) = self.heap.get(left) else { break };
            let (smaller, child) = match self.heap.get(left + 1) {
                Some(&right) if right < child => (left + 1, right),
                _ => (left, child),
            };
            if entry <= child {
                break;
            }
            self.put(place, child);
            place = smaller;
        }
        self.put(place, entry);
    }

    fn put(&mut self, place: usize, entry: (Duration, u32)) {
        self.heap[place] = entry;
        self.places[entry.1 as usize] = place as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Every order of sets and removals of a seeded run, against a sorted map.
    #[test]
    fn the_first_is_always_the_earliest_of_those_that_wait() {
        let mut timers = Timers::default();
        let mut expected = BTreeMap::new();
        let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..20_000 {
            dice = dice
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let item = (dice >> 33) as u32 % 50;
            let deadline =
                (!dice.is_multiple_of(5)).then(|| Duration::from_millis((dice >> 40) % 1000));
            timers.set(item, deadline);
            match deadline {
                Some(deadline) => expected.insert(item, deadline),
                None => expected.remove(&item),
            };
            let first = expected.iter().map(|(&item, &deadline)| (deadline, item)).min();
            assert_eq!(timers.first(), first);
            assert_eq!(timers.heap.len(), expected.len());
        }
    }

    #[test]
    fn taking_away_what_does_not_wait_does_nothing() {
        let mut timers = Timers::default();
        timers.set(7, None);
        assert_eq!(timers.first(), None);
    }
}
