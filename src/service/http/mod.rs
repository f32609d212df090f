//! HTTP: commands in, records out (`docs/http.md`).
//!
//! Everything from outside is bounded: connections, how long a head, a body or the taking of an
//! answer may last, how large they are, how many requests wait. Beyond a bound there is an answer
//! that says when to come again, or the connection ends.

mod calls;
mod metrics;
mod problem;
#[cfg(test)]
mod tests;

pub use metrics::Metrics;

use super::desk::Desk;
use super::lookup::Lookup;
use anyhow::{Context, Result};
use axum::Router;
use axum::routing::{get, post};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use media::prompt::Prompts;
use problem::Problem;
use schemas::Numbering;
use socket2::SockRef;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// The most bytes of a head, and of what is read ahead.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// The most threads that read the log for requests.
const READERS_MAX: usize = 4;

/// What a stranger may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most connections at once; more wait in the system's queue.
    pub connections: usize,
    /// How long the head of a request may take to come, and a connection be idle.
    pub head: Duration,
    /// How long a body may take to come.
    pub body: Duration,
    /// How long a command may take to be durable: a store that takes longer is in trouble.
    pub answer: Duration,
    /// How long a peer may take nothing of what we answer.
    pub taking: Duration,
    /// How long requests that are under way may take once the server is to stop.
    pub stop: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            head: Duration::from_secs(30),
            body: Duration::from_secs(10),
            answer: Duration::from_secs(10),
            taking: Duration::from_secs(30),
            stop: Duration::from_secs(5),
        }
    }
}

/// What requests about calls are answered from.
pub struct Front {
    /// Takes commands.
    pub desk: Arc<Desk>,
    /// Reads calls.
    pub lookup: Lookup,
    /// How numbers are read.
    pub numbering: Numbering,
    /// What can be played.
    pub prompts: Prompts,
    /// Through whom calls can be placed.
    pub gateways: Vec<String>,
}

/// What is there from the first moment on, while the engine behind it may still be starting.
#[derive(Default)]
pub struct Door {
    front: OnceLock<Front>,
    stopping: AtomicBool,
    limits: Limits,
    /// What is counted.
    pub metrics: Metrics,
    /// What others have to tell on the page of metrics, in its format.
    pub more_metrics: OnceLock<Box<dyn Fn() -> String + Send + Sync>>,
}

/// Whether commands may be sent here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Readiness {
    /// The engine rebuilds its calls.
    Starting,
    /// They may.
    Ready,
    /// As many calls as may wait are waiting.
    Full,
    /// It drains, or has ended.
    Stopping,
}

impl Door {
    /// The engine runs.
    pub fn open(&self, front: Front) {
        // A second engine behind the same door there is none.
        let _ = self.front.set(front);
    }

    /// The engine is about to stop: whoever balances load must see it before commands are refused.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        if let Some(front) = self.front.get() {
            front.desk.close();
        }
    }

    fn front(&self) -> Result<&Front, Problem> {
        let starting = || Problem::new(503, "the engine is starting").code("starting");
        self.front.get().ok_or_else(|| starting().retry_after(1))
    }

    /// Whether commands may be sent here now.
    pub fn readiness(&self) -> Readiness {
        match self.front.get() {
            _ if self.stopping.load(Ordering::Acquire) => Readiness::Stopping,
            None => Readiness::Starting,
            Some(front) if front.desk.is_closed() => Readiness::Stopping,
            Some(front) if !front.desk.has_room() => Readiness::Full,
            Some(_) => Readiness::Ready,
        }
    }
}

/// A server that runs.
pub struct Server {
    /// Where it listens.
    pub local: SocketAddr,
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

impl Server {
    /// Listens, on a thread of its own.
    ///
    /// # Errors
    /// The port is taken, or the system refuses a thread.
    pub fn start(listen: SocketAddr, door: Arc<Door>) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(READERS_MAX)
            .build()
            .context("the operating system gives no event queue for HTTP")?;
        let listener = runtime
            .block_on(TcpListener::bind(listen))
            .with_context(|| format!("HTTP cannot listen on {listen}"))?;
        let local = listener.local_addr().context("HTTP listens nowhere")?;
        let (stop, stopped) = watch::channel(false);
        let serve = move || {
            let limits = door.limits;
            runtime.block_on(serve(listener, routes(door), limits, stopped));
            runtime.shutdown_timeout(limits.stop);
        };
        let thread = std::thread::Builder::new().name("http".into()).spawn(serve)?;
        Ok(Self { local, stop, thread })
    }

    /// Takes no more connections, and lets the requests that are under way finish.
    pub fn stop(self) {
        let _ = self.stop.send(true);
        let _ = self.thread.join();
    }
}

fn routes(door: Arc<Door>) -> Router {
    Router::new()
        .route("/v1/calls", post(calls::place).get(calls::of_command))
        .route("/v1/calls/{call_id}", get(calls::record))
        .route("/v1/calls/{call_id}/events", get(calls::events))
        .route("/v1/calls/{call_id}/hangup", post(calls::hang_up))
        .route("/v1/calls/{call_id}/cancel", post(calls::cancel))
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(calls::ready))
        .route("/metrics", get(metrics::metrics))
        .fallback(async || Problem::new(404, "there is nothing here"))
        .method_not_allowed_fallback(async || Problem::new(405, "not this way: see docs/http.md"))
        .layer(axum::middleware::from_fn_with_state(door.clone(), metrics::count))
        .with_state(door)
}

async fn serve(
    listener: TcpListener,
    routes: Router,
    limits: Limits,
    mut stopped: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(limits.connections));
    loop {
        let permit = tokio::select! {
            permit = room.clone().acquire_owned() => permit,
            _ = stopped.wait_for(|stop| *stop) => break,
        };
        let Ok(permit) = permit else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, _)) => {
                tokio::spawn(converse(stream, routes.clone(), limits, stopped.clone(), permit));
            }
            // Most often no file is left for it: those that are open will end.
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    // All permits are back when the last conversation is over.
    let over = room.acquire_many(limits.connections as u32);
    let _ = tokio::time::timeout(limits.stop, over).await;
}

async fn converse(
    stream: TcpStream,
    routes: Router,
    limits: Limits,
    mut stopped: watch::Receiver<bool>,
    _permit: OwnedSemaphorePermit,
) {
    let socket = SockRef::from(&stream);
    // A connection without these is slower, or held longer by who does not read: no more.
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_user_timeout(Some(limits.taking));
    let service = TowerToHyperService::new(routes);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        // What a stranger sends that is no HTTP ends its connection, and nothing else.
        _ = connection.as_mut() => return,
        _ = stopped.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}
