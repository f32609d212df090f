//! Whether a schema breaks those who rely on an earlier one.

use super::holds::kinds;
use serde_json::{Map, Value, json};

/// Who relies on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    /// Those who write it: whatever was accepted must be accepted.
    Asked,
    /// Those who read it: whatever they were told they must be told, as what it was.
    Told,
}

/// Bounds that narrow as they rise, and as they fall.
const LEAST: [&str; 3] = ["minimum", "minLength", "minProperties"];
const MOST: [&str; 3] = ["maximum", "maxLength", "maxProperties"];
/// What is for people.
const SAID: [&str; 5] = ["$schema", "$id", "title", "description", "examples"];

/// What breaks, a sentence each.
pub(super) fn breaks(side: Side, old: &Value, new: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let whole = Change { side, place: String::new(), old, new };
    whole.look(&mut found);
    found
}

struct Change<'a> {
    side: Side,
    place: String,
    old: &'a Value,
    new: &'a Value,
}

impl Change<'_> {
    fn look(&self, found: &mut Vec<String>) {
        let none = Map::new();
        let old = self.old.as_object().unwrap_or(&none);
        let new = self.new.as_object().unwrap_or(&none);
        let mut keywords: Vec<&String> = old.keys().chain(new.keys()).collect();
        keywords.sort();
        keywords.dedup();
        for keyword in keywords.into_iter().filter(|keyword| !SAID.contains(&keyword.as_str())) {
            let (old, new) = (old.get(keyword), new.get(keyword));
            let place = if self.place.is_empty() { "it" } else { &self.place[1..] };
            if let Some(why) = self.keyword(keyword, old, new, found) {
                found.push(format!("{place}: {why}"));
            }
        }
    }

    fn keyword(
        &self,
        keyword: &str,
        old: Option<&Value>,
        new: Option<&Value>,
        found: &mut Vec<String>,
    ) -> Option<String> {
        let changed = || format!("{keyword} was {}, is {}", shown(old), shown(new));
        match keyword {
            "properties" => {
                self.properties(old, new, found);
                None
            }
            "items" | "additionalProperties" if old.and(new).is_some() => {
                self.inside(&format!(".{keyword}"), old?, new?, found);
                None
            }
            "required" => {
                let (stays, may_grow) = match self.side {
                    Side::Asked => (new, old),
                    Side::Told => (old, new),
                };
                let missing = words(stays).into_iter().find(|name| !words(may_grow).contains(name));
                let is =
                    if self.side == Side::Asked { "is required now" } else { "may be absent now" };
                missing.map(|name| format!("`{}` {is}", name.as_str().unwrap_or("?")))
            }
            "type" => {
                let narrowed = !includes(new, old);
                let other = self.side == Side::Told && !includes(old, new);
                (narrowed || other).then(changed)
            }
            // A reader takes a word that it does not know for one; none may be taken away.
            "enum" => {
                let gone = words(old).iter().any(|word| !words(new).contains(word));
                let closed = match self.side {
                    Side::Asked => old.is_none(),
                    Side::Told => old.is_none() != new.is_none(),
                };
                ((gone && new.is_some()) || closed).then(changed)
            }
            bound
                if self.side == Side::Asked
                    && (LEAST.contains(&bound) || MOST.contains(&bound)) =>
            {
                let (before, now) = (old.and_then(Value::as_f64), new.and_then(Value::as_f64));
                let narrowed = match (before, now) {
                    (_, None) => false,
                    (None, Some(_)) => true,
                    (Some(before), Some(now)) if LEAST.contains(&bound) => now > before,
                    (Some(before), Some(now)) => now < before,
                };
                narrowed.then(changed)
            }
            "pattern" | "format" | "anyOf" if self.side == Side::Asked => {
                (new.is_some() && new != old).then(changed)
            }
            _ => (old != new).then(changed),
        }
    }

    fn properties(&self, old: Option<&Value>, new: Option<&Value>, found: &mut Vec<String>) {
        for (name, old) in old.and_then(Value::as_object).into_iter().flatten() {
            match new.and_then(|new| new.get(name)) {
                Some(new) => self.inside(&format!(".{name}"), old, new, found),
                None => {
                    found.push(format!("{}: it is gone", &format!("{}.{name}", self.place)[1..]))
                }
            }
        }
    }

    fn inside(&self, name: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
        let place = format!("{}{name}", self.place);
        Change { side: self.side, place, old, new }.look(found);
    }
}

fn words(list: Option<&Value>) -> Vec<&Value> {
    list.and_then(Value::as_array).into_iter().flatten().collect()
}

/// Whether everything of one of these types is of one of those. Without any type all are allowed.
fn includes(those: Option<&Value>, these: Option<&Value>) -> bool {
    let Some(those) = those else { return true };
    let Some(these) = these else { return false };
    let those = kinds(those);
    let is_in =
        |kind: &&str| those.contains(kind) || (*kind == "integer" && those.contains(&"number"));
    kinds(these).iter().all(is_in)
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "absent".to_owned(), Value::to_string)
}

/// What breaks a schema with one change made to it: a pointer, and what stands there afterwards.
fn after(side: Side, pointer: &str, value: Value) -> Vec<String> {
    let old = json!({
        "type": "object",
        "required": ["id"],
        "properties": {
            "id": {"type": "string", "maxLength": 128},
            "tries": {"type": "array", "items": {"type": "object", "properties": {
                "status": {"type": ["integer", "null"], "minimum": 0, "maximum": 65535},
            }}},
            "word": {"type": "string", "enum": ["a", "b"]},
        },
    });
    let mut new = old.clone();
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
    let parent = new.pointer_mut(parent).and_then(Value::as_object_mut).expect("a place");
    match value {
        Value::Null => drop(parent.remove(name)),
        value => drop(parent.insert(name.to_owned(), value)),
    }
    breaks(side, &old, &new)
}

#[test]
fn every_kind_of_break_is_seen_and_what_is_none_is_let_through() {
    const STATUS: &str = "/properties/tries/items/properties/status";
    const WORDS: &str = "/properties/word/enum";
    let status = |what: &str| format!("{STATUS}/{what}");
    // (what is changed, to what; whether it breaks those who ask, those who are told)
    let cases = [
        ("/properties/new".to_owned(), json!({"type": "string"}), false, false),
        ("/properties/word".to_owned(), Value::Null, true, true),
        (STATUS.to_owned(), Value::Null, true, true),
        ("/required".to_owned(), json!(["id", "word"]), true, false),
        ("/required".to_owned(), json!([]), false, true),
        ("/required".to_owned(), Value::Null, false, true),
        (status("type"), json!("integer"), true, true),
        (status("type"), json!(["integer", "null", "string"]), false, true),
        (status("type"), json!(["number", "null"]), false, true),
        (status("type"), json!("string"), true, true),
        (status("type"), Value::Null, false, true),
        (status("minimum"), json!(100), true, true),
        (status("maximum"), json!(699), true, true),
        (status("maximum"), json!(100_000), false, true),
        (WORDS.to_owned(), json!(["a"]), true, true),
        (WORDS.to_owned(), json!(["a", "b", "c"]), false, false),
        (WORDS.to_owned(), Value::Null, false, true),
        ("/properties/id/maxLength".to_owned(), json!(64), true, true),
        ("/properties/id/maxLength".to_owned(), Value::Null, false, true),
        ("/properties/id/minLength".to_owned(), json!(1), true, true),
        ("/properties/id/pattern".to_owned(), json!("^a"), true, true),
        ("/properties/id/enum".to_owned(), json!(["a"]), true, true),
        ("/properties/id/description".to_owned(), json!("which"), false, false),
        ("/title".to_owned(), json!("Other"), false, false),
        ("/oneOf".to_owned(), json!([]), true, true),
    ];
    for (pointer, value, asked, told) in cases {
        for (side, breaks) in [(Side::Asked, asked), (Side::Told, told)] {
            let found = after(side, &pointer, value.clone());
            assert_eq!(!found.is_empty(), breaks, "{side:?} {pointer} = {value}: {found:?}");
        }
    }
}

#[test]
fn a_break_is_said_with_its_place() {
    let found = after(Side::Told, "/properties/tries/items/properties/status", Value::Null);
    assert_eq!(found, ["tries.items.status: it is gone"]);
    let found = after(Side::Asked, "/required", json!(["id", "word"]));
    assert_eq!(found, ["it: `word` is required now"]);
}
