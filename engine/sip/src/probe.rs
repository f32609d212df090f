//! Asks a gateway from time to time whether it is alive (OPTIONS; RFC 3261, 11). Only a 2xx says
//! so: gateways are known that answer 503 for hours.

use std::time::Duration;

use crate::line::{Line, Subject, contact, gateway_uri};
use crate::message::{Message, Method, Name};
use crate::port::{GatewayHealth, GatewayId, SipHeard};
use crate::shared::Shared;

/// The probe of one gateway.
#[derive(Debug)]
pub(crate) struct Probe {
    gateway: u16,
    pub line: Line,
    every: Duration,
    next: Duration,
    misses: u32,
    /// It waits for the gateway's addresses.
    nameless: bool,
}

impl Probe {
    pub fn new(shared: &mut Shared, gateway: u16, every: Duration) -> Self {
        let line = Line::new(shared, gateway);
        // More often than every second is no probe but a load.
        let every = every.max(Duration::from_secs(1));
        Self { gateway, line, every, next: shared.now, misses: 0, nameless: false }
    }

    pub fn deadline(&self) -> Duration {
        self.line.deadline().unwrap_or(self.next)
    }

    pub fn on_timeout(&mut self, shared: &mut Shared) {
        if self.line.is_given_up(shared) {
            self.missed(shared, "OPTIONS has no answer");
        }
        if self.line.open.is_none() && self.next <= shared.now {
            self.next = shared.now + self.every;
            self.line.auth.new_request();
            self.ask(shared);
        }
    }

    pub fn on_resolved(&mut self, shared: &mut Shared) {
        if std::mem::take(&mut self.nameless) {
            self.next = shared.now;
        }
    }

    fn ask(&mut self, shared: &mut Shared) {
        let peer = match shared.next_peer(self.gateway) {
            Ok(Some(peer)) => peer,
            Ok(None) => {
                self.nameless = true;
                return;
            }
            Err(why) => return self.missed(shared, &why),
        };
        let (name, address) = contact(shared, self.gateway);
        let us = format!("sip:{name}@{address}");
        let Ok(uri) = gateway_uri(shared, self.gateway, None) else {
            return self.missed(shared, "the gateway's host cannot be sent");
        };
        let within = self.every.min(shared.options.transaction());
        let subject = Subject { method: Method::Options, uri: &uri, from: &us, to: &uri, within };
        let sent = self.line.send(shared, peer, &subject, |request, _| {
            request.header(Name::Contact, format_args!("<{us}>"));
            request.header(Name::Accept, crate::status::SDP);
        });
        if !sent {
            self.missed(shared, "OPTIONS cannot be written");
        }
    }

    pub fn on_response(&mut self, shared: &mut Shared, message: &Message<'_>, status: u16) {
        if status < 200 {
            return self.line.slow_down(shared);
        }
        match status {
            200..300 => {
                let gateway = &mut shared.gateways[usize::from(self.gateway)];
                if let Some(open) = self.line.open.take() {
                    gateway.answers(open.to);
                }
                self.misses = 0;
                gateway.faults.probe = None;
                shared.tell_health(self.gateway);
            }
            401 | 407 if self.line.auth.challenged(message).is_ok() => {
                self.line.open = None;
                self.ask(shared);
            }
            _ => {
                let wait = message.retry_after().filter(|wait| !wait.is_zero());
                if let Some(for_) = wait.filter(|_| status == 503) {
                    let gateway = GatewayId(self.gateway);
                    let health = GatewayHealth::HeldBack { for_ };
                    shared.tell(SipHeard::Gateway { gateway, health });
                }
                self.missed(shared, &format!("OPTIONS was answered {status}"));
            }
        }
    }

    /// No 2xx: after so many in a row the gateway is down. The next one asks another of its
    /// addresses first.
    pub fn missed(&mut self, shared: &mut Shared, why: &str) {
        self.misses += 1;
        let gateway = &mut shared.gateways[usize::from(self.gateway)];
        if let Some(open) = self.line.open.take() {
            gateway.avoid(shared.now, open.to, None);
        }
        if self.misses >= shared.options.probe_misses_max {
            gateway.faults.probe = Some(why.to_owned());
            shared.tell_health(self.gateway);
        }
    }
}
