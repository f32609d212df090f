//! How long a call waits, and when it is tried again.

use schemas::outcome::RetryClass;
use std::time::Duration;

/// The call's options. Every wait has a bound.
#[derive(Clone, PartialEq, Debug)]
pub struct Options {
    /// How long a call without a deadline may wait to be dialled; then it ends as `suppressed`.
    pub queue_max: Duration,
    /// How long a try may stay without any answer. Above Timer B (64*T1 = 32 s for each address
    /// of the gateway), which ends it first: this one only catches a lost report.
    pub setup_max: Duration,
    /// How long a cancelled INVITE may take to end. Above 64*T1 (RFC 3261, 9.1), as before.
    pub cancel_max: Duration,
    /// How long a hang-up may take. Above Timer F (64*T1), as before.
    pub close_max: Duration,
    /// The most tries of one call, one per gateway.
    pub tries_max: u8,
    /// When a call of each class is tried again, if it may have another attempt.
    pub redial: RedialDelays,
}

/// How long after its end a call is tried again, by what it ended of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RedialDelays {
    /// The line was busy.
    pub soft_short: Duration,
    /// Nobody answered.
    pub soft: Duration,
    /// Switched off or out of coverage.
    pub soft_long: Duration,
    /// The carrier's fault.
    pub carrier: Duration,
    /// Ours and theirs did not fit together.
    pub technical: Duration,
}

impl RedialDelays {
    /// The delay of a class; `None` when it is never tried again.
    pub fn of(&self, class: RetryClass) -> Option<Duration> {
        match class {
            RetryClass::Never => None,
            RetryClass::SoftShort => Some(self.soft_short),
            RetryClass::Soft => Some(self.soft),
            RetryClass::SoftLong => Some(self.soft_long),
            RetryClass::Carrier => Some(self.carrier),
            RetryClass::Technical => Some(self.technical),
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        let minutes = |n: u64| Duration::from_secs(60 * n);
        Self {
            queue_max: minutes(60 * 24 * 7),
            setup_max: minutes(3),
            cancel_max: Duration::from_secs(40),
            close_max: Duration::from_secs(40),
            tries_max: 8,
            redial: RedialDelays {
                soft_short: minutes(5),
                soft: minutes(120),
                soft_long: minutes(240),
                carrier: minutes(2),
                technical: minutes(2),
            },
        }
    }
}
