//! Gateways as they are named on the command line, made what the node takes.

use crate::config::GatewayUri;
use anyhow::{Context, Result, bail};
use node::Gateway;
use node::dns::{Question, find_now};
use routing::GatewayOptions;
use sip::port::{Credentials, GatewayConfig, GatewayId};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

/// What holds for every gateway that is named on the command line.
#[derive(Clone, Debug, Default)]
pub struct GatewayTerms {
    /// What their challenges are answered with.
    pub credentials: Option<Credentials>,
    /// Whether a registration is kept there (RFC 3261, 10).
    pub register: bool,
    /// How often they are asked whether they are alive (OPTIONS); never when absent.
    pub probe_every: Option<Duration>,
    /// How long an INVITE waits for a first answer; 32 s (Timer B) when absent.
    pub answer_within: Option<Duration>,
    /// Whether the Contacts of a 3xx are followed where they lead to the same gateway.
    pub follow_redirects: bool,
}

/// The gateways with an address each. Asked for now, so that a name that does not resolve is said
/// before anything is dialled.
pub fn resolve(uris: &[GatewayUri], terms: &GatewayTerms) -> Result<Vec<(Gateway, SocketAddr)>> {
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
        gateways.push((gateway(uri, terms), address));
    }
    Ok(gateways)
}

fn gateway(uri: &GatewayUri, terms: &GatewayTerms) -> Gateway {
    Gateway {
        options: GatewayOptions {
            name: uri.text.clone(),
            max_concurrent: u32::MAX,
            calls_per_second: None,
        },
        sip: GatewayConfig {
            host: uri.host.clone(),
            port: uri.port,
            transport: uri.transport,
            credentials: terms.credentials.clone(),
            register: terms.register,
            options_every: terms.probe_every,
            answer_within: terms.answer_within,
            trusted: false,
            follow_redirects: terms.follow_redirects,
            session_expires: None,
        },
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
    fn loopback_is_reached_from_loopback() {
        let here = local_ip_towards(([127, 0, 0, 1], 5060).into()).unwrap();
        assert!(here.is_loopback());
    }
}
