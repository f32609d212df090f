//! The documents, made from the types.

use super::commands::{CancelCall, HangUpCall, PlaceCall};
use crate::call::CallEvent;
use crate::public::CallEventData;
use crate::public::call::{
    Answered, Caused, Ended, Failed, HungUp, Media, Played, Pressed, Queued, Requested, Started,
    Status,
};
use schemars::JsonSchema;
use schemars::generate::{Contract, SchemaSettings};
use serde_json::{Map, Value, json};

/// The files' content by their paths, the AsyncAPI document first.
pub(super) fn all() -> Vec<(String, Value)> {
    let commands = commands();
    let events: Vec<(&str, Value)> =
        CallEvent::KINDS.iter().map(|kind| (kind.name, event(kind.name))).collect();
    let file = |folder: &str, name: &str, schema: &Value| {
        let mut file = Map::new();
        file.insert("$schema".to_owned(), "http://json-schema.org/draft-07/schema#".into());
        file.insert("$id".to_owned(), format!("callfold.{name}.v1").into());
        file.extend(schema.as_object().expect("an object").clone());
        (format!("{folder}/{name}.v1.json"), Value::Object(file))
    };
    let mut all = vec![("asyncapi.json".to_owned(), async_api(&commands, &events))];
    all.extend(commands.iter().map(|(name, schema)| file("commands", name, schema)));
    all.extend(events.iter().map(|(name, schema)| file("events", name, schema)));
    all
}

fn schema<T: JsonSchema>(contract: Contract) -> Value {
    let settings = SchemaSettings::draft07().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
        settings.contract = contract;
    });
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

fn commands() -> Vec<(&'static str, Value)> {
    let command = |name: &'static str, mut schema: Value| {
        // `null` is as good as absent.
        let properties = schema["properties"].clone();
        let may_be_null = |name: &Value| {
            let kind = &properties[name.as_str().expect("a name")]["type"];
            kind.as_array().is_some_and(|kinds| kinds.contains(&"null".into()))
        };
        schema["required"].as_array_mut().expect("a list").retain(|name| !may_be_null(name));
        let kind = json!({"type": "string", "const": name});
        put_first(&mut schema, "type", kind);
        if name != "PlaceCall" {
            schema["anyOf"] = json!([{"required": ["call_id"]}, {"required": ["of"]}]);
        }
        (name, titled(name, schema))
    };
    vec![
        command("PlaceCall", schema::<PlaceCall>(Contract::Deserialize)),
        command("HangUpCall", schema::<HangUpCall>(Contract::Deserialize)),
        command("CancelCall", schema::<CancelCall>(Contract::Deserialize)),
    ]
}

/// The value of a message in the topic of events: what all have, then what this one has.
fn event(name: &'static str) -> Value {
    let own = match name {
        "CallRequested" => told::<Requested<'static>>(),
        "CallQueued" => told::<Queued>(),
        "DialStarted" => told::<Started<'static>>(),
        "CallProceeding" | "CallRang" | "EarlyMediaStarted" | "LateAnswerReleased" => {
            told::<Status>()
        }
        "TryFailed" => told::<Failed<'static>>(),
        "CancelIssued" => told::<Caused<'static>>(),
        "CallAnswered" => told::<Answered<'static>>(),
        "PromptPlayed" => told::<Played>(),
        "DigitPressed" => told::<Pressed>(),
        "CallHeld" | "CallResumed" | "HangUpConfirmed" => json!({"properties": {}}),
        "CallHungUp" => told::<HungUp<'static>>(),
        "MediaMeasured" => told::<Media<'static>>(),
        "CallEnded" => told::<Ended<'static>>(),
        other => panic!("say here what {other} is told with"),
    };
    let mut whole = told::<CallEventData<'static>>();
    whole["properties"]["type"] = json!({"type": "string", "const": name});
    for part in ["properties", "required"] {
        match (&mut whole[part], &own[part]) {
            (Value::Object(all), Value::Object(more)) => all.extend(more.clone()),
            (Value::Array(all), Value::Array(more)) => all.extend(more.clone()),
            _ => {}
        }
    }
    whole["description"] = meaning(name).into();
    titled(name, whole)
}

fn told<T: JsonSchema>() -> Value {
    schema::<T>(Contract::Serialize)
}

fn titled(name: &str, mut schema: Value) -> Value {
    schema["title"] = name.into();
    let object = schema.as_object_mut().expect("an object");
    object.remove("$schema");
    schema
}

/// A required property, before the others.
fn put_first(schema: &mut Value, name: &str, property: Value) {
    let mut all = Map::from_iter([(name.to_owned(), property)]);
    all.extend(schema["properties"].as_object().expect("an object").clone());
    schema["properties"] = all.into();
    schema["required"].as_array_mut().expect("a list").insert(0, name.into());
}

fn meaning(event: &str) -> &'static str {
    match event {
        "CallRequested" => "A command asked for a call, and it was accepted.",
        "CallQueued" => "It waits: for capacity, for its hour, for a gateway.",
        "DialStarted" => "A try begins. Durable before the INVITE leaves.",
        "CallProceeding" => "The network took the INVITE up.",
        "CallRang" => "The phone rings.",
        "EarlyMediaStarted" => "The network plays something before the answer.",
        "TryFailed" => "A try ended by the carrier's fault, and another gateway may be tried.",
        "CancelIssued" => "We want it to end before it is answered.",
        "LateAnswerReleased" => "An answer crossed our CANCEL: acknowledged and closed at once.",
        "CallAnswered" => "The callee answered.",
        "PromptPlayed" => "The prompt was played to its end.",
        "DigitPressed" => "The callee pressed a key.",
        "CallHeld" => "The callee put us on hold.",
        "CallResumed" => "The callee took us back from hold.",
        "CallHungUp" => "One side hung up: the talk is over.",
        "HangUpConfirmed" => "Our BYE was answered while the media's report was still to come.",
        "MediaMeasured" => "What the media of the call was like.",
        "CallEnded" => {
            "The one terminal event of a call. It is the command's last when redial_at is null."
        }
        other => panic!("say here what {other} means"),
    }
}

fn async_api(commands: &[(&str, Value)], events: &[(&str, Value)]) -> Value {
    let refs = |names: &mut dyn Iterator<Item = &str>| -> Value {
        let one = |name: &str| {
            (name.to_owned(), json!({"$ref": format!("#/components/messages/{name}")}))
        };
        names.map(one).collect::<Map<_, _>>().into()
    };
    let callee = json!({"type": "string", "pattern": "^[0-9a-f]{32}$", "description":
        "The opaque key of the callee: all events of a callee are in one partition, in order."});
    let message = |name: &str, schema: &Value, headers: &str, key: &Value| {
        let message = json!({
            "name": name,
            "summary": schema["description"],
            "contentType": "application/json",
            "headers": {"$ref": format!("#/components/schemas/{headers}")},
            "payload": {"$ref": format!("#/components/schemas/{name}")},
            "bindings": {"kafka": {"key": key}},
        });
        (name.to_owned(), message)
    };
    let any_key =
        json!({"description": "Any, or none: nodes bring a command to its callee's owner."});
    let mut messages = Map::new();
    messages
        .extend(commands.iter().map(|(n, schema)| message(n, schema, "CommandHeaders", &any_key)));
    messages.extend(events.iter().map(|(n, schema)| message(n, schema, "EventHeaders", &callee)));
    messages.insert("DeadCommand".to_owned(), json!({
        "name": "DeadCommand",
        "summary": "What could not be read or accepted: key, value and headers as they came, and why.",
        "headers": {"$ref": "#/components/schemas/DeadHeaders"},
        "payload": {"description": "The bytes as they came, whatever they are."},
    }));
    let mut schemas = Map::from_iter([
        ("CommandHeaders".to_owned(), command_headers()),
        ("EventHeaders".to_owned(), event_headers()),
        ("DeadHeaders".to_owned(), dead_headers()),
    ]);
    let all = commands.iter().chain(events);
    schemas.extend(all.map(|(name, schema)| ((*name).to_owned(), schema.clone())));
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Callfold",
            "version": "1",
            "description": "Dial commands in, call events out. Topics are named as the configuration \
                names them when it says nothing. A reader passes over fields it does not know.",
        },
        "defaultContentType": "application/json",
        "channels": {
            "commands": {
                "address": "callfold.commands.v1",
                "description": "Commands, by any producer, with any key.",
                "messages": refs(&mut commands.iter().map(|(name, _)| *name)),
            },
            "events": {
                "address": "callfold.events.v1",
                "description": "Every event of every call, one for one: CloudEvents 1.0, binary mode.",
                "messages": refs(&mut events.iter().map(|(name, _)| *name)),
            },
            "dead": {
                "address": "callfold.commands.dead.v1",
                "description": "Commands that could not be read or accepted.",
                "messages": refs(&mut ["DeadCommand"].into_iter()),
            },
        },
        "operations": {
            "takeCommands": {"action": "receive", "channel": {"$ref": "#/channels/commands"}},
            "tellEvents": {"action": "send", "channel": {"$ref": "#/channels/events"}},
            "buryCommands": {"action": "send", "channel": {"$ref": "#/channels/dead"}},
        },
        "components": {"messages": messages, "schemas": schemas},
    })
}

fn headers(required: bool, fields: &[(&str, Value)]) -> Value {
    let properties: Map<_, _> =
        fields.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    let names: Vec<_> = fields.iter().map(|(name, _)| *name).collect();
    let mut schema = json!({"type": "object", "properties": properties});
    if required {
        schema["required"] = names.into();
    }
    schema
}

fn command_headers() -> Value {
    let text = |what: &str| json!({"type": "string", "description": what});
    headers(
        false,
        &[
            ("ce_type", text("Such as callfold.PlaceCall.v1; stands in for `type`.")),
            ("ce_id", text("Stands in for `command_id`.")),
            ("ce_time", json!({"type": "string", "format": "date-time"})),
            ("traceparent", text("W3C trace context.")),
        ],
    )
}

fn event_headers() -> Value {
    headers(
        true,
        &[
            ("ce_specversion", json!({"type": "string", "const": "1.0"})),
            (
                "ce_id",
                json!({"type": "string", "format": "uuid", "description":
            "UUIDv5 of the call's id and the sequence: the same for every copy of the event."}),
            ),
            ("ce_source", json!({"type": "string"})),
            ("ce_type", json!({"type": "string", "pattern": "^callfold\\.[A-Za-z]+\\.v[0-9]+$"})),
            ("ce_time", json!({"type": "string", "format": "date-time"})),
            (
                "ce_subject",
                json!({"type": "string", "format": "uuid", "description": "The call's id."}),
            ),
            ("content-type", json!({"type": "string", "const": "application/json"})),
            (
                "callfold_sequence",
                json!({"type": "string", "pattern": "^[1-9][0-9]*$", "description":
            "Dense per call, from 1: a gap is a loss, a number seen before is a repeat."}),
            ),
            (
                "callfold_position",
                json!({"type": "string", "pattern": "^[1-9][0-9]*$", "description":
            "Rises strictly over all events, with gaps."}),
            ),
        ],
    )
}

fn dead_headers() -> Value {
    let text = |what: &str| json!({"type": "string", "description": what});
    headers(
        true,
        &[
            (
                "callfold_reason",
                text("A word for programs, such as not_json, wrong_field, conflict."),
            ),
            (
                "callfold_detail",
                text("A sentence for people; nothing of the content stands in it."),
            ),
            ("callfold_topic", text("Where it was read.")),
            ("callfold_partition", json!({"type": "string", "pattern": "^[0-9]+$"})),
            ("callfold_offset", json!({"type": "string", "pattern": "^[0-9]+$"})),
        ],
    )
}
