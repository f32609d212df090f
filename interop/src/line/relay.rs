//! The thread between two sockets.

use super::{Arrivals, Passing, Seen};
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token, Waker};
use sip::message::{Message, Method, Name, parse};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

const NEAR: Token = Token(0);
const FAR: Token = Token(1);
const STOP: Token = Token(2);
/// The longest datagram.
const DATAGRAM_BYTES_MAX: usize = 65_536;

type Fate = Box<dyn FnMut(&Passing) -> Arrivals + Send>;

/// A datagram that is on its way: when it arrives, in which order, whereto.
type Travelling = Reverse<(Instant, u64, bool, Vec<u8>)>;

pub(super) struct Relay {
    poll: Poll,
    waker: Arc<Waker>,
    near: UdpSocket,
    far: UdpSocket,
    /// Known from its first datagram.
    node: Option<SocketAddr>,
    peer: SocketAddr,
    /// The number of each Call-ID.
    numbers: HashMap<String, String>,
    copies: HashMap<Passing, u32>,
    fate: Fate,
    travelling: BinaryHeap<Travelling>,
    order: u64,
    seen: Arc<Mutex<Seen>>,
}

impl Relay {
    pub fn new(peer: SocketAddr, seen: Arc<Mutex<Seen>>, fate: Fate) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), STOP)?);
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let (mut near, mut far) = (UdpSocket::bind(any)?, UdpSocket::bind(any)?);
        poll.registry().register(&mut near, NEAR, Interest::READABLE)?;
        poll.registry().register(&mut far, FAR, Interest::READABLE)?;
        Ok(Self {
            poll,
            waker,
            near,
            far,
            node: None,
            peer,
            numbers: HashMap::new(),
            copies: HashMap::new(),
            fate,
            travelling: BinaryHeap::new(),
            order: 0,
            seen,
        })
    }

    pub fn near(&self) -> SocketAddr {
        self.near.local_addr().expect("a bound socket has an address")
    }

    pub fn waker(&self) -> Arc<Waker> {
        self.waker.clone()
    }

    pub fn run(mut self) {
        let mut events = Events::with_capacity(8);
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        loop {
            let next = self.travelling.peek().map(|Reverse((at, ..))| *at);
            let timeout = next.map(|at| at.saturating_duration_since(Instant::now()));
            if let Err(error) = self.poll.poll(&mut events, timeout)
                && error.kind() != io::ErrorKind::Interrupted
            {
                return;
            }
            if events.iter().any(|event| event.token() == STOP) {
                return;
            }
            for outward in [true, false] {
                loop {
                    let socket = if outward { &self.near } else { &self.far };
                    match socket.recv_from(&mut buffer) {
                        Ok((length, from)) => {
                            self.take(outward, from, buffer[..length].to_vec());
                        }
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                        // ICMP says that the peer is gone: the datagrams are lost, as on any line.
                        Err(_) => {}
                    }
                }
            }
            self.deliver();
        }
    }

    fn take(&mut self, outward: bool, from: SocketAddr, bytes: Vec<u8>) {
        match outward {
            true => self.node = Some(from),
            // A stranger.
            false if from != self.peer => return,
            false => {}
        }
        let arrivals = match parse(&bytes) {
            Ok(message) => {
                let passing = self.passing(outward, &message);
                let arrivals = (self.fate)(&passing);
                let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.passed.push((passing, arrivals.clone()));
                arrivals
            }
            // What is no SIP is none of our business.
            Err(_) => vec![Duration::ZERO],
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.datagrams += 1;
        seen.lost += u64::from(arrivals.is_empty());
        seen.doubled += u64::from(arrivals.len() > 1);
        drop(seen);
        let bytes = self.translate(outward, &bytes);
        for delay in arrivals {
            self.order += 1;
            let due = Instant::now() + delay;
            self.travelling.push(Reverse((due, self.order, outward, bytes.clone())));
        }
    }

    /// What the message is, for its fate and for the record.
    fn passing(&mut self, outward: bool, message: &Message<'_>) -> Passing {
        let (_, method) = message.cseq();
        let cseq = message.header(Name::CSeq).unwrap_or_default();
        let call = message.call_id();
        if outward && method == Method::Invite && message.status().is_none() {
            let uri = message.uri();
            // A request in a dialog goes to a Contact instead of a number.
            if message.to_tag().is_none() {
                let user = uri.trim_start_matches("sip:").split('@').next().unwrap_or_default();
                self.numbers.insert(call.to_owned(), user.to_owned());
                let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.calls.entry(user.to_owned()).or_default().insert(call.to_owned());
            }
        }
        let kind = match message.status() {
            Some(status) => format!("{status} to {cseq}"),
            None => cseq.to_owned(),
        };
        let number = self.numbers.get(call).cloned().unwrap_or_default();
        if outward && method == Method::Ack {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.acked.insert(number.clone());
        }
        let mut passing = Passing { number, outward, kind, copy: 0 };
        let copies = self.copies.entry(passing.clone()).or_default();
        passing.copy = *copies;
        *copies += 1;
        passing
    }

    /// Each side sees the line's address where the other's stands.
    fn translate(&self, outward: bool, bytes: &[u8]) -> Vec<u8> {
        let address = |socket: &UdpSocket| socket.local_addr().map(|a| a.to_string());
        let (Ok(near), Ok(far), Some(node)) = (address(&self.near), address(&self.far), self.node)
        else {
            return bytes.to_vec();
        };
        let (node, peer) = (node.to_string(), self.peer.to_string());
        let names = match outward {
            true => [(&*node, &*far), (&*near, &*peer)],
            false => [(&*peer, &*near), (&*far, &*node)],
        };
        replace(bytes, &names)
    }

    fn deliver(&mut self) {
        while let Some(Reverse((due, ..))) = self.travelling.peek()
            && *due <= Instant::now()
        {
            let Some(Reverse((_, _, outward, bytes))) = self.travelling.pop() else { return };
            self.note_final(outward, &bytes);
            // A full buffer or a peer that is gone loses it.
            let _ = match (outward, self.node) {
                (true, _) => self.far.send_to(&bytes, self.peer),
                (false, Some(node)) => self.near.send_to(&bytes, node),
                (false, None) => Ok(0),
            };
        }
    }

    /// A final to an INVITE that arrives wants an ACK.
    fn note_final(&self, outward: bool, bytes: &[u8]) {
        let Some(message) = parse(bytes).ok().filter(|_| !outward) else { return };
        let is_final = message.status().is_some_and(|status| status >= 200);
        if is_final && message.cseq().1 == Method::Invite {
            let number = self.numbers.get(message.call_id()).cloned().unwrap_or_default();
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.finals.insert(number);
        }
    }
}

/// The bytes with each first text replaced by its second one, in one pass. All of them are
/// `127.0.0.1:PORT`, and stand before the end of a port.
fn replace(bytes: &[u8], names: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(first) = rest.first() {
        let found = names.iter().find(|(from, _)| {
            let end = rest.get(from.len());
            rest.starts_with(from.as_bytes()) && !end.is_some_and(u8::is_ascii_digit)
        });
        let (taken, put) = match found {
            Some((from, to)) => (from.len(), to.as_bytes()),
            None => (1, std::slice::from_ref(first)),
        };
        out.extend_from_slice(put);
        rest = &rest[taken..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_change_places_and_longer_ports_stay() {
        let names = [("10.0.0.1:50", "A"), ("A", "10.0.0.1:50")];
        assert_eq!(
            replace(b"x 10.0.0.1:50;A 10.0.0.1:501", &names),
            b"x A;10.0.0.1:50 10.0.0.1:501"
        );
    }
}
