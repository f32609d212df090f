//! One call, read from its own stream: never by a walk through the log.

use projections::CallRecord;
use projections::call_record::RecordView;
use schemas::call::CallEvent;
use schemas::public::{EventLine, Include};
use schemas::{CallId, CalleeKey, CommandId, Event, Recorded, Revision, StreamId, Vault};
use std::sync::Arc;
use store::keys::NodeVault;
use store::{Reader, StoreError};

/// So many events are read at a time.
const STRETCH: usize = 1000;
/// The most events of a call that are read: a callee can press keys for ever.
const EVENTS_MAX: usize = 20_000;

/// Reads calls.
#[derive(Clone)]
pub struct Lookup {
    reader: Arc<dyn Reader>,
    vault: NodeVault,
}

impl Lookup {
    /// Reads from a log, with the keys to what is sealed in it.
    pub fn new(reader: Arc<dyn Reader>, vault: NodeVault) -> Self {
        Self { reader, vault }
    }

    /// The record of a call as it stands; `None` when there is no such call.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn record(&self, call: CallId) -> Result<Option<RecordView>, StoreError> {
        let events = self.read(call)?;
        let mut record: Option<CallRecord> = None;
        for (recorded, _) in &events {
            let Event::Call(event) = &recorded.event else { continue };
            let Recorded { position, stream, revision, at, .. } = *recorded;
            let event = Recorded { position, stream, revision, at, event: event.clone() };
            match &mut record {
                Some(record) => record.apply(&event),
                None => record = CallRecord::begin(&event),
            }
        }
        Ok(record.map(|record| record.open(Some(&self.vault as &dyn Vault))))
    }

    /// The record of a command's latest call.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn record_of_command(&self, command: &CommandId) -> Result<Option<RecordView>, StoreError> {
        let first = CallId::of_command(command);
        let mut latest = first;
        // Redials follow one another without a gap.
        for attempt in 2..=u16::MAX {
            let next = CallId::of_redial(first, attempt);
            if !self.exists(next)? {
                break;
            }
            latest = next;
        }
        self.record(latest)
    }

    /// The events of a call as `callfold events` prints them, one JSON text each.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn events(&self, call: CallId) -> Result<Vec<Vec<u8>>, StoreError> {
        let events = self.read(call)?;
        let callee: Option<CalleeKey> = events.first().and_then(|(first, _)| match &first.event {
            Event::Call(CallEvent::CallRequested(requested)) => Some(requested.callee),
            _ => None,
        });
        let reveal = Some((&self.vault as &dyn Vault, Include::EVERYTHING));
        let line = |(event, version): &(Recorded, u8)| {
            EventLine::new(event, *version, callee, reveal).to_json()
        };
        Ok(events.iter().map(line).collect())
    }

    /// Whether there is such a call.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn exists(&self, call: CallId) -> Result<bool, StoreError> {
        Ok(!self.reader.read_stream(StreamId::call(call), Revision(0), 1)?.is_empty())
    }

    fn read(&self, call: CallId) -> Result<Vec<(Recorded, u8)>, StoreError> {
        let stream = StreamId::call(call);
        let mut events = Vec::new();
        let mut from = Revision(0);
        while events.len() < EVENTS_MAX {
            let stretch = self.reader.read_stream(stream, from, STRETCH)?;
            let Some(last) = stretch.last() else { break };
            from = Revision(last.revision.0 + 1);
            let ended = stretch.len() < STRETCH;
            for stored in stretch {
                let encoded = &stored.encoded;
                // One that only a later version knows is passed over, as everywhere in views.
                let Ok(event) = Event::decode(encoded.kind, encoded.version, &encoded.body) else {
                    tracing::warn!(%stream, revision = stored.revision.0, "an event cannot be read and is passed over");
                    continue;
                };
                let (position, revision, at) = (stored.position, stored.revision, stored.at);
                let recorded = Recorded { position, stream, revision, at, event };
                events.push((recorded, encoded.version));
            }
            if ended {
                break;
            }
        }
        Ok(events)
    }
}
