//! Version 1 of the call's events. Frozen: a change is a new version beside it, and an upcaster.
//!
//! Enum variants are stored by their place: only append. Fields hold what cannot be derived
//! from the rest of the stream; [`CallEnded`] repeats the times as spans, so that a reader who
//! has only the last event has the whole outcome.

use crate::outcome::RetryClass;
use crate::{CallId, CalleeKey, CommandId, EndedBy, Outcome, Sealed, Timestamp};
use serde::{Deserialize, Serialize};

/// A command asked for a call, and it was accepted.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CallRequested {
    /// The command behind it; its redials have the same.
    pub command_id: CommandId,
    /// A keyed hash of the command's content as it was understood: the same id with another
    /// fingerprint is a conflict.
    pub fingerprint: [u8; 8],
    /// Whom to call.
    pub callee: CalleeKey,
    /// The number to dial, normalised.
    pub phone: Sealed,
    /// The number to show, when the command names one.
    pub caller_id: Option<String>,
    /// The caller's own data, a JSON object.
    pub variables: Option<Sealed>,
    /// The item of a batch this call is for.
    pub item: Option<BatchItem>,
    /// The campaign's name in the configuration.
    pub campaign: Option<String>,
    /// The script's name in the configuration.
    pub script: Option<String>,
    /// The one gateway to use; any when absent.
    pub gateway: Option<String>,
    /// What is played after the answer.
    pub prompt: Option<String>,
    /// Whether both directions are recorded.
    pub record: bool,
    /// How long it may ring, from the first provisional answer.
    pub ring_timeout_ms: u32,
    /// How long the answered call may last; 0 hangs up at the answer.
    pub max_talk_ms: u32,
    /// Which call of its command this is, from 1.
    pub attempt: u16,
    /// How many calls the command may have.
    pub max_attempts: u16,
    /// The command's first call, when this is a redial.
    pub first_call: Option<CallId>,
    /// How long after its end the next call is due; by the outcome's rule when absent.
    pub redial_after_ms: Option<u32>,
    /// Who goes first when capacity is short.
    pub priority: Priority,
    /// Not to be dialled before.
    pub not_before: Option<Timestamp>,
    /// Not to be dialled after.
    pub deadline: Option<Timestamp>,
}

/// An item of a batch: which run's stream, and which line.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct BatchItem {
    /// The id of the batch run's stream.
    pub batch: [u8; 16],
    /// The line of the list.
    pub line: u32,
}

/// Who goes first when capacity is short.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Priority {
    /// After the urgent ones.
    Bulk,
    /// Before the bulk.
    Urgent,
}

/// The call waits before its next try.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CallQueued {
    /// What it waits for.
    pub cause: QueueCause,
}

/// What a queued call waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum QueueCause {
    /// A free lane: too many calls are up.
    Concurrency,
    /// Its turn: the rate is used up.
    Rate,
    /// A gateway: all are down, full or held back.
    Gateway,
    /// Its `not_before`.
    NotBefore,
}

/// A try begins: one INVITE dialog with one gateway. Durable before the INVITE leaves, and
/// enough for another process to cancel it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct DialStarted {
    /// Which try of the call, from 1.
    pub try_no: u8,
    /// The gateway's configured name.
    pub gateway: String,
    /// The number shown.
    pub caller_id: Option<String>,
    /// Our SIP address, `host:port`.
    pub local: String,
    /// SIP Call-ID.
    pub sip_call_id: String,
    /// Tag of our From.
    pub from_tag: String,
    /// CSeq of the first INVITE; a repeat with credentials counts one up.
    pub cseq: u32,
    /// Via branch of the first INVITE.
    pub branch: String,
}

/// The network took the INVITE up.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CallProceeding {
    /// The provisional status: 100.
    pub status: u16,
}

/// The phone rings.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CallRang {
    /// The provisional status: 180, or another 18x without media.
    pub status: u16,
}

/// The network plays something before the answer.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct EarlyMediaStarted {
    /// The provisional status, most often 183.
    pub status: u16,
}

/// A try ended by the carrier's fault, and another gateway may be tried.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TryFailed {
    /// The final status; absent when a timer or the transport decided.
    pub status: Option<u16>,
    /// The Q.850 cause of the Reason header.
    pub q850: Option<u16>,
    /// The word of the cause table, or what befell the transport.
    pub reason: String,
    /// Reason phrase and Reason header as they came.
    pub detail: Option<Sealed>,
    /// How long the gateway asked to be left alone.
    pub retry_after_s: Option<u32>,
}

/// We want the call to end before it is answered.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CancelIssued {
    /// Why.
    pub cause: CancelCause,
}

/// Why a call was cancelled before the answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum CancelCause {
    /// It rang long enough.
    RingTimeout,
    /// A command asked for it.
    Command(Option<CommandId>),
    /// The engine is stopping.
    Shutdown,
    /// The network neither answered nor refused in all the time it may take.
    Watchdog,
}

/// A 200 crossed our CANCEL on the wire: it was acknowledged and closed at once (RFC 3261, 9.1).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct LateAnswerReleased {
    /// The 2xx.
    pub status: u16,
}

/// The callee answered. Durable before the ACK leaves.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CallAnswered {
    /// The 2xx.
    pub status: u16,
    /// What another process needs to hang up: a [`Dialog`], sealed, since a carrier puts the
    /// number into its Contact.
    pub dialog: Sealed,
    /// Whether the answer's SDP can be used; the reason when it cannot.
    pub media_fault: Option<String>,
}

/// The callee's half of the dialog. Stored sealed, encoded like an event.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Dialog {
    /// Tag of their To.
    pub remote_tag: String,
    /// Their Contact: where requests in the dialog go.
    pub target: String,
    /// The Route set, in the order we send it.
    pub route: Vec<String>,
    /// CSeq of the INVITE that was answered.
    pub cseq: u32,
}

/// The prompt was played to its end.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PromptPlayed {
    /// How long it was.
    pub ms: u32,
}

/// The callee pressed a key (RFC 4733, or INFO).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct DigitPressed {
    /// The key, one character. Sealed: it may be of a PIN.
    pub digit: Sealed,
    /// How long it was held.
    pub ms: u16,
}

/// The callee put us on hold (RFC 3264, 8.4).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CallHeld {}

/// The callee took us back from hold.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CallResumed {}

/// One side hung up: the talk is over.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CallHungUp {
    /// Who did.
    pub by: EndedBy,
    /// Why.
    pub cause: HangUpCause,
    /// The Q.850 cause of their BYE.
    pub q850: Option<u16>,
    /// Their Reason header as it came.
    pub detail: Option<Sealed>,
}

/// Why an answered call was hung up.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum HangUpCause {
    /// They sent BYE.
    Bye,
    /// All was said.
    PromptPlayed,
    /// It lasted as long as it may.
    MaxTalk,
    /// A command asked for it.
    Command(Option<CommandId>),
    /// The engine is stopping.
    Shutdown,
    /// The answer's SDP cannot be used.
    MediaMismatch,
    /// Our media could not be opened or sent.
    MediaFailed,
    /// No audio came in for too long.
    NoAudio,
    /// The dialog is gone: 481, 408 or an expired session.
    DialogLost,
}

/// Our BYE was answered, or given up, while the media's report was still to come.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct HangUpConfirmed {}

/// What the media of the call was like.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct MediaMeasured {
    /// The codec's name, such as `PCMU`.
    pub codec: String,
    /// RTP packets sent.
    pub sent: u32,
    /// RTP packets received and used.
    pub received: u32,
    /// Packets that never came, by sequence number (RFC 3550, A.3).
    pub lost: u32,
    /// Packets that came too late to be used, or twice.
    pub discarded: u32,
    /// Interarrival jitter (RFC 3550, A.8), in microseconds.
    pub jitter_us: u32,
    /// Loss the other side reported last, in 1/256 (RFC 3550, 6.4.1).
    pub remote_lost_256ths: Option<u8>,
    /// From our answer to the first packet of theirs.
    pub first_audio_ms: Option<u32>,
    /// The recording, when there is one.
    pub recording: Option<Recording>,
}

/// A recording: where it is and what it must hash to.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Recording {
    /// File name below the recordings folder.
    pub file: String,
    /// How long it is.
    pub ms: u32,
    /// Why it is incomplete, when it is.
    pub fault: Option<String>,
}

/// The one terminal event of a call.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CallEnded {
    /// What the call came to.
    pub outcome: Outcome,
    /// The final response to the last try's INVITE; absent when a timer, the transport, a rule
    /// or a restart decided.
    pub sip_status: Option<u16>,
    /// The Q.850 cause of the Reason header.
    pub q850: Option<u16>,
    /// The finer word, such as `carrier_congestion`.
    pub reason: Option<String>,
    /// Reason phrase and Reason header as they came.
    pub detail: Option<Sealed>,
    /// The gateway that decided.
    pub gateway: Option<String>,
    /// Whose word it was.
    pub ended_by: Option<EndedBy>,
    /// When the command's next call is due; absent when this was the last.
    pub redial_at: Option<Timestamp>,
    /// When a call of this end may be tried again at all.
    pub retry: RetryClass,
    /// The version of the cause table that decided.
    pub causes_version: u8,
    /// Which call of its command this was, from 1.
    pub attempt: u16,
    /// From the request to the end.
    pub requested_ms: u32,
    /// From the first `DialStarted` to the end.
    pub started_ms: Option<u32>,
    /// From the first 18x to the end.
    pub ringing_ms: Option<u32>,
    /// From the answer to the end.
    pub answered_ms: Option<u32>,
    /// From the first 18x to the answer, or to the end without one.
    pub ring_ms: Option<u32>,
    /// From the answer to the first BYE.
    pub talk_ms: Option<u32>,
    /// Every try, in order; empty when nothing was dialled.
    pub tries: Vec<Try>,
}

/// One INVITE dialog with one gateway.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Try {
    /// The gateway's configured name.
    pub gateway: String,
    /// Its final response; absent when a timer or the transport decided.
    pub sip_status: Option<u16>,
    /// From its `DialStarted` to the call's end.
    pub started_ms: u32,
    /// From its end to the call's end.
    pub ended_ms: u32,
}
