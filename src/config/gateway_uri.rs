//! `sip:HOST[:PORT][;transport=udp|tcp]`: how a gateway is written, in the configuration and on
//! the command line.

use sip::port::Transport;
use std::fmt;
use std::str::FromStr;

/// How a gateway is reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GatewayUri {
    /// As it was written: what `dial` calls the gateway in its records.
    pub text: String,
    /// Host name or address; an IPv6 address in its brackets.
    pub host: String,
    /// Its port; by SRV or 5060 when absent (RFC 3263).
    pub port: Option<u16>,
    /// How messages travel.
    pub transport: Transport,
}

/// A text that is no gateway's URI, and why.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "a gateway is written sip:HOST[:PORT][;transport=udp|tcp], such as sip:192.0.2.1:5060: {0}"
)]
pub struct NoGatewayUri(&'static str);

impl FromStr for GatewayUri {
    type Err = NoGatewayUri;

    fn from_str(text: &str) -> Result<Self, NoGatewayUri> {
        let lower = text.trim().to_ascii_lowercase();
        if lower.starts_with("sips:") {
            return Err(NoGatewayUri("TLS is not spoken yet"));
        }
        let rest = lower.strip_prefix("sip:").ok_or(NoGatewayUri("it begins with sip:"))?;
        let mut parts = rest.split(';');
        let address = parts.next().unwrap_or_default();
        if address.contains('@') {
            return Err(NoGatewayUri("the user stands in username, not here"));
        }
        let mut transport = Transport::Udp;
        for parameter in parts {
            transport = match parameter.trim() {
                "transport=udp" => Transport::Udp,
                "transport=tcp" => Transport::Tcp,
                "transport=tls" => return Err(NoGatewayUri("TLS is not spoken yet")),
                _ => return Err(NoGatewayUri("the one parameter is transport=udp or =tcp")),
            };
        }
        let (host, port) = split_port(address)?;
        if !is_host(host) {
            return Err(NoGatewayUri("the host is a name or an address"));
        }
        Ok(Self { text: text.trim().to_owned(), host: host.to_owned(), port, transport })
    }
}

fn split_port(address: &str) -> Result<(&str, Option<u16>), NoGatewayUri> {
    let after_host = address.rfind(']').map_or(0, |end| end + 1);
    let Some(colon) = address[after_host..].find(':') else { return Ok((address, None)) };
    let (host, port) = address.split_at(after_host + colon);
    match port[1..].parse() {
        Ok(port) if port > 0 => Ok((host, Some(port))),
        _ => Err(NoGatewayUri("the port is a number from 1 to 65535")),
    }
}

fn is_host(host: &str) -> bool {
    if let Some(six) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return six.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let label = |label: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        (1..=63).contains(&label.len()) && label.chars().all(plain) && !label.starts_with('-')
    };
    let digits_only = host.chars().all(|c| c.is_ascii_digit() || c == '.');
    let is_address = host.parse::<std::net::Ipv4Addr>().is_ok();
    host.len() <= 253
        && host.strip_suffix('.').unwrap_or(host).split('.').all(label)
        && (is_address || !digits_only)
}

impl fmt::Display for GatewayUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
