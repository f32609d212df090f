//! The vendor's client: made when it is needed, and made anew when it has given up.
//!
//! It finds the leader by itself, on the second try: a request that meets a follower fails, and the
//! next one goes to the leader. But 1.2.0 stays with a node that has died, and when it cannot
//! connect at all it ends for ever. So after a few errors of the way
//! there it is made anew.

use crate::address::Address;
use kurrentdb::{Client, Error};
use std::future::Future;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::StoreError;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

const WAIT_FIRST: Duration = Duration::from_millis(20);
const WAIT_MAX: Duration = Duration::from_secs(1);
/// After so many failures in a row that may be the client's, it is made anew.
const FAILURES_MAX: u32 = 2;
/// How long a node may take to take a connection, when nobody knows why it does not.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// What a failure says of the client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Health {
    Well,
    /// It may be with a node that is gone, and stays there.
    Doubtful,
    /// It will do nothing any more.
    Ended,
}

/// Why something could not be done.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Trying again will not help.
    pub lasting: bool,
    /// What it says of the client.
    health: Health,
    /// For people.
    pub why: String,
}

impl Failure {
    /// Something that trying again does not help.
    pub fn lasting(why: String) -> Self {
        Self { lasting: true, health: Health::Well, why }
    }

    /// Something that may go well the next time.
    pub fn passing(why: String) -> Self {
        Self { lasting: false, health: Health::Well, why }
    }

    /// Something took longer than it may.
    pub fn silence() -> Self {
        let why = "the server does not answer".to_owned();
        Self { lasting: false, health: Health::Doubtful, why }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let lasting = match &error {
            Error::AccessDenied
            | Error::ResourceDeleted
            | Error::UnsupportedFeature
            | Error::InitializationError(_)
            | Error::InternalParsingError(_) => true,
            // InvalidArgument, ResourceExhausted, OutOfRange.
            Error::Grpc { code, .. } => matches!(i32::from(*code), 3 | 8 | 11),
            _ => false,
        };
        let why = match &error {
            Error::AccessDenied => {
                "it does not let us in: put the right user and password into the URL".to_owned()
            }
            Error::ResourceDeleted => "somebody has deleted a stream there".to_owned(),
            Error::NotLeaderException(leader) => {
                format!("another node leads: {}:{}", leader.host, leader.port)
            }
            Error::Grpc { message, .. } => message.clone(),
            other => other.to_string(),
        };
        let health = match error {
            Error::ConnectionClosed | Error::GrpcConnectionError(_) => Health::Ended,
            Error::ServerError(_) => Health::Doubtful,
            _ => Health::Well,
        };
        Self { lasting, health, why }
    }
}

/// The way to the server.
pub struct Connection {
    address: Arc<Address>,
    silence_max: Duration,
    client: Mutex<Option<(u64, Client)>>,
    made: AtomicU64,
    /// One after the other.
    failures: AtomicU32,
}

impl Connection {
    /// Not yet connected.
    pub fn new(address: Arc<Address>, silence_max: Duration) -> Self {
        Self {
            address,
            silence_max,
            client: Mutex::new(None),
            made: AtomicU64::new(0),
            failures: AtomicU32::new(0),
        }
    }

    /// So long an answer may take.
    pub fn silence_max(&self) -> Duration {
        self.silence_max
    }

    /// Where it leads.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Asks something once.
    async fn once<T, F>(&self, work: impl FnOnce(Client) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let (number, client) = self.client().await?;
        let done = timeout(self.silence_max, work(client)).await;
        let done = done.unwrap_or_else(|_| Err(Failure::silence()));
        match &done {
            Ok(_) => self.failures.store(0, Ordering::Relaxed),
            Err(failure) => self.heed(number, failure),
        }
        done
    }

    /// What came in between while the client with this number was used. Forgets one that is of no
    /// use any more, or seems to be time and again.
    pub fn heed(&self, number: u64, failure: &Failure) {
        let forgotten = match failure.health {
            Health::Well => false,
            Health::Doubtful => self.failures.fetch_add(1, Ordering::Relaxed) >= FAILURES_MAX,
            Health::Ended => true,
        };
        if forgotten {
            self.failures.store(0, Ordering::Relaxed);
            self.slot().take_if(|(now, _)| *now == number);
        }
    }

    /// Why the server cannot be used. The client says of a connection that it could not be made,
    /// and not why.
    pub async fn explain(&self, failure: Failure) -> StoreError {
        let settings = self.address.settings();
        let secure = settings.is_secure_mode_enabled();
        let mut why = None;
        for host in settings.hosts().iter().filter(|_| !failure.lasting) {
            let place = (host.host.as_str(), u16::try_from(host.port).unwrap_or(0));
            why = match timeout(PROBE_TIMEOUT, TcpStream::connect(place)).await {
                Ok(Ok(_)) if failure.health != Health::Ended => None,
                Ok(Ok(_)) if secure && failure.why.contains("(Connect)") => {
                    Some("it speaks no TLS that we trust: see tlsCaFile, or tls=false".to_owned())
                }
                Ok(Ok(_)) if !secure && !failure.why.contains("(Connect)") => {
                    Some("it does not answer without TLS: see tls".to_owned())
                }
                Ok(Ok(_)) => None,
                Ok(Err(error)) => {
                    Some(format!("{error}. Start it, or put its right name and port into the URL"))
                }
                Err(_) => Some(
                    "it takes no connection: look whether the way there is open, and at the name \
                     and port in the URL"
                        .to_owned(),
                ),
            };
        }
        self.remote(why.map_or(failure, Failure::passing))
    }

    /// Does something until it is done, or lasting, or has been tried for so long.
    ///
    /// # Errors
    /// What came in between, the last time.
    pub async fn patiently<T, F>(
        &self,
        patience: Duration,
        work: impl Fn(Client) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut patience = Patience::new(patience);
        loop {
            match self.once(&work).await {
                Err(failure) if !failure.lasting && patience.wait().await => {}
                done => return done,
            }
        }
    }

    /// The client, and its number.
    ///
    /// # Errors
    /// It cannot be made.
    pub async fn client(&self) -> Result<(u64, Client), Failure> {
        if let Some(known) = &*self.slot() {
            return Ok(known.clone());
        }
        let settings = self.address.settings().clone();
        // Files of certificates are read in here; what cannot be read makes it panic.
        let made = tokio::spawn(async move { Client::new(settings) }).await;
        let client = made
            .map_err(|_| Failure::lasting("its client cannot be made".to_owned()))?
            .map_err(|error| Failure::lasting(error.to_string()))?;
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        Ok(self.slot().get_or_insert((number, client)).clone())
    }

    fn slot(&self) -> MutexGuard<'_, Option<(u64, Client)>> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An error for who asked for something.
    pub fn remote(&self, failure: Failure) -> StoreError {
        StoreError::Remote { store: self.address.shown().to_owned(), why: failure.why }
    }
}

/// How long something is tried again.
pub struct Patience {
    until: Instant,
    wait: Duration,
    whole: Duration,
}

impl Patience {
    /// So long, from now on.
    pub fn new(whole: Duration) -> Self {
        Self { until: Instant::now() + whole, wait: WAIT_FIRST, whole }
    }

    /// Waits before the next try, longer each time. Whether there is to be one.
    pub async fn wait(&mut self) -> bool {
        if Instant::now() + self.wait > self.until {
            return false;
        }
        sleep(self.wait).await;
        self.wait = (2 * self.wait).min(WAIT_MAX);
        true
    }

    /// Something has come forward: all of it again.
    pub fn renew(&mut self) {
        *self = Self::new(self.whole);
    }
}
