//! What we ask a gateway on our own account: to keep our registration, and whether it is alive.
//!
//! Each has its own file; here is what they share: a request outside a dialog, and whose turn it
//! is. Their transactions carry a leg id from the very end of the numbers in their branch, one for
//! each gateway.

use std::net::SocketAddr;
use std::time::Duration;

use crate::auth::Authorizations;
use crate::ids::{self, Owner};
use crate::message::{BuildError, Builder, Message, Method, Name};
use crate::port::{LegId, Peer, SipHeard};
use crate::probe::Probe;
use crate::register::Registration;
use crate::shared::Shared;
use crate::transaction::Repeat;

/// Registration and probe of one gateway.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    pub registration: Option<Registration>,
    pub probe: Option<Probe>,
}

/// One line of requests outside a dialog: the same Call-ID and From tag, CSeq counted up.
#[derive(Debug)]
pub(crate) struct Line {
    gateway: u16,
    call_id: String,
    from_tag: String,
    cseq: u32,
    pub auth: Authorizations,
    pub open: Option<Open>,
}

/// The request that waits for its answer.
#[derive(Debug)]
pub(crate) struct Open {
    random: u64,
    pub to: Peer,
    bytes: Box<[u8]>,
    repeat: Repeat,
}

/// What a request outside a dialog is about.
pub(crate) struct Subject<'a> {
    pub method: Method,
    pub uri: &'a str,
    pub from: &'a str,
    pub to: &'a str,
    /// How long it waits for its answer.
    pub within: Duration,
}

impl Line {
    pub fn new(shared: &mut Shared, gateway: u16) -> Self {
        let owner = owner(shared, gateway);
        let random = u128::from(shared.dice.next()) << 64 | u128::from(shared.dice.next());
        let ids = ids::dial_ids(owner, random);
        Self {
            gateway,
            call_id: ids.call_id,
            from_tag: ids.from_tag,
            cseq: 0,
            auth: Authorizations::default(),
            open: None,
        }
    }

    /// Sends a request. False when it cannot be written.
    pub fn send(
        &mut self,
        shared: &mut Shared,
        to: Peer,
        subject: &Subject<'_>,
        more: impl FnOnce(&mut Builder<'_>, &Shared),
    ) -> bool {
        self.cseq += 1;
        let (random, cnonce) = (shared.dice.next(), shared.cnonce(!self.auth.is_empty()));
        let branch = ids::branch(owner(shared, self.gateway), random);
        let written = shared.write(|out, shared| {
            let mut request = Builder::request(out, subject.method, subject.uri);
            request.via(to.transport, &shared.sent_by, &branch);
            request.header(Name::MaxForwards, 70);
            request.address(Name::From, None, subject.from, &[("tag", &self.from_tag)]);
            request.address(Name::To, None, subject.to, &[]);
            request.header(Name::CallId, &self.call_id);
            request.cseq(self.cseq, subject.method);
            let config = &shared.gateways[usize::from(self.gateway)].config;
            if let Some(who) = &config.credentials {
                self.auth.authorize(&mut request, who, subject.method, subject.uri, &cnonce);
            }
            more(&mut request, shared);
            if !shared.options.user_agent.is_empty() {
                request.header(Name::UserAgent, &shared.options.user_agent);
            }
            request.finish()
        });
        let Ok(bytes) = written else { return false };
        shared.transmit(to, &bytes);
        let (t1, t2) = (shared.options.t1, shared.options.t2);
        let repeat = Repeat::new(shared.now, to.transport, t1, t2, subject.within);
        self.open = Some(Open { random, to, bytes, repeat });
        true
    }

    /// Whether a response with that branch answers what is open.
    pub fn is_answered_by(&self, shared: &Shared, branch: &str) -> bool {
        let owner = owner(shared, self.gateway);
        self.open.as_ref().is_some_and(|open| *ids::branch(owner, open.random) == *branch)
    }

    /// Repeats what is open. True when it was given up.
    pub fn is_given_up(&mut self, shared: &mut Shared) -> bool {
        let Some(open) = &mut self.open else { return false };
        if open.repeat.is_over(shared.now) {
            return true;
        }
        if open.repeat.is_due(shared.now) {
            shared.transmit_again(open.to, &open.bytes);
        }
        false
    }

    /// A provisional answer (RFC 3261, 17.1.2.2).
    pub fn slow_down(&mut self, shared: &Shared) {
        if let Some(open) = &mut self.open {
            open.repeat.slow_down(shared.now, shared.options.t2);
        }
    }

    pub fn deadline(&self) -> Option<Duration> {
        self.open.as_ref().map(|open| open.repeat.deadline())
    }
}

fn owner(shared: &Shared, gateway: u16) -> Owner {
    Owner { shard: shared.options.shard, leg: LegId(u64::MAX - u64::from(gateway)) }
}

/// The user part and address of our Contact towards a gateway, outside of calls.
pub(crate) fn contact(shared: &Shared, gateway: u16) -> (ids::IdText, SocketAddr) {
    (ids::contact_user(owner(shared, gateway)), shared.contact_address(gateway))
}

/// Which gateway's own transaction a branch names.
pub(crate) fn gateway_of(shared: &Shared, leg: LegId) -> Option<u16> {
    let gateway = u64::MAX - leg.0;
    (gateway < shared.gateways.len() as u64).then_some(gateway as u16)
}

/// What each gateway is to be asked, by its configuration.
pub(crate) fn begin(shared: &mut Shared) {
    for at in 0..shared.gateways.len() as u16 {
        let config = &shared.gateways[usize::from(at)].config;
        let (register, every) =
            (config.register && config.credentials.is_some(), config.options_every);
        let registration = register.then(|| Registration::new(shared, at));
        let probe = every.map(|every| Probe::new(shared, at, every));
        shared.gateways[usize::from(at)].watch = Watch { registration, probe };
    }
}

/// When to look after a gateway.
pub(crate) fn deadline(shared: &Shared, gateway: u16) -> Option<Duration> {
    let watch = &shared.gateways[usize::from(gateway)].watch;
    let registration = watch.registration.as_ref().map(Registration::deadline);
    let probe = watch.probe.as_ref().map(Probe::deadline);
    registration.into_iter().chain(probe).min()
}

/// Runs something with what is known of a gateway's errands.
fn with_watch(shared: &mut Shared, gateway: u16, act: impl FnOnce(&mut Watch, &mut Shared)) {
    let mut watch = std::mem::take(&mut shared.gateways[usize::from(gateway)].watch);
    act(&mut watch, shared);
    shared.gateways[usize::from(gateway)].watch = watch;
}

pub(crate) fn on_timeout(shared: &mut Shared, gateway: u16) {
    with_watch(shared, gateway, |watch, shared| {
        if let Some(registration) = &mut watch.registration {
            registration.on_timeout(shared);
        }
        if let Some(probe) = &mut watch.probe {
            probe.on_timeout(shared);
        }
    });
}

/// A response to one of its transactions.
pub(crate) fn on_response(
    shared: &mut Shared,
    gateway: u16,
    from: Peer,
    message: &Message<'_>,
    status: u16,
) {
    let via = message.top_via();
    let branch = via.branch().unwrap_or("");
    if !shared.gateways[usize::from(gateway)].has_address(from.address.ip()) {
        shared.counters.stray_responses += 1;
        return;
    }
    shared.learn_address(gateway, from.transport, message);
    with_watch(shared, gateway, |watch, shared| {
        let registration = watch.registration.as_mut();
        let probe = watch.probe.as_mut();
        if let Some(registration) = registration.filter(|r| r.line.is_answered_by(shared, branch)) {
            registration.on_response(shared, message, status);
        } else if let Some(probe) = probe.filter(|p| p.line.is_answered_by(shared, branch)) {
            probe.on_response(shared, message, status);
        } else {
            shared.counters.stray_responses += 1;
        }
    });
}

/// The transport to a peer failed: what is open there will not be answered.
pub(crate) fn on_transport_failed(shared: &mut Shared, gateway: u16, peer: Peer, why: &str) {
    with_watch(shared, gateway, |watch, shared| {
        let open_to = |line: &Line| line.open.as_ref().is_some_and(|open| open.to == peer);
        if let Some(registration) = watch.registration.as_mut().filter(|r| open_to(&r.line)) {
            registration.failed(shared, why.to_owned(), None);
        }
        if let Some(probe) = watch.probe.as_mut().filter(|p| open_to(&p.line)) {
            probe.missed(shared, why);
        }
    });
}

/// The gateway's name has addresses now, or has none.
pub(crate) fn on_resolved(shared: &mut Shared, gateway: u16) {
    with_watch(shared, gateway, |watch, shared| {
        if let Some(registration) = &mut watch.registration {
            registration.on_resolved(shared);
        }
        if let Some(probe) = &mut watch.probe {
            probe.on_resolved(shared);
        }
    });
}

pub(crate) fn unregister(shared: &mut Shared, gateway: u16) {
    with_watch(shared, gateway, |watch, shared| {
        if let Some(registration) = &mut watch.registration {
            registration.leave(shared);
        }
        watch.probe = None;
    });
}

/// Whether a registration that is taken back waits for the gateway's answer.
pub(crate) fn is_leaving(shared: &Shared) -> bool {
    let mut registrations = shared.gateways.iter().filter_map(|g| g.watch.registration.as_ref());
    registrations.any(Registration::is_leaving)
}

impl Shared {
    /// Tells how a gateway is, when that is news.
    pub fn tell_health(&mut self, gateway: u16) {
        if let Some(health) = self.gateways[usize::from(gateway)].news() {
            let gateway = crate::port::GatewayId(gateway);
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
            crate::gateway::Readiness::Ready => {
                Ok(self.gateways[usize::from(gateway)].next_target(now, |_| false))
            }
            crate::gateway::Readiness::Waits => Ok(None),
            crate::gateway::Readiness::NoName(why) => Err(why),
        }
    }
}

/// The URI of a gateway itself.
pub(crate) fn gateway_uri(
    shared: &Shared,
    gateway: u16,
    user: Option<&str>,
) -> Result<String, BuildError> {
    let config = &shared.gateways[usize::from(gateway)].config;
    let port = config.port.filter(|_| user.is_none());
    crate::message::sip_uri(user, &config.host, port, "")
}
