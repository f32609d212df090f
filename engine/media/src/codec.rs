//! G.711: the one place that touches samples' encoding.
//!
//! Prompts are encoded once, when they are loaded, and recordings decoded from a table, so nothing
//! here runs per packet but [`Codec::decode`] of a recorded call (a table of 256 in the codec
//! crate).

use audio_codec_algorithms::{decode_alaw, decode_ulaw, encode_alaw, encode_ulaw};

use crate::port::Codec;

/// Samples per second of every stream here.
pub const SAMPLE_RATE_HZ: u32 = 8_000;

/// Samples per millisecond, and in G.711 also bytes.
pub const SAMPLES_PER_MS: u32 = SAMPLE_RATE_HZ / 1_000;

impl Codec {
    /// One sample of 16 bits to its byte.
    pub fn encode(self, sample: i16) -> u8 {
        match self {
            Self::Pcmu => encode_ulaw(sample),
            Self::Pcma => encode_alaw(sample),
        }
    }

    /// A byte to its sample of 16 bits.
    #[inline]
    pub fn decode(self, byte: u8) -> i16 {
        match self {
            Self::Pcmu => decode_ulaw(byte),
            Self::Pcma => decode_alaw(byte),
        }
    }

    /// The byte that is nothing to hear.
    pub fn silence(self) -> u8 {
        match self {
            Self::Pcmu => 0xff,
            Self::Pcma => 0xd5,
        }
    }

    /// The codec of a static payload type, if it is one of ours.
    pub fn of_payload_type(payload_type: u8) -> Option<Self> {
        match payload_type {
            0 => Some(Self::Pcmu),
            8 => Some(Self::Pcma),
            _ => None,
        }
    }

    /// The codec that SDP calls so, in whatever case.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Pcmu, Self::Pcma].into_iter().find(|codec| codec.name().eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives_a_trip_through_samples() {
        for codec in [Codec::Pcmu, Codec::Pcma] {
            for byte in 0..=255u8 {
                // µ-law has two zeros; 0x7f comes back as 0xff.
                let expected = if codec == Codec::Pcmu && byte == 0x7f { 0xff } else { byte };
                assert_eq!(codec.encode(codec.decode(byte)), expected, "{codec:?} {byte:#x}");
            }
        }
    }

    #[test]
    fn silence_is_as_near_to_zero_as_the_law_has_it() {
        assert_eq!(Codec::Pcmu.decode(Codec::Pcmu.silence()), 0);
        assert_eq!(Codec::Pcma.decode(Codec::Pcma.silence()), 8);
    }

    #[test]
    fn the_loudest_sample_is_not_wrapped() {
        for codec in [Codec::Pcmu, Codec::Pcma] {
            assert!(codec.decode(codec.encode(i16::MAX)) > 31_000);
            assert!(codec.decode(codec.encode(i16::MIN)) < -31_000);
        }
    }
}
