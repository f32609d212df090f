//! TCP: one connection for each peer, opened when something is to be sent, kept and used again,
//! and closed when it cannot be read, never ends what it began to say, or says nothing while
//! others want its place.

mod connection;

use crate::wire::{Arrival, FIRST_CONNECTION};
use connection::{Connection, Opened};
use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use sip::port::{Peer, Transport};
use std::collections::{HashMap, VecDeque};
use std::io::Error;
use std::net::SocketAddr;
use std::time::Duration;

/// The most connections. Beyond, one that others opened and that says nothing makes room.
pub const CONNECTIONS_MAX: usize = 1024;
/// How long a message may take from its first byte to its last. A peer that needs longer, or drips
/// bytes to keep us waiting, loses the connection.
const MESSAGE_WITHIN: Duration = Duration::from_secs(30);
/// How often it is looked who takes too long.
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub const LISTENER: Token = Token(1);

pub struct Tcp {
    listener: TcpListener,
    connections: HashMap<Token, Connection>,
    by_peer: HashMap<SocketAddr, Token>,
    next_token: usize,
    ready: Vec<Token>,
    /// Whose connections were closed, to be told by the next `receive`.
    lost: Vec<SocketAddr>,
    looked: Duration,
    /// Counts whole messages, so that it can be told who spoke last.
    messages: u64,
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
            lost: Vec::new(),
            looked: Duration::ZERO,
            messages: 0,
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
                self.keep(stream, peer, Opened::ByUs, registry)?
            }
        };
        let connection = self.connections.get_mut(&token).expect("by_peer names what is kept");
        self.ready.push(token);
        connection.send(bytes)
    }

    fn keep(
        &mut self,
        mut stream: TcpStream,
        peer: SocketAddr,
        opened: Opened,
        registry: &Registry,
    ) -> Result<Token, Error> {
        if self.connections.len() >= CONNECTIONS_MAX && !self.make_room(opened) {
            return Err(Error::other(format!("{CONNECTIONS_MAX} connections are open already")));
        }
        let token = Token(self.next_token);
        self.next_token += 1;
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        let connection = Connection::new(stream, peer, opened);
        self.connections.insert(token, connection);
        self.by_peer.insert(peer, token);
        Ok(token)
    }

    /// Closes the connection of others that has been silent for longest; whether there was one. A
    /// newcomer takes only the place of who never said anything, so that a crowd of strangers
    /// cannot push a carrier out; what we want to send takes any.
    fn make_room(&mut self, wanted: Opened) -> bool {
        let theirs = self.connections.iter().filter(|(_, kept)| kept.opened == Opened::ByThem);
        let silent = theirs.min_by_key(|(token, kept)| (kept.spoke, token.0));
        let Some((&token, kept)) = silent else { return false };
        if wanted == Opened::ByThem && kept.spoke > 0 {
            return false;
        }
        let peer = kept.peer;
        tracing::warn!(%peer, "a silent TCP connection is closed: another needs its place");
        self.forget(token);
        self.lost.push(peer);
        true
    }

    /// Takes note of what is ready: new connections, connections made, room to send.
    pub fn is_ready(&mut self, event: &Event, failures: &mut VecDeque<(Peer, String)>) {
        let token = event.token();
        let Some(connection) = self.connections.get_mut(&token) else { return };
        if !connection.connected && event.is_writable() {
            let error = connection.stream.take_error().ok().flatten();
            if let Some(error) = error {
                failures.push_back((tcp_peer(connection.peer), error.to_string()));
                self.forget(token);
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
            if let Err(error) = self.keep(stream, peer, Opened::ByThem, registry) {
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
        for token in ready {
            let Some(connection) = self.connections.get_mut(&token) else { continue };
            if connection.connected && connection.read(now, &mut self.messages, take) {
                self.ready.push(token);
            }
            if connection.closed {
                let peer = self.forget(token);
                self.lost.extend(peer);
            }
        }
        for peer in self.lost.drain(..) {
            take(Arrival::Failed(tcp_peer(peer), "the connection was closed".into()));
        }
    }

    /// Whether some connection has more to read than one turn takes.
    pub fn has_more(&self) -> bool {
        !self.ready.is_empty() || !self.lost.is_empty()
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

    /// Closes it. The kernel no longer reports what is closed.
    fn forget(&mut self, token: Token) -> Option<SocketAddr> {
        let connection = self.connections.remove(&token)?;
        // A peer may have opened another since.
        if self.by_peer.get(&connection.peer) == Some(&token) {
            self.by_peer.remove(&connection.peer);
        }
        Some(connection.peer)
    }
}

fn tcp_peer(address: SocketAddr) -> Peer {
    Peer { transport: Transport::Tcp, address }
}
