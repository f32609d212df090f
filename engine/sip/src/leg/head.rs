//! What stays the same for a leg, and the requests that are written from it.

use std::borrow::Cow;

use crate::auth::Authorizations;
use crate::dialog::{Dialog, Via};
use crate::ids::{self, Owner};
use crate::message::{BuildError, Builder, Message, Method, Name, sip_uri};
use crate::port::{DialIds, GatewayConfig, LegId, Peer, Reason, Transport};
use crate::shared::Shared;
use crate::status::{ALLOW, SDP};

use super::tries::{Try, Wants};

/// What is known of who challenges us, and a random text for the answers.
pub(super) type Credentials<'a> = Option<(&'a mut Authorizations, &'a str)>;

/// Who a leg is, on the wire.
#[derive(Debug)]
pub(super) struct Head {
    pub id: LegId,
    pub gateway: u16,
    pub ids: DialIds,
    /// The URI of To; it is the Request-URI too, unless the gateway has a port.
    pub to: Box<str>,
    /// The URI of From.
    pub from: Box<str>,
    /// The number to assert, where the gateway is trusted with it.
    asserts: bool,
}

impl Head {
    /// Fails when `to` or `from` cannot be put into a URI.
    pub fn new(
        shared: &Shared,
        id: LegId,
        gateway: u16,
        ids: DialIds,
        to: &str,
        from: Option<&str>,
    ) -> Result<Self, BuildError> {
        let config = &shared.gateways[usize::from(gateway)].config;
        let username = config.credentials.as_ref().map(|c| c.username.as_str());
        let from = match from.or(username) {
            // A gateway that knows us by name wants its own domain, one that knows our address ours.
            Some(user) if username.is_some() => sip_uri(Some(user), &config.host, None, "")?,
            Some(user) => sip_uri(Some(user), shared.contact_host(gateway), None, "")?,
            // RFC 3323, 4.1.1.3.
            None => "sip:anonymous@anonymous.invalid".into(),
        };
        Ok(Self {
            id,
            gateway,
            asserts: config.trusted && !from.ends_with("@anonymous.invalid"),
            to: sip_uri(Some(to), &config.host, None, "")?.into(),
            from: from.into(),
            ids,
        })
    }

    pub fn owner(&self, shared: &Shared) -> Owner {
        Owner { shard: shared.options.shard, leg: self.id }
    }

    /// The Request-URI of the INVITE: To, but with the port and transport of the gateway, which To
    /// may not have (RFC 3261, 19.1.1).
    pub fn request_uri(&self, config: &GatewayConfig) -> Cow<'_, str> {
        match (config.port, config.transport) {
            (None, Transport::Udp) => Cow::Borrowed(&self.to),
            (None, Transport::Tcp) => Cow::Owned(format!("{};transport=tcp", self.to)),
            (Some(port), Transport::Udp) => Cow::Owned(format!("{}:{port}", self.to)),
            (Some(port), Transport::Tcp) => Cow::Owned(format!("{}:{port};transport=tcp", self.to)),
        }
    }

    fn gateway<'a>(&self, shared: &'a Shared) -> &'a GatewayConfig {
        &shared.gateways[usize::from(self.gateway)].config
    }

    /// The Request-URI of a try.
    pub(super) fn uri_of<'a>(&'a self, shared: &'a Shared, try_: &'a Try) -> Cow<'a, str> {
        match &try_.uri {
            Some(uri) => Cow::Borrowed(uri),
            None => self.request_uri(self.gateway(shared)),
        }
    }

    fn branch_of(&self, no: u8) -> Cow<'_, str> {
        match no {
            0 => Cow::Borrowed(&self.ids.branch),
            no => Cow::Owned(ids::branch_of_resend(&self.ids.branch, no)),
        }
    }

    /// What every request has: who, whom, which call, and its number.
    fn identify(&self, request: &mut Builder<'_>, to_tag: &str, cseq: u32, method: Method) {
        request.header(Name::MaxForwards, 70);
        request.address(Name::From, None, &self.from, &[("tag", &self.ids.from_tag)]);
        match to_tag {
            "" => request.address(Name::To, None, &self.to, &[]),
            tag => request.address(Name::To, None, &self.to, &[("tag", tag)]),
        };
        request.header(Name::CallId, &self.ids.call_id);
        request.cseq(cseq, method);
    }

    /// Our Contact: its user names the leg, so that a request finds it in whatever way it comes.
    pub fn add_contact(&self, message: &mut Builder<'_>, shared: &Shared, transport: Transport) {
        let user = ids::contact_user(self.owner(shared));
        let address = shared.contact_address(self.gateway);
        let transport = if transport == Transport::Tcp { ";transport=tcp" } else { "" };
        message.header(Name::Contact, format_args!("<sip:{user}@{address}{transport}>"));
    }

    /// Answers the challenges that are known so far.
    fn authorize(
        &self,
        request: &mut Builder<'_>,
        shared: &Shared,
        method: Method,
        uri: &str,
        credentials: Credentials<'_>,
    ) {
        let who = &self.gateway(shared).credentials;
        if let (Some(who), Some((auth, cnonce))) = (who, credentials) {
            auth.authorize(request, who, method, uri, cnonce);
        }
    }

    fn add_about_us(&self, request: &mut Builder<'_>, shared: &Shared) {
        if !shared.options.user_agent.is_empty() {
            request.header(Name::UserAgent, &shared.options.user_agent);
        }
    }

    /// The INVITE of a try.
    pub fn write_invite(
        &self,
        out: &mut Vec<u8>,
        shared: &Shared,
        try_: &Try,
        wants: &Wants,
        credentials: Credentials<'_>,
        offer: &[u8],
    ) -> Result<(), BuildError> {
        let uri = self.uri_of(shared, try_);
        let mut invite = Builder::request(out, Method::Invite, &uri);
        invite.via(try_.peer.transport, &shared.sent_by, &self.branch_of(try_.no));
        self.identify(&mut invite, "", try_.cseq, Method::Invite);
        self.add_contact(&mut invite, shared, self.gateway(shared).transport);
        if self.asserts {
            invite.address(Name::PAssertedIdentity, None, &self.from, &[]);
        }
        self.authorize(&mut invite, shared, Method::Invite, &uri, credentials);
        invite.header(Name::Allow, ALLOW);
        wants.add_to(&mut invite);
        self.add_about_us(&mut invite, shared);
        invite.finish_with(SDP, offer)
    }

    /// The ACK to a refusal of a try: the transaction's (RFC 3261, 17.1.1.3).
    pub fn write_ack_to_refusal(
        &self,
        out: &mut Vec<u8>,
        shared: &Shared,
        try_: &Try,
        refusal: &Message<'_>,
    ) -> Result<(), BuildError> {
        let mut ack = Builder::request(out, Method::Ack, &self.uri_of(shared, try_));
        ack.via(try_.peer.transport, &shared.sent_by, &self.branch_of(try_.no));
        ack.header(Name::MaxForwards, 70);
        ack.address(Name::From, None, &self.from, &[("tag", &self.ids.from_tag)]);
        ack.copy(refusal, Name::To);
        ack.header(Name::CallId, &self.ids.call_id);
        ack.cseq(try_.cseq, Method::Ack);
        ack.finish()
    }

    /// The CANCEL of a try (RFC 3261, 9.1).
    pub fn write_cancel(
        &self,
        out: &mut Vec<u8>,
        shared: &Shared,
        try_: &Try,
        reason: Option<&Reason>,
    ) -> Result<(), BuildError> {
        let mut cancel = Builder::request(out, Method::Cancel, &self.uri_of(shared, try_));
        cancel.via(try_.peer.transport, &shared.sent_by, &self.branch_of(try_.no));
        self.identify(&mut cancel, "", try_.cseq, Method::Cancel);
        if let Some(reason) = reason {
            cancel.reason(reason);
        }
        self.add_about_us(&mut cancel, shared);
        cancel.finish()
    }

    /// A request in a dialog, begun: `more` adds headers and ends it.
    pub fn write_inside(
        &self,
        out: &mut Vec<u8>,
        shared: &Shared,
        dialog: &Dialog,
        inside: Inside<'_>,
        more: impl FnOnce(Builder<'_>) -> Result<(), BuildError>,
    ) -> Result<(), BuildError> {
        let branch = ids::branch(self.owner(shared), inside.random);
        let via = Via { sent_by: &shared.sent_by, branch: &branch };
        let mut request = dialog.request(out, inside.method, via);
        self.identify(&mut request, &dialog.tag, inside.cseq, inside.method);
        if matches!(inside.method, Method::Invite | Method::Update) {
            self.add_contact(&mut request, shared, dialog.peer.transport);
            request.header(Name::Allow, ALLOW);
        }
        self.authorize(
            &mut request,
            shared,
            inside.method,
            dialog.request_uri(),
            inside.credentials,
        );
        self.add_about_us(&mut request, shared);
        more(request)
    }
}

/// What a request in a dialog has besides the dialog.
pub(super) struct Inside<'a> {
    pub method: Method,
    pub cseq: u32,
    /// Of its branch.
    pub random: u64,
    pub credentials: Credentials<'a>,
}

/// Writes the transport into the Via of a request that was written for the other one: the names
/// are of one length. A datagram that is too large goes by a connection instead, and back.
pub(super) fn retransport(request: &mut [u8], transport: Transport) {
    const VIA: &[u8] = b"\r\nVia: SIP/2.0/";
    if let Some(at) = request.windows(VIA.len()).position(|window| window == VIA) {
        let name = &mut request[at + VIA.len()..][..3];
        name.copy_from_slice(match transport {
            Transport::Udp => b"UDP",
            Transport::Tcp => b"TCP",
        });
    }
}

/// Sends a request of more than a datagram should hold over a connection (RFC 3261, 18.1.1).
pub(super) fn fit(shared: &Shared, gateway: u16, to: &mut Peer, request: &mut [u8]) {
    let too_large = request.len() > shared.options.datagram_bytes_max;
    let takes_tcp = shared.gateways[usize::from(gateway)].takes_tcp(shared.now);
    if too_large && takes_tcp && to.transport == Transport::Udp {
        to.transport = Transport::Tcp;
        retransport(request, Transport::Tcp);
    }
}
