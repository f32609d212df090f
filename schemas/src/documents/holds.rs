//! Whether a value is what a schema says: as much of JSON Schema as our documents use.

use serde_json::Value;

/// What is wrong with a value; nothing when it holds. Fails on a keyword that it does not know.
pub(super) fn faults(schema: &Value, value: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    check(schema, value, "", &mut faults);
    faults
}

fn check(schema: &Value, value: &Value, place: &str, faults: &mut Vec<String>) {
    for (keyword, wanted) in schema.as_object().expect("a schema is an object") {
        let holds = match keyword.as_str() {
            "$schema" | "$id" | "title" | "description" | "examples" => true,
            "type" => kinds(wanted).iter().any(|kind| is_a(kind, value)),
            "const" => wanted == value,
            "enum" => wanted.as_array().expect("a list").contains(value),
            "format" => value.as_str().is_none_or(|text| has_format(wanted, text)),
            "minimum" => value.as_f64().is_none_or(|n| n >= wanted.as_f64().expect("a number")),
            "maximum" => value.as_f64().is_none_or(|n| n <= wanted.as_f64().expect("a number")),
            "minLength" => length(value).is_none_or(|n| n >= wanted.as_u64().expect("a count")),
            "maxLength" => length(value).is_none_or(|n| n <= wanted.as_u64().expect("a count")),
            "maxProperties" => value
                .as_object()
                .is_none_or(|o| o.len() as u64 <= wanted.as_u64().expect("a count")),
            "required" => value.as_object().is_none_or(|object| {
                let names = wanted.as_array().expect("a list");
                names.iter().all(|name| object.contains_key(name.as_str().expect("a name")))
            }),
            "anyOf" => {
                let schemas = wanted.as_array().expect("a list");
                schemas.iter().any(|schema| self::faults(schema, value).is_empty())
            }
            "properties" => {
                for (name, schema) in wanted.as_object().expect("an object") {
                    if let Some(value) = value.get(name) {
                        check(schema, value, &format!("{place}.{name}"), faults);
                    }
                }
                true
            }
            "additionalProperties" => {
                let known = schema.get("properties").and_then(Value::as_object);
                for (name, value) in value.as_object().into_iter().flatten() {
                    if wanted.is_object() && known.is_none_or(|known| !known.contains_key(name)) {
                        check(wanted, value, &format!("{place}.{name}"), faults);
                    }
                }
                true
            }
            "items" => {
                for (n, value) in value.as_array().into_iter().flatten().enumerate() {
                    check(wanted, value, &format!("{place}[{n}]"), faults);
                }
                true
            }
            other => panic!("{place}: nobody here knows `{other}`"),
        };
        if !holds {
            faults.push(format!("{place}: {value} does not hold {keyword} {wanted}"));
        }
    }
}

/// The types that a schema allows.
pub(super) fn kinds(wanted: &Value) -> Vec<&str> {
    match wanted {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    }
}

fn is_a(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("there is no type {other}"),
    }
}

fn has_format(format: &Value, text: &str) -> bool {
    match format.as_str() {
        Some("uuid") => crate::CallId::parse(text).is_some(),
        Some("date-time") => crate::Timestamp::parse(text).is_some(),
        // Of numbers: a hint for programs that have such types.
        _ => true,
    }
}

fn length(value: &Value) -> Option<u64> {
    value.as_str().map(|text| text.chars().count() as u64)
}
