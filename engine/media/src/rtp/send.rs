//! Our own packets' numbers: SSRC, sequence, timestamp, counts (RFC 3550, 5.1 and 6.4.1).
//!
//! The timestamp follows the slot clock whether or not anything is sent, so that a prompt after a
//! silence is heard when it is said, and a digit in the middle of a prompt does not shift it.

use super::packet::{HEADER_BYTES, Header};

/// The sending half of a stream.
#[derive(Clone, Debug)]
pub struct Sending {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    packets: u32,
    octets: u32,
    /// Whether the packet before carried audio: a talkspurt's first one gets the marker (RFC 3551,
    /// 4.1).
    talking: bool,
}

impl Sending {
    /// A stream whose SSRC and first numbers come from `random`: they must not be guessed (RFC
    /// 3550, 5.1).
    pub fn new(random: u64, more_random: u32) -> Self {
        let [s0, s1, q0, q1, t0, t1, t2, t3] = random.to_be_bytes();
        Self {
            ssrc: more_random,
            // Below half, so that the first wrap is a minute away and not in the first packets.
            sequence: u16::from_be_bytes([q0 ^ s0, q1 ^ s1]) >> 1,
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            packets: 0,
            octets: 0,
            talking: false,
        }
    }

    /// Our SSRC.
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// The timestamp of what is sent now.
    pub fn timestamp(&self) -> u32 {
        self.timestamp
    }

    /// RTP packets sent.
    pub fn packets(&self) -> u32 {
        self.packets
    }

    /// Payload bytes sent, modulo 2^32 as a sender report counts them.
    pub fn octets(&self) -> u32 {
        self.octets
    }

    /// The slot is over: the next packet begins so many samples later.
    #[inline]
    pub fn advance(&mut self, samples: u32) {
        self.timestamp = self.timestamp.wrapping_add(samples);
    }

    /// Nothing was sent in this slot: the next audio begins a talkspurt.
    #[inline]
    pub fn fall_silent(&mut self) {
        self.talking = false;
    }

    /// Writes the header of an audio packet.
    #[inline]
    pub fn audio(&mut self, head: &mut [u8; HEADER_BYTES], payload_type: u8, payload_bytes: usize) {
        let marker = !std::mem::replace(&mut self.talking, true);
        self.write(head, marker, payload_type, self.timestamp, payload_bytes);
    }

    /// Writes the header of a digit's packet, stamped with the time its key went down (RFC 4733,
    /// 2.3).
    pub fn event(
        &mut self,
        head: &mut [u8; HEADER_BYTES],
        payload_type: u8,
        began: u32,
        first: bool,
        payload_bytes: usize,
    ) {
        self.talking = false;
        self.write(head, first, payload_type, began, payload_bytes);
    }

    #[inline]
    fn write(
        &mut self,
        head: &mut [u8; HEADER_BYTES],
        marker: bool,
        payload_type: u8,
        timestamp: u32,
        payload_bytes: usize,
    ) {
        Header { marker, payload_type, sequence: self.sequence, timestamp, ssrc: self.ssrc }
            .write(head);
        self.sequence = self.sequence.wrapping_add(1);
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(payload_bytes as u32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::packet::Packet;

    /// One slot after another, audio or not; the (marker, sequence, timestamp) of those sent, from
    /// the first.
    fn check(slots: &[bool], expected: &[(bool, u16, u32)]) {
        let mut sending = Sending::new(0x0000_0000_ffff_fff0, 9);
        let mut sent = Vec::new();
        let mut head = [0; HEADER_BYTES];
        for &audio in slots {
            if audio {
                sending.audio(&mut head, 0, 160);
                let header = Packet::read(&head).expect("our own header").header;
                sent.push((
                    header.marker,
                    header.sequence,
                    header.timestamp.wrapping_sub(0xffff_fff0),
                ));
            } else {
                sending.fall_silent();
            }
            sending.advance(160);
        }
        assert_eq!(sent, expected);
        assert_eq!(
            (sending.packets(), sending.octets()),
            (sent.len() as u32, sent.len() as u32 * 160)
        );
    }

    #[test]
    fn silence_moves_the_clock_but_not_the_sequence() {
        check(&[true, true, false, false, true], &[(true, 0, 0), (false, 1, 160), (true, 2, 640)]);
    }

    #[test]
    fn a_digit_keeps_the_time_its_key_went_down() {
        let mut sending = Sending::new(5, 9);
        let mut head = [0; HEADER_BYTES];
        let began = sending.timestamp();
        for packet in 0..3 {
            sending.event(&mut head, 101, began, packet == 0, 4);
            sending.advance(160);
            let header = Packet::read(&head).expect("our own header").header;
            assert_eq!((header.marker, header.timestamp), (packet == 0, began));
        }
        sending.audio(&mut head, 0, 160);
        let header = Packet::read(&head).expect("our own header").header;
        assert!(header.marker, "audio after a digit begins anew");
        assert_eq!(header.timestamp, began + 3 * 160);
    }
}
