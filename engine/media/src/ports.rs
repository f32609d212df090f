//! Ports of calls: an even one for RTP, the next for RTCP (RFC 3550, 11), taken, given back, and
//! rested.
//!
//! A port that was just closed still gets what their side sends until it has seen our BYE. Given to
//! the next call at once, that call would hear the one before. So a pair stays bound, and deaf, for
//! a while.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// How often ephemeral ports are drawn until one has a free neighbour.
const DRAWS_MAX: usize = 64;

/// Which ports, and how their sockets are set up.
#[derive(Clone, Debug)]
pub struct PortOptions {
    /// The address that calls send from and listen on.
    pub ip: IpAddr,
    /// The address that others reach `ip` at, for the SDP, when it is another: behind a NAT that
    /// maps ports one to one, or when `ip` is `0.0.0.0`, which is nobody's address.
    pub advertised: Option<IpAddr>,
    /// The ports that may be used, both ends included; what the firewall lets through. None: any
    /// free ones.
    pub range: Option<RangeInclusive<u16>>,
    /// How long a pair rests after its call, in milliseconds.
    pub rest_ms: u32,
    /// Kernel memory for what came in and was not read yet, per socket. 32 kB hold some 25 packets,
    /// half a second; it also bounds what a flood can take.
    pub receive_buffer_bytes: usize,
    /// The DiffServ code point of what is sent: 46, expedited forwarding, is what carriers expect
    /// of voice (RFC 4594). 0 marks nothing. A system that refuses is not insisted with.
    pub dscp: u8,
}

impl Default for PortOptions {
    /// Any free ports of 127.0.0.1, rested for 500 ms.
    fn default() -> Self {
        Self {
            ip: IpAddr::from([127, 0, 0, 1]),
            advertised: None,
            range: None,
            rest_ms: 500,
            receive_buffer_bytes: 32 * 1024,
            dscp: 46,
        }
    }
}

/// Two bound sockets, nonblocking.
#[derive(Debug)]
pub struct PortPair {
    /// At an even port.
    pub rtp: UdpSocket,
    /// At the port above.
    pub rtcp: UdpSocket,
    /// Where RTP listens, as others reach it.
    pub local: SocketAddr,
}

/// Why no pair could be had. The text is one sentence for people.
#[derive(Debug, thiserror::Error)]
pub enum PortFault {
    /// Each pair of the range is used, by us or by another process.
    #[error(
        "no free RTP port in {first}-{last} on {ip}: all {ours} of our calls' and {others} of others'"
    )]
    Exhausted {
        /// On which address.
        ip: IpAddr,
        /// The range's first port.
        first: u16,
        /// The range's last port.
        last: u16,
        /// Pairs that our calls have, or that rest.
        ours: usize,
        /// Pairs that somebody else has.
        others: usize,
    },
    /// No two ephemeral ports beside each other were found.
    #[error("no two free ports beside each other on {ip}")]
    NoNeighbours {
        /// On which address.
        ip: IpAddr,
    },
    /// The system refuses: the address is not ours, or there are too many open files.
    #[error("no RTP socket on {ip}")]
    System {
        /// On which address.
        ip: IpAddr,
        /// Why.
        source: io::Error,
    },
}

/// Takes and rests pairs of ports.
#[derive(Debug)]
pub struct Ports {
    options: PortOptions,
    /// The even ports of the range, and which of them are ours now.
    ours: Vec<bool>,
    first: u16,
    /// Where the search goes on: in a circle, so that a port's turn comes back as late as can be.
    next: usize,
    /// What rests, until when, earliest first.
    resting: VecDeque<(u64, PortPair)>,
}

impl Ports {
    /// No pair is taken yet.
    pub fn new(options: PortOptions) -> Self {
        let (first, last) =
            options.range.as_ref().map_or((0, 0), |range| (*range.start(), *range.end()));
        let even = first.checked_next_multiple_of(2).unwrap_or(u16::MAX);
        // A pair needs its upper port in the range as well.
        let pairs = (usize::from(last) + 1).saturating_sub(usize::from(even)) / 2;
        Self { options, ours: vec![false; pairs], first: even, next: 0, resting: VecDeque::new() }
    }

    /// Binds a free pair.
    pub fn take(&mut self, now_us: u64) -> Result<PortPair, PortFault> {
        self.wake(now_us);
        if self.options.range.is_some() { self.take_of_range() } else { self.take_any() }
    }

    /// A call is over: its pair rests from now on.
    pub fn give_back(&mut self, pair: PortPair, now_us: u64) {
        deafen(&pair.rtp);
        deafen(&pair.rtcp);
        self.resting.push_back((now_us + u64::from(self.options.rest_ms) * 1_000, pair));
        self.wake(now_us);
    }

    /// Pairs that rest.
    pub fn resting(&self) -> usize {
        self.resting.len()
    }

    fn wake(&mut self, now_us: u64) {
        while self.resting.front().is_some_and(|(until_us, _)| *until_us <= now_us) {
            let Some((_, pair)) = self.resting.pop_front() else { return };
            if let Some(at) = self.place(pair.local.port()) {
                self.ours[at] = false;
            }
        }
    }

    fn place(&self, port: u16) -> Option<usize> {
        let at = usize::from(port.checked_sub(self.first)?) / 2;
        (at < self.ours.len()).then_some(at)
    }

    fn take_of_range(&mut self) -> Result<PortPair, PortFault> {
        let pairs = self.ours.len();
        let mut others = 0;
        for step in 0..pairs {
            let at = (self.next + step) % pairs;
            if self.ours[at] {
                continue;
            }
            let port = self.first + at as u16 * 2;
            match self.bind(port).and_then(|rtp| Ok((rtp, self.bind(port + 1)?))) {
                Ok((rtp, rtcp)) => {
                    self.ours[at] = true;
                    self.next = at + 1;
                    return Ok(PortPair { rtp, rtcp, local: self.reached_at(port) });
                }
                Err(fault) if fault.kind() == io::ErrorKind::AddrInUse => others += 1,
                Err(source) => return Err(PortFault::System { ip: self.options.ip, source }),
            }
        }
        let (first, last) =
            self.options.range.as_ref().map_or((0, 0), |range| (*range.start(), *range.end()));
        Err(PortFault::Exhausted { ip: self.options.ip, first, last, ours: pairs - others, others })
    }

    fn take_any(&mut self) -> Result<PortPair, PortFault> {
        let ip = self.options.ip;
        let system = |source| PortFault::System { ip, source };
        for _ in 0..DRAWS_MAX {
            let drawn = self.bind(0).map_err(system)?;
            let port = drawn.local_addr().map_err(system)?.port();
            // Ports wrap nowhere here: an even one has a neighbour above, an odd one below.
            match self.bind(port ^ 1) {
                Ok(neighbour) => {
                    let (rtp, rtcp) =
                        if port % 2 == 0 { (drawn, neighbour) } else { (neighbour, drawn) };
                    return Ok(PortPair { rtp, rtcp, local: self.reached_at(port & !1) });
                }
                Err(fault) if fault.kind() == io::ErrorKind::AddrInUse => {}
                Err(fault) => return Err(system(fault)),
            }
        }
        Err(PortFault::NoNeighbours { ip })
    }

    fn reached_at(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.options.advertised.unwrap_or(self.options.ip), port)
    }

    fn bind(&self, port: u16) -> io::Result<UdpSocket> {
        let PortOptions { ip, receive_buffer_bytes, dscp, .. } = self.options;
        let socket = Socket::new(
            Domain::for_address(SocketAddr::new(ip, port)),
            Type::DGRAM,
            Some(Protocol::UDP),
        )?;
        socket.set_nonblocking(true)?;
        // A refused buffer or mark costs nothing but comfort.
        let _ = socket.set_recv_buffer_size(receive_buffer_bytes);
        if dscp != 0 {
            let class = u32::from(dscp & 0x3f) << 2;
            let _ =
                if ip.is_ipv4() { socket.set_tos_v4(class) } else { socket.set_tclass_v6(class) };
        }
        socket.bind(&SockAddr::from(SocketAddr::new(ip, port)))?;
        Ok(socket.into())
    }
}

/// Nothing is queued any more: the kernel throws away what arrives. Where it cannot, the buffer
/// stays full.
#[cfg(target_os = "linux")]
pub(crate) fn deafen(socket: &UdpSocket) {
    // BPF_RET with 0: keep no byte of any packet.
    let nothing = socket2::SockFilter::new(0x06, 0, 0, 0);
    let _ = socket2::SockRef::from(socket).attach_filter(&[nothing]);
}

/// See the Linux one: elsewhere the buffer is made as small as it goes, and stays full.
#[cfg(not(target_os = "linux"))]
pub(crate) fn deafen(socket: &UdpSocket) {
    let _ = socket2::SockRef::from(socket).set_recv_buffer_size(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(range: Option<RangeInclusive<u16>>) -> Ports {
        Ports::new(PortOptions { range, rest_ms: 100, ..PortOptions::default() })
    }

    /// A range of `pairs` free pairs that begins at an odd port and ends at an even one.
    fn free_range(pairs: u16) -> RangeInclusive<u16> {
        let mut any = ports(None);
        loop {
            let begin = any.take(0).expect("a free pair").local.port();
            let held: Vec<_> =
                (begin..begin.saturating_add(pairs * 2)).map(|port| any.bind(port)).collect();
            if held.iter().all(Result::is_ok) {
                return begin - 1..=begin + pairs * 2;
            }
        }
    }

    #[test]
    fn a_pair_is_an_even_port_and_the_one_above() {
        let mut any = ports(None);
        for _ in 0..20 {
            let pair = any.take(0).expect("a free pair");
            let port = |socket: &UdpSocket| socket.local_addr().expect("it is bound").port();
            assert_eq!(pair.local.port() % 2, 0);
            assert_eq!(
                (port(&pair.rtp), port(&pair.rtcp)),
                (pair.local.port(), pair.local.port() + 1)
            );
        }
    }

    #[test]
    fn a_range_is_used_up_then_rests_then_comes_back_in_its_order() {
        let range = free_range(3);
        let first = *range.start() + 1;
        let mut ports = ports(Some(range));
        let mut pairs: VecDeque<_> = (0..3).map(|_| ports.take(0).expect("a free pair")).collect();
        let taken: Vec<_> = pairs.iter().map(|pair| pair.local.port()).collect();
        assert_eq!(taken, [first, first + 2, first + 4]);
        assert!(matches!(ports.take(0), Err(PortFault::Exhausted { ours: 3, others: 0, .. })));

        ports.give_back(pairs.pop_front().expect("three pairs"), 1_000);
        assert!(ports.take(100_000).is_err(), "it rests");
        assert_eq!(ports.resting(), 1);
        let again = ports.take(101_000).expect("it has rested");
        assert_eq!((again.local.port(), ports.resting()), (first, 0));
    }

    #[test]
    fn a_port_of_somebody_else_is_passed_over() {
        let range = free_range(2);
        let first = *range.start() + 1;
        let _theirs =
            UdpSocket::bind(("127.0.0.1", first + 1)).expect("the RTCP port of the first pair");
        let mut ports = ports(Some(range));
        assert_eq!(ports.take(0).expect("a free pair").local.port(), first + 2);
        let fault = ports.take(0).expect_err("one is ours, one is theirs");
        assert!(matches!(fault, PortFault::Exhausted { ours: 1, others: 1, .. }), "{fault}");
    }

    #[test]
    fn a_range_without_a_pair_and_a_foreign_address_are_told() {
        let fault = ports(Some(7..=8)).take(0).expect_err("7 and 8 are no pair");
        assert_eq!(
            fault.to_string(),
            "no free RTP port in 7-8 on 127.0.0.1: all 0 of our calls' and 0 of others'"
        );
        let mut foreign =
            Ports::new(PortOptions { ip: IpAddr::from([192, 0, 2, 1]), ..PortOptions::default() });
        assert!(matches!(foreign.take(0), Err(PortFault::System { .. })));
    }

    #[test]
    fn a_resting_pair_hears_nothing() {
        let mut ports = ports(None);
        let pair = ports.take(0).expect("a free pair");
        let ears = pair.rtp.try_clone().expect("a second handle");
        let mouth = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let mut buffer = [0; 16];
        // Loopback delivers before `send_to` returns.
        mouth.send_to(b"before", pair.local).expect("sent");
        assert_eq!(ears.recv(&mut buffer).expect("heard"), 6);
        let local = pair.local;
        ports.give_back(pair, 0);
        mouth.send_to(b"after", local).expect("sent");
        assert_eq!(ears.recv(&mut buffer).expect_err("deaf").kind(), io::ErrorKind::WouldBlock);
    }
}
