//! What stands in a data folder, read beside a running engine or without one.

use anyhow::{Context, Result};
use schemas::event::DecodeError;
use schemas::{Event, Position, Recorded, Revision, StreamId};
use std::ops::ControlFlow;
use std::path::Path;
use store::folder::DataFolder;
use store::keys::NodeVault;
use store::{Reader, Stored};

/// So many events are read at a time.
const STRETCH: usize = 4096;

/// A folder's events, and the keys to what is sealed in them.
pub struct History {
    /// The events.
    pub reader: Box<dyn Reader>,
    /// The keys; absent when they cannot be had, and then what is sealed stays so.
    pub vault: Option<NodeVault>,
    /// Events of types that only a later version knows, passed over so far.
    pub unknown: u64,
}

impl History {
    /// Opens a folder to read. Changes nothing in it.
    pub fn open(data: &Path) -> Result<Self> {
        let mut folder = DataFolder::open_to_read(data)?;
        let reader = Box::new(folder.read_log()?);
        let keys = folder.read_keys(&crate::privacy::master_key(None)?);
        let secret = folder.callee_secret(None);
        let vault = match (keys, secret) {
            (Ok(keyring), Ok(secret)) => Some(NodeVault { keyring, secret }),
            (Err(error), _) | (_, Err(error)) => {
                tracing::warn!("phone numbers and variables stay sealed: {}", error.in_full());
                None
            }
        };
        Ok(Self { reader, vault, unknown: 0 })
    }

    /// Runs through the events after a position, in order, until there are no more or `take` breaks.
    pub fn walk(
        &mut self,
        after: Position,
        mut take: impl FnMut(&Self, Recorded, u8) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let mut after = after;
        loop {
            let stretch = self.reader.read_all(after, STRETCH).context("the log cannot be read")?;
            let Some(last) = stretch.last() else { return Ok(()) };
            after = last.position;
            for stored in &stretch {
                if let Some(recorded) = self.decode(stored)?
                    && take(self, recorded, stored.encoded.version)?.is_break()
                {
                    return Ok(());
                }
            }
        }
    }

    /// Says on stderr how many events were passed over, if any were.
    pub fn tell_unknown(&self) {
        if self.unknown > 0 {
            let (count, word) = (self.unknown, if self.unknown == 1 { "event" } else { "events" });
            tracing::warn!(
                "passed over {count} {word} that only a later version of Callfold understands"
            );
        }
    }

    /// All events of a stream that are understood.
    pub fn stream(&mut self, stream: StreamId) -> Result<Vec<Recorded>> {
        let mut events = Vec::new();
        let mut from = Revision(0);
        loop {
            let stretch = self.reader.read_stream(stream, from, STRETCH)?;
            let Some(last) = stretch.last() else { return Ok(events) };
            from = Revision(last.revision.0 + 1);
            for stored in &stretch {
                events.extend(self.decode(stored)?);
            }
        }
    }

    /// An event; `None` when only a later version of the program knows its type.
    fn decode(&mut self, stored: &Stored) -> Result<Option<Recorded>> {
        let encoded = &stored.encoded;
        match Event::decode(encoded.kind, encoded.version, &encoded.body) {
            Ok(event) => Ok(Some(Recorded {
                position: stored.position,
                stream: stored.stream,
                revision: stored.revision,
                at: stored.at,
                event,
            })),
            Err(DecodeError::Unknown { .. }) => {
                self.unknown += 1;
                Ok(None)
            }
            Err(error) => Err(anyhow::Error::new(error)
                .context(format!("position {}, stream {}", stored.position.0, stored.stream))),
        }
    }
}
