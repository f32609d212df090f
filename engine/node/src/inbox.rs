//! What other threads hand to a shard's loop, and how they wake it.

use crate::dns::Found;
use media::port::MediaHeard;
use mio::Waker;
use sip::port::GatewayId;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use store::Results;
use switchboard::{BatchId, Input};

/// What can arrive from another thread.
#[derive(Debug)]
pub enum Arrived {
    /// A batch is durable, or not.
    Durable(BatchId, Results),
    /// The media plane has something to tell.
    Media(MediaHeard),
    /// A gateway was looked for.
    Resolved(GatewayId, Found),
    /// A command from outside.
    Asked(Input),
    /// The store cannot be read; why, for people.
    Broken(String),
    /// The loop is to end, whatever is up.
    Stop,
}

/// The end that other threads hold.
#[derive(Clone)]
pub struct Inbox {
    sender: Sender<Arrived>,
    waker: Arc<Waker>,
    /// Whether the loop knows already that something is there: one wake-up serves many.
    posted: Arc<AtomicBool>,
}

/// The loop's end.
pub struct Outbox {
    receiver: Receiver<Arrived>,
    posted: Arc<AtomicBool>,
}

/// A pair of ends, and what wakes the loop.
pub fn pair(waker: Waker) -> (Inbox, Outbox) {
    let (sender, receiver) = channel();
    let posted = Arc::new(AtomicBool::new(false));
    let inbox = Inbox { sender, waker: Arc::new(waker), posted: posted.clone() };
    (inbox, Outbox { receiver, posted })
}

impl Inbox {
    /// Puts something in and wakes the loop. False when the loop has ended.
    ///
    /// What is put in is bounded by who puts it: a shard has one batch in flight, a stream one
    /// report per event, a caller as many commands as it may have open.
    pub fn put(&self, arrived: Arrived) -> bool {
        if self.sender.send(arrived).is_err() {
            return false;
        }
        if !self.posted.swap(true, Ordering::AcqRel) {
            // An eventfd that cannot be written to is full: the loop wakes anyway.
            let _ = self.waker.wake();
        }
        true
    }
}

impl Outbox {
    /// Everything that is there now.
    pub fn drain(&self) -> impl Iterator<Item = Arrived> + '_ {
        self.posted.store(false, Ordering::Release);
        self.receiver.try_iter()
    }
}
