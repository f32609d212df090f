//! Says of most streams that are not in an index that they are not, without looking there.
//!
//! A Bloom filter in blocks of 480 bits, 12 bits and 7 probes a stream: one in about 150 that are
//! not there costs a look. A stream's block follows from the beginning of its id, in order, so
//! that the filter of a sorted list is written as the list is read.

use crate::bytes::bytes;
use crate::log::streams::STREAM_BYTES;

/// Bytes of a block.
pub(crate) const BLOCK_BYTES: usize = 60;
const BLOCK_BITS: u64 = BLOCK_BYTES as u64 * 8;
const STREAMS_PER_BLOCK: u64 = 40;
const PROBES: u32 = 7;

/// How many blocks a filter for so many streams has.
pub(crate) fn blocks_for(streams: u64) -> u64 {
    streams.div_ceil(STREAMS_PER_BLOCK).max(1)
}

/// Which of so many blocks a stream is in. Rises with the stream.
pub(crate) fn block_of(stream: &[u8; STREAM_BYTES], blocks: u64) -> u64 {
    let prefix = u64::from_be_bytes(bytes(stream, 0));
    u64::try_from((u128::from(prefix) * u128::from(blocks)) >> 64)
        .expect("it is below the number of blocks")
}

/// Puts a stream into its block.
pub(crate) fn insert(block: &mut [u8], stream: &[u8; STREAM_BYTES]) {
    for bit in bits(stream) {
        block[bit / 8] |= 1 << (bit % 8);
    }
}

/// Whether a stream may be in its block.
pub(crate) fn may_contain(block: &[u8], stream: &[u8; STREAM_BYTES]) -> bool {
    bits(stream).all(|bit| block[bit / 8] & (1 << (bit % 8)) != 0)
}

fn bits(stream: &[u8; STREAM_BYTES]) -> impl Iterator<Item = usize> {
    // The finish of SplitMix64 over what the choice of the block has not used up.
    let mut mixed = u64::from_le_bytes(bytes(stream, 8)) ^ u64::from(stream[16]) << 56;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    (0..PROBES).map(move |probe| {
        let nine_bits = mixed >> (9 * probe) & 0x1ff;
        usize::try_from((nine_bits * BLOCK_BITS) >> 9).expect("it is below the bits of a block")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::Dice;

    #[test]
    fn what_is_in_is_always_found_and_what_is_not_seldom() {
        let (mut dice, streams) = (Dice::new(1), 10_000);
        let blocks = blocks_for(streams);
        let mut filter = vec![0; usize::try_from(blocks).unwrap() * BLOCK_BYTES];
        let mut any = move || {
            let mut stream = [0; STREAM_BYTES];
            dice.fill(&mut stream);
            stream
        };
        let place = |stream: &[u8; STREAM_BYTES]| {
            let at = usize::try_from(block_of(stream, blocks)).unwrap() * BLOCK_BYTES;
            at..at + BLOCK_BYTES
        };
        let inside: Vec<_> = (0..streams).map(|_| any()).collect();
        for stream in &inside {
            insert(&mut filter[place(stream)], stream);
        }
        assert!(inside.iter().all(|stream| may_contain(&filter[place(stream)], stream)));
        let wrong = (0..20_000)
            .map(|_| any())
            .filter(|stream| may_contain(&filter[place(stream)], stream))
            .count();
        assert!((1..400).contains(&wrong), "{wrong} of 20000");
    }
}
