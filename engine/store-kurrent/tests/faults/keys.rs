//! The keys of persons: somewhere else, and first.

use super::*;
use schemas::CalleeKey;
use schemas::sealed::StoredKey;
use std::sync::{Arc, Mutex};
use store::api::Batch;
use store::writer::KeySink;
use store::{Results, StoreError};

/// Which key came, and how many appends the server had seen then.
type Seen = Arc<Mutex<Vec<(u16, u64)>>>;

/// Notes how many appends the server had seen when each key came.
struct Watching {
    servers: Arc<Servers>,
    seen: Seen,
    fails: bool,
}

impl KeySink for Watching {
    fn append_and_sync(&mut self, keys: &[StoredKey]) -> Result<(), StoreError> {
        let (_, appends, _) = self.servers.counts();
        self.seen.lock().unwrap().extend(keys.iter().map(|key| (key.generation, appends)));
        if self.fails { Err(StoreError::NoSpace { file: "keys".into() }) } else { Ok(()) }
    }
}

fn submit(store: &KurrentStore, generation: u16, one: Append) -> Results {
    let (results, arrived) = std::sync::mpsc::channel();
    let callee = CalleeKey([generation as u8; 16]);
    let key = StoredKey { callee, generation, nonce: [1; 12], wrapped: [2; 48] };
    let batch = Batch { keys: vec![key], appends: vec![one] };
    store.submit(batch, Box::new(move |done| results.send(done).unwrap()));
    arrived.recv_timeout(PATIENCE).unwrap()
}

fn check(fails: bool) -> (Arc<Servers>, KurrentStore, Seen) {
    let (servers, seen) = (Arc::new(Servers::start(1)), Seen::default());
    let keys = Watching { servers: servers.clone(), seen: seen.clone(), fails };
    let store = KurrentStore::open(&servers.url(0), options(), keys).unwrap();
    (servers, store, seen)
}

#[test]
fn keys_are_kept_before_the_events_that_use_them_and_never_on_the_server() {
    let (servers, store, seen) = check(false);
    for generation in 0..3 {
        let one = append(stream(generation), Expected::NoStream, &["a"]);
        submit(&store, generation as u16, one)[0].as_ref().unwrap();
    }
    assert_eq!(*seen.lock().unwrap(), [(0, 0), (1, 1), (2, 2)]);
    let events = store.read_all(Position(0), 99).unwrap();
    assert_eq!(events.len(), 3);
    servers.with_log(|log| {
        let kept = log.split(log.end()).unwrap().0;
        let wrapped = [2; 48];
        let holds = |bytes: &[u8]| bytes.windows(48).any(|window| window == wrapped);
        assert!(
            !kept.iter().any(|record| {
                holds(&record.event.data) || holds(&record.event.custom_metadata)
            })
        );
    });
}

#[test]
fn without_its_key_no_event_is_appended_nor_any_after_it() {
    let (_servers, store, _) = check(true);
    let results = submit(&store, 0, append(stream(1), Expected::NoStream, &["a"]));
    assert!(matches!(results[0], Err(AppendError::Broken(_))), "{results:?}");
    let after = store.put(append(stream(2), Expected::NoStream, &["b"]));
    assert!(matches!(after, Err(AppendError::Broken(_))), "{after:?}");
    assert!(store.read_all(Position(0), 9).unwrap().is_empty());
}

#[test]
fn keys_are_looked_after_while_nothing_is_appended() {
    struct LookedAfter(std::sync::mpsc::Sender<()>);
    impl KeySink for LookedAfter {
        fn append_and_sync(&mut self, _: &[StoredKey]) -> Result<(), StoreError> {
            Ok(())
        }
        fn look_after(&mut self) -> Result<(), StoreError> {
            // The test may have seen enough.
            let _ = self.0.send(());
            Ok(())
        }
    }
    let servers = Servers::start(1);
    let (tell, told) = std::sync::mpsc::channel();
    let store = KurrentStore::open(&servers.url(0), options(), LookedAfter(tell)).unwrap();
    for _ in 0..2 {
        told.recv_timeout(PATIENCE).expect("the keys are looked after");
    }
    drop(store);
}
