//! The keys of persons, as a table: every node reads those of all, and hears when one is erased.

use crate::PostgresStore;
use crate::link::Link;
use crate::pool::Pool;
use schemas::CalleeKey;
use schemas::sealed::StoredKey;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::StoreError;
use store::keys::{KeyRow, KeyTable, Keyring, MasterKey};
use tokio_postgres::Row;
use uuid::Uuid;

/// The keyrings that were opened here: they hear what became durable, and what was erased.
#[derive(Default)]
pub struct Keyrings(Mutex<Vec<Keyring>>);

impl Keyrings {
    /// These keys are in the table.
    pub fn note_saved(&self, keys: &[StoredKey]) {
        if !keys.is_empty() {
            self.lock().iter().for_each(|keyring| keyring.note_saved(keys));
        }
    }

    /// Somebody erased a person, perhaps: has the keyrings look. Returns at once.
    pub fn look(self: &Arc<Self>) {
        let keyrings = self.lock().clone();
        if keyrings.is_empty() {
            return;
        }
        // The store's own thread serves the reads, so it must not wait for them.
        let look = move || {
            for keyring in keyrings {
                if let Err(error) = keyring.read_on() {
                    tracing::warn!("keys of persons cannot be read: {}", error.in_full());
                }
            }
        };
        if let Err(error) = std::thread::Builder::new().name("postgres-keys".into()).spawn(look) {
            tracing::warn!(%error, "no thread to read the keys of persons");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Keyring>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PostgresStore {
    /// The keys of persons, wrapped by this master key. New ones become durable with the batch
    /// that brings them; those of other nodes are found when they are needed. `seed`: 32 bytes of
    /// the operating system's randomness.
    ///
    /// # Errors
    /// [`StoreError::Foreign`] when another master key wrapped them, or [`StoreError::Remote`].
    pub fn open_keys(&self, master: MasterKey, seed: [u8; 32]) -> Result<Keyring, StoreError> {
        let begun = self.secrets()?.and_then(|(_, master)| master);
        if begun.is_some_and(|begun| begun != master.check()) {
            return Err(self.foreign("the keys there were wrapped by another master key"));
        }
        let keyring = Keyring::of_table(Table(self.shared.link.clone()), master, seed)?;
        self.shared.keyrings.lock().push(keyring.clone());
        Ok(keyring)
    }

    /// Stores keys that are wrapped by the same master key, from another store.
    ///
    /// # Errors
    /// [`StoreError::Remote`].
    pub fn put_keys(&self, keys: &[StoredKey]) -> Result<(), StoreError> {
        let keys = keys.to_vec();
        self.shared.link.wait_for(move |pool| async move {
            let callees: Vec<_> = keys.iter().map(|key| Uuid::from_bytes(key.callee.0)).collect();
            let generations: Vec<_> = keys.iter().map(|key| i32::from(key.generation)).collect();
            let nonces: Vec<&[u8]> = keys.iter().map(|key| &key.nonce[..]).collect();
            let wrapped: Vec<&[u8]> = keys.iter().map(|key| &key.wrapped[..]).collect();
            let query = "SELECT append('{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}',
                 '{}', '{}', '{}', gen_random_uuid(), $1, $2, $3, $4)";
            pool.rows(query, &[&callees, &generations, &nonces, &wrapped]).await.map(drop)
        })
    }

    /// Destroys the keys of a person, for every node: everything that was sealed for the person
    /// can never be read again. Whether there was one; `None` when there never was.
    ///
    /// The row is overwritten at once. Its old version is gone from the table after the VACUUM
    /// that follows, and from the server's write-ahead log and backups when those are: there the
    /// key is still wrapped by the master key.
    ///
    /// # Errors
    /// [`StoreError::Remote`]: the keys may still stand there. Erase again.
    pub fn erase(&self, callee: CalleeKey) -> Result<Option<bool>, StoreError> {
        let callee = Uuid::from_bytes(callee.0);
        let had = self.shared.link.wait_for(move |pool| async move {
            let rows = pool.rows("SELECT had, known FROM erase($1)", &[&callee]).await?;
            // Who may not do it has left it to the server, which does it by itself in time.
            if let Err(error) = pool.rows("VACUUM persons", &[]).await {
                tracing::warn!("not vacuumed: {}", error.in_full());
            }
            let row = rows.first().filter(|row| row.get(1));
            Ok(row.map(|row| row.get(0)))
        })?;
        self.shared.keyrings.look();
        Ok(had)
    }
}

/// The table, for a keyring. The store holds the keyring, so this does not hold the store.
struct Table(Link);

impl KeyTable for Table {
    fn rows(&mut self, after: u64, limit: usize) -> Result<Vec<KeyRow>, StoreError> {
        let (after, limit) = (i64::try_from(after).unwrap_or(i64::MAX), limit as i64);
        self.0.wait_for(move |pool| async move {
            let query = "SELECT place, callee, generation, nonce, wrapped FROM persons
                 WHERE place > $1 ORDER BY place LIMIT $2";
            let rows = pool.rows(query, &[&after, &limit]).await?;
            rows.iter().map(|row| key_row(row, &pool)).collect()
        })
    }
}

fn key_row(row: &Row, pool: &Pool) -> Result<KeyRow, StoreError> {
    let odd = || pool.strange("a person's key has a form that a later version may know");
    let callee = CalleeKey(row.get::<_, Uuid>(1).into_bytes());
    let generation = u16::try_from(row.get::<_, i32>(2)).map_err(|_| odd())?;
    let key = row.get::<_, Option<&[u8]>>(4).map(|wrapped| {
        let nonce = row.get::<_, &[u8]>(3).try_into().map_err(|_| odd())?;
        let wrapped = wrapped.try_into().map_err(|_| odd())?;
        Ok(StoredKey { callee, generation, nonce, wrapped })
    });
    let place = row.get::<_, i64>(0).unsigned_abs();
    Ok(KeyRow { place, callee, generation, key: key.transpose()? })
}
