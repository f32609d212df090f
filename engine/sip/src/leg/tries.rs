//! The tries of a leg: one INVITE transaction each.

use crate::message::{Builder, Name};
use crate::port::Peer;

/// The number of a try is its hop (which address) and its turn (which CSeq), so that a process that
/// comes after can name all of them from the first branch.
pub(super) const TURNS: u8 = 16;
/// One INVITE transaction.
#[derive(Debug)]
pub(super) struct Try {
    /// Hop times [`TURNS`] plus turn: the number of its branch.
    pub no: u8,
    pub cseq: u32,
    pub peer: Peer,
    /// Its Request-URI, when a redirection changed it.
    pub uri: Option<Box<str>>,
    /// A 1xx came: it may be cancelled.
    pub heard: bool,
    /// Our CANCEL is out.
    pub cancelled: bool,
    /// It has its final answer.
    pub over: bool,
}

/// What an INVITE asks for beside the call.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wants {
    /// Session-Expires in seconds (RFC 4028).
    pub session: Option<u32>,
    /// Min-SE, after a 422 told it.
    pub min_se: Option<u32>,
    /// Session timers are not offered: a 420 named them.
    pub no_timer: bool,
    /// Reliable provisionals are not offered: a 420 named them.
    pub no_reliable: bool,
}

impl Wants {
    pub fn add_to(&self, invite: &mut Builder<'_>) {
        match (self.no_reliable, self.no_timer) {
            (false, false) => invite.header(Name::Supported, "100rel, timer"),
            (false, true) => invite.header(Name::Supported, "100rel"),
            (true, false) => invite.header(Name::Supported, "timer"),
            (true, true) => invite,
        };
        if let Some(seconds) = self.session.filter(|_| !self.no_timer) {
            invite.header(Name::SessionExpires, seconds);
            if let Some(min_se) = self.min_se {
                invite.header(Name::MinSe, min_se);
            }
        }
    }
}
