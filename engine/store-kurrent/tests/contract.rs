//! The suite that every store keeps, against the protocol, and against a real server when
//! `CALLFOLD_KURRENTDB` names one.

use kurrent_server::Servers;
use schemas::event::Encoded;
use schemas::{CallId, Position, StreamId, Timestamp};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use store::contract::{Subject, every_store_keeps_it};
use store::memory::MemoryStore;
use store::transfer::transfer;
use store::writer::NoKeys;
use store::{Append, Appender, Expected, NewEvent, Reader};
use store_kurrent::{KurrentStore, Options};

struct OnServer {
    url: String,
    store: KurrentStore,
}

impl OnServer {
    fn open(url: String) -> Box<Self> {
        let store = KurrentStore::open(&url, Options::default(), NoKeys).unwrap();
        Box::new(Self { url, store })
    }
}

impl Subject for OnServer {
    fn appender(&self) -> Arc<dyn Appender> {
        Arc::new(self.store.clone())
    }

    fn reader(&self) -> Arc<dyn Reader> {
        Arc::new(self.store.clone())
    }

    fn reopened(self: Box<Self>) -> Box<dyn Subject> {
        drop(self.store);
        Self::open(self.url)
    }
}

/// Each store is a log of its own name on one server.
fn check(server: &str) {
    let begun = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let logs = AtomicU32::new(0);
    every_store_keeps_it(&|| {
        let number = logs.fetch_add(1, Ordering::Relaxed);
        let between = if server.contains('?') { '&' } else { '?' };
        OnServer::open(format!("{server}{between}log=test_{begun}_{number}"))
    });
}

#[test]
fn kurrentdb_keeps_the_contract() {
    let servers = Servers::start(1);
    check(&servers.url(0));
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that did less than it might says so")]
fn a_real_server_keeps_the_contract_when_there_is_one() {
    match std::env::var("CALLFOLD_KURRENTDB") {
        Ok(server) => check(&server),
        Err(_) => eprintln!("CALLFOLD_KURRENTDB names no server: only the protocol was tested"),
    }
}

#[test]
fn a_history_is_carried_there_and_back_unchanged_and_may_be_carried_again() {
    let servers = Servers::start(1);
    let there = KurrentStore::open(&servers.url(0), Options::default(), NoKeys).unwrap();
    let (from, back) = (MemoryStore::default(), MemoryStore::default());
    for number in 0..3000_u64 {
        let mut id = [0x5a; 16];
        id[..8].copy_from_slice(&(number % 700).to_le_bytes());
        let encoded = Encoded { kind: 5, version: 1, body: vec![number as u8; 30] };
        let events = vec![NewEvent { encoded, at: Timestamp(number as i64) }];
        let stream = StreamId::call(CallId(id));
        from.append(vec![Append { stream, expected: Expected::Any, events }]).remove(0).unwrap();
    }
    for already in [0, 3000] {
        let report = transfer(&from, &there, |_, _| {}).unwrap();
        assert_eq!((report.events, report.already), (3000, already));
    }
    transfer(&there, &back, |_, _| {}).unwrap();
    let all = |store: &dyn Reader| -> Vec<_> {
        let events = store.read_all(Position(0), 9999).unwrap().into_iter();
        events.map(|event| (event.stream, event.revision, event.at, event.encoded)).collect()
    };
    assert_eq!(all(&back), all(&from));
}
