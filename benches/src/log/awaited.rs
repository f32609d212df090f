//! Writers that wait for each of their events, beside the bare sync of the same disk.

use super::{Limit, PlainCalls, ROUNDS, begin, line, median, percentiles, raw};
use anyhow::{Context, Result};
use std::path::Path;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};
use store::writer::{self, NoKeys};
use store::{Appender, Batch, Results};

const SPAN: Duration = Duration::from_millis(700);

/// Prints how their rates stand to the rate of bare syncs.
pub fn run(folder: &Path) -> Result<()> {
    let (mut one, mut many, mut slow) = (Vec::new(), Vec::new(), Vec::new());
    let (mut syncs, mut rates) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        // Before and after: the disk may change its mind meanwhile.
        let before = raw::syncs(folder, SPAN / 2)?;
        let single = awaited(folder, 1)?;
        let between = raw::syncs(folder, SPAN / 2)?;
        let all = awaited(folder, 256)?;
        let after = raw::syncs(folder, SPAN / 2)?;
        one.push(single.per_s / ((before.per_s + between.per_s) / 2.0));
        let around = (between.per_s + after.per_s) / 2.0;
        many.push(all.per_s / around);
        slow.push(all.p99_us / ((between.p50_us + after.p50_us) / 2.0));
        syncs.push(around);
        rates.push(all.per_s);
    }
    line("bare: append 4 KiB and fdatasync", median(syncs), "/s", Limit::None);
    line("one writer that waits, durable", median(one), "x bare", Limit::AtLeast(0.85));
    line("256 writers that wait, durable", median(many), "x bare", Limit::AtLeast(50.0));
    line("  the same", median(rates), "events/s", Limit::None);
    line("  their 99th percentile", median(slow), "x a sync", Limit::AtMost(10.0));
    Ok(())
}

struct Awaited {
    per_s: f64,
    p99_us: f64,
}

fn awaited(folder: &Path, writers: usize) -> Result<Awaited> {
    let place = folder.join("awaited");
    let (writer, appender) = writer::start(begin(&place)?, NoKeys)?;
    let (done, answers) = channel();
    let mut calls: Vec<_> = (0..writers).map(|one| PlainCalls::new(one as u64, 1)).collect();
    let (mut given, mut spans) = (vec![Instant::now(); writers], Vec::new());
    let begun = Instant::now();
    let mut submit = |writer: usize, given: &mut Vec<Instant>| {
        let done = done.clone();
        given[writer] = Instant::now();
        let reply = Box::new(move |results: Results| {
            // Who measures may have seen enough.
            let _ = done.send((writer, results.iter().all(Result::is_ok)));
        });
        appender.submit(Batch { keys: Vec::new(), appends: vec![calls[writer].next()] }, reply);
    };
    (0..writers).for_each(|writer| submit(writer, &mut given));
    while begun.elapsed() < SPAN {
        let (writer, is_durable) = answers.recv().context("every batch is answered")?;
        anyhow::ensure!(is_durable, "an event did not go in");
        spans.push(given[writer].elapsed());
        submit(writer, &mut given);
    }
    let per_s = spans.len() as f64 / begun.elapsed().as_secs_f64();
    writer.stop()?;
    std::fs::remove_dir_all(place)?;
    Ok(Awaited { per_s, p99_us: percentiles(&mut spans).1 })
}
