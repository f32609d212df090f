//! A frame: one append, whole or absent. Layout in `docs/log-format.md`.
//!
//! The checksum covers the file's salt and the frame's place as well as its bytes.

use super::header::{POSITION_MAX, Salt};
use crate::api::NewEvent;
use crate::bytes::bytes;
use schemas::{StreamId, StreamKind, Timestamp};

/// Every frame begins with it, so that the next one is found behind damage.
pub const MARK: [u8; 4] = [0xca, 0x11, 0xf0, 0x1d];
/// Bytes of a frame before its records.
pub const FRAME_HEADER_BYTES: usize = 68;
/// The largest frame. An append that needs more is refused.
pub const FRAME_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What a frame says of all its events.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameHead {
    /// Whose events.
    pub stream: StreamId,
    /// The position of the first one.
    pub position: u64,
    /// The revision of the first one.
    pub revision: u32,
    /// The last position that was known to be durable when this was written.
    pub durable: u64,
    /// The position of the stream's event before these; 0 when there is none.
    pub previous: u64,
}

/// A frame that has been checked.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// What it says of all its events.
    pub head: FrameHead,
    /// How many.
    pub count: u16,
    /// Its length in bytes.
    pub length: u32,
    first_at: i64,
    records: &'a [u8],
}

/// An event as it stands in a frame or a block, borrowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record<'a> {
    /// Its position in the log.
    pub position: u64,
    /// Whose event.
    pub stream: StreamId,
    /// Its place in the stream.
    pub revision: u32,
    /// When it happened.
    pub at: Timestamp,
    /// Which type of event.
    pub kind: u16,
    /// Which version of the type.
    pub version: u8,
    /// Its body.
    pub body: &'a [u8],
}

/// Why some bytes are no frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    /// It says it is this long, and there are fewer bytes.
    #[error("a frame of {0} bytes is cut off")]
    Short(usize),
    /// It does not begin with [`MARK`].
    #[error("no frame begins here")]
    NoMark,
    /// A length that no frame has.
    #[error("the frame's length is impossible")]
    Length,
    /// The bytes are not those that were written, or not here.
    #[error("the frame's checksum does not fit")]
    Checksum,
    /// The checksum fits and the content does not: a fault of the program that wrote it.
    #[error("the frame's content is impossible")]
    Content,
    /// A stream of a kind that a later version of the program knows.
    #[error("the frame belongs to a stream of kind {0}, which a newer version of Callfold knows")]
    StreamKind(u8),
}

/// Appends the frame of `events` to `out`; it will stand at `offset` of its file.
pub fn encode(out: &mut Vec<u8>, salt: Salt, offset: u32, head: &FrameHead, events: &[NewEvent]) {
    let start = out.len();
    let first_at = events.first().map_or(0, |event| event.at.0);
    let count = u16::try_from(events.len()).expect("an append is checked before it is encoded");
    out.extend_from_slice(&MARK);
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&count.to_le_bytes());
    out.push(head.stream.kind as u8);
    out.push(0);
    out.extend_from_slice(&head.stream.id);
    out.extend_from_slice(&head.position.to_le_bytes());
    out.extend_from_slice(&head.durable.to_le_bytes());
    out.extend_from_slice(&head.previous.to_le_bytes());
    out.extend_from_slice(&head.revision.to_le_bytes());
    out.extend_from_slice(&first_at.to_le_bytes());
    let mut before = first_at;
    for event in events {
        put_record(
            out,
            event.encoded.kind,
            event.encoded.version,
            event.at.0,
            before,
            &event.encoded.body,
        );
        before = event.at.0;
    }
    let length =
        u32::try_from(out.len() - start).expect("an append is checked before it is encoded");
    out[start + 8..start + 12].copy_from_slice(&length.to_le_bytes());
    sign(&mut out[start..], salt, offset);
}

/// Writes the checksum of a frame that is complete but for it.
pub(crate) fn sign(frame: &mut [u8], salt: Salt, offset: u32) {
    let crc = checksum(salt, offset, &frame[8..]);
    frame[4..8].copy_from_slice(&crc.to_le_bytes());
}

/// How long the frame that begins here says it is.
///
/// # Errors
/// Any [`Fault`] but a checksum's: only the length has been looked at.
pub fn length(from: &[u8]) -> Result<usize, Fault> {
    if from.len() < FRAME_HEADER_BYTES {
        return Err(Fault::Short(FRAME_HEADER_BYTES));
    }
    if from[..4] != MARK {
        return Err(Fault::NoMark);
    }
    let length = u32::from_le_bytes(bytes(from, 8)) as usize;
    if (FRAME_HEADER_BYTES..=FRAME_BYTES_MAX).contains(&length) {
        Ok(length)
    } else {
        Err(Fault::Length)
    }
}

/// Checks the frame at the beginning of `from`, which stands at `offset` of its file.
///
/// # Errors
/// What is wrong with it.
pub fn decode(from: &[u8], salt: Salt, offset: u32) -> Result<Frame<'_>, Fault> {
    let length = length(from)?;
    let frame = from.get(..length).ok_or(Fault::Short(length))?;
    if checksum(salt, offset, &frame[8..]) != u32::from_le_bytes(bytes(frame, 4)) {
        return Err(Fault::Checksum);
    }
    let kind = StreamKind::from_number(frame[14]).ok_or(Fault::StreamKind(frame[14]))?;
    let frame = Frame {
        head: FrameHead {
            stream: StreamId { kind, id: bytes(frame, 16) },
            position: u64::from_le_bytes(bytes(frame, 32)),
            durable: u64::from_le_bytes(bytes(frame, 40)),
            previous: u64::from_le_bytes(bytes(frame, 48)),
            revision: u32::from_le_bytes(bytes(frame, 56)),
        },
        count: u16::from_le_bytes(bytes(frame, 12)),
        length: u32::try_from(length).expect("the largest frame fits a u32"),
        first_at: i64::from_le_bytes(bytes(frame, 60)),
        records: &frame[FRAME_HEADER_BYTES..],
    };
    let count = u64::from(frame.count);
    let sound = frame.count > 0
        && frame.head.position > frame.head.previous
        && frame.head.position > frame.head.durable
        && (frame.head.previous == 0) == (frame.head.revision == 0)
        && frame.head.position <= POSITION_MAX - count
        && u64::from(frame.head.revision) + count <= u64::from(u32::MAX);
    if sound { Ok(frame) } else { Err(Fault::Content) }
}

/// Begins where file and place say, so that the same bytes elsewhere have another checksum.
fn checksum(salt: Salt, offset: u32, covered: &[u8]) -> u32 {
    crc32c::crc32c_append(salt.0 ^ offset, covered)
}

impl<'a> Frame<'a> {
    /// The position of its last event.
    pub fn last_position(&self) -> u64 {
        self.head.position + u64::from(self.count) - 1
    }

    /// The revision of its last event.
    pub fn last_revision(&self) -> u32 {
        self.head.revision + u32::from(self.count) - 1
    }

    /// Its events, in order. `Err` ends it: the content is impossible.
    pub fn records(&self) -> impl Iterator<Item = Result<Record<'a>, Fault>> + use<'a> {
        let frame = *self;
        let (mut rest, mut at, mut next) = (self.records, self.first_at, 0);
        std::iter::from_fn(move || {
            if next == u32::from(frame.count) {
                // Bytes behind the last record are as wrong as too few.
                let left = std::mem::take(&mut rest).len();
                return (left > 0).then_some(Err(Fault::Content));
            }
            let record = take_record(&mut rest, &mut at).map(|(kind, version, body)| Record {
                position: frame.head.position + u64::from(next),
                stream: frame.head.stream,
                revision: frame.head.revision + next,
                at: Timestamp(at),
                kind,
                version,
                body,
            });
            next += 1;
            if record.is_none() {
                (next, rest) = (u32::from(frame.count), &[]);
            }
            Some(record.ok_or(Fault::Content))
        })
    }
}

fn put_record(out: &mut Vec<u8>, kind: u16, version: u8, at: i64, before: i64, body: &[u8]) {
    out.extend_from_slice(&kind.to_le_bytes());
    out.push(version);
    put_varint(out, zigzag(at.wrapping_sub(before)));
    put_varint(out, body.len() as u64);
    out.extend_from_slice(body);
}

fn take_record<'a>(from: &mut &'a [u8], at: &mut i64) -> Option<(u16, u8, &'a [u8])> {
    let (&[low, high, version], rest) = from.split_first_chunk::<3>()?;
    *from = rest;
    *at = at.wrapping_add(unzigzag(take_varint(from)?));
    let length = usize::try_from(take_varint(from)?).ok()?;
    let (body, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some((u16::from_le_bytes([low, high]), version, body))
}

/// LEB128: seven bits a byte, the low ones first.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Reads what [`put_varint`] wrote. `None` when it is cut off or more than 64 bits.
pub(crate) fn take_varint(from: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = from.split_first()?;
        *from = rest;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        number |= bits << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

/// Small numbers of either sign as small numbers without one.
pub(crate) fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

/// Undoes [`zigzag`].
pub(crate) fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::CallId;
    use schemas::event::Encoded;

    const SALT: Salt = Salt(0x1234_5678);

    fn event(at: i64, body: &[u8]) -> NewEvent {
        NewEvent {
            encoded: Encoded { kind: 17, version: 1, body: body.to_vec() },
            at: Timestamp(at),
        }
    }

    fn head() -> FrameHead {
        let stream = StreamId::call(CallId([9; 16]));
        FrameHead { stream, position: 100, revision: 3, durable: 98, previous: 97 }
    }

    fn sample() -> Vec<u8> {
        let mut out = Vec::new();
        encode(
            &mut out,
            SALT,
            4096,
            &head(),
            &[event(1_790_000_000_000, b"one"), event(1_789_999_999_990, b"")],
        );
        out
    }

    #[test]
    fn a_frame_reads_back_as_it_was_written() {
        let out = sample();
        let frame = decode(&out, SALT, 4096).unwrap();
        assert_eq!((frame.head, frame.count, frame.length as usize), (head(), 2, out.len()));
        assert_eq!((frame.last_position(), frame.last_revision()), (101, 4));
        let records: Vec<_> = frame.records().map(Result::unwrap).collect();
        assert_eq!((records[0].body, records[0].at), (&b"one"[..], Timestamp(1_790_000_000_000)));
        assert_eq!((records[1].body, records[1].at), (&b""[..], Timestamp(1_789_999_999_990)));
        assert_eq!((records[1].position, records[1].revision, records[1].kind), (101, 4, 17));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_of_a_frame_is_noticed() {
        let out = sample();
        for bit in 0..out.len() * 8 {
            let mut damaged = out.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&damaged, SALT, 4096).is_err(), "bit {bit}");
        }
        for end in 0..out.len() {
            assert!(
                matches!(decode(&out[..end], SALT, 4096), Err(Fault::Short(_))),
                "cut at {end}"
            );
        }
    }

    #[test]
    fn a_frame_of_another_file_or_place_is_none_of_ours() {
        let out = sample();
        assert_eq!(decode(&out, Salt(1), 4096).unwrap_err(), Fault::Checksum);
        assert_eq!(decode(&out, SALT, 8192).unwrap_err(), Fault::Checksum);
    }

    #[test]
    fn numbers_read_back_and_too_long_ones_do_not() {
        for number in [0, 1, 127, 128, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            put_varint(&mut out, number);
            assert_eq!(take_varint(&mut &out[..]), Some(number));
        }
        assert_eq!(take_varint(&mut &[0xff; 10][..]), None);
        assert_eq!(take_varint(&mut &[0x80][..]), None);
        for number in [0, -1, 1, i64::MIN, i64::MAX] {
            assert_eq!(unzigzag(zigzag(number)), number);
        }
    }
}
