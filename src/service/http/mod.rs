//! HTTP: commands in, records out (`contract.md`).
//!
//! Everything from outside is bounded: connections, how long a head or a body may take to come, how
//! large it is, how many requests wait for an answer. Beyond a bound there is an answer that says
//! when to come again.

mod calls;
mod metrics;
mod problem;

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
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// The most connections at once; more wait in the system's queue.
const CONNECTIONS_MAX: usize = 1024;
/// How long the head of a request may take, and a connection be idle.
const HEAD_WAIT: Duration = Duration::from_secs(30);
/// How long requests that are under way may take once the server is to stop.
const STOP_WAIT: Duration = Duration::from_secs(5);
/// The most threads that read the log for requests.
const READERS_MAX: usize = 4;

/// What requests are answered from.
pub struct Front {
    /// Takes commands.
    pub desk: Arc<Desk>,
    /// Reads calls.
    pub lookup: Lookup,
    /// How numbers are read.
    pub numbering: Numbering,
    /// What can be played.
    pub prompts: Prompts,
    /// Whether commands may be sent here.
    pub ready: AtomicBool,
    /// What is counted.
    pub metrics: Metrics,
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
    pub fn start(listen: SocketAddr, front: Arc<Front>) -> Result<Self> {
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
        let routes = routes(front);
        let serve = move || {
            runtime.block_on(serve(listener, routes, stopped));
            runtime.shutdown_timeout(STOP_WAIT);
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

fn routes(front: Arc<Front>) -> Router {
    Router::new()
        .route("/v1/calls", post(calls::place).get(calls::of_command))
        .route("/v1/calls/{call_id}", get(calls::record))
        .route("/v1/calls/{call_id}/events", get(calls::events))
        .route("/v1/calls/{call_id}/hangup", post(calls::hang_up))
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(calls::ready))
        .route("/metrics", get(metrics::metrics))
        .fallback(async || Problem::new(404, "there is nothing here"))
        .method_not_allowed_fallback(async || Problem::new(405, "not this way: see the contract"))
        .layer(axum::middleware::from_fn_with_state(front.clone(), metrics::count))
        .with_state(front)
}

async fn serve(listener: TcpListener, routes: Router, mut stopped: watch::Receiver<bool>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, _)) => {
                tokio::spawn(converse(stream, routes.clone(), stopped.clone(), permit));
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
    let over = room.acquire_many(CONNECTIONS_MAX as u32);
    let _ = tokio::time::timeout(STOP_WAIT, over).await;
}

async fn converse(
    stream: TcpStream,
    routes: Router,
    mut stopped: watch::Receiver<bool>,
    _permit: OwnedSemaphorePermit,
) {
    let _ = stream.set_nodelay(true);
    let service = TowerToHyperService::new(routes);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WAIT)
        .max_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        // What a stranger sends that is no HTTP ends its connection, and nothing else.
        _ = connection.as_mut() => return,
        _ = stopped.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

impl Front {
    /// Whether commands may be sent here now.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire) && self.desk.is_open()
    }
}
