//! How far a log was told to a topic, where the topic alone says so.
//!
//! Every message carries its position in the log, and a mark: up to there everything is in the
//! topic, in whatever partition. Whoever goes on reads the log from the highest mark, and passes
//! over what the last message of each partition shows to be there. Exact as long as the partitions
//! stay what they are, one relay tells at a time, and no partition was emptied.

use mutants::mutant;
use schemas::Position;
use std::collections::BTreeMap;

/// How far a log was told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ToldTo {
    mark: Position,
    /// The last position of each partition at the start: up to it nothing is sent again.
    last: BTreeMap<i32, Position>,
}

impl Default for ToldTo {
    fn default() -> Self {
        Self { mark: Position(0), last: BTreeMap::new() }
    }
}

impl ToldTo {
    /// The last message of a partition, as it was found at the start: its position, and its mark.
    pub fn found(&mut self, partition: i32, position: Position, mark: Position) {
        self.last.insert(partition, position);
        self.mark = self.mark.max(mark);
    }

    /// Everything up to here is in the topic: the log is to be read from here on.
    pub fn mark(&self) -> Position {
        self.mark
    }

    /// The mark of the messages of a batch that reaches up to a position: what came before it is
    /// there for sure, and of itself nobody knows yet.
    pub fn mark_of(&self, reached: Position) -> Position {
        if mutant!("marks a batch before it is told") { reached } else { self.mark }
    }

    /// Whether an event stands in its partition already.
    pub fn is_there(&self, partition: i32, position: Position) -> bool {
        self.last.get(&partition).is_some_and(|last| position <= *last)
    }

    /// A batch that reaches up to a position has arrived whole.
    pub fn arrived(&mut self, reached: Position) {
        self.mark = self.mark.max(reached);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_goes_on_reads_from_the_highest_mark_and_passes_over_what_is_there() {
        let mut told = ToldTo::default();
        told.found(0, Position(12), Position(8));
        told.found(1, Position(9), Position(4));
        assert_eq!(told.mark(), Position(8));
        let there = |partition, position| told.is_there(partition, Position(position));
        assert!(there(0, 12) && there(1, 9));
        assert!(!there(0, 13) && !there(1, 10) && !there(2, 1));
    }

    #[test]
    fn a_batch_is_marked_with_what_came_before_it_and_not_with_itself() {
        let mut told = ToldTo::default();
        assert_eq!(told.mark_of(Position(5)), Position(0));
        told.arrived(Position(5));
        assert_eq!(told.mark_of(Position(9)), Position(5));
    }
}
