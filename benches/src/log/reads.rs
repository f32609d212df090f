//! Replay with every checksum, and one call that has just ended.

use super::stream_of;
use super::{
    CALLS_UP, EVENTS_PER_CALL, Limit, PlainCalls, ROUNDS, begin, line, median, percentiles,
};
use anyhow::{Result, ensure};
use schemas::{Position, Revision};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;
use store::dice::Dice;
use store::{Append, Reader};

const EVENTS: usize = 1_000_000;

/// Prints rates, and how they stand to SQLite's.
pub fn run(folder: &Path) -> Result<()> {
    let place = folder.join("reads");
    let (mut log, mut calls) = (begin(&place)?, PlainCalls::new(0, CALLS_UP));
    for _ in 0..EVENTS / 1000 {
        let batch: Vec<Append> = (0..1000).map(|_| calls.next()).collect();
        ensure!(log.append(&batch).iter().all(Result::is_ok), "an event did not go in");
    }
    log.sync()?;
    let reader = log.reader();
    #[cfg(feature = "sqlite")]
    let table = super::sqlite::Filled::new(folder, EVENTS / 2)?;
    let mut rates = Vec::new();
    #[cfg(feature = "sqlite")]
    let mut beside = Vec::new();
    for _ in 0..ROUNDS {
        let (mut bytes, begun) = (0, Instant::now());
        let seen = reader.scan(Position(0), |record| {
            bytes += record.body.len();
            ControlFlow::Continue(())
        })?;
        let rate = seen.0 as f64 / begun.elapsed().as_secs_f64();
        ensure!(bytes == EVENTS * super::BODY_BYTES, "the replay is not whole");
        rates.push(rate);
        #[cfg(feature = "sqlite")]
        beside.push(rate / table.replay_rate()?);
    }
    line("replay, checksums checked", median(rates), "events/s", Limit::AtLeast(5e6));
    #[cfg(feature = "sqlite")]
    line("  beside SQLite", median(beside), "x", Limit::AtLeast(2.5));
    let ended = calls.begun - CALLS_UP;
    let hot = ("a call of 12 events, of the last thousand, median", 1000, Limit::AtMost(10.0));
    for (what, of_the_last, limit) in [hot, ("  of all of them", ended, Limit::None)] {
        let (mut spans, mut dice) = (Vec::new(), Dice::new(3));
        for _ in 0..20_000 {
            let stream = stream_of(0, ended - 1 - dice.below(of_the_last));
            let begun = Instant::now();
            let read = reader.read_stream(stream, Revision(0), usize::MAX)?;
            spans.push(begun.elapsed());
            ensure!(read.len() == EVENTS_PER_CALL as usize, "a call is not whole");
        }
        let (p50, p99) = percentiles(&mut spans);
        line(what, p50, "us", limit);
        line("    99th percentile", p99, "us", Limit::None);
    }
    std::fs::remove_dir_all(place)?;
    Ok(())
}
