//! The server dies in the middle of appends, or answers into a connection that is gone: what was
//! acknowledged is there, and nothing is there twice.

mod proxy;

use proxy::Proxy;
use schemas::event::Encoded;
use schemas::{CallId, Position, Revision, StreamId, Timestamp};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};
use store::{Append, AppendError, Appended, Appender, Expected, NewEvent, Reader};
use store_postgres::cluster::Cluster;
use store_postgres::{Options, PostgresStore};

const WRITERS: u8 = 4;
const KILLS: u32 = 4;
/// So long none of them may stand still.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// So many more are acknowledged before the next kill.
const BETWEEN_KILLS: u32 = 150;

fn append(stream: u8, expected: Expected, body: u32) -> Append {
    let encoded = Encoded { kind: 2, version: 1, body: body.to_le_bytes().to_vec() };
    let events = vec![NewEvent { encoded, at: Timestamp(i64::from(body)) }];
    Append { stream: StreamId::call(CallId([stream; 16])), expected, events }
}

fn one(store: &PostgresStore, append: Append) -> Result<Appended, AppendError> {
    store.append(vec![append]).remove(0)
}

/// Appends 0, 1, 2, … to a stream of its own until it is told to stop; how many were acknowledged.
fn write(store: &PostgresStore, stream: u8, stop: &AtomicBool, acknowledged: &AtomicU32) -> u32 {
    let mut next = 0;
    while !stop.load(Ordering::Relaxed) {
        // Half of them do not say where they go: a repeat is told by its attempt alone.
        let expected = match (next % 2, next) {
            (1, _) => Expected::Any,
            (_, 0) => Expected::NoStream,
            (_, next) => Expected::Exact(Revision(next - 1)),
        };
        let done = one(store, append(stream, expected, next)).expect("it goes in, in the end");
        assert_eq!(done.last, Revision(next), "an event went in twice, or not at all");
        next += 1;
        acknowledged.fetch_add(1, Ordering::Relaxed);
    }
    next
}

#[test]
fn a_server_that_is_killed_in_the_middle_of_appends_loses_nothing_and_has_nothing_twice() {
    let cluster = Cluster::start().unwrap();
    let store = PostgresStore::open(&cluster.url("killed"), Options::default()).unwrap();
    let (stop, acknowledged) = (AtomicBool::new(false), AtomicU32::new(0));
    let (end, seen) = (AtomicU64::new(u64::MAX), AtomicU32::new(0));
    let counts: Vec<u32> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|stream| {
                let (store, stop, acknowledged) = (&store, &stop, &acknowledged);
                scope.spawn(move || write(store, stream, stop, acknowledged))
            })
            .collect();
        // A follower meets every death too: it has seen something before, and something new after.
        let follower = scope.spawn(|| follow(&store, &end, &seen));
        let reach = |counted: &AtomicU32, at_least: u32| {
            let deadline = Instant::now() + PATIENCE;
            while counted.load(Ordering::Relaxed) < at_least {
                assert!(Instant::now() < deadline, "nothing comes any more");
                assert!(!follower.is_finished(), "the follower has given up");
                std::thread::sleep(LOOK_EVERY);
            }
        };
        for kill in 1..=KILLS {
            reach(&acknowledged, kill * BETWEEN_KILLS);
            let before = seen.load(Ordering::Relaxed);
            reach(&seen, before + 1);
            cluster.kill().unwrap();
            let before = acknowledged.load(Ordering::Relaxed);
            cluster.restart().unwrap();
            reach(&seen, before + u32::from(WRITERS) + 1);
        }
        stop.store(true, Ordering::Relaxed);
        let counts: Vec<u32> = writers.into_iter().map(|w| w.join().unwrap()).collect();
        let all = store.read_all(Position(0), usize::MAX).unwrap();
        end.store(all.last().unwrap().position.0, Ordering::Relaxed);
        let followed = follower.join().unwrap();
        assert!(followed == all, "the follower saw {} events of {}", followed.len(), all.len());
        counts
    });
    let again = PostgresStore::open(&cluster.url("killed"), Options::default()).unwrap();
    for (stream, count) in (0..WRITERS).zip(counts) {
        let id = StreamId::call(CallId([stream; 16]));
        let events = again.read_stream(id, Revision(0), usize::MAX).unwrap();
        let bodies: Vec<_> = events.iter().map(|event| event.encoded.body.clone()).collect();
        let wanted: Vec<_> = (0..count).map(|body| body.to_le_bytes().to_vec()).collect();
        assert_eq!(bodies, wanted);
    }
}

/// Reads on until it has come to the end, once that is known.
fn follow(store: &PostgresStore, end: &AtomicU64, count: &AtomicU32) -> Vec<store::Stored> {
    let (mut seen, mut last) = (Vec::new(), Position(0));
    while last.0 < end.load(Ordering::Relaxed) {
        store.wait(last, Duration::from_millis(50)).expect("a store reads");
        let page = store.read_all(last, 100).expect("a store reads");
        last = page.last().map_or(last, |event| event.position);
        count.fetch_add(u32::try_from(page.len()).unwrap(), Ordering::Relaxed);
        seen.extend(page);
    }
    seen
}

#[test]
fn an_append_whose_answer_is_lost_is_recognised_when_it_comes_again() {
    let cluster = Cluster::start().unwrap();
    let proxy = Proxy::start(cluster.socket());
    let url = proxy.rewrite(&cluster.url("lost"), cluster.socket());
    let store = PostgresStore::open(&url, Options::default()).unwrap();
    one(&store, append(1, Expected::NoStream, 0)).unwrap();
    for (revision, expected) in
        [(1, Expected::Any), (2, Expected::Exists), (3, Expected::Exact(Revision(2)))]
    {
        // The server does it, and its answer never arrives.
        proxy.swallow_next_answer();
        let done = one(&store, append(1, expected, revision)).unwrap();
        assert_eq!((done.last, done.already), (Revision(revision), true), "{expected:?}");
    }
    assert_eq!(proxy.swallowed(), 3);
    assert_eq!(store.read_all(Position(0), usize::MAX).unwrap().len(), 4);
}

#[test]
fn a_server_that_stays_away_makes_the_outcome_unknown_and_keeps_the_order_of_answers() {
    let cluster = Cluster::start().unwrap();
    let options = Options { patience: Duration::from_millis(300), ..Options::default() };
    let store = PostgresStore::open(&cluster.url("away"), options).unwrap();
    one(&store, append(1, Expected::NoStream, 0)).unwrap();
    cluster.kill().unwrap();
    let (answers, heard) = channel();
    for number in 1..=3 {
        let answers = answers.clone();
        let batch =
            store::Batch { keys: Vec::new(), appends: vec![append(1, Expected::Any, number)] };
        let reply = move |results| answers.send((number, results)).unwrap();
        store.submit(batch, Box::new(reply));
    }
    for number in 1..=3 {
        let (answered, results) = heard.recv().unwrap();
        assert_eq!(answered, number);
        assert!(matches!(results[0], Err(AppendError::Unknown(_))), "{results:?}");
    }
    cluster.restart().unwrap();
    assert_eq!(one(&store, append(1, Expected::Any, 9)).unwrap().last, Revision(1));
}
