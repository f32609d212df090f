//! What every leg, registration and probe works with: the options, the gateways, the dice, and the
//! way out.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::counters::Counters;
use crate::dice::Dice;
use crate::gateway::{Gateway, Readiness};
use crate::ids::{self, Owner};
use crate::message::{BuildError, Builder, Message, Name, respond};
use crate::options::Options;
use crate::port::{GatewayId, LegId, Output, Peer, SipHeard, Transport};
use crate::status;

/// All that is not a leg.
pub(crate) struct Shared {
    pub now: Duration,
    pub options: Options,
    pub gateways: Vec<Gateway>,
    pub dice: Dice,
    pub counters: Counters,
    /// Legs that have had no terminal report yet, or still end something on the wire.
    pub busy_legs: usize,
    /// Addresses outside the gateways that live dialogs send to, and how many do.
    pub foreign: Vec<(IpAddr, u32)>,
    /// `host:port` for Via.
    pub sent_by: String,
    /// Our configured host, for From.
    host: String,
    out: VecDeque<Output>,
    /// Where messages are written before they go out.
    scratch: Vec<u8>,
    /// Mixed into the tags of answers outside a dialog, so that a repeat gets the same one.
    tag_key: u64,
}

impl Shared {
    pub fn new(options: Options, seed: [u8; 32]) -> Self {
        let mut dice = Dice::new(seed);
        let host = host_text(options.contact.unwrap_or(options.local).ip());
        let gateways = options.gateways.iter().cloned().map(Gateway::new).collect();
        Self {
            now: Duration::ZERO,
            gateways,
            counters: Counters::default(),
            busy_legs: 0,
            foreign: Vec::new(),
            sent_by: options.local.to_string(),
            host,
            out: VecDeque::new(),
            scratch: Vec::with_capacity(2048),
            tag_key: dice.next(),
            dice,
            options,
        }
    }

    /// 64*T1 from now.
    pub fn in_a_transaction(&self) -> Duration {
        self.now + self.options.transaction()
    }

    pub fn tell(&mut self, heard: SipHeard) {
        self.out.push_back(Output::Heard(heard));
    }

    pub fn put(&mut self, output: Output) {
        self.out.push_back(output);
    }

    pub fn take(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    pub fn transmit(&mut self, to: Peer, bytes: &[u8]) {
        self.counters.sent += 1;
        self.out.push_back(Output::Transmit { to, bytes: bytes.to_vec() });
    }

    /// Sends what was sent before.
    pub fn transmit_again(&mut self, to: Peer, bytes: &[u8]) {
        self.counters.repeats_sent += 1;
        self.transmit(to, bytes);
    }

    /// Writes a message and keeps it in one piece.
    pub fn write(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>, &Self) -> Result<(), BuildError>,
    ) -> Result<Box<[u8]>, BuildError> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let written = write(&mut scratch, self).map(|()| Box::from(scratch.as_slice()));
        self.scratch = scratch;
        written
    }

    /// A random text for an answer to a challenge; empty when nobody has challenged yet.
    pub fn cnonce(&mut self, challenged: bool) -> String {
        if challenged { format!("{:016x}", self.dice.next()) } else { String::new() }
    }

    /// Answers a request, and says what was sent. `more` adds headers and ends the message.
    pub fn respond_with(
        &mut self,
        request: &Message<'_>,
        from: Peer,
        status: u16,
        to_tag: Option<&str>,
        more: impl FnOnce(Builder<'_>, &Self) -> Result<(), BuildError>,
    ) -> Box<[u8]> {
        let written = self.write(|out, shared| {
            let mut answer =
                respond(out, request, status, status::phrase(status), to_tag, from.address);
            if !shared.options.user_agent.is_empty() {
                answer.header(Name::Server, &shared.options.user_agent);
            }
            more(answer, shared)
        });
        // What is copied was read, and the rest is ours: it fits unless the request was near the
        // longest message already. Such a one gets no answer.
        let bytes = written.unwrap_or_default();
        if !bytes.is_empty() {
            self.transmit(answer_goes_to(request, from), &bytes);
        }
        bytes
    }

    /// Answers a request with nothing but a status.
    pub fn respond(
        &mut self,
        request: &Message<'_>,
        from: Peer,
        status: u16,
        to_tag: Option<&str>,
    ) -> Box<[u8]> {
        self.respond_with(request, from, status, to_tag, |answer, _| answer.finish())
    }

    /// A tag for an answer outside a dialog: the same for every repeat of the request, without
    /// keeping anything (RFC 3261, 8.2.7).
    pub fn stateless_tag(&self, request: &Message<'_>) -> ids::IdText {
        // FNV-1a, over what stays the same in a repeat.
        let branch = request.top_via();
        let text = request.call_id().bytes().chain(branch.branch().unwrap_or("").bytes());
        let hash = text.fold(self.tag_key ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        ids::tag(Owner { shard: self.options.shard, leg: LegId(0) }, hash ^ hash >> 32)
    }

    /// Takes what a gateway sees us as from its answer (RFC 3581, 4). The port of a connection is
    /// that connection's only.
    pub fn learn_address(&mut self, gateway: u16, by: Transport, response: &Message<'_>) {
        if self.options.contact.is_some() {
            return;
        }
        let via = response.top_via();
        let port = match by {
            Transport::Udp => via.rport(),
            Transport::Tcp => Some(self.options.local.port()),
        };
        if let (Some(ip), Some(port)) = (via.received(), port) {
            let address = SocketAddr::new(ip, port);
            let learned = &mut self.gateways[usize::from(gateway)].learned;
            if learned.as_ref().is_none_or(|(known, _)| *known != address) {
                *learned = Some((address, host_text(ip)));
            }
        }
    }

    /// Where we can be reached by a gateway.
    pub fn contact_address(&self, gateway: u16) -> SocketAddr {
        let learned = self.gateways[usize::from(gateway)].learned.as_ref();
        let known = self.options.contact.or(learned.map(|(address, _)| *address));
        known.unwrap_or(self.options.local)
    }

    /// That address as the host of a URI.
    pub fn contact_host(&self, gateway: u16) -> &str {
        let learned = self.gateways[usize::from(gateway)].learned.as_ref();
        learned.map_or(&self.host, |(_, host)| host)
    }

    /// Tells how a gateway is, when that is news.
    pub fn tell_health(&mut self, gateway: u16) {
        if let Some(health) = self.gateways[usize::from(gateway)].news() {
            let gateway = GatewayId(gateway);
            self.tell(SipHeard::Gateway { gateway, health });
        }
    }

    /// Where to send the next request of a gateway's own. None when its name is not known yet: then
    /// it is asked for.
    pub fn next_peer(&mut self, gateway: u16) -> Result<Option<Peer>, String> {
        let (now, patience) = (self.now, self.options.transaction());
        let known = &mut self.gateways[usize::from(gateway)];
        let (ready, ask) = known.ready(now, patience);
        if ask {
            let resolve = known.resolve(gateway);
            self.put(resolve);
        }
        match ready {
            Readiness::Ready => Ok(self.gateways[usize::from(gateway)].next_target(now, |_| false)),
            Readiness::Waits => Ok(None),
            Readiness::NoName(why) => Err(why),
        }
    }

    /// Whether anything may come from there: an address of a gateway or of a live dialog. All else
    /// is dropped unread (a flood must not cost a parse).
    pub fn is_known(&self, address: IpAddr) -> bool {
        self.gateways.iter().any(|gateway| gateway.has_address(address))
            || self.foreign.iter().any(|(known, _)| *known == address)
    }

    /// A dialog begins to send to `address`. Says whether that is outside the gateways: then
    /// [`Shared::part_from`] must follow when it stops.
    pub fn befriend(&mut self, address: IpAddr) -> bool {
        if self.gateways.iter().any(|gateway| gateway.has_address(address)) {
            return false;
        }
        match self.foreign.iter_mut().find(|(known, _)| *known == address) {
            Some((_, count)) => *count += 1,
            None => self.foreign.push((address, 1)),
        }
        true
    }

    /// A dialog that sent to `address`, outside the gateways, is gone.
    pub fn part_from(&mut self, address: IpAddr) {
        if let Some(at) = self.foreign.iter().position(|(known, _)| *known == address) {
            self.foreign[at].1 -= 1;
            if self.foreign[at].1 == 0 {
                self.foreign.swap_remove(at);
            }
        }
    }
}

/// An address as the host of a URI.
fn host_text(address: IpAddr) -> String {
    match address {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// Where the answer to a request goes: back on its connection; else to the port it came from when
/// it asked for that, and to the port that its Via names when not (RFC 3261, 18.2.2; RFC 3581, 4).
pub(crate) fn answer_goes_to(request: &Message<'_>, from: Peer) -> Peer {
    let via = request.top_via();
    if from.transport == Transport::Tcp || via.wants_rport() {
        return from;
    }
    let address = SocketAddr::new(from.address.ip(), via.port.unwrap_or(5060));
    Peer { transport: Transport::Udp, address }
}
