//! What an earlier process left open, ended from the values that were kept durably alone.
//!
//! Before an answer: CANCEL, for the first INVITE and for each that may have followed it (with
//! credentials, to the next address), since the values name only the first. Whatever final comes is
//! acknowledged, and a 2xx hung up. After an answer: ACK, which the earlier process may not have
//! sent, and BYE.

use crate::dialog::{Dialog, State};
use crate::port::{LegId, Orphan, RemoteDialog, SipHeard};
use crate::shared::Shared;
use crate::transaction::Purpose;

use super::head::Head;
use super::tries::{TURNS, Try};
use super::{Leg, Phase, Wish};

/// The most INVITEs that one orphan is cancelled for.
const CANCELS_MAX: usize = 12;
/// The repeats with credentials that an orphan may have got to: a challenge, and a stale nonce.
const TURNS_WITH_CREDENTIALS: u8 = 3;
/// What the earlier process may have added to the CSeq of its INVITE since: a BYE must be above
/// (RFC 3261, 12.2.2), and gaps are allowed.
const CSEQ_AHEAD: u32 = 1 << 16;

/// What was left.
#[derive(Debug)]
pub(super) struct Left {
    answered: Option<RemoteDialog>,
}

impl Leg {
    /// A leg for what was left open. When its values cannot be sent any more, it is reported as
    /// ended.
    pub fn of_orphan(shared: &mut Shared, orphan: Orphan) -> Option<Self> {
        let Orphan { leg, gateway, ids, to, from, answered } = orphan;
        // The gateway may have left the configuration since.
        let known = usize::from(gateway.0) < shared.gateways.len();
        let head = known.then(|| Head::new(shared, leg, gateway.0, ids, &to, from.as_deref()));
        let Some(Ok(head)) = head else {
            shared.tell(ended(leg, answered.is_some()));
            return None;
        };
        Some(Self {
            left: Some(Box::new(Left { answered })),
            patience: Some(shared.in_a_transaction()),
            ..Self::empty(head)
        })
    }

    /// The text that finds this leg when the leg in its branch and tag is another process's.
    pub fn orphan_tag(&self) -> Option<&str> {
        self.left.as_ref().map(|_| &*self.head.ids.from_tag)
    }

    /// Sends what ends it.
    pub(super) fn close_left(&mut self, shared: &mut Shared) {
        let Some(left) = &mut self.left else { return };
        let answered = left.answered.take();
        self.patience = Some(shared.in_a_transaction());
        self.guess_tries(shared, answered.is_some());
        match answered {
            Some(remote) => {
                self.phase = Phase::Closing;
                let way = self.way(shared, 0);
                self.dialogs.push(Dialog::of_values(&remote, way));
                self.befriend(shared, 0);
                self.acknowledge(shared, 0);
                let dialog = &mut self.dialogs[0];
                dialog.state = State::Closed;
                dialog.local_cseq = dialog.local_cseq.saturating_add(CSEQ_AHEAD);
                if !self.bye(shared, 0, Purpose::Bye) {
                    self.leave(shared);
                }
            }
            None => {
                self.phase = Phase::Inviting;
                self.wish = Some(Wish::Cancel);
                for at in 0..self.tries.len() {
                    self.cancel_try(shared, at);
                }
            }
        }
    }

    /// Every INVITE that there may have been. Whether a 1xx came to one is not known; it was long
    /// ago, so a CANCEL does not overtake it.
    fn guess_tries(&mut self, shared: &Shared, over: bool) {
        let gateway = &shared.gateways[usize::from(self.head.gateway)];
        let peers: Vec<_> = gateway.peers().collect();
        let turns = if gateway.config.credentials.is_some() { TURNS_WITH_CREDENTIALS } else { 1 };
        // The order of addresses may have changed since: each hop may have gone to each of them.
        let hops = 0..peers.len().min(usize::from(u8::MAX / TURNS));
        for hop in hops {
            for turn in 0..turns {
                for &peer in &peers {
                    if self.tries.len() == CANCELS_MAX {
                        return;
                    }
                    let no = hop as u8 * TURNS + turn;
                    let cseq = self.head.ids.cseq + u32::from(turn);
                    let uri = None;
                    self.tries.push(Try {
                        no,
                        cseq,
                        peer,
                        uri,
                        heard: true,
                        cancelled: false,
                        over,
                    });
                }
            }
        }
    }

    /// There is no way to reach it.
    pub(super) fn leave(&mut self, shared: &mut Shared) {
        let answered = self.left.as_ref().is_some_and(|left| left.answered.is_some());
        let answered = answered || self.phase == Phase::Closing;
        self.end(shared, ended(self.head.id, answered));
    }
}

fn ended(leg: LegId, answered: bool) -> SipHeard {
    if answered { SipHeard::Closed { leg } } else { SipHeard::Cancelled { leg, status: None } }
}
