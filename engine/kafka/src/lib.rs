//! Commands in, events out: the only crate that knows Kafka.
//!
//! - [`Service`]: all of it, on threads of its own, until it is stopped.
//! - `hop`: brings each command to the topic of work, keyed by its callee.
//! - `work`: hands the commands of our partitions to the engine, and commits what is durable.
//! - `relay`: tells the log to the topic of events, exactly once where the brokers have
//!   transactions.
//! - [`dead`]: what could not be read or accepted, kept and re-driven.
//! - [`plain`]: a producer and a consumer as anybody would write them, to show the topics.
//! - [`topics`]: makes the topics, and looks whether they are as they must be.
//!
//! Offsets prove nothing here: a command that comes twice is recognised by its `command_id`, an
//! event that is told twice by its sequence. So whatever goes wrong with a broker, a thread starts
//! again from what was committed.

mod checkpoint;
mod claims;
mod counts;
pub mod dead;
mod error;
mod handover;
mod headers;
mod hop;
mod intake;
mod lead;
mod offsets;
mod options;
mod partitioner;
pub mod plain;
mod relay;
mod remembered;
mod resume;
mod service;
mod stop;
mod tell;
pub mod topics;
mod work;

pub use counts::Counts;
pub use error::Error;
pub use options::{Options, Partitions, Password, Security, Topics};
pub use partitioner::partition_of;
pub use service::{Parts, Service};
pub use tell::SOURCE;

use schemas::commands::Command;
use schemas::{CallId, CalleeKey, CommandId};

/// What became of a command that was handed to the engine. What it says is durable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It was taken.
    Taken,
    /// The same command was there before.
    Repeated,
    /// Another command has this id.
    Conflict,
    /// For a call that has ended or never was.
    NoSuchCall,
    /// It asks for what the configuration does not have; why, for people.
    Refused(String),
    /// Nothing was done: the engine is stopping.
    Stopping,
}

/// Why a command was not taken in now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Busy {
    /// There is no room: the same again, later.
    Full,
    /// The engine is stopping.
    Stopping,
}

/// Hears what became of a command, on a thread that must not wait.
pub type Reply = Box<dyn FnOnce(Verdict) + Send>;

/// The engine, as commands from topics meet it.
pub trait Desk: Send + Sync {
    /// Whose number this is, normalised.
    fn callee_of(&self, phone: &str) -> CalleeKey;

    /// Whose call this is; `None` when the log has no such call.
    ///
    /// # Errors
    /// The log cannot be read; why, for people.
    fn callee_of_call(&self, call: CallId) -> Result<Option<CalleeKey>, String>;

    /// Hands a command in that stood in a partition which nodes share, if in any. `cancelled_by` is a
    /// command that came before it and wants its call ended: then it ends without having been
    /// dialled. `reply` is called once, unless this refuses.
    ///
    /// # Errors
    /// [`Busy`]: nothing was done.
    fn submit(
        &self,
        command: Command,
        cancelled_by: Option<CommandId>,
        partition: Option<u32>,
        reply: Reply,
    ) -> Result<(), Busy>;

    /// Serves partitions of the work from now on, which the group has given us. Commands of them
    /// that are handed in wait until they are there.
    fn own(&self, partitions: &[u32]);

    /// Serves partitions no more: what was dialled goes on to its end first, or is hung up, `at_once`.
    fn give_up(&self, partitions: &[u32], at_once: bool);

    /// The partitions of which nothing is left here, of those that were told since it was asked
    /// last.
    fn given_up(&self) -> Vec<u32>;
}
