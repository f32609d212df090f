//! Their audio, made even: packets that come early, late, twice or never become one sample after
//! the other.
//!
//! A ring of samples ordered by timestamp, read a fixed delay behind the first packet. By timestamp
//! and not by sequence number, so that the pauses of a peer that sends nothing while its user is
//! silent, and the digits that take a stretch of audio's place, keep their length. What never came
//! is silence; nothing is stretched, since a recording must say what was heard and when.

use crate::codec::SAMPLES_PER_MS;
use crate::port::Codec;

/// Samples the ring holds: 256 ms. More than that ahead of what is read is a jump.
const RING_SAMPLES: u32 = 2_048;

/// Packets in a row that come too late before the ring believes that their clock moved, not the
/// network.
const LATE_IN_A_ROW_MAX: u8 = 5;

/// After so long a silence a packet that is late comes from a clock that had stopped, as on hold.
const STOPPED_SAMPLES: u32 = 300 * SAMPLES_PER_MS;

/// What became of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kept {
    /// It will be read in its time.
    Kept,
    /// Its time is over.
    Late,
}

/// The ring. About 4 KB, so only streams that are listened to have one.
#[derive(Debug)]
pub struct Jitter {
    samples: Box<[i16; RING_SAMPLES as usize]>,
    delay_samples: u32,
    /// The timestamp that is read next; none until the first packet.
    reads: Option<u32>,
    /// The timestamp after the last sample that was written.
    written: u32,
    late_in_a_row: u8,
}

impl Jitter {
    /// Reads `delay_ms` behind the first packet: as late as a packet may come. 40 to 60 is usual;
    /// more than 200 is cut to that.
    pub fn new(delay_ms: u32) -> Self {
        Self {
            samples: Box::new([0; RING_SAMPLES as usize]),
            delay_samples: delay_ms.min(200) * SAMPLES_PER_MS,
            reads: None,
            written: 0,
            late_in_a_row: 0,
        }
    }

    /// A packet's audio.
    pub fn push(&mut self, timestamp: u32, payload: &[u8], codec: Codec) -> Kept {
        let length = payload.len() as u32;
        if length > RING_SAMPLES - self.delay_samples {
            // Nobody agreed on a packet of 50 ms and more beyond the longest interval.
            return Kept::Late;
        }
        let Some(reads) = self.reads else {
            self.anchor(timestamp);
            self.write(timestamp, payload, codec);
            return Kept::Kept;
        };
        let ahead = timestamp.wrapping_sub(reads) as i32;
        if ahead < 0 {
            self.late_in_a_row += 1;
            let stopped = reads.wrapping_sub(self.written) as i32 > STOPPED_SAMPLES as i32;
            if !stopped && self.late_in_a_row < LATE_IN_A_ROW_MAX {
                return Kept::Late;
            }
            self.anchor(timestamp);
        } else if ahead as u32 + length > RING_SAMPLES {
            self.anchor(timestamp);
        }
        self.late_in_a_row = 0;
        self.write(timestamp, payload, codec);
        Kept::Kept
    }

    /// The next samples; silence where nothing came, and before the first packet.
    pub fn pull(&mut self, into: &mut [i16]) {
        let Some(reads) = self.reads else {
            into.fill(0);
            return;
        };
        for (at, sample) in into.iter_mut().enumerate() {
            let at = reads.wrapping_add(at as u32) % RING_SAMPLES;
            *sample = std::mem::take(&mut self.samples[at as usize]);
        }
        self.reads = Some(reads.wrapping_add(into.len() as u32));
    }

    /// Their numbers begin anew: what is buffered is dropped, and the next packet begins again.
    pub fn restart(&mut self) {
        self.samples.fill(0);
        self.reads = None;
    }

    fn write(&mut self, timestamp: u32, payload: &[u8], codec: Codec) {
        for (at, &byte) in payload.iter().enumerate() {
            let at = timestamp.wrapping_add(at as u32) % RING_SAMPLES;
            self.samples[at as usize] = codec.decode(byte);
        }
        let end = timestamp.wrapping_add(payload.len() as u32);
        if end.wrapping_sub(self.written) as i32 > 0 {
            self.written = end;
        }
    }

    fn anchor(&mut self, timestamp: u32) {
        self.samples.fill(0);
        self.reads = Some(timestamp.wrapping_sub(self.delay_samples));
        self.written = timestamp;
        self.late_in_a_row = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY_MS: u32 = 60;
    const SLOT: usize = 160;

    /// What happens in a slot: the packets that come, as (number, timestamp of its first sample).
    type Slot<'a> = &'a [(u8, u32)];

    /// Feeds slots and prints what is read in each: the packet's number, `.` for silence.
    fn check(slots: &[Slot<'_>], expected: &str) {
        let mut jitter = Jitter::new(DELAY_MS);
        let mut heard = String::new();
        for slot in slots {
            for &(number, timestamp) in *slot {
                jitter.push(
                    timestamp,
                    &[Codec::Pcmu.encode(i16::from(number) * 1_000); SLOT],
                    Codec::Pcmu,
                );
            }
            let mut samples = [0; SLOT];
            jitter.pull(&mut samples);
            let number = (f64::from(samples[0]) / 1_000.0).round() as u32;
            assert!(samples.iter().all(|&sample| sample == samples[0]), "a slot holds one packet");
            heard += &if number == 0 { ".".to_owned() } else { number.to_string() };
        }
        assert_eq!(heard, expected);
    }

    #[test]
    fn even_packets_come_out_the_delay_later() {
        check(&[&[(1, 0)], &[(2, 160)], &[(3, 320)], &[(4, 480)], &[], &[], &[]], "...1234");
    }

    #[test]
    fn before_the_first_packet_there_is_silence() {
        check(&[&[], &[], &[(1, 7_000)], &[], &[], &[]], ".....1");
    }

    #[test]
    fn swapped_and_doubled_packets_come_out_in_order_and_lost_ones_as_silence() {
        check(
            &[&[(1, 0)], &[(3, 320)], &[(2, 160), (2, 160)], &[(5, 640)], &[], &[], &[], &[]],
            "...123.5",
        );
    }

    #[test]
    fn a_packet_that_comes_too_late_is_dropped() {
        check(&[&[(1, 0)], &[], &[(3, 320)], &[], &[], &[(2, 160)], &[(5, 640)], &[]], "...1.3.5");
    }

    #[test]
    fn timestamps_wrap() {
        let first = u32::MAX - 200;
        let at = |packet: u32| first.wrapping_add(packet * 160);
        check(
            &[&[(1, at(0))], &[(2, at(1))], &[(3, at(2))], &[(4, at(3))], &[], &[], &[]],
            "...1234",
        );
    }

    #[test]
    fn a_silence_that_is_not_sent_keeps_its_length() {
        check(&[&[(1, 0)], &[], &[], &[], &[(2, 640)], &[], &[], &[]], "...1...2");
    }

    #[test]
    fn a_clock_that_had_stopped_is_followed_at_once() {
        let mut slots: Vec<Slot<'_>> = vec![&[(1, 0)]];
        slots.resize(22, &[]);
        slots.extend([&[(2, 160)][..], &[(3, 320)], &[], &[], &[]]);
        let silent = ".".repeat(21);
        check(&slots, &format!("...1{silent}23"));
    }

    #[test]
    fn a_jump_and_a_clock_that_falls_behind_begin_again_with_the_delay() {
        check(&[&[(1, 0)], &[(2, 1_000_000)], &[(3, 1_000_160)], &[], &[], &[]], "....23");
        let behind: [(u8, u32); 9] = std::array::from_fn(|n| (n as u8 + 1, n as u32 * 160));
        let slots: Vec<Slot<'_>> = vec![
            &[(1, 5_000)],
            &behind[0..1],
            &behind[1..2],
            &behind[2..3],
            &behind[3..4],
            &behind[4..5],
            &behind[5..6],
            &behind[6..7],
            &behind[7..8],
        ];
        check(&slots, "...1....5");
    }

    #[test]
    fn no_timestamps_or_sizes_make_it_panic() {
        let mut seeded = crate::seeded::Seeded(2);
        let mut jitter = Jitter::new(u32::MAX);
        for _ in 0..20_000 {
            let payload = vec![0x55; seeded.below(2_000)];
            jitter.push(seeded.next() as u32 >> seeded.below(32), &payload, Codec::Pcma);
            jitter.pull(&mut vec![0; seeded.below(600)]);
            if seeded.below(50) == 0 {
                jitter.restart();
            }
        }
    }
}
