//! Requests outside a dialog that we make on our own account: one line of them has one Call-ID, and
//! its CSeq counts up. Their transactions carry a leg id from the very end of the numbers in their
//! branch, one for each gateway.

use std::net::SocketAddr;
use std::time::Duration;

use crate::auth::Authorizations;
use crate::ids::{self, Owner};
use crate::message::{BuildError, Builder, Method, Name, sip_uri};
use crate::port::{LegId, Peer};
use crate::shared::Shared;
use crate::transaction::Repeat;

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

pub(crate) fn owner(shared: &Shared, gateway: u16) -> Owner {
    Owner { shard: shared.options.shard, leg: LegId(u64::MAX - u64::from(gateway)) }
}

/// The user part and address of our Contact towards a gateway, outside of calls.
pub(crate) fn contact(shared: &Shared, gateway: u16) -> (ids::IdText, SocketAddr) {
    (ids::contact_user(owner(shared, gateway)), shared.contact_address(gateway))
}

/// The URI of a gateway itself.
pub(crate) fn gateway_uri(
    shared: &Shared,
    gateway: u16,
    user: Option<&str>,
) -> Result<String, BuildError> {
    let config = &shared.gateways[usize::from(gateway)].config;
    let port = config.port.filter(|_| user.is_none());
    sip_uri(user, &config.host, port, "")
}
