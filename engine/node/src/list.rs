//! A list's rows become items: durable, all of them, before the first is dialled.

use crate::store_url::OpenStore;
use schemas::batch::{BatchEvent, BatchLoaded, BatchOpened, ItemAdded};
use schemas::{CalleeKey, Event, Pseudonyms, Revision, StreamId, Timestamp, Vault};
use std::collections::{BTreeSet, HashMap, HashSet};
use store::keys::NodeVault;
use store::{Append, AppendError, Batch, Expected, NewEvent, StoreError};

/// So many items become durable together.
const ITEMS_PER_APPEND: usize = 1000;

/// A good row: a number and what else it says.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    /// Where it stands in the list, from 1.
    pub line: u32,
    /// The number, normalised.
    pub phone: String,
    /// The other columns, as a JSON object; absent when there are none.
    pub variables: Option<Vec<u8>>,
}

/// What became of a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Taken {
    /// It is a new item.
    Added(CalleeKey),
    /// An earlier load of the same run had this callee already.
    Known(CalleeKey),
    /// An earlier row of this list, that of this line, has the same callee.
    Duplicate(u32),
}

/// A run of a batch that is being loaded. What was taken is durable after [`Loading::finish`],
/// and as far as whole appends went when the process dies before.
pub struct Loading<'a> {
    store: &'a OpenStore,
    vault: &'a mut NodeVault,
    stream: StreamId,
    run: u32,
    length: u32,
    known: HashSet<CalleeKey>,
    here: HashMap<CalleeKey, u32>,
    gathered: Vec<NewEvent>,
    at: Timestamp,
    counts: BatchLoaded,
}

/// A run that was loaded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoadedRun {
    /// The id of its stream.
    pub stream: [u8; 16],
    /// Which run it is, from 1.
    pub run: u32,
    /// How many events the stream has.
    pub length: u32,
    /// Callees of earlier loads that this list does not have any more: they are not dialled.
    pub dropped: BTreeSet<CalleeKey>,
}

impl<'a> Loading<'a> {
    /// Begins to load: the last run of the batch, or a new one when there is none or `again`.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn begin(
        store: &'a OpenStore,
        vault: &'a mut NodeVault,
        name: &str,
        again: bool,
        at: Timestamp,
    ) -> Result<Self, StoreError> {
        let is_there = |run| {
            let first = store.reader.read_stream(StreamId::batch(name, run), Revision(0), 1)?;
            Ok::<_, StoreError>(!first.is_empty())
        };
        let mut run = 1;
        while is_there(run)? {
            run += 1;
        }
        // The first run that is not there: a new one, unless the one before it goes on.
        if run > 1 && !again {
            run -= 1;
        }
        let stream = StreamId::batch(name, run);
        let mut loading = Self {
            known: HashSet::new(),
            here: HashMap::new(),
            gathered: Vec::new(),
            counts: BatchLoaded { rows: 0, added: 0, rejected: 0 },
            store,
            vault,
            stream,
            run,
            length: 0,
            at,
        };
        loading.read_known()?;
        if loading.length == 0 {
            loading.gather(BatchEvent::BatchOpened(BatchOpened { name: name.to_owned(), run }));
        }
        Ok(loading)
    }

    fn read_known(&mut self) -> Result<(), StoreError> {
        let reader = &self.store.reader;
        let mut from = Revision(0);
        loop {
            let stored = reader.read_stream(self.stream, from, 4096)?;
            let Some(last) = stored.last() else { return Ok(()) };
            from = Revision(last.revision.0 + 1);
            self.length = from.0;
            for stored in &stored {
                let encoded = &stored.encoded;
                let event = Event::decode(encoded.kind, encoded.version, &encoded.body);
                if let Ok(Event::Batch(BatchEvent::ItemAdded(item))) = event {
                    self.known.insert(item.callee);
                }
            }
        }
    }

    /// Takes a good row in.
    ///
    /// # Errors
    /// The disk's. What was durable before stays.
    pub fn take(&mut self, row: Row) -> Result<Taken, StoreError> {
        self.counts.rows += 1;
        let callee = self.vault.callee_key(&row.phone);
        if let Some(first) = self.here.get(&callee) {
            self.counts.rejected += 1;
            return Ok(Taken::Duplicate(*first));
        }
        self.here.insert(callee, row.line);
        if !self.known.insert(callee) {
            return Ok(Taken::Known(callee));
        }
        self.counts.added += 1;
        let phone = self.vault.seal(callee, row.phone.as_bytes());
        let variables = row.variables.map(|json| self.vault.seal(callee, &json));
        let item = ItemAdded { line: row.line, callee, phone, variables };
        self.gather(BatchEvent::ItemAdded(item));
        if self.gathered.len() >= ITEMS_PER_APPEND {
            self.flush()?;
        }
        Ok(Taken::Added(callee))
    }

    /// Counts a row that could not be taken in.
    pub fn reject(&mut self) {
        self.counts.rows += 1;
        self.counts.rejected += 1;
    }

    /// Makes everything durable.
    ///
    /// # Errors
    /// The disk's.
    pub fn finish(mut self) -> Result<LoadedRun, StoreError> {
        let counts = self.counts.clone();
        self.gather(BatchEvent::BatchLoaded(counts));
        self.flush()?;
        let (stream, run, length) = (self.stream.id, self.run, self.length);
        let dropped = self.known.into_iter().filter(|callee| !self.here.contains_key(callee));
        Ok(LoadedRun { stream, run, length, dropped: dropped.collect() })
    }

    fn gather(&mut self, event: BatchEvent) {
        self.gathered.push(NewEvent { encoded: event.encode(), at: self.at });
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        let keys = self.vault.take_new_keys();
        let expected = match self.length.checked_sub(1) {
            None => Expected::NoStream,
            Some(last) => Expected::Exact(Revision(last)),
        };
        let events = std::mem::take(&mut self.gathered);
        let count = events.len() as u32;
        let items = Append { stream: self.stream, expected, events };
        let batch = Batch { keys, appends: vec![items] };
        for result in self.store.appender.append_with_keys(batch) {
            result.map_err(|error| match error {
                AppendError::Conflict { .. } => StoreError::InUse {
                    folder: "the batch".to_owned(),
                    holder: "another process that loads it".to_owned(),
                },
                other => StoreError::Broken(other.to_string()),
            })?;
        }
        self.length += count;
        Ok(())
    }
}
