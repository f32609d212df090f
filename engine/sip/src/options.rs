//! What a user agent is told when it is made.

use std::net::SocketAddr;
use std::time::Duration;

use crate::port::GatewayConfig;

/// How a user agent is set up. Every bound is here, with what happens at it.
#[derive(Clone, Debug)]
pub struct Options {
    /// The shard that it serves. Stands in every branch and tag it makes.
    pub shard: u8,
    /// Our address in Via, for datagrams and for connections alike: the socket's, not `0.0.0.0`.
    pub local: SocketAddr,
    /// Our address in Contact. When absent it is learned from what the gateways see (`received`
    /// and `rport`, RFC 3581), and `local` until then.
    pub contact: Option<SocketAddr>,
    /// What User-Agent and Server say; no such header when empty.
    pub user_agent: String,
    /// The gateways; a [`crate::port::GatewayId`] is a place in this list.
    pub gateways: Vec<GatewayConfig>,
    /// T1 of RFC 3261: an estimate of the round trip, after which a datagram is sent again.
    pub t1: Duration,
    /// T2 of RFC 3261: the longest time between two repeats.
    pub t2: Duration,
    /// T4 of RFC 3261: how long a message may stay in the network.
    pub t4: Duration,
    /// How long an answer waits for [`crate::port::SipOrder::Accept`], and a re-INVITE for
    /// [`crate::port::SipOrder::AnswerReinvite`]. Then the answered call is hung up, and the
    /// re-INVITE is refused with 500.
    pub accept_within: Duration,
    /// The largest request in bytes that goes as a datagram; a larger one goes by TCP (RFC 3261,
    /// 18.1.1).
    pub datagram_bytes_max: usize,
    /// The most legs at a time, those that linger counted. One more is refused as
    /// [`crate::port::RefusalSource::Unsendable`].
    pub legs_max: usize,
    /// What is asked for with REGISTER. The gateway may grant less.
    pub register_for: Duration,
    /// How many OPTIONS in a row must fail before a gateway is down.
    pub probe_misses_max: u32,
}

impl Options {
    /// The usual timers and bounds.
    pub fn new(local: SocketAddr, gateways: Vec<GatewayConfig>) -> Self {
        Self {
            shard: 0,
            local,
            contact: None,
            user_agent: String::new(),
            gateways,
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            accept_within: Duration::from_secs(10),
            datagram_bytes_max: 1300,
            legs_max: 200_000,
            register_for: Duration::from_secs(3600),
            probe_misses_max: 3,
        }
    }

    /// 64*T1: how long a transaction waits for its end (Timers B, D, F, H, J, M).
    pub fn transaction(&self) -> Duration {
        self.t1 * 64
    }
}
