//! An event of the log as the message that tells it: a CloudEvent in Kafka's binary mode.

use crate::Error;
use crate::headers::{POSITION, SEQUENCE};
use rdkafka::message::{Header, OwnedHeaders};
use schemas::call::CallEvent;
use schemas::event::DecodeError;
use schemas::ids::event_id;
use schemas::public::{CallEventData, Include, Subject};
use schemas::{CallId, Event, Position, Recorded, Revision, StreamId, Vault};
use std::collections::HashMap;
use store::{Reader, Stored};

/// Where events come from, for who reads several sources (CloudEvents 1.0, `source`). One for all
/// nodes of a log: a call's events do not change it when another node takes over.
pub const SOURCE: &str = "/callfold";
/// So many calls are remembered with whose they are; the rest is read again.
const SUBJECTS_MAX: usize = 100_000;

/// A message that is to be sent.
pub(crate) struct Told {
    pub key: String,
    pub headers: OwnedHeaders,
    pub value: Vec<u8>,
    pub position: Position,
}

/// Translates events in the order of the log.
pub(crate) struct Teller<'a> {
    reader: &'a dyn Reader,
    vault: &'a (dyn Vault + Sync),
    include: Include,
    /// Of calls that have not ended: only a call's first event says whose it is.
    subjects: HashMap<CallId, Subject>,
}

impl<'a> Teller<'a> {
    pub fn new(reader: &'a dyn Reader, vault: &'a (dyn Vault + Sync), include: Include) -> Self {
        Self { reader, vault, include, subjects: HashMap::new() }
    }

    /// The message of an event; `None` for one of another stream than a call's.
    pub fn tell(&mut self, stored: &Stored) -> Result<Option<Told>, Error> {
        let Some(call) = stored.stream.as_call() else { return Ok(None) };
        let event = decode(stored)?;
        let ended = matches!(event, CallEvent::CallEnded(_));
        let subject = self.subject(call, stored.revision, &event)?;
        let Stored { position, stream, revision, at, .. } = *stored;
        let recorded = Recorded { position, stream, revision, at, event };
        let vault: &dyn Vault = self.vault;
        let reveal = (self.include != Include::NOTHING).then_some((vault, self.include));
        let data = CallEventData::new(&recorded, &subject, reveal);
        let told = Told {
            key: subject.callee.to_string(),
            headers: headers(&recorded, call),
            value: data.to_json(),
            position,
        };
        if !ended {
            if self.subjects.len() >= SUBJECTS_MAX {
                self.subjects.clear();
            }
            self.subjects.insert(call, subject);
        }
        Ok(Some(told))
    }

    /// Whose call it is. Taken out of the memory: whoever needs it again puts it back.
    fn subject(
        &mut self,
        call: CallId,
        revision: Revision,
        event: &CallEvent,
    ) -> Result<Subject, Error> {
        if let CallEvent::CallRequested(requested) = event {
            return Ok(of(call, requested));
        }
        if let Some(subject) = self.subjects.remove(&call) {
            return Ok(subject);
        }
        let first = self.reader.read_stream(StreamId::call(call), Revision(0), 1)?;
        match first.first().map(decode).transpose()? {
            Some(CallEvent::CallRequested(requested)) => Ok(of(call, &requested)),
            _ => Err(Error::Untold {
                place: format!("event {} of call {call}", revision.sequence()),
                why: "the call does not begin with its request".to_owned(),
            }),
        }
    }
}

fn of(call: CallId, requested: &schemas::call::CallRequested) -> Subject {
    Subject { call, command_id: requested.command_id.clone(), callee: requested.callee }
}

fn decode(stored: &Stored) -> Result<CallEvent, Error> {
    let encoded = &stored.encoded;
    let place = || format!("event {} of {}", stored.revision.sequence(), stored.stream);
    match Event::decode(encoded.kind, encoded.version, &encoded.body) {
        Ok(Event::Call(event)) => Ok(event),
        Ok(_) => Err(Error::Untold { place: place(), why: "it is no event of a call".to_owned() }),
        Err(error @ DecodeError::Unknown { .. }) => {
            // Passed over, it would be a gap for ever: a newer program tells it.
            let why = format!("{error}: a newer version of this program wrote it, and tells it");
            Err(Error::Untold { place: place(), why })
        }
        Err(error) => Err(Error::Untold { place: place(), why: error.to_string() }),
    }
}

fn headers(recorded: &Recorded<CallEvent>, call: CallId) -> OwnedHeaders {
    let sequence = recorded.revision.sequence();
    let fields: [(&str, &str); 8] = [
        ("ce_specversion", "1.0"),
        ("ce_id", &event_id(call.0, sequence).to_string()),
        ("ce_source", SOURCE),
        ("ce_type", &format!("callfold.{}.v1", recorded.event.name())),
        ("ce_time", &recorded.at.to_string()),
        ("ce_subject", &call.to_string()),
        ("content-type", "application/json"),
        (SEQUENCE, &sequence.to_string()),
    ];
    let position = recorded.position.0.to_string();
    // One more: the watermark of a relay without transactions.
    let mut headers = OwnedHeaders::new_with_capacity(fields.len() + 2);
    for (key, value) in fields.into_iter().chain([(POSITION, position.as_str())]) {
        headers = headers.insert(Header { key, value: Some(value) });
    }
    headers
}
