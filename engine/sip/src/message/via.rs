//! Via: the way a request came, and the way its answer goes back (RFC 3261, 20.42; RFC 3581).

use std::net::IpAddr;

use super::params::{Params, word};
use super::text::{TOKEN, cut, is_blank, number, trim};
use super::uri::{host_address, split_host_port};

/// One Via value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Via<'a> {
    /// As it came.
    pub raw: &'a str,
    /// `UDP`, `TCP` and so on, in the case it came in.
    pub transport: &'a str,
    /// The host it was sent by; an IPv6 address is in brackets.
    pub host: &'a str,
    /// The port it was sent by, when it was given.
    pub port: Option<u16>,
    /// `branch`, `received`, `rport` and the like.
    pub params: Params<'a>,
}

impl<'a> Via<'a> {
    /// Reads one value: `SIP/2.0/UDP host:port;params`, blanks allowed around each mark.
    pub fn parse(raw: &'a str) -> Option<Self> {
        let raw = trim(raw);
        let (name, rest) = cut(raw, b'/')?;
        let (version, rest) = cut(rest, b'/')?;
        if !trim(name).eq_ignore_ascii_case("SIP") || trim(version) != "2.0" {
            return None;
        }
        let (transport, rest) = word(trim(rest));
        let end = rest.bytes().position(|b| b == b';').unwrap_or(rest.len());
        let (sent_by, params) = rest.split_at(end);
        let (host, port) = split_sent_by(trim(sent_by))?;
        TOKEN.all(transport).then_some(Self { raw, transport, host, port, params: Params(params) })
    }

    /// A value that cannot be read, for whoever only repeats it.
    pub(super) fn unread(raw: &'a str) -> Self {
        Self { raw, transport: "", host: "", port: None, params: Params("") }
    }

    /// The branch: it names the transaction (RFC 3261, 17.1.3). Absent from peers of RFC 2543.
    pub fn branch(&self) -> Option<&'a str> {
        self.params.value("branch").filter(|branch| !branch.is_empty())
    }

    /// The address that the next hop saw, in the form that it came in: a wrong one is None. Some
    /// peers write an IPv6 address without brackets, and some with (RFC 5118, 4.5).
    pub fn received(&self) -> Option<IpAddr> {
        let text = self.params.value("received")?;
        text.parse().ok().or_else(|| host_address(text))
    }

    /// Whether the port was asked for (RFC 3581): `rport`, with or without a value.
    pub fn wants_rport(&self) -> bool {
        self.params.has("rport")
    }

    /// The port that the next hop saw (RFC 3581).
    pub fn rport(&self) -> Option<u16> {
        self.params
            .value("rport")
            .and_then(number)
            .and_then(|n| u16::try_from(n).ok())
            .filter(|&port| port != 0)
    }
}

/// host [":" port], blanks allowed around the colon.
fn split_sent_by(text: &str) -> Option<(&str, Option<u16>)> {
    if !text.bytes().any(is_blank) {
        return split_host_port(text);
    }
    let colon = text.rfind(':')?;
    let (host, none) = split_host_port(trim(&text[..colon]))?;
    let port = u16::try_from(number(trim(&text[colon + 1..]))?).ok()?;
    none.is_none().then_some((host, Some(port)))
}
