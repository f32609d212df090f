//! Holding every event against the one before it in its stream, in bounded memory.

use crate::StoreError;
use crate::file::File;
use crate::log::frame::Record;
use crate::log::index::{Index, decode_entry};
use crate::log::streams::{Tail, Tails};
use schemas::{Revision, StreamId};

/// How many streams are looked at in one walk: about 100 MB.
pub(super) const STREAMS_MAX: usize = 2_000_000;

/// Which streams are looked at: those whose ids begin with these bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Part {
    bits: u32,
    prefix: u64,
}

/// The streams of a part, as far as the walk has come.
pub(super) struct Streams {
    part: Part,
    most: usize,
    tails: Tails,
    left_out: Vec<Part>,
    hole: bool,
}

impl Part {
    /// All streams.
    pub(super) const ALL: Self = Self { bits: 0, prefix: 0 };

    fn holds(self, stream: &StreamId) -> bool {
        let [a, b, c, d, e, f, g, h, ..] = stream.id;
        let id = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        id.checked_shr(64 - self.bits).unwrap_or(0) == self.prefix
    }

    fn halves(self) -> [Self; 2] {
        let bits = self.bits + 1;
        [Self { bits, prefix: self.prefix << 1 }, Self { bits, prefix: self.prefix << 1 | 1 }]
    }
}

impl Streams {
    pub(super) fn new(part: Part, most: usize) -> Self {
        Self { part, most, tails: Tails::default(), left_out: Vec::new(), hole: false }
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.tails.len() as u64
    }

    /// Which streams were too many for this walk.
    pub(super) fn left_out(&self) -> &[Part] {
        &self.left_out
    }

    /// Events are missing: what follows may be a consequence.
    pub(super) fn hole(&mut self) {
        self.hole = true;
    }

    pub(super) fn has_hole(&self) -> bool {
        self.hole
    }

    /// Holds an event against the one before it. What is wrong with it.
    pub(super) fn see(&mut self, record: &Record<'_>, previous: u64) -> Result<(), String> {
        if !self.part.holds(&record.stream) {
            return Ok(());
        }
        let tail = Tail { revision: Revision(record.revision), position: record.position };
        let before = self.tails.insert(record.stream, tail);
        if self.tails.len() > self.most && self.part.bits < 60 {
            let [this, other] = self.part.halves();
            self.part = this;
            self.left_out.push(other);
            self.tails.retain(|stream, _| this.holds(stream));
        }
        let (revision, position) =
            before.map_or((0, 0), |tail| (tail.revision.0 + 1, tail.position));
        if self.hole && record.revision > revision {
            return Ok(());
        }
        if record.revision != revision {
            return Err(format!(
                "revision {} of {}, where {revision} is due",
                record.revision, record.stream
            ));
        }
        if previous != position {
            return Err(format!("a back pointer says event {previous}, and it is {position}"));
        }
        Ok(())
    }

    /// Holds the index of a span that has just ended against the events in it. What is wrong.
    pub(super) fn hold<F: File>(&self, index: &Index<F>) -> Result<Option<String>, StoreError> {
        let mut entries = 0;
        let mut wrong = None;
        for page in 0..index.entries.pages() {
            for entry in index.page(page)?.chunks_exact(index.entries.entry_bytes) {
                let Some((stream, tail)) = decode_entry(entry) else {
                    return Ok(Some("it names a stream of a kind that there is not".to_owned()));
                };
                if !self.part.holds(&stream) {
                    continue;
                }
                entries += 1;
                // The way of an append as well, through the filter.
                let found = index.tail(stream)?;
                if self.tails.get(&stream) != Some(&tail) || found != Some(tail) {
                    wrong.get_or_insert_with(|| {
                        format!("it does not know the last event of {stream}")
                    });
                }
            }
        }
        let span = index.span.base..=index.span.last;
        let due = self.tails.values().filter(|tail| span.contains(&tail.position)).count();
        if wrong.is_none() && entries != due {
            wrong = Some(format!("it has {entries} of {due} streams"));
        }
        Ok(wrong)
    }
}
