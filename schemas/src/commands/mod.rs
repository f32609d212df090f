//! What others ask of us. Read from a topic, a request, a row of a list.
//!
//! [`Command::parse`] reads one JSON object as the contract writes it. Fields it does not know are
//! passed over; what it knows is bounded and normalised, and what it cannot accept is a
//! [`CommandRefusal`] that names the field and what belongs there.

pub(crate) mod bounds;
mod canonical;
mod fields;
mod parse;
mod refusal;
#[cfg(test)]
mod tests;

pub use refusal::CommandRefusal;

use crate::call::Priority;
use crate::{CallId, CommandId, Timestamp};
use std::collections::BTreeMap;

/// The largest command, in bytes of JSON. A command becomes an event, and an event's body is
/// bounded to [`crate::event::BODY_BYTES_MAX`].
pub const COMMAND_BYTES_MAX: usize = 48 * 1024;

/// A command that was understood.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// `PlaceCall`.
    PlaceCall(Box<PlaceCall>),
    /// `HangUpCall` or `CancelCall`.
    EndCall(EndCall),
}

/// A JSON object of strings, numbers and booleans, in the order of its names.
pub type Variables = BTreeMap<String, serde_json::Value>;

/// The most entries [`PlaceCall::variables`] may have.
pub const VARIABLES_MAX: usize = 64;
/// The most bytes of JSON [`PlaceCall::variables`] may take.
pub const VARIABLES_BYTES_MAX: usize = 16 * 1024;

/// Call somebody. Refused by a rule it still makes a call, one that ends as `suppressed`.
#[derive(Clone, PartialEq, Debug)]
pub struct PlaceCall {
    /// The caller's name for it; a repeat of the same command changes nothing.
    pub command_id: CommandId,
    /// Whom: E.164, or a dial string that the gateway takes; normalised.
    pub phone: String,
    /// The number to show.
    pub caller_id: Option<String>,
    /// The one gateway to use; any when absent.
    pub gateway: Option<String>,
    /// A campaign of the configuration.
    pub campaign: Option<String>,
    /// A script of the configuration.
    pub script: Option<String>,
    /// What to play after the answer.
    pub prompt: Option<String>,
    /// Whether to record both directions.
    pub record: bool,
    /// How long it may ring, from the first provisional answer; a default when absent.
    pub ring_timeout_ms: Option<u32>,
    /// How long the answered call may last; a default when absent.
    pub max_talk_ms: Option<u32>,
    /// How many calls the command may have; one when absent.
    pub max_attempts: Option<u16>,
    /// How long after its end the next call is due; by the outcome's rule when absent.
    pub redial_after_ms: Option<u32>,
    /// Who goes first when capacity is short.
    pub priority: Priority,
    /// Not to be dialled before.
    pub not_before: Option<Timestamp>,
    /// Not to be dialled after: then it ends as `suppressed`.
    pub deadline: Option<Timestamp>,
    /// The caller's own data, given back in the record.
    pub variables: Variables,
}

/// End a live call, or one that has not been answered.
#[derive(Clone, PartialEq, Debug)]
pub struct EndCall {
    /// The caller's name for this command.
    pub command_id: CommandId,
    /// Which call: the first one of `of`, when the command names that.
    pub call: CallId,
    /// The command whose call is meant, whichever of its calls is live.
    pub of: Option<CommandId>,
    /// Whether only a call that has not been answered is meant (`CancelCall`).
    pub only_unanswered: bool,
}
