use super::*;
use crate::api::{Append, Expected, NewEvent, Reader};
use crate::contract::{Subject, every_store_keeps_it};
use crate::disk::{Crash, Faults, SimDisk};
use crate::file::Files;
use crate::log::{Options, StoreId};
use schemas::event::Encoded;
use schemas::{CallId, CalleeKey, Revision, StreamId, Timestamp};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

/// A log on a simulated disk behind its writer.
struct Running {
    disk: SimDisk,
    writer: LogWriter,
    appender: LogAppender,
    reader: Arc<dyn Reader>,
}

fn options() -> Options {
    // Small segments, so that the contract meets their seams.
    Options { segment_bytes: 16 * 1024, ..Options::new(StoreId([1; 16])) }
}

fn running(disk: SimDisk, keys: impl KeySink + 'static) -> Running {
    let (log, _) = Log::open(disk.clone(), options()).unwrap();
    let reader = Arc::new(log.reader());
    let (writer, appender) = start(log, keys).unwrap();
    Running { disk, writer, appender, reader }
}

impl Subject for Running {
    fn appender(&self) -> Arc<dyn Appender> {
        Arc::new(self.appender.clone())
    }

    fn reader(&self) -> Arc<dyn Reader> {
        Arc::clone(&self.reader)
    }

    fn reopened(self: Box<Self>) -> Box<dyn Subject> {
        self.writer.stop().unwrap();
        Box::new(running(self.disk.crash(Crash::Power), NoKeys))
    }
}

fn one(number: u8) -> Append {
    let encoded = Encoded { kind: 1, version: 1, body: vec![number] };
    let events = vec![NewEvent { encoded, at: Timestamp(0) }];
    Append { stream: StreamId::call(CallId([number; 16])), expected: Expected::NoStream, events }
}

fn key(number: u8) -> StoredKey {
    StoredKey { callee: CalleeKey([number; 16]), generation: 0, nonce: [0; 12], wrapped: [0; 48] }
}

#[test]
fn the_log_behind_its_writer_keeps_the_contract() {
    every_store_keeps_it(&|| Box::new(running(SimDisk::new(7), NoKeys)));
}

#[test]
fn one_write_and_one_sync_serve_all_that_waited_for_the_one_before() {
    let run = running(SimDisk::new(1), NoKeys);
    let (writes, syncs) = (run.disk.writes(), run.disk.syncs());
    // The first reply holds the thread while the others queue up.
    let ((hold, held), (entered, holding)) = (channel::<()>(), channel());
    let first = Box::new(move |_: Results| {
        entered.send(()).unwrap();
        held.recv().unwrap();
    });
    run.appender.submit(Batch { keys: Vec::new(), appends: vec![one(0)] }, first);
    holding.recv().unwrap();
    let (replies, heard) = channel();
    for number in 1..=100 {
        let replies = replies.clone();
        let reply = Box::new(move |results: Results| replies.send(results[0].is_ok()).unwrap());
        run.appender.submit(Batch { keys: Vec::new(), appends: vec![one(number)] }, reply);
    }
    hold.send(()).unwrap();
    assert!((1..=100).all(|_| heard.recv().unwrap()));
    // Two for the groups, one for the header of the first segment.
    assert_eq!((run.disk.writes() - writes, run.disk.syncs() - syncs), (3, 3));
}

#[test]
fn keys_are_durable_before_the_events_that_use_them() {
    /// Notes how many events were durable when keys came.
    struct Watching(SimDisk, Arc<Mutex<Vec<(usize, u64)>>>);
    impl KeySink for Watching {
        fn append_and_sync(&mut self, keys: &[StoredKey]) -> Result<(), StoreError> {
            self.1.lock().unwrap().push((keys.len(), self.0.syncs()));
            Ok(())
        }
    }
    let (disk, seen) = (SimDisk::new(1), Arc::new(Mutex::new(Vec::new())));
    let run = running(disk.clone(), Watching(disk, Arc::clone(&seen)));
    let (replies, heard) = channel();
    let reply = Box::new(move |results: Results| replies.send(results).unwrap());
    run.appender.submit(Batch { keys: vec![key(1), key(2)], appends: vec![one(1)] }, reply);
    assert!(heard.recv().unwrap()[0].is_ok());
    assert_eq!(*seen.lock().unwrap(), [(2, 0)], "keys came after a sync of the log");
}

#[test]
fn events_whose_keys_could_not_be_kept_are_not_appended_nor_any_after_them() {
    struct Failing;
    impl KeySink for Failing {
        fn append_and_sync(&mut self, _: &[StoredKey]) -> Result<(), StoreError> {
            Err(StoreError::NoSpace { file: "keys/persons".to_owned() })
        }
    }
    let run = running(SimDisk::new(1), Failing);
    let (replies, heard) = channel();
    for keys in [vec![key(1)], Vec::new()] {
        let replies = replies.clone();
        let reply = Box::new(move |results: Results| replies.send(results).unwrap());
        run.appender.submit(Batch { keys, appends: vec![one(1)] }, reply);
        let results = heard.recv().unwrap();
        assert!(
            matches!(&results[0], Err(AppendError::Broken(why)) if why.contains("no space")),
            "{results:?}"
        );
    }
    assert_eq!(run.reader.head().unwrap(), Position(0));
}

#[test]
fn a_failed_sync_is_told_to_all_and_ends_the_log() {
    let run = running(SimDisk::new(1), NoKeys);
    assert!(run.appender.append(vec![one(1)])[0].is_ok());
    run.disk.set_faults(Faults { failed_sync_one_in: 1, ..Faults::default() });
    let broken = |results: Results| matches!(results[0], Err(AppendError::Broken(_)));
    assert!(broken(run.appender.append(vec![one(2)])));
    run.disk.set_faults(Faults::default());
    assert!(broken(run.appender.append(vec![one(3)])), "a poisoned log took an append");
    assert_eq!(run.reader.head().unwrap(), Position(1), "a reader saw what may be lost");
    assert!(run.writer.stop().is_err());
}

#[test]
fn after_the_stop_an_append_is_answered() {
    let run = running(SimDisk::new(1), NoKeys);
    assert!(run.appender.append(vec![one(1)])[0].is_ok());
    assert_eq!(run.writer.stop().unwrap(), Position(1));
    assert!(matches!(run.appender.append(vec![one(2)])[0], Err(AppendError::Broken(_))));
    assert!(run.reader.read_stream(one(1).stream, Revision(0), 9).unwrap().len() == 1);
}

#[test]
fn full_segments_are_sealed_while_the_log_goes_on() {
    let run = running(SimDisk::new(1), NoKeys);
    let large = |number: u8| {
        let mut large = one(number);
        large.events[0].encoded.body = vec![number; 9000];
        large
    };
    for number in 0..100 {
        assert!(run.appender.append(vec![large(number)])[0].is_ok());
    }
    let all = run.reader.read_all(Position(0), usize::MAX).unwrap();
    assert_eq!(all.len(), 100);
    run.writer.stop().unwrap();
    let names = run.disk.list().unwrap();
    let sealed = names.iter().filter(|name| name.ends_with(".sealed")).count();
    let frames = names.iter().filter(|name| name.ends_with(".log")).count();
    assert!(sealed + frames > 30 && frames <= 10, "{names:?}");
    assert!(run.reader.read_all(Position(0), usize::MAX).unwrap() == all);
}
