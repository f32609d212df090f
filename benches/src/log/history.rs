//! A history of real calls: the production events, personal data sealed, many up at a time. Above
//! five million events the bodies of earlier calls are used again.

use super::calls::Calls;
use super::{Limit, line, options, percentiles};
use crate::cpu;
use anyhow::{Result, ensure};
use schemas::{Position, Revision};
use std::ffi::OsString;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use store::dice::Dice;
use store::file::RealFiles;
use store::log::{Log, LogReader};
use store::{Append, Reader};

const CALLS_UP: usize = 2000;

/// Writes it, opens it again, reads it.
pub fn run(folder: &Path, events: u64) -> Result<()> {
    println!("a history of {events} events of real calls, {CALLS_UP} up at a time");
    let place = folder.join("history");
    std::fs::create_dir_all(&place)?;
    let ended = write(&place, events)?;
    forget(&place)?;
    again(&place, &["log-open"])?;
    again(&place, &["log-read", &ended.to_string()])?;
    std::fs::remove_dir_all(place)?;
    Ok(())
}

/// In a process that has done nothing before: memory that this one gave back would hide some.
fn again(place: &Path, words: &[&str]) -> Result<()> {
    let program = std::env::current_exe()?;
    let status = Command::new(program).args(words).arg(place).status()?;
    ensure!(status.success(), "the history cannot be read");
    Ok(())
}

/// Has the kernel drop what it keeps of these files in memory, as after a start of the machine.
fn forget(place: &Path) -> Result<()> {
    for file in std::fs::read_dir(place)? {
        let mut file_word = OsString::from("if=");
        file_word.push(file?.path());
        let words = ["iflag=nocache", "count=0", "status=none"];
        let status = Command::new("dd").arg(file_word).args(words).status()?;
        ensure!(status.success(), "dd does not drop a file's pages");
    }
    Ok(())
}

/// Opens a history of which nothing is in memory.
pub fn open_cold(place: &Path) -> Result<()> {
    let begun = Instant::now();
    let (_, recovery) = Log::open(RealFiles::new(place), options())?;
    line("opened, nothing of it in memory", begun.elapsed().as_secs_f64(), "s", Limit::AtMost(2.0));
    line("  events in it", recovery.head as f64, "", Limit::None);
    Ok(())
}

fn write(place: &Path, events: u64) -> Result<u64> {
    const PER_BATCH: u64 = 1000;
    let (mut log, _) = Log::open(RealFiles::new(place), options())?;
    let mut calls = Calls::new(CALLS_UP, if events > 5_000_000 { 20_000 } else { usize::MAX });
    let (mut sealed, mut before, mut after, mut took) = (0, 0, 0, Duration::ZERO);
    for _ in 0..events / PER_BATCH {
        let batch: Vec<Append> = (0..PER_BATCH).map(|_| calls.next()).collect();
        ensure!(log.append(&batch).iter().all(Result::is_ok), "an event did not go in");
        if let Some(sealing) = log.sealing() {
            let begun = Instant::now();
            let report = sealing.run()?;
            took += begun.elapsed();
            sealed += report.events;
            before += report.bytes_before;
            after += report.bytes_after;
        }
    }
    log.close()?;
    let each = |bytes: u64| bytes as f64 / (sealed.max(1)) as f64;
    line("as it is appended", each(before), "B/event", Limit::None);
    line("sealed, its index included", each(after), "B/event", Limit::AtMost(55.0));
    line("sealing, one core", sealed as f64 / took.as_secs_f64(), "events/s", Limit::None);
    Ok(calls.ended())
}

/// Opens a history with so many ended calls, and reads it.
pub fn read(place: &Path, ended: u64) -> Result<()> {
    let memory = cpu::resident_bytes();
    let mb = || (cpu::resident_bytes().saturating_sub(memory)) as f64 / 1e6;
    let begun = Instant::now();
    let (log, recovery) = Log::open(RealFiles::new(place), options())?;
    line("opened again, warm", begun.elapsed().as_secs_f64(), "s", Limit::AtMost(2.0));
    line("  events that were scanned for it", recovery.events_scanned as f64, "", Limit::None);
    line("  memory it takes", mb(), "MB", Limit::None);
    let reader = log.reader();
    // At first from the disk, as after a start of the machine; then what the reading itself takes.
    for (what, limit) in [
        ("replay of what is sealed, from the disk", Limit::None),
        ("  once more, from memory", Limit::AtLeast(5e6)),
    ] {
        let (begun, cpu_before) = (Instant::now(), cpu::of_thread());
        let seen = reader.scan(Position(0), |_| ControlFlow::Continue(()))?.0;
        ensure!(seen == recovery.head, "the replay is not whole");
        let cpu_us = (cpu::of_thread() - cpu_before).as_secs_f64() * 1e6 / seen as f64;
        line(what, seen as f64 / begun.elapsed().as_secs_f64(), "events/s", limit);
        line("    CPU, the kernel's included", cpu_us, "us/event", Limit::None);
    }
    old_calls(&reader, ended)?;
    let begun = Instant::now();
    for number in 0..100_000 {
        ensure!(
            log.last_revision(Calls::stream(1 << 40 | number))?.is_none(),
            "a stranger is there"
        );
    }
    let us = begun.elapsed().as_secs_f64() * 1e6 / 100_000.0;
    line("asking for a stream that is not there", us, "us", Limit::None);
    // Indexes, filters and blocks that were looked at stay, as far as their bounds go.
    line("memory after all of this", mb(), "MB", Limit::None);
    Ok(())
}

/// Any calls of the history, on a warm disk.
fn old_calls(reader: &LogReader<RealFiles>, ended: u64) -> Result<()> {
    let (mut dice, mut spans) = (Dice::new(5), Vec::new());
    for _ in 0..3000 {
        let stream = Calls::stream(dice.below(ended * 9 / 10));
        let begun = Instant::now();
        let read = reader.read_stream(stream, Revision(0), usize::MAX)?;
        spans.push(begun.elapsed());
        ensure!(!read.is_empty(), "a call is not there");
    }
    let (p50, p99) = percentiles(&mut spans);
    line("any old call, median", p50, "us", Limit::None);
    line("  99th percentile", p99, "us", Limit::None);
    Ok(())
}
