//! RTP sockets: a pair per call, RTP on the even port and RTCP above it.

use crate::exchange::Ports;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::sync::mpsc::{Receiver, Sender};

use super::rtp::Order;

/// The two sockets of a call.
#[derive(Debug)]
pub struct Pair {
    pub local: SocketAddr,
    pub rtp: UdpSocket,
    pub rtcp: UdpSocket,
}

/// Packets that are thrown away: more than a socket's buffer holds.
const DRAINED_MAX: usize = 2_000;
/// How often the kernel is asked for an even port with a free one above it.
const TRIES_MAX: u32 = 64;

impl Pair {
    fn bind(ip: IpAddr, port: u16) -> io::Result<Self> {
        let rtp = UdpSocket::bind((ip, port))?;
        let local = rtp.local_addr()?;
        if local.port() % 2 == 1 {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let rtcp = UdpSocket::bind((ip, local.port() + 1))?;
        rtp.set_nonblocking(true)?;
        rtcp.set_nonblocking(true)?;
        Ok(Self { local, rtp, rtcp })
    }

    /// Throws away what came for the call before.
    pub fn drain(&self) {
        let mut stale = [0; 1];
        for socket in [&self.rtp, &self.rtcp] {
            for _ in 0..DRAINED_MAX {
                let heard = socket.recv(&mut stale);
                if heard.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
                    break;
                }
            }
        }
    }
}

/// Gives out pairs: those that calls before have left and that have rested, new ones else.
pub struct Sockets {
    ip: IpAddr,
    /// What SDP shows in place of `ip`, when that is no address to send to.
    shown: IpAddr,
    range: Option<RangeInclusive<u16>>,
    next: u16,
    made: usize,
    made_max: usize,
    rested: Receiver<Pair>,
    to_rtp: Sender<Order>,
}

impl Sockets {
    pub fn new(
        ip: IpAddr,
        shown: IpAddr,
        range: Option<RangeInclusive<u16>>,
        made_max: usize,
        rested: Receiver<Pair>,
        to_rtp: Sender<Order>,
    ) -> Self {
        let next = range.as_ref().map_or(0, |range| range.start().next_multiple_of(2));
        Self { ip, shown, range, next, made: 0, made_max, rested, to_rtp }
    }

    fn bind(&mut self) -> Option<Pair> {
        if self.made >= self.made_max {
            return None;
        }
        let tries = match &self.range {
            Some(range) => u32::from((range.end() - range.start()) / 2 + 1),
            None => TRIES_MAX,
        };
        for _ in 0..tries {
            let port = self.next;
            if let Some(range) = &self.range {
                let after = self.next.checked_add(2).filter(|next| next < range.end());
                self.next = after.unwrap_or(range.start().next_multiple_of(2));
            }
            match Pair::bind(self.ip, port) {
                Ok(pair) => {
                    self.made += 1;
                    return Some(pair);
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                // No file left, or no such address: the next try would say the same.
                Err(error) => {
                    tracing::warn!(%error, "cannot open an RTP port");
                    return None;
                }
            }
        }
        None
    }
}

impl Ports for Sockets {
    fn take(&mut self) -> Option<SocketAddr> {
        let pair = self.rested.try_recv().ok().or_else(|| self.bind())?;
        let local = SocketAddr::new(self.shown, pair.local.port());
        // When the RTP thread is gone the carrier is stopping.
        self.to_rtp.send(Order::Keep(Pair { local, ..pair })).ok()?;
        Some(local)
    }
}
