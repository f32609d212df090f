//! A shard's loop: a thousand events, one sync; beside the same without the sync, and beside SQLite.
//!
//! The share of the unsynced rate is `U / (U + S)`: to be 0.65, the sync `S` of 375 KB may take no more
//! than 0.54 of the time `U` in which a thousand events are encoded and written, which is 0.4 to 0.5 ms.
//! A file that grows takes 0.4 to 0.5 ms to sync, so the share is 0.45 to 0.55, and 0.64 on a good day.
//!
//! Would it help to prepare segments, so that their blocks exist and have been written? Then a sync
//! takes 0.25 to 0.35 ms, with whoever prepares at work beside (in pieces of 256 KB past the page cache;
//! synced, in larger ones, it holds the syncs up), and durable batches come out 12 to 30 % faster. But
//! every byte is written twice, and as the log no longer asks for fresh pages, the unsynced rate goes up
//! too, `U` down from 0.49 to 0.4 ms: measured like with like, the share is 0.39 to 0.59 and not 0.65.
//! What a prepared segment could give is measured here every time, beside the unsynced one that grows,
//! which flatters it. Tried besides and no better: a second thread that syncs, and starting to write
//! back while the rest is encoded (the sync is shorter by what the writing is longer).

use super::{Limit, PlainCalls, ROUNDS, begin, line, median, raw};
use crate::cpu;
use anyhow::{Result, ensure};
use std::path::Path;
use std::time::{Duration, Instant};
use store::Append;

const PER_BATCH: usize = 1000;
const BATCHES: usize = 300;

/// Prints rates, ratios and CPU.
pub fn run(folder: &Path) -> Result<()> {
    let copy = raw::copy_us_per_kb(folder)?;
    let (mut bare, mut syncs) = (vec![], vec![]);
    let (mut prepared, mut reach) = (vec![], vec![]);
    let (mut share, mut rates, mut cpus, mut kernel) = (vec![], vec![], vec![], vec![]);
    #[cfg(feature = "sqlite")]
    let mut beside = Vec::new();
    for _ in 0..ROUNDS {
        let unsynced = append(folder, false)?;
        let durable = append(folder, true)?;
        share.push(durable.per_s / unsynced.per_s);
        let bytes = (durable.bytes * PER_BATCH as f64) as usize;
        let disk = raw::syncs_of(folder, Duration::from_millis(500), bytes)?;
        bare.push(durable.per_s / (disk.per_s * PER_BATCH as f64));
        syncs.push(disk.p50_us);
        let ahead = raw::syncs_in_prepared(folder, BATCHES as u64, bytes)?.p50_us;
        let us = |appended: &Appended| PER_BATCH as f64 * 1e6 / appended.per_s;
        // All of a batch but its sync stays as it is.
        let durable_us = us(&durable) - disk.p50_us + ahead;
        prepared.push(ahead);
        reach.push(us(&unsynced) / durable_us);
        rates.push(durable.per_s);
        cpus.push(durable.cpu_us);
        kernel.push(copy * durable.bytes / 1024.0);
        #[cfg(feature = "sqlite")]
        beside.push(durable.per_s / super::sqlite::append_rate(folder, BATCHES / 5, PER_BATCH)?);
    }
    line("batches of 1,000, durable", median(rates), "events/s", Limit::None);
    line("  beside the same unsynced", median(share), "x", Limit::AtLeast(0.65));
    // Where a sync takes milliseconds the disk decides that, and this says how near to it we are.
    line("  beside the bare write and sync of those bytes", median(bare), "x", Limit::None);
    line("  that takes", median(syncs), "us", Limit::None);
    line("  that takes in blocks that exist", median(prepared), "us", Limit::None);
    line("  batches there beside the unsynced that grows", median(reach), "x", Limit::None);
    #[cfg(feature = "sqlite")]
    line("  beside SQLite (WAL, FULL)", median(beside), "x", Limit::AtLeast(6.0));
    line("  CPU, the kernel's included", median(cpus), "us/event", Limit::AtMost(0.5));
    line("  of it the kernel's copy into fresh pages", median(kernel), "us/event", Limit::None);
    Ok(())
}

struct Appended {
    per_s: f64,
    cpu_us: f64,
    bytes: f64,
}

fn append(folder: &Path, durable: bool) -> Result<Appended> {
    let place = folder.join("batches");
    let (mut log, mut calls) = (begin(&place)?, PlainCalls::new(0, super::CALLS_UP));
    let (mut working, mut cpu) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..BATCHES {
        let batch: Vec<Append> = (0..PER_BATCH).map(|_| calls.next()).collect();
        let (begun, cpu_before) = (Instant::now(), cpu::of_thread());
        ensure!(log.append(&batch).iter().all(Result::is_ok), "an event did not go in");
        if durable {
            log.sync()?;
        }
        working += begun.elapsed();
        cpu += cpu::of_thread() - cpu_before;
    }
    let events = (BATCHES * PER_BATCH) as f64;
    let files = std::fs::read_dir(&place)?.flatten();
    let bytes: u64 = files.filter_map(|file| Some(file.metadata().ok()?.len())).sum();
    std::fs::remove_dir_all(place)?;
    Ok(Appended {
        per_s: events / working.as_secs_f64(),
        cpu_us: cpu.as_secs_f64() * 1e6 / events,
        bytes: bytes as f64 / events,
    })
}
