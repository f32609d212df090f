//! KurrentDB's protocol in the test's own process: what the vendor's client asks for, answered by
//! the vendor's rules, and faults on command. For tests alone; it forgets everything.
//!
//! [`Servers::start`] starts a cluster of one or more nodes over one log, on ports that are free.
//! The rules are those of the real server's source: expected revisions, repeats told by event ids,
//! one order for all, subscriptions, and that only the leader serves who asks for the leader.

// Every service of tonic answers so.
#![allow(clippy::result_large_err)]

mod cluster;
mod log;
mod protocol;
mod reading;
mod streams;
mod wire;

pub use log::{Expected, Log, Proposed, Record, Refused, Written};

use protocol::event_store::client::gossip::gossip_server::GossipServer;
use protocol::event_store::client::server_features::server_features_server::ServerFeaturesServer;
use protocol::event_store::client::streams::streams_server::StreamsServer;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use wire::Wire;

/// What happens to an append, instead of an answer or with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// Nothing: it passes.
    Passes,
    /// It is not done, and every connection ends.
    CutBefore,
    /// It is done, every connection ends, and nobody is told.
    CutAfter,
    /// It is done, and the answer is that it took too long.
    TimesOut,
    /// It is not done: the server is not ready yet.
    NotReady,
    /// It is not done, and is never answered.
    Silence,
}

/// Nodes over one log. They end when this is dropped.
pub struct Servers {
    shared: Arc<Shared>,
    nodes: Vec<Mutex<Node>>,
    runtime: Handle,
    ending: Option<oneshot::Sender<()>>,
    secure: bool,
}

struct Node {
    address: SocketAddr,
    accepting: Option<JoinHandle<()>>,
    wires: mpsc::UnboundedSender<std::io::Result<Wire>>,
    cuts: watch::Sender<u64>,
}

/// What the nodes have in common.
struct Shared {
    log: Mutex<Log>,
    /// Where the log ends.
    end: watch::Sender<u64>,
    addresses: Mutex<Vec<SocketAddr>>,
    /// Which node leads.
    leader: AtomicUsize,
    /// Which nodes are there, a bit each.
    alive: AtomicU64,
    troubles: Mutex<VecDeque<Trouble>>,
    login: Mutex<Option<String>>,
    sessions: AtomicU64,
    batch_appends: AtomicU64,
    reads: AtomicU64,
}

impl Servers {
    /// Starts so many nodes; the first leads.
    pub fn start(nodes: usize) -> Self {
        Self::start_with(nodes, None)
    }

    /// One node that speaks TLS alone, with this certificate and key in PEM.
    pub fn start_secure(certificate: &str, key: &str) -> Self {
        Self::start_with(1, Some(Identity::from_pem(certificate, key)))
    }

    fn start_with(nodes: usize, identity: Option<Identity>) -> Self {
        let secure = identity.is_some();
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime starts");
        let handle = runtime.handle().clone();
        let shared = Arc::new(Shared::default());
        shared.end.send_replace(lock(&shared.log).end());
        let (ending, ended) = oneshot::channel::<()>();
        let nodes = (0..nodes)
            .map(|number| {
                let node = runtime.block_on(Node::start(number, &shared, identity.clone()));
                Mutex::new(node)
            })
            .collect();
        let run = move || drop(runtime.block_on(ended));
        std::thread::Builder::new().name("kurrent".into()).spawn(run).expect("a thread starts");
        Self { shared, nodes, runtime: handle, ending: Some(ending), secure }
    }

    /// The address of one node.
    pub fn url(&self, node: usize) -> String {
        format!("kurrentdb://{}?tls={}", self.host(node), self.secure)
    }

    /// The addresses of all nodes, for a client that asks them who leads.
    pub fn cluster_url(&self) -> String {
        let hosts: Vec<_> = (0..self.nodes.len()).map(|node| self.host(node)).collect();
        format!("kurrentdb://{}?tls={}", hosts.join(","), self.secure)
    }

    /// The host and port of a node.
    pub fn host(&self, node: usize) -> String {
        format!("localhost:{}", lock(&self.nodes[node]).address.port())
    }

    /// From now on this node leads.
    pub fn elect(&self, node: usize) {
        self.shared.leader.store(node, Ordering::SeqCst);
    }

    /// Ends every connection to a node, and takes no new one.
    pub fn stop(&self, node: usize) {
        let mut stopping = lock(&self.nodes[node]);
        if let Some(accepting) = stopping.accepting.take() {
            accepting.abort();
        }
        stopping.cuts.send_modify(|cuts| *cuts += 1);
        self.shared.alive.fetch_and(!(1 << node), Ordering::SeqCst);
    }

    /// A stopped node takes connections again, where it did before.
    pub fn resume(&self, node: usize) {
        let mut resuming = lock(&self.nodes[node]);
        let (bound, listening) = std::sync::mpsc::sync_channel(1);
        let (address, wires, cuts) =
            (resuming.address, resuming.wires.clone(), resuming.cuts.clone());
        resuming.accepting = Some(self.runtime.spawn(async move {
            let listener = TcpListener::bind(address).await.expect("its port is still free");
            // Who waits for it does nothing else.
            let _ = bound.send(());
            accept(listener, wires, cuts).await;
        }));
        listening.recv().expect("the node listens");
        self.shared.alive.fetch_or(1 << node, Ordering::SeqCst);
    }

    /// Ends every connection to a node once.
    pub fn cut(&self, node: usize) {
        lock(&self.nodes[node]).cuts.send_modify(|cuts| *cuts += 1);
    }

    /// What happens to the next appends of batch sessions, one after the other.
    pub fn trouble(&self, troubles: impl IntoIterator<Item = Trouble>) {
        lock(&self.shared.troubles).extend(troubles);
    }

    /// Nothing happens to appends any more.
    pub fn end_troubles(&self) {
        lock(&self.shared.troubles).clear();
    }

    /// From now on only this login is let in.
    pub fn require_login(&self, user: &str, password: &str) {
        *lock(&self.shared.login) = Some(cluster::basic(user, password));
    }

    /// Looks at the log, or changes it.
    pub fn with_log<T>(&self, work: impl FnOnce(&mut Log) -> T) -> T {
        let mut log = lock(&self.shared.log);
        let done = work(&mut log);
        self.shared.end.send_replace(log.end());
        done
    }

    /// How many batch sessions were begun, how many appends came in them, and how many reads.
    pub fn counts(&self) -> (u64, u64, u64) {
        let of = |count: &AtomicU64| count.load(Ordering::SeqCst);
        (of(&self.shared.sessions), of(&self.shared.batch_appends), of(&self.shared.reads))
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        drop(self.ending.take());
    }
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            log: Mutex::default(),
            end: watch::Sender::new(0),
            addresses: Mutex::default(),
            leader: AtomicUsize::new(0),
            alive: AtomicU64::new(0),
            troubles: Mutex::default(),
            login: Mutex::default(),
            sessions: AtomicU64::new(0),
            batch_appends: AtomicU64::new(0),
            reads: AtomicU64::new(0),
        }
    }
}

impl Node {
    async fn start(number: usize, shared: &Arc<Shared>, identity: Option<Identity>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        lock(&shared.addresses).push(address);
        shared.alive.fetch_or(1 << number, Ordering::SeqCst);
        let (wires, incoming) = mpsc::unbounded_channel();
        let cuts = watch::Sender::new(0);
        let service = streams::Service { number, shared: shared.clone(), cuts: cuts.clone() };
        let service = Arc::new(service);
        let mut server = Server::builder();
        if let Some(identity) = identity {
            let tls = ServerTlsConfig::new().identity(identity);
            server = server.tls_config(tls).expect("the certificate is good");
        }
        let streams = StreamsServer::from_arc(service.clone())
            .max_decoding_message_size(32 << 20)
            .max_encoding_message_size(32 << 20);
        let serving = server
            .add_service(streams)
            .add_service(GossipServer::from_arc(service.clone()))
            .add_service(ServerFeaturesServer::from_arc(service))
            .serve_with_incoming(UnboundedReceiverStream::new(incoming));
        tokio::spawn(serving);
        let accepting = tokio::spawn(accept(listener, wires.clone(), cuts.clone()));
        Self { address, accepting: Some(accepting), wires, cuts }
    }
}

async fn accept(
    listener: TcpListener,
    wires: mpsc::UnboundedSender<std::io::Result<Wire>>,
    cuts: watch::Sender<u64>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        // As the real one does.
        drop(stream.set_nodelay(true));
        if wires.send(Ok(Wire::new(stream, cuts.subscribe()))).is_err() {
            break;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
