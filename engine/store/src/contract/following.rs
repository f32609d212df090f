//! What following promises: catch-up and live are one reader.

use super::{Make, Store, append, stream};
use crate::api::Expected;
use schemas::Position;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Longer than any healthy store takes for anything here.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn no_seam(make: Make<'_>) {
    const STREAMS: u64 = 8;
    const EACH: u32 = 40;
    let subject = make();
    let store = Store::of(&*subject);
    std::thread::scope(|scope| {
        for number in 0..STREAMS {
            let store = &store;
            scope.spawn(move || {
                for _ in 0..EACH {
                    store
                        .append(append(stream(number), Expected::Any, &["x"]))
                        .expect("it goes in");
                }
            });
        }
        let mut last = Position(0);
        let mut next: HashMap<_, u32> = HashMap::new();
        let deadline = Instant::now() + PATIENCE;
        let mut seen = 0;
        // Small pages, so that it meets the head many times, from both sides.
        while seen < STREAMS as u32 * EACH {
            assert!(Instant::now() < deadline, "only {seen} events arrived");
            let head = store.reader.wait(last, PATIENCE).expect("a store reads");
            assert!(head > last, "the wait ended without an event");
            for event in store.reader.read_all(last, 7).expect("a store reads") {
                let due = next.entry(event.stream).or_default();
                assert_eq!(event.revision.0, *due, "a gap or a repeat");
                assert!(event.position > last && event.position <= head.max(event.position));
                *due += 1;
                seen += 1;
                last = event.position;
            }
        }
    });
}

pub(super) fn waiting(make: Make<'_>) {
    let subject = make();
    let store = Store::of(&*subject);
    let wait =
        |after, ms| store.reader.wait(after, Duration::from_millis(ms)).expect("a store reads");
    assert_eq!(wait(Position(0), 1), Position(0), "nothing came, and the head says so");
    let done = store.append(append(stream(1), Expected::NoStream, &["a"])).expect("it goes in");
    let begun = Instant::now();
    assert_eq!(wait(Position(0), 10_000), done.position);
    assert!(begun.elapsed() < Duration::from_secs(5), "what is there needs no waiting");
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| wait(done.position, 20_000));
        let next = store.append(append(stream(1), Expected::Any, &["b"])).expect("it goes in");
        assert_eq!(waiter.join().expect("the waiter does not panic"), next.position);
    });
}
