//! How much a command may ask for.

use std::ops::RangeInclusive;

/// Nobody lets a phone ring for an hour, and a timer below a tenth of a second is a mistake.
pub(crate) const RING_S: RangeInclusive<f64> = 0.1..=3600.0;
pub(crate) const TALK_S: RangeInclusive<f64> = 0.0..=86_400.0;
pub(crate) const REDIAL_S: RangeInclusive<f64> = 0.0..=2_592_000.0;
pub(crate) const ATTEMPTS: RangeInclusive<u16> = 1..=100;
