//! Which messages are done with ([`feed::Offsets`] knows), as the client wants to hear it.

use rdkafka::{Offset, TopicPartitionList};
use std::ops::{Deref, DerefMut};

/// The partitions of one topic.
#[derive(Debug, Default)]
pub(crate) struct Offsets(feed::Offsets);

impl Deref for Offsets {
    type Target = feed::Offsets;

    fn deref(&self) -> &feed::Offsets {
        &self.0
    }
}

impl DerefMut for Offsets {
    fn deref_mut(&mut self) -> &mut feed::Offsets {
        &mut self.0
    }
}

impl Offsets {
    /// What may be committed and is not yet, of these partitions or of all.
    pub fn due(&self, topic: &str, only: Option<&[i32]>) -> Option<TopicPartitionList> {
        let mut list = TopicPartitionList::new();
        for (partition, offset) in self.0.due(only) {
            list.add_partition_offset(topic, partition, Offset::Offset(offset)).ok()?;
        }
        (list.count() > 0).then_some(list)
    }

    /// These offsets were committed.
    pub fn committed(&mut self, list: &TopicPartitionList) {
        let elements = list.elements();
        let offset = |place: usize| match elements[place].offset() {
            Offset::Offset(offset) => Some((elements[place].partition(), offset)),
            _ => None,
        };
        self.0.committed((0..elements.len()).filter_map(offset));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_committed_as_the_client_has_it_is_not_due_again() {
        let mut offsets = Offsets::default();
        assert!(offsets.due("t", None).is_none());
        offsets.begin(3, 6);
        offsets.begin(4, 1);
        let due = offsets.due("t", Some(&[3])).expect("the partition was read");
        assert_eq!(due.elements()[0].offset(), Offset::Offset(6));
        offsets.committed(&due);
        assert!(offsets.due("t", Some(&[3])).is_none());
        assert!(offsets.due("t", None).is_some());
    }
}
