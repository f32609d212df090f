//! What an append promises.

use super::{Make, Store, append, event, stream};
use crate::api::{APPEND_BYTES_MAX, Append, AppendError, Batch, EVENTS_PER_APPEND_MAX, Expected};
use schemas::Revision;
use schemas::event::BODY_BYTES_MAX;
use std::sync::mpsc::channel;

pub(super) fn expectations(make: Make<'_>) {
    use Expected::{Any, Exact, Exists, NoStream};
    let subject = make();
    let store = Store::of(&*subject);
    for (number, (expected, on_none, on_two)) in [
        (NoStream, Ok(0), Err(Some(1))),
        (Exact(Revision(0)), Err(None), Err(Some(1))),
        (Exact(Revision(1)), Err(None), Ok(2)),
        (Exact(Revision(2)), Err(None), Err(Some(1))),
        (Exact(Revision(u32::MAX)), Err(None), Err(Some(1))),
        (Exists, Err(None), Ok(2)),
        (Any, Ok(0), Ok(2)),
    ]
    .into_iter()
    .enumerate()
    {
        let (absent, present) = (stream(2 * number as u64), stream(2 * number as u64 + 1));
        store.append(append(present, NoStream, &["a", "b"])).expect("a new stream takes events");
        for (stream, wanted) in [(absent, on_none), (present, on_two)] {
            let before = store.stream(stream).len();
            let result = store.append(append(stream, expected, &["new"]));
            let result = match result {
                Ok(done) if !done.already => Ok(done.last.0),
                Err(AppendError::Conflict { current }) => Err(current.map(|revision| revision.0)),
                other => panic!("{expected:?} gave {other:?}"),
            };
            assert_eq!(result, wanted, "{expected:?} on {before} events");
            let grown = store.stream(stream).len() - before;
            assert_eq!(grown, usize::from(wanted.is_ok()), "{expected:?} on {before} events");
        }
    }
}

pub(super) fn whole_or_absent(make: Make<'_>) {
    let subject = make();
    let store = Store::of(&*subject);
    let done =
        store.append(append(stream(1), Expected::NoStream, &["a", "b", "c"])).expect("it goes in");
    let events = store.stream(stream(1));
    assert_eq!(events.iter().map(|e| e.revision.0).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!((done.last, done.position), (events[2].revision, events[2].position));
    let refused = store.append(append(stream(1), Expected::Exact(Revision(0)), &["x", "y", "z"]));
    assert_eq!(refused, Err(AppendError::Conflict { current: Some(Revision(2)) }));
    assert_eq!(store.bodies(stream(1)), ["a", "b", "c"]);
}

pub(super) fn repeats(make: Make<'_>) {
    let subject = make();
    let store = Store::of(&*subject);
    let first = append(stream(1), Expected::NoStream, &["a", "b"]);
    let second = append(stream(1), Expected::Exact(Revision(1)), &["c"]);
    let mut wanted = Vec::new();
    for one in [&first, &second] {
        wanted.push(store.append(one.clone()).expect("it goes in"));
    }
    store.append(append(stream(1), Expected::Any, &["d"])).expect("it goes in");
    for (one, wanted) in [&first, &second].into_iter().zip(wanted) {
        let again = store.append(one.clone()).expect("a repeat is no conflict");
        assert!(again.already && !wanted.already, "{again:?} after {wanted:?}");
        assert_eq!((again.last, again.position), (wanted.last, wanted.position));
    }
    // Both may come in one batch, when the caller retries what it had not heard of.
    let both = append(stream(2), Expected::NoStream, &["e"]);
    let results = store.appender.append(vec![both.clone(), both]);
    let already: Vec<_> =
        results.into_iter().map(|r| r.expect("neither conflicts").already).collect();
    assert_eq!(already, [false, true]);
    assert_eq!(store.bodies(stream(1)), ["a", "b", "c", "d"]);
    assert_eq!(store.bodies(stream(2)), ["e"]);
}

pub(super) fn other_content_conflicts(make: Make<'_>) {
    let subject = make();
    let store = Store::of(&*subject);
    let given = append(stream(1), Expected::NoStream, &["a", "b"]);
    store.append(given.clone()).expect("it goes in");
    let changed = |change: fn(&mut Append)| {
        let mut other = given.clone();
        change(&mut other);
        other
    };
    for other in [
        changed(|a| a.events[1].encoded.body.push(b'!')),
        changed(|a| a.events[0].encoded.kind += 1),
        changed(|a| a.events[0].encoded.version += 1),
        changed(|a| a.events[1].at.0 += 1),
        changed(|a| a.events.swap(0, 1)),
        changed(|a| a.events.push(event("c"))),
        changed(|a| a.expected = Expected::Exact(Revision(0))),
    ] {
        let result = store.append(other.clone());
        assert_eq!(result, Err(AppendError::Conflict { current: Some(Revision(1)) }), "{other:?}");
    }
    // A part of what stands there, from its beginning, is no other content.
    let part = store.append(changed(|a| drop(a.events.pop()))).expect("it stands there");
    assert_eq!((part.last, part.already), (Revision(0), true));
}

pub(super) fn independent_results(make: Make<'_>) {
    let subject = make();
    let store = Store::of(&*subject);
    let results = store.appender.append(vec![
        append(stream(1), Expected::NoStream, &["a"]),
        append(stream(1), Expected::NoStream, &["other"]),
        append(stream(1), Expected::Exact(Revision(0)), &["b"]),
        append(stream(2), Expected::Exists, &["c"]),
        append(stream(2), Expected::NoStream, &[]),
        append(stream(2), Expected::NoStream, &["d"]),
    ]);
    let words: Vec<_> = results
        .iter()
        .map(|result| match result {
            Ok(done) => format!("{}", done.last.0),
            Err(AppendError::Conflict { current }) => {
                format!("conflict {:?}", current.map(|r| r.0))
            }
            Err(AppendError::Rejected(_)) => "rejected".to_owned(),
            Err(other) => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(words, ["0", "conflict Some(0)", "1", "conflict None", "rejected", "0"]);
    assert_eq!(
        (store.bodies(stream(1)), store.bodies(stream(2))),
        (vec!["a".into(), "b".into()], vec!["d".into()])
    );
    assert_eq!(store.appender.append(Vec::new()), Vec::new(), "an empty batch has no results");
}

pub(super) fn rejections(make: Make<'_>) {
    let subject = make();
    let store = Store::of(&*subject);
    let sized = |count: usize, bytes: usize| {
        let mut one = append(stream(1), Expected::Any, &[]);
        let mut large = event("");
        large.encoded.body = vec![b'x'; bytes];
        one.events = vec![large; count];
        one
    };
    let largest = APPEND_BYTES_MAX / BODY_BYTES_MAX;
    for (what, one) in [
        ("no event", sized(0, 0)),
        ("too many events", sized(EVENTS_PER_APPEND_MAX + 1, 1)),
        ("too large a body", sized(1, BODY_BYTES_MAX + 1)),
        ("too much together", sized(largest + 1, BODY_BYTES_MAX)),
    ] {
        assert!(matches!(store.append(one), Err(AppendError::Rejected(_))), "{what}");
    }
    assert!(store.all().is_empty(), "a rejected append left something");
    store.append(sized(EVENTS_PER_APPEND_MAX, 1)).expect("the most events go in");
    store.append(sized(largest, BODY_BYTES_MAX)).expect("the largest append goes in");
    assert_eq!(store.stream(stream(1)).len(), EVENTS_PER_APPEND_MAX + largest);
}

pub(super) fn racing_writers(make: Make<'_>) {
    const WRITERS: usize = 16;
    const ROUNDS: u32 = 20;
    let subject = make();
    let store = Store::of(&*subject);
    let won: Vec<u32> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let store = &store;
                scope.spawn(move || {
                    let own = format!("writer {writer}");
                    (0..ROUNDS).filter(|round| wins(store, *round, &own)).count() as u32
                })
            })
            .collect();
        writers.into_iter().map(|writer| writer.join().expect("a writer does not panic")).collect()
    });
    assert_eq!(won.iter().sum::<u32>(), ROUNDS, "{won:?}");
    let revisions: Vec<_> = store.stream(stream(1)).iter().map(|event| event.revision.0).collect();
    assert_eq!(revisions, (0..ROUNDS).collect::<Vec<_>>());
}

fn wins(store: &Store, round: u32, own: &str) -> bool {
    let expected =
        round.checked_sub(1).map_or(Expected::NoStream, |last| Expected::Exact(Revision(last)));
    loop {
        match store.append(append(stream(1), expected, &[own])) {
            Ok(done) => return !done.already,
            // Ahead of the others: the round before is not over.
            Err(AppendError::Conflict { current }) if current.map_or(0, |r| r.0 + 1) < round => {}
            Err(AppendError::Conflict { .. }) => return false,
            Err(other) => panic!("{other:?}"),
        }
    }
}

pub(super) fn reopening(make: Make<'_>) {
    let subject = make();
    let first = append(stream(1), Expected::NoStream, &["a", "b"]);
    let before = {
        let store = Store::of(&*subject);
        store.append(first.clone()).expect("it goes in");
        store.append(append(stream(2), Expected::NoStream, &["c"])).expect("it goes in");
        store.all()
    };
    let subject = subject.reopened();
    let store = Store::of(&*subject);
    assert_eq!(store.all(), before);
    assert_eq!(store.reader.head().expect("a store reads"), before[2].position);
    assert!(store.append(first).expect("a repeat is known after a start").already);
    let next =
        store.append(append(stream(1), Expected::Exact(Revision(1)), &["d"])).expect("it goes on");
    assert!(next.position > before[2].position);
    assert_eq!(store.bodies(stream(1)), ["a", "b", "d"]);
}

pub(super) fn order_of_replies(make: Make<'_>) {
    let subject = make();
    let store = Store::of(&*subject);
    let (replies, heard) = channel();
    for number in 0..50 {
        let replies = replies.clone();
        let appends = vec![append(stream(1), Expected::Any, &["x"])];
        let reply = move |results| replies.send((number, results)).expect("the test still listens");
        store.appender.submit(Batch { keys: Vec::new(), appends }, Box::new(reply));
    }
    for number in 0..50 {
        let (answered, results) = heard.recv().expect("every batch is answered");
        let last = results[0].as_ref().expect("it goes in").last;
        assert_eq!((answered, last), (number, Revision(number)));
    }
}
