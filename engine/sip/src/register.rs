//! Keeps our registration at a gateway (RFC 3261, 10.2).

use std::time::Duration;

use crate::line::{Line, Subject, contact, gateway_uri};
use crate::message::{Message, Method, Name};
use crate::shared::Shared;

/// The first wait after a failure; it doubles from there (as RFC 5626, 4.5 has it).
const FIRST_WAIT: Duration = Duration::from_secs(5);
/// The longest wait after failures.
const LONGEST_WAIT: Duration = Duration::from_secs(1800);
/// The shortest time between two registrations, however little is granted.
const SHORTEST: Duration = Duration::from_secs(5);
/// Longer than a day is not asked for, whatever a 423 says.
const EXPIRES_MAX: u32 = 86_400;

/// The registration at one gateway.
#[derive(Debug)]
pub(crate) struct Registration {
    gateway: u16,
    pub line: Line,
    /// When to register next.
    next: Duration,
    /// What we ask for, in seconds.
    expires: u32,
    /// Until when the gateway has us, as far as we know.
    valid_until: Duration,
    failures: u32,
    /// The address in the Contact that was registered last.
    registered: Option<std::net::SocketAddr>,
    leaving: bool,
    /// It waits for the gateway's addresses.
    nameless: bool,
}

impl Registration {
    pub fn new(shared: &mut Shared, gateway: u16) -> Self {
        Self {
            gateway,
            line: Line::new(shared, gateway),
            next: shared.now,
            expires: shared.options.register_for.as_secs().min(EXPIRES_MAX.into()) as u32,
            valid_until: Duration::ZERO,
            failures: 0,
            registered: None,
            leaving: false,
            nameless: false,
        }
    }

    pub fn deadline(&self) -> Duration {
        self.line.deadline().unwrap_or(self.next)
    }

    pub fn on_timeout(&mut self, shared: &mut Shared) {
        if self.line.is_given_up(shared) {
            self.failed(shared, "REGISTER has no answer".into(), None);
        }
        if self.line.open.is_none() && self.next <= shared.now && !self.leaving {
            self.line.auth.new_request();
            self.register(shared);
        }
    }

    pub fn on_resolved(&mut self, shared: &mut Shared) {
        if std::mem::take(&mut self.nameless) {
            self.next = shared.now;
        }
    }

    fn register(&mut self, shared: &mut Shared) {
        let peer = match shared.next_peer(self.gateway) {
            Ok(Some(peer)) => peer,
            Ok(None) => {
                self.nameless = true;
                self.next = shared.in_a_transaction();
                return;
            }
            Err(why) => return self.failed(shared, why, None),
        };
        let expires = if self.leaving { 0 } else { self.expires };
        let config = &shared.gateways[usize::from(self.gateway)].config;
        let user = config.credentials.as_ref().map(|c| c.username.clone());
        let uris = gateway_uri(shared, self.gateway, None)
            .and_then(|uri| Ok((uri, gateway_uri(shared, self.gateway, user.as_deref())?)));
        let Ok((uri, us)) = uris else {
            return self.failed(
                shared,
                "the gateway's host or user name cannot be sent".into(),
                None,
            );
        };
        let (name, address) = contact(shared, self.gateway);
        self.registered = Some(address);
        let within = shared.options.transaction();
        let subject = Subject { method: Method::Register, uri: &uri, from: &us, to: &us, within };
        let sent = self.line.send(shared, peer, &subject, |request, _| {
            request.header(Name::Contact, format_args!("<sip:{name}@{address}>"));
            request.header(Name::Expires, expires);
        });
        if !sent {
            self.failed(shared, "REGISTER cannot be written".into(), None);
        }
    }

    pub fn on_response(&mut self, shared: &mut Shared, message: &Message<'_>, status: u16) {
        if status < 200 {
            return self.line.slow_down(shared);
        }
        let peer = self.line.open.take().map(|open| open.to);
        match status {
            _ if self.leaving && !matches!(status, 401 | 407) => self.next = Duration::MAX,
            200..300 => {
                if let Some(peer) = peer {
                    shared.gateways[usize::from(self.gateway)].answers(peer);
                }
                self.registered(shared, message);
            }
            401 | 407 => match self.line.auth.challenged(message) {
                Ok(()) => self.register(shared),
                Err(why) => self.failed(shared, why.to_string(), None),
            },
            // Interval Too Brief (10.3).
            423 => match message.seconds(Name::MinExpires) {
                Some(least) if least > self.expires && least <= EXPIRES_MAX => {
                    self.expires = least;
                    self.register(shared);
                }
                _ => self.failed(shared, "REGISTER was answered 423".into(), None),
            },
            _ => {
                let why = format!("REGISTER was answered {status}");
                self.failed(shared, why, message.retry_after());
            }
        }
    }

    fn registered(&mut self, shared: &mut Shared, message: &Message<'_>) {
        let (name, address) = contact(shared, self.gateway);
        // Ours among all contacts of the account.
        let ours = message.contacts().find(|c| c.uri.contains(&*name)).and_then(|c| c.expires());
        let granted = ours.or(message.seconds(Name::Expires)).unwrap_or(self.expires);
        if granted == 0 {
            return self.failed(shared, "REGISTER was granted for no time".into(), None);
        }
        let granted = Duration::from_secs(granted.min(EXPIRES_MAX).into());
        self.failures = 0;
        self.valid_until = shared.now + granted;
        self.next = shared.now + (granted * 3 / 4).max(SHORTEST);
        shared.gateways[usize::from(self.gateway)].faults.registration = None;
        shared.tell_health(self.gateway);
        // The answer says that we are seen elsewhere than we said: once more with that.
        if self.registered != Some(address) {
            self.next = shared.now;
        }
    }

    /// It did not work: again later. As long as the last registration holds the gateway is not
    /// called down for it.
    pub fn failed(&mut self, shared: &mut Shared, why: String, wait: Option<Duration>) {
        let gateway = &mut shared.gateways[usize::from(self.gateway)];
        if let Some(open) = self.line.open.take() {
            gateway.avoid(shared.now, open.to, None);
        }
        if self.leaving {
            self.next = Duration::MAX;
            return;
        }
        if self.valid_until <= shared.now {
            gateway.faults.registration = Some(why);
            shared.tell_health(self.gateway);
        }
        let doubled = FIRST_WAIT * (1 << self.failures.min(16));
        self.failures += 1;
        let full = doubled.min(LONGEST_WAIT).as_millis() as u64;
        // Between half of it and all, so that many do not come back at once.
        let backed_off = Duration::from_millis(shared.dice.between(full / 2, full));
        self.next = shared.now + wait.unwrap_or_default().max(backed_off);
    }

    /// Whether it waits for the gateway to let go of us.
    pub fn is_leaving(&self) -> bool {
        self.leaving && self.line.open.is_some()
    }

    /// Takes the registration back.
    pub fn leave(&mut self, shared: &mut Shared) {
        if std::mem::replace(&mut self.leaving, true) {
            return;
        }
        self.next = Duration::MAX;
        // One that is on its way may be taken by the gateway all the same.
        let asked = self.line.open.take().is_some();
        if asked || self.valid_until > shared.now {
            self.line.auth.new_request();
            self.register(shared);
        }
    }
}
