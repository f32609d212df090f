//! Where a call can be. Written by hand: the enum that statig would generate changes the order
//! of its variants between builds of the same source.

use schemas::Outcome;
use schemas::call::CancelCause;

/// The leaf states. What contains them stands in [`CallState::path`].
#[derive(Clone, PartialEq, Debug)]
pub enum CallState {
    /// Accepted, not yet admitted.
    Requested,
    /// Waits for capacity, its hour or a gateway.
    Queued,
    /// The INVITE is on its way; nobody has answered it.
    Dialing,
    /// The network has taken it up (100).
    Proceeding,
    /// The phone rings (18x).
    Ringing,
    /// The network plays something before the answer (18x with SDP).
    EarlyMedia,
    /// Our CANCEL is out, or waits for the first provisional. A 200 that crosses it is
    /// acknowledged and closed.
    Cancelling {
        /// Why.
        cause: CancelCause,
    },
    /// Answered: the prompt plays.
    Greeting,
    /// Answered, and the callee put us on hold.
    Holding,
    /// Somebody hung up: the last answers are awaited.
    Closing {
        /// Our BYE is out and not answered.
        bye_out: bool,
        /// The media's report is to come.
        media_open: bool,
    },
    /// Answered and talked.
    Completed,
    /// The callee was busy.
    Busy,
    /// It rang and nobody answered.
    NoAnswer,
    /// Somebody said no.
    Rejected,
    /// There is no such number.
    InvalidNumber,
    /// Nothing rang.
    Unreachable,
    /// Anything else.
    Failed,
    /// Ended by a command before the answer.
    Cancelled,
    /// A rule or the deadline said no.
    Suppressed,
    /// The engine stopped in the middle of it.
    OutcomeUnknown,
}

impl CallState {
    /// The ended state of an outcome.
    pub fn of_outcome(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Completed => Self::Completed,
            Outcome::Busy => Self::Busy,
            Outcome::NoAnswer => Self::NoAnswer,
            Outcome::Rejected => Self::Rejected,
            Outcome::InvalidNumber => Self::InvalidNumber,
            Outcome::Unreachable => Self::Unreachable,
            Outcome::Failed => Self::Failed,
            Outcome::Cancelled => Self::Cancelled,
            Outcome::Suppressed => Self::Suppressed,
            Outcome::OutcomeUnknown => Self::OutcomeUnknown,
        }
    }

    /// The state's name, without its data.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Requested => "Requested",
            Self::Queued => "Queued",
            Self::Dialing => "Dialing",
            Self::Proceeding => "Proceeding",
            Self::Ringing => "Ringing",
            Self::EarlyMedia => "EarlyMedia",
            Self::Cancelling { .. } => "Cancelling",
            Self::Greeting => "Greeting",
            Self::Holding => "Holding",
            Self::Closing { .. } => "Closing",
            Self::Completed => "Completed",
            Self::Busy => "Busy",
            Self::NoAnswer => "NoAnswer",
            Self::Rejected => "Rejected",
            Self::InvalidNumber => "InvalidNumber",
            Self::Unreachable => "Unreachable",
            Self::Failed => "Failed",
            Self::Cancelled => "Cancelled",
            Self::Suppressed => "Suppressed",
            Self::OutcomeUnknown => "OutcomeUnknown",
        }
    }

    /// The superstates around it, outermost first. A test holds it against the machine.
    pub fn path(&self) -> &'static [&'static str] {
        match self {
            Self::Requested | Self::Queued => &["call", "open", "waiting"],
            Self::Dialing => &["call", "open", "listening", "inviting"],
            Self::Proceeding | Self::Ringing | Self::EarlyMedia => {
                &["call", "open", "listening", "inviting", "alerting"]
            }
            Self::Greeting | Self::Holding => &["call", "open", "listening", "connected"],
            Self::Cancelling { .. } | Self::Closing { .. } => &["call", "open"],
            _ => &["call", "ended"],
        }
    }

    /// Whether the terminal event has happened.
    pub fn is_ended(&self) -> bool {
        self.path().contains(&"ended")
    }
}
