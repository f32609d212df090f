//! What a switchboard hears, and what it wants done.

use crate::{BatchId, GiveUp, PartitionNews, TakenOver};
use campaign::{Batch, Item};
use media::port::{MediaHeard, MediaOrder};
use schemas::call::CallEnded;
use schemas::commands::{EndCall, PlaceCall};
use schemas::{CallId, Revision};
use sip::port::{SipHeard, SipOrder};
use store::{AppendError, Appended};

/// Names a command to whoever gave it, until its answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticket(pub u64);

/// A batch that runs here, by its place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BatchIndex(pub usize);

/// Everything that can make a switchboard do something.
#[derive(Debug)]
pub enum Input {
    /// Somebody wants a call.
    Place(Ticket, Box<PlaceCall>),
    /// Somebody wants a call to end.
    End(Ticket, EndCall),
    /// A batch is to run; the id of its stream.
    RunBatch(Box<Batch>, [u8; 16]),
    /// The items of a stretch of a batch's stream, and the revision after it.
    ItemsRead(BatchIndex, Vec<Item>, Revision),
    /// The first event of a call that a command was repeated for: its fingerprint, or nothing
    /// when there is no such call.
    FirstRead(CallId, Option<[u8; 8]>),
    /// A SIP leg has something to tell.
    Sip(SipHeard),
    /// A media stream has something to tell.
    Media(MediaHeard),
    /// A batch was appended: the result of each append, in order.
    Durable(BatchId, Vec<Result<Appended, AppendError>>),
    /// A command that came in a partition of the work. It waits while that is being taken over, and
    /// is answered as [`Answer::NotOurs`] when it is not ours.
    Of(u32, Box<Input>),
    /// Serve a partition.
    Take(u32),
    /// The answer to [`Output::TakeOver`].
    TakenOver(Box<TakenOver>),
    /// The other one: it could not be had; why, for people.
    NotTaken(u32, String),
    /// Serve a partition no more.
    GiveUp(u32, GiveUp),
    /// Another node has taken a partition over, with this epoch.
    Lost(u32, u64),
    /// Start no more calls of any batch; what is up goes on.
    Drain,
    /// End every call: cancel what rings, hang up what talks.
    ShutDown,
    /// Nothing but the time.
    Tick,
}

/// What a switchboard wants done.
#[derive(Debug)]
pub enum Output {
    /// An order for the SIP user agent.
    Sip(SipOrder),
    /// An order for the media plane.
    Media(MediaOrder),
    /// Read a stretch of a batch's stream, and answer with [`Input::ItemsRead`].
    ReadItems {
        /// Which batch.
        batch: BatchIndex,
        /// The id of its stream.
        stream: [u8; 16],
        /// From this revision on.
        from: Revision,
        /// So many events.
        limit: u32,
    },
    /// Read the first event of a call, and answer with [`Input::FirstRead`].
    ReadFirst(CallId),
    /// Take a partition over in the store, and answer with [`Input::TakenOver`] or
    /// [`Input::NotTaken`].
    TakeOver(u32),
    /// What became of a partition.
    Partition(u32, PartitionNews),
    /// The answer to a command. What it says is durable.
    Answer(Ticket, Answer),
    /// A call ended; for whoever watches.
    Ended(CallId, Box<CallEnded>),
    /// Storage is broken: stop the process.
    Stop(String),
}

/// What became of a command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// It is durable, as this call.
    Accepted(CallId),
    /// The same command was there before, as this call.
    Repeated(CallId),
    /// Another command has this id.
    Conflict(CallId),
    /// The call has ended, or never was.
    NoSuchCall(CallId),
    /// It asks for what the configuration does not have; why, for people.
    Refused(String),
    /// Nothing was done with it: the engine is stopping. Whoever gave it keeps it.
    Stopping,
    /// Nothing was done with it: another node has taken over what it is about. Whoever gave it
    /// keeps it.
    NotOurs,
}
