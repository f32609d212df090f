//! TCP connections: each one's unfinished bytes, both ways.

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use sip::stream::{Frame, Framer, PONG};
use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;

/// Connections at one time; beyond, new ones are closed at once.
const CONNECTIONS_MAX: usize = 1_024;
/// Bytes that wait for a peer that does not read; beyond, it is cut off.
const UNSENT_MAX: usize = 1 << 20;
/// Bytes taken by one read.
const READ_BYTES: usize = 16 * 1024;

/// All connections, by their token and by their peer.
pub struct Connections {
    listener: TcpListener,
    open: HashMap<Token, Connection>,
    by_peer: HashMap<SocketAddr, Token>,
    next: usize,
}

struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    framer: Framer,
    unsent: Vec<u8>,
}

impl Connections {
    /// Takes connections from `listener`; their tokens begin at `first`.
    pub fn new(listener: TcpListener, first: Token) -> Self {
        Self { listener, open: HashMap::new(), by_peer: HashMap::new(), next: first.0 }
    }

    /// Takes the connections that wait.
    pub fn accept(&mut self, registry: &Registry) {
        while let Ok((mut stream, peer)) = self.listener.accept() {
            let token = Token(self.next);
            let both = Interest::READABLE | Interest::WRITABLE;
            if self.open.len() >= CONNECTIONS_MAX
                || registry.register(&mut stream, token, both).is_err()
            {
                continue;
            }
            // Without it a 200 would wait for the ACK of the 180 before it.
            let _ = stream.set_nodelay(true);
            self.next += 1;
            self.by_peer.insert(peer, token);
            let framer = Framer::default();
            self.open.insert(token, Connection { stream, peer, framer, unsent: Vec::new() });
        }
    }

    /// Reads all that came over one connection, and hands each message to `take`.
    pub fn read(&mut self, token: Token, mut take: impl FnMut(SocketAddr, &[u8])) {
        let Some(connection) = self.open.get_mut(&token) else { return };
        let mut bytes = [0; READ_BYTES];
        let alive = loop {
            match connection.stream.read(&mut bytes) {
                Ok(0) => break false,
                Ok(length) => {
                    connection.framer.push(&bytes[..length]);
                    if !connection.take_frames(&mut take) {
                        break false;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break false,
            }
        };
        if !alive {
            self.close(token);
        }
    }

    /// Sends a message to a peer that is connected. False: it is not.
    pub fn send(&mut self, to: SocketAddr, bytes: &[u8]) -> bool {
        let Some(token) = self.by_peer.get(&to).copied() else { return false };
        let Some(connection) = self.open.get_mut(&token) else { return false };
        connection.unsent.extend_from_slice(bytes);
        let sent = connection.flush() && connection.unsent.len() <= UNSENT_MAX;
        if !sent {
            self.close(token);
        }
        sent
    }

    /// The peer takes more.
    pub fn flush(&mut self, token: Token) {
        if self.open.get_mut(&token).is_some_and(|connection| !connection.flush()) {
            self.close(token);
        }
    }

    fn close(&mut self, token: Token) {
        if let Some(connection) = self.open.remove(&token) {
            self.by_peer.remove(&connection.peer);
        }
    }
}

impl Connection {
    /// False when the stream cannot be read any further.
    fn take_frames(&mut self, take: &mut impl FnMut(SocketAddr, &[u8])) -> bool {
        loop {
            match self.framer.next() {
                Ok(Some(Frame::Message(message))) => take(self.peer, message),
                Ok(Some(Frame::Ping)) => self.unsent.extend_from_slice(PONG),
                Ok(None) => return self.flush(),
                Err(_) => return false,
            }
        }
    }

    /// Sends what waits. False when the connection is gone.
    fn flush(&mut self) -> bool {
        let mut sent = 0;
        let alive = loop {
            if sent == self.unsent.len() {
                break true;
            }
            match self.stream.write(&self.unsent[sent..]) {
                Ok(0) => break false,
                Ok(length) => sent += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break false,
            }
        };
        self.unsent.drain(..sent);
        alive
    }
}
