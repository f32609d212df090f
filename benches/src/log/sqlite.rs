//! The same events in SQLite as its users would keep them: WAL, synchronous FULL, a unique index over
//! stream and revision that refuses what does not fit.

use super::{CALLS_UP, PlainCalls};
use anyhow::Result;
use rusqlite::{Connection, params};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use store::{Append, Expected};

fn open(path: &Path) -> Result<Connection> {
    let database = Connection::open(path)?;
    database.pragma_update(None, "journal_mode", "WAL")?;
    database.pragma_update(None, "synchronous", "FULL")?;
    database.execute_batch(
        "create table events (
             position integer primary key, stream blob not null, revision integer not null,
             kind integer not null, version integer not null, at integer not null,
             body blob not null);
         create unique index of_stream on events (stream, revision);",
    )?;
    Ok(database)
}

/// Appends in transactions, and gives events a second.
pub fn append_rate(folder: &Path, batches: usize, per_batch: usize) -> Result<f64> {
    let path = folder.join("beside.sqlite");
    let mut database = open(&path)?;
    let took = fill(&mut database, batches, per_batch)?;
    drop(database);
    remove(&path)?;
    Ok((batches * per_batch) as f64 / took.as_secs_f64())
}

fn fill(database: &mut Connection, batches: usize, per_batch: usize) -> Result<Duration> {
    let (mut calls, mut took) = (PlainCalls::new(0, CALLS_UP), Duration::ZERO);
    for _ in 0..batches {
        let batch: Vec<Append> = (0..per_batch).map(|_| calls.next()).collect();
        let begun = Instant::now();
        let transaction = database.transaction()?;
        let mut insert = transaction.prepare_cached(
            "insert into events (stream, revision, kind, version, at, body) \
             values (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        for append in &batch {
            let revision = match append.expected {
                Expected::Exact(last) => last.0 + 1,
                _ => 0,
            };
            for (revision, event) in (revision..).zip(&append.events) {
                let encoded = &event.encoded;
                insert.execute(params![
                    append.stream.id,
                    revision,
                    encoded.kind,
                    encoded.version,
                    event.at.0,
                    encoded.body
                ])?;
            }
        }
        drop(insert);
        transaction.commit()?;
        took += begun.elapsed();
    }
    Ok(took)
}

/// A table with events in it.
pub struct Filled {
    path: PathBuf,
    database: Connection,
    events: usize,
}

impl Filled {
    /// Of so many.
    pub fn new(folder: &Path, events: usize) -> Result<Self> {
        let path = folder.join("replayed.sqlite");
        let mut database = open(&path)?;
        database.pragma_update(None, "synchronous", "OFF")?;
        fill(&mut database, events / 1000, 1000)?;
        Ok(Self { path, database, events })
    }

    /// Reads all of it in order, and gives events a second.
    pub fn replay_rate(&self) -> Result<f64> {
        let begun = Instant::now();
        let mut select = self.database.prepare_cached(
            "select position, stream, revision, kind, version, at, body from events order by position",
        )?;
        let mut rows = select.query([])?;
        let (mut seen, mut sum) = (0, 0);
        while let Some(row) = rows.next()? {
            // As little as a reader can do: nothing is copied.
            sum += row.get_ref(1)?.as_blob()?.len() + row.get_ref(6)?.as_blob()?.len();
            sum += row.get::<_, i64>(0)? as usize + row.get::<_, u32>(2)? as usize;
            sum += row.get::<_, u16>(3)? as usize + row.get::<_, i64>(5)? as usize;
            seen += 1;
        }
        anyhow::ensure!(seen == self.events && sum > 0, "the replay is not whole");
        Ok(self.events as f64 / begun.elapsed().as_secs_f64())
    }
}

impl Drop for Filled {
    fn drop(&mut self) {
        // The folder goes with the bench; what stays in it, too.
        let _ = remove(&self.path);
    }
}

fn remove(path: &Path) -> std::io::Result<()> {
    for ending in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        match std::fs::remove_file(name) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
