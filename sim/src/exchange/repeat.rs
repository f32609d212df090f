//! When something is sent again, and when nobody waits for its answer any more.

use std::time::Duration;

/// The timers of RFC 3261, table 4. Tests shrink them together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timers {
    /// Round trip estimate, 500 ms.
    pub t1: Duration,
    /// The longest interval between repeats, 4 s.
    pub t2: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self { t1: Duration::from_millis(500), t2: Duration::from_secs(4) }
    }
}

impl Timers {
    /// 64*T1: how long anything is waited for.
    pub fn patience(&self) -> Duration {
        64 * self.t1
    }
}

/// A message that is sent again at T1, 2*T1, 4*T1 and so on, up to 64*T1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Repeat {
    next: Duration,
    interval: Duration,
    longest: Duration,
    until: Duration,
}

/// What is to be done now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fired {
    /// Nothing yet.
    NotYet,
    /// Send it again.
    Again,
    /// Stop waiting.
    GivenUp,
}

impl Repeat {
    /// Intervals double up to T2: finals (timers G and H), 2xx (13.3.1.4), non-INVITE requests
    /// (timers E and F).
    pub fn up_to_t2(now: Duration, timers: Timers) -> Self {
        Self::new(now, timers, timers.t2)
    }

    /// Intervals double without end: INVITE (timers A and B), reliable provisionals (RFC 3262, 3).
    pub fn doubling(now: Duration, timers: Timers) -> Self {
        Self::new(now, timers, Duration::MAX)
    }

    /// Nothing is repeated: what a stream transport carries. It is only waited for.
    pub fn once(now: Duration, timers: Timers) -> Self {
        Self { next: Duration::MAX, ..Self::up_to_t2(now, timers) }
    }

    fn new(now: Duration, timers: Timers, longest: Duration) -> Self {
        let until = now + timers.patience();
        Self { next: now + timers.t1, interval: timers.t1, longest, until }
    }

    /// When to look again.
    pub fn due(&self) -> Duration {
        self.next.min(self.until)
    }

    /// A provisional came: from now on once in T2 (17.1.2.2).
    pub fn slow_down(&mut self, now: Duration, timers: Timers) {
        if self.next != Duration::MAX {
            (self.interval, self.next) = (timers.t2, now + timers.t2);
        }
    }

    /// What is to be done at `now`.
    pub fn fire(&mut self, now: Duration) -> Fired {
        if now >= self.until {
            return Fired::GivenUp;
        }
        if now < self.next {
            return Fired::NotYet;
        }
        self.interval = (2 * self.interval).min(self.longest);
        self.next = now + self.interval;
        Fired::Again
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(mut repeat: Repeat, wanted: &[u64]) {
        let mut sent = Vec::new();
        loop {
            let now = repeat.due();
            match repeat.fire(now) {
                Fired::Again => sent.push(now.as_millis() as u64),
                Fired::GivenUp => break assert_eq!(now.as_millis(), 32_000),
                Fired::NotYet => panic!("due, and nothing to do"),
            }
        }
        assert_eq!(sent, wanted);
    }

    #[test]
    fn intervals_are_those_of_the_standard() {
        let timers = Timers::default();
        check(
            Repeat::up_to_t2(Duration::ZERO, timers),
            &[500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500],
        );
        check(
            Repeat::doubling(Duration::ZERO, timers),
            &[500, 1_500, 3_500, 7_500, 15_500, 31_500],
        );
        check(Repeat::once(Duration::ZERO, timers), &[]);
    }

    #[test]
    fn looking_early_is_harmless() {
        let mut repeat = Repeat::up_to_t2(Duration::ZERO, Timers::default());
        assert_eq!(repeat.fire(Duration::from_millis(499)), Fired::NotYet);
        assert_eq!(repeat.due(), Duration::from_millis(500));
    }
}
