//! The RTP thread: one slot wheel paces every call's packets; a slot lasts a millisecond.

use super::ports::Pair;
use super::stream::Stream;
use crate::exchange::RtpOrder;
use crate::ledger::Rtp;
use crate::seed::Dice;
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use media::port::Agreed;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::time::{Duration, Instant};

/// What the thread is told.
#[derive(Debug)]
pub enum Order {
    /// These sockets belong to a call now.
    Keep(Pair),
    /// An order for that call.
    Rtp(RtpOrder),
    /// Of how many packets in 10 000 none leaves.
    Lose(u32),
    /// Stop.
    Stop,
}

/// Slots of the wheel: a multiple of every packet interval there is (10, 20, 30, 60 ms).
const SLOTS: usize = 60;
/// Orders are looked for at least so often while anything goes on.
const LOOK_EVERY_SLOTS: u64 = 5;
/// How long closed sockets rest, so that no call hears what was sent to the one before.
const REST: Duration = Duration::from_secs(1);

/// Runs until it is told to stop.
pub fn run(orders: &Receiver<Order>, rested: &Sender<Pair>, seed: u64) {
    let mut wheel = Wheel {
        calls: HashMap::with_hasher(RandomState::default()),
        slots: std::array::from_fn(|_| Vec::new()),
        resting: VecDeque::new(),
        dice: Dice::of(seed, "rtp"),
        loss_per_10_000: 0,
    };
    let start = Instant::now();
    let mut slot = 0u64;
    loop {
        if wheel.is_idle() {
            match orders.recv() {
                Ok(Order::Stop) | Err(_) => return,
                Ok(order) => wheel.obey(order, slot),
            }
            // Slots in which nobody had anything to send are not made up for.
            slot = start.elapsed().as_millis() as u64;
        } else {
            let due = wheel.next_slot(slot).min(slot + LOOK_EVERY_SLOTS);
            let due = start + Duration::from_millis(due);
            // Asleep and not waiting for orders: an order that wakes us costs both threads more
            // than all else about it, and a call's first packet may wait for some milliseconds.
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        loop {
            match orders.try_recv() {
                Ok(Order::Stop) | Err(TryRecvError::Disconnected) => return,
                Ok(order) => wheel.obey(order, slot),
                Err(TryRecvError::Empty) => break,
            }
        }
        let now = start.elapsed();
        let passed = now.as_millis() as u64;
        // Far behind, as after the machine slept: begin anew instead of making it up.
        slot = slot.max(passed.saturating_sub(SLOTS as u64));
        while slot <= passed {
            wheel.turn(slot, now.as_micros() as u64);
            slot += 1;
        }
        wheel.rest(rested);
    }
}

struct Wheel {
    calls: HashMap<SocketAddr, Call, RandomState>,
    slots: [Vec<SocketAddr>; SLOTS],
    resting: VecDeque<(Instant, Pair)>,
    dice: Dice,
    loss_per_10_000: u32,
}

/// A call's audio.
struct Call {
    pair: Pair,
    /// From the SDP until its end; before, the sockets only wait.
    stream: Option<Stream>,
}

impl Wheel {
    /// Whether nothing is to be done before the next order.
    fn is_idle(&self) -> bool {
        self.resting.is_empty() && self.slots.iter().all(Vec::is_empty)
    }

    /// The first slot from this one on in which somebody has something to send.
    fn next_slot(&self, from: u64) -> u64 {
        (from..from + SLOTS as u64)
            .find(|slot| !self.slots[(slot % SLOTS as u64) as usize].is_empty())
            .unwrap_or(u64::MAX)
    }

    /// Hands back the sockets that have rested.
    fn rest(&mut self, rested: &Sender<Pair>) {
        while self.resting.front().is_some_and(|(since, _)| since.elapsed() >= REST) {
            if let Some((_, pair)) = self.resting.pop_front() {
                // Nobody takes them when the carrier is stopping.
                let _ = rested.send(pair);
            }
        }
    }

    fn obey(&mut self, order: Order, slot: u64) {
        match order {
            Order::Keep(pair) => {
                self.calls.insert(pair.local, Call { pair, stream: None });
            }
            Order::Rtp(RtpOrder::Open { local, audio, counts }) => {
                self.open(local, audio, counts, slot);
            }
            Order::Rtp(RtpOrder::Aim { local, audio }) => {
                self.with_stream(local, |stream| stream.aim(audio));
            }
            Order::Rtp(RtpOrder::Play { local, sound }) => {
                self.with_stream(local, |stream| stream.play(sound));
            }
            Order::Rtp(RtpOrder::Press { local, digits }) => {
                self.with_stream(local, |stream| stream.press(digits));
            }
            Order::Rtp(RtpOrder::Close { local }) => self.close(local),
            Order::Lose(per_10_000) => self.loss_per_10_000 = per_10_000,
            Order::Stop => {}
        }
    }

    fn with_stream(&mut self, local: SocketAddr, act: impl FnOnce(&mut Stream)) {
        if let Some(stream) = self.calls.get_mut(&local).and_then(|call| call.stream.as_mut()) {
            act(stream);
        }
    }

    fn open(&mut self, local: SocketAddr, agreed: Agreed, counts: Arc<Rtp>, now: u64) {
        let Some(call) = self.calls.get_mut(&local) else { return };
        // What the call before was sent is not ours.
        call.pair.drain();
        let interval = usize::from(agreed.ptime_ms.clamp(10, 60));
        // Its first packet leaves in the emptiest slot of the next interval.
        let first = (1..=interval)
            .map(|ahead| (now as usize + ahead) % SLOTS)
            .min_by_key(|slot| self.slots[*slot].len())
            .unwrap_or(0);
        for slot in (0..SLOTS / interval).map(|turn| (first + turn * interval) % SLOTS) {
            self.slots[slot].push(local);
        }
        call.stream = Some(Stream::new(agreed, counts, &mut self.dice));
    }

    fn close(&mut self, local: SocketAddr) {
        let Some(mut call) = self.calls.remove(&local) else { return };
        if let Some(stream) = &mut call.stream {
            stream.close(&call.pair);
            for slot in &mut self.slots {
                slot.retain(|other| *other != local);
            }
        }
        self.resting.push_back((Instant::now(), call.pair));
    }

    /// Everybody whose slot it is receives and sends.
    fn turn(&mut self, slot: u64, now_us: u64) {
        for local in &self.slots[(slot % SLOTS as u64) as usize] {
            let call = self.calls.get_mut(local);
            if let Some(Call { pair, stream: Some(stream) }) = call {
                let lost = self.dice.happens(self.loss_per_10_000);
                stream.turn(pair, now_us, lost, &mut self.dice);
            }
        }
    }
}
