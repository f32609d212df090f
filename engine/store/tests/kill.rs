//! A process that writes is killed (-9) at any moment, again and again, on a real disk. Whatever
//! it had been told was durable must be there afterwards. What this cannot show, lost and torn
//! writes, the simulated disk shows.
//!
//! `CALLFOLD_KILLS=n` kills more often than usual.

use schemas::event::Encoded;
use schemas::{CallId, Position, Revision, StreamId, Timestamp};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use store::dice::Dice;
use store::file::RealFiles;
use store::log::{Log, Options, verify};
use store::writer::{self, NoKeys};
use store::{Append, Appender, Batch, DataFolder, Expected, NewEvent, Reader};

/// Streams that are written side by side, each waiting for its own events.
const STREAMS: u8 = 16;
const FOLDER: &str = "CALLFOLD_KILL_FOLDER";

fn options(folder: &DataFolder) -> Options {
    // Small, so that segments are begun, sealed and merged all the time.
    Options { segment_bytes: 64 * 1024, ..Options::new(folder.store_id()) }
}

fn stream(number: u8) -> StreamId {
    StreamId::call(CallId([number; 16]))
}

/// What stands at a place follows from the place.
fn event(number: u8, revision: u32) -> NewEvent {
    let mut dice = Dice::new(u64::from(number) << 32 | u64::from(revision));
    let mut body = vec![0; dice.below(200) as usize];
    dice.fill(&mut body);
    let encoded = Encoded { kind: dice.below(300) as u16, version: 1, body };
    NewEvent { encoded, at: Timestamp(dice.below(1 << 41) as i64) }
}

/// One to three events that follow `last`.
fn append(number: u8, last: Option<u32>) -> Append {
    let first = last.map_or(0, |last| last + 1);
    let expected = last.map_or(Expected::NoStream, |last| Expected::Exact(Revision(last)));
    let count = 1 + (first + u32::from(number)) % 3;
    Append {
        stream: stream(number),
        expected,
        events: (first..first + count).map(|revision| event(number, revision)).collect(),
    }
}

/// The process that is killed: writes, and prints what it was told is durable.
#[test]
fn writes_until_it_is_killed() {
    // Run as a test of its own it writes nothing: there is nobody to kill it.
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = DataFolder::open(Path::new(&folder), "n").unwrap();
    let (log, _) = Log::open(folder.log_files(), options(&folder)).unwrap();
    let lasts: Vec<_> =
        (0..STREAMS).map(|number| log.last_revision(stream(number)).unwrap()).collect();
    let (_writer, appender) = writer::start(log, NoKeys).unwrap();
    let (done, answers) = channel();
    let submit = |number: u8, last: Option<u32>| {
        let done = done.clone();
        let reply = Box::new(move |results: store::Results| {
            let durable = results[0].as_ref().expect("it goes in");
            done.send((number, durable.last.0, durable.position.0)).expect("the loop listens");
        });
        appender.submit(Batch { keys: Vec::new(), appends: vec![append(number, last)] }, reply);
    };
    for (number, last) in (0..STREAMS).zip(lasts) {
        submit(number, last.map(|revision| revision.0));
    }
    let mut out = std::io::stdout().lock();
    while let Ok((number, revision, position)) = answers.recv() {
        writeln!(out, "durable {number} {revision} {position}").unwrap();
        submit(number, Some(revision));
    }
}

#[test]
fn a_writer_that_is_killed_loses_nothing_that_was_acknowledged() {
    let kills: u64 =
        std::env::var("CALLFOLD_KILLS").map_or(8, |text| text.parse().expect("a number"));
    let place = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeMap::new();
    let mut dice = Dice::new(kills);
    for _ in 0..kills {
        let mut child = Running::start(place.path());
        let heard = child.listen(dice.below(4000), &mut acknowledged);
        child.kill(&mut acknowledged);
        assert!(heard > 0, "the process wrote nothing");
        check(place.path(), &acknowledged);
    }
    let folder = DataFolder::open_to_read(place.path()).unwrap();
    let sealed = verify(&folder.log_files(), folder.store_id()).unwrap().sealed;
    assert!(sealed > 0, "no segment was sealed while the process was killed");
}

struct Running {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Running {
    fn start(folder: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "writes_until_it_is_killed", "--nocapture"])
            .env(FOLDER, folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Hears of so many durable appends and a few more.
    fn listen(&mut self, count: u64, acknowledged: &mut BTreeMap<(u8, u32), u64>) -> u64 {
        let mut heard = 0;
        while let Some(Ok(line)) = self.lines.next() {
            heard += u64::from(note(&line, acknowledged));
            if heard > count {
                break;
            }
        }
        heard
    }

    fn kill(mut self, acknowledged: &mut BTreeMap<(u8, u32), u64>) {
        self.child.kill().unwrap();
        // What it had printed before counts.
        for line in self.lines.by_ref() {
            note(&line.unwrap_or_default(), acknowledged);
        }
        self.child.wait().unwrap();
    }
}

/// Whether a line tells of a durable append. The last one may be cut off by the kill.
fn note(line: &str, acknowledged: &mut BTreeMap<(u8, u32), u64>) -> bool {
    let mut words = line.split_whitespace();
    let (Some("durable"), Some(number), Some(revision), Some(position)) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return false;
    };
    let (Ok(number), Ok(revision), Ok(position)) =
        (number.parse(), revision.parse(), position.parse::<u64>())
    else {
        return false;
    };
    // A position that was cut off is a smaller one, and is told again by nobody.
    acknowledged
        .entry((number, revision))
        .and_modify(|known| *known = position.max(*known))
        .or_insert(position);
    true
}

fn check(place: &Path, acknowledged: &BTreeMap<(u8, u32), u64>) {
    let folder = DataFolder::open(place, "n").unwrap();
    let (log, recovery) = Log::open(folder.log_files(), options(&folder)).unwrap();
    let reader = log.reader();
    let all = reader.read_all(Position(0), usize::MAX).unwrap();
    assert!(
        all.iter().zip(1..).all(|(event, due)| event.position.0 == due),
        "a position is missing"
    );
    assert_eq!(recovery.head, all.len() as u64);
    for number in 0..STREAMS {
        let events = reader.read_stream(stream(number), Revision(0), usize::MAX).unwrap();
        for (stored, revision) in events.iter().zip(0..) {
            let wanted = event(number, revision);
            assert!(
                stored.encoded == wanted.encoded && stored.at == wanted.at,
                "an event has changed"
            );
            assert!(all[stored.position.0 as usize - 1] == *stored, "two ways of reading disagree");
        }
        let last = acknowledged.range((number, 0)..=(number, u32::MAX)).next_back();
        if let Some(((_, revision), position)) = last {
            let stored = events.get(*revision as usize).expect("what was acknowledged is there");
            assert!(stored.position.0 >= *position, "what was acknowledged has moved");
        }
        // Appends are whole: the next one begins where one of ours ended.
        let mut next = 0;
        while next < events.len() as u32 {
            next += 1 + (next + u32::from(number)) % 3;
        }
        assert_eq!(next as usize, events.len(), "an append was torn apart");
    }
    drop((reader, log));
    let report = verify(&RealFiles::new(place.join("log")), folder.store_id()).unwrap();
    assert!(report.is_sound(), "{:?}", report.faults);
}
