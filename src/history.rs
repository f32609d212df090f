//! What stands in a data folder or in a common log, read beside a running engine or without one.

use anyhow::{Context, Result, bail};
use node::StoreUrl;
use node::store_url::{Reading, open_to_read, read_folder};
use schemas::event::DecodeError;
use schemas::{Event, Position, Recorded, Revision, StreamId};
use std::fmt;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use store::keys::NodeVault;
use store::{Reader, Stored};

/// So many events are read at a time.
const STRETCH: usize = 4096;

/// Where a history is: in a data folder, or in a store with the keys in a data folder.
#[derive(Clone, PartialEq, Debug)]
pub struct Place {
    /// The data folder.
    pub data: Option<PathBuf>,
    /// The store; the folder's own log when absent.
    pub store: Option<StoreUrl>,
}

impl Place {
    /// Whether its events are in a log that many nodes share.
    pub fn is_common(&self) -> bool {
        self.store.as_ref().is_some_and(StoreUrl::is_common)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.store, &self.data) {
            (Some(store), _) => write!(f, "{store}"),
            (None, Some(data)) => write!(f, "{}", data.display()),
            (None, None) => f.write_str("nowhere"),
        }
    }
}

/// Events, and the keys to what is sealed in them.
pub struct History {
    /// The events.
    pub reader: Arc<dyn Reader>,
    /// The keys; absent when they cannot be had, and then what is sealed stays so.
    pub vault: Option<NodeVault>,
    /// Events of types that only a later version knows, passed over so far.
    pub unknown: u64,
}

impl History {
    /// Opens it to read. Changes nothing there.
    pub fn open(place: &Place) -> Result<Self> {
        let master = crate::privacy::master_key(None)?;
        let Reading { reader, keys } = match (&place.store, &place.data) {
            (Some(store), data) => open_to_read(store, data.as_deref(), &master)?,
            (None, Some(data)) => read_folder(data, &master)?,
            (None, None) => bail!("name a data folder, or a store"),
        };
        let vault = match keys {
            Ok((keyring, secret)) => Some(NodeVault { keyring, secret }),
            Err(error) => {
                tracing::warn!("phone numbers and variables stay sealed: {}", error.in_full());
                None
            }
        };
        Ok(Self { reader, vault, unknown: 0 })
    }

    /// What a node that runs in this process keeps.
    pub fn of(reader: Arc<dyn Reader>, vault: NodeVault) -> Self {
        Self { reader, vault: Some(vault), unknown: 0 }
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
