//! What reading promises.

use super::{Make, Store, append, body, event, stream};
use crate::api::{Expected, NewEvent};
use schemas::event::{BODY_BYTES_MAX, Encoded};
use schemas::{CalleeKey, Position, Revision, StreamId, Timestamp};

pub(super) fn streams(make: Make<'_>) {
    let subject = make();
    let store = Store::of(&*subject);
    for round in ["a", "b", "c", "d", "e"] {
        for number in 1..=3 {
            store.append(append(stream(number), Expected::Any, &[round])).expect("it goes in");
        }
    }
    let read = |from, limit| -> String {
        let events =
            store.reader.read_stream(stream(2), Revision(from), limit).expect("a store reads");
        events.iter().map(body).collect()
    };
    for (from, limit, wanted) in [
        (0, usize::MAX, "abcde"),
        (0, 5, "abcde"),
        (0, 3, "abc"),
        (0, 1, "a"),
        (0, 0, ""),
        (2, 2, "cd"),
        (4, 9, "e"),
        (5, 9, ""),
        (u32::MAX, 1, ""),
    ] {
        assert_eq!(read(from, limit), wanted, "from {from}, at most {limit}");
    }
    assert!(store.stream(stream(9)).is_empty(), "a stream that nobody wrote has events");
    let kinds_apart = StreamId::callee(CalleeKey(stream(2).id));
    assert!(store.stream(kinds_apart).is_empty(), "two kinds share a stream");
}

pub(super) fn all_in_order(make: Make<'_>) {
    let subject = make();
    let store = Store::of(&*subject);
    assert_eq!(store.reader.head().expect("a store reads"), Position(0));
    for number in 0..40 {
        let bodies = ["x", "y", "z"];
        let one = append(stream(number % 7), Expected::Any, &bodies[..1 + number as usize % 3]);
        store.append(one).expect("it goes in");
    }
    let all = store.all();
    assert!(
        all.windows(2).all(|pair| pair[0].position < pair[1].position),
        "positions do not rise"
    );
    assert_eq!(store.reader.head().expect("a store reads"), all[all.len() - 1].position);
    for number in 0..7 {
        let apart: Vec<_> =
            all.iter().filter(|event| event.stream == stream(number)).cloned().collect();
        assert_eq!(apart, store.stream(stream(number)), "both ways of reading agree");
        assert!(apart.iter().zip(0..).all(|(event, revision)| event.revision.0 == revision));
    }
    let mut backward = all.clone();
    backward.reverse();
    for limit in [0, 1, 7, all.len(), usize::MAX] {
        for split in [0, 1, 39, all.len() - 1] {
            let at = all[split].position;
            let forward = store.reader.read_all(at, limit).expect("a store reads");
            assert_eq!(forward, all[split + 1..all.len().min((split + 1).saturating_add(limit))]);
            let before = store.reader.read_all_backward(at, limit).expect("a store reads");
            let rest = &backward[all.len() - split..];
            assert_eq!(before, rest[..rest.len().min(limit)]);
        }
    }
    assert_eq!(
        store.reader.read_all_backward(Position(u64::MAX), 2).expect("it reads"),
        backward[..2]
    );
    assert!(store.reader.read_all(Position(u64::MAX), 9).expect("it reads").is_empty());
}

pub(super) fn unchanged(make: Make<'_>) {
    let subject = make();
    let store = Store::of(&*subject);
    let odd = |kind, version, at, body: Vec<u8>| NewEvent {
        encoded: Encoded { kind, version, body },
        at: Timestamp(at),
    };
    let given = vec![
        odd(0, 0, 0, Vec::new()),
        odd(u16::MAX, u8::MAX, i64::MAX, vec![0; BODY_BYTES_MAX]),
        odd(1, 2, i64::MIN, (0..=255).collect()),
        event("plain"),
    ];
    let mut one = append(StreamId::node("n"), Expected::NoStream, &[]);
    one.events.clone_from(&given);
    store.append(one).expect("it goes in");
    let kept = store.stream(StreamId::node("n"));
    let kept: Vec<_> =
        kept.into_iter().map(|e| NewEvent { encoded: e.encoded, at: e.at }).collect();
    assert!(kept == given, "an event came back changed");
}
