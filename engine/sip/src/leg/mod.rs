//! A leg: one INVITE dialog with one gateway, from the order to dial to the terminal report, and
//! for 64*T1 after it.
//!
//! ```text
//! Resolving ─► Inviting ─► Answered ─► Up ─► Closing ─► Over
//!     └───────────┴────────────┴───────┴───────────────►┘
//! ```
//!
//! [`Leg::end`] is the one place that reports an end and enters `Over`. A leg that is over answers
//! what still comes: it acknowledges repeated finals, acknowledges and hangs up a late 2xx, cancels
//! a try that rings after we gave it up.
//!
//! - `invite`: sends the INVITE, again, anew, to the next address.
//! - `progress`, `answer`, `refusal`: what comes back.
//! - `cancel`: ends a try. `inside`: our requests in the dialog. `served`: theirs.
//! - `change`: changes of ours. `theirs`: changes of theirs. `session`: session timers.
//! - `head`: what stays the same, and how messages are written from it.

mod answer;
mod cancel;
mod change;
mod head;
mod inside;
mod invite;
mod orphan;
mod progress;
mod refusal;
mod served;
mod session;
mod theirs;
mod tries;

use std::time::Duration;

use smallvec::SmallVec;

use crate::auth::Authorizations;
use crate::dialog::{Dialog, Way};
use crate::message::{Message, Method, Name};
use crate::port::{LegId, Peer, Reason, SipHeard};
use crate::shared::Shared;
use crate::transaction::{Ask, Purpose, Served};
use mutants::mutant;

use change::Talk;
use head::Head;
use invite::Inviting;
use orphan::Left;
use tries::Try;

/// The most dialogs that one INVITE may make. Forks of a carrier are two or three; a 2xx of one
/// more is not acknowledged, and its callee gives up by itself.
const DIALOGS_MAX: usize = 8;
/// The most requests of ours that wait for an answer at a time. Only reliable provisionals can ask
/// for more: they are confirmed when they come again.
const ASKS_MAX: usize = 16;
/// The most provisional answers of one leg that are told. A call has five; what comes after these
/// is noise, and each would be stored.
const TOLD_MAX: u8 = 32;
/// The most requests of theirs that are kept for their repeats; the oldest go first.
const SERVED_MAX: usize = 8;

/// Where a leg is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// Waits for the addresses of its gateway.
    Resolving,
    /// The INVITE is out and has no final answer.
    Inviting,
    /// A 2xx was handed up and waits for `Accept`.
    Answered,
    /// Acknowledged.
    Up,
    /// Our BYE is out.
    Closing,
    /// The terminal report is out.
    Over,
}

/// A wish to end, remembered until it can be carried out.
#[derive(Debug)]
enum Wish {
    /// CANCEL, as soon as a 1xx is here (RFC 3261, 9.1).
    Cancel,
    /// BYE, as soon as the answer is accepted.
    Bye,
}

/// What we answer challenges with.
#[derive(Debug, Default)]
struct Login {
    known: Authorizations,
    /// The credentials of the INVITE that was answered, for its ACK.
    of_answered: Vec<(Name, Box<str>)>,
}

/// One leg.
#[derive(Debug)]
pub(crate) struct Leg {
    head: Head,
    phase: Phase,
    /// The status of the 2xx that was handed up.
    answered_with: u16,
    wish: Option<Wish>,
    /// What a CANCEL or BYE says why.
    reason: Option<Box<Reason>>,
    /// Every INVITE transaction of this leg, in order: the last is the current one.
    tries: SmallVec<[Try; 1]>,
    /// What only matters until there is a final answer.
    inviting: Option<Box<Inviting>>,
    dialogs: SmallVec<[Dialog; 1]>,
    asks: Vec<Ask>,
    served: Vec<Served>,
    talk: Option<Box<Talk>>,
    /// What there is to know once a gateway has challenged us.
    login: Option<Box<Login>>,
    /// What an earlier process left open: this leg only ends it.
    left: Option<Box<Left>>,
    /// When the phase has lasted too long.
    patience: Option<Duration>,
    /// Once it is over, kept until then.
    linger: Duration,
    /// It was counted among those that have business.
    counted: bool,
}

impl Leg {
    pub fn id(&self) -> LegId {
        self.head.id
    }

    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Tells once when it begins to have business (true) and when it has none any more: its
    /// terminal report is out, and no CANCEL or BYE waits for its answer.
    pub fn begins_or_ends_business(&mut self) -> Option<bool> {
        use Purpose::{Bye, Cancel, QuietBye};
        let ends = |ask: &Ask| matches!(ask.purpose, Bye | Cancel | QuietBye);
        let busy = self.phase != Phase::Over || self.asks.iter().any(ends);
        (std::mem::replace(&mut self.counted, busy) != busy).then_some(busy)
    }

    /// When to call [`Leg::on_timeout`].
    pub fn deadline(&self) -> Option<Duration> {
        let inviting = self.inviting.as_ref().and_then(|i| i.repeat).map(|r| r.deadline());
        let asks = self.asks.iter().map(|ask| ask.repeat.deadline()).min();
        let served = self.served.iter().map(Served::deadline).min();
        let talk = self.talk.as_ref().and_then(|talk| talk.deadline());
        let idle = asks.is_none() && served.is_none();
        let linger = (self.phase == Phase::Over && idle).then_some(self.linger);
        [inviting, self.patience, asks, served, talk, linger].into_iter().flatten().min()
    }

    /// Nothing can come any more that we would answer otherwise than for a leg we do not know.
    pub fn is_spent(&self, now: Duration) -> bool {
        self.phase == Phase::Over
            && !mutant!("keeps legs")
            && self.linger <= now
            && self.asks.is_empty()
            && self.served.is_empty()
    }

    /// Does what is due. May be called too early or twice.
    pub fn on_timeout(&mut self, shared: &mut Shared) {
        if self.patience.is_some_and(|until| until <= shared.now) {
            self.patience = None;
            self.on_impatience(shared);
        }
        self.repeat_invite(shared);
        self.repeat_asks(shared);
        self.repeat_served(shared);
        self.on_talk_timeout(shared);
    }

    fn on_impatience(&mut self, shared: &mut Shared) {
        match self.phase {
            Phase::Resolving => self.refuse_for_name(shared, "the resolver did not answer".into()),
            // A CANCEL was sent 64*T1 ago, and the INVITE has no final (RFC 3261, 9.1).
            Phase::Inviting => {
                self.end(shared, SipHeard::Cancelled { leg: self.head.id, status: None })
            }
            Phase::Answered => self.hang_up_unaccepted(shared),
            Phase::Up | Phase::Closing | Phase::Over => {}
        }
    }

    /// Reports the end and lets go of what was only needed before it.
    fn end(&mut self, shared: &mut Shared, heard: SipHeard) {
        debug_assert!(self.phase != Phase::Over, "a leg ends once: {heard:?}");
        if self.phase == Phase::Over {
            return;
        }
        // After an answered BYE nothing comes but its repeats; all else may be followed by a 2xx.
        let keep = match heard {
            SipHeard::Closed { .. } => shared.options.t4,
            _ => shared.options.transaction(),
        };
        self.linger = self.linger.max(shared.now + keep);
        if self.phase == Phase::Resolving {
            let waiting = &mut shared.gateways[usize::from(self.head.gateway)].waiting;
            waiting.retain(|leg| *leg != self.head.id);
        }
        self.phase = Phase::Over;
        self.abandon_tries(shared, None);
        self.refuse_open(shared);
        self.drop_early();
        self.inviting = None;
        self.talk = None;
        self.reason = None;
        self.patience = None;
        shared.tell(heard);
    }

    /// Whether a message for this leg may come from `from`: its gateway's addresses, where its
    /// dialogs send to, and where its INVITE went.
    ///
    /// The port does not count. Gateways answer from other ports than they listen on; who can send
    /// from that address and knows 64 random bits of ours sees our messages anyway.
    pub fn may_come_from(&self, shared: &Shared, from: Peer) -> bool {
        let ip = from.address.ip();
        shared.gateways[usize::from(self.head.gateway)].has_address(ip)
            || self.dialogs.iter().any(|dialog| dialog.peer.address.ip() == ip)
            || self.tries.iter().any(|try_| try_.peer.address.ip() == ip)
    }

    /// Takes a response whose branch names this leg. False when it answers nothing of ours.
    pub fn on_response(
        &mut self,
        shared: &mut Shared,
        from: Peer,
        message: &Message<'_>,
        status: u16,
    ) -> bool {
        let (_, method) = message.cseq();
        // A response may lack a From that can be read; a wrong one is not ours.
        let ids = &self.head.ids;
        let same_tag = message.from_tag().is_none_or(|tag| tag == ids.from_tag);
        if message.call_id() != ids.call_id || !same_tag {
            return false;
        }
        let via = message.top_via();
        let Some(branch) = via.branch() else { return false };
        let Some(at) = self.try_of(branch) else {
            return self.on_inside_response(shared, message, branch, status);
        };
        shared.learn_address(self.head.gateway, from.transport, message);
        match (method, status) {
            (Method::Invite, ..200) => self.on_progress(shared, at, message, status),
            (Method::Invite, 200..300) => self.on_answer(shared, at, message, status),
            (Method::Invite, _) => self.on_refusal(shared, at, message, status),
            // It says nothing about the call (checklist 14), only that it need not be repeated.
            (Method::Cancel, 200..) => self.forget_cancel(at, Some(from)),
            (Method::Cancel, _) => {}
            _ => return false,
        }
        true
    }

    /// The way the INVITE of a try went.
    fn way(&self, shared: &Shared, of_try: u8) -> Way {
        let gateway = &shared.gateways[usize::from(self.head.gateway)];
        let peer = self.tries.get(usize::from(of_try)).map(|try_| try_.peer);
        let nobody = Peer {
            transport: gateway.config.transport,
            address: std::net::SocketAddr::from(([0, 0, 0, 0], 0)),
        };
        Way { peer: peer.or(gateway.peers().next()).unwrap_or(nobody) }
    }

    /// The addresses that its dialogs send to are no longer wanted.
    pub fn part(&mut self, shared: &mut Shared) {
        for at in 0..self.dialogs.len() {
            self.part_from(shared, at);
        }
    }
}
