//! What happened to a call. The latest version of every event, by name.

use crate::Timestamp;

pub mod v1;

pub use v1::{
    BatchItem, CallAnswered, CallEnded, CallHeld, CallHungUp, CallProceeding, CallQueued, CallRang,
    CallRequested, CallResumed, CancelCause, CancelIssued, DialStarted, Dialog, DigitPressed,
    EarlyMediaStarted, HangUpCause, HangUpConfirmed, LateAnswerReleased, MediaMeasured, Priority,
    PromptPlayed, QueueCause, Recording, Try, TryFailed,
};

/// What happened to a call, in the order it happens.
#[derive(Clone, PartialEq, Debug)]
pub enum CallEvent {
    /// A command asked for a call, and it was accepted.
    CallRequested(Box<CallRequested>),
    /// It waits: for capacity, for its hour, for a gateway.
    CallQueued(CallQueued),
    /// A try begins. Durable before the INVITE leaves.
    DialStarted(Box<DialStarted>),
    /// The network took the INVITE up (100).
    CallProceeding(CallProceeding),
    /// The phone rings (180, or another 18x without media).
    CallRang(CallRang),
    /// The network plays something before the answer (18x with SDP).
    EarlyMediaStarted(EarlyMediaStarted),
    /// A try ended by the carrier's fault, and another gateway may be tried.
    TryFailed(TryFailed),
    /// We want it to end before it is answered.
    CancelIssued(CancelIssued),
    /// A 200 crossed our CANCEL: it was acknowledged and closed at once.
    LateAnswerReleased(LateAnswerReleased),
    /// The callee answered.
    CallAnswered(CallAnswered),
    /// The prompt was played to its end.
    PromptPlayed(PromptPlayed),
    /// The callee pressed a key.
    DigitPressed(DigitPressed),
    /// The callee put us on hold.
    CallHeld(CallHeld),
    /// The callee took us back from hold.
    CallResumed(CallResumed),
    /// One side hung up: the talk is over.
    CallHungUp(CallHungUp),
    /// Our BYE was answered while the media's report was still to come.
    HangUpConfirmed(HangUpConfirmed),
    /// What the media of the call was like.
    MediaMeasured(Box<MediaMeasured>),
    /// The one terminal event.
    CallEnded(Box<CallEnded>),
}

/// An event with the moment it happened.
#[derive(Clone, PartialEq, Debug)]
pub struct Happened {
    /// When, by the deciding node's clock. Never goes back within a stream.
    pub at: Timestamp,
    /// What.
    pub event: CallEvent,
}
