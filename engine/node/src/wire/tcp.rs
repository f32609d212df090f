//! TCP: one connection for each peer, opened when something is to be sent, kept and used again,
//! and closed when it cannot be read or never ends what it began to say.

use crate::wire::{Arrival, FIRST_CONNECTION};
use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use sip::port::{Peer, Transport};
use sip::stream::{Frame, Framer, PONG};
use std::collections::{HashMap, VecDeque};
use std::io::{Error, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

/// The most connections. Beyond, who connects is turned away.
const CONNECTIONS_MAX: usize = 1024;
/// What may wait to be sent to one peer. Beyond, the peer does not read: the connection closes.
const OUTGOING_BYTES_MAX: usize = 1 << 20;
/// How long a message may take from its first byte to its last. A peer that needs longer, or drips
/// bytes to keep us waiting, loses the connection.
const MESSAGE_WITHIN: Duration = Duration::from_secs(30);
/// How often it is looked who takes too long.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// What one read takes.
const READ_BYTES: usize = 16 * 1024;

pub const LISTENER: Token = Token(1);

pub struct Tcp {
    listener: TcpListener,
    connections: HashMap<Token, Connection>,
    by_peer: HashMap<SocketAddr, Token>,
    next_token: usize,
    ready: Vec<Token>,
    looked: Duration,
}

struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    framer: Framer,
    /// When the first byte came of the message whose last has not.
    began: Option<Duration>,
    outgoing: VecDeque<u8>,
    connected: bool,
    closed: bool,
}

impl Tcp {
    pub fn bind(address: SocketAddr, registry: &Registry) -> Result<Self, Error> {
        let mut listener = TcpListener::bind(address)?;
        registry.register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self {
            listener,
            connections: HashMap::new(),
            by_peer: HashMap::new(),
            next_token: FIRST_CONNECTION,
            ready: Vec::new(),
            looked: Duration::ZERO,
        })
    }

    /// Sends on the connection to this peer, opening it when there is none (RFC 3261, 18.1.1).
    pub fn send(
        &mut self,
        peer: SocketAddr,
        bytes: &[u8],
        registry: &Registry,
    ) -> Result<(), Error> {
        let token = match self.by_peer.get(&peer) {
            Some(token) => *token,
            None => {
                let stream = TcpStream::connect(peer)?;
                self.keep(stream, peer, false, registry)?
            }
        };
        let connection = self.connections.get_mut(&token).expect("by_peer names what is kept");
        if connection.outgoing.len() + bytes.len() > OUTGOING_BYTES_MAX {
            connection.closed = true;
            self.ready.push(token);
            return Err(Error::other("the peer does not take what is sent to it"));
        }
        connection.outgoing.extend(bytes);
        if connection.connected {
            connection.flush();
            self.ready.push(token);
        }
        Ok(())
    }

    fn keep(
        &mut self,
        mut stream: TcpStream,
        peer: SocketAddr,
        connected: bool,
        registry: &Registry,
    ) -> Result<Token, Error> {
        if self.connections.len() >= CONNECTIONS_MAX {
            return Err(Error::other(format!("{CONNECTIONS_MAX} connections are open already")));
        }
        let token = Token(self.next_token);
        self.next_token += 1;
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        let connection = Connection {
            stream,
            peer,
            framer: Framer::default(),
            began: None,
            outgoing: VecDeque::new(),
            connected,
            closed: false,
        };
        self.connections.insert(token, connection);
        self.by_peer.insert(peer, token);
        Ok(token)
    }

    /// Takes note of what is ready: new connections, connections made, room to send.
    pub fn is_ready(
        &mut self,
        event: &Event,
        registry: &Registry,
        failures: &mut VecDeque<(Peer, String)>,
    ) {
        let token = event.token();
        let Some(connection) = self.connections.get_mut(&token) else { return };
        if !connection.connected && event.is_writable() {
            let error = connection.stream.take_error().ok().flatten();
            if let Some(error) = error {
                failures.push_back((tcp_peer(connection.peer), error.to_string()));
                self.forget(token, registry);
                return;
            }
            if connection.stream.peer_addr().is_ok() {
                connection.connected = true;
                // Small messages must not wait for the answer to the one before them.
                let _ = connection.stream.set_nodelay(true);
            }
        }
        if connection.connected && event.is_writable() {
            connection.flush();
        }
        self.ready.push(token);
    }

    /// Takes in who wants to connect.
    pub fn accept(&mut self, registry: &Registry) {
        while let Ok((stream, peer)) = self.listener.accept() {
            let _ = stream.set_nodelay(true);
            if let Err(error) = self.keep(stream, peer, true, registry) {
                tracing::warn!(%peer, %error, "a TCP connection is turned away");
            }
        }
    }

    /// Hands over the messages of what was ready, and closes what takes too long.
    pub fn receive(&mut self, now: Duration, take: &mut impl FnMut(Arrival<'_>)) {
        let mut ready = std::mem::take(&mut self.ready);
        if now >= self.looked + LOOK_EVERY {
            self.looked = now;
            ready.extend(self.close_unfinished(now));
        }
        let mut gone = Vec::new();
        for token in ready {
            let Some(connection) = self.connections.get_mut(&token) else { continue };
            if connection.connected {
                connection.read(now, take);
            }
            if connection.closed {
                gone.push(token);
            }
        }
        for token in gone {
            if let Some(connection) = self.connections.remove(&token) {
                self.by_peer.retain(|_, kept| *kept != token);
                take(Arrival::Failed(
                    tcp_peer(connection.peer),
                    "the connection was closed".into(),
                ));
            }
        }
    }

    /// Marks the connections whose message does not end as closed.
    fn close_unfinished(&mut self, now: Duration) -> Vec<Token> {
        let mut late = Vec::new();
        for (token, connection) in &mut self.connections {
            if connection.began.is_some_and(|began| now > began + MESSAGE_WITHIN) {
                let (peer, bytes) = (connection.peer, connection.framer.unfinished());
                tracing::warn!(%peer, bytes, "a TCP connection is closed: its message does not end");
                connection.closed = true;
                late.push(*token);
            }
        }
        late
    }

    /// How many connections hold an unfinished message.
    #[cfg(test)]
    pub fn unfinished(&self) -> usize {
        self.connections.values().filter(|connection| connection.began.is_some()).count()
    }

    /// How much of unfinished messages is held.
    #[cfg(test)]
    pub fn bytes_unfinished(&self) -> usize {
        self.connections.values().map(|connection| connection.framer.unfinished()).sum()
    }

    /// How many connections are kept.
    #[cfg(test)]
    pub fn count(&self) -> usize {
        assert!(self.by_peer.len() <= self.connections.len());
        self.connections.len()
    }

    /// Whether everything that was to be sent has left.
    #[cfg(test)]
    pub fn is_flushed(&self) -> bool {
        self.connections.values().all(|connection| connection.outgoing.is_empty())
    }

    fn forget(&mut self, token: Token, registry: &Registry) {
        if let Some(mut connection) = self.connections.remove(&token) {
            let _ = registry.deregister(&mut connection.stream);
            self.by_peer.retain(|_, kept| *kept != token);
        }
    }
}

impl Connection {
    fn flush(&mut self) {
        while !self.outgoing.is_empty() {
            let (front, _) = self.outgoing.as_slices();
            match self.stream.write(front) {
                Ok(0) => return self.closed = true,
                Ok(written) => drop(self.outgoing.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return self.closed = true,
            }
        }
    }

    fn read(&mut self, now: Duration, take: &mut impl FnMut(Arrival<'_>)) {
        let mut buffer = [0; READ_BYTES];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return self.closed = true,
                Ok(length) => {
                    self.framer.push(&buffer[..length]);
                    if !self.hand_over(now, take) {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return self.closed = true,
            }
        }
    }

    /// Whether the stream can be read on.
    fn hand_over(&mut self, now: Duration, take: &mut impl FnMut(Arrival<'_>)) -> bool {
        loop {
            match self.framer.next() {
                Ok(Some(Frame::Message(bytes))) => {
                    self.began = None;
                    take(Arrival::Message(tcp_peer(self.peer), bytes));
                }
                Ok(Some(Frame::Ping)) => {
                    self.outgoing.extend(PONG);
                    self.flush();
                }
                Ok(None) => {
                    let holds_some = self.framer.unfinished() > 0;
                    self.began = holds_some.then(|| self.began.unwrap_or(now));
                    return true;
                }
                Err(broken) => {
                    tracing::warn!(peer = %self.peer, %broken, "a TCP connection is closed");
                    self.closed = true;
                    return false;
                }
            }
        }
    }
}

fn tcp_peer(address: SocketAddr) -> Peer {
    Peer { transport: Transport::Tcp, address }
}
