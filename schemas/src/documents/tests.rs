use super::breaking::{Side, breaks};
use super::holds::faults;
use super::making;
use crate::commands::{Command, VARIABLES_MAX};
use crate::{Numbering, event::samples};
use expect_test::expect_file;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("generated")
}

fn read(path: &str) -> Value {
    let text = std::fs::read_to_string(folder().join(path)).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

// Looks at what is checked in before anything can rewrite it: UPDATE_EXPECT=1 makes no break good.
// One that is meant is another version beside this one (`….v2`), which both are told for a while.
#[test]
fn what_is_checked_in_is_what_the_types_say_and_breaks_nobody() {
    let all = making::all();
    for (path, now) in &all {
        let side = if path.starts_with("commands/") { Side::Asked } else { Side::Told };
        let before = read(path);
        if path != "asyncapi.json" && !before.is_null() {
            let found = breaks(side, &before, now);
            assert!(found.is_empty(), "{path} breaks who relies on it:\n  {}", found.join("\n  "));
        }
    }
    for (path, now) in &all {
        let text = serde_json::to_string_pretty(now).unwrap() + "\n";
        expect_file![folder().join(path)].assert_eq(&text);
    }
}

#[test]
fn every_document_is_in_the_program_and_none_was_taken_away() {
    let made: Vec<_> = making::all().into_iter().map(|(path, _)| path).collect();
    let built_in: Vec<_> = super::ALL.iter().map(|document| document.path.to_owned()).collect();
    assert_eq!(made, built_in);
    let mut there = BTreeSet::new();
    for below in ["", "commands", "events"] {
        for entry in std::fs::read_dir(folder().join(below)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let path = path.strip_prefix(folder()).unwrap();
                there.insert(path.to_str().unwrap().replace('\\', "/"));
            }
        }
    }
    let none: Vec<_> = there.iter().filter(|path| !made.contains(path)).collect();
    assert!(none.is_empty(), "nobody makes {none:?} any more: who relies on it is broken");
}

/// The events as others read them: golden texts that the translation is held to.
#[test]
fn every_event_that_is_told_is_valid_by_its_schema() {
    let public = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/public");
    let mut seen = 0;
    for (path, schema) in making::all() {
        let Some(name) = path.strip_prefix("events/").and_then(|name| name.strip_suffix(".json"))
        else {
            continue;
        };
        let lines = std::fs::read_to_string(public.join(format!("{name}.jsonl"))).unwrap();
        for line in lines.lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            assert_eq!(faults(&schema, &event), Vec::<String>::new(), "{name}: {line}");
            // Every field that is told is in it, and each that is called required is needed.
            let known = schema["properties"].as_object().unwrap();
            for field in event.as_object().unwrap().keys() {
                assert!(known.contains_key(field), "{name} tells `{field}`");
                let mut without = event.clone();
                without.as_object_mut().unwrap().remove(field);
                let is_required = schema["required"].as_array().unwrap().contains(&json!(field));
                assert_eq!(!faults(&schema, &without).is_empty(), is_required, "{name}: {field}");
            }
            seen += 1;
        }
    }
    assert!(seen >= samples::events().len() / 2, "{seen} lines");
}

fn place(field: &str, value: &Value) -> Value {
    let mut command = json!({"type": "PlaceCall", "command_id": "a", "phone": "+8613800000017"});
    command[field] = value.clone();
    command
}

fn is_taken(command: &Value) -> bool {
    Command::parse(command.to_string().as_bytes(), &Numbering::INTERNATIONAL).is_ok()
}

#[test]
fn a_command_is_taken_as_its_schema_says() {
    let schema = making::all().swap_remove(1).1;
    let entries = |n: usize| -> Value {
        (0..n).map(|n| (format!("v{n}"), json!(n))).collect::<Map<_, _>>().into()
    };
    let mut probes = vec![
        Value::Null,
        json!(true),
        json!([]),
        json!("2026-09-21T14:13:20Z"),
        json!("urgent"),
        json!("bulk"),
        json!("x".repeat(128)),
        json!("x".repeat(129)),
        json!("x".repeat(256)),
        json!(""),
        json!({"a": null}),
        entries(VARIABLES_MAX),
        entries(VARIABLES_MAX + 1),
    ];
    let numbers = [
        -1.0,
        0.0,
        0.05,
        0.1,
        1.0,
        1.5,
        100.0,
        101.0,
        3600.0,
        3601.0,
        86_400.0,
        86_401.0,
        2_592_000.0,
        2_592_001.0,
    ];
    probes.extend(numbers.map(|n: f64| if n.fract() == 0.0 { json!(n as i64) } else { json!(n) }));
    // What a schema cannot say: the form of numbers to call, and that no control character is in.
    let says_less = ["phone", "caller_id", "prompt", "not_before", "deadline"];
    for field in schema["properties"].as_object().unwrap().keys().filter(|field| *field != "type") {
        for probe in &probes {
            let command = place(field, probe);
            let (said, taken) = (faults(&schema, &command), is_taken(&command));
            assert!(said.is_empty() || !taken, "{command} is taken: {said:?}");
            let exactly = !says_less.contains(&field.as_str());
            assert!(!exactly || said.is_empty() == taken, "{command} is not taken: {said:?}");
        }
    }
}

#[test]
fn every_field_that_is_read_is_in_the_schema() {
    let full = json!({
        "type": "PlaceCall", "command_id": "a", "phone": "+8613800000017", "caller_id": "4000",
        "gateway": "g", "campaign": "c", "script": "s", "prompt": "p.wav", "record": true,
        "ring_timeout_s": 30, "max_talk_s": 5, "max_attempts": 2, "redial_after_s": 60,
        "priority": "urgent", "not_before": "2026-09-21T14:13:20Z",
        "deadline": "2026-09-21T15:13:20Z", "variables": {"a": 1},
    });
    let parsed = Command::parse(full.to_string().as_bytes(), &Numbering::INTERNATIONAL).unwrap();
    let read: Value = serde_json::from_slice(&parsed.canonical()).unwrap();
    let mut read: BTreeSet<String> =
        read.as_object().unwrap().keys().map(|field| field.replace("_ms", "_s")).collect();
    read.insert("command_id".to_owned());
    let schema = making::all().swap_remove(1).1;
    assert_eq!(faults(&schema, &full), Vec::<String>::new());
    let written: BTreeSet<String> =
        schema["properties"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(read, written);
}

#[test]
fn ending_a_call_takes_its_id_or_its_command() {
    for (place, name) in [(2, "HangUpCall"), (3, "CancelCall")] {
        let schema = making::all().swap_remove(place).1;
        for (fields, good) in [
            (json!({"call_id": "9eb39ff5-2506-51bf-a98b-440bd8deba94"}), true),
            (json!({"of": "crm-17"}), true),
            (json!({"call_id": "17"}), false),
            (json!({}), false),
            (json!({"of": ""}), false),
        ] {
            let mut command = json!({"type": name, "command_id": "h"});
            command.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            assert_eq!(
                (faults(&schema, &command).is_empty(), is_taken(&command)),
                (good, good),
                "{command}"
            );
        }
    }
}

#[test]
fn the_asyncapi_document_refers_to_nothing_that_is_not_in_it() {
    fn refs(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                for (name, value) in object {
                    match value.as_str().filter(|_| name == "$ref") {
                        Some(to) => found.push(to.to_owned()),
                        None => refs(value, found),
                    }
                }
            }
            Value::Array(list) => list.iter().for_each(|value| refs(value, found)),
            _ => {}
        }
    }
    let document = making::all().swap_remove(0).1;
    let mut found = Vec::new();
    refs(&document, &mut found);
    assert!(found.len() > 60, "{found:?}");
    for to in found {
        assert!(document.pointer(&to[1..]).is_some(), "{to}");
    }
}
