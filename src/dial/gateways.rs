//! Gateways as they are named on the command line: `sip:HOST[:PORT][;transport=tcp]`.

use anyhow::{Context, Result, bail};
use node::dns::{Question, find_now};
use node::engine::Gateway;
use routing::GatewayOptions;
use sip::message::SipUri;
use sip::port::{Credentials, GatewayConfig, GatewayId, Transport};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::str::FromStr;

/// A gateway's URI, read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GatewayUri {
    /// As it was given: the gateway's name in records.
    pub text: String,
    host: String,
    port: Option<u16>,
    transport: Transport,
}

impl FromStr for GatewayUri {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let example = "give one like sip:gateway.example.com:5060 or sip:192.0.2.1;transport=tcp";
        let uri = SipUri::parse(text).map_err(|_| format!("not a SIP URI; {example}"))?;
        if text.starts_with("sips:") {
            return Err(format!("TLS is not there yet; {example}"));
        }
        if uri.user.is_some() {
            return Err(format!("a gateway has no user part; {example}"));
        }
        let transport = match uri.params.value("transport") {
            None => Transport::Udp,
            Some(name) if name.eq_ignore_ascii_case("udp") => Transport::Udp,
            Some(name) if name.eq_ignore_ascii_case("tcp") => Transport::Tcp,
            Some(other) => return Err(format!("transport {other} is not there; udp and tcp are")),
        };
        Ok(Self { text: text.to_owned(), host: uri.host.to_owned(), port: uri.port, transport })
    }
}

/// The gateways with an address each. Asked for now, so that a name that does not resolve is said
/// before anything is dialled.
pub fn resolve(
    uris: &[GatewayUri],
    credentials: Option<&Credentials>,
) -> Result<Vec<(Gateway, SocketAddr)>> {
    let mut gateways = Vec::new();
    for (index, uri) in uris.iter().enumerate() {
        let question = Question {
            gateway: GatewayId(index as u16),
            host: uri.host.clone(),
            port: uri.port,
            transport: uri.transport,
        };
        let targets = match find_now(&question) {
            Ok(targets) => targets,
            Err(why) => bail!("the gateway {} cannot be found: {why}", uri.text),
        };
        let address = targets.peers.first().context("a found gateway has an address")?.address;
        gateways.push((uri.gateway(credentials), address));
    }
    Ok(gateways)
}

impl GatewayUri {
    fn gateway(&self, credentials: Option<&Credentials>) -> Gateway {
        Gateway {
            options: GatewayOptions {
                name: self.text.clone(),
                max_concurrent: u32::MAX,
                calls_per_second: None,
            },
            sip: GatewayConfig {
                host: self.host.clone(),
                port: self.port,
                transport: self.transport,
                credentials: credentials.cloned(),
                register: false,
                options_every: None,
                answer_within: None,
                trusted: false,
                follow_redirects: false,
                session_expires: None,
            },
        }
    }
}

/// The address of ours from which a peer is reached: what it can answer to.
pub fn local_ip_towards(peer: SocketAddr) -> Result<IpAddr> {
    let any: SocketAddr = match peer {
        SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
        SocketAddr::V6(_) => ([0_u16; 8], 0).into(),
    };
    // Connecting a UDP socket sends nothing: it only asks for the route.
    let found = UdpSocket::bind(any).and_then(|socket| {
        socket.connect(peer)?;
        socket.local_addr()
    });
    let local = found.with_context(|| format!("there is no way from here to {}", peer.ip()))?;
    Ok(local.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_is_a_sip_uri_without_a_user() {
        let read = |text: &str| text.parse::<GatewayUri>();
        let plain = read("sip:gateway.example.com").unwrap();
        assert_eq!((plain.host.as_str(), plain.port), ("gateway.example.com", None));
        let tcp = read("sip:192.0.2.1:5070;transport=TCP").unwrap();
        assert_eq!((tcp.port, tcp.transport), (Some(5070), Transport::Tcp));
        assert!(read("gateway.example.com").unwrap_err().contains("sip:"));
        assert!(read("sips:192.0.2.1").unwrap_err().contains("TLS"));
        assert!(read("sip:user@192.0.2.1").unwrap_err().contains("user"));
        assert!(read("sip:192.0.2.1;transport=sctp").unwrap_err().contains("sctp"));
    }

    #[test]
    fn loopback_is_reached_from_loopback() {
        let here = local_ip_towards(([127, 0, 0, 1], 5060).into()).unwrap();
        assert!(here.is_loopback());
    }
}
