//! Which messages are done with: an offset is committed once everything before it is.

use std::collections::{BTreeMap, BTreeSet};

/// The partitions of one topic.
#[derive(Debug, Default)]
pub struct Offsets {
    partitions: BTreeMap<i32, Partition>,
    open: usize,
}

#[derive(Debug, Default)]
struct Partition {
    /// Read, and not done with.
    open: BTreeSet<i64>,
    /// The offset after the last one that was read.
    next: i64,
    /// What was committed last.
    committed: Option<i64>,
}

impl Partition {
    /// What may be committed: the lowest that is not done with.
    fn mark(&self) -> i64 {
        self.open.first().copied().unwrap_or(self.next)
    }
}

impl Offsets {
    /// A message was read.
    pub fn begin(&mut self, partition: i32, offset: i64) {
        let partition = self.partitions.entry(partition).or_default();
        partition.next = partition.next.max(offset + 1);
        self.open += usize::from(partition.open.insert(offset));
    }

    /// A message is done with. One of a partition that was given up is passed over.
    pub fn done(&mut self, partition: i32, offset: i64) {
        if let Some(partition) = self.partitions.get_mut(&partition) {
            self.open -= usize::from(partition.open.remove(&offset));
        }
    }

    /// How many messages are not done with.
    pub fn open(&self) -> usize {
        self.open
    }

    /// What may be committed and is not yet, of these partitions or of all: each with the offset that
    /// is to be read next.
    pub fn due(&self, only: Option<&[i32]>) -> Vec<(i32, i64)> {
        let wanted = |id: &i32| only.is_none_or(|only| only.contains(id));
        let partitions = self.partitions.iter().filter(|(id, _)| wanted(id));
        let due = partitions.map(|(id, partition)| (*id, partition.mark(), partition.committed));
        due.filter(|(_, mark, committed)| *committed != Some(*mark))
            .map(|(id, mark, _)| (id, mark))
            .collect()
    }

    /// These offsets were committed.
    pub fn committed(&mut self, offsets: impl IntoIterator<Item = (i32, i64)>) {
        for (id, offset) in offsets {
            if let Some(partition) = self.partitions.get_mut(&id) {
                partition.committed = Some(offset);
            }
        }
    }

    /// Nobody knows what was committed.
    pub fn uncommitted(&mut self) {
        self.partitions.values_mut().for_each(|partition| partition.committed = None);
    }

    /// Somebody else reads this partition now.
    pub fn give_up(&mut self, partition: i32) {
        if let Some(partition) = self.partitions.remove(&partition) {
            self.open -= partition.open.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(offsets: &Offsets) -> Option<i64> {
        offsets.due(None).first().map(|(_, offset)| *offset)
    }

    #[test]
    fn an_offset_is_committed_once_everything_before_it_is_done() {
        let mut offsets = Offsets::default();
        assert_eq!(mark(&offsets), None);
        for offset in [5, 6, 9] {
            offsets.begin(0, offset);
        }
        assert_eq!(mark(&offsets), Some(5));
        offsets.done(0, 9);
        offsets.done(0, 6);
        assert_eq!((mark(&offsets), offsets.open()), (Some(5), 1));
        offsets.done(0, 5);
        assert_eq!((mark(&offsets), offsets.open()), (Some(10), 0));
        let due = offsets.due(None);
        offsets.committed(due);
        assert_eq!(mark(&offsets), None);
    }

    #[test]
    fn what_is_done_twice_or_after_its_partition_was_given_up_changes_nothing() {
        let mut offsets = Offsets::default();
        offsets.begin(3, 1);
        offsets.begin(4, 1);
        offsets.done(3, 1);
        offsets.done(3, 1);
        offsets.give_up(4);
        offsets.done(4, 1);
        assert_eq!(offsets.open(), 0);
        assert_eq!(offsets.due(Some(&[4])), []);
        assert_eq!(offsets.due(Some(&[3])), [(3, 2)]);
    }
}
