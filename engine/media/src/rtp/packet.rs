//! One RTP packet (RFC 3550, 5.1).
//!
//! Our own parser and not the `rtp` crate's: that one allocates per packet and takes 46 ns for what
//! takes 5, and it brings 48 crates. The crate is our oracle instead: a test holds both to the same
//! answer.

/// Bytes of the header we send: no contributing sources, no extension.
pub const HEADER_BYTES: usize = 12;

/// The header of an RTP packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Starts a talkspurt, or is the first packet of a digit.
    pub marker: bool,
    /// What the payload is, below 128.
    pub payload_type: u8,
    /// Rises by one with each packet, and wraps.
    pub sequence: u16,
    /// When the first sample was taken, in samples; wraps.
    pub timestamp: u32,
    /// Who sends.
    pub ssrc: u32,
}

/// A packet that was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet<'a> {
    /// Its header.
    pub header: Header,
    /// What it carries, without padding. May be empty.
    pub payload: &'a [u8],
}

/// Why bytes are not an RTP packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotRtp {
    /// Shorter than its own header says.
    #[error("shorter than its header")]
    Short,
    /// Not version 2: STUN, DTLS, noise.
    #[error("not RTP version 2")]
    Version,
    /// RTCP that came to the RTP port (RFC 5761, 4).
    #[error("RTCP")]
    Rtcp,
    /// Padding that is longer than what is there, or zero.
    #[error("bad padding")]
    Padding,
}

impl Header {
    /// Writes the 12 bytes that go before the payload.
    #[inline]
    pub fn write(&self, into: &mut [u8; HEADER_BYTES]) {
        into[0] = 0x80;
        into[1] = u8::from(self.marker) << 7 | self.payload_type;
        into[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        into[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        into[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
    }
}

impl<'a> Packet<'a> {
    /// Reads a datagram. Contributing sources and extensions are stepped over.
    #[inline]
    pub fn read(bytes: &'a [u8]) -> Result<Self, NotRtp> {
        let (fixed, mut rest) = bytes.split_first_chunk::<HEADER_BYTES>().ok_or(NotRtp::Short)?;
        let [first, second, s0, s1, t0, t1, t2, t3, i0, i1, i2, i3] = *fixed;
        if first >> 6 != 2 {
            return Err(NotRtp::Version);
        }
        if is_rtcp_type(second) {
            return Err(NotRtp::Rtcp);
        }
        rest = rest.get(usize::from(first & 0x0f) * 4..).ok_or(NotRtp::Short)?;
        if first & 0x10 != 0 {
            let ([_, _, high, low], after) = rest.split_first_chunk::<4>().ok_or(NotRtp::Short)?;
            let words = usize::from(u16::from_be_bytes([*high, *low]));
            rest = after.get(words * 4..).ok_or(NotRtp::Short)?;
        }
        if first & 0x20 != 0 {
            let padding = usize::from(*rest.last().ok_or(NotRtp::Padding)?);
            let kept =
                rest.len().checked_sub(padding).filter(|_| padding > 0).ok_or(NotRtp::Padding)?;
            rest = &rest[..kept];
        }
        let header = Header {
            marker: second & 0x80 != 0,
            payload_type: second & 0x7f,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([i0, i1, i2, i3]),
        };
        Ok(Self { header, payload: rest })
    }
}

/// Whether a second byte is an RTCP packet type (RFC 5761, 4: 192 to 223).
pub fn is_rtcp_type(byte: u8) -> bool {
    (192..=223).contains(&byte)
}

#[cfg(test)]
mod tests {
    use rtp::packet::Packet as Theirs;
    use webrtc_util::marshal::Unmarshal;

    use super::*;
    use crate::seeded::Seeded;

    const HEADER: Header = Header {
        marker: true,
        payload_type: 8,
        sequence: 65_535,
        timestamp: 0xfedc_ba98,
        ssrc: 0x0102_0304,
    };

    fn packet(payload: &[u8]) -> Vec<u8> {
        let mut head = [0; HEADER_BYTES];
        HEADER.write(&mut head);
        [&head, payload].concat()
    }

    #[test]
    fn what_we_write_is_read_back() {
        let bytes = packet(b"payload");
        assert_eq!(Packet::read(&bytes), Ok(Packet { header: HEADER, payload: b"payload" }));
    }

    #[test]
    fn sources_extension_and_padding_are_stepped_over() {
        let mut bytes = packet(b"");
        bytes[0] = 0x80 | 0x20 | 0x10 | 2;
        bytes.extend([0; 8]);
        bytes.extend([0xbe, 0xde, 0, 1, 1, 2, 3, 4]);
        bytes.extend(b"audio");
        bytes.extend([0, 0, 3]);
        assert_eq!(Packet::read(&bytes).map(|packet| packet.payload), Ok(&b"audio"[..]));
    }

    #[test]
    fn what_is_not_rtp_says_why() {
        let changed = |at: usize, byte: u8| {
            let mut bytes = packet(b"xyz");
            bytes[at] = byte;
            bytes
        };
        for (bytes, why) in [
            (vec![], NotRtp::Short),
            (packet(b"")[..11].to_vec(), NotRtp::Short),
            (changed(0, 0x00), NotRtp::Version),
            (changed(1, 200), NotRtp::Rtcp),
            (changed(0, 0x81), NotRtp::Short),
            (changed(0, 0x90), NotRtp::Short),
            ([&changed(0, 0xa0)[..], &[0]].concat(), NotRtp::Padding),
            ([&changed(0, 0xa0)[..], &[5]].concat(), NotRtp::Padding),
        ] {
            assert_eq!(Packet::read(&bytes), Err(why), "{bytes:02x?}");
        }
    }

    /// The `rtp` crate is the second opinion: wherever both read a packet, they read the same one.
    #[test]
    fn mutated_packets_never_panic_and_read_as_the_rtp_crate_reads_them() {
        let mut extended = packet(b"");
        extended[0] = 0x80 | 0x10 | 1;
        extended.extend([0, 0, 0, 9, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8]);
        let mut padded = packet(b"audio");
        padded[0] |= 0x20;
        padded.extend([0, 0, 0, 4]);
        let mut seeded = Seeded(11);
        let (mut both, mut neither) = (0, 0);
        for _ in 0..60_000 {
            let bytes = seeded.mutated(&[&packet(b"payload of some length"), &extended, &padded]);
            let theirs = Theirs::unmarshal(&mut &bytes[..]);
            match (Packet::read(&bytes), theirs) {
                (Ok(ours), Ok(theirs)) => {
                    both += 1;
                    let head = &theirs.header;
                    let read = Header {
                        marker: head.marker,
                        payload_type: head.payload_type,
                        sequence: head.sequence_number,
                        timestamp: head.timestamp,
                        ssrc: head.ssrc,
                    };
                    assert_eq!(ours.header, read, "{bytes:02x?}");
                    assert_eq!(ours.payload, &theirs.payload[..], "{bytes:02x?}");
                }
                _ => neither += 1,
            }
        }
        assert!(both > 10_000 && neither > 10_000, "{both} read by both, {neither} not: one-sided");
    }
}
