//! The commands as those see them who write them. What stands here is what `commands::parse` takes:
//! a test asks both.

use super::words;
use crate::commands::bounds::{ATTEMPTS, REDIAL_S, RING_S, TALK_S};
use crate::commands::{VARIABLES_MAX, Variables};
use crate::{CallId, CommandId, Timestamp};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;
use std::ops::RangeInclusive;

/// Call somebody. The same command_id with the same content is the same command: a repeat changes
/// nothing.
#[derive(JsonSchema)]
#[allow(dead_code)]
pub(super) struct PlaceCall {
    /// Chosen by who commands.
    command_id: CommandId,
    /// Whom: an international number, or a dial string that the gateway takes.
    phone: String,
    /// The number to show.
    caller_id: Option<String>,
    /// The one gateway to use; any when absent.
    #[schemars(length(min = 1, max = 128))]
    gateway: Option<String>,
    /// A campaign of the configuration.
    #[schemars(length(min = 1, max = 128))]
    campaign: Option<String>,
    /// A script of the configuration.
    #[schemars(length(min = 1, max = 128))]
    script: Option<String>,
    /// A file below media.prompts, played after the answer.
    #[schemars(length(min = 1, max = 255))]
    prompt: Option<String>,
    /// Whether to record both directions.
    record: Option<bool>,
    /// How long it may ring, from the first provisional answer.
    #[schemars(schema_with = "ring_s")]
    ring_timeout_s: Option<f64>,
    /// How long the answered call may last; 0 hangs up at the answer.
    #[schemars(schema_with = "talk_s")]
    max_talk_s: Option<f64>,
    /// How many calls the command may have.
    #[schemars(schema_with = "attempts")]
    max_attempts: Option<u16>,
    /// How long after its end the next call is due; by the outcome's rule when absent.
    #[schemars(schema_with = "redial_s")]
    redial_after_s: Option<f64>,
    /// Who goes first when capacity is short; bulk when absent.
    #[schemars(schema_with = "priority_or_null")]
    priority: Option<String>,
    /// Not to be dialled before.
    not_before: Option<Timestamp>,
    /// Not to be dialled after: then it ends as suppressed.
    deadline: Option<Timestamp>,
    /// Your own data, given back in the record; at most 16 KB of JSON.
    #[schemars(schema_with = "variables")]
    variables: Option<Variables>,
}

/// End a live call.
#[derive(JsonSchema)]
#[allow(dead_code)]
pub(super) struct HangUpCall {
    /// Chosen by who commands.
    command_id: CommandId,
    /// Which call; or `of`.
    call_id: Option<CallId>,
    /// The command_id of its PlaceCall, whichever of its calls is live.
    of: Option<CommandId>,
}

/// End a call that has not been answered.
#[derive(JsonSchema)]
#[allow(dead_code)]
pub(super) struct CancelCall {
    /// Chosen by who commands.
    command_id: CommandId,
    /// Which call; or `of`.
    call_id: Option<CallId>,
    /// The command_id of its PlaceCall, whichever of its calls is live.
    of: Option<CommandId>,
}

fn seconds(range: &RangeInclusive<f64>) -> Schema {
    json_schema!({ "type": ["number", "null"], "minimum": range.start(), "maximum": range.end() })
}

fn ring_s(_: &mut SchemaGenerator) -> Schema {
    seconds(&RING_S)
}

fn talk_s(_: &mut SchemaGenerator) -> Schema {
    seconds(&TALK_S)
}

fn redial_s(_: &mut SchemaGenerator) -> Schema {
    seconds(&REDIAL_S)
}

fn attempts(_: &mut SchemaGenerator) -> Schema {
    let (least, most) = (ATTEMPTS.start(), ATTEMPTS.end());
    json_schema!({ "type": ["integer", "null"], "minimum": least, "maximum": most })
}

fn priority_or_null(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = words::priority(generator);
    let mut words = schema.remove("enum").expect("a list of words");
    words.as_array_mut().expect("a list of words").push(Value::Null);
    schema.insert("type".to_owned(), ["string", "null"].as_slice().into());
    schema.insert("enum".to_owned(), words);
    schema
}

fn variables(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": ["object", "null"],
        "maxProperties": VARIABLES_MAX,
        "additionalProperties": { "type": ["string", "number", "boolean"] },
    })
}
