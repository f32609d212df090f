//! The slot wheel: which streams' turn it is, millisecond by millisecond.
//!
//! A value without a clock: the time is an input. Streams are spread over the slots of their packet
//! interval, so that a thousand of them do not all send in the same millisecond. The wheel has as
//! many slots as the intervals have in common: 120 ms hold each of 10, 20, 30, 40 and 60 ms a whole
//! number of times.

/// Milliseconds until the pattern repeats.
const SLOTS: usize = 120;

/// Microseconds of a slot.
pub const SLOT_US: u64 = 1_000;

/// How late a slot may be served. Beyond, the slots between are passed over: a burst of many
/// packets at once would only be thrown away by the other side's jitter buffer, and streams must
/// not lag for ever.
const BEHIND_US_MAX: u64 = 60_000;

/// Where a stream sits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seat {
    ptime_ms: u8,
    phase: u8,
}

/// The wheel. Streams are named by a key that the owner can index with.
#[derive(Clone, Debug)]
pub struct Wheel {
    slots: Vec<Vec<u32>>,
    /// The slot that is served next, counted from time 0.
    next: u64,
    seated: usize,
    skipped: u64,
}

impl Wheel {
    /// An empty wheel at `now_us`.
    pub fn new(now_us: u64) -> Self {
        Self { slots: vec![Vec::new(); SLOTS], next: now_us / SLOT_US + 1, seated: 0, skipped: 0 }
    }

    /// Seats a stream that is to be served every `ptime_ms`, where its slots are emptiest.
    ///
    /// # Panics
    /// When the interval does not divide 120: the SDP reader only lets such through.
    pub fn add(&mut self, key: u32, ptime_ms: u8, now_us: u64) -> Seat {
        if self.seated == 0 {
            // An empty wheel stands still, and has missed nothing meanwhile.
            self.next = self.next.max(now_us / SLOT_US + 1);
        }
        let step = usize::from(ptime_ms);
        assert!(step > 0 && SLOTS.is_multiple_of(step), "{ptime_ms} ms do not divide the wheel");
        let fullest = |phase: usize| self.slots[phase..].iter().step_by(step).map(Vec::len).max();
        let phase = (0..step).min_by_key(|&phase| fullest(phase)).expect("there is a phase");
        for slot in self.slots[phase..].iter_mut().step_by(step) {
            slot.push(key);
        }
        self.seated += 1;
        Seat { ptime_ms, phase: phase as u8 }
    }

    /// Takes a stream from its seat.
    pub fn remove(&mut self, key: u32, seat: Seat) {
        for slot in
            self.slots[usize::from(seat.phase)..].iter_mut().step_by(usize::from(seat.ptime_ms))
        {
            let at = slot
                .iter()
                .position(|&seated| seated == key)
                .expect("a seated stream is in its slots");
            slot.swap_remove(at);
        }
        self.seated -= 1;
    }

    /// When [`Wheel::turn`] has something to do next, in microseconds. None while no one is seated.
    pub fn due_us(&self) -> Option<u64> {
        if self.seated == 0 {
            return None;
        }
        let ahead = (0..SLOTS as u64).find(|ahead| !self.streams(self.next + ahead).is_empty());
        Some((self.next + ahead.expect("who is seated is in a slot")) * SLOT_US)
    }

    /// The time of the slot whose turn it is, when it has come; each slot is told once, in order,
    /// empty ones are left out. Its streams are [`Wheel::in_turn`].
    pub fn turn(&mut self, now_us: u64) -> Option<u64> {
        let due_us = self.due_us().filter(|&due_us| due_us <= now_us)?;
        let behind_us = now_us - due_us;
        if behind_us > BEHIND_US_MAX {
            let now = now_us / SLOT_US;
            self.skipped += now - self.next;
            self.next = now;
            return self.turn(now_us);
        }
        self.next = due_us / SLOT_US + 1;
        Some(due_us)
    }

    /// The streams of the slot that was told last.
    pub fn in_turn(&self) -> &[u32] {
        self.streams(self.next - 1)
    }

    /// Slots that were passed over because the owner came too late for them.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    fn streams(&self, slot: u64) -> &[u32] {
        &self.slots[(slot % SLOTS as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeded::Seeded;

    /// Turns until `until_ms`, a millisecond at a time; the times (in ms) at which `key` was
    /// served.
    fn served(wheel: &mut Wheel, key: u32, from_ms: u64, until_ms: u64) -> Vec<u64> {
        let mut times = Vec::new();
        for now_ms in from_ms..=until_ms {
            while let Some(at_us) = wheel.turn(now_ms * 1_000) {
                if wheel.in_turn().contains(&key) {
                    times.push(at_us / 1_000);
                }
            }
        }
        times
    }

    #[test]
    fn a_stream_is_served_once_per_interval() {
        for ptime_ms in [10, 20, 30, 40, 60] {
            let mut wheel = Wheel::new(0);
            wheel.add(7, ptime_ms, 0);
            let times = served(&mut wheel, 7, 0, 1_200);
            assert!(
                times.windows(2).all(|pair| pair[1] - pair[0] == u64::from(ptime_ms)),
                "{times:?}"
            );
            assert_eq!(times.len(), 1_200 / usize::from(ptime_ms), "{ptime_ms} ms");
        }
    }

    #[test]
    fn streams_are_spread_evenly_whatever_their_intervals() {
        let mut wheel = Wheel::new(0);
        for key in 0..2_000 {
            wheel.add(key, 20, 0);
        }
        assert!(wheel.slots.iter().all(|slot| slot.len() == 100));
        for key in 2_000..2_300 {
            wheel.add(key, [10, 30, 60][key as usize % 3], 0);
        }
        let sizes = wheel.slots.iter().map(Vec::len);
        assert!(sizes.clone().max() <= sizes.min().map(|fewest| fewest + 4));
    }

    #[test]
    fn who_comes_and_goes_leaves_nothing_behind() {
        let mut seeded = Seeded(12);
        let mut wheel = Wheel::new(0);
        let mut seats = Vec::new();
        for key in 0..5_000 {
            seats.push((key, wheel.add(key, [10, 20, 30, 40, 60][seeded.below(5)], 0)));
            if seeded.below(2) == 0 {
                let (key, seat) = seats.swap_remove(seeded.below(seats.len()));
                wheel.remove(key, seat);
            }
        }
        for (key, seat) in seats {
            wheel.remove(key, seat);
        }
        assert!(wheel.slots.iter().all(Vec::is_empty));
        assert_eq!((wheel.due_us(), wheel.turn(1 << 40)), (None, None));
    }

    #[test]
    fn an_owner_who_is_a_little_late_serves_every_slot() {
        let mut wheel = Wheel::new(0);
        wheel.add(1, 10, 0);
        let mut slots = 0;
        for now_us in [10_000, 58_000, 60_000, 110_000] {
            while wheel.turn(now_us).is_some() {
                slots += 1;
            }
        }
        assert_eq!((slots, wheel.skipped()), (11, 0));
    }

    #[test]
    fn an_owner_who_is_very_late_passes_slots_over() {
        let mut wheel = Wheel::new(0);
        wheel.add(1, 20, 0);
        let first = wheel.turn(20_000).expect("a turn");
        let next = wheel.turn(1_000_000_500);
        assert!(next.is_none_or(|at_us| at_us == 1_000_000_000), "{next:?}");
        assert!(wheel.skipped() > 900_000);
        let due_us = wheel.due_us().expect("someone is seated");
        assert!(due_us <= 1_000_000_500 + 20_000 && (due_us - first).is_multiple_of(20_000));
    }

    #[test]
    fn a_wheel_that_stood_empty_has_missed_nothing() {
        let mut wheel = Wheel::new(0);
        wheel.add(1, 20, 5_000_000);
        assert_eq!(wheel.turn(5_000_000), None);
        assert!(wheel.due_us().is_some_and(|due_us| (5_000_001..=5_021_000).contains(&due_us)));
        assert_eq!(wheel.skipped(), 0);
    }
}
