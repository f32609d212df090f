//! The schemas of what is told as a word, a time or an id: their types serialise by hand.

use crate::call::{Priority, QueueCause};
use crate::outcome::RetryClass;
use crate::public::words::{queue_cause as queue_word, retry_class as retry_word};
use crate::{CallId, CommandId, EndedBy, Outcome, Timestamp};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

macro_rules! is_told_as {
    ($( $type:ty: $schema:tt )*) => { $(
        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )* };
}

/// Seconds, whole or not.
pub(crate) struct Seconds;

is_told_as! {
    CallId: { "type": "string", "format": "uuid" }
    CommandId: { "type": "string", "minLength": 1, "maxLength": 128 }
    Timestamp: { "type": "string", "format": "date-time" }
    Seconds: { "type": "number", "minimum": 0 }
}

fn one_of(words: &[&str]) -> Schema {
    json_schema!({ "type": "string", "enum": words })
}

pub(crate) fn priority(_: &mut SchemaGenerator) -> Schema {
    // Both of them, and no third one without this line.
    let word = |priority| match priority {
        Priority::Urgent => "urgent",
        Priority::Bulk => "bulk",
    };
    one_of(&[Priority::Urgent, Priority::Bulk].map(word))
}

pub(crate) fn queue_cause(_: &mut SchemaGenerator) -> Schema {
    use QueueCause::{Concurrency, Gateway, NotBefore, Rate};
    one_of(&[Concurrency, Rate, Gateway, NotBefore].map(queue_word))
}

/// Why a call was cancelled or hung up: an open list, since new reasons come with new features.
pub(crate) fn end_cause(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "examples": ["ring_timeout", "command", "bye", "max_talk"] })
}

pub(crate) fn outcome(_: &mut SchemaGenerator) -> Schema {
    one_of(&Outcome::ALL.map(Outcome::word))
}

const ENDED_BY: [EndedBy; 3] = [EndedBy::Us, EndedBy::Callee, EndedBy::Carrier];

pub(crate) fn ended_by(_: &mut SchemaGenerator) -> Schema {
    one_of(&ENDED_BY.map(EndedBy::word))
}

pub(crate) fn ended_by_or_null(_: &mut SchemaGenerator) -> Schema {
    let words: Vec<_> = ENDED_BY.iter().map(|by| Some(by.word())).chain([None]).collect();
    json_schema!({ "type": ["string", "null"], "enum": words })
}

pub(crate) fn retry_class(_: &mut SchemaGenerator) -> Schema {
    use RetryClass::{Carrier, Never, Soft, SoftLong, SoftShort, Technical};
    one_of(&[Never, SoftShort, Soft, SoftLong, Carrier, Technical].map(retry_word))
}
