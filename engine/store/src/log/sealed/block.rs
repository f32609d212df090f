//! A block: some hundred events in a row, compressed, with one checksum. Layout in
//! `docs/log-format.md`.
//!
//! A row names its stream by a number that the segment gives to streams in the order of their
//! first event, counted back from the latest: calls that are up at the same time have small
//! numbers. What rises is written as a difference. And events of one kind at one place of a call
//! have one length most often: such a *shape* is written out once a block. Behind the rows the
//! bodies stand shape by shape, where what they have in common packs well.

use crate::bytes::bytes;
use crate::log::frame::{Record, put_varint, take_varint, unzigzag, zigzag};
use crate::log::header::{POSITION_MAX, Salt};
use crate::log::pages::checksum;
use hashbrown::HashMap;
use schemas::{StreamId, Timestamp};
use std::ops::Range;

/// Bytes of a block before what it holds.
pub(crate) const BLOCK_HEADER_BYTES: usize = 32;
/// A block is closed once it holds this many bytes. Larger ones save nothing that matters, and an
/// old call is read out of as many blocks as it has events.
pub(crate) const BLOCK_PLAIN_BYTES: usize = 32 * 1024;
/// More than any block can hold: one event beyond the limit above, its row and the shapes.
pub(crate) const BLOCK_PLAIN_BYTES_MAX: usize = 8 * BLOCK_PLAIN_BYTES;

const STORED: u8 = 0;
const LZ4: u8 = 1;

/// A block that is being filled.
#[derive(Default)]
pub(crate) struct BlockWriter {
    rows: Vec<u8>,
    bodies_bytes: usize,
    first: u64,
    count: u32,
    streams_before: u32,
    at: i64,
    /// Each shape, how many events have it, and their bodies.
    shapes: Vec<(Shape, u32, Vec<u8>)>,
    numbers: HashMap<Shape, usize, foldhash::fast::RandomState>,
}

/// From this revision on it stands in the row: a list of a million items would have as many shapes.
const REVISION_IN_ROW: u32 = 64;

/// What many events have in common.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Shape {
    /// At most [`REVISION_IN_ROW`], which stands for all from there on.
    revision: u32,
    kind: u16,
    version: u8,
    length: u32,
}

/// A row of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Row<'a> {
    pub(crate) position: u64,
    /// Which stream, by the segment's number for it.
    pub(crate) stream: u32,
    pub(crate) revision: u32,
    /// The position of the stream's event before; 0 when there is none.
    pub(crate) previous: u64,
    pub(crate) at: Timestamp,
    pub(crate) kind: u16,
    pub(crate) version: u8,
    pub(crate) body: &'a [u8],
}

impl BlockWriter {
    /// Adds an event whose stream has this number; `streams` have a number so far, without it if
    /// it is its first event here.
    pub(crate) fn push(&mut self, record: &Record<'_>, number: u32, streams: u32, previous: u64) {
        if self.count == 0 {
            (self.first, self.streams_before, self.at) = (record.position, streams, 0);
        }
        let shape = self.number_of(Shape {
            revision: record.revision.min(REVISION_IN_ROW),
            kind: record.kind,
            version: record.version,
            length: u32::try_from(record.body.len()).expect("a body is bounded"),
        });
        let rows = &mut self.rows;
        put_varint(rows, u64::from(streams - number));
        put_varint(rows, shape as u64);
        if record.revision >= REVISION_IN_ROW {
            put_varint(rows, record.revision.into());
        }
        put_varint(rows, zigzag(record.at.0.wrapping_sub(self.at)));
        if record.revision > 0 {
            put_varint(rows, record.position - previous);
        }
        let (_, events, bodies) = &mut self.shapes[shape];
        *events += 1;
        bodies.extend_from_slice(record.body);
        self.bodies_bytes += record.body.len();
        self.at = record.at.0;
        self.count += 1;
    }

    fn number_of(&mut self, shape: Shape) -> usize {
        let next = self.shapes.len();
        let number = *self.numbers.entry(shape).or_insert(next);
        if number == next {
            self.shapes.push((shape, 0, Vec::new()));
        }
        number
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn is_full(&self) -> bool {
        // A shape takes at most 20 bytes, so a full block stays below the most that one may hold.
        self.rows.len() + self.bodies_bytes >= BLOCK_PLAIN_BYTES
    }

    /// The position of its first event.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// The block as it stands in its file at `offset`. Empties the writer.
    pub(crate) fn finish(&mut self, salt: Salt, offset: u64) -> Vec<u8> {
        let filled = std::mem::take(self);
        let plain = filled.plain();
        let packed = lz4_flex::block::compress(&plain);
        let (codec, content) =
            if packed.len() < plain.len() { (LZ4, &packed) } else { (STORED, &plain) };
        let mut block = vec![0; BLOCK_HEADER_BYTES];
        block.extend_from_slice(content);
        let length = |bytes: usize| u32::try_from(bytes).expect("a block is bounded").to_le_bytes();
        let size = length(block.len());
        block[4..8].copy_from_slice(&size);
        block[8..12].copy_from_slice(&length(plain.len()));
        block[12..16].copy_from_slice(&filled.count.to_le_bytes());
        block[16..24].copy_from_slice(&filled.first.to_le_bytes());
        block[24..28].copy_from_slice(&filled.streams_before.to_le_bytes());
        block[28] = codec;
        let crc = checksum(salt, offset, &block[4..]);
        block[..4].copy_from_slice(&crc.to_le_bytes());
        block
    }

    fn plain(&self) -> Vec<u8> {
        let mut plain = Vec::with_capacity(BLOCK_PLAIN_BYTES + BLOCK_PLAIN_BYTES / 8);
        put_varint(&mut plain, self.shapes.len() as u64);
        for (shape, events, _) in &self.shapes {
            let Shape { revision, kind, version, length } = *shape;
            for part in [revision, kind.into(), version.into(), length, *events] {
                put_varint(&mut plain, part.into());
            }
        }
        put_varint(&mut plain, self.rows.len() as u64);
        plain.extend_from_slice(&self.rows);
        self.shapes.iter().for_each(|(.., bodies)| plain.extend_from_slice(bodies));
        plain
    }
}

/// Each shape, and where the body of its next event begins.
type Shapes = Vec<(Shape, usize)>;

/// A block that has been checked and unpacked.
pub(crate) struct Block {
    plain: Vec<u8>,
    shapes: Shapes,
    rows: Range<usize>,
    pub(crate) first: u64,
    pub(crate) count: u32,
    streams_before: u32,
}

impl Block {
    /// Checks and unpacks a block. The reason when it is none.
    pub(crate) fn decode(stored: &[u8], salt: Salt, offset: u64) -> Result<Self, &'static str> {
        if stored.len() < BLOCK_HEADER_BYTES
            || stored.len() != u32::from_le_bytes(bytes(stored, 4)) as usize
        {
            return Err("a block's length is impossible");
        }
        if checksum(salt, offset, &stored[4..]) != u32::from_le_bytes(bytes(stored, 0)) {
            return Err("a block's checksum does not fit");
        }
        let size = u32::from_le_bytes(bytes(stored, 8)) as usize;
        if size > BLOCK_PLAIN_BYTES_MAX {
            return Err("a block says it holds more than it may");
        }
        let packed = &stored[BLOCK_HEADER_BYTES..];
        let plain = match stored[28] {
            STORED => packed.to_vec(),
            LZ4 => lz4_flex::block::decompress(packed, size)
                .map_err(|_| "a block cannot be unpacked")?,
            _ => return Err("a block is packed in a way that there is not"),
        };
        if plain.len() != size {
            return Err("a block unpacks to another size than it says");
        }
        let (count, streams_before) =
            (u32::from_le_bytes(bytes(stored, 12)), u32::from_le_bytes(bytes(stored, 24)));
        let first = u64::from_le_bytes(bytes(stored, 16));
        if count == 0 || first == 0 || first > POSITION_MAX - u64::from(count) {
            return Err("a block's positions are impossible");
        }
        let (shapes, rows) = read_shapes(&plain).ok_or("a block's shapes are impossible")?;
        Ok(Self { plain, shapes, rows, first, count, streams_before })
    }

    /// The position of its last event.
    pub(crate) fn last(&self) -> u64 {
        self.first + u64::from(self.count) - 1
    }

    /// The rows up to that of an event: a row says only by how much it differs from the one before.
    /// `None` when the event is not here or the content is impossible.
    pub(crate) fn rows_to(&self, position: u64) -> Option<Vec<Row<'_>>> {
        let within = usize::try_from(position.checked_sub(self.first)?).ok()?;
        let rows: Vec<_> = self.rows().take(within + 1).collect::<Option<_>>()?;
        (rows.len() == within + 1).then_some(rows)
    }

    /// Its rows, in order. `None` instead of one ends it: the content is impossible.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Option<Row<'_>>> {
        let mut reading = Reading {
            plain: &self.plain,
            rest: &self.plain[self.rows.clone()],
            streams: self.streams_before,
            at: 0,
            shapes: self.shapes.clone(),
        };
        let mut next = Some(self.first);
        std::iter::from_fn(move || {
            let position = next?;
            if position > self.last() {
                next = None;
                // Bytes behind the last row are as wrong as too few.
                return (!reading.rest.is_empty()).then_some(None);
            }
            let row = reading.row(position);
            next = row.map(|_| position + 1);
            Some(row)
        })
    }
}

impl<'a> Row<'a> {
    /// The event, given the stream that has its number.
    pub(crate) fn record(&self, stream: StreamId) -> Record<'a> {
        Record {
            position: self.position,
            stream,
            revision: self.revision,
            at: self.at,
            kind: self.kind,
            version: self.version,
            body: self.body,
        }
    }
}

/// What a block says of its shapes: each, and where the bodies of its events begin; and where the
/// rows stand.
fn read_shapes(plain: &[u8]) -> Option<(Shapes, Range<usize>)> {
    let mut rest = plain;
    let count =
        usize::try_from(take_varint(&mut rest)?).ok().filter(|count| *count <= rest.len())?;
    let mut shapes = Vec::with_capacity(count);
    let mut bodies = 0_usize;
    for _ in 0..count {
        let mut next = || take_varint(&mut rest);
        let shape = Shape {
            revision: u32::try_from(next()?).ok()?,
            kind: u16::try_from(next()?).ok()?,
            version: u8::try_from(next()?).ok()?,
            length: u32::try_from(next()?).ok()?,
        };
        let events = usize::try_from(next()?).ok()?;
        shapes.push((shape, bodies));
        bodies = bodies.checked_add(events.checked_mul(shape.length as usize)?)?;
    }
    let length = usize::try_from(take_varint(&mut rest)?).ok()?;
    let start = plain.len() - rest.len();
    let end = start.checked_add(length)?;
    if end.checked_add(bodies)? != plain.len() {
        return None;
    }
    shapes.iter_mut().for_each(|(_, at)| *at += end);
    Some((shapes, start..end))
}

/// How far the rows of a block have been read.
struct Reading<'a> {
    plain: &'a [u8],
    rest: &'a [u8],
    streams: u32,
    at: i64,
    shapes: Shapes,
}

impl<'a> Reading<'a> {
    fn row(&mut self, position: u64) -> Option<Row<'a>> {
        let back = u32::try_from(take_varint(&mut self.rest)?).ok()?;
        let stream = self.streams.checked_sub(back)?;
        if back == 0 {
            self.streams = self.streams.checked_add(1)?;
        }
        let number = usize::try_from(take_varint(&mut self.rest)?).ok()?;
        let revision = match self.shapes.get(number)?.0.revision {
            REVISION_IN_ROW => u32::try_from(take_varint(&mut self.rest)?).ok()?,
            revision => revision,
        };
        self.at = self.at.wrapping_add(unzigzag(take_varint(&mut self.rest)?));
        let (Shape { kind, version, length, .. }, body_at) = self.shapes.get_mut(number)?;
        let (kind, version) = (*kind, *version);
        let previous = match revision {
            0 => 0,
            _ => position.checked_sub(take_varint(&mut self.rest)?)?,
        };
        if revision > 0 && !(1..position).contains(&previous) {
            return None;
        }
        let body_end = body_at.checked_add(*length as usize)?;
        let body = self.plain.get(*body_at..body_end)?;
        *body_at = body_end;
        let at = Timestamp(self.at);
        Some(Row { position, stream, revision, previous, at, kind, version, body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::CallId;

    fn record(position: u64, revision: u32, at: i64, body: &[u8]) -> Record<'_> {
        let stream = StreamId::call(CallId([1; 16]));
        let (kind, version) = (revision as u16 * 3, 1 + u8::from(revision == 2));
        Record { position, stream, revision, at: Timestamp(at), kind, version, body }
    }

    #[test]
    fn rows_read_back_as_they_were_written() {
        let body = [7; 300];
        let mut writer = BlockWriter::default();
        // Positions, the stream's number, how many have one, the position before.
        let given = [
            (record(10, 0, 5000, b"a"), 4, 4, 0),
            (record(11, 900, 4000, &body), 0, 5, 3),
            (record(12, 1, 4001, b""), 4, 5, 10),
            (record(13, 0, i64::MIN, b"a"), 5, 5, 0),
            (record(14, 2, i64::MAX, &body), 5, 6, 12),
        ];
        for (record, number, streams, previous) in &given {
            writer.push(record, *number, *streams, *previous);
        }
        let stored = writer.finish(Salt(3), 4096);
        assert!(writer.is_empty());
        let block = Block::decode(&stored, Salt(3), 4096).unwrap();
        assert_eq!((block.first, block.last(), block.count), (10, 14, 5));
        let rows: Vec<_> = block.rows().map(Option::unwrap).collect();
        assert_eq!(rows.len(), given.len());
        for (row, (record, number, _, previous)) in rows.iter().zip(&given) {
            assert_eq!(
                (row.record(record.stream), row.stream, row.previous),
                (*record, *number, *previous)
            );
            assert_eq!(block.rows_to(record.position).unwrap().last(), Some(row));
        }
        assert!(block.rows_to(9).is_none() && block.rows_to(15).is_none());
        assert!(
            Block::decode(&stored, Salt(4), 4096).is_err()
                && Block::decode(&stored, Salt(3), 0).is_err()
        );
    }
}
