//! Ways into long streams. Back pointers lead from a stream's end to its beginning, so whoever
//! reads a long one in pages, as a batch is dialled, would walk all of it for each page. The first
//! walk leaves a mark now and then, and the next one begins at the mark behind what it wants.

use schemas::StreamId;

/// Revisions from one mark to the next: what a page costs beyond itself, at the most.
pub(crate) const STEP: u32 = 1024;
/// Streams that have marks. One more, and the one that was marked first loses its own.
const STREAMS_MAX: usize = 64;

/// Revisions and positions of events in long streams. The events that they name are durable and
/// stay where they are, so a mark is never wrong.
#[derive(Default)]
pub(crate) struct Marks {
    streams: Vec<(StreamId, Vec<(u32, u64)>)>,
}

impl Marks {
    /// The position of a marked event at this revision or the next one behind it.
    pub(crate) fn behind(&self, stream: StreamId, revision: u32) -> Option<u64> {
        let (_, marks) = self.streams.iter().find(|(marked, _)| *marked == stream)?;
        let at = marks.partition_point(|(marked, _)| *marked < revision);
        marks.get(at).map(|(_, position)| *position)
    }

    /// Leaves a mark, if none is near.
    pub(crate) fn leave(&mut self, stream: StreamId, revision: u32, position: u64) {
        let known = self.streams.iter().position(|(marked, _)| *marked == stream);
        let known = known.unwrap_or_else(|| {
            if self.streams.len() == STREAMS_MAX {
                self.streams.remove(0);
            }
            self.streams.push((stream, Vec::new()));
            self.streams.len() - 1
        });
        let marks = &mut self.streams[known].1;
        let at = marks.partition_point(|(marked, _)| *marked < revision);
        let near = |at: usize| marks.get(at).is_some_and(|(it, _)| it.abs_diff(revision) < STEP);
        if !near(at) && !at.checked_sub(1).is_some_and(near) {
            marks.insert(at, (revision, position));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::CallId;

    fn stream(number: usize) -> StreamId {
        StreamId::call(CallId([number as u8; 16]))
    }

    #[test]
    fn the_nearest_mark_behind_is_found_and_none_is_left_twice() {
        let mut marks = Marks::default();
        for revision in (0..10 * STEP).rev() {
            marks.leave(stream(1), revision, 5 + u64::from(revision));
        }
        marks.leave(stream(2), 7, 1);
        assert_eq!(marks.streams[0].1.len(), 10);
        for revision in 0..9 * STEP {
            let position = marks.behind(stream(1), revision).unwrap();
            assert!((revision..revision + STEP).contains(&(position as u32 - 5)), "{revision}");
        }
        assert_eq!(marks.behind(stream(1), 10 * STEP), None);
        assert_eq!(marks.behind(stream(3), 0), None);
    }

    #[test]
    fn a_stream_too_many_takes_the_place_of_the_oldest() {
        let mut marks = Marks::default();
        for number in 0..=STREAMS_MAX {
            marks.leave(stream(number), 1, 1);
        }
        assert_eq!(marks.streams.len(), STREAMS_MAX);
        assert_eq!(marks.behind(stream(0), 0), None);
        assert_eq!(marks.behind(stream(1), 0), Some(1));
    }
}
