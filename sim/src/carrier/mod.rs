//! The simulated carrier over real sockets: a shell around [`Exchange`]. One thread for SIP (UDP and
//! TCP on the same port), one for the RTP of all calls.

mod connections;
mod ports;
mod report;
mod rtp;
mod signalling;
mod stream;

pub use report::Report;

use crate::exchange::{self, Exchange, Faults};
use crate::ledger::{Entry, Totals};
use crate::sound::Tapes;
use media::port::Codec;
use ports::Sockets;
use signalling::{Command, Signalling};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How a carrier is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens for SIP, by UDP and by TCP. Port 0: any that is free.
    pub listen: SocketAddr,
    /// The address that SDP and Contact show; needed when it listens on all addresses of a machine
    /// that has several. Else the one it listens on, or the one of the default route.
    pub advertise: Option<IpAddr>,
    /// RTP ports; the kernel's choice when absent.
    pub rtp_ports: Option<RangeInclusive<u16>>,
    /// The most calls with RTP at one time. Each holds two ports; calls beyond get SDP with port 0.
    pub rtp_calls_max: usize,
    /// Of how many RTP packets in 10 000 none leaves.
    pub rtp_loss_per_10_000: u32,
    /// Where the ledger is written as JSON lines: an entry when it is done (64*T1 after its end),
    /// the others when the carrier stops. Replaces the file.
    pub ledger: Option<PathBuf>,
    /// How the carrier behaves. Its `here` and `epoch_ms` are found out at the start.
    pub behaviour: exchange::Options,
}

impl Options {
    /// A carrier as everybody expects it, listening there.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            advertise: None,
            rtp_ports: None,
            rtp_calls_max: 10_000,
            rtp_loss_per_10_000: 0,
            ledger: None,
            behaviour: exchange::Options::new(listen),
        }
    }
}

/// Why a carrier does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken, or not ours.
    #[error("cannot listen for SIP on {address}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The ledger's file cannot be written.
    #[error("cannot write the ledger to {}", path.display())]
    Ledger {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The system gives no thread, or no means to wait on sockets.
    #[error("cannot start the carrier's threads")]
    Threads(#[source] std::io::Error),
}

/// Starts carriers.
#[derive(Clone, Copy, Debug)]
pub struct Carrier;

impl Carrier {
    /// Starts one. It answers until its handle is stopped or dropped.
    ///
    /// # Errors
    /// When it cannot listen, or not write its ledger.
    pub fn start(options: Options) -> Result<CarrierHandle, StartError> {
        let (to_rtp, rtp_orders) = channel();
        let (to_rest, rested) = channel();
        let (commands, commanded) = channel();
        let mut signalling = Signalling::bind(&options, commanded, to_rtp.clone())?;
        let addr = signalling.local();
        let shown = shown_ip(&options, addr.ip());
        let behaviour = exchange::Options {
            here: SocketAddr::new(shown, addr.port()),
            epoch_ms: unix_ms(),
            ..options.behaviour
        };
        let seed = behaviour.seed;
        let sockets = Sockets::new(
            addr.ip(),
            shown,
            options.rtp_ports,
            options.rtp_calls_max,
            rested,
            to_rtp.clone(),
        );
        signalling.connect(Exchange::new(behaviour, Box::new(sockets)));
        // A thread that has stopped takes no order.
        let _ = to_rtp.send(rtp::Order::Lose(options.rtp_loss_per_10_000));
        // Made now, so that no call waits for them.
        Tapes::of(Codec::Pcmu);
        let waker = signalling.waker().map_err(StartError::Threads)?;
        let rtp = std::thread::Builder::new()
            .name("carrier-rtp".to_owned())
            .spawn(move || rtp::run(&rtp_orders, &to_rest, seed))
            .map_err(StartError::Threads)?;
        let sip = std::thread::Builder::new()
            .name("carrier-sip".to_owned())
            .spawn(move || signalling.run())
            .map_err(StartError::Threads)?;
        Ok(CarrierHandle { addr, commands, waker, threads: Some((sip, rtp)) })
    }
}

/// A carrier that runs. Dropping it stops it.
#[derive(Debug)]
pub struct CarrierHandle {
    /// Where it listens.
    pub addr: SocketAddr,
    commands: Sender<Command>,
    waker: std::sync::Arc<mio::Waker>,
    threads: Option<(JoinHandle<Report>, JoinHandle<()>)>,
}

impl CarrierHandle {
    /// What it saw so far: entries that are done, oldest first, then those that may still change.
    pub fn ledger(&self) -> Vec<Entry> {
        self.ask(Command::Ledger).unwrap_or_default()
    }

    /// The sums over everything it saw.
    pub fn totals(&self) -> Totals {
        self.ask(Command::Totals).unwrap_or_default()
    }

    /// Changes what is wrong with its line, as while a test runs.
    pub fn set_faults(&self, faults: Faults) {
        self.tell(Command::SetFaults(faults));
    }

    /// Stops it, and gives its last word.
    pub fn stop(mut self) -> Report {
        self.end().unwrap_or_default()
    }

    fn ask<T>(&self, command: impl FnOnce(Sender<T>) -> Command) -> Option<T> {
        let (answer, answered) = channel();
        self.tell(command(answer));
        answered.recv().ok()
    }

    fn tell(&self, command: Command) {
        // A carrier that has stopped hears nothing; who asks it gets no answer.
        let _ = self.commands.send(command);
        let _ = self.waker.wake();
    }

    fn end(&mut self) -> Option<Report> {
        let (sip, rtp) = self.threads.take()?;
        self.tell(Command::Stop);
        let report = sip.join().ok();
        rtp.join().ok()?;
        report
    }
}

impl Drop for CarrierHandle {
    fn drop(&mut self) {
        self.end();
    }
}

/// The address to show when it listens on all: the one that packets to the world would leave from.
fn shown_ip(options: &Options, listens: IpAddr) -> IpAddr {
    if let Some(ip) = options.advertise {
        return ip;
    }
    if !listens.is_unspecified() {
        return listens;
    }
    // Connecting a datagram socket sends nothing; 192.0.2.1 is nobody's (RFC 5737).
    let routed = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
        socket.local_addr()
    });
    routed.map_or(Ipv4Addr::LOCALHOST.into(), |address| address.ip())
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
