//! Moments, as events carry them.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// A moment in UTC, in whole milliseconds since 1970. Written as RFC 3339 with milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// So much later. Stops at the end of time instead of wrapping.
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this is; zero when it is not later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Milliseconds from `earlier` to this, as records give them; zero when it is not later.
    pub fn ms_since(self, earlier: Self) -> u32 {
        u32::try_from(self.since(earlier).as_millis()).unwrap_or(u32::MAX)
    }

    /// Reads RFC 3339, with an offset, to the millisecond.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|moment| Self(moment.as_millisecond()))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(moment) => write!(f, "{moment:.3}"),
            // Beyond the year 9999: only a damaged value gets here, and it is still shown.
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_with_milliseconds_and_read_back() {
        let moment = Timestamp(1_790_000_000_120);
        assert_eq!(moment.to_string(), "2026-09-21T14:13:20.120Z");
        assert_eq!(Timestamp::parse("2026-09-21T14:13:20.120Z"), Some(moment));
        assert_eq!(Timestamp::parse("2026-09-21T16:13:20.12+02:00"), Some(moment));
        assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::parse("yesterday"), None);
    }

    #[test]
    fn time_never_runs_backwards() {
        assert_eq!(Timestamp(5).since(Timestamp(9)), Duration::ZERO);
        assert_eq!(Timestamp(i64::MAX).after(Duration::from_secs(1)), Timestamp(i64::MAX));
    }
}
