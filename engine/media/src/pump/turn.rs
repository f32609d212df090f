//! The pump's thread: orders, slots, sockets.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Heard, Opened, Order, Shared};
use crate::port::{MediaHeard, MediaOrder, StreamId};
use crate::ports::PortPair;
use crate::prompt::Prompts;
use crate::rtp::rtcp::COMPOUND_BYTES_MAX;
use crate::stream::{PACKET_BYTES_MAX, Slot, Stream};
use crate::wheel::{Seat, Wheel};

/// Datagrams that are read of one stream in one slot. A peer that sends every 10 ms needs two; a
/// flood gets no more than this of the others' time, and what it leaves in the buffer is bounded by
/// the buffer.
const READS_MAX: usize = 6;

/// Bytes of a datagram that are read: more than a network lets through in one piece. What is longer
/// is cut.
const DATAGRAM_BYTES_MAX: usize = 2_048;

/// How often the RTCP port is looked at: it gets a packet in five seconds.
const CONTROL_US: u64 = 500_000;

/// Sending may fail for so long before it is told: a route that flaps is no reason to hang up.
const FAILING_US: u64 = 1_000_000;

/// Orders that are carried out before the wheel is looked at again.
const ORDERS_AT_ONCE: usize = 1_024;

/// What the thread owns.
pub(super) struct Turner {
    shared: Arc<Shared>,
    prompts: Prompts,
    heard: Heard,
    wheel: Wheel,
    streams: Vec<Option<Seated>>,
    free: Vec<u32>,
    by_id: HashMap<StreamId, u32>,
    /// Microseconds since 1970 at the clock's beginning.
    unix_us: u64,
}

/// A stream in its seat.
struct Seated {
    stream: Stream,
    pair: PortPair,
    seat: Seat,
    control_us: u64,
    failing: Option<Failing>,
}

/// Sending fails.
struct Failing {
    since_us: u64,
    told: bool,
}

/// Buffers that every stream uses in its turn.
struct Buffers {
    datagram: [u8; DATAGRAM_BYTES_MAX],
    packet: [u8; PACKET_BYTES_MAX],
    report: [u8; COMPOUND_BYTES_MAX],
}

/// Whether the thread goes on.
#[derive(PartialEq, Eq)]
enum Next {
    Go,
    Stop,
}

impl Turner {
    pub fn new(shared: Arc<Shared>, prompts: Prompts, heard: Heard) -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_us = shared.now_us();
        Self {
            shared,
            prompts,
            heard,
            wheel: Wheel::new(now_us),
            streams: Vec::new(),
            free: Vec::new(),
            by_id: HashMap::new(),
            unix_us: (since_1970.as_micros() as u64).saturating_sub(now_us),
        }
    }

    /// Until it is told to stop, or its pump is gone.
    pub fn run(mut self, inbox: &Receiver<Order>) {
        let mut buffers = Buffers {
            datagram: [0; DATAGRAM_BYTES_MAX],
            packet: [0; PACKET_BYTES_MAX],
            report: [0; COMPOUND_BYTES_MAX],
        };
        while self.take_orders(inbox) == Next::Go {
            let now_us = self.shared.now_us();
            if let Some(slot_us) = self.wheel.turn(now_us) {
                self.serve(slot_us, &mut buffers);
                continue;
            }
            // An order wakes it before its time.
            match self.wheel.due_us() {
                Some(due_us) => {
                    thread::park_timeout(Duration::from_micros(due_us.saturating_sub(now_us)))
                }
                None => thread::park(),
            }
        }
        let open: Vec<_> = self.by_id.keys().copied().collect();
        open.into_iter().for_each(|stream| self.close(stream));
    }

    fn take_orders(&mut self, inbox: &Receiver<Order>) -> Next {
        for order in inbox.try_iter().take(ORDERS_AT_ONCE) {
            match order {
                Order::Adopt(opened) => self.adopt(*opened),
                Order::Media(order) => self.carry_out(order),
                Order::Stop => return Next::Stop,
            }
        }
        Next::Go
    }

    fn adopt(&mut self, opened: Opened) {
        let Opened { stream, pair } = opened;
        let now_us = self.shared.now_us();
        let key = self.free.pop().unwrap_or_else(|| {
            self.streams.push(None);
            self.streams.len() as u32 - 1
        });
        let seat = self.wheel.add(key, stream.ptime_ms(), now_us);
        self.by_id.insert(stream.id(), key);
        // Spread like the slots, so that not all look at their reports in one millisecond.
        let control_us = now_us + u64::from(key) * 1_000 % CONTROL_US;
        self.streams[key as usize] = Some(Seated { stream, pair, seat, control_us, failing: None });
        self.shared.measures.streams_are(self.by_id.len());
    }

    fn carry_out(&mut self, order: MediaOrder) {
        let now_us = self.shared.now_us();
        match order {
            // Opened in the caller's thread, and adopted.
            MediaOrder::Open { .. } => {}
            MediaOrder::Connect { stream, agreed } => {
                let Some((key, seated)) = self.seated(stream) else { return };
                if agreed.remote.is_ipv4() != seated.pair.local.is_ipv4() {
                    let version = |it: SocketAddr| if it.is_ipv4() { "IPv4" } else { "IPv6" };
                    let (theirs, ours) = (version(agreed.remote), version(seated.pair.local));
                    let why =
                        format!("their address is {theirs} and ours {ours}: audio cannot be sent");
                    return (self.heard)(MediaHeard::Failed { stream, why });
                }
                let before_ms = seated.stream.ptime_ms();
                seated.stream.connect(agreed, now_us);
                let (ptime_ms, seat) = (seated.stream.ptime_ms(), seated.seat);
                if ptime_ms != before_ms {
                    self.wheel.remove(key, seat);
                    let seat = self.wheel.add(key, ptime_ms, now_us);
                    if let Some((_, seated)) = self.seated(stream) {
                        seated.seat = seat;
                    }
                }
            }
            MediaOrder::Answered { stream } => self.with(stream, |stream| stream.answered(now_us)),
            MediaOrder::Play { stream, prompt } => match self.prompts.get(&prompt) {
                Some(prompt) => self.with(stream, |stream| stream.play(prompt)),
                None if self.by_id.contains_key(&stream) => {
                    let why = format!("there is no prompt {prompt:?}");
                    (self.heard)(MediaHeard::Failed { stream, why });
                }
                None => {}
            },
            MediaOrder::StopPlaying { stream } => self.with(stream, Stream::stop_playing),
            MediaOrder::SendDigits { stream, digits } => self.with(stream, |stream| {
                stream.dial(&digits);
            }),
            MediaOrder::Pause { stream, paused } => {
                self.with(stream, |stream| stream.pause(paused))
            }
            MediaOrder::Close { stream } => self.close(stream),
        }
    }

    fn seated(&mut self, stream: StreamId) -> Option<(u32, &mut Seated)> {
        let key = *self.by_id.get(&stream)?;
        Some((key, self.streams[key as usize].as_mut()?))
    }

    fn with(&mut self, stream: StreamId, change: impl FnOnce(&mut Stream)) {
        if let Some((_, seated)) = self.seated(stream) {
            change(&mut seated.stream);
        }
    }

    /// One slot: every stream of it hears and says.
    fn serve(&mut self, slot_us: u64, buffers: &mut Buffers) {
        let mut received = 0;
        let measures = &self.shared.measures;
        let heard = &mut |heard| (self.heard)(heard);
        for &key in self.wheel.in_turn() {
            let Some(seated) = &mut self.streams[key as usize] else { continue };
            let now_us = self.shared.now_us();
            received += seated.hear(now_us, &mut buffers.datagram, heard);
            if seated.say(slot_us, now_us, buffers, heard) {
                measures.sent_late(now_us.saturating_sub(slot_us));
            }
            if seated.stream.report_due(slot_us) {
                seated.report(slot_us, self.unix_us + now_us, buffers);
            }
        }
        measures.slot(received, self.wheel.skipped());
    }

    fn close(&mut self, stream: StreamId) {
        let Some(key) = self.by_id.remove(&stream) else { return };
        let Some(mut seated) = self.streams[key as usize].take() else { return };
        self.free.push(key);
        self.wheel.remove(key, seated.seat);
        self.shared.measures.streams_are(self.by_id.len());

        let now_us = self.shared.now_us();
        // What came until now still counts: the digit that was pressed just before we hang up.
        seated.hear(now_us, &mut [0; DATAGRAM_BYTES_MAX], &mut |heard| (self.heard)(heard));
        let mut goodbye = [0; COMPOUND_BYTES_MAX];
        if let Some(slot) = seated.stream.report(now_us, self.unix_us + now_us, true, &mut goodbye)
        {
            // They will notice without it.
            let _ = seated.pair.rtcp.send_to(&goodbye[..slot.bytes], slot.to);
        }
        let Seated { stream: closed, pair, .. } = seated;
        let (mut report, tape) = closed.close(&mut |heard| (self.heard)(heard));
        let mut door = self.shared.door();
        door.ports.give_back(pair, now_us);
        door.open.remove(&stream);
        drop(door);
        let heard = self.heard.clone();
        match tape {
            None => heard(MediaHeard::Closed { stream, report: Box::new(report) }),
            Some(tape) => tape.finish(move |recording| {
                report.recording = recording;
                heard(MediaHeard::Closed { stream, report: Box::new(report) });
            }),
        }
    }
}

impl Seated {
    /// Reads what came; how many datagrams.
    fn hear(
        &mut self,
        now_us: u64,
        datagram: &mut [u8; DATAGRAM_BYTES_MAX],
        heard: &mut impl FnMut(MediaHeard),
    ) -> u64 {
        let mut received = 0;
        for _ in 0..READS_MAX {
            let Ok((bytes, from)) = self.pair.rtp.recv_from(datagram) else { break };
            self.stream.datagram(&datagram[..bytes], from, now_us, heard);
            received += 1;
        }
        if now_us >= self.control_us {
            self.control_us = now_us + CONTROL_US;
            for _ in 0..READS_MAX {
                let Ok((bytes, from)) = self.pair.rtcp.recv_from(datagram) else { break };
                self.stream.control(&datagram[..bytes], from, now_us);
            }
        }
        received
    }

    /// Sends what the slot sends; whether a packet left.
    fn say(
        &mut self,
        slot_us: u64,
        now_us: u64,
        buffers: &mut Buffers,
        heard: &mut impl FnMut(MediaHeard),
    ) -> bool {
        let Some(Slot { to, bytes }) = self.stream.slot(slot_us, &mut buffers.packet, heard) else {
            return false;
        };
        match self.pair.rtp.send_to(&buffers.packet[..bytes], to) {
            Ok(_) => {
                self.failing = None;
                return true;
            }
            // The card's queue is full: this packet is lost like any other.
            Err(fault) if fault.kind() == ErrorKind::WouldBlock => {}
            Err(fault) => self.fail(&fault, now_us, heard),
        }
        false
    }

    fn report(&mut self, now_us: u64, unix_us: u64, buffers: &mut Buffers) {
        if let Some(slot) = self.stream.report(now_us, unix_us, false, &mut buffers.report) {
            // Lost like any other packet: the next one tells as much.
            let _ = self.pair.rtcp.send_to(&buffers.report[..slot.bytes], slot.to);
        }
    }

    fn fail(&mut self, fault: &io::Error, now_us: u64, heard: &mut impl FnMut(MediaHeard)) {
        let failing = self.failing.get_or_insert(Failing { since_us: now_us, told: false });
        if !failing.told && now_us - failing.since_us >= FAILING_US {
            failing.told = true;
            let why = format!("audio cannot be sent: {fault}");
            heard(MediaHeard::Failed { stream: self.stream.id(), why });
        }
    }
}
