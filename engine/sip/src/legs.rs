//! The table of legs: found by their id, which stands in our branches and tags.
//!
//! Ids are counted up by whoever orders the legs, so an id itself says where to look: the table
//! is an open-addressed one without a hash function, and a run of ids fills it without a
//! collision.

use crate::port::LegId;

/// No leg.
const EMPTY: u32 = u32::MAX;

/// Things by [`LegId`], each in a slot that stays its own until it is removed.
pub(crate) struct Legs<T> {
    slots: Vec<Option<(LegId, T)>>,
    free: Vec<u32>,
    /// Open addressing with linear probing, never more than half full.
    index: Vec<(LegId, u32)>,
    live: usize,
}

impl<T> Default for Legs<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), index: vec![(LegId(0), EMPTY); 16], live: 0 }
    }
}

impl<T> Legs<T> {
    pub fn len(&self) -> usize {
        self.live
    }

    /// The slot of a leg.
    pub fn find(&self, leg: LegId) -> Option<u32> {
        let (id, slot) = self.index[self.entry(leg)];
        (slot != EMPTY && id == leg).then_some(slot)
    }

    pub fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.slots.get_mut(slot as usize)?.as_mut().map(|(_, value)| value)
    }

    /// All that are there, with their slots, in the order of slots.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let numbered = self.slots.iter().enumerate();
        numbered.filter_map(|(slot, value)| value.as_ref().map(|(_, value)| (slot as u32, value)))
    }

    /// Puts one in. None when there is one of that id already: then nothing changes.
    pub fn insert(&mut self, leg: LegId, value: T) -> Option<u32> {
        if self.find(leg).is_some() {
            return None;
        }
        if (self.live + 1) * 2 > self.index.len() {
            self.grow();
        }
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.slots.push(None);
                (self.slots.len() - 1) as u32
            }
        };
        self.slots[slot as usize] = Some((leg, value));
        let entry = self.entry(leg);
        self.index[entry] = (leg, slot);
        self.live += 1;
        Some(slot)
    }

    /// Takes one out; its slot may be given to another from now on.
    pub fn remove(&mut self, slot: u32) -> Option<T> {
        let (leg, value) = self.slots.get_mut(slot as usize)?.take()?;
        self.free.push(slot);
        self.live -= 1;
        let mut hole = self.entry(leg);
        self.index[hole].1 = EMPTY;
        // Those behind the hole that were pushed there by it move up, so that a search may stop at
        // the first empty entry.
        let mask = self.index.len() - 1;
        let mut at = (hole + 1) & mask;
        while self.index[at].1 != EMPTY {
            let home = self.index[at].0.0 as usize & mask;
            if at.wrapping_sub(home) & mask >= at.wrapping_sub(hole) & mask {
                self.index.swap(hole, at);
                hole = at;
            }
            at = (at + 1) & mask;
        }
        Some(value)
    }

    /// Where `leg` stands in the index, or the empty entry where it would.
    fn entry(&self, leg: LegId) -> usize {
        let mask = self.index.len() - 1;
        let mut at = leg.0 as usize & mask;
        while self.index[at].1 != EMPTY && self.index[at].0 != leg {
            at = (at + 1) & mask;
        }
        at
    }

    fn grow(&mut self) {
        let larger = vec![(LegId(0), EMPTY); self.index.len() * 2];
        for entry in std::mem::replace(&mut self.index, larger) {
            if entry.1 != EMPTY {
                let at = self.entry(entry.0);
                self.index[at] = entry;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_leg_is_found_until_it_is_removed_whatever_its_id() {
        let mut legs = Legs::default();
        let mut expected = BTreeMap::new();
        let mut dice = 1u64;
        for turn in 0..30_000u64 {
            dice = dice
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            // Few different low bits: the worst that an owner's way of counting could do.
            let leg = LegId(((dice >> 40) % 64) << ((dice >> 50) % 3 * 10));
            match expected.get(&leg).copied() {
                Some((slot, value)) if dice.is_multiple_of(2) => {
                    assert_eq!(legs.remove(slot), Some(value));
                    expected.remove(&leg);
                }
                Some(_) => assert_eq!(legs.insert(leg, turn), None),
                None => {
                    let slot = legs.insert(leg, turn).unwrap();
                    expected.insert(leg, (slot, turn));
                }
            }
            assert_eq!(legs.len(), expected.len());
        }
        for (leg, (slot, value)) in &expected {
            assert_eq!(legs.find(*leg), Some(*slot));
            assert_eq!(legs.get_mut(*slot), Some(&mut value.clone()));
        }
        assert_eq!(legs.iter().count(), expected.len());
    }
}
