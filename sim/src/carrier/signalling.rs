//! The SIP thread: sockets in front of an [`Exchange`].

use super::connections::Connections;
use super::report::{LedgerFile, Report};
use super::rtp::Order;
use super::{Options, StartError};
use crate::exchange::{Exchange, Faults, Output};
use crate::ledger::{Entry, Totals};
use mio::net::{TcpListener, UdpSocket};
use mio::{Events, Interest, Poll, Token, Waker};
use sip::port::{Peer, Transport};
use socket2::{Domain, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

/// What the handle asks of the thread.
#[derive(Debug)]
pub enum Command {
    Ledger(Sender<Vec<Entry>>),
    Totals(Sender<Totals>),
    SetFaults(Faults),
    Stop,
}

const UDP: Token = Token(0);
const LISTENER: Token = Token(1);
const WAKER: Token = Token(2);
const FIRST_CONNECTION: Token = Token(3);

/// Datagrams taken before what they led to is sent.
const DATAGRAMS_AT_ONCE: usize = 64;
/// The longest datagram there is.
const DATAGRAM_BYTES_MAX: usize = 65_535;
/// What the kernel keeps for us while we are busy: a second of 1000 calls.
const RECEIVE_BUFFER_BYTES: usize = 4 << 20;
/// How often TCP is tried on the port that UDP got.
const TRIES_MAX: u32 = 16;

pub struct Signalling {
    poll: Poll,
    udp: UdpSocket,
    local: SocketAddr,
    connections: Connections,
    exchange: Option<Exchange>,
    commands: Receiver<Command>,
    to_rtp: Sender<Order>,
    ledger: Option<LedgerFile>,
    started: Instant,
    unsent: u64,
    datagram: Box<[u8]>,
}

impl Signalling {
    /// Opens the sockets.
    pub fn bind(
        options: &Options,
        commands: Receiver<Command>,
        to_rtp: Sender<Order>,
    ) -> Result<Self, StartError> {
        let address = options.listen;
        let (udp, tcp) =
            bind_both(address).map_err(|source| StartError::Listen { address, source })?;
        let local = udp.local_addr().map_err(StartError::Threads)?;
        let (mut udp, mut tcp) = (UdpSocket::from_std(udp), TcpListener::from_std(tcp));
        let poll = Poll::new().map_err(StartError::Threads)?;
        let registry = poll.registry();
        registry.register(&mut udp, UDP, Interest::READABLE).map_err(StartError::Threads)?;
        registry.register(&mut tcp, LISTENER, Interest::READABLE).map_err(StartError::Threads)?;
        let ledger = match &options.ledger {
            None => None,
            Some(path) => Some(LedgerFile::create(path).map_err(|source| {
                let path = path.clone();
                StartError::Ledger { path, source }
            })?),
        };
        Ok(Self {
            poll,
            udp,
            local,
            connections: Connections::new(tcp, FIRST_CONNECTION),
            exchange: None,
            commands,
            to_rtp,
            ledger,
            started: Instant::now(),
            unsent: 0,
            datagram: vec![0; DATAGRAM_BYTES_MAX].into(),
        })
    }

    /// Where it listens.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// What wakes it to hear a command.
    pub fn waker(&self) -> io::Result<Arc<Waker>> {
        Ok(Arc::new(Waker::new(self.poll.registry(), WAKER)?))
    }

    /// Puts the exchange behind the sockets.
    pub fn connect(&mut self, exchange: Exchange) {
        self.exchange = Some(exchange);
    }

    /// Answers until it is told to stop.
    pub fn run(mut self) -> Report {
        let Some(mut exchange) = self.exchange.take() else { return Report::default() };
        let mut events = Events::with_capacity(256);
        self.started = Instant::now();
        loop {
            let now = self.started.elapsed();
            exchange.wake(now);
            self.send(&mut exchange);
            if let Some(file) = &mut self.ledger {
                file.write_done(exchange.ledger());
            }
            let wait = exchange.due().map(|due| due.saturating_sub(self.started.elapsed()));
            if let Err(error) = self.poll.poll(&mut events, wait)
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(%error, "the carrier cannot wait on its sockets, and stops");
                break;
            }
            for event in &events {
                match event.token() {
                    UDP => self.read_udp(&mut exchange),
                    LISTENER => self.connections.accept(self.poll.registry()),
                    WAKER => {}
                    token => {
                        if event.is_writable() {
                            self.connections.flush(token);
                        }
                        if event.is_readable() {
                            let now = self.started.elapsed();
                            self.connections.read(token, |address, message| {
                                let peer = Peer { transport: Transport::Tcp, address };
                                exchange.receive(peer, message, now);
                            });
                        }
                    }
                }
                self.send(&mut exchange);
            }
            if !self.obey(&mut exchange) {
                break;
            }
        }
        // A thread that has stopped needs no order.
        let _ = self.to_rtp.send(Order::Stop);
        let entries = exchange.entries();
        let ledger_fault = self.ledger.and_then(|file| file.finish(&exchange));
        let totals = exchange.totals();
        Report { totals, entries, unsent: self.unsent, ran: self.started.elapsed(), ledger_fault }
    }

    /// False: stop.
    fn obey(&mut self, exchange: &mut Exchange) -> bool {
        while let Ok(command) = self.commands.try_recv() {
            // Who asked and did not wait for the answer needs none.
            match command {
                Command::Ledger(answer) => drop(answer.send(exchange.entries())),
                Command::Totals(answer) => drop(answer.send(exchange.totals())),
                Command::SetFaults(faults) => exchange.set_faults(faults),
                Command::Stop => return false,
            }
        }
        true
    }

    fn read_udp(&mut self, exchange: &mut Exchange) {
        loop {
            for _ in 0..DATAGRAMS_AT_ONCE {
                match self.udp.recv_from(&mut self.datagram) {
                    Ok((length, address)) => {
                        let peer = Peer { transport: Transport::Udp, address };
                        exchange.receive(peer, &self.datagram[..length], self.started.elapsed());
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                    // ICMP for what we sent: the peer is gone, and its timers will say so.
                    Err(_) => {}
                }
            }
            exchange.wake(self.started.elapsed());
            self.send(exchange);
        }
    }

    fn send(&mut self, exchange: &mut Exchange) {
        for output in exchange.outputs() {
            let sent = match output {
                Output::Transmit { to, bytes } => match to.transport {
                    Transport::Udp => self.udp.send_to(&bytes, to.address).is_ok(),
                    Transport::Tcp => self.connections.send(to.address, &bytes),
                },
                Output::Rtp(order) => self.to_rtp.send(Order::Rtp(order)).is_ok(),
            };
            self.unsent += u64::from(!sent);
        }
    }
}

/// UDP and TCP on the same port, as a SIP URI without a transport expects.
fn bind_both(address: SocketAddr) -> io::Result<(std::net::UdpSocket, std::net::TcpListener)> {
    let mut tries = 0;
    loop {
        let udp = Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
        // The kernel may give less; a burst is then repeated by the caller's timer.
        let _ = udp.set_recv_buffer_size(RECEIVE_BUFFER_BYTES);
        let _ = udp.set_send_buffer_size(RECEIVE_BUFFER_BYTES);
        udp.bind(&address.into())?;
        udp.set_nonblocking(true)?;
        let udp = std::net::UdpSocket::from(udp);
        let tcp = std::net::TcpListener::bind(udp.local_addr()?);
        tries += 1;
        match tcp {
            Ok(tcp) => {
                tcp.set_nonblocking(true)?;
                return Ok((udp, tcp));
            }
            // Any port was asked for, and somebody has this one for TCP: the next one may be free.
            Err(error) if address.port() == 0 && tries < TRIES_MAX => drop(error),
            Err(error) => return Err(error),
        }
    }
}

/// How long a carrier has run, for its report.
pub fn seconds(ran: Duration) -> f64 {
    ran.as_millis() as f64 / 1_000.0
}
