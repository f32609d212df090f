//! Streams as they stand in tables, and their ends.

use crate::bytes::bytes;
use hashbrown::HashMap;
use schemas::{Revision, StreamId, StreamKind};

/// A stream in a table: its id and its kind.
pub(crate) const STREAM_BYTES: usize = 17;

/// The last event of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tail {
    pub(crate) revision: Revision,
    pub(crate) position: u64,
}

/// The last events of streams.
pub(crate) type Tails = HashMap<StreamId, Tail, foldhash::fast::RandomState>;

/// A stream as it stands in a table: ids first, since they are spread evenly and kinds are not.
pub(crate) fn encode_stream(stream: StreamId) -> [u8; STREAM_BYTES] {
    let mut entry = [0; STREAM_BYTES];
    entry[..16].copy_from_slice(&stream.id);
    entry[16] = stream.kind as u8;
    entry
}

/// Reads what [`encode_stream`] wrote. `None` when the kind is of a later version.
pub(crate) fn decode_stream(entry: &[u8]) -> Option<StreamId> {
    Some(StreamId { kind: StreamKind::from_number(entry[16])?, id: bytes(entry, 0) })
}
