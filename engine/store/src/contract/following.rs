//! What following promises: catch-up and live are one reader.

use super::{Make, Store, append, stream};
use crate::api::Expected;
use crate::filter::{Filter, StreamPrefix};
use crate::subscription::{Feed, Subscription};
use schemas::Position;
use std::collections::HashMap;
use std::sync::Arc;
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

pub(super) fn filters(make: Make<'_>) {
    let subject = make();
    let store = Store::of(&*subject);
    for number in 0..60 {
        let mut one = append(stream(number % 3), Expected::Any, &["x"]);
        one.events[0].encoded.kind = (number % 5) as u16;
        store.append(one).expect("it goes in");
    }
    let all = store.all();
    let name = stream(1).to_string();
    for filter in [
        Filter::default(),
        Filter::default().kinds([2, 3]),
        Filter::default().streams(StreamPrefix::parse(&name)),
        Filter::default().streams(StreamPrefix::parse(&name)).kinds([4]),
        Filter::default().kinds([99]),
    ] {
        let wanted: Vec<_> =
            all.iter().filter(|e| filter.wants(e.stream, e.encoded.kind)).cloned().collect();
        for limit in [1, 7, 1000] {
            let (mut found, mut looked) = (Vec::new(), Position(0));
            while looked < all[59].position {
                let (more, further) =
                    store.reader.read_matching(looked, &filter, limit).expect("a store reads");
                assert!(further > looked && more.len() <= limit, "it does not come forward");
                assert!(
                    more.iter().all(|event| event.position > looked && event.position <= further)
                );
                found.extend(more);
                looked = further;
            }
            assert_eq!(found, wanted, "{filter:?}, {limit} at a time");
        }
    }
}

pub(super) fn subscriptions(make: Make<'_>) {
    let subject = make();
    let store = Store::of(&*subject);
    let head = || store.reader.head().expect("a store reads");
    let subscribe = |after, filter| Subscription::new(Arc::clone(&store.reader), after, filter);
    let next =
        |subscription: &mut Subscription| subscription.next(PATIENCE).expect("a store reads");
    let event = |feed: Option<Feed>| match feed {
        Some(Feed::Event(event)) => event.position,
        other => panic!("an event is due, and it says {other:?}"),
    };
    let put = |number, kind| {
        let mut one = append(stream(number), Expected::Any, &["x"]);
        one.events[0].encoded.kind = kind;
        store.append(one).expect("it goes in").position
    };
    let mut empty = subscribe(Position(0), Filter::default());
    assert_eq!(next(&mut empty), Some(Feed::CaughtUp(Position(0))));
    assert_eq!(empty.next(Duration::ZERO).expect("a store reads"), None);
    let first = [put(1, 1), put(2, 2), put(1, 1)];
    let mut all = subscribe(Position(0), Filter::default());
    assert_eq!(first.map(|_| event(next(&mut all))), first);
    let mut some = subscribe(first[0], Filter::default().kinds([1]));
    assert_eq!(event(next(&mut some)), first[2]);
    assert_eq!(next(&mut some), Some(Feed::CaughtUp(head())));
    // What is not wanted moves the checkpoint all the same.
    put(3, 9);
    assert_eq!(next(&mut some), Some(Feed::CaughtUp(head())));
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| event(next(&mut some)));
        let live = put(4, 1);
        assert_eq!(waiter.join().expect("the subscription does not panic"), live);
    });
    assert_eq!(event(next(&mut empty)), first[0]);
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
