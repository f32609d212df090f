//! A gateway as we know it: where it is, what it said about itself, which of its addresses to use.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::port::{GatewayConfig, GatewayHealth, GatewayId, LegId, Output, Peer, Targets};

/// How long an address that did not answer is tried after all others: as long as a transaction
/// lasts, so that a dead first address costs a call in 32 s its Timer B, and not every call.
const AVOIDED_FOR: Duration = Duration::from_secs(32);
/// After a refused connection a large request goes as a datagram for so long.
const NO_TCP_FOR: Duration = Duration::from_secs(300);
/// After a name could not be found, it is asked for again by the first call so much later.
const NO_NAME_FOR: Duration = Duration::from_secs(5);
/// The shortest time that an answer of the resolver is used: a TTL of zero would be a question for
/// each call.
const TTL_MIN: Duration = Duration::from_secs(1);
/// Addresses that a name led to before: their dialogs live on. The oldest go first.
const FORMER_MAX: usize = 32;

/// One address of a gateway.
#[derive(Clone, Copy, Debug)]
struct Target {
    peer: Peer,
    avoid_until: Duration,
}

/// What is known of where the name leads.
#[derive(Clone, Debug)]
enum Name {
    /// The host is an address: there is nothing to ask.
    Address,
    /// Asked for.
    Asked { answer_by: Duration },
    /// Known until then, and used a little longer, until a new answer is here.
    Known { until: Duration },
    /// Not found; asked for again from then on.
    Lost { why: String, until: Duration },
    /// Not asked yet.
    New,
}

/// Whether a call can go.
pub(crate) enum Readiness {
    Ready,
    /// Ask, when told so, and wait for the answer.
    Waits,
    NoName(String),
}

/// One gateway.
pub(crate) struct Gateway {
    pub config: GatewayConfig,
    targets: Vec<Target>,
    former: Vec<IpAddr>,
    name: Name,
    /// Legs that wait for the name's addresses.
    pub waiting: Vec<LegId>,
    /// Our address as it sees it (RFC 3581), and its text as the host of a URI.
    pub learned: Option<(SocketAddr, String)>,
    no_tcp_until: Duration,
    /// What it is said to be; told when it changes.
    health: Option<GatewayHealth>,
    /// Why it is down, for each of those who watch it.
    pub faults: Faults,
}

/// Who says that a gateway is down, and why.
#[derive(Default, Debug)]
pub(crate) struct Faults {
    pub name: Option<String>,
    pub registration: Option<String>,
    pub probe: Option<String>,
}

impl Gateway {
    pub fn new(config: GatewayConfig) -> Self {
        let literal = config.host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let targets = literal.ok().map(|ip| Target {
            peer: Peer {
                transport: config.transport,
                address: SocketAddr::new(ip, config.port.unwrap_or(5060)),
            },
            avoid_until: Duration::ZERO,
        });
        Self {
            name: if targets.is_some() { Name::Address } else { Name::New },
            targets: targets.into_iter().collect(),
            former: Vec::new(),
            waiting: Vec::new(),
            learned: None,
            no_tcp_until: Duration::ZERO,
            health: None,
            faults: Faults::default(),
            config,
        }
    }

    /// Whether this is, or lately was, one of its addresses. The port does not count: many a
    /// gateway sends from another one than it listens on.
    pub fn has_address(&self, address: IpAddr) -> bool {
        self.targets.iter().any(|target| target.peer.address.ip() == address)
            || self.former.contains(&address)
    }

    /// Whether calls can go, and whether the name is to be asked for now. An answer that never
    /// comes is asked for again after `patience`.
    pub fn ready(&mut self, now: Duration, patience: Duration) -> (Readiness, bool) {
        let due = match &self.name {
            Name::Address => false,
            Name::New => true,
            Name::Asked { answer_by: until } | Name::Known { until } | Name::Lost { until, .. } => {
                *until <= now
            }
        };
        if !self.targets.is_empty() {
            if due {
                self.name = Name::Asked { answer_by: now + patience };
            }
            return (Readiness::Ready, due);
        }
        if let (Name::Lost { why, .. }, false) = (&self.name, due) {
            return (Readiness::NoName(why.clone()), false);
        }
        if due {
            self.name = Name::Asked { answer_by: now + patience };
        }
        (Readiness::Waits, due)
    }

    /// Takes the answer of the resolver. Old addresses stay in use when there is no new one: a DNS
    /// that fails must not stop a gateway that works.
    pub fn resolved(&mut self, now: Duration, result: Result<Targets, String>) {
        match result {
            Ok(found) if !found.peers.is_empty() => {
                let avoided =
                    |peer| self.targets.iter().find(|t| t.peer == peer).map(|t| t.avoid_until);
                let targets: Vec<_> = found
                    .peers
                    .into_iter()
                    .map(|peer| Target { peer, avoid_until: avoided(peer).unwrap_or_default() })
                    .collect();
                for old in std::mem::replace(&mut self.targets, targets) {
                    let ip = old.peer.address.ip();
                    if !self.has_address(ip) {
                        self.former.push(ip);
                    }
                }
                let surplus = self.former.len().saturating_sub(FORMER_MAX);
                self.former.drain(..surplus);
                self.name = Name::Known { until: now.saturating_add(found.ttl.max(TTL_MIN)) };
                self.faults.name = None;
            }
            result => {
                let why = result.err().unwrap_or_else(|| "the name has no address".into());
                if self.targets.is_empty() {
                    self.faults.name = Some(why.clone());
                }
                self.name = Name::Lost { why, until: now + NO_NAME_FOR };
            }
        }
    }

    /// The next address to try after those that `tried` names: the first that is not avoided, else
    /// the first of all (RFC 3263, 4.3).
    pub fn next_target(&self, now: Duration, tried: impl Fn(Peer) -> bool) -> Option<Peer> {
        let mut left = self.targets.iter().filter(|target| !tried(target.peer));
        let first = left.clone().next();
        left.find(|target| target.avoid_until <= now).or(first).map(|target| target.peer)
    }

    /// What the shell is asked for the name.
    pub fn resolve(&self, id: u16) -> Output {
        Output::Resolve {
            gateway: GatewayId(id),
            host: self.config.host.clone(),
            port: self.config.port,
            transport: self.config.transport,
        }
    }

    pub fn peers(&self) -> impl Iterator<Item = Peer> {
        self.targets.iter().map(|target| target.peer)
    }

    /// An address did not answer, or asked to be left alone: others come first for a while.
    pub fn avoid(&mut self, now: Duration, peer: Peer, for_: Option<Duration>) {
        let until = now.saturating_add(for_.unwrap_or(AVOIDED_FOR));
        if let Some(target) = self.targets.iter_mut().find(|t| t.peer.address == peer.address) {
            target.avoid_until = target.avoid_until.max(until);
        }
    }

    /// It answered: no reason to avoid it.
    pub fn answers(&mut self, peer: Peer) {
        if let Some(target) = self.targets.iter_mut().find(|t| t.peer.address == peer.address) {
            target.avoid_until = Duration::ZERO;
        }
    }

    /// Whether a large request may try a connection.
    pub fn takes_tcp(&self, now: Duration) -> bool {
        self.no_tcp_until <= now
    }

    pub fn refused_tcp(&mut self, now: Duration) {
        self.no_tcp_until = now + NO_TCP_FOR;
    }

    /// How it is, when that is news.
    pub fn news(&mut self) -> Option<GatewayHealth> {
        let Faults { name, registration, probe } = &self.faults;
        let health = match name.as_ref().or(registration.as_ref()).or(probe.as_ref()) {
            Some(why) => GatewayHealth::Down { why: why.clone() },
            None => GatewayHealth::Up,
        };
        let news = self.health.as_ref() != Some(&health);
        self.health = Some(health.clone());
        news.then_some(health)
    }
}
