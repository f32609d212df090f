//! Chance on a seed. The same seed gives the same choices on any machine: integers, and the four
//! exactly rounded operations and square root of IEEE 754, nothing from a mathematics library.

use std::time::Duration;

/// A stream of choices that follows from its seed alone (SplitMix64: Steele, Lea, Flood 2014).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The stream of this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The stream that belongs to a text, such as a phone number, under this seed.
    pub fn of(seed: u64, text: &str) -> Self {
        Self(seed ^ fingerprint(text))
    }

    /// The next 64 bits.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`; 0 when the limit is 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        // The upper half of the product: no division, and a bias of 2^-64 × limit at most.
        ((u128::from(self.roll()) * u128::from(limit)) >> 64) as u64
    }

    /// Whether something that happens so often in 10 000 happens now.
    pub fn happens(&mut self, per_10_000: u32) -> bool {
        // Nothing is rolled for what is switched off: switching a fault on moves no other choice
        // of streams that never had it.
        per_10_000 > 0 && self.below(10_000) < u64::from(per_10_000)
    }

    /// A time within the spread.
    pub fn within(&mut self, spread: Spread) -> Duration {
        let (least, usual, most) = spread.sorted();
        let (low, high) = (usual - least, most - least);
        if high <= 0.0 {
            return Duration::from_millis(spread.least_ms);
        }
        let chance = (self.roll() >> 11) as f64 / (1u64 << 53) as f64;
        let ms = if chance < low / high {
            least + (chance * high * low).sqrt()
        } else {
            most - ((1.0 - chance) * high * (high - low)).sqrt()
        };
        Duration::from_millis(ms as u64)
    }
}

/// How a time is spread: a triangle over `least..=most` with its peak at `usual`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spread {
    /// Never less than this, in milliseconds.
    pub least_ms: u64,
    /// The time that comes most often.
    pub usual_ms: u64,
    /// Never more than this.
    pub most_ms: u64,
}

impl Spread {
    /// Always this long.
    pub const fn exactly_ms(ms: u64) -> Self {
        Self { least_ms: ms, usual_ms: ms, most_ms: ms }
    }

    fn sorted(self) -> (f64, f64, f64) {
        let most = self.most_ms.max(self.least_ms);
        let usual = self.usual_ms.clamp(self.least_ms, most);
        (self.least_ms as f64, usual as f64, most as f64)
    }
}

/// 64 bits that stand for a text (FNV-1a): the same on every machine, and for ever.
pub fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_choices_for_ever() {
        let mut dice = Dice::new(1);
        let rolled: Vec<u64> = (0..3).map(|_| dice.roll()).collect();
        assert_eq!(
            rolled,
            [10_451_216_379_200_822_465, 13_757_245_211_066_428_519, 17_911_839_290_282_890_590]
        );
        let mut dice = Dice::of(1, "99948602");
        assert_eq!((dice.below(100), dice.below(100)), (34, 56));
    }

    #[test]
    fn a_spread_keeps_its_bounds_and_its_peak() {
        let spread = Spread { least_ms: 100, usual_ms: 200, most_ms: 1_000 };
        let mut dice = Dice::new(7);
        let mut times: Vec<u128> = (0..10_000).map(|_| dice.within(spread).as_millis()).collect();
        times.sort_unstable();
        assert!(times[0] >= 100 && times[9_999] <= 1_000);
        // A triangle's median, here 1000 - sqrt(900 * 800 / 2).
        assert!((390..=410).contains(&times[5_000]), "median {}", times[5_000]);
    }

    #[test]
    fn a_spread_given_upside_down_is_its_least() {
        let spread = Spread { least_ms: 500, usual_ms: 10, most_ms: 20 };
        assert_eq!(Dice::new(3).within(spread), Duration::from_millis(500));
    }

    #[test]
    fn what_is_switched_off_rolls_nothing() {
        let (mut one, mut other) = (Dice::new(5), Dice::new(5));
        assert!(!one.happens(0));
        assert_eq!(one.roll(), other.roll());
        let often = (0..10_000).filter(|_| one.happens(2_500)).count();
        assert!((2_300..2_700).contains(&often), "{often}");
    }
}
