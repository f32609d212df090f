//! Another master key for the persons of a common log: every wrapped key is wrapped anew, in one
//! transaction.

use crate::PostgresStore;
use crate::address::Address;
use crate::session::{self, Failure};
use schemas::CalleeKey;
use schemas::sealed::StoredKey;
use store::StoreError;
use store::keys::{MasterKey, rewrap};
use tokio_postgres::{Client, Row};
use uuid::Uuid;

/// So many keys are wrapped at a time.
const PAGE: i64 = 5_000;

impl PostgresStore {
    /// Wraps all keys of persons by another master key. A crash in the middle leaves the one or the
    /// other. How many there were; `None` when it was done before.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when a node has its work claimed: it would go on with the old one.
    /// [`StoreError::Foreign`] when it is not `old` that wraps the keys there, or
    /// [`StoreError::Remote`].
    pub fn rotate(&self, old: MasterKey, new: MasterKey) -> Result<Option<u64>, StoreError> {
        let address = self.shared.address.clone();
        self.shared.link.wait_for(move |_| async move {
            let failed = |failure: Failure| StoreError::Remote {
                store: address.shown().to_owned(),
                why: failure.why,
            };
            let client = session::connect(&address, None).await.map_err(failed)?;
            // A client that is dropped before its COMMIT has changed nothing.
            match rotate(&client, &old, &new).await {
                Ok(count) => Ok(count),
                Err(Refusal::Failed(failure)) => Err(failed(failure)),
                Err(Refusal::Store(error)) => Err(error),
                Err(Refusal::InUse(holder)) => {
                    Err(StoreError::InUse { folder: address.shown().to_owned(), holder })
                }
                Err(Refusal::OtherKey) => Err(other_key(&address)),
            }
        })
    }
}

enum Refusal {
    Failed(Failure),
    Store(StoreError),
    InUse(String),
    OtherKey,
}

impl From<tokio_postgres::Error> for Refusal {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Failed(error.into())
    }
}

async fn rotate(client: &Client, old: &MasterKey, new: &MasterKey) -> Result<Option<u64>, Refusal> {
    client.batch_execute("BEGIN; SELECT wait_for_turn()").await?;
    let holder = "SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid)
         WHERE locktype = 'advisory' AND objsubid = 2
             AND classid = 'events'::regclass::oid LIMIT 1";
    if let Some(row) = client.query_opt(holder, &[]).await? {
        return Err(Refusal::InUse(row.get(0)));
    }
    let check: Option<Vec<u8>> =
        client.query_one("SELECT master_check FROM store", &[]).await?.get(0);
    match check {
        Some(check) if check == new.check() => return Ok(None),
        Some(check) if check == old.check() => {}
        _ => return Err(Refusal::OtherKey),
    }
    let page = "SELECT place, callee, generation, nonce, wrapped FROM persons
         WHERE place > $1 AND wrapped IS NOT NULL ORDER BY place LIMIT $2";
    let put = "UPDATE persons p SET nonce = n.nonce, wrapped = n.wrapped
         FROM unnest($1::bigint[], $2::bytea[], $3::bytea[]) AS n(place, nonce, wrapped)
         WHERE p.place = n.place";
    let (mut after, mut count) = (0_i64, 0);
    loop {
        let rows = client.query(page, &[&after, &PAGE]).await?;
        let Some(last) = rows.last() else { break };
        after = last.get(0);
        let (mut places, mut keys) = (Vec::new(), Vec::new());
        for row in &rows {
            let stored = stored_key(row).ok_or(Refusal::OtherKey)?;
            let key = rewrap(&stored, old, new).map_err(Refusal::Store)?;
            places.push(row.get::<_, i64>(0));
            keys.push(key.ok_or(Refusal::OtherKey)?);
        }
        let nonces: Vec<&[u8]> = keys.iter().map(|key| &key.nonce[..]).collect();
        let wrapped: Vec<&[u8]> = keys.iter().map(|key| &key.wrapped[..]).collect();
        count += client.execute(put, &[&places, &nonces, &wrapped]).await?;
    }
    client.execute("UPDATE store SET master_check = $1", &[&&new.check()[..]]).await?;
    client.batch_execute("COMMIT").await?;
    Ok(Some(count))
}

fn stored_key(row: &Row) -> Option<StoredKey> {
    Some(StoredKey {
        callee: CalleeKey(row.get::<_, Uuid>(1).into_bytes()),
        generation: u16::try_from(row.get::<_, i32>(2)).ok()?,
        nonce: row.get::<_, &[u8]>(3).try_into().ok()?,
        wrapped: row.get::<_, &[u8]>(4).try_into().ok()?,
    })
}

fn other_key(address: &Address) -> StoreError {
    let why = "the keys of persons there were wrapped by another master key".to_owned();
    StoreError::Foreign { file: address.shown().to_owned(), why }
}
