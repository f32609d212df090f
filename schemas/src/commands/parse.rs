//! A command out of one JSON object (`contract.md`, "Commands in").

use super::bounds::{ATTEMPTS, REDIAL_S, RING_S, TALK_S};
use super::fields::{COMMAND_ID, Fields, wrong};
use super::{COMMAND_BYTES_MAX, Command, CommandRefusal, EndCall, PlaceCall};
use crate::call::Priority;
use crate::phone::{Numbering, Phone};
use crate::{CallId, CommandId};
use serde_json::{Map, Value};

impl Command {
    /// Reads the value of a message: one JSON object with a `type`. Numbers are normalised by
    /// `numbering`.
    ///
    /// # Errors
    /// [`CommandRefusal`]: it goes to the dead letters with [`CommandRefusal::code`].
    pub fn parse(json: &[u8], numbering: &Numbering) -> Result<Self, CommandRefusal> {
        let object = object(json)?;
        let fields = Fields(&object);
        match object.get("type").and_then(Value::as_str) {
            Some("PlaceCall") => {
                place_call(&fields, None, numbering).map(|call| Self::PlaceCall(Box::new(call)))
            }
            Some("HangUpCall") => end_call(&fields, false).map(Self::EndCall),
            Some("CancelCall") => end_call(&fields, true).map(Self::EndCall),
            _ => Err(CommandRefusal::UnknownType),
        }
    }

    /// The caller's name for it.
    pub fn command_id(&self) -> &CommandId {
        match self {
            Self::PlaceCall(call) => &call.command_id,
            Self::EndCall(end) => &end.command_id,
        }
    }
}

impl PlaceCall {
    /// Reads the body of a request: a PlaceCall that needs no `type`, and whose `command_id` may
    /// come beside it (`Idempotency-Key`).
    ///
    /// # Errors
    /// [`CommandRefusal`], to be answered with the field it names.
    pub fn parse(
        json: &[u8],
        command_id: Option<&str>,
        numbering: &Numbering,
    ) -> Result<Self, CommandRefusal> {
        let object = object(json)?;
        place_call(&Fields(&object), command_id, numbering)
    }

    /// A call with nothing but a callee: every option absent.
    pub fn to(command_id: CommandId, phone: Phone) -> Self {
        Self {
            command_id,
            phone: phone.into(),
            caller_id: None,
            gateway: None,
            campaign: None,
            script: None,
            prompt: None,
            record: false,
            ring_timeout_ms: None,
            max_talk_ms: None,
            max_attempts: None,
            redial_after_ms: None,
            priority: Priority::Bulk,
            not_before: None,
            deadline: None,
            variables: super::Variables::new(),
        }
    }
}

fn object(json: &[u8]) -> Result<Map<String, Value>, CommandRefusal> {
    if json.len() > COMMAND_BYTES_MAX {
        return Err(CommandRefusal::TooLarge);
    }
    match serde_json::from_slice(json) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(CommandRefusal::NotAnObject),
        // What the parser says is a kind and a place, nothing of the content.
        Err(error) => Err(CommandRefusal::NotJson(error.to_string())),
    }
}

fn place_call(
    fields: &Fields<'_>,
    beside: Option<&str>,
    numbering: &Numbering,
) -> Result<PlaceCall, CommandRefusal> {
    let command_id = one_command_id(fields, beside)?;
    let missing = CommandRefusal::Missing {
        field: "phone",
        wanted: "an international number such as \"+8613800000017\", or what the gateway dials",
    };
    let phone = fields.text("phone", "a number in quotes")?.ok_or(missing)?;
    let phone = numbering.read(phone).map_err(CommandRefusal::Phone)?;
    let call = PlaceCall {
        // Shown as it is asked for: carriers want their own form of it.
        caller_id: match fields.text("caller_id", "a number in quotes")? {
            Some(text) => Some(shown(text)?),
            None => None,
        },
        gateway: fields.name("gateway")?,
        campaign: fields.name("campaign")?,
        script: fields.name("script")?,
        prompt: fields.file("prompt")?,
        record: fields.switch("record")?,
        ring_timeout_ms: fields.seconds("ring_timeout_s", RING_S)?,
        max_talk_ms: fields.seconds("max_talk_s", TALK_S)?,
        max_attempts: fields.count("max_attempts", ATTEMPTS)?,
        redial_after_ms: fields.seconds("redial_after_s", REDIAL_S)?,
        priority: match fields.text("priority", "\"urgent\" or \"bulk\"")? {
            None | Some("bulk") => Priority::Bulk,
            Some("urgent") => Priority::Urgent,
            Some(_) => return Err(wrong("priority", "\"urgent\" or \"bulk\"")),
        },
        not_before: fields.moment("not_before")?,
        deadline: fields.moment("deadline")?,
        variables: fields.variables("variables")?,
        ..PlaceCall::to(command_id, phone)
    };
    // A deadline in the past is a call that ends as `suppressed`; one that can never be kept is a
    // mistake.
    if call.deadline.zip(call.not_before).is_some_and(|(end, start)| end < start) {
        return Err(wrong("deadline", "not before `not_before`"));
    }
    Ok(call)
}

fn one_command_id(fields: &Fields<'_>, beside: Option<&str>) -> Result<CommandId, CommandRefusal> {
    let inside = fields.command_id("command_id")?;
    let read = |text| CommandId::new(text).ok_or_else(|| wrong("command_id", COMMAND_ID));
    match (inside, beside.map(read).transpose()?) {
        (Some(inside), Some(beside)) if inside != beside => {
            Err(wrong("command_id", "the same as the Idempotency-Key beside it"))
        }
        (inside, beside) => inside
            .or(beside)
            .ok_or(CommandRefusal::Missing { field: "command_id", wanted: COMMAND_ID }),
    }
}

fn shown(text: &str) -> Result<String, CommandRefusal> {
    let read = Numbering::INTERNATIONAL.read_shown(text);
    read.map(String::from)
        .map_err(|refusal| wrong("caller_id", format!("a number to show: {refusal}")))
}

fn end_call(fields: &Fields<'_>, only_unanswered: bool) -> Result<EndCall, CommandRefusal> {
    let command_id = one_command_id(fields, None)?;
    let of = fields.command_id("of")?;
    let named = fields.call_id("call_id")?;
    let call = named.or_else(|| of.as_ref().map(CallId::of_command));
    let wanted = "the call's id, or `of` with the command_id of its PlaceCall";
    let call = call.ok_or(CommandRefusal::Missing { field: "call_id", wanted })?;
    // Who names the call means this one, not a redial of its command.
    let of = of.filter(|_| named.is_none());
    Ok(EndCall { command_id, call, of, only_unanswered })
}
