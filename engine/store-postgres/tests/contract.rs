//! The suite that every store keeps, against a real server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use store::contract::{PROMISES, Subject, every_store_keeps_it};
use store::{Appender, Reader};
use store_postgres::cluster::Cluster;
use store_postgres::{Options, PostgresStore};

struct OnServer {
    url: String,
    store: PostgresStore,
}

impl OnServer {
    fn open(url: String) -> Box<Self> {
        let store = PostgresStore::open(&url, Options::default()).unwrap();
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

#[test]
fn postgres_keeps_the_contract() {
    let cluster = Cluster::start().unwrap();
    let schemas = AtomicU32::new(0);
    let make = || -> Box<dyn Subject> {
        let schema = format!("s{}", schemas.fetch_add(1, Ordering::Relaxed));
        OnServer::open(cluster.url(&schema))
    };
    assert!(!PROMISES.is_empty());
    every_store_keeps_it(&make);
}
