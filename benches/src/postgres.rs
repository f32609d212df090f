//! Durable appends and reads on PostgreSQL, beside the embedded log and the disk itself, in one
//! run: a private server in the same folder, with the settings that Debian gives it.

use crate::cpu;
use anyhow::{Context, Result, anyhow};
use schemas::event::Encoded;
use schemas::{CallId, Position, Revision, StreamId, Timestamp};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};
use store::folder::DataFolder;
use store::writer::NoKeys;
use store::{Append, Appender, Batch, Expected, NewEvent, Reader};
use store_postgres::cluster::Cluster;
use store_postgres::{Options, PostgresStore};

const EVENTS_PER_CALL: u32 = 12;
/// About what a call's event has: `store_postgres` keeps 58 bytes beside it, and three index rows.
const BODY_BYTES: usize = 60;
const SPAN: Duration = Duration::from_secs(3);

/// A store under the bench.
struct Subject<'a> {
    name: &'static str,
    appender: Arc<dyn Appender>,
    reader: Arc<dyn Reader>,
    /// CPU seconds of the processes beside ours that work for it.
    beside: Box<dyn Fn() -> f64 + 'a>,
}

/// Prints all figures.
///
/// # Errors
/// There is no PostgreSQL, or no room.
pub fn run() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let syncs = raw_syncs(folder.path())?;
    println!("events of {BODY_BYTES} bytes, {EVENTS_PER_CALL} a call; CPU: ours + the server's");
    println!("raw: append 4 KiB + fdatasync         {syncs:>9.0} /s");

    let data = DataFolder::open(&folder.path().join("data"), "bench")?;
    let (log, _) = data.open_log()?;
    let reader = Arc::new(log.reader());
    let (writer, appender) = store::writer::start(log, NoKeys)?;
    let none = Box::new(|| 0.0);
    let log = Subject { name: "log", appender: Arc::new(appender), reader, beside: none };
    let cluster = Cluster::start().context("a private server")?;
    let store = PostgresStore::open(&cluster.url("bench"), Options::default())?;
    let (appender, reader) = (Arc::new(store.clone()), Arc::new(store.clone()));
    let beside = Box::new(|| cluster.cpu().as_secs_f64());
    let postgres = Subject { name: "postgres", appender, reader, beside };
    for subject in [&log, &postgres] {
        for (turn, writers) in [1, 16, 256].into_iter().enumerate() {
            awaited(subject, turn as u32, writers, syncs)?;
        }
        batches(subject, syncs)?;
        reads(subject)?;
    }
    let bytes = store.bytes_per_event()?;
    println!("postgres  on the disk, indexes and all {bytes:>9.0} bytes/event");
    writer.stop()?;
    Ok(())
}

fn raw_syncs(folder: &Path) -> Result<f64> {
    let file = File::create(folder.join("raw"))?;
    let page = vec![7; 4096];
    let (begun, mut syncs) = (Instant::now(), 0_u64);
    while begun.elapsed() < SPAN / 2 {
        file.write_all_at(&page, syncs * 4096)?;
        file.sync_data()?;
        syncs += 1;
    }
    Ok(syncs as f64 / begun.elapsed().as_secs_f64())
}

/// The events of call after call, of one writer.
struct Calls {
    writer: [u8; 4],
    event: u32,
}

impl Calls {
    fn new(turn: u32, writer: u32) -> Self {
        Self { writer: (turn << 16 | writer).to_le_bytes(), event: 0 }
    }

    fn next(&mut self) -> Append {
        let (call, revision) = (self.event / EVENTS_PER_CALL, self.event % EVENTS_PER_CALL);
        self.event += 1;
        let mut id = [0xca; 16];
        id[..4].copy_from_slice(&self.writer);
        // Ids are hashes, and scatter over an index as such.
        let scattered = u64::from(call).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
        id[4..12].copy_from_slice(&scattered);
        id.rotate_left(4);
        let expected = revision
            .checked_sub(1)
            .map_or(Expected::NoStream, |last| Expected::Exact(Revision(last)));
        let encoded = Encoded { kind: 2, version: 1, body: vec![7; BODY_BYTES] };
        let events = vec![NewEvent { encoded, at: Timestamp(1_790_000_000_000) }];
        Append { stream: StreamId::call(CallId(id)), expected, events }
    }
}

/// Writers that wait for each of their events.
fn awaited(subject: &Subject<'_>, turn: u32, writers: u32, syncs: f64) -> Result<()> {
    let (done, answers) = channel();
    let mut calls: Vec<Calls> = (0..writers).map(|writer| Calls::new(turn, writer)).collect();
    let mut given = vec![Instant::now(); writers as usize];
    let mut submit = |writer: usize, given: &mut Vec<Instant>| {
        let done = done.clone();
        given[writer] = Instant::now();
        let batch = Batch { keys: Vec::new(), appends: vec![calls[writer].next()] };
        // Who does not listen any more has what it wanted.
        let reply = move |results: store::Results| drop(done.send((writer, results)));
        subject.appender.submit(batch, Box::new(reply));
    };
    let (own, beside, begun) = (cpu::own(), (subject.beside)(), Instant::now());
    let mut spans = Vec::new();
    (0..writers as usize).for_each(|writer| submit(writer, &mut given));
    while begun.elapsed() < SPAN {
        let (writer, results) = answers.recv()?;
        for result in results {
            result?;
        }
        spans.push(given[writer].elapsed());
        submit(writer, &mut given);
    }
    let took = begun.elapsed().as_secs_f64();
    let count = spans.len() as f64;
    let own = (cpu::own() - own) * 1e6 / count;
    let beside = ((subject.beside)() - beside) * 1e6 / count;
    spans.sort();
    let (p50, p99) = (spans[spans.len() / 2], spans[spans.len() * 99 / 100]);
    // What is still on its way has its answers before the next bench begins.
    (0..writers).try_for_each(|_| answers.recv().map(drop))?;
    println!(
        "{:<9} {writers:>4} waiting writers, durable  {:>9.0} ev/s  {:>6.2} x raw sync  p50 {p50:.0?} p99 {p99:.0?}  CPU {own:.1} + {beside:.1} µs/event",
        subject.name,
        count / took,
        count / took / syncs,
    );
    Ok(())
}

/// A shard's loop under load: an event of each of a thousand calls a batch, one batch on its way.
fn batches(subject: &Subject<'_>, syncs: f64) -> Result<()> {
    let mut calls: Vec<Calls> = (0..1000).map(|writer| Calls::new(9, writer)).collect();
    let (own, beside, begun) = (cpu::own(), (subject.beside)(), Instant::now());
    let mut count = 0;
    while begun.elapsed() < SPAN {
        let appends = calls.iter_mut().map(Calls::next).collect();
        for result in subject.appender.append(appends) {
            result.map_err(|error| anyhow!(error))?;
            count += 1;
        }
    }
    let (took, count) = (begun.elapsed().as_secs_f64(), f64::from(count));
    let own = (cpu::own() - own) * 1e6 / count;
    let beside = ((subject.beside)() - beside) * 1e6 / count;
    println!(
        "{:<9} batches of 1000, durable       {:>9.0} ev/s  {:>6.2} x raw sync  CPU {own:.1} + {beside:.1} µs/event",
        subject.name,
        count / took,
        count / took / syncs,
    );
    Ok(())
}

/// As a relay reads: everything, in order, page by page; and one call as a question asks for it.
fn reads(subject: &Subject<'_>) -> Result<()> {
    for page in [1_000, 10_000] {
        let (own, beside, begun) = (cpu::own(), (subject.beside)(), Instant::now());
        let (mut after, mut count) = (Position(0), 0_u32);
        while begun.elapsed() < SPAN {
            let events = subject.reader.read_all(after, page)?;
            let Some(last) = events.last() else { break };
            after = last.position;
            count += events.len() as u32;
        }
        let (took, count) = (begun.elapsed().as_secs_f64(), f64::from(count));
        let own = (cpu::own() - own) * 1e6 / count;
        let beside = ((subject.beside)() - beside) * 1e6 / count;
        println!(
            "{:<9} reads all, {page:>6} at a time    {:>9.0} ev/s                    CPU {own:.1} + {beside:.1} µs/event",
            subject.name,
            count / took,
        );
    }
    let stream = Calls::new(1, 3).next().stream;
    let mut spans = Vec::new();
    for _ in 0..500 {
        let begun = Instant::now();
        anyhow::ensure!(!subject.reader.read_stream(stream, Revision(0), 100)?.is_empty());
        spans.push(begun.elapsed());
    }
    spans.sort();
    println!(
        "{:<9} one call of 12 events          p50 {:.0?} p99 {:.0?}",
        subject.name, spans[250], spans[495]
    );
    Ok(())
}
