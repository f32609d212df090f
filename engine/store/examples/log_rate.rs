//! How fast the log is on this disk, beside what the disk can do: `cargo run --release -p store
//! --example log_rate [FOLDER] [BODY_BYTES] [EVENTS]`. Carry the ratios: rates are this machine's.

#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use schemas::event::Encoded;
use schemas::{CallId, Position, Revision, StreamId, Timestamp};
use std::fs::File;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};
use store::dice::Dice;
use store::file::RealFiles;
use store::log::{Log, Options, StoreId};
use store::writer::{self, NoKeys};
use store::{Append, Appender, Batch, Expected, NewEvent, Reader};

const EVENTS_PER_CALL: u32 = 12;
/// Calls whose events stand between one another.
const CALLS_UP: u64 = 84;
const SPAN: Duration = Duration::from_millis(1500);

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = folder.join(format!("log-rate-{}", std::process::id()));
    let body = arguments.next().map_or(300, |text| text.parse().expect("BODY_BYTES is a number"));
    let events =
        arguments.next().map_or(2_000_000, |text| text.parse().expect("EVENTS is a number"));
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    println!(
        "{} bytes of body per event, {EVENTS_PER_CALL} events per call, {CALLS_UP} calls at a time",
        body
    );
    let raw = raw_limits(&folder);
    awaited(&folder, body, raw.syncs_per_s);
    batches(&folder, body, events, &raw);
    reads(&folder, body, events);
    std::fs::remove_dir_all(&folder).expect("the folder can be removed");
}

struct Raw {
    syncs_per_s: f64,
    write_bytes_per_s: f64,
    /// What the kernel takes to copy into fresh pages: nobody can append for less.
    cpu_us_per_kb: f64,
}

fn raw_limits(folder: &Path) -> Raw {
    let path = folder.join("raw");
    let file = File::create(&path).expect("a file can be made");
    let page = vec![7; 4096];
    let mut spans = Vec::new();
    let begun = Instant::now();
    while begun.elapsed() < SPAN {
        let one = Instant::now();
        file.write_all_at(&page, spans.len() as u64 * 4096).expect("the disk writes");
        file.sync_data().expect("the disk syncs");
        spans.push(one.elapsed());
    }
    let syncs_per_s = spans.len() as f64 / begun.elapsed().as_secs_f64();
    let (p50, p99) = percentiles(&mut spans);
    println!(
        "raw: append 4 KiB + fdatasync      {syncs_per_s:>10.0} /s    p50 {p50:?} p99 {p99:?}"
    );
    let chunk = vec![9; 1 << 20];
    let (begun, cpu) = (Instant::now(), thread_cpu_time());
    for at in 0..256 {
        file.write_all_at(&chunk, at << 20).expect("the disk writes");
    }
    let cpu_us_per_kb = (thread_cpu_time() - cpu).as_secs_f64() * 1e6 / (256.0 * 1024.0);
    file.sync_data().expect("the disk syncs");
    let write_bytes_per_s = (256 << 20) as f64 / begun.elapsed().as_secs_f64();
    println!(
        "raw: sequential write and one sync {:>10.2} GB/s   {cpu_us_per_kb:.2} us CPU per KB",
        write_bytes_per_s / 1e9
    );
    std::fs::remove_file(&path).expect("the file can be removed");
    Raw { syncs_per_s, write_bytes_per_s, cpu_us_per_kb }
}

/// Writers that wait for each of their events.
fn awaited(folder: &Path, body: usize, syncs_per_s: f64) {
    for writers in [1_u64, 16, 256] {
        let (log, place) = open(folder);
        let (writer, appender) = writer::start(log, NoKeys).expect("a thread starts");
        let (done, answers) = channel();
        let (mut given, mut spans) = (vec![Instant::now(); writers as usize], Vec::new());
        let mut calls: Vec<Calls> =
            (0..writers).map(|writer| Calls::new(writer, 1, body)).collect();
        let (cpu, begun) = (cpu_time(), Instant::now());
        let mut submit = |writer: usize, given: &mut Vec<Instant>| {
            let done = done.clone();
            given[writer] = Instant::now();
            let reply = Box::new(move |results: Vec<_>| {
                let appended: Result<_, store::AppendError> =
                    results.into_iter().next().expect("one result");
                appended.expect("it goes in");
                done.send(writer).expect("the main thread listens");
            });
            appender.submit(Batch { keys: Vec::new(), appends: vec![calls[writer].next()] }, reply);
        };
        (0..writers as usize).for_each(|writer| submit(writer, &mut given));
        while begun.elapsed() < SPAN {
            let writer = answers.recv().expect("every batch is answered");
            spans.push(given[writer].elapsed());
            submit(writer, &mut given);
        }
        let rate = spans.len() as f64 / begun.elapsed().as_secs_f64();
        let cpu = (cpu_time() - cpu).as_secs_f64() * 1e6 / spans.len() as f64;
        let (p50, p99) = percentiles(&mut spans);
        let ratio = rate / syncs_per_s;
        println!(
            "{writers:>4} waiting writers, durable       {rate:>10.0} ev/s  {ratio:>6.2} x raw sync  p50 {p50:?} p99 {p99:?}  {cpu:.2} us CPU/event"
        );
        writer.stop().expect("it stops");
        std::fs::remove_dir_all(place).expect("the folder can be removed");
    }
}

/// A shard's loop: a thousand events, one sync.
fn batches(folder: &Path, body: usize, events: u64, raw: &Raw) {
    let mut rates = Vec::new();
    for (synced, per_batch) in [(false, 1000), (true, 1), (true, 16), (true, 252), (true, 1000)] {
        let (mut log, place) = open(folder);
        let mut calls = Calls::new(0, CALLS_UP, body);
        let (mut done, begun, mut working) = (0_u64, Instant::now(), Duration::ZERO);
        let mut cpu = Duration::ZERO;
        while done < events && begun.elapsed() < 2 * SPAN {
            let batch: Vec<Append> = (0..per_batch).map(|_| calls.next()).collect();
            let (one, one_cpu) = (Instant::now(), thread_cpu_time());
            assert!(log.append(&batch).iter().all(Result::is_ok));
            if synced {
                log.sync().expect("the disk syncs");
            }
            working += one.elapsed();
            cpu += thread_cpu_time() - one_cpu;
            done += per_batch;
        }
        let rate = done as f64 / working.as_secs_f64();
        let cpu = cpu.as_secs_f64() * 1e6 / done as f64;
        let bytes: u64 = bytes_in(&place);
        let share = bytes as f64 / working.as_secs_f64() / raw.write_bytes_per_s;
        let word = if synced { "durable" } else { "unsynced" };
        println!(
            "batches of {per_batch:>4}, {word:<8}          {rate:>10.0} ev/s  {cpu:.2} us CPU/event ({:.2} of it the kernel's copy)  {share:.2} x sequential write  {:.0} B/event",
            raw.cpu_us_per_kb * bytes as f64 / done as f64 / 1024.0,
            bytes as f64 / done as f64
        );
        rates.push(rate);
        std::fs::remove_dir_all(place).expect("the folder can be removed");
    }
    println!("batches of 1000: durable / unsynced     {:.2}", rates[4] / rates[0]);
}

fn reads(folder: &Path, body: usize, events: u64) {
    let (mut log, place) = open(folder);
    let mut calls = Calls::new(0, CALLS_UP, body);
    for _ in 0..events / 1000 {
        let batch: Vec<Append> = (0..1000).map(|_| calls.next()).collect();
        assert!(log.append(&batch).iter().all(Result::is_ok));
    }
    log.sync().expect("the disk syncs");
    let reader = log.reader();
    for pass in ["first", "second"] {
        let (mut seen, mut sum, begun) = (0_u64, 0_usize, Instant::now());
        let shown = reader.scan(Position(0), |record| {
            seen += 1;
            sum += record.body.len();
            ControlFlow::Continue(())
        });
        shown.expect("the log reads");
        assert_eq!((sum as u64, seen), (seen * body as u64, events / 1000 * 1000));
        println!(
            "replay with CRC, {pass} pass     {:>14.0} ev/s",
            seen as f64 / begun.elapsed().as_secs_f64()
        );
    }
    let (mut spans, mut dice) = (Vec::new(), Dice::new(3));
    let latest = calls.begun.saturating_sub(CALLS_UP);
    for _ in 0..20_000 {
        // Calls that have just ended: what is hot.
        let stream = stream_of(0, latest - 1 - dice.below(latest.min(10_000)));
        let one = Instant::now();
        let read = reader.read_stream(stream, Revision(0), usize::MAX).expect("the log reads");
        spans.push(one.elapsed());
        assert_eq!(read.len(), EVENTS_PER_CALL as usize);
    }
    let (p50, p99) = percentiles(&mut spans);
    println!("one call of 12 events                p50 {p50:?} p99 {p99:?}");
    drop(log);
    let begun = Instant::now();
    let files = RealFiles::new(&place);
    let (log, recovery) = Log::open(files, options()).expect("it opens");
    println!("reopened, {} events scanned, in {:?}", recovery.events_scanned, begun.elapsed());
    drop(log);
    std::fs::remove_dir_all(place).expect("the folder can be removed");
}

/// Calls that go on side by side, and the next event of one of them.
struct Calls {
    writer: u64,
    up: Vec<(u64, u32)>,
    turn: usize,
    begun: u64,
    body: Vec<u8>,
    at: i64,
}

impl Calls {
    fn new(writer: u64, up: u64, body: usize) -> Self {
        let mut bytes = vec![0; body];
        Dice::new(writer).fill(&mut bytes);
        let up_now = (0..up).map(|call| (call, 0)).collect();
        Self { writer, up: up_now, turn: 0, begun: up, body: bytes, at: 1_790_000_000_000 }
    }

    fn next(&mut self) -> Append {
        self.turn = (self.turn + 1) % self.up.len();
        self.at += 1;
        let (call, revision) = &mut self.up[self.turn];
        let expected = revision
            .checked_sub(1)
            .map_or(Expected::NoStream, |last| Expected::Exact(Revision(last)));
        let stream = stream_of(self.writer, *call);
        *revision += 1;
        if *revision == EVENTS_PER_CALL {
            (*call, *revision) = (self.begun, 0);
            self.begun += 1;
        }
        let encoded = Encoded { kind: 3, version: 1, body: self.body.clone() };
        Append { stream, expected, events: vec![NewEvent { encoded, at: Timestamp(self.at) }] }
    }
}

fn stream_of(writer: u64, call: u64) -> StreamId {
    let mut id = [0; 16];
    Dice::new(writer << 48 ^ call).fill(&mut id);
    StreamId::call(CallId(id))
}

fn options() -> Options {
    Options::new(StoreId([1; 16]))
}

fn open(folder: &Path) -> (Log<RealFiles>, PathBuf) {
    let place = folder.join("log");
    std::fs::create_dir_all(&place).expect("the folder can be made");
    let (log, _) = Log::open(RealFiles::new(&place), options()).expect("an empty log opens");
    (log, place)
}

fn bytes_in(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).expect("the folder lists");
    files.map(|file| file.and_then(|f| f.metadata()).expect("a file has a size").len()).sum()
}

fn percentiles(spans: &mut [Duration]) -> (Duration, Duration) {
    spans.sort();
    (spans[spans.len() / 2], spans[spans.len() * 99 / 100])
}

fn cpu_time() -> Duration {
    schedstat("/proc/self/task")
}

/// CPU time of all threads of this process that live.
fn schedstat(tasks: &str) -> Duration {
    let tasks = std::fs::read_dir(tasks).expect("Linux lists the threads");
    tasks.flatten().map(|task| read_schedstat(&task.path().join("schedstat"))).sum()
}

fn thread_cpu_time() -> Duration {
    read_schedstat(Path::new("/proc/thread-self/schedstat"))
}

fn read_schedstat(path: &Path) -> Duration {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let nanos = text.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0);
    Duration::from_nanos(nanos)
}
