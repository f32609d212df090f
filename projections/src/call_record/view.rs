//! A record as it is printed: opened, in the order of `cli.md`.

use super::CallRecord;
use schemas::public::TryData;
use schemas::{Sealed, Timestamp, Vault};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

/// A record with its personal data opened, as far as the keys are there. Serialises to the
/// contract's JSON object; the fields behind `variables` are ours to add to.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct RecordView {
    /// The call's id.
    pub call_id: String,
    /// Its command's id.
    pub command_id: String,
    /// The number; `None` when the person was erased, or without the keys.
    pub phone: Option<String>,
    /// What it came to; `None` while it is open.
    pub outcome: Option<&'static str>,
    /// The final response to the last try's INVITE.
    pub sip_status: Option<u16>,
    /// The Q.850 cause.
    pub q850: Option<u16>,
    /// The finer word, such as `carrier_congestion`.
    pub reason: Option<String>,
    /// The gateway that decided; the last one dialled through while it is open.
    pub gateway: Option<String>,
    /// The number shown.
    pub caller_id: Option<String>,
    /// Which call of its command, from 1.
    pub attempt: u16,
    /// Every INVITE dialog.
    pub tries: Vec<TryData>,
    /// When the command's next call is due.
    #[serde(serialize_with = "moment")]
    pub redial_at: Option<Timestamp>,
    /// When it was accepted.
    #[serde(serialize_with = "moment")]
    pub requested_at: Option<Timestamp>,
    /// The first `DialStarted`.
    #[serde(serialize_with = "moment")]
    pub started_at: Option<Timestamp>,
    /// The first 18x.
    #[serde(serialize_with = "moment")]
    pub ringing_at: Option<Timestamp>,
    /// The answer.
    #[serde(serialize_with = "moment")]
    pub answered_at: Option<Timestamp>,
    /// The end.
    #[serde(serialize_with = "moment")]
    pub ended_at: Option<Timestamp>,
    /// First 18x to answer or end, in milliseconds.
    pub ring_ms: Option<u32>,
    /// Answer to first BYE, in milliseconds.
    pub talk_ms: Option<u32>,
    /// Whose word ended it: `us`, `callee`, `carrier`.
    pub ended_by: Option<&'static str>,
    /// The caller's own data; `None` when the person was erased, or without the keys.
    pub variables: Option<Map<String, Value>>,
    /// The person was erased: what is personal is gone for ever.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub erased: bool,
    /// Where it stands: `ended`, or the state it is in.
    pub state: &'static str,
    /// The campaign's name.
    pub campaign: Option<String>,
    /// The line of the list it came from.
    pub list_line: Option<u32>,
    /// What the carrier wrote: reason phrase and Reason header.
    pub detail: Option<String>,
    /// The keys the callee pressed, at most 64.
    pub digits: Option<String>,
    /// What the media was like.
    pub media: Option<MediaView>,
    /// The recording.
    pub recording: Option<RecordingView>,
}

/// What the media of a call was like.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct MediaView {
    /// The codec's name.
    pub codec: String,
    /// RTP packets sent.
    pub packets_sent: u32,
    /// RTP packets received and used.
    pub packets_received: u32,
    /// Packets that never came.
    pub packets_lost: u32,
    /// Packets that came too late, or twice.
    pub packets_discarded: u32,
    /// Interarrival jitter (RFC 3550), in milliseconds.
    pub jitter_ms: f64,
    /// From our answer to the first packet of theirs, in milliseconds.
    pub first_audio_ms: Option<u32>,
}

/// A recording.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct RecordingView {
    /// File name below the recordings folder.
    pub file: String,
    /// How long it is, in milliseconds.
    pub duration_ms: u32,
    /// Why it is incomplete, when it is.
    pub fault: Option<String>,
}

fn moment<S: Serializer>(at: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => to.collect_str(at),
        None => to.serialize_none(),
    }
}

impl CallRecord {
    /// The record as it is printed. Without a vault everything personal is `None`.
    pub fn open(&self, vault: Option<&dyn Vault>) -> RecordView {
        let bytes = |sealed: &Sealed| vault.and_then(|vault| vault.open(self.callee, sealed));
        let text = |sealed: &Sealed| {
            bytes(sealed).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        };
        let phone = text(&self.phone);
        let ended = self.ended.as_ref();
        let open_ring = || Some(self.answered_at?.ms_since(self.ringing_at?));
        RecordView {
            call_id: self.call.to_string(),
            command_id: self.command_id.to_string(),
            phone: phone.clone(),
            outcome: ended.map(|end| end.outcome.word()),
            sip_status: ended.and_then(|end| end.sip_status),
            q850: ended.and_then(|end| end.q850),
            reason: ended.and_then(|end| end.reason.clone()),
            gateway: self.gateway.clone(),
            caller_id: self.caller_id.clone(),
            attempt: self.attempt,
            tries: self.tries.clone(),
            redial_at: ended.and_then(|end| end.redial_at),
            requested_at: Some(self.requested_at),
            started_at: self.started_at,
            ringing_at: self.ringing_at,
            answered_at: self.answered_at,
            ended_at: self.ended_at,
            ring_ms: ended.map_or_else(open_ring, |end| end.ring_ms),
            talk_ms: ended.and_then(|end| end.talk_ms),
            ended_by: ended.and_then(|end| end.ended_by).map(|by| by.word()),
            variables: match &self.variables {
                None => Some(Map::new()),
                Some(sealed) => bytes(sealed).and_then(|json| serde_json::from_slice(&json).ok()),
            },
            erased: vault.is_some() && phone.is_none(),
            state: self.state.word(),
            campaign: self.campaign.clone(),
            list_line: self.list_line,
            detail: ended.and_then(|end| end.detail.as_ref()).and_then(text),
            digits: self.pressed(text),
            media: self.media.as_ref().map(|media| MediaView {
                codec: media.codec.clone(),
                packets_sent: media.sent,
                packets_received: media.received,
                packets_lost: media.lost,
                packets_discarded: media.discarded,
                jitter_ms: f64::from(media.jitter_us) / 1000.0,
                first_audio_ms: media.first_audio_ms,
            }),
            recording: self.media.as_ref().and_then(|media| media.recording.as_ref()).map(|file| {
                RecordingView {
                    file: file.file.clone(),
                    duration_ms: file.ms,
                    fault: file.fault.clone(),
                }
            }),
        }
    }

    fn pressed(&self, text: impl Fn(&Sealed) -> Option<String>) -> Option<String> {
        match self.digits.is_empty() {
            true => None,
            false => self.digits.iter().map(text).collect(),
        }
    }
}

impl RecordView {
    /// The record as one line of JSON, without the line's end.
    pub fn to_json(&self) -> String {
        // Texts, numbers and lists: nothing in it can fail to become JSON.
        serde_json::to_string(self).expect("a record is plain")
    }
}
