//! Which files hold the log, and where in them an event stands.
//!
//! In memory: a few bytes per event and an entry per stream of the segments that are not sealed,
//! which are few; of the sealed ones only that they are there.

use super::frame::Frame;
use super::header::{HEADER_BYTES, Header, Salt};
use super::index::Index;
use super::names::Span;
use super::streams::{Tail, Tails};
use crate::file::File;
use schemas::{Revision, StreamId};
use std::sync::Arc;

/// A segment of frames with its index in memory: a few bytes per event, and an entry per stream
/// that has an event in it.
pub(crate) struct Raw<F> {
    pub(crate) name: Arc<str>,
    pub(crate) file: Arc<F>,
    pub(crate) salt: Salt,
    pub(crate) base: u64,
    /// Where the frames that are whole end.
    pub(crate) end: u32,
    /// Per event, where its frame begins.
    offsets: Vec<u32>,
    tails: Tails,
}

/// All segments, the oldest first. The sealed ones come before the others.
pub(crate) struct Segments<F> {
    pub(crate) sealed: Vec<Span>,
    /// Over all sealed segments, without gap or overlap.
    pub(crate) indexes: Arc<[Arc<Index<F>>]>,
    pub(crate) raw: Vec<Raw<F>>,
}

/// Where an event stands.
pub(crate) enum Spot<F> {
    /// In the frame that begins here.
    Frame(Place<F>),
    /// In a sealed segment.
    Sealed(Span),
}

/// A place in a segment of frames.
pub(crate) struct Place<F> {
    pub(crate) name: Arc<str>,
    pub(crate) file: Arc<F>,
    pub(crate) salt: Salt,
    pub(crate) offset: u32,
    /// Where the frame that begins there ends.
    pub(crate) frame_end: u32,
    /// Where the last frame ends.
    pub(crate) end: u32,
}

impl<F: File> Raw<F> {
    /// A segment without frames.
    pub(crate) fn new(name: Arc<str>, file: Arc<F>, header: &Header, salt: Salt) -> Self {
        let (base, end) = (header.base, HEADER_BYTES as u32);
        Self { name, file, salt, base, end, offsets: Vec::new(), tails: Tails::default() }
    }

    /// The position after its last event.
    pub(crate) fn next(&self) -> u64 {
        self.base + self.offsets.len() as u64
    }

    /// Takes note of a frame that follows the others.
    pub(crate) fn push(&mut self, offset: u32, frame: &Frame<'_>) {
        let tail =
            Tail { revision: Revision(frame.last_revision()), position: frame.last_position() };
        self.note(offset, frame.length, frame.count.into(), frame.head.stream, tail);
    }

    /// Takes note of `count` events of a stream, in one frame that follows the others.
    pub(crate) fn note(
        &mut self,
        offset: u32,
        length: u32,
        count: usize,
        stream: StreamId,
        tail: Tail,
    ) {
        self.offsets.extend(std::iter::repeat_n(offset, count));
        self.tails.insert(stream, tail);
        self.end = offset + length;
    }

    /// Where the frame of an event begins and ends. The event must be in this segment.
    pub(crate) fn frame_of(&self, position: u64) -> Option<(u32, u32)> {
        let within = usize::try_from(position.checked_sub(self.base)?).ok()?;
        let (offset, behind) = self.offsets.get(within..)?.split_first()?;
        // Most frames hold one event, so it is the next one.
        let next = behind.iter().find(|next| *next != offset);
        Some((*offset, next.copied().unwrap_or(self.end)))
    }
}

impl<F: File> Segments<F> {
    /// A log without segments.
    pub(crate) fn none() -> Self {
        Self { sealed: Vec::new(), indexes: Arc::new([]), raw: Vec::new() }
    }

    /// The position after the last event.
    pub(crate) fn next(&self) -> u64 {
        let sealed = self.sealed.last().map_or(1, |span| span.last + 1);
        self.raw.last().map_or(sealed, Raw::next)
    }

    /// The last event of a stream in the segments that are not sealed, durable or not.
    pub(crate) fn recent_tail(&self, stream: StreamId) -> Option<Tail> {
        self.raw.iter().rev().find_map(|segment| segment.tails.get(&stream).copied())
    }

    /// Where an event stands.
    pub(crate) fn spot_of(&self, position: u64) -> Option<Spot<F>> {
        if self.sealed.last().is_some_and(|span| position <= span.last) {
            let after = self.sealed.partition_point(|span| span.base <= position);
            return Some(Spot::Sealed(self.sealed[after.checked_sub(1)?]));
        }
        let after = self.raw.partition_point(|segment| segment.base <= position);
        let segment = &self.raw[after.checked_sub(1)?];
        let (offset, frame_end) = segment.frame_of(position)?;
        let (name, file) = (Arc::clone(&segment.name), Arc::clone(&segment.file));
        Some(Spot::Frame(Place {
            name,
            file,
            salt: segment.salt,
            offset,
            frame_end,
            end: segment.end,
        }))
    }
}
