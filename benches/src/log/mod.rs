//! The log beside the disk it stands on and beside SQLite: what issue and README promise of it.
//!
//! Ratios come from rounds in which the things that are compared take turns, and the median round
//! counts: the machine is shared, and a disk is now fast and now slow.

mod awaited;
mod batches;
mod calls;
mod history;
mod raw;
mod reads;
#[cfg(feature = "sqlite")]
mod sqlite;

use anyhow::Result;
use schemas::event::Encoded;
use schemas::{CallId, Revision, StreamId, Timestamp};
use std::path::Path;
use std::time::Duration;
use store::dice::Dice;
use store::file::RealFiles;
use store::log::{Log, Options, StoreId};
use store::{Append, Expected, NewEvent};

/// Of the plain events: what JSON of a call's event takes.
const BODY_BYTES: usize = 300;
const EVENTS_PER_CALL: u32 = 12;
/// Calls whose events stand between one another.
const CALLS_UP: u64 = 84;
/// How often the things that are compared take turns.
const ROUNDS: usize = 5;

/// One part, or all but the long history.
///
/// # Errors
/// The disk's, or there is no such part.
pub fn run(part: Option<&str>) -> Result<()> {
    let folder = tempfile::tempdir()?;
    println!(
        "the log: {BODY_BYTES} bytes of body per event, {EVENTS_PER_CALL} events per call, {CALLS_UP} calls at a time"
    );
    let parts =
        part.map_or_else(|| vec!["awaited", "batches", "reads", "history"], |one| vec![one]);
    for part in parts {
        match part {
            "awaited" => awaited::run(folder.path())?,
            "batches" => batches::run(folder.path())?,
            "reads" => reads::run(folder.path())?,
            "history" => history::run(folder.path(), 3_000_000)?,
            other => anyhow::bail!("the log has awaited, batches, reads and history, no {other}"),
        }
    }
    Ok(())
}

/// A history of so many events of real calls: what it takes on the disk and in memory, how fast it
/// is opened again and read.
///
/// # Errors
/// The disk's.
pub fn run_history(events: u32) -> Result<()> {
    let folder = tempfile::tempdir()?;
    history::run(folder.path(), events.into())
}

/// The second half of that, in a process of its own.
///
/// # Errors
/// The disk's.
pub fn read_history(place: &Path, ended_calls: u64) -> Result<()> {
    history::read(place, ended_calls)
}

/// The same before it, on a cold disk.
///
/// # Errors
/// The disk's.
pub fn open_history(place: &Path) -> Result<()> {
    history::open_cold(place)
}

/// What a figure should be.
#[derive(Clone, Copy)]
enum Limit {
    AtLeast(f64),
    AtMost(f64),
    None,
}

/// A figure with its limit beside it.
fn line(what: &str, figure: f64, unit: &str, limit: Limit) {
    let digits = if figure.abs() >= 1000.0 { 0 } else { 2 };
    let (word, is_kept) = match limit {
        Limit::AtLeast(limit) => (format!("at least {limit}"), figure >= limit),
        Limit::AtMost(limit) => (format!("at most {limit}"), figure <= limit),
        Limit::None => (String::new(), true),
    };
    let missed = if is_kept { "" } else { "   MISSED" };
    println!("  {what:<52} {figure:>12.digits$} {unit:<10} {word}{missed}");
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// The median and the 99th percentile, in microseconds.
fn percentiles(spans: &mut [Duration]) -> (f64, f64) {
    spans.sort();
    let us = |at: usize| spans[at].as_secs_f64() * 1e6;
    (us(spans.len() / 2), us(spans.len() * 99 / 100))
}

/// A new log in a folder of its own.
fn begin(place: &Path) -> Result<Log<RealFiles>> {
    std::fs::create_dir_all(place)?;
    Ok(Log::open(RealFiles::new(place), options())?.0)
}

fn options() -> Options {
    Options::new(StoreId([1; 16]))
}

/// Calls that go on side by side, and the next event of one of them.
struct PlainCalls {
    writer: u64,
    up: Vec<(u64, u32)>,
    turn: usize,
    begun: u64,
    body: Vec<u8>,
    at: i64,
}

impl PlainCalls {
    fn new(writer: u64, up: u64) -> Self {
        let mut body = vec![0; BODY_BYTES];
        Dice::new(writer).fill(&mut body);
        let up_now = (0..up).map(|call| (call, 0)).collect();
        Self { writer, up: up_now, turn: 0, begun: up, body, at: 1_790_000_000_000 }
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
