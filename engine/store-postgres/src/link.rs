//! The way from any thread to the store's own, which reads.

use crate::pool::Pool;
use std::future::Future;
use std::sync::Arc;
use store::{StoreError, Stored};
use tokio::runtime::Handle;
use tokio_postgres::types::ToSql;

/// Does not keep the store's thread alive.
#[derive(Clone)]
pub struct Link {
    pool: Arc<Pool>,
    runtime: Handle,
}

impl Link {
    /// To a pool, on the runtime that drives it.
    pub fn new(pool: Arc<Pool>, runtime: Handle) -> Self {
        Self { pool, runtime }
    }

    /// Runs something on the store's thread, and waits for what comes of it. Never to be called on
    /// that thread.
    pub fn wait_for<T, F>(&self, work: impl FnOnce(Arc<Pool>) -> F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let (done, arrived) = std::sync::mpsc::sync_channel(1);
        let work = work(self.pool.clone());
        // Nobody waits any more only when this very function has panicked.
        self.runtime.spawn(async move { drop(done.send(work.await)) });
        arrived.recv().unwrap_or_else(|_| Err(thread_has_ended()))
    }

    /// The events that a query gives.
    pub fn read(
        &self,
        query: &'static str,
        parameters: Vec<Box<dyn ToSql + Sync + Send>>,
    ) -> Result<Vec<Stored>, StoreError> {
        self.wait_for(move |pool| async move {
            let parameters: Vec<&(dyn ToSql + Sync)> =
                parameters.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect();
            pool.stored(query, &parameters).await
        })
    }
}

/// The last store was dropped while something of it was still used.
pub fn thread_has_ended() -> StoreError {
    StoreError::Broken("the thread of PostgreSQL has ended".to_owned())
}
