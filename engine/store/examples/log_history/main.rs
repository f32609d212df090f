//! What a long history costs: bytes per event before and after sealing, reopening, replay, one old
//! call, memory. `cargo run --release -p store --example log_history [FOLDER] [EVENTS]
//! [CALLS_UP]`. Above five million events the bodies of earlier calls are used again.

#![allow(clippy::print_stdout, reason = "printing is what it is for")]

mod calls;

use calls::Calls;
use schemas::{Position, Revision};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use store::dice::Dice;
use store::file::RealFiles;
use store::log::{Log, LogReader, Options, StoreId, verify};
use store::{Append, Reader};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = folder.join(format!("log-history-{}", std::process::id()));
    let events: u64 =
        arguments.next().map_or(2_000_000, |text| text.parse().expect("EVENTS is a number"));
    let up = arguments.next().map_or(2000, |text| text.parse().expect("CALLS_UP is a number"));
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    let ended = write(&folder, events, up);
    open(&folder, ended);
    std::fs::remove_dir_all(&folder).expect("the folder can be removed");
}

fn write(folder: &Path, events: u64, up: usize) -> u64 {
    const PER_BATCH: u64 = 1000;
    let (mut log, _) = Log::open(RealFiles::new(folder), options()).expect("an empty log opens");
    let mut calls = Calls::new(up, if events > 5_000_000 { 20_000 } else { usize::MAX });
    let (mut sealed, mut before, mut after) = (0, 0, 0);
    let (mut sealing_took, mut appending_took) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..events / PER_BATCH {
        let batch: Vec<Append> = (0..PER_BATCH).map(|_| calls.next()).collect();
        let begun = Instant::now();
        assert!(log.append(&batch).iter().all(Result::is_ok));
        appending_took += begun.elapsed();
        if let Some(sealing) = log.sealing() {
            let begun = Instant::now();
            let report = sealing.run().expect("a segment seals");
            sealing_took += begun.elapsed();
            sealed += report.events;
            before += report.bytes_before;
            after += report.bytes_after;
        }
    }
    log.close().expect("the disk syncs");
    let per_event = |bytes: u64| bytes as f64 / sealed.max(1) as f64;
    println!("{events} events of {} calls, {up} at a time, {sealed} sealed", calls.ended());
    println!(
        "bytes per event                {:>8.1} raw, {:.1} sealed with its index (limit 55)",
        per_event(before),
        per_event(after)
    );
    println!(
        "sealing, one core, read back   {:>8.0} ev/s",
        sealed as f64 / sealing_took.as_secs_f64()
    );
    println!(
        "appending unsynced             {:>8.0} ev/s",
        events as f64 / appending_took.as_secs_f64()
    );
    calls.ended()
}

fn open(folder: &Path, ended: u64) {
    let memory_before = resident_mb();
    let begun = Instant::now();
    let (log, recovery) = Log::open(RealFiles::new(folder), options()).expect("it opens");
    println!(
        "reopened in                    {:>8.0} ms, {} of {} events scanned, {} segments",
        ms(begun),
        recovery.events_scanned,
        recovery.head,
        recovery.segments
    );
    println!("memory the open log takes      {:>8.1} MB", resident_mb() - memory_before);
    let begun = Instant::now();
    let reader = log.reader();
    let mut bodies = 0;
    let seen = reader.scan(Position(0), |record| {
        bodies += record.body.len() as u64;
        ControlFlow::Continue(())
    });
    let seen = seen.expect("it reads").0;
    println!(
        "replay                         {:>8.0} ev/s, {:.1} bytes of body per event",
        seen as f64 / begun.elapsed().as_secs_f64(),
        bodies as f64 / seen as f64
    );
    old_calls(&reader, ended);
    strangers(&log);
    println!("memory after all of this       {:>8.1} MB", resident_mb() - memory_before);
    let begun = Instant::now();
    let report = verify(&RealFiles::new(folder), options().store).expect("it reads");
    assert!(report.is_sound(), "{:?}", report.faults);
    println!(
        "verify                         {:>8.0} ev/s, {} bytes on disk per event",
        report.events as f64 / begun.elapsed().as_secs_f64(),
        (report.bytes + report.index_bytes) / report.events
    );
}

fn old_calls(reader: &LogReader<RealFiles>, ended: u64) {
    let (mut dice, mut spans, mut events) = (Dice::new(5), Vec::new(), 0);
    for _ in 0..3000 {
        let stream = Calls::stream(dice.below(ended * 9 / 10));
        let begun = Instant::now();
        let read = reader.read_stream(stream, Revision(0), usize::MAX).expect("it reads");
        spans.push(begun.elapsed());
        assert!(!read.is_empty());
        events += read.len();
    }
    spans.sort();
    println!(
        "an old call of {:.1} events       p50 {:?} p99 {:?}",
        events as f64 / spans.len() as f64,
        spans[spans.len() / 2],
        spans[spans.len() * 99 / 100]
    );
}

/// What every new call asks: is there such a stream?
fn strangers(log: &Log<RealFiles>) {
    let begun = Instant::now();
    for number in 0..100_000 {
        assert_eq!(log.last_revision(Calls::stream(1 << 40 | number)).expect("it reads"), None);
    }
    println!(
        "asking for a stream not there  {:>8.2} us",
        begun.elapsed().as_secs_f64() * 1e6 / 100_000.0
    );
}

fn options() -> Options {
    Options::new(StoreId([1; 16]))
}

fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

fn resident_mb() -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
    line.split_whitespace().next().and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}
