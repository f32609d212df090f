//! What came in: which packets count, how many never came, how unevenly they came (RFC 3550, 6.4
//! and appendix A).
//!
//! One [`Reception`] is one stream's whole life. The other side may start again in the middle of
//! it, with a new SSRC or a jump in its numbers (a transfer, a media server that takes over): then
//! counting goes on in a new `Run`, and the totals are those of all runs.

use super::packet::Header;
use crate::codec::SAMPLES_PER_MS;

/// A gap up to this many packets is loss, beyond it is a restart (RFC 3550, A.1).
const DROPOUT_MAX: u16 = 3_000;

/// How far back a packet may be misordered. Beyond it is a restart (RFC 3550, A.1 says 100; the
/// history by which doubles are known holds 64).
const MISORDER_MAX: u16 = 64;

/// How often the other side may start again under a new SSRC before it is a nuisance. A transfer or
/// music on hold makes one change; nobody makes hundreds.
const SSRC_CHANGES_MAX: u16 = 64;

/// What a packet is to the stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arrival {
    /// New: use it. Its extended sequence number rises over wraps and restarts alike.
    New {
        /// The sequence number with its wraps counted, from some beginning.
        sequence: u64,
        /// Whether their numbers begin anew here: what was buffered no longer fits.
        restarted: bool,
    },
    /// Came before: drop it.
    Duplicate,
    /// Too old to be told from a double: drop it.
    Late,
    /// From a jump or a new source that one more packet must confirm (RFC 3550, A.1): drop it.
    Unconfirmed,
}

/// Counts and timing of all that was received.
#[derive(Clone, Debug, Default)]
pub struct Reception {
    run: Option<Run>,
    /// The header that began a jump or a new source, until its successor comes.
    unconfirmed: Option<(u32, u16)>,
    /// Sums of the runs before this one.
    expected_before: u64,
    received: u32,
    discarded: u32,
    ssrc_changes: u16,
    /// Interarrival jitter in samples, times 16 (RFC 3550, A.8).
    jitter_16ths: u32,
    expected_prior: u64,
    received_prior: u32,
}

/// Numbers that follow on each other, of one SSRC.
#[derive(Clone, Copy, Debug)]
struct Run {
    ssrc: u32,
    /// Extended sequence number of the first packet, and of the highest.
    base: u64,
    highest: u64,
    /// Bit n: `highest - n` came.
    history: u64,
    /// Transit time of the packet before, and its timestamp: equal timestamps are one digit's
    /// packets.
    transit: Option<(u32, u32)>,
}

/// A report block's worth (RFC 3550, 6.4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tally {
    /// Whom it is about.
    pub ssrc: u32,
    /// Loss since the tally before, in 1/256.
    pub lost_256ths: u8,
    /// Lost since the beginning.
    pub lost: u32,
    /// The highest sequence number with the low 16 bits of its wraps.
    pub highest: u32,
    /// In samples.
    pub jitter: u32,
}

impl Reception {
    /// Judges a packet that came at `now_us` and counts it. `timed` is whether its timestamp says
    /// when it was made: a digit's packets all carry the digit's start, so they say nothing about
    /// jitter.
    pub fn hear(&mut self, header: &Header, now_us: u64, timed: bool) -> Arrival {
        let arrival = self.place(header);
        match arrival {
            Arrival::New { .. } => {
                self.received += 1;
                if timed {
                    self.time(header.timestamp, now_us);
                }
            }
            _ => self.discarded += 1,
        }
        arrival
    }

    /// A packet was thrown away before it was judged: from a stranger, or not RTP.
    pub fn discard(&mut self) {
        self.discarded = self.discarded.saturating_add(1);
    }

    /// Used packets, all runs together.
    pub fn received(&self) -> u32 {
        self.received
    }

    /// Packets that were thrown away.
    pub fn discarded(&self) -> u32 {
        self.discarded
    }

    /// Packets that never came. A double of a lost one can make it less, never less than 0.
    pub fn lost(&self) -> u32 {
        u32::try_from(self.expected().saturating_sub(u64::from(self.received))).unwrap_or(u32::MAX)
    }

    /// Interarrival jitter in microseconds.
    pub fn jitter_us(&self) -> u32 {
        (u64::from(self.jitter_16ths) * 1_000 / u64::from(16 * SAMPLES_PER_MS)) as u32
    }

    /// A report on what came since the last one. None when nothing ever came.
    pub fn tally(&mut self) -> Option<Tally> {
        let run = self.run?;
        let expected = self.expected();
        let expected_now = expected - self.expected_prior;
        let received_now = u64::from(self.received - self.received_prior);
        (self.expected_prior, self.received_prior) = (expected, self.received);
        let lost_now = expected_now.saturating_sub(received_now);
        Some(Tally {
            ssrc: run.ssrc,
            lost_256ths: (lost_now * 256)
                .checked_div(expected_now)
                .map_or(0, |part| part.min(255) as u8),
            lost: self.lost(),
            highest: (run.highest - (run.base & !0xffff)) as u32,
            jitter: self.jitter_16ths >> 4,
        })
    }

    fn expected(&self) -> u64 {
        self.expected_before + self.run.map_or(0, |run| run.highest - run.base + 1)
    }

    fn place(&mut self, header: &Header) -> Arrival {
        let Some(run) = &mut self.run else {
            return self.begin(header);
        };
        if run.ssrc != header.ssrc {
            return self.confirm(header);
        }
        let step = header.sequence.wrapping_sub(run.highest as u16);
        if step == 0 {
            return Arrival::Duplicate;
        }
        if step < DROPOUT_MAX {
            run.highest += u64::from(step);
            run.history = run.history.checked_shl(u32::from(step)).unwrap_or(0) | 1;
            self.unconfirmed = None;
            return Arrival::New { sequence: run.highest, restarted: false };
        }
        let back = step.wrapping_neg();
        if back >= MISORDER_MAX {
            return self.confirm(header);
        }
        // Older than the first one: that one overtook it, and what is counted begins there.
        let Some(sequence) = run.highest.checked_sub(u64::from(back)).filter(|&it| it >= run.base)
        else {
            return Arrival::Late;
        };
        let bit = 1 << back;
        if run.history & bit != 0 {
            return Arrival::Duplicate;
        }
        run.history |= bit;
        Arrival::New { sequence, restarted: false }
    }

    /// A jump or a new source: believed when two packets follow on each other, so that one stray
    /// packet does not throw the stream out of step.
    fn confirm(&mut self, header: &Header) -> Arrival {
        let new_source = self.run.is_some_and(|run| run.ssrc != header.ssrc);
        if new_source && self.ssrc_changes >= SSRC_CHANGES_MAX {
            return Arrival::Late;
        }
        if self.unconfirmed == Some((header.ssrc, header.sequence)) {
            self.ssrc_changes += u16::from(new_source);
            return self.begin(header);
        }
        self.unconfirmed = Some((header.ssrc, header.sequence.wrapping_add(1)));
        Arrival::Unconfirmed
    }

    fn begin(&mut self, header: &Header) -> Arrival {
        let restarted = self.run.is_some();
        self.expected_before = self.expected();
        // The low 16 bits must be the sequence number's, and the whole must rise over every
        // restart.
        let after = self.run.map_or(0, |run| run.highest + 1);
        let base = (after & !0xffff) + u64::from(header.sequence);
        let base = if base < after { base + 0x1_0000 } else { base };
        self.run = Some(Run { ssrc: header.ssrc, base, highest: base, history: 1, transit: None });
        self.unconfirmed = None;
        Arrival::New { sequence: base, restarted }
    }

    /// RFC 3550, A.8, in integers.
    fn time(&mut self, timestamp: u32, now_us: u64) {
        let Some(run) = &mut self.run else { return };
        let arrival = (now_us * u64::from(SAMPLES_PER_MS) / 1_000) as u32;
        let transit = arrival.wrapping_sub(timestamp);
        let before = run.transit.replace((transit, timestamp));
        if let Some((before, stamped)) = before
            && stamped != timestamp
        {
            let difference = (transit.wrapping_sub(before) as i32).unsigned_abs();
            // After a pause some stamp as if it had not been: a second is no jitter but a new
            // beginning.
            if difference < 1_000 * SAMPLES_PER_MS {
                self.jitter_16ths = self.jitter_16ths + difference - ((self.jitter_16ths + 8) >> 4);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Arrival::{Duplicate, Late, Unconfirmed};
    use super::*;

    fn header(ssrc: u32, sequence: u16) -> Header {
        let timestamp = u32::from(sequence) * 160;
        Header { marker: false, payload_type: 0, sequence, timestamp, ssrc }
    }

    fn new(sequence: u64) -> Arrival {
        Arrival::New { sequence, restarted: false }
    }

    fn restarted(sequence: u64) -> Arrival {
        Arrival::New { sequence, restarted: true }
    }

    /// Packets by (SSRC, sequence number), what each is, then (received, lost, discarded).
    fn check(packets: &[(u32, u16, Arrival)], counts: (u32, u32, u32)) {
        let mut reception = Reception::default();
        for (at, &(ssrc, sequence, expected)) in packets.iter().enumerate() {
            let arrival = reception.hear(&header(ssrc, sequence), at as u64 * 20_000, true);
            assert_eq!(arrival, expected, "packet {at}: {ssrc} {sequence}");
        }
        assert_eq!((reception.received(), reception.lost(), reception.discarded()), counts);
    }

    #[test]
    fn a_gap_is_loss_until_it_is_filled() {
        check(&[(1, 10, new(10)), (1, 13, new(13))], (2, 2, 0));
        check(&[(1, 10, new(10)), (1, 13, new(13)), (1, 11, new(11))], (3, 1, 0));
    }

    #[test]
    fn doubles_and_ancient_packets_are_thrown_away() {
        check(
            &[(1, 10, new(10)), (1, 10, Duplicate), (1, 11, new(11)), (1, 10, Duplicate)],
            (2, 0, 2),
        );
        check(&[(1, 10, new(10)), (1, 9, Late)], (1, 0, 1));
        check(
            &[(1, 10, new(10)), (1, 80, new(80)), (1, 17, new(17)), (1, 16, Unconfirmed)],
            (3, 68, 1),
        );
    }

    #[test]
    fn sequence_numbers_wrap() {
        let wrapped = &[(1, 65_534, new(65_534)), (1, 1, new(65_537)), (1, 65_535, new(65_535))];
        check(wrapped, (3, 1, 0));
    }

    #[test]
    fn a_jump_is_believed_when_two_packets_follow_on_each_other() {
        check(
            &[
                (1, 10, new(10)),
                (1, 30_000, Unconfirmed),
                (1, 11, new(11)),
                (1, 30_001, Unconfirmed),
                (1, 30_002, restarted(30_002)),
                (1, 30_003, Arrival::New { sequence: 30_003, restarted: false }),
            ],
            (4, 0, 2),
        );
    }

    #[test]
    fn a_new_source_takes_over_without_counting_as_loss() {
        check(
            &[
                (1, 40_000, new(40_000)),
                (2, 5, Unconfirmed),
                (2, 6, restarted(65_542)),
                (1, 40_001, Unconfirmed),
                (2, 7, new(65_543)),
            ],
            (3, 0, 2),
        );
    }

    #[test]
    fn sources_that_change_for_ever_are_not_followed() {
        let mut reception = Reception::default();
        for ssrc in 0..1_000 {
            reception.hear(&header(ssrc, 1), 0, true);
            reception.hear(&header(ssrc, 2), 0, true);
        }
        assert_eq!(reception.received(), 1 + 1 + u32::from(SSRC_CHANGES_MAX));
    }

    #[test]
    fn jitter_is_that_of_the_rfc() {
        let hear = |late_us: &dyn Fn(u64) -> u64| {
            let mut reception = Reception::default();
            for packet in 0..1_000u64 {
                reception.hear(&header(1, packet as u16), packet * 20_000 + late_us(packet), true);
            }
            reception.jitter_us()
        };
        assert_eq!(hear(&|_| 0), 0);
        assert_eq!(hear(&|_| 500_000), 0, "a constant delay is no jitter");
        // Every second packet is 5 ms late, so each differs from the one before by 5 ms.
        let jitter = hear(&|packet| packet % 2 * 5_000);
        assert!((4_900..=5_000).contains(&jitter), "{jitter}");
    }

    #[test]
    fn a_digit_held_for_a_second_is_no_jitter() {
        let mut reception = Reception::default();
        for packet in 0..50u16 {
            let held = Header { timestamp: 800, ..header(1, packet) };
            reception.hear(&held, u64::from(packet) * 20_000, false);
        }
        assert_eq!(reception.jitter_us(), 0);
    }

    #[test]
    fn a_tally_tells_the_loss_since_the_one_before() {
        let mut reception = Reception::default();
        assert_eq!(reception.tally(), None);
        for sequence in [100, 101, 102, 104] {
            reception.hear(&header(7, sequence), 0, true);
        }
        let tally = reception.tally().expect("something came");
        assert_eq!((tally.ssrc, tally.lost_256ths, tally.lost, tally.highest), (7, 51, 1, 104));
        reception.hear(&header(7, 105), 0, true);
        assert_eq!(reception.tally().map(|tally| (tally.lost_256ths, tally.lost)), Some((0, 1)));
        assert_eq!(reception.tally().map(|tally| tally.lost_256ths), Some(0), "nothing came since");
    }

    #[test]
    fn no_order_of_packets_makes_it_panic_or_lose_less_than_nothing() {
        let mut seeded = crate::seeded::Seeded(3);
        let mut reception = Reception::default();
        let mut highest = 0;
        for _ in 0..200_000 {
            let packet =
                header(seeded.below(3) as u32, seeded.next() as u16 >> seeded.below(17).min(15));
            let arrival = reception.hear(&packet, seeded.next() >> 20, seeded.below(2) == 0);
            if let Arrival::New { sequence, restarted: true } = arrival {
                assert!(sequence > highest, "a restart must rise");
            }
            if let Arrival::New { sequence, .. } = arrival {
                highest = highest.max(sequence);
            }
            assert!(reception.expected() >= u64::from(reception.received()));
            if seeded.below(100) == 0 {
                reception.tally();
            }
        }
    }
}
