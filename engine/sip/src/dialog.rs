//! A dialog (RFC 3261, 12): the callee's half of it, and how requests in it are addressed.

use std::net::{IpAddr, SocketAddr};

use crate::message::{Builder, Message, Method, Name, NameAddr, SipUri};
use crate::port::{Peer, RemoteDialog, Transport};

/// The most Record-Routes of one dialog. Carriers have two or three.
const ROUTES_MAX: usize = 16;

/// What became of a dialog.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// Made by a 1xx.
    Early,
    /// The one that the owner was told of.
    Kept,
    /// Ended by us: a fork, a late or crossed answer.
    Closed,
}

/// One dialog of a leg.
#[derive(Debug)]
pub(crate) struct Dialog {
    /// Their tag; empty from a peer of RFC 2543.
    pub tag: Box<str>,
    /// Their Contact.
    pub target: Box<str>,
    /// Route, in the order we send it.
    pub route: Box<[String]>,
    /// Where requests in it go.
    pub peer: Peer,
    pub state: State,
    /// The INVITE that made it, by its place among the leg's tries.
    pub of_try: u8,
    /// Of the INVITE that made it.
    pub invite_cseq: u32,
    /// Of our last request in it.
    pub local_cseq: u32,
    /// Of their last request in it.
    pub remote_cseq: Option<u32>,
    /// Of the last reliable provisional.
    pub rseq: Option<u32>,
    /// The first SDP of its provisionals.
    pub sdp: Option<Box<[u8]>>,
    /// Our ACK to its 2xx, for when that comes again.
    pub ack: Option<Box<[u8]>>,
    /// How often its 2xx came again while our BYE was out and our ACK was not.
    pub repeats: u8,
    /// They take UPDATE.
    pub takes_update: bool,
    /// `peer` is outside the gateways, and counted as such.
    pub foreign: bool,
}

impl Dialog {
    /// Made by a response to our INVITE (12.1.2), of which [`Dialog::learn`] takes the rest.
    pub fn of_response(response: &Message<'_>, of_try: u8, way: Way) -> Self {
        let (cseq, _) = response.cseq();
        Self {
            tag: response.to_tag().unwrap_or("").into(),
            target: Box::default(),
            route: Box::default(),
            peer: way.peer,
            state: State::Early,
            of_try,
            invite_cseq: cseq,
            local_cseq: cseq,
            remote_cseq: None,
            rseq: None,
            sdp: None,
            ack: None,
            repeats: 0,
            takes_update: false,
            foreign: false,
        }
    }

    /// Takes Contact and Record-Route of a response: the 2xx says both anew (13.2.2.4). Without a
    /// Contact the target is `fallback`, the Request-URI of the INVITE.
    pub fn learn(&mut self, response: &Message<'_>, way: Way, fallback: &str) {
        if let Some(contact) = response.contact() {
            self.target = contact.uri.into();
        } else if self.target.is_empty() {
            self.target = fallback.into();
        }
        let mut route: Vec<String> =
            response.headers(Name::RecordRoute).take(ROUTES_MAX).map(str::to_owned).collect();
        route.reverse();
        self.route = route.into();
        self.takes_update |= response.lists(Name::Allow, "UPDATE");
        self.peer = self.next_hop(way);
    }

    /// Made of what was kept durably.
    pub fn of_values(remote: &RemoteDialog, way: Way) -> Self {
        let mut dialog = Self {
            tag: remote.remote_tag.as_str().into(),
            target: remote.target.as_str().into(),
            route: remote.route.clone().into(),
            peer: way.peer,
            state: State::Closed,
            of_try: 0,
            invite_cseq: remote.cseq,
            local_cseq: remote.cseq,
            remote_cseq: None,
            rseq: None,
            sdp: None,
            ack: None,
            repeats: 0,
            takes_update: false,
            foreign: false,
        };
        dialog.peer = dialog.next_hop(way);
        dialog
    }

    /// The values for the owner.
    pub fn remote(&self, cseq: u32) -> RemoteDialog {
        RemoteDialog {
            remote_tag: self.tag.to_string(),
            target: self.target.to_string(),
            route: self.route.to_vec(),
            cseq,
        }
    }

    /// Their Contact changed with a request that we accepted, or a 2xx to ours (12.2).
    pub fn retarget(&mut self, message: &Message<'_>, way: Way) {
        if let Some(contact) = message.contact() {
            self.target = contact.uri.into();
            self.peer = self.next_hop(way);
        }
    }

    /// Begins a request in the dialog: Request-URI and Route by 12.2.1.1. An older proxy, whose
    /// Route has no `lr`, becomes the Request-URI, and the target goes to the end of the route.
    pub fn request<'b>(&self, out: &'b mut Vec<u8>, method: Method, via: Via<'_>) -> Builder<'b> {
        let strict = self.first_route().is_some_and(|(_, loose)| !loose);
        let mut request = Builder::request(out, method, self.request_uri());
        request.via(self.peer.transport, via.sent_by, via.branch);
        for route in &self.route[usize::from(strict)..] {
            request.header(Name::Route, route);
        }
        if strict {
            request.header(Name::Route, format_args!("<{}>", self.target));
        }
        request
    }

    /// The Request-URI of a request in the dialog.
    pub fn request_uri(&self) -> &str {
        self.first_route().filter(|(_, loose)| !loose).map_or(&self.target, |(uri, _)| uri)
    }

    fn first_route(&self) -> Option<(&str, bool)> {
        let first = NameAddr::parse(self.route.first()?)?;
        let loose = first.sip_uri().is_ok_and(|uri| uri.is_loose());
        Some((first.uri, loose))
    }

    fn next_hop(&self, way: Way) -> Peer {
        let uri = self.first_route().map_or(&*self.target, |(uri, _)| uri);
        SipUri::parse(uri).map_or(way.peer, |uri| way.to(&uri))
    }
}

/// Our Via.
#[derive(Clone, Copy)]
pub(crate) struct Via<'a> {
    pub sent_by: &'a str,
    pub branch: &'a str,
}

/// The way that a dialog began on.
#[derive(Clone, Copy)]
pub(crate) struct Way {
    /// Where the INVITE went.
    pub peer: Peer,
}

impl Way {
    /// Where a request to `uri` goes.
    ///
    /// An address says so itself, but for those that cannot be reached from here: nobody's, and a
    /// private one behind a public gateway (a device that does not know its NAT). A name that is
    /// not the gateway's is not looked up: it goes the way of the INVITE, as all requests do that
    /// go by an outbound proxy. A connection is used on (RFC 5923): the dialog that began on it
    /// stays there while the address is the same.
    pub fn to(self, uri: &SipUri<'_>) -> Peer {
        let Some(ip) = uri.address() else { return self.peer };
        let lost = is_private(ip) && !is_private(self.peer.address.ip());
        if ip.is_unspecified() || ip.is_multicast() || lost {
            return self.peer;
        }
        let transport = match uri.transport() {
            Some(name) if name.eq_ignore_ascii_case("tcp") => Transport::Tcp,
            Some(name) if name.eq_ignore_ascii_case("udp") => Transport::Udp,
            _ => self.peer.transport,
        };
        if self.peer.transport == Transport::Tcp && self.peer.address.ip() == ip {
            return self.peer;
        }
        Peer { transport, address: SocketAddr::new(ip, uri.port.unwrap_or(5060)) }
    }
}

/// Addresses that mean something in one network only (RFC 1918, 4193, and those of one machine).
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}
