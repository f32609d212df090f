//! How the pump goes, for dashboards and alarms: counters that anybody may read at any time.

use std::sync::atomic::{AtomicU64, Ordering};

/// Width of a bucket of [`Lateness`], in microseconds.
const BUCKET_US: u64 = 100;

/// Buckets: 50 ms. Later than that is counted in the last one.
const BUCKETS: usize = 500;

/// Counters of a pump, since it began.
#[derive(Debug)]
pub struct Measures {
    streams: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
    skipped_slots: AtomicU64,
    late_us_max: AtomicU64,
    late: [AtomicU64; BUCKETS],
}

/// How late packets left: after the beginning of their slot, which lasts a millisecond.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lateness {
    /// Half were not later than this, in microseconds.
    pub p50_us: u64,
    /// 99 of 100 were not later than this, in microseconds.
    pub p99_us: u64,
    /// The latest, in microseconds.
    pub max_us: u64,
}

impl Default for Measures {
    fn default() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            streams: zero(),
            sent: zero(),
            received: zero(),
            skipped_slots: zero(),
            late_us_max: zero(),
            late: std::array::from_fn(|_| zero()),
        }
    }
}

impl Measures {
    /// Streams that are open now.
    pub fn streams(&self) -> u64 {
        self.streams.load(Ordering::Relaxed)
    }

    /// RTP packets sent.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Datagrams that came to RTP ports, of whatever kind.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Slots that were passed over because the thread did not get the processor in time.
    pub fn skipped_slots(&self) -> u64 {
        self.skipped_slots.load(Ordering::Relaxed)
    }

    /// How late packets left. None before the first.
    pub fn lateness(&self) -> Option<Lateness> {
        let counts: Vec<u64> =
            self.late.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        let all: u64 = counts.iter().sum();
        let quantile = |part: f64| {
            let wanted = (all as f64 * part).ceil() as u64;
            let mut seen = 0;
            let bucket = counts.iter().position(|count| {
                seen += count;
                seen >= wanted
            })?;
            Some((bucket as u64 + 1) * BUCKET_US)
        };
        let max_us = self.late_us_max.load(Ordering::Relaxed);
        let (p50_us, p99_us) = (quantile(0.5)?, quantile(0.99)?);
        (all > 0).then_some(Lateness {
            p50_us: p50_us.min(max_us),
            p99_us: p99_us.min(max_us),
            max_us,
        })
    }

    /// Forgets the lateness so far, so that what follows is measured by itself.
    pub fn forget_lateness(&self) {
        self.late_us_max.store(0, Ordering::Relaxed);
        self.late.iter().for_each(|count| count.store(0, Ordering::Relaxed));
    }

    pub(super) fn sent_late(&self, late_us: u64) {
        let bucket = ((late_us / BUCKET_US) as usize).min(BUCKETS - 1);
        self.late[bucket].fetch_add(1, Ordering::Relaxed);
        self.late_us_max.fetch_max(late_us, Ordering::Relaxed);
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn slot(&self, received: u64, skipped: u64) {
        self.received.fetch_add(received, Ordering::Relaxed);
        self.skipped_slots.store(skipped, Ordering::Relaxed);
    }

    pub(super) fn streams_are(&self, streams: usize) {
        self.streams.store(streams as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lateness_is_told_by_its_quantiles_and_its_worst() {
        let measures = Measures::default();
        assert_eq!(measures.lateness(), None);
        (0..98).for_each(|_| measures.sent_late(250));
        measures.sent_late(1_250);
        measures.sent_late(90_000);
        measures.slot(7, 3);
        let lateness = Lateness { p50_us: 300, p99_us: 1_300, max_us: 90_000 };
        assert_eq!(measures.lateness(), Some(lateness));
        let counts = (measures.sent(), measures.received(), measures.skipped_slots());
        assert_eq!(counts, (100, 7, 3));
        measures.forget_lateness();
        assert_eq!(measures.lateness(), None);
    }
}
