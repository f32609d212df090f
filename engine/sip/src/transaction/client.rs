//! A request of ours that waits for its final answer (RFC 3261, 17.1.2).

use crate::ids::{self, Owner};
use crate::message::Method;
use crate::port::Peer;

use super::Repeat;

/// What an answer to a request of ours is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// Ends the try of that number.
    Cancel,
    /// Hangs up the dialog that the owner knows; the leg ends with its answer.
    Bye,
    /// Hangs up a dialog that nobody waits for.
    QuietBye,
    /// Confirms a reliable provisional.
    Prack,
    /// Carries a digit.
    Info,
    /// Changes the session as the owner ordered.
    Change,
    /// Keeps the session alive (RFC 4028).
    Refresh,
}

/// What the Via branch of a request is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Branch {
    /// One of its own, by its random part.
    Own(u64),
    /// That of the INVITE it belongs to, by the number of the try.
    OfTry(u8),
}

/// A request of ours and its repeats. Gone with its final answer, but an INVITE in the dialog:
/// that stays for the repeats of its answer, with the ACK in the place of the request.
#[derive(Debug)]
pub(crate) struct Ask {
    pub purpose: Purpose,
    pub method: Method,
    pub cseq: u32,
    pub branch: Branch,
    /// Which dialog it is in, by its place among the leg's.
    pub dialog: u8,
    /// Sent again with credentials already: once is enough.
    pub challenged: bool,
    pub to: Peer,
    pub bytes: Box<[u8]>,
    pub repeat: Repeat,
    /// An INVITE's final answer is here, and `bytes` is its ACK.
    pub acked: bool,
}

impl Ask {
    /// Whether a response with that branch and CSeq method answers it.
    pub fn is_answered_by(&self, owner: Owner, branch: &str, method: Method) -> bool {
        let Branch::Own(random) = self.branch else { return false };
        self.method == method && *ids::branch(owner, random) == *branch
    }
}
