//! Which partition a key leads to: as Java's producer chooses it.

/// The partition of a key, of so many. Java's `BuiltInPartitioner`: murmur2 of the key, without
/// its sign. librdkafka calls it `murmur2_random`; its own default leads elsewhere.
pub fn partition_of(key: &[u8], partitions: i32) -> i32 {
    (murmur2(key) & 0x7fff_ffff) as i32 % partitions.max(1)
}

/// MurmurHash2, 32 bits, with the seed of Kafka's `Utils.murmur2`.
fn murmur2(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    let mut hash = SEED ^ data.len() as u32;
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        // Exactly four bytes each.
        let mut k = u32::from_le_bytes([word[0], word[1], word[2], word[3]]).wrapping_mul(M);
        k = (k ^ (k >> 24)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ k;
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        let tail = rest.iter().rev().fold(0, |tail, byte| tail << 8 | u32::from(*byte));
        hash = (hash ^ tail).wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    // From the tests of Kafka itself (`UtilsTest.testMurmur2`).
    #[test]
    fn keys_hash_as_in_java() {
        for (key, wanted) in [
            ("21", -973_932_308_i32),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()) as i32, wanted, "{key}");
        }
    }

    #[test]
    fn a_hash_with_a_sign_leads_to_a_partition_too() {
        assert_eq!(partition_of(b"21", 64), (-973_932_308_i32 & 0x7fff_ffff) % 64);
        assert_eq!(partition_of(b"21", 1), 0);
    }
}
