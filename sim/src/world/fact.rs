//! What a world tells its checkers, as it happens.

use crate::ledger::Entry;
use crate::world::glimpse::Glimpse;
use crate::world::node::Held;
use crate::world::plan::Boundary;
use call::Call;
use schemas::call::{CallEnded, CallEvent};
use schemas::commands::PlaceCall;
use schemas::{CallId, CalleeKey, Recorded};
use std::net::SocketAddr;
use store::Reader;
use switchboard::Answer;

/// Something that happened in a world.
pub enum Fact<'a> {
    /// A command is handed to the engine, for the `nth` time (from 1).
    Given(&'a PlaceCall, u32),
    /// The engine answered a command.
    Answered(&'a PlaceCall, &'a Answer),
    /// An event of a call is durable.
    Durable(&'a Recorded<CallEvent>),
    /// The engine told that a call ended.
    Ended(CallId, &'a CallEnded),
    /// A message left the engine.
    Left {
        /// Whereto.
        to: SocketAddr,
        /// What stands on it.
        glimpse: &'a Glimpse<'a>,
    },
    /// The network told the engine that a peer cannot be reached.
    Unreachable(SocketAddr),
    /// A message reached the engine.
    Arrived {
        /// Where from.
        from: SocketAddr,
        /// What stands on it.
        glimpse: &'a Glimpse<'a>,
    },
    /// A carrier closed its book on an INVITE.
    Booked {
        /// Which carrier, by its place.
        gateway: usize,
        /// What it knows of it.
        entry: &'a Entry,
    },
    /// The engine is up again, with so many calls left open.
    Started {
        /// Which process it is, from 1.
        life: u32,
        /// Calls that the one before left open.
        unfinished: usize,
    },
    /// A moment to look at what is in memory and in the log.
    Looked {
        /// What is durable.
        log: &'a dyn Reader,
        /// Every call that has not ended and has no event on its way.
        calls: &'a [(CallId, &'a Call)],
        /// What the node holds.
        held: &'a Held,
    },
    /// The engine has hung up what was up of a partition that it may not have any more.
    Dropped,
    /// An event became visible in its topic.
    Told {
        /// Its key.
        callee: CalleeKey,
        /// Of which call.
        call: CallId,
        /// Its number in the call.
        sequence: u32,
    },
    /// The engine is gone.
    Gone(&'a Gone),
}

/// How an engine came to its end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Gone {
    /// It died in the middle of its work.
    Died {
        /// Before what.
        before: Boundary,
        /// With the whole machine.
        power: bool,
    },
    /// It stopped itself, since its storage broke.
    Broken(String),
    /// It was told to stop, and did.
    Stopped,
}
