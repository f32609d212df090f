//! The connections that read: few, made when they are needed, and made anew when they break.

use crate::Options;
use crate::address::Address;
use crate::session::{self, Ears, Failure, Kind};
use crate::statement;
use futures_util::TryStreamExt;
use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::{StoreError, Stored};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};

/// The first wait before a read is tried again; it doubles.
const WAIT_FIRST: Duration = Duration::from_millis(20);
const WAIT_MAX: Duration = Duration::from_secs(1);
/// No row for so long: the connection is dead. The server gives up a little earlier.
const ROW_TIMEOUT: Duration = Duration::from_secs(25);

/// Connections to read by.
pub struct Pool {
    address: Arc<Address>,
    ears: Ears,
    patience: Duration,
    permits: Semaphore,
    idle: Mutex<Vec<Session>>,
}

/// A connection, and what it has prepared.
struct Session {
    client: Client,
    prepared: HashMap<&'static str, Statement>,
}

impl Pool {
    /// None is made yet.
    pub fn new(address: Arc<Address>, ears: Ears, options: &Options) -> Self {
        let permits = Semaphore::new(options.readers.max(1));
        let idle = Mutex::new(Vec::new());
        Self { address, ears, patience: options.patience, permits, idle }
    }

    /// The position of the last event, 0 when there is none.
    pub async fn head(&self) -> Result<u64, StoreError> {
        let query = "SELECT position FROM events ORDER BY position DESC LIMIT 1";
        let rows = self.rows(query, &[]).await?;
        Ok(rows.first().map_or(0, |row| row.get::<_, i64>(0).unsigned_abs()))
    }

    /// The events that a query gives.
    pub async fn stored(
        &self,
        query: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Stored>, StoreError> {
        self.ask(query, parameters, |row| statement::stored(row).map_err(|why| self.strange(&why)))
            .await
    }

    /// The rows that a query gives. It may run twice when a connection breaks.
    pub async fn rows(
        &self,
        query: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        self.ask(query, parameters, Ok).await
    }

    /// The store holds what it should not.
    pub fn strange(&self, why: &str) -> StoreError {
        StoreError::Foreign { file: self.address.shown().to_owned(), why: why.to_owned() }
    }

    async fn ask<T>(
        &self,
        query: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
        read: impl Fn(Row) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let _permit = self.permits.acquire().await.expect("nobody closes the semaphore");
        let (until, mut wait) = (Instant::now() + self.patience, WAIT_FIRST);
        loop {
            let failure = match self.try_ask(query, parameters, &read).await {
                Ok(read) => return read,
                Err(failure) => failure,
            };
            if failure.kind == Kind::Lasting || Instant::now() + wait > until {
                let store = self.address.shown().to_owned();
                return Err(StoreError::Remote { store, why: failure.why });
            }
            tracing::debug!(why = failure.why, "a read is tried again");
            sleep(wait).await;
            wait = (2 * wait).min(WAIT_MAX);
        }
    }

    async fn try_ask<T>(
        &self,
        query: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
        read: &impl Fn(Row) -> Result<T, StoreError>,
    ) -> Result<Result<Vec<T>, StoreError>, Failure> {
        let mut session = self.session().await?;
        let statement = session.prepare(query).await?;
        let parameters = parameters.iter().copied();
        let rows = timeout(ROW_TIMEOUT, session.client.query_raw(&statement, parameters));
        let mut rows = pin!(rows.await.map_err(|_| Failure::silence())??);
        let mut all = Vec::new();
        loop {
            let row = timeout(ROW_TIMEOUT, rows.try_next()).await;
            match row.map_err(|_| Failure::silence())?? {
                None => break,
                Some(row) => match read(row) {
                    Ok(value) => all.push(value),
                    Err(error) => return Ok(Err(error)),
                },
            }
        }
        self.idle().push(session);
        Ok(Ok(all))
    }

    async fn session(&self) -> Result<Session, Failure> {
        let idle = {
            let mut idle = self.idle();
            idle.retain(|session| !session.client.is_closed());
            idle.pop()
        };
        if let Some(session) = idle {
            return Ok(session);
        }
        let client = session::connect(&self.address, Some(self.ears.clone())).await?;
        // What was told while nobody listened, and what a failover took back.
        self.ears.keyrings.look();
        let row = client.query_one("SELECT coalesce(max(position), 0) FROM events", &[]).await?;
        self.ears.head.is(row.get::<_, i64>(0).unsigned_abs());
        Ok(Session { client, prepared: HashMap::new() })
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Session>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    async fn prepare(&mut self, query: &'static str) -> Result<Statement, Failure> {
        if let Some(statement) = self.prepared.get(query) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(query).await?;
        self.prepared.insert(query, statement.clone());
        Ok(statement)
    }
}
