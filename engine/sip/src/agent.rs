//! The user agent: orders and messages in, messages and news out.
//!
//! Feed it with [`UserAgent::order`], [`UserAgent::receive`] and [`UserAgent::handle_timeout`];
//! after each, take everything from [`UserAgent::poll_output`], and wait until
//! [`UserAgent::poll_timeout`] at the latest. It reads no clock, opens no socket, and throws only
//! the dice it was given: the same inputs give the same outputs.
//!
//! ```
//! use std::time::Duration;
//! use sip::port::{GatewayConfig, Output, SipOrder};
//! use sip::{Options, UserAgent};
//!
//! # fn shell(gateway: GatewayConfig, order: SipOrder, bytes: &[u8], from: sip::port::Peer) {
//! let options = Options::new("192.0.2.10:5060".parse().unwrap(), vec![gateway]);
//! let mut agent = UserAgent::new(options, [7; 32]); // a secret seed
//! let now = Duration::from_millis(1234); // since the start
//! agent.order(now, order);
//! agent.receive(now, from, bytes);
//! agent.handle_timeout(now);
//! while let Some(output) = agent.poll_output() {
//!     match output {
//!         Output::Transmit { to: _, bytes: _ } => {} // put on the wire
//!         Output::Resolve { .. } => {}               // ask DNS, and call `resolved`
//!         Output::Heard(_) => {}                     // tell the call
//!     }
//! }
//! let _wait_until = agent.poll_timeout();
//! # }
//! ```
//!
//! # Whom it listens to
//!
//! To the addresses of its gateways (all that their names lead to now, and lately did), and to those
//! that a live dialog sends to: carriers send requests in a dialog from the host of their Contact or
//! of the first Record-Route. A datagram from anywhere else is dropped unread. A message for a call
//! must come from that call's own gateway or dialog, and have our branch, tag and Call-ID right. The
//! port does not count: gateways send from other ports than they listen on, and a stranger who can
//! send from the address can choose the port.
//!
//! # Which way it sends
//!
//! The INVITE goes to the addresses of the gateway in their order; those that did not answer lately
//! come last. What follows in the dialog goes where its first Route, else its Contact, says; a name
//! that is not an address, and an address that cannot be reached from here, go the way of the INVITE;
//! a connection is used on. Answers go back the way their request came.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::counters::Counters;
use crate::ids;
use crate::leg::{Leg, Phase};
use crate::legs::Legs;
use crate::message::{Message, parse};
use crate::options::Options;
use crate::outside;
use crate::port::{
    Dial, GatewayId, LegId, Output, Peer, Refusal, RefusalSource, SipHeard, SipOrder, Targets,
    Transport,
};
use crate::shared::Shared;
use crate::timer::Timers;
use crate::watch::{self, Watches};

/// Timer items below this are gateways, those from it on legs.
const GATEWAYS_MAX: u32 = 1024;
/// At most this often all legs are looked through for those that a failed transport concerns: a
/// dead gateway reports an error for each datagram.
const SWEEP_EVERY: Duration = Duration::from_millis(100);
/// Failed ways that wait for that. More are passed over; the timers of their legs still run.
const FAILED_MAX: usize = 64;
/// The timer item of the next sweep.
const SWEEP: u32 = GATEWAYS_MAX - 1;

/// A SIP user agent for outbound calls. See the module for how to drive it.
pub struct UserAgent {
    shared: Shared,
    legs: Legs<Leg>,
    timers: Timers,
    watches: Watches,
    /// Orphans by our tag: the leg that stands in it is of another process.
    orphans: BTreeMap<Box<str>, u32>,
    failed: Vec<(Peer, String)>,
    swept: Option<Duration>,
}

impl UserAgent {
    /// A user agent with these options, and the seed of its dice: it must be secret, and another
    /// one after each start.
    ///
    /// # Panics
    /// With more than 1000 gateways.
    pub fn new(options: Options, seed: [u8; 32]) -> Self {
        assert!(options.gateways.len() < SWEEP as usize, "1000 gateways are enough");
        let mut shared = Shared::new(options, seed);
        let watches = Watches::begin(&mut shared);
        let mut agent = Self {
            shared,
            legs: Legs::default(),
            timers: Timers::default(),
            watches,
            orphans: BTreeMap::new(),
            failed: Vec::new(),
            swept: None,
        };
        for gateway in 0..agent.shared.gateways.len() as u16 {
            agent.settle_gateway(gateway);
        }
        agent
    }

    /// Takes an order. One that has no use where its leg is, is counted and forgotten.
    pub fn order(&mut self, now: Duration, order: SipOrder) {
        self.shared.now = now;
        match order {
            SipOrder::Dial(dial) => self.dial(*dial),
            SipOrder::CloseOrphan(orphan) => {
                if let Some(leg) = Leg::of_orphan(&mut self.shared, *orphan) {
                    self.begin(leg);
                }
            }
            SipOrder::Accept(leg) => self.with_leg(leg, |leg, shared| leg.order_accept(shared)),
            SipOrder::Cancel(leg, reason) => {
                self.with_leg(leg, |leg, shared| leg.order_cancel(shared, reason));
            }
            SipOrder::AnswerReinvite(leg, sdp) => {
                self.with_leg(leg, |leg, shared| leg.order_answer(shared, sdp));
            }
            SipOrder::Reinvite(leg, sdp) => {
                self.with_leg(leg, |leg, shared| leg.order_reinvite(shared, sdp));
            }
            SipOrder::Bye(leg, reason) => {
                self.with_leg(leg, |leg, shared| leg.order_bye(shared, reason));
            }
            SipOrder::SendInfo(leg, body) => {
                self.with_leg(leg, |leg, shared| leg.order_info(shared, body));
            }
        }
    }

    fn dial(&mut self, dial: Dial) {
        let full = self.legs.len() >= self.shared.options.legs_max;
        let known = usize::from(dial.gateway.0) < self.shared.gateways.len();
        // The last numbers are those of the gateways' own transactions.
        let reserved = watch::gateway_of(&self.shared, dial.leg).is_some();
        if full || reserved || !known {
            let why = if full { "too many legs" } else { "no such gateway or leg" };
            let refusal = Refusal::local(RefusalSource::Unsendable, why.into()).into();
            return self.shared.tell(SipHeard::Refused { leg: dial.leg, refusal });
        }
        // A second order of that name is a mistake of ours, and must not become a second call.
        if self.legs.find(dial.leg).is_some() {
            self.shared.counters.orders_ignored += 1;
            return;
        }
        if let Some(leg) = Leg::of_dial(&mut self.shared, dial) {
            self.begin(leg);
        }
    }

    fn begin(&mut self, leg: Leg) {
        let id = leg.id();
        let Some(slot) = self.legs.insert(id, leg) else {
            self.shared.counters.orders_ignored += 1;
            return;
        };
        if let Some(leg) = self.legs.get_mut(slot) {
            if let Some(tag) = leg.orphan_tag() {
                self.orphans.insert(tag.into(), slot);
            }
            leg.begin(&mut self.shared);
        }
        self.settle(slot);
    }

    fn with_leg(&mut self, leg: LegId, act: impl FnOnce(&mut Leg, &mut Shared)) {
        let slot = self.legs.find(leg);
        let Some((slot, leg)) = slot.and_then(|slot| Some((slot, self.legs.get_mut(slot)?))) else {
            self.shared.counters.orders_ignored += 1;
            return;
        };
        act(leg, &mut self.shared);
        self.settle(slot);
    }

    /// Looks when a leg is due next, whether it still has business, and lets go of one that is
    /// spent.
    fn settle(&mut self, slot: u32) {
        let Some(leg) = self.legs.get_mut(slot) else { return };
        match leg.begins_or_ends_business() {
            Some(true) => self.shared.busy_legs += 1,
            Some(false) => self.shared.busy_legs -= 1,
            None => {}
        }
        if leg.is_spent(self.shared.now) {
            leg.part(&mut self.shared);
            if let Some(tag) = leg.orphan_tag() {
                self.orphans.remove(tag);
            }
            self.legs.remove(slot);
            self.timers.set(slot + GATEWAYS_MAX, None);
        } else {
            self.timers.set(slot + GATEWAYS_MAX, leg.deadline());
        }
    }

    /// Takes one whole message: a datagram, or what the framer cut out of a stream. What cannot be
    /// used is answered or counted, and never harms a call.
    pub fn receive(&mut self, now: Duration, from: Peer, bytes: &[u8]) {
        self.shared.now = now;
        self.shared.counters.received += 1;
        if !self.shared.is_known(from.address.ip()) {
            self.shared.counters.dropped_strangers += 1;
            return;
        }
        match parse(bytes) {
            Ok(message) => match message.status() {
                Some(status) => self.response(from, &message, status),
                None => self.request(from, &message, bytes),
            },
            Err(error) => {
                self.shared.counters.unreadable += 1;
                if let Some((status, phrase, request)) = error.answer() {
                    outside::refuse_unreadable(&mut self.shared, from, request, status, phrase);
                }
            }
        }
    }

    fn response(&mut self, from: Peer, message: &Message<'_>, status: u16) {
        let via = message.top_via();
        let owner = via.branch().and_then(ids::owner_of_branch);
        let Some(owner) = owner.filter(|_| message.via_count() == 1) else {
            self.shared.counters.stray_responses += 1;
            return;
        };
        if let Some(gateway) = watch::gateway_of(&self.shared, owner.leg) {
            self.watches.on_response(&mut self.shared, gateway, from, message, status);
            return self.settle_gateway(gateway);
        }
        let mut slots = [self.legs.find(owner.leg), None];
        if !self.orphans.is_empty() {
            slots[1] = message.from_tag().and_then(|tag| self.orphans.get(tag)).copied();
        }
        for slot in slots.into_iter().flatten() {
            let Some(leg) = self.legs.get_mut(slot) else { continue };
            if leg.may_come_from(&self.shared, from)
                && leg.on_response(&mut self.shared, from, message, status)
            {
                return self.settle(slot);
            }
        }
        self.shared.counters.stray_responses += 1;
    }

    fn request(&mut self, from: Peer, message: &Message<'_>, raw: &[u8]) {
        let Some(tag) = message.to_tag() else {
            return outside::on_request(&mut self.shared, from, message);
        };
        let direct = ids::owner_of_tag(tag).and_then(|owner| self.legs.find(owner.leg));
        for slot in [direct, self.orphans.get(tag).copied()].into_iter().flatten() {
            let Some(leg) = self.legs.get_mut(slot) else { continue };
            if leg.may_come_from(&self.shared, from)
                && leg.on_request(&mut self.shared, from, message, raw)
            {
                return self.settle(slot);
            }
        }
        outside::on_stray(&mut self.shared, from, message);
    }

    /// The transport to a peer failed: ICMP, a refused or lost connection. Acted on within 100 ms.
    pub fn transport_failed(&mut self, now: Duration, to: Peer, why: &str) {
        self.shared.now = now;
        self.shared.counters.transport_errors += 1;
        if self.failed.len() < FAILED_MAX && !self.failed.iter().any(|(peer, _)| *peer == to) {
            self.failed.push((to, why.to_owned()));
        }
        let due = self.swept.map_or(now, |swept| now.max(swept + SWEEP_EVERY));
        if due <= now { self.sweep() } else { self.timers.set(SWEEP, Some(due)) }
    }

    /// Tells the legs whose way failed.
    fn sweep(&mut self) {
        self.swept = Some(self.shared.now);
        self.timers.set(SWEEP, None);
        for (peer, why) in std::mem::take(&mut self.failed) {
            for gateway in &mut self.shared.gateways {
                if peer.transport == Transport::Tcp && gateway.has_address(peer.address.ip()) {
                    gateway.refused_tcp(self.shared.now);
                }
            }
            let concerned: Vec<u32> = self
                .legs
                .iter()
                .filter(|(_, leg)| leg.waits_for(peer))
                .map(|(slot, _)| slot)
                .collect();
            for slot in concerned {
                if let Some(leg) = self.legs.get_mut(slot) {
                    leg.on_transport_failed(&mut self.shared, peer, &why);
                }
                self.settle(slot);
            }
            for gateway in 0..self.shared.gateways.len() as u16 {
                self.watches.on_transport_failed(&mut self.shared, gateway, peer, &why);
                self.settle_gateway(gateway);
            }
        }
    }

    /// The answer to [`Output::Resolve`]: where the gateway's name leads, the best first.
    pub fn resolved(&mut self, now: Duration, gateway: GatewayId, result: Result<Targets, String>) {
        self.shared.now = now;
        let Some(known) = self.shared.gateways.get_mut(usize::from(gateway.0)) else { return };
        known.resolved(now, result);
        let waiting = std::mem::take(&mut known.waiting);
        self.shared.tell_health(gateway.0);
        for leg in waiting {
            let Some(slot) = self.legs.find(leg) else { continue };
            if let Some(leg) = self.legs.get_mut(slot).filter(|leg| leg.phase() == Phase::Resolving)
            {
                leg.begin(&mut self.shared);
            }
            self.settle(slot);
        }
        self.watches.on_resolved(&mut self.shared, gateway.0);
        self.settle_gateway(gateway.0);
    }

    fn settle_gateway(&mut self, gateway: u16) {
        let deadline = self.watches.deadline(gateway);
        self.timers.set(gateway.into(), deadline);
    }

    /// Does what is due. Harmless when nothing is.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.shared.now = now;
        while let Some((_, item)) = self.timers.first().filter(|(deadline, _)| *deadline <= now) {
            if item == SWEEP {
                self.sweep();
            } else if let Some(slot) = item.checked_sub(GATEWAYS_MAX) {
                if let Some(leg) = self.legs.get_mut(slot) {
                    leg.on_timeout(&mut self.shared);
                }
                self.settle(slot);
                self.mind_progress(item);
            } else {
                self.watches.on_timeout(&mut self.shared, item as u16);
                self.settle_gateway(item as u16);
                self.mind_progress(item);
            }
        }
    }

    /// A deadline that was handled and is still due would be handled for ever: that is a mistake
    /// here, seen in tests, and in the field it waits a second.
    fn mind_progress(&mut self, item: u32) {
        let now = self.shared.now;
        if self.timers.first().is_some_and(|(deadline, first)| first == item && deadline <= now) {
            debug_assert!(false, "a deadline that is not met");
            self.timers.set(item, Some(now + Duration::from_secs(1)));
        }
    }

    /// When to call [`UserAgent::handle_timeout`] next; calling earlier is harmless. None: when
    /// something comes in.
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.timers.first().map(|(deadline, _)| deadline)
    }

    /// The next thing to do. Take all of them after each call; they wait without a bound.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.shared.take()
    }

    /// What was counted since the start.
    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// How many legs are held, those included that only linger.
    pub fn legs(&self) -> usize {
        self.legs.len()
    }

    /// Whether every leg has had its terminal report, and no CANCEL or BYE waits for its answer:
    /// what is held lingers only to acknowledge what may come again. Who ends the process earlier
    /// may leave a callee in an open call.
    pub fn is_idle(&self) -> bool {
        self.shared.busy_legs == 0
    }

    /// Whether a gateway has not yet answered that our registration is taken back.
    pub fn is_leaving(&self) -> bool {
        self.watches.is_leaving()
    }

    /// Takes the registrations back (RFC 3261, 10.2.2): send what comes out, and leave when
    /// [`UserAgent::is_leaving`] says no more, or after a second or two.
    pub fn unregister(&mut self, now: Duration) {
        self.shared.now = now;
        for gateway in 0..self.shared.gateways.len() as u16 {
            self.watches.unregister(&mut self.shared, gateway);
            self.settle_gateway(gateway);
        }
    }
}
