//! Virtual time: the world's own, which only the loop moves, and the clock on a node's wall, which
//! people and NTP set.

use schemas::Timestamp;
use std::time::Duration;
use switchboard::Now;

/// The world begins here: 2026-09-21 00:00 UTC, a Monday.
pub const BEGIN: Timestamp = Timestamp(1_789_948_800_000);

/// What a machine shows as UTC: the world's time, and what it was set wrong by.
#[derive(Clone, Copy, Debug, Default)]
pub struct WallClock {
    /// Milliseconds that it is ahead.
    pub ahead_ms: i64,
}

impl WallClock {
    /// What it shows.
    pub fn shows(self, at: Duration) -> Timestamp {
        let true_time = BEGIN.after(at);
        Timestamp(true_time.0.saturating_add(self.ahead_ms))
    }
}

/// A node's clock, as `node::clock`: UTC is read once, at the start, and goes on with monotonic
/// time. So a wall clock that is set while the node runs is noticed at its next start.
#[derive(Clone, Copy, Debug)]
pub struct NodeClock {
    born: Duration,
    utc_at_start: Timestamp,
}

impl NodeClock {
    /// The clock of a node that starts at this moment of the world.
    pub fn start(at: Duration, wall: WallClock) -> Self {
        Self { born: at, utc_at_start: wall.shows(at) }
    }

    /// What it shows at a moment of the world.
    pub fn now(&self, at: Duration) -> Now {
        let mono = at.saturating_sub(self.born);
        Now { mono, utc: self.utc_at_start.after(mono) }
    }

    /// The moment of the world at which the node's monotonic clock shows this.
    pub fn in_world(&self, mono: Duration) -> Duration {
        self.born.saturating_add(mono)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_that_is_set_back_moves_a_running_node_nowhere() {
        let hour = Duration::from_secs(3_600);
        let clock = NodeClock::start(hour, WallClock { ahead_ms: 0 });
        let set_back = WallClock { ahead_ms: -7_200_000 };
        assert_eq!(clock.now(2 * hour).utc, BEGIN.after(2 * hour));
        let next = NodeClock::start(2 * hour, set_back);
        assert_eq!(next.now(2 * hour).utc, BEGIN);
        assert_eq!(next.in_world(next.now(3 * hour).mono), 3 * hour);
    }
}
