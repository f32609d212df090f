//! What only a call that is not over needs.

use super::own::Asked;
use super::repeat::Repeat;
use super::sdp::{Theirs, Version};
use super::within::Reinvited;
use super::write::{Echo, Incoming};
use crate::callee::{Callee, Plan, Sound};
use sip::message::Name;
use sip::port::Peer;
use smallvec::SmallVec;
use std::net::SocketAddr;
use std::time::Duration;

/// What only a call that is not over needs.
#[derive(Debug)]
pub(super) struct Live {
    pub peer: Peer,
    pub callee: Callee,
    pub echo: Echo,
    /// The INVITE: what a request of ours says of the caller stands there.
    pub invite: Box<[u8]>,
    /// How many Record-Route of our own stand in our 2xx.
    pub own_routes: usize,
    pub takes_100rel: bool,
    /// The caller's SDP, and our RTP address once there is one.
    pub audio: Option<Theirs>,
    pub local: Option<SocketAddr>,
    pub streaming: bool,
    /// What is to be heard, once there is a stream.
    pub sound: Option<Sound>,
    pub challenges: String,
    /// How many bodies were sent: their version.
    pub bodies: u32,
    /// The last provisional, or the final that is no 2xx: what a repeat of the INVITE gets.
    pub last: Vec<u8>,
    pub refusal: Option<Repeat>,
    pub reliable: Option<Reliable>,
    pub rseq: u32,
    pub dialogs: SmallVec<[Dialog; 1]>,
    pub asked: Option<Asked>,
    pub own_cseq: u32,
    /// The ACK of our last re-INVITE, for repeats of its 200.
    pub last_ack: Option<(u32, Vec<u8>)>,
    pub reinvited: Option<Reinvited>,
    pub glared: bool,
    pub cancelled: Option<Duration>,
    pub told_too_long: bool,
}

/// A 2xx and the dialog that it made.
#[derive(Debug)]
pub(super) struct Dialog {
    pub fork: u8,
    pub ok: Vec<u8>,
    /// Runs until the ACK.
    pub repeat: Option<Repeat>,
    pub acked: bool,
    pub closed: bool,
    /// The highest CSeq of the caller's in it.
    pub remote_cseq: u32,
}

/// A provisional that waits for its PRACK (RFC 3262).
#[derive(Debug)]
pub(super) struct Reliable {
    pub rseq: u32,
    pub bytes: Vec<u8>,
    pub repeat: Repeat,
}

impl Live {
    /// Of a new INVITE. `challenges` are the headers of a 401 or 407.
    pub fn new(
        request: &Incoming<'_>,
        audio: Option<Theirs>,
        plan: Plan,
        challenges: String,
    ) -> Self {
        Self {
            peer: request.peer,
            callee: Callee::new(plan),
            echo: Echo::of(request),
            invite: request.bytes.into(),
            own_routes: 0,
            takes_100rel: [Name::Supported, Name::Require]
                .into_iter()
                .any(|name| request.lists(name, "100rel")),
            audio,
            local: None,
            streaming: false,
            sound: None,
            challenges,
            bodies: 0,
            last: Vec::new(),
            refusal: None,
            reliable: None,
            rseq: 0,
            dialogs: SmallVec::new(),
            asked: None,
            own_cseq: 0,
            last_ack: None,
            reinvited: None,
            glared: false,
            cancelled: None,
            told_too_long: false,
        }
    }

    /// Names the next body.
    pub fn next_version(&mut self, serial: u64) -> Version {
        self.bodies += 1;
        Version { session: serial, version: self.bodies }
    }

    /// Since when nothing more will come of it from either side: no answer was sent and none will
    /// be, or it was cancelled and the callee does not care. The caller gives up after 64*T1.
    pub fn abandoned(&self, born: Duration) -> Option<Duration> {
        let idle = self.callee.due().is_none() && self.dialogs.is_empty();
        let since = if self.last.is_empty() { Some(born) } else { self.cancelled };
        since.filter(|_| idle && self.refusal.is_none())
    }
}
