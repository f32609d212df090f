//! The table of legs: found by their id, which stands in our branches and tags.
//!
//! Tens of thousands linger, and they go in the order they came: what a removal costs must not
//! depend on how many there are. (Probing by the bare id did: a run of ids is one long cluster.)

use crate::port::LegId;
use foldhash::fast::FixedState;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// Things by [`LegId`], each in a slot that stays its own until it is removed.
pub(crate) struct Legs<T> {
    slots: Vec<Option<(LegId, T)>>,
    free: Vec<u32>,
    /// Ids are ours, so nobody can choose them to collide; and a run is the same each time.
    index: HashMap<LegId, u32, FixedState>,
}

impl<T> Default for Legs<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), index: HashMap::default() }
    }
}

impl<T> Legs<T> {
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// The slot of a leg.
    pub fn find(&self, leg: LegId) -> Option<u32> {
        self.index.get(&leg).copied()
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
        let Entry::Vacant(entry) = self.index.entry(leg) else { return None };
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.slots.push(None);
                (self.slots.len() - 1) as u32
            }
        };
        self.slots[slot as usize] = Some((leg, value));
        Some(*entry.insert(slot))
    }

    /// Takes one out; its slot may be given to another from now on.
    pub fn remove(&mut self, slot: u32) -> Option<T> {
        let (leg, value) = self.slots.get_mut(slot as usize)?.take()?;
        self.free.push(slot);
        self.index.remove(&leg);
        Some(value)
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
