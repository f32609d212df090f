//! Headers, read and written: the CloudEvents names, and where a command came from.

use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use schemas::Numbering;
use schemas::commands::{Command, CommandRefusal};
use serde_json::Value;

/// What our headers begin with. A command from outside keeps none of them.
pub(crate) const OURS: &str = "callfold_";
pub(crate) const TOPIC: &str = "callfold_topic";
pub(crate) const PARTITION: &str = "callfold_partition";
pub(crate) const OFFSET: &str = "callfold_offset";
/// The key a command came with, on its way through the topic of work.
pub(crate) const KEY: &str = "callfold_key";
pub(crate) const REASON: &str = "callfold_reason";
pub(crate) const DETAIL: &str = "callfold_detail";
/// Of an event: dense per call, from 1.
pub(crate) const SEQUENCE: &str = "callfold_sequence";
/// Of an event: rises strictly, with gaps.
pub(crate) const POSITION: &str = "callfold_position";
/// Of an event that was told without transactions: everything up to here is in the topic.
pub(crate) const TOLD_TO: &str = "callfold_told_to";

/// Where a message stood in the topic that its producer sent it to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Origin {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub key: Option<Vec<u8>>,
}

impl Origin {
    /// Of a message that came straight from its producer.
    pub fn of<M: Message>(message: &M) -> Self {
        Self {
            topic: message.topic().to_owned(),
            partition: message.partition(),
            offset: message.offset(),
            key: message.key().map(<[u8]>::to_vec),
        }
    }

    /// Of a message that a hop of ours has forwarded; of itself when none has.
    pub fn of_forwarded<M: Message>(message: &M) -> Self {
        let read = || {
            Some(Self {
                topic: text(message, TOPIC)?.to_owned(),
                partition: text(message, PARTITION)?.parse().ok()?,
                offset: text(message, OFFSET)?.parse().ok()?,
                key: value(message, KEY).map(<[u8]>::to_vec),
            })
        };
        read().unwrap_or_else(|| Self::of(message))
    }

    fn put(&self, headers: OwnedHeaders) -> OwnedHeaders {
        let partition = self.partition.to_string();
        let offset = self.offset.to_string();
        [(TOPIC, &self.topic), (PARTITION, &partition), (OFFSET, &offset)]
            .into_iter()
            .fold(headers, |headers, (key, value)| put(headers, key, value.as_bytes()))
    }
}

/// The headers of a forwarded command: its own, and where it came from.
pub(crate) fn forwarded<M: Message>(message: &M, origin: &Origin) -> OwnedHeaders {
    let headers = origin.put(own(message));
    match &origin.key {
        Some(key) => put(headers, KEY, key),
        None => headers,
    }
}

/// The headers of a dead letter: the producer's own, why, and where it came from.
pub(crate) fn dead<M: Message>(
    message: &M,
    origin: &Origin,
    reason: &str,
    detail: &str,
) -> OwnedHeaders {
    let headers = put(own(message), REASON, reason.as_bytes());
    origin.put(put(headers, DETAIL, detail.as_bytes()))
}

/// The producer's own headers.
pub(crate) fn own<M: Message>(message: &M) -> OwnedHeaders {
    let mut kept = OwnedHeaders::new();
    if let Some(headers) = message.headers() {
        for header in headers.iter().filter(|header| !header.key.starts_with(OURS)) {
            kept = kept.insert(Header { key: header.key, value: header.value });
        }
    }
    kept
}

pub(crate) fn put(headers: OwnedHeaders, key: &str, value: &[u8]) -> OwnedHeaders {
    headers.insert(Header { key, value: Some(value) })
}

pub(crate) fn value<'m, M: Message>(message: &'m M, name: &str) -> Option<&'m [u8]> {
    message.headers()?.iter().find(|header| header.key == name)?.value
}

pub(crate) fn text<'m, M: Message>(message: &'m M, name: &str) -> Option<&'m str> {
    std::str::from_utf8(value(message, name)?).ok()
}

/// The command in a message. What CloudEvents headers say stands in for what its value does not:
/// `ce_type` for `type` (also as `callfold.PlaceCall.v1`), `ce_id` for `command_id`.
pub(crate) fn command<M: Message>(
    message: &M,
    numbering: &Numbering,
) -> Result<Command, CommandRefusal> {
    let json = message.payload().unwrap_or_default();
    let (kind, id) = (text(message, "ce_type"), text(message, "ce_id"));
    if kind.is_none() && id.is_none() {
        return Command::parse(json, numbering);
    }
    // Anything but an object is refused as it stands.
    let Ok(Value::Object(mut object)) = serde_json::from_slice(json) else {
        return Command::parse(json, numbering);
    };
    for (field, header) in [("type", kind.map(bare)), ("command_id", id)] {
        if let Some(header) = header.filter(|_| object.get(field).is_none_or(Value::is_null)) {
            object.insert(field.to_owned(), header.into());
        }
    }
    Command::parse(Value::Object(object).to_string().as_bytes(), numbering)
}

/// `callfold.PlaceCall.v1` as `PlaceCall`.
fn bare(kind: &str) -> &str {
    kind.strip_prefix("callfold.").and_then(|rest| rest.split('.').next()).unwrap_or(kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::Timestamp;
    use rdkafka::message::OwnedMessage;

    fn message(value: &str, headers: &[(&str, &str)]) -> OwnedMessage {
        let headers = headers
            .iter()
            .fold(OwnedHeaders::new(), |all, (key, value)| put(all, key, value.as_bytes()));
        let payload = Some(value.as_bytes().to_vec());
        OwnedMessage::new(payload, None, "t".into(), Timestamp::NotAvailable, 0, 0, Some(headers))
    }

    #[test]
    fn cloud_events_headers_say_what_the_value_does_not() {
        let read = |value: &str, headers: &[(&str, &str)]| {
            command(&message(value, headers), &Numbering::INTERNATIONAL)
                .map(|command| command.command_id().to_string())
        };
        let bare = r#"{"phone":"+8613800000017"}"#;
        let named = r#"{"type":"PlaceCall","command_id":"inside","phone":"+8613800000017"}"#;
        let both = [("ce_type", "callfold.PlaceCall.v1"), ("ce_id", "outside")];
        assert_eq!(read(bare, &both).unwrap(), "outside");
        assert_eq!(read(named, &both).unwrap(), "inside");
        assert_eq!(read(named, &[]).unwrap(), "inside");
        assert_eq!(read(bare, &[]).unwrap_err().code(), "unknown_type");
        assert_eq!(read("[1]", &both).unwrap_err().code(), "not_an_object");
        assert_eq!(read("{", &both).unwrap_err().code(), "not_json");
    }
}
