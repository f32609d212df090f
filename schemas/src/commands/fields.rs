//! The fields of a JSON object, taken one by one with their bounds. `null` is as good as absent.

use super::{CommandRefusal, VARIABLES_BYTES_MAX, VARIABLES_MAX, Variables};
use crate::{CallId, CommandId, Timestamp};
use serde_json::{Map, Value};
use std::ops::RangeInclusive;

/// The longest name of a gateway, a campaign or a variable, in characters.
const NAME_CHARS_MAX: usize = 128;
/// The longest name of a prompt file, in bytes: what file systems take.
const FILE_BYTES_MAX: usize = 255;

pub(super) const COMMAND_ID: &str = "1 to 128 printable characters that you choose";

/// The fields of one command.
pub(super) struct Fields<'a>(pub(super) &'a Map<String, Value>);

pub(super) fn wrong(field: &str, wanted: impl Into<String>) -> CommandRefusal {
    CommandRefusal::Wrong { field: field.to_owned(), wanted: wanted.into() }
}

impl<'a> Fields<'a> {
    fn get(&self, field: &str) -> Option<&'a Value> {
        self.0.get(field).filter(|value| !value.is_null())
    }

    pub(super) fn text(&self, field: &str, what: &str) -> Result<Option<&'a str>, CommandRefusal> {
        let read = |value: &'a Value| value.as_str().ok_or_else(|| wrong(field, what));
        self.get(field).map(read).transpose()
    }

    pub(super) fn command_id(
        &self,
        field: &'static str,
    ) -> Result<Option<CommandId>, CommandRefusal> {
        let read = |text| CommandId::new(text).ok_or_else(|| wrong(field, COMMAND_ID));
        self.text(field, COMMAND_ID)?.map(read).transpose()
    }

    pub(super) fn call_id(&self, field: &str) -> Result<Option<CallId>, CommandRefusal> {
        let what = "a call's id: a UUID";
        let read = |text| CallId::parse(text).ok_or_else(|| wrong(field, what));
        self.text(field, what)?.map(read).transpose()
    }

    /// The name of something in the configuration.
    pub(super) fn name(&self, field: &str) -> Result<Option<String>, CommandRefusal> {
        let what = format!("a name of 1 to {NAME_CHARS_MAX} printable characters");
        match self.text(field, &what)? {
            Some(text) if !is_name(text) => Err(wrong(field, what)),
            text => Ok(text.map(str::to_owned)),
        }
    }

    /// A file below a folder of ours: no way out of it.
    pub(super) fn file(&self, field: &str) -> Result<Option<String>, CommandRefusal> {
        let what = "the name of a file below the prompts folder, such as \"spring/hello.wav\"";
        let inside = |text: &str| {
            text.len() <= FILE_BYTES_MAX
                && !text.contains(|c: char| c.is_control() || matches!(c, '\\' | ':'))
                && text.split('/').all(|part| !matches!(part, "" | "." | ".."))
        };
        match self.text(field, what)? {
            Some(text) if !inside(text) => Err(wrong(field, what)),
            text => Ok(text.map(str::to_owned)),
        }
    }

    pub(super) fn switch(&self, field: &str) -> Result<bool, CommandRefusal> {
        let read = |value: &Value| value.as_bool().ok_or_else(|| wrong(field, "true or false"));
        self.get(field).map_or(Ok(false), read)
    }

    /// Seconds, to the millisecond.
    pub(super) fn seconds(
        &self,
        field: &str,
        range: RangeInclusive<f64>,
    ) -> Result<Option<u32>, CommandRefusal> {
        let what = || format!("a number of seconds from {} to {}", range.start(), range.end());
        let Some(value) = self.get(field) else { return Ok(None) };
        let seconds = value.as_f64().filter(|seconds| range.contains(seconds));
        let seconds = seconds.ok_or_else(|| wrong(field, what()))?;
        // In range: every range a command uses fits into 49 days of milliseconds.
        Ok(Some((seconds * 1000.0).round() as u32))
    }

    pub(super) fn count(
        &self,
        field: &str,
        range: RangeInclusive<u16>,
    ) -> Result<Option<u16>, CommandRefusal> {
        let what = || format!("a whole number from {} to {}", range.start(), range.end());
        let Some(value) = self.get(field) else { return Ok(None) };
        let count =
            value.as_u64().and_then(|n| u16::try_from(n).ok()).filter(|n| range.contains(n));
        count.map(Some).ok_or_else(|| wrong(field, what()))
    }

    pub(super) fn moment(&self, field: &str) -> Result<Option<Timestamp>, CommandRefusal> {
        let what = "a time as in RFC 3339, such as \"2026-09-21T14:13:20Z\"";
        let read = |text| Timestamp::parse(text).ok_or_else(|| wrong(field, what));
        self.text(field, what)?.map(read).transpose()
    }

    pub(super) fn variables(&self, field: &str) -> Result<Variables, CommandRefusal> {
        let what = "an object of strings, numbers and booleans";
        let Some(value) = self.get(field) else { return Ok(Variables::new()) };
        let object = value.as_object().ok_or_else(|| wrong(field, what))?;
        if object.len() > VARIABLES_MAX {
            return Err(wrong(field, format!("{what}, at most {VARIABLES_MAX} of them")));
        }
        for (name, value) in object {
            if !is_name(name) {
                let names =
                    format!("{what}, their names of 1 to {NAME_CHARS_MAX} printable characters");
                return Err(wrong(field, names));
            }
            if !matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_)) {
                return Err(wrong(&format!("{field}.{name}"), "a string, a number or a boolean"));
            }
        }
        if value.to_string().len() > VARIABLES_BYTES_MAX {
            return Err(wrong(
                field,
                format!("{what}, at most {VARIABLES_BYTES_MAX} bytes of JSON"),
            ));
        }
        Ok(object.iter().map(|(name, value)| (name.clone(), value.clone())).collect())
    }
}

fn is_name(text: &str) -> bool {
    !text.trim().is_empty()
        && text.chars().count() <= NAME_CHARS_MAX
        && !text.chars().any(char::is_control)
}
