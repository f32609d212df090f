//! SIP URIs (RFC 3261, 19.1), taken apart without a copy.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::params::Params;
use super::text::{HOST, PARAM, Set, URI_HEADER, USER, cut, number, unescape};

/// What a URI begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
}

/// Why a URI could not be taken apart. Its text is still there for whoever only copies it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UriError {
    /// A scheme we do not know, such as `tel`: 416 to a request for it (RFC 3261, 8.2.2.1).
    #[error("a URI of another scheme")]
    OtherScheme,
    /// No URI at all, or one with a character that may not stand there.
    #[error("no URI")]
    Malformed,
}

/// A `sip:` or `sips:` URI.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SipUri<'a> {
    /// As it came.
    pub raw: &'a str,
    /// sip or sips.
    pub scheme: Scheme,
    /// The user part as it came, escapes and all. See [`SipUri::user_text`].
    pub user: Option<&'a str>,
    /// The password. Nobody should send one (RFC 3261, 19.1.1).
    pub password: Option<&'a str>,
    /// A name or an address; an IPv6 address is in brackets.
    pub host: &'a str,
    /// The port, when it was given.
    pub port: Option<u16>,
    /// `transport`, `lr`, `user` and the like.
    pub params: Params<'a>,
    /// What stands after the `?`: headers for the request that the URI asks for.
    pub headers: Option<&'a str>,
}

impl<'a> SipUri<'a> {
    /// Takes a URI apart. There must be nothing but the URI: no blanks, no angle brackets.
    pub fn parse(raw: &'a str) -> Result<Self, UriError> {
        let (scheme, rest) = split_scheme(raw)?;
        let scheme = if scheme.eq_ignore_ascii_case("sip") {
            Scheme::Sip
        } else if scheme.eq_ignore_ascii_case("sips") {
            Scheme::Sips
        } else {
            return Err(UriError::OtherScheme);
        };
        // A user part may hold `;` and `?`, a host may not: so the `@` is looked for first.
        let (userinfo, rest) = match cut(rest, b'@') {
            Some((userinfo, rest)) => (Some(userinfo), rest),
            None => (None, rest),
        };
        let (user, password) = match userinfo {
            Some(both) => match cut(both, b':') {
                Some((user, password)) => (Some(user), Some(password)),
                None => (Some(both), None),
            },
            None => (None, None),
        };
        let (rest, headers) = match cut(rest, b'?') {
            Some((rest, headers)) => (rest, Some(headers)),
            None => (rest, None),
        };
        let end = rest.bytes().position(|b| b == b';').unwrap_or(rest.len());
        let (host_port, params) = rest.split_at(end);
        let (host, port) = split_host_port(host_port).ok_or(UriError::Malformed)?;
        let sound = user.is_none_or(|u| !u.is_empty() && USER.all_or_escaped(u))
            && password.is_none_or(|p| PASSWORD.all_or_escaped(p))
            && URI_PARAMS.all_or_escaped(params)
            && headers.is_none_or(|h| URI_HEADER.all_or_escaped(h));
        if !sound {
            return Err(UriError::Malformed);
        }
        Ok(Self { raw, scheme, user, password, host, port, params: Params(params), headers })
    }

    /// The user part in plain text.
    pub fn user_text(&self) -> Option<Cow<'a, str>> {
        self.user.map(unescape)
    }

    /// The `transport` parameter: `udp`, `tcp`, `tls`, in the case it came in.
    pub fn transport(&self) -> Option<&'a str> {
        self.params.value("transport")
    }

    /// Whether a Route with this URI is a loose one (RFC 3261, 19.1.1).
    pub fn is_loose(&self) -> bool {
        self.params.has("lr")
    }

    /// Where to send instead of to the host (RFC 3261, 19.1.1).
    pub fn maddr(&self) -> Option<&'a str> {
        self.params.value("maddr")
    }

    /// The host as an address; None when it is a name.
    pub fn address(&self) -> Option<IpAddr> {
        host_address(self.host)
    }

    /// Whether both mean the same place: scheme, user, host and port alike, and the parameters
    /// that decide where a request goes (RFC 3261, 19.1.4, but headers and unknown parameters are
    /// left aside).
    pub fn is_same_place(&self, other: &SipUri<'_>) -> bool {
        let same = |name| match (self.params.get(name), other.params.get(name)) {
            (None, None) => true,
            (Some(a), Some(b)) => match (a.value, b.value) {
                (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
                (a, b) => a == b,
            },
            _ => false,
        };
        self.scheme == other.scheme
            && self.user_text() == other.user_text()
            && self.host.eq_ignore_ascii_case(other.host)
            && self.port == other.port
            && ["transport", "maddr", "user", "method", "ttl"].into_iter().all(same)
    }
}

/// Parameters together with what stands between them.
const URI_PARAMS: Set = PARAM.with(b";=");
/// password, RFC 3261, 25.1.
const PASSWORD: Set = Set::alphanumeric().with(b"-_.!~*'()").with(b"&=+$,");

/// What stands before and after the first colon: the scheme, and the rest.
pub(crate) fn split_scheme(uri: &str) -> Result<(&str, &str), UriError> {
    let (scheme, rest) = cut(uri, b':').ok_or(UriError::Malformed)?;
    let sound = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    if sound && !rest.is_empty() { Ok((scheme, rest)) } else { Err(UriError::Malformed) }
}

/// A host, and the port behind its colon. None when either is none.
pub(crate) fn split_host_port(text: &str) -> Option<(&str, Option<u16>)> {
    let host_end = if text.starts_with('[') {
        text.find(']')? + 1
    } else {
        text.find(':').unwrap_or(text.len())
    };
    let (host, rest) = text.split_at(host_end);
    let port = match rest.strip_prefix(':') {
        Some(digits) => Some(u16::try_from(number(digits)?).ok()?),
        None if rest.is_empty() => None,
        None => return None,
    };
    is_host(host).then_some((host, port))
}

/// Whether `text` is a host name, an IPv4 address, or an IPv6 address in brackets.
pub(crate) fn is_host(text: &str) -> bool {
    match text.strip_prefix('[') {
        Some(_) => host_address(text).is_some(),
        None => HOST.all(text),
    }
}

/// The address that a host is; None when it is a name.
pub(crate) fn host_address(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[') {
        Some(inner) => {
            let inner = inner.strip_suffix(']')?;
            // The grammar of RFC 3261 has a colon too many before an embedded IPv4 address, and
            // messages were made by it (RFC 5118, 4.10).
            let address =
                inner.parse().or_else(|_| inner.replacen(":::", "::", 1).parse::<Ipv6Addr>());
            address.ok().map(IpAddr::V6)
        }
        None => host.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}
