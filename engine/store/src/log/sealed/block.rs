//! A block: some hundred events in a row, compressed, with one checksum. Layout in
//! `docs/log-format.md`.
//!
//! A row names its stream by a number that the segment gives to streams in the order of their
//! first event, counted back from the latest: calls that are up at the same time have small
//! numbers. Everything else that rises is written as a difference.

use crate::log::frame::{Record, put_varint, take_varint, unzigzag, zigzag};
use crate::log::header::{Salt, bytes};
use crate::log::pages::checksum;
use schemas::{StreamId, Timestamp};

/// Bytes of a block before what it holds.
pub(crate) const BLOCK_HEADER_BYTES: usize = 32;
/// A block is closed once its rows have this many bytes. Twice as large ones save one byte in
/// thirty, and double what reading one old call costs.
pub(crate) const BLOCK_ROWS_BYTES: usize = 32 * 1024;
/// More than any block's rows can have: one event beyond the limit above, and its header.
pub(crate) const BLOCK_ROWS_BYTES_MAX: usize = BLOCK_ROWS_BYTES + (1 << 17);

const STORED: u8 = 0;
const LZ4: u8 = 1;

/// A block that is being filled.
#[derive(Default)]
pub(crate) struct BlockWriter {
    rows: Vec<u8>,
    first: u64,
    count: u32,
    streams_before: u32,
    at: i64,
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
        let rows = &mut self.rows;
        put_varint(rows, u64::from(streams - number));
        put_varint(rows, u64::from(record.revision));
        let versioned = record.version != 1;
        put_varint(rows, u64::from(record.kind) << 1 | u64::from(versioned));
        if versioned {
            rows.push(record.version);
        }
        put_varint(rows, zigzag(record.at.0.wrapping_sub(self.at)));
        if record.revision > 0 {
            put_varint(rows, record.position - previous);
        }
        put_varint(rows, record.body.len() as u64);
        rows.extend_from_slice(record.body);
        self.at = record.at.0;
        self.count += 1;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn is_full(&self) -> bool {
        self.rows.len() >= BLOCK_ROWS_BYTES
    }

    /// The position of its first event.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// The block as it stands in its file at `offset`. Empties the writer.
    pub(crate) fn finish(&mut self, salt: Salt, offset: u64) -> Vec<u8> {
        let mut block = vec![0; BLOCK_HEADER_BYTES];
        let packed = lz4_flex::block::compress(&self.rows);
        let codec = if packed.len() < self.rows.len() { LZ4 } else { STORED };
        block.extend_from_slice(if codec == LZ4 { &packed } else { &self.rows });
        let length = |bytes: usize| u32::try_from(bytes).expect("a block is bounded").to_le_bytes();
        let size = length(block.len());
        block[4..8].copy_from_slice(&size);
        block[8..12].copy_from_slice(&length(self.rows.len()));
        block[12..16].copy_from_slice(&self.count.to_le_bytes());
        block[16..24].copy_from_slice(&self.first.to_le_bytes());
        block[24..28].copy_from_slice(&self.streams_before.to_le_bytes());
        block[28] = codec;
        let crc = checksum(salt, offset, &block[4..]);
        block[..4].copy_from_slice(&crc.to_le_bytes());
        self.rows.clear();
        self.count = 0;
        block
    }
}

/// A block that has been checked and unpacked.
pub(crate) struct Block {
    rows: Vec<u8>,
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
        if size > BLOCK_ROWS_BYTES_MAX {
            return Err("a block says it holds more than it may");
        }
        let packed = &stored[BLOCK_HEADER_BYTES..];
        let rows = match stored[28] {
            STORED => packed.to_vec(),
            LZ4 => lz4_flex::block::decompress(packed, size)
                .map_err(|_| "a block cannot be unpacked")?,
            _ => return Err("a block is packed in a way that there is not"),
        };
        if rows.len() != size {
            return Err("a block unpacks to another size than it says");
        }
        let (count, streams_before) =
            (u32::from_le_bytes(bytes(stored, 12)), u32::from_le_bytes(bytes(stored, 24)));
        let first = u64::from_le_bytes(bytes(stored, 16));
        if count == 0 || first == 0 || first.checked_add(u64::from(count)).is_none() {
            return Err("a block's positions are impossible");
        }
        Ok(Self { rows, first, count, streams_before })
    }

    /// The position of its last event.
    pub(crate) fn last(&self) -> u64 {
        self.first + u64::from(self.count) - 1
    }

    /// The row of an event. `None` when it is not here or the content is impossible.
    pub(crate) fn row(&self, position: u64) -> Option<Row<'_>> {
        let within = usize::try_from(position.checked_sub(self.first)?).ok()?;
        self.rows().nth(within)?
    }

    /// Its rows, in order. `None` instead of one ends it: the content is impossible.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Option<Row<'_>>> {
        let (mut rest, mut streams, mut at) = (&self.rows[..], self.streams_before, 0);
        let mut next = Some(self.first);
        std::iter::from_fn(move || {
            let position = next?;
            if position > self.last() {
                next = None;
                // Bytes behind the last row are as wrong as too few.
                return (!rest.is_empty()).then_some(None);
            }
            let row = take_row(&mut rest, position, &mut streams, &mut at);
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

fn take_row<'a>(
    rest: &mut &'a [u8],
    position: u64,
    streams: &mut u32,
    at: &mut i64,
) -> Option<Row<'a>> {
    let back = u32::try_from(take_varint(rest)?).ok()?;
    let stream = streams.checked_sub(back)?;
    if back == 0 {
        *streams = streams.checked_add(1)?;
    }
    let revision = u32::try_from(take_varint(rest)?).ok()?;
    let kind = take_varint(rest)?;
    let mut version = 1;
    if kind & 1 == 1 {
        let (first, more) = rest.split_first()?;
        (version, *rest) = (*first, more);
    }
    *at = at.wrapping_add(unzigzag(take_varint(rest)?));
    let previous = match revision {
        0 => 0,
        _ => position
            .checked_sub(take_varint(rest)?)
            .filter(|previous| (1..position).contains(previous))?,
    };
    let length = usize::try_from(take_varint(rest)?).ok()?;
    let (body, more) = rest.split_at_checked(length)?;
    *rest = more;
    let kind = u16::try_from(kind >> 1).ok()?;
    Some(Row { position, stream, revision, previous, at: Timestamp(*at), kind, version, body })
}
