//! A bad network between a node and one peer: loses, doubles, delays and reorders datagrams.
//!
//! It stands in the middle like a router that knows SIP: each side sees the line's address instead
//! of the other's, so that requests in a dialog, which follow Contact, come through it as well.
//!
//! ```text
//! node ◄──► near ═══ line ═══ far ◄──► peer
//! ```

mod relay;
mod weather;

pub use weather::Weather;

use relay::Relay;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// A SIP message on its way.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Passing {
    /// The number that its call is to; empty when that is not known.
    pub number: String,
    /// Whether it is on its way to the peer, else to the node.
    pub outward: bool,
    /// What it is: `1 INVITE`, or `200 to 1 INVITE`.
    pub kind: String,
    /// How many of this kind went this way before.
    pub copy: u32,
}

/// When a datagram arrives, counted from when it was sent: not at all, once, or more often.
pub type Arrivals = Vec<Duration>;

/// What the line saw.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The Call-IDs of INVITEs to each number.
    pub calls: BTreeMap<String, BTreeSet<String>>,
    /// Numbers whose INVITE got a final that arrived.
    pub finals: BTreeSet<String>,
    /// Numbers for which the node sent an ACK.
    pub acked: BTreeSet<String>,
    /// Every message in the order it was sent, with what became of it.
    pub passed: Vec<(Passing, Arrivals)>,
    /// Datagrams of both sides.
    pub datagrams: u64,
    /// Those of them that did not arrive.
    pub lost: u64,
    /// Those that arrived more than once.
    pub doubled: u64,
}

impl Seen {
    /// Whether every final of this number's INVITEs that arrived was acknowledged, and the line lost
    /// each ACK: then the peer was left without one, and not by the node.
    pub fn lost_every_ack(&self, number: &str) -> bool {
        let of_number = || self.passed.iter().filter(|(passing, _)| passing.number == number);
        let is_final = |passing: &Passing| {
            !passing.outward && passing.kind.ends_with("INVITE") && !passing.kind.starts_with('1')
        };
        let finals = of_number().filter(|(passing, _)| is_final(passing));
        let arrived: usize = finals.map(|(_, arrivals)| arrivals.len()).sum();
        let is_ack = |passing: &Passing| passing.outward && passing.kind.ends_with(" ACK");
        let acks: Vec<_> = of_number().filter(|(passing, _)| is_ack(passing)).collect();
        acks.len() >= arrived && acks.iter().all(|(_, arrivals)| arrivals.is_empty())
    }

    /// What passed of the call to this number, a message on each line, for people.
    pub fn transcript(&self, number: &str) -> String {
        let of_number = self.passed.iter().filter(|(passing, _)| passing.number == number);
        let lines = of_number.map(|(passing, arrivals)| {
            let arrow = if passing.outward { "->" } else { "<-" };
            let arrives = match arrivals.len() {
                0 => "  lost",
                1 => "",
                _ => "  doubled",
            };
            format!("  {arrow} {}{arrives}\n", passing.kind)
        });
        lines.collect()
    }
}

/// A line. Ends when it is dropped.
pub struct Line {
    near: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    waker: Arc<mio::Waker>,
    thread: Option<JoinHandle<()>>,
}

impl Line {
    /// A line to `peer`. `fate` says when a datagram arrives.
    ///
    /// # Panics
    /// The system gives no socket or thread: the test is over.
    pub fn to(peer: SocketAddr, fate: impl FnMut(&Passing) -> Arrivals + Send + 'static) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let relay = Relay::new(peer, seen.clone(), Box::new(fate)).expect("a line to the peer");
        let (near, waker) = (relay.near(), relay.waker());
        let thread = std::thread::Builder::new()
            .name("line".into())
            .spawn(move || relay.run())
            .expect("a thread for the line");
        Self { near, seen, waker, thread: Some(thread) }
    }

    /// Where the node is to send.
    pub fn near(&self) -> SocketAddr {
        self.near
    }

    /// What it saw so far.
    pub fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // A relay that is woken without a datagram has to end.
        let _ = self.waker.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
