//! One TCP connection: what it said so far, and what waits to be said to it.

use super::tcp_peer;
use crate::wire::Arrival;
use mio::net::TcpStream;
use sip::stream::{Frame, Framer, PONG};
use std::collections::VecDeque;
use std::io::{Error, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

/// What may wait to be sent to one peer. Beyond, the peer does not read: the connection closes.
const OUTGOING_BYTES_MAX: usize = 1 << 20;
/// What one read takes.
const READ_BYTES: usize = 16 * 1024;
/// So many reads are made at a time, so that a peer that floods does not keep others waiting.
const READS_PER_TURN: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    ByUs,
    ByThem,
}

pub struct Connection {
    pub stream: TcpStream,
    pub peer: SocketAddr,
    pub framer: Framer,
    /// When the first byte came of the message whose last has not.
    pub began: Option<Duration>,
    pub opened: Opened,
    /// Which whole message of all connections' was its last; 0 when it said none.
    pub spoke: u64,
    pub outgoing: VecDeque<u8>,
    pub connected: bool,
    pub closed: bool,
}

impl Connection {
    pub fn new(stream: TcpStream, peer: SocketAddr, opened: Opened) -> Self {
        Self {
            stream,
            peer,
            opened,
            spoke: 0,
            framer: Framer::default(),
            began: None,
            outgoing: VecDeque::new(),
            connected: opened == Opened::ByThem,
            closed: false,
        }
    }

    /// Sends now what the kernel takes, the rest when it takes more.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.put(bytes)?;
        if self.connected {
            self.flush();
        }
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if self.outgoing.len() + bytes.len() > OUTGOING_BYTES_MAX {
            self.closed = true;
            return Err(Error::other("the peer does not take what is sent to it"));
        }
        self.outgoing.extend(bytes);
        Ok(())
    }

    pub fn flush(&mut self) {
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

    /// Reads a turn's worth; whether there is more. Counts whole messages in `messages`.
    pub fn read(
        &mut self,
        now: Duration,
        messages: &mut u64,
        take: &mut impl FnMut(Arrival<'_>),
    ) -> bool {
        let mut buffer = [0; READ_BYTES];
        for _ in 0..READS_PER_TURN {
            if self.closed {
                return false;
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => self.closed = true,
                Ok(length) => {
                    self.framer.push(&buffer[..length]);
                    self.hand_over(now, messages, take);
                    self.flush();
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.closed = true,
            }
        }
        !self.closed
    }

    fn hand_over(&mut self, now: Duration, messages: &mut u64, take: &mut impl FnMut(Arrival<'_>)) {
        while !self.closed {
            match self.framer.next() {
                Ok(Some(Frame::Message(bytes))) => {
                    *messages += 1;
                    self.spoke = *messages;
                    self.began = None;
                    take(Arrival::Message(tcp_peer(self.peer), bytes));
                }
                Ok(Some(Frame::Ping)) => {
                    // Who pings and never reads the answers is closed like any other.
                    let _ = self.put(PONG);
                }
                Ok(None) => {
                    let holds_some = self.framer.unfinished() > 0;
                    self.began = holds_some.then(|| self.began.unwrap_or(now));
                    return;
                }
                Err(broken) => {
                    tracing::warn!(peer = %self.peer, %broken, "a TCP connection is closed");
                    self.closed = true;
                }
            }
        }
    }
}
