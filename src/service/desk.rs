//! Where commands from outside meet the engine: each gets a ticket, and its answer back.
//!
//! What is open at once is bounded, and so is what waits inside: whoever comes beyond is told to
//! come again, and loses nothing.

use node::{Asker, Gauges};
use schemas::CommandId;
use schemas::commands::Command;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use switchboard::{Answer, Input, Ticket};

/// Hears the answer to a command, on a thread that must not wait.
pub type Reply = Box<dyn FnOnce(Answer) + Send>;

/// Why a command was not taken in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Busy {
    /// As many as may be are open or wait inside: come again soon.
    Full,
    /// The engine stops, or has stopped: ask another node, or after its start.
    Stopping,
}

/// How much may be open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Commands without an answer.
    pub open_max: usize,
    /// Calls that have not ended, those that wait for their turn among them.
    pub calls_max: usize,
}

/// Counts since the start, by answer.
#[derive(Debug, Default)]
pub struct Counts {
    /// Taken, and durable.
    pub accepted: AtomicU64,
    /// There before, with the same content.
    pub repeated: AtomicU64,
    /// There before, with other content.
    pub conflicts: AtomicU64,
    /// For a call that has ended or never was.
    pub no_such_call: AtomicU64,
    /// Asking for what the configuration does not have.
    pub refused: AtomicU64,
    /// Sent away since there was no room.
    pub full: AtomicU64,
}

/// Hands commands to the engine.
pub struct Desk {
    asker: Asker,
    gauges: Arc<Gauges>,
    bounds: Bounds,
    open: Mutex<Open>,
    closed: AtomicBool,
    /// What was answered.
    pub counts: Counts,
}

#[derive(Default)]
struct Open {
    tickets: u64,
    /// The engine has ended: nobody answers any more.
    is_over: bool,
    replies: HashMap<Ticket, Reply>,
}

impl Desk {
    /// A desk in front of a node.
    pub fn new(asker: Asker, gauges: Arc<Gauges>, bounds: Bounds) -> Self {
        let (open, closed) = (Mutex::default(), AtomicBool::new(false));
        Self { asker, gauges, bounds, open, closed, counts: Counts::default() }
    }

    /// Hands a command in. `reply` hears of it once what it says is durable, or when the engine
    /// has stopped; it is not called when this refuses.
    ///
    /// # Errors
    /// [`Busy`]: nothing was done.
    pub fn submit(&self, command: Command, reply: Reply) -> Result<(), Busy> {
        self.hand_in(command, None, None, reply)
    }

    /// As [`Desk::submit`], of a partition of the work that nodes share, and perhaps of a call that
    /// another command ended before it came: it ends without having been dialled.
    ///
    /// # Errors
    /// [`Busy`]: nothing was done.
    #[cfg(feature = "kafka")]
    pub fn submit_of(
        &self,
        command: Command,
        cancelled_by: Option<CommandId>,
        partition: Option<u32>,
        reply: Reply,
    ) -> Result<(), Busy> {
        self.hand_in(command, cancelled_by, partition, reply)
    }

    fn hand_in(
        &self,
        command: Command,
        cancelled_by: Option<CommandId>,
        partition: Option<u32>,
        reply: Reply,
    ) -> Result<(), Busy> {
        // Ending calls makes room, and helps who drains.
        let is_new = matches!(command, Command::PlaceCall(_));
        if is_new && self.is_closed() {
            return Err(Busy::Stopping);
        }
        let ticket = {
            let mut open = self.open();
            if open.is_over {
                return Err(Busy::Stopping);
            }
            let no_room = is_new && self.live() >= self.bounds.calls_max;
            if no_room || open.replies.len() >= self.bounds.open_max {
                self.counts.full.fetch_add(1, Ordering::Relaxed);
                return Err(Busy::Full);
            }
            open.tickets += 1;
            let ticket = Ticket(open.tickets);
            open.replies.insert(ticket, reply);
            ticket
        };
        let input = match (command, cancelled_by) {
            (Command::PlaceCall(call), None) => Input::Place(ticket, call),
            (Command::PlaceCall(call), Some(by)) => Input::PlaceCancelled(ticket, call, by),
            (Command::EndCall(end), _) => Input::End(ticket, end),
        };
        let input = match partition {
            Some(partition) => Input::Of(partition, Box::new(input)),
            None => input,
        };
        match self.asker.ask(input) {
            true => Ok(()),
            false => {
                self.open().replies.remove(&ticket);
                Err(Busy::Stopping)
            }
        }
    }

    /// The engine's answer to a ticket.
    pub fn answered(&self, ticket: Ticket, answer: Answer) {
        let count = match answer {
            Answer::Accepted(_) => Some(&self.counts.accepted),
            Answer::Repeated(_) => Some(&self.counts.repeated),
            Answer::Conflict(_) => Some(&self.counts.conflicts),
            Answer::NoSuchCall(_) => Some(&self.counts.no_such_call),
            Answer::Refused(_) => Some(&self.counts.refused),
            Answer::Stopping | Answer::NotOurs => None,
        };
        if let Some(count) = count {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let reply = self.open().replies.remove(&ticket);
        if let Some(reply) = reply {
            reply(answer);
        }
    }

    /// Takes no more calls from now on; those that are up can be ended.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// The engine has ended: whoever still waits is told.
    pub fn give_up(&self) {
        self.close();
        let replies = {
            let mut open = self.open();
            open.is_over = true;
            std::mem::take(&mut open.replies)
        };
        replies.into_values().for_each(|reply| reply(Answer::Stopping));
    }

    /// Whether there is room for more calls.
    pub fn has_room(&self) -> bool {
        self.live() < self.bounds.calls_max && self.waiting() < self.bounds.open_max
    }

    /// Whether commands are not taken any more.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Commands without an answer.
    pub fn waiting(&self) -> usize {
        self.open().replies.len()
    }

    /// Calls that have not ended.
    pub fn live(&self) -> usize {
        self.gauges.live.load(Ordering::Relaxed)
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        // Nobody leaves it half changed: replies are called outside of it.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
