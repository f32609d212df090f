//! What becomes of datagrams, on a seed.

use super::{Arrivals, Passing};
use sim::seed::Dice;
use std::time::Duration;

/// How bad the line is. Chances are in 10 000, for each direction.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// All chance comes from here.
    pub seed: u64,
    /// How often a datagram is lost.
    pub lost: u32,
    /// How often it comes twice.
    pub doubled: u32,
    /// How much later it comes, at most: datagrams overtake each other.
    pub delay_max: Duration,
}

impl Weather {
    /// A line on which so many percent are lost, as many come twice, and every datagram takes up to
    /// 60 ms.
    pub fn of_loss(percent: u32, seed: u64) -> Self {
        let often = percent * 100;
        Self { seed, lost: often, doubled: often, delay_max: Duration::from_millis(60) }
    }

    /// What becomes of a message. It follows from the seed, the number and what the message is,
    /// not from when it comes: the same calls meet the same weather however the threads run.
    pub fn fate(&self, passing: &Passing) -> Arrivals {
        let Passing { number, outward, kind, copy } = passing;
        let mut dice = Dice::of(self.seed, &format!("{number} {outward} {kind} {copy}"));
        let copies = match (dice.happens(self.lost), dice.happens(self.doubled)) {
            (true, _) => 0,
            (false, false) => 1,
            (false, true) => 2,
        };
        let most = self.delay_max.as_micros() as u64;
        (0..copies).map(|_| Duration::from_micros(dice.below(most))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_much_is_lost_and_doubled_as_was_ordered_and_the_same_each_time() {
        let weather = Weather::of_loss(20, 7);
        let fate = |copy| {
            weather.fate(&Passing { number: "1".into(), outward: true, kind: "x".into(), copy })
        };
        let fates: Vec<_> = (0..10_000).map(fate).collect();
        let lost = fates.iter().filter(|fate| fate.is_empty()).count();
        let doubled = fates.iter().filter(|fate| fate.len() == 2).count();
        assert!(lost.abs_diff(2_000) < 200, "{lost}");
        assert!(doubled.abs_diff(1_600) < 200, "{doubled}");
        assert_eq!(fates, (0..10_000).map(fate).collect::<Vec<_>>());
    }
}
