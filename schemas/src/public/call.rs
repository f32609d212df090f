//! The data of a call's events, type by type.

use super::{
    Opened, Reveal, Subject, Unsealed, before, json, seconds, shown, shown_or_null, words,
};
use crate::call::{self, CallEvent, Priority};
#[cfg(test)]
use crate::documents::words as told_as;
use crate::{CallId, CommandId, Recorded, Timestamp};
#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

/// The value of a message in the topic of events: what every event has, then its own fields.
#[derive(Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct CallEventData<'a> {
    /// Which call.
    #[serde(serialize_with = "shown")]
    pub call_id: CallId,
    /// Of which PlaceCall.
    pub command_id: &'a CommandId,
    /// Dense per call, from 1.
    pub sequence: u32,
    /// The type, without prefix and version.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// When it happened.
    #[serde(serialize_with = "shown")]
    pub occurred_at: Timestamp,
    #[serde(flatten)]
    #[cfg_attr(test, schemars(skip))]
    data: Data<'a>,
}

impl<'a> CallEventData<'a> {
    /// Translates an event of a call.
    pub fn new(
        recorded: &'a Recorded<CallEvent>,
        subject: &'a Subject,
        reveal: Reveal<'_>,
    ) -> Self {
        let opened = Opened { callee: Some(subject.callee), reveal };
        Self {
            call_id: subject.call,
            command_id: &subject.command_id,
            sequence: recorded.revision.sequence(),
            kind: recorded.event.name(),
            occurred_at: recorded.at,
            data: Data::of(&recorded.event, recorded.at, &opened),
        }
    }

    /// The JSON text.
    pub fn to_json(&self) -> Vec<u8> {
        json(self)
    }
}

/// One INVITE dialog with one gateway, as records and `CallEnded` list it.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct TryData {
    /// The gateway's configured name.
    pub gateway: String,
    /// Its final response.
    pub sip_status: Option<u16>,
    /// When its INVITE was ordered.
    #[serde(serialize_with = "shown")]
    pub started_at: Timestamp,
    /// When it was over; absent while it is not.
    #[serde(serialize_with = "shown_or_null")]
    pub ended_at: Option<Timestamp>,
}

impl TryData {
    /// The tries of a call that ended at `end`.
    pub fn of(ended: &call::CallEnded, end: Timestamp) -> Vec<Self> {
        let tried = |t: &call::Try| Self {
            gateway: t.gateway.clone(),
            sip_status: t.sip_status,
            started_at: before(end, t.started_ms),
            ended_at: Some(before(end, t.ended_ms)),
        };
        ended.tries.iter().map(tried).collect()
    }
}

/// The fields of one event alone. Written straight into the text: the relay tells hundreds of
/// thousands of them in a second.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Data<'a> {
    Requested(Box<Requested<'a>>),
    Queued(Queued),
    Started(Started<'a>),
    Status(Status),
    Failed(Failed<'a>),
    Caused(Caused<'a>),
    Answered(Answered<'a>),
    Played(Played),
    Pressed(Pressed),
    Nothing {},
    HungUp(HungUp<'a>),
    Media(Media<'a>),
    Ended(Box<Ended<'a>>),
}

impl<'a> Data<'a> {
    pub(super) fn of(event: &'a CallEvent, at: Timestamp, opened: &Opened<'_>) -> Self {
        let status = |sip_status| Self::Status(Status { sip_status });
        match event {
            CallEvent::CallRequested(e) => Self::Requested(Box::new(Requested::of(e, opened))),
            CallEvent::CallQueued(e) => Self::Queued(Queued { cause: words::queue_cause(e.cause) }),
            CallEvent::DialStarted(e) => Self::Started(Started {
                try_no: e.try_no,
                gateway: &e.gateway,
                caller_id: e.caller_id.as_deref(),
                sip_call_id: &e.sip_call_id,
            }),
            CallEvent::CallProceeding(e) => status(e.status),
            CallEvent::CallRang(e) => status(e.status),
            CallEvent::EarlyMediaStarted(e) => status(e.status),
            CallEvent::TryFailed(e) => Self::Failed(Failed {
                sip_status: e.status,
                q850: e.q850,
                reason: &e.reason,
                detail: opened.detail(e.detail.as_ref()),
                retry_after_s: e.retry_after_s,
            }),
            CallEvent::CancelIssued(e) => Self::Caused(Caused::by(words::cancel_cause(&e.cause))),
            CallEvent::LateAnswerReleased(e) => status(e.status),
            CallEvent::CallAnswered(e) => Self::Answered(Answered {
                sip_status: e.status,
                media_fault: e.media_fault.as_deref(),
            }),
            CallEvent::PromptPlayed(e) => Self::Played(Played { duration_ms: e.ms }),
            CallEvent::DigitPressed(e) => Self::Pressed(Pressed {
                digit: opened.text(&e.digit, |include| include.detail),
                duration_ms: e.ms,
            }),
            CallEvent::CallHeld(_) | CallEvent::CallResumed(_) | CallEvent::HangUpConfirmed(_) => {
                Self::Nothing {}
            }
            CallEvent::CallHungUp(e) => Self::HungUp(HungUp {
                by: e.by.word(),
                caused: Caused::by(words::hang_up_cause(&e.cause)),
                q850: e.q850,
                detail: opened.detail(e.detail.as_ref()),
            }),
            CallEvent::MediaMeasured(e) => Self::Media(Media::from(&**e)),
            CallEvent::CallEnded(e) => Self::Ended(Box::new(Ended::of(e, at, opened))),
        }
    }
}

#[derive(Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(crate) struct Requested<'a> {
    /// The callee's number, where the configuration tells it; null when the person was erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Unsealed<String>,
    /// The number that is shown.
    caller_id: Option<&'a str>,
    /// A gateway by its configured name; of an end: the one that decided.
    gateway: Option<&'a str>,
    campaign: Option<&'a str>,
    script: Option<&'a str>,
    prompt: Option<&'a str>,
    record: bool,
    /// How long it may ring, from the first provisional answer.
    #[serde(serialize_with = "seconds")]
    #[cfg_attr(test, schemars(with = "told_as::Seconds"))]
    ring_timeout_s: u32,
    /// How long the answered call may last.
    #[serde(serialize_with = "seconds")]
    #[cfg_attr(test, schemars(with = "told_as::Seconds"))]
    max_talk_s: u32,
    /// Which call of its command, from 1.
    attempt: u16,
    /// How many calls the command may have.
    max_attempts: u16,
    /// Of a redial: the command's first call.
    #[serde(serialize_with = "shown_or_null")]
    first_call_id: Option<CallId>,
    /// Of an item of a list: its line.
    list_line: Option<u32>,
    #[cfg_attr(test, schemars(schema_with = "told_as::priority"))]
    priority: &'static str,
    #[serde(serialize_with = "shown_or_null")]
    not_before: Option<Timestamp>,
    #[serde(serialize_with = "shown_or_null")]
    deadline: Option<Timestamp>,
    /// The commander's own data, where the configuration tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    variables: Unsealed<Map<String, Value>>,
}

impl<'a> Requested<'a> {
    fn of(e: &'a call::CallRequested, opened: &Opened<'_>) -> Self {
        Self {
            phone: opened.phone(&e.phone),
            caller_id: e.caller_id.as_deref(),
            gateway: e.gateway.as_deref(),
            campaign: e.campaign.as_deref(),
            script: e.script.as_deref(),
            prompt: e.prompt.as_deref(),
            record: e.record,
            ring_timeout_s: e.ring_timeout_ms,
            max_talk_s: e.max_talk_ms,
            attempt: e.attempt,
            max_attempts: e.max_attempts,
            first_call_id: e.first_call,
            list_line: e.item.map(|item| item.line),
            priority: match e.priority {
                Priority::Bulk => "bulk",
                Priority::Urgent => "urgent",
            },
            not_before: e.not_before,
            deadline: e.deadline,
            variables: opened.variables(e.variables.as_ref()),
        }
    }
}

#[derive(Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(crate) struct Queued {
    #[cfg_attr(test, schemars(schema_with = "told_as::queue_cause"))]
    cause: &'static str,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(crate) struct Started<'a> {
    /// Which try of the call, from 1.
    #[serde(rename = "try")]
    try_no: u8,
    gateway: &'a str,
    /// The number that is shown.
    caller_id: Option<&'a str>,
    /// The Call-ID of its INVITE: what the carrier knows it by.
    sip_call_id: &'a str,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(crate) struct Status {
    sip_status: u16,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(crate) struct Answered<'a> {
    sip_status: u16,
    /// Why its audio cannot be used: it is hung up at once.
    media_fault: Option<&'a str>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(crate) struct Failed<'a> {
    /// The final response to the last INVITE; null when a timer, the transport, a rule or a
    /// restart decided.
    sip_status: Option<u16>,
    /// The Q.850 cause that the network gave.
    q850: Option<u16>,
    /// A word for what happened, such as carrier_congestion.
    reason: &'a str,
    /// Free text of the network; never in the topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Unsealed<String>,
    /// How long the gateway asked to be left alone.
    retry_after_s: Option<u32>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(crate) struct Caused<'a> {
    #[cfg_attr(test, schemars(schema_with = "told_as::end_cause"))]
    cause: &'static str,
    /// Of the cause `command`: which one asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause_command_id: Option<&'a CommandId>,
}

impl<'a> Caused<'a> {
    fn by((cause, cause_command_id): (&'static str, Option<&'a CommandId>)) -> Self {
        Self { cause, cause_command_id }
    }
}

#[derive(Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(crate) struct Played {
    duration_ms: u32,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(crate) struct Pressed {
    #[serde(skip_serializing_if = "Option::is_none")]
    digit: Unsealed<String>,
    duration_ms: u16,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(crate) struct HungUp<'a> {
    #[cfg_attr(test, schemars(schema_with = "told_as::ended_by"))]
    by: &'static str,
    #[serde(flatten)]
    caused: Caused<'a>,
    /// The Q.850 cause that the network gave.
    q850: Option<u16>,
    /// Free text of the network; never in the topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Unsealed<String>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(crate) struct Media<'a> {
    codec: &'a str,
    packets_sent: u32,
    packets_received: u32,
    packets_lost: u32,
    packets_discarded: u32,
    jitter_ms: f64,
    remote_lost_percent: Option<f64>,
    /// From the answer to the first packet that was heard.
    first_audio_ms: Option<u32>,
    recording: Option<Recording<'a>>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(crate) struct Recording<'a> {
    file: &'a str,
    duration_ms: u32,
    fault: Option<&'a str>,
}

impl<'a> From<&'a call::MediaMeasured> for Media<'a> {
    fn from(e: &'a call::MediaMeasured) -> Self {
        let hundredths = |share: u8| (f64::from(share) * 10_000.0 / 256.0).round() / 100.0;
        Self {
            codec: &e.codec,
            packets_sent: e.sent,
            packets_received: e.received,
            packets_lost: e.lost,
            packets_discarded: e.discarded,
            jitter_ms: f64::from(e.jitter_us) / 1000.0,
            remote_lost_percent: e.remote_lost_256ths.map(hundredths),
            first_audio_ms: e.first_audio_ms,
            recording: e.recording.as_ref().map(|r| Recording {
                file: &r.file,
                duration_ms: r.ms,
                fault: r.fault.as_deref(),
            }),
        }
    }
}

/// The outcome fields of a record, by the record's names.
#[derive(Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(crate) struct Ended<'a> {
    /// What the call came to.
    #[cfg_attr(test, schemars(schema_with = "told_as::outcome"))]
    outcome: &'static str,
    /// The final response to the last INVITE; null when a timer, the transport, a rule or a
    /// restart decided.
    sip_status: Option<u16>,
    /// The Q.850 cause that the network gave.
    q850: Option<u16>,
    /// A finer word than the outcome, such as carrier_congestion.
    reason: Option<&'a str>,
    /// Free text of the network; never in the topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Unsealed<String>,
    /// A gateway by its configured name; of an end: the one that decided.
    gateway: Option<&'a str>,
    /// Which call of its command, from 1.
    attempt: u16,
    tries: Vec<TryData>,
    /// When the command's next call is due; null when this was its last.
    #[serde(serialize_with = "shown_or_null")]
    redial_at: Option<Timestamp>,
    /// How long it makes sense to wait before the callee is called again.
    #[cfg_attr(test, schemars(schema_with = "told_as::retry_class"))]
    retry_class: &'static str,
    /// Of the table that made the outcome of the status.
    causes_version: u8,
    #[serde(serialize_with = "shown")]
    requested_at: Timestamp,
    /// The first DialStarted.
    #[serde(serialize_with = "shown_or_null")]
    started_at: Option<Timestamp>,
    /// The first 18x.
    #[serde(serialize_with = "shown_or_null")]
    ringing_at: Option<Timestamp>,
    #[serde(serialize_with = "shown_or_null")]
    answered_at: Option<Timestamp>,
    #[serde(serialize_with = "shown")]
    ended_at: Timestamp,
    /// From the first 18x to the answer or the end.
    ring_ms: Option<u32>,
    /// From the answer to the first BYE.
    talk_ms: Option<u32>,
    /// Whose word it was.
    #[cfg_attr(test, schemars(schema_with = "told_as::ended_by_or_null"))]
    ended_by: Option<&'static str>,
}

impl<'a> Ended<'a> {
    fn of(e: &'a call::CallEnded, at: Timestamp, opened: &Opened<'_>) -> Self {
        let ago = |ms: u32| before(at, ms);
        Self {
            outcome: e.outcome.word(),
            sip_status: e.sip_status,
            q850: e.q850,
            reason: e.reason.as_deref(),
            detail: opened.detail(e.detail.as_ref()),
            gateway: e.gateway.as_deref(),
            attempt: e.attempt,
            tries: TryData::of(e, at),
            redial_at: e.redial_at,
            retry_class: words::retry_class(e.retry),
            causes_version: e.causes_version,
            requested_at: ago(e.requested_ms),
            started_at: e.started_ms.map(ago),
            ringing_at: e.ringing_ms.map(ago),
            answered_at: e.answered_ms.map(ago),
            ended_at: at,
            ring_ms: e.ring_ms,
            talk_ms: e.talk_ms,
            ended_by: e.ended_by.map(|by| by.word()),
        }
    }
}
