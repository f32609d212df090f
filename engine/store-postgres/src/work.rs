//! Whose work a stream is: partitions, their owners, and what an owner has to look at.

use crate::address::Address;
use crate::session::{self, Failure};
use crate::statement::name_of;
use crate::{PostgresStore, as_bigint, as_i32};
use schemas::{Position, StreamId};
use std::sync::Arc;
use std::time::Duration;
use store::{StoreError, Stored};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};
use tokio_postgres::Client;

const LOOK_EVERY: Duration = Duration::from_millis(200);
const RECONNECT_AFTER: Duration = Duration::from_secs(1);

/// A partition that is this process's alone, as long as this is kept and the server is there.
/// Its epoch is what holds in any case.
#[derive(Debug)]
pub struct Claim {
    /// What it appends as.
    pub epoch: u64,
    _kept: oneshot::Sender<()>,
}

impl PostgresStore {
    /// Takes a partition of the work over: from now on, appends of its earlier owners are
    /// refused. The epoch to append with.
    ///
    /// # Errors
    /// [`StoreError::Remote`].
    pub fn take_over(&self, partition: u32, node: &str) -> Result<u64, StoreError> {
        let (node, partition) = (node.to_owned(), as_i32(partition)?);
        self.shared.link.wait_for(move |pool| async move {
            let rows = pool.rows("SELECT take_over($1, $2)", &[&partition, &node]).await?;
            let row = rows.first().ok_or_else(|| pool.strange("it gave no epoch"))?;
            Ok(row.get::<_, i64>(0).unsigned_abs())
        })
    }

    /// The epochs of the owners of these partitions, of those that ever had one.
    ///
    /// # Errors
    /// [`StoreError::Remote`].
    pub fn epochs(&self, partitions: &[u32]) -> Result<Vec<(u32, u64)>, StoreError> {
        let numbers = partitions.iter().map(|n| as_i32(*n)).collect::<Result<Vec<_>, _>>()?;
        self.shared.link.wait_for(move |pool| async move {
            let query = "SELECT partition, epoch FROM owners WHERE partition = ANY($1)";
            let rows = pool.rows(query, &[&numbers]).await?;
            let both = |row: &tokio_postgres::Row| {
                (row.get::<_, i32>(0).unsigned_abs(), row.get::<_, i64>(1).unsigned_abs())
            };
            Ok(rows.iter().map(both).collect())
        })
    }

    /// Claims a partition that no process beside this one may work on, as a folder is locked: the
    /// server holds the claim as long as the process has its connection. Then takes it over.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when somebody else still has it after [`crate::Options::claim_patience`], or
    /// [`StoreError::Remote`].
    pub fn claim(&self, partition: u32, node: &str) -> Result<Claim, StoreError> {
        let number = as_i32(partition)?;
        let address = self.shared.address.clone();
        let (kept, dropped) = oneshot::channel();
        let (node_name, patience) = (node.to_owned(), self.shared.options.claim_patience);
        self.shared.link.wait_for(move |_| async move {
            let client = lock(&address, number, &node_name, patience).await?;
            tokio::spawn(keep(client, address, number, dropped));
            Ok(())
        })?;
        Ok(Claim { epoch: self.take_over(partition, node)?, _kept: kept })
    }

    /// The events of streams whose work is not over, of a partition, stream by stream in the
    /// order in which they began: of those that began after `after`, up to so many streams. And
    /// where the last of them began, to go on from; `after` again when there are no more.
    ///
    /// # Errors
    /// [`StoreError::Remote`].
    pub fn read_work(
        &self,
        partition: u32,
        after: Position,
        streams: usize,
    ) -> Result<(Vec<Stored>, Position), StoreError> {
        let query = "SELECT e.position, at, revision, stream_id, type, stream_kind, version, body
             FROM (SELECT stream_id, stream_kind, begun FROM work
                 WHERE partition = $1 AND begun > $2 ORDER BY begun LIMIT $3) w
             JOIN events e USING (stream_id, stream_kind)
             ORDER BY w.begun, e.revision";
        let partition = Box::new(as_i32(partition)?);
        let parameters = vec![partition as Box<_>, as_bigint(after.0), as_bigint(streams as u64)];
        let events = self.shared.link.read(query, parameters)?;
        let begun = events.iter().rev().find(|event| event.revision.0 == 0);
        let begun = begun.map_or(after, |event| event.position);
        Ok((events, begun))
    }

    /// The work of these streams is over after all.
    ///
    /// # Errors
    /// [`StoreError::Remote`].
    pub fn forget_work(&self, streams: &[StreamId]) -> Result<(), StoreError> {
        if streams.is_empty() {
            return Ok(());
        }
        let (kinds, ids): (Vec<_>, Vec<_>) = streams.iter().map(|id| name_of(*id)).unzip();
        self.shared.link.wait_for(move |pool| async move {
            let query = "DELETE FROM work WHERE (stream_id, stream_kind) IN
                 (SELECT * FROM unnest($1::uuid[], $2::smallint[]))";
            pool.rows(query, &[&ids, &kinds]).await.map(drop)
        })
    }
}

async fn lock(
    address: &Address,
    partition: i32,
    node: &str,
    patience: Duration,
) -> Result<Client, StoreError> {
    let remote = |failure: Failure| StoreError::Remote {
        store: address.shown().to_owned(),
        why: failure.why,
    };
    let client = session::connect(address, None).await.map_err(remote)?;
    let until = Instant::now() + patience;
    loop {
        if try_lock(&client, partition, node).await.map_err(remote)? {
            return Ok(client);
        }
        if Instant::now() > until {
            let query = "SELECT application_name FROM pg_locks l JOIN pg_stat_activity USING (pid)
                 WHERE l.locktype = 'advisory' AND l.objsubid = 2 AND l.objid::integer = $1
                     AND l.classid = 'events'::regclass::oid LIMIT 1";
            let row = client.query_opt(query, &[&partition]).await;
            let row = row.map_err(|error| remote(error.into()))?;
            let holder = row.map_or("another process".to_owned(), |row| row.get(0));
            return Err(StoreError::InUse { folder: address.shown().to_owned(), holder });
        }
        sleep(LOOK_EVERY).await;
    }
}

/// The server gives the lock back when the connection ends, however it does.
async fn try_lock(client: &Client, partition: i32, node: &str) -> Result<bool, Failure> {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    // 63 bytes are kept of it, and shown to whoever finds the partition taken.
    let name = format!("callfold {node}, process {} on {}", std::process::id(), host.trim());
    client.query_one("SELECT set_config('application_name', $1, false)", &[&name]).await?;
    let query = "SELECT pg_try_advisory_lock('events'::regclass::oid::integer, $1)";
    Ok(client.query_one(query, &[&partition]).await?.get(0))
}

/// Holds the lock until the claim is dropped, and takes it again when the connection broke. When
/// somebody else was faster, the epoch has told us by then.
async fn keep(
    mut client: Client,
    address: Arc<Address>,
    partition: i32,
    mut dropped: oneshot::Receiver<()>,
) {
    loop {
        tokio::select! {
            _ = &mut dropped => return,
            () = sleep(RECONNECT_AFTER) => {}
        }
        if client.is_closed()
            && let Ok(again) = session::connect(&address, None).await
        {
            match try_lock(&again, partition, "").await {
                Ok(true) => client = again,
                Ok(false) => tracing::warn!(partition, "another process has claimed this work"),
                Err(failure) => tracing::debug!(why = failure.why, "not claimed again yet"),
            }
        }
    }
}
