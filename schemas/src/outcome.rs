//! What a call came to.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How a call ended. Stored by its place in this list: only append.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Outcome {
    /// Answered and talked.
    Completed,
    /// The callee was busy (486, 600).
    Busy,
    /// It rang and nobody answered.
    NoAnswer,
    /// The callee, or somebody for them, said no (603, 607, 608).
    Rejected,
    /// There is no such number (404, 410, 484, 604).
    InvalidNumber,
    /// Nothing rang: off, out of coverage, or the network never answered.
    Unreachable,
    /// Anything else: most often a carrier's fault.
    Failed,
    /// Ended by a command before the answer.
    Cancelled,
    /// A rule or the deadline said no; nothing was dialled.
    Suppressed,
    /// Past `DialStarted` and without an end when the engine started again.
    OutcomeUnknown,
}

impl Outcome {
    /// Every outcome, in the order tables show them.
    pub const ALL: [Self; 10] = [
        Self::Completed,
        Self::Busy,
        Self::NoAnswer,
        Self::Rejected,
        Self::InvalidNumber,
        Self::Unreachable,
        Self::Failed,
        Self::Cancelled,
        Self::Suppressed,
        Self::OutcomeUnknown,
    ];

    /// The word the contract uses, such as `no_answer`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Busy => "busy",
            Self::NoAnswer => "no_answer",
            Self::Rejected => "rejected",
            Self::InvalidNumber => "invalid_number",
            Self::Unreachable => "unreachable",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Suppressed => "suppressed",
            Self::OutcomeUnknown => "outcome_unknown",
        }
    }

    /// The outcome behind a word of the contract.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.word() == word)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// Whose word ended the call. Stored by its place in this list: only append.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum EndedBy {
    /// We hung up, cancelled or gave up waiting.
    Us,
    /// The callee hung up or said no.
    Callee,
    /// The carrier or the way to it.
    Carrier,
}

impl EndedBy {
    /// The word the contract uses.
    pub fn word(self) -> &'static str {
        match self {
            Self::Us => "us",
            Self::Callee => "callee",
            Self::Carrier => "carrier",
        }
    }
}

/// When a call of this end may be tried again: how long it makes sense to wait.
/// Which rule uses it is the campaign's business.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum RetryClass {
    /// Never: the person said no, or there is nobody.
    Never,
    /// Minutes: the line was busy.
    SoftShort,
    /// Hours, better at another time of day: nobody answered.
    Soft,
    /// Many hours: switched off or out of coverage.
    SoftLong,
    /// Minutes: the carrier's fault, the person noticed nothing.
    Carrier,
    /// Minutes: ours and theirs did not fit together.
    Technical,
}
