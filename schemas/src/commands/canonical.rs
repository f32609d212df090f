//! The content of a command as one text, for its fingerprint: the same command_id with other
//! content is a conflict. Fingerprints are stored, so this text may never change for a command
//! that was possible before: a new field is left out while it is absent.

use super::{Command, EndCall, PlaceCall};
use crate::call::Priority;
use serde_json::{Map, Value};

impl Command {
    /// Every known field but the command's id, normalised, in a fixed order, as JSON.
    pub fn canonical(&self) -> Vec<u8> {
        match self {
            Self::PlaceCall(call) => call.canonical(),
            Self::EndCall(end) => end.canonical(),
        }
    }
}

impl PlaceCall {
    /// See [`Command::canonical`]. Milliseconds where the command says seconds.
    pub fn canonical(&self) -> Vec<u8> {
        let mut text = Text::new("PlaceCall");
        text.put("phone", Some(self.phone.as_str()));
        text.put("caller_id", self.caller_id.as_deref());
        text.put("gateway", self.gateway.as_deref());
        text.put("campaign", self.campaign.as_deref());
        text.put("script", self.script.as_deref());
        text.put("prompt", self.prompt.as_deref());
        text.put("record", self.record.then_some(true));
        text.put("ring_timeout_ms", self.ring_timeout_ms);
        text.put("max_talk_ms", self.max_talk_ms);
        text.put("max_attempts", self.max_attempts);
        text.put("redial_after_ms", self.redial_after_ms);
        text.put("priority", (self.priority == Priority::Urgent).then_some("urgent"));
        text.put("not_before", self.not_before.map(|moment| moment.0));
        text.put("deadline", self.deadline.map(|moment| moment.0));
        let variables = self.variables.iter().map(|(name, value)| (name.clone(), value.clone()));
        let variables: Map<String, Value> = variables.collect();
        text.put("variables", (!variables.is_empty()).then_some(variables));
        text.done()
    }
}

impl EndCall {
    /// See [`Command::canonical`].
    pub fn canonical(&self) -> Vec<u8> {
        let mut text = Text::new(if self.only_unanswered { "CancelCall" } else { "HangUpCall" });
        text.put("call_id", Some(self.call.to_string()));
        text.put("of", self.of.as_ref().map(|of| of.as_str()));
        text.done()
    }
}

/// The JSON object, in the order its fields are put.
struct Text(Map<String, Value>);

impl Text {
    fn new(kind: &str) -> Self {
        Self(Map::from_iter([("type".to_owned(), Value::from(kind))]))
    }

    fn put(&mut self, field: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.0.insert(field.to_owned(), value.into());
        }
    }

    fn done(self) -> Vec<u8> {
        Value::Object(self.0).to_string().into_bytes()
    }
}
