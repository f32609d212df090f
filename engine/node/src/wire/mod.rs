//! SIP messages on the wire: one UDP socket, and TCP connections that are kept and used again.
//!
//! The shard's loop owns it and asks it when [`mio`] says that something is ready. Nothing here
//! waits. What cannot be sent is told as [`Arrival::Failed`] and is the user agent's business.

mod icmp;
mod tcp;

use mio::event::Event;
use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use sip::port::{Peer, Transport};
use std::collections::VecDeque;
use std::io::{Error, ErrorKind};
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;
use tcp::Tcp;

/// The largest datagram that UDP can carry.
const DATAGRAM_BYTES_MAX: usize = 65_535;
/// So many datagrams are taken in at a time, so that a flood does not keep timers waiting.
const DATAGRAMS_PER_TURN: usize = 512;
/// What the kernel keeps for us while the loop is busy: about a second of a thousand calls.
const SOCKET_BUFFER_BYTES: usize = 4 << 20;
/// With port 0, so many ports are tried until one is free for UDP and TCP alike.
const PORT_TRIES: usize = 16;

const UDP: Token = Token(0);
/// Tokens from here on are the wire's connections; below are the loop's own.
const FIRST_CONNECTION: usize = 16;

/// What came from the wire.
#[derive(Debug)]
pub enum Arrival<'a> {
    /// One whole message.
    Message(Peer, &'a [u8]),
    /// What was sent there did not arrive, or will not: ICMP, refused, lost.
    Failed(Peer, String),
}

/// The node's SIP sockets.
pub struct Wire {
    udp: UdpSocket,
    tcp: Tcp,
    local: SocketAddr,
    buffer: Box<[u8]>,
    failures: VecDeque<(Peer, String)>,
    /// Datagrams may be left in the socket: the readiness was not used up.
    unread: bool,
}

impl Wire {
    /// Binds both transports to `address`. With port 0, to one that is free for both.
    ///
    /// # Errors
    /// The address cannot be had; the message names it and says what may be done.
    pub fn bind(address: SocketAddr, registry: &Registry) -> Result<Self, BindError> {
        let tries = if address.port() == 0 { PORT_TRIES } else { 1 };
        let mut last = None;
        for _ in 0..tries {
            match Self::bind_once(address, registry) {
                Ok(wire) => return Ok(wire),
                Err(error) => last = Some(error),
            }
        }
        let source = last.expect("there is at least one try");
        Err(BindError { address, source })
    }

    fn bind_once(address: SocketAddr, registry: &Registry) -> Result<Self, Error> {
        let socket = std::net::UdpSocket::bind(address)?;
        socket.set_nonblocking(true)?;
        let local = socket.local_addr()?;
        icmp::prepare(&socket, SOCKET_BUFFER_BYTES)?;
        let tcp = Tcp::bind(local, registry)?;
        let mut udp = UdpSocket::from_std(socket);
        registry.register(&mut udp, UDP, Interest::READABLE)?;
        Ok(Self {
            udp,
            tcp,
            local,
            buffer: vec![0; DATAGRAM_BYTES_MAX].into(),
            failures: VecDeque::new(),
            unread: false,
        })
    }

    /// The address both transports are bound to.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Whether more waits to be received than one turn takes.
    pub fn has_more(&self) -> bool {
        self.unread || self.tcp.has_more() || !self.failures.is_empty()
    }

    /// Sends one message, whole. What fails is told by the next [`Wire::receive`].
    pub fn send(&mut self, to: Peer, bytes: &[u8], registry: &Registry) {
        match to.transport {
            Transport::Udp => match self.udp.send_to(bytes, to.address) {
                Ok(_) => {}
                // The kernel's buffer is full, or an older datagram's ICMP error is shown to this
                // one: the transaction sends again.
                Err(error) if is_passing(&error) => {}
                Err(error) => self.failures.push_back((to, error.to_string())),
            },
            Transport::Tcp => {
                if let Err(error) = self.tcp.send(to.address, bytes, registry) {
                    self.failures.push_back((to, error.to_string()));
                }
            }
        }
    }

    /// Notes that a socket is ready, if it is one of the wire's.
    pub fn is_ready(&mut self, event: &Event, registry: &Registry) {
        match event.token() {
            UDP => self.unread = true,
            tcp::LISTENER => self.tcp.accept(registry),
            Token(token) if token >= FIRST_CONNECTION => {
                self.tcp.is_ready(event, &mut self.failures);
            }
            _ => {}
        }
    }

    /// Hands over what has come, up to a turn's worth. `now` is any clock that only goes forward; a
    /// peer that holds a connection with half a message is given up by it, so ask once a second.
    pub fn receive(&mut self, now: Duration, mut take: impl FnMut(Arrival<'_>)) {
        while let Some((peer, why)) = self.failures.pop_front() {
            take(Arrival::Failed(peer, why));
        }
        if self.unread {
            self.receive_datagrams(&mut take);
        }
        self.tcp.receive(now, &mut take);
    }

    fn receive_datagrams(&mut self, take: &mut impl FnMut(Arrival<'_>)) {
        for _ in 0..DATAGRAMS_PER_TURN {
            match self.udp.recv_from(&mut self.buffer) {
                Ok((length, address)) => {
                    let peer = Peer { transport: Transport::Udp, address };
                    take(Arrival::Message(peer, &self.buffer[..length]));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.unread = false;
                    break;
                }
                // An ICMP error that waits: the error queue knows whom it is about.
                Err(_) => {}
            }
        }
        for (address, why) in icmp::errors(&self.udp) {
            let peer = Peer { transport: Transport::Udp, address };
            take(Arrival::Failed(peer, why));
        }
    }
}

/// Errors that say nothing about this datagram.
fn is_passing(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock
            | ErrorKind::ConnectionRefused
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::Interrupted
    )
}

/// The SIP sockets could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("SIP cannot listen on {address}: {}", reason(.source))]
pub struct BindError {
    address: SocketAddr,
    source: Error,
}

fn reason(error: &Error) -> String {
    match error.kind() {
        ErrorKind::AddrInUse => {
            "another program uses this port; stop it or choose another with --bind".into()
        }
        ErrorKind::AddrNotAvailable => "this machine has no such address".into(),
        ErrorKind::PermissionDenied => "ports below 1024 need the right to bind them".into(),
        _ => error.to_string(),
    }
}

/// An address to bind to, read: `host`, `host:port` or an address, port 0 when there is none.
///
/// # Errors
/// One sentence, when it is no address of this machine's notation.
pub fn bind_address(text: &str) -> Result<SocketAddr, String> {
    let with_port = if text.parse::<std::net::IpAddr>().is_ok() {
        SocketAddr::new(text.parse().expect("just read"), 0).to_string()
    } else if text.contains(':') {
        text.to_owned()
    } else {
        format!("{text}:0")
    };
    let found = with_port.to_socket_addrs().ok().and_then(|mut found| found.next());
    found
        .ok_or_else(|| format!("`{text}` is no address to listen on; give one like 127.0.0.1:5060"))
}

#[cfg(test)]
mod tests;
