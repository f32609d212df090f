//! Hearing of what others append, and passing over what is not ours.

use super::*;
use std::sync::Arc;
use std::time::Instant;
use store::{Feed, Filter, Subscription};

#[test]
fn what_another_node_appends_ends_the_wait() {
    let servers = Servers::start(1);
    let (store, other) = (open(&servers.url(0)), open(&servers.url(0)));
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| store.wait(Position(0), PATIENCE).unwrap());
        let done = other.put(append(stream(1), Expected::NoStream, &["a"])).unwrap();
        assert_eq!(waiting.join().unwrap(), done.position);
    });
    assert!(begun.elapsed() < PATIENCE / 2, "it was not heard of");
}

#[test]
fn a_subscription_goes_on_over_broken_connections() {
    let servers = Servers::start(2);
    let (store, other) = (open(&servers.cluster_url()), open(&servers.cluster_url()));
    let mut events = Subscription::new(Arc::new(store), Position(0), Filter::default());
    let mut next = || loop {
        match events.next(PATIENCE).unwrap() {
            Some(Feed::Event(event)) => return event.stream,
            Some(_) => {}
            None => panic!("no event came"),
        }
    };
    for number in 0..4 {
        other.put(append(stream(number), Expected::NoStream, &["a"])).unwrap();
        assert_eq!(next(), stream(number));
        match number {
            0 => servers.cut(0),
            1 => servers.elect(1),
            _ => servers.stop(0),
        }
    }
}

#[test]
fn what_others_keep_on_the_server_is_passed_over() {
    let servers = Servers::start(1);
    let store = open(&servers.url(0));
    let another = open(&format!("{}&log=another", servers.url(0)));
    let foreign = || {
        servers.with_log(|log| log.append_foreign("order-1", "OrderPlaced"));
    };
    let mut positions = Vec::new();
    for number in 0..3 {
        foreign();
        another.put(append(stream(number), Expected::NoStream, &["not ours"])).unwrap();
        let done = store.put(append(stream(number), Expected::NoStream, &["a"])).unwrap();
        positions.push(done.position);
        foreign();
    }
    let of = |events: Vec<store::Stored>| -> Vec<_> {
        events.into_iter().map(|event| event.position).collect()
    };
    assert_eq!(of(store.read_all(Position(0), 9).unwrap()), positions);
    assert_eq!(of(store.read_all(positions[0], 9).unwrap()), positions[1..]);
    assert_eq!(of(store.read_all_backward(positions[2], 1).unwrap()), positions[1..2]);
    assert_eq!(store.head().unwrap(), positions[2]);
}

#[test]
fn an_event_in_our_streams_that_is_not_ours_is_named() {
    let servers = Servers::start(1);
    let store = open(&servers.url(0));
    store.put(append(stream(1), Expected::NoStream, &["a"])).unwrap();
    let name = format!("callfold.{}", stream(1));
    servers.with_log(|log| log.append_foreign(&name, "OrderPlaced"));
    let error = store.read_stream(stream(1), Revision(0), 9).unwrap_err().to_string();
    assert!(error.contains(&format!("event 1 of {name}")), "{error}");
}

#[test]
fn a_position_at_which_no_event_stands_is_refused() {
    let servers = Servers::start(1);
    let store = open(&servers.url(0));
    let done = store.put(append(stream(1), Expected::NoStream, &["a"])).unwrap();
    assert!(store.read_all(Position(done.position.0 - 1), 9).is_err());
    assert_eq!(store.read_all(Position(done.position.0 + 1), 9).unwrap(), []);
}
