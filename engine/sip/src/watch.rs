//! What we ask a gateway on our own account: to keep our registration, and whether it is alive. Each
//! has its own file; here is whose turn it is.

use std::time::Duration;

use crate::line::Line;
use crate::message::Message;
use crate::port::{LegId, Peer};
use crate::probe::Probe;
use crate::register::Registration;
use crate::shared::Shared;

/// Registrations and probes, by gateway.
#[derive(Debug)]
pub(crate) struct Watches(Vec<Watch>);

/// Registration and probe of one gateway.
#[derive(Debug)]
struct Watch {
    registration: Option<Registration>,
    probe: Option<Probe>,
}

/// Which gateway's own transaction a branch names.
pub(crate) fn gateway_of(shared: &Shared, leg: LegId) -> Option<u16> {
    let gateway = u64::MAX - leg.0;
    (gateway < shared.gateways.len() as u64).then_some(gateway as u16)
}

impl Watches {
    /// What each gateway is to be asked, by its configuration.
    pub fn begin(shared: &mut Shared) -> Self {
        let gateways = shared.gateways.len() as u16;
        let begin = |at| {
            let config = &shared.gateways[usize::from(at)].config;
            let (register, every) =
                (config.register && config.credentials.is_some(), config.options_every);
            let registration = register.then(|| Registration::new(shared, at));
            let probe = every.map(|every| Probe::new(shared, at, every));
            Watch { registration, probe }
        };
        Self((0..gateways).map(begin).collect())
    }

    /// When to look after a gateway.
    pub fn deadline(&self, gateway: u16) -> Option<Duration> {
        let watch = &self.0[usize::from(gateway)];
        let registration = watch.registration.as_ref().map(Registration::deadline);
        let probe = watch.probe.as_ref().map(Probe::deadline);
        registration.into_iter().chain(probe).min()
    }

    pub fn on_timeout(&mut self, shared: &mut Shared, gateway: u16) {
        let watch = &mut self.0[usize::from(gateway)];
        if let Some(registration) = &mut watch.registration {
            registration.on_timeout(shared);
        }
        if let Some(probe) = &mut watch.probe {
            probe.on_timeout(shared);
        }
    }

    /// A response to one of its transactions.
    pub fn on_response(
        &mut self,
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
        let Watch { registration, probe } = &mut self.0[usize::from(gateway)];
        let registration = registration.as_mut();
        let probe = probe.as_mut();
        if let Some(registration) = registration.filter(|r| r.line.is_answered_by(shared, branch)) {
            registration.on_response(shared, message, status);
        } else if let Some(probe) = probe.filter(|p| p.line.is_answered_by(shared, branch)) {
            probe.on_response(shared, message, status);
        } else {
            shared.counters.stray_responses += 1;
        }
    }

    /// The transport to a peer failed: what is open there will not be answered.
    pub fn on_transport_failed(
        &mut self,
        shared: &mut Shared,
        gateway: u16,
        peer: Peer,
        why: &str,
    ) {
        let watch = &mut self.0[usize::from(gateway)];
        let open_to = |line: &Line| line.open.as_ref().is_some_and(|open| open.to == peer);
        if let Some(registration) = watch.registration.as_mut().filter(|r| open_to(&r.line)) {
            registration.failed(shared, why.to_owned(), None);
        }
        if let Some(probe) = watch.probe.as_mut().filter(|p| open_to(&p.line)) {
            probe.missed(shared, why);
        }
    }

    /// The gateway's name has addresses now, or has none.
    pub fn on_resolved(&mut self, shared: &mut Shared, gateway: u16) {
        let watch = &mut self.0[usize::from(gateway)];
        if let Some(registration) = &mut watch.registration {
            registration.on_resolved(shared);
        }
        if let Some(probe) = &mut watch.probe {
            probe.on_resolved(shared);
        }
    }

    pub fn unregister(&mut self, shared: &mut Shared, gateway: u16) {
        let watch = &mut self.0[usize::from(gateway)];
        if let Some(registration) = &mut watch.registration {
            registration.leave(shared);
        }
        watch.probe = None;
    }

    /// Whether a registration that is taken back waits for the gateway's answer.
    pub fn is_leaving(&self) -> bool {
        let mut registrations = self.0.iter().filter_map(|watch| watch.registration.as_ref());
        registrations.any(Registration::is_leaving)
    }
}
