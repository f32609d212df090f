//! How fast, and how many at once: what gateways, campaigns and numbers are limited by.
//!
//! Pure. Time is a [`Duration`] since an arbitrary start that never goes back.

use std::time::Duration;

/// So many per second, evenly: the generic cell rate algorithm (ITU-T I.371) without a burst.
/// No window of one second, wherever it begins, holds more than the rate rounded up.
#[derive(Clone, PartialEq, Debug)]
pub struct Rate {
    interval: Duration,
    next: Duration,
}

impl Rate {
    /// The slowest rate: one a day.
    pub const PER_SECOND_MIN: f64 = 1.0 / 86_400.0;
    /// The fastest rate: past that a limit means nothing on one machine.
    pub const PER_SECOND_MAX: f64 = 100_000.0;

    /// A rate that allows the first one at once. Brought into its bounds when it is outside.
    pub fn per_second(rate: f64) -> Self {
        Self { interval: Self::interval(rate), next: Duration::ZERO }
    }

    fn interval(rate: f64) -> Duration {
        let rate = if rate.is_finite() { rate } else { Self::PER_SECOND_MAX };
        Duration::from_secs_f64(1.0 / rate.clamp(Self::PER_SECOND_MIN, Self::PER_SECOND_MAX))
    }

    /// Changes the rate while it runs. What was waited for already counts.
    pub fn change(&mut self, rate: f64) {
        let interval = Self::interval(rate);
        let last = self.next.saturating_sub(self.interval);
        self.next = self.next.min(last + interval);
        self.interval = interval;
    }

    /// When the next one may start.
    pub fn free_at(&self) -> Duration {
        self.next
    }

    /// Whether one may start now.
    pub fn is_free(&self, now: Duration) -> bool {
        now >= self.next
    }

    /// One starts now. A turn that was missed is not made up for later, but up to 10 ms of
    /// lateness is: a loop that wakes late must still keep its rate.
    pub fn take(&mut self, now: Duration) {
        const LATENESS: Duration = Duration::from_millis(10);
        self.next = self.next.max(now.saturating_sub(LATENESS)) + self.interval;
    }
}

/// So many at once.
#[derive(Clone, PartialEq, Debug)]
pub struct Lanes {
    taken: u32,
    max: u32,
}

impl Lanes {
    /// All free.
    pub fn new(max: u32) -> Self {
        Self { taken: 0, max }
    }

    /// Changes how many there are. What is taken stays taken.
    pub fn change(&mut self, max: u32) {
        self.max = max;
    }

    /// Whether one is free.
    pub fn is_free(&self) -> bool {
        self.taken < self.max
    }

    /// How many are taken.
    pub fn taken(&self) -> u32 {
        self.taken
    }

    /// Takes one, free or not: who takes asked before.
    pub fn take(&mut self) {
        self.taken += 1;
    }

    /// Gives one back.
    pub fn free(&mut self) {
        self.taken = self.taken.checked_sub(1).expect("only what was taken is given back");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// When `count` starts happen for somebody who asks every `step`.
    fn starts(rate: &mut Rate, from: Duration, step: Duration, count: usize) -> Vec<Duration> {
        let mut now = from;
        let mut starts = Vec::new();
        while starts.len() < count {
            while rate.is_free(now) && starts.len() < count {
                rate.take(now);
                starts.push(now);
            }
            now += step;
        }
        starts
    }

    #[test]
    fn no_second_holds_more_than_the_rate() {
        for (per_second, step) in [(1.0, 7), (60.0, 1), (60.0, 33), (7.5, 3), (1000.0, 1)] {
            let mut rate = Rate::per_second(per_second);
            let starts = starts(&mut rate, ms(123), ms(step), 3000);
            for (i, start) in starts.iter().enumerate() {
                let within = starts[i..].iter().take_while(|s| **s < *start + ms(1000)).count();
                // What was late by up to 10 ms is made up for.
                let most = (per_second * 1.01).ceil() as usize + 1;
                assert!(within <= most, "{per_second}/s, asked each {step} ms: {within}");
            }
        }
    }

    #[test]
    fn a_loop_that_wakes_every_millisecond_keeps_the_rate() {
        let mut rate = Rate::per_second(1000.0 / 1.7);
        let starts = starts(&mut rate, ms(0), ms(1), 10_000);
        let took = (*starts.last().unwrap()).as_secs_f64();
        assert!((16.9..17.1).contains(&took), "{took}");
    }

    #[test]
    fn an_idle_hour_earns_no_burst() {
        let mut rate = Rate::per_second(2.0);
        rate.take(ms(0));
        let later = ms(3_600_000);
        rate.take(later);
        assert!(!rate.is_free(later + ms(480)));
        assert!(rate.is_free(later + ms(500)));
    }

    #[test]
    fn a_rate_that_is_changed_holds_at_once() {
        let mut rate = Rate::per_second(0.1);
        rate.take(ms(0));
        assert_eq!(rate.free_at(), ms(10_000));
        rate.change(10.0);
        assert_eq!(rate.free_at(), ms(100));
        rate.take(ms(100));
        rate.change(1.0);
        assert!(rate.free_at() <= ms(1100));
    }

    #[test]
    fn an_absurd_rate_is_brought_into_bounds() {
        for absurd in [0.0, -3.0, f64::NAN, f64::INFINITY, 1e300] {
            let mut rate = Rate::per_second(absurd);
            rate.take(ms(1));
            assert!(rate.free_at() <= ms(1 + 86_400_000));
        }
    }

    #[test]
    fn lanes_are_taken_and_given_back() {
        let mut lanes = Lanes::new(1);
        lanes.take();
        assert!(!lanes.is_free());
        lanes.change(2);
        assert!(lanes.is_free());
        lanes.free();
        assert_eq!(lanes.taken(), 0);
    }
}
