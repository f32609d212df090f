//! One call's audio as a value: datagrams and slots in, packets and what was heard out.
//!
//! No socket, no clock, no thread: the pump moves the bytes and says what time it is, in
//! microseconds since some beginning of its own. `hear` is the way in, `say` the way out.

mod hear;
mod say;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::dtmf::{Keypad, Listener};
use crate::port::{Agreed, MediaHeard, Report, StreamId};
use crate::prompt::Prompt;
use crate::record::Tape;
use crate::rtp::latch::{Latch, Symmetric};
use crate::rtp::receive::Reception;
use crate::rtp::send::Sending;
use crate::sdp::PTIMES_MS;

pub use say::{PACKET_BYTES_MAX, Slot};

/// How a stream behaves. One for all streams of a pump.
#[derive(Clone, Debug)]
pub struct StreamOptions {
    /// How far from the address of their SDP their audio may come.
    pub symmetric: Symmetric,
    /// How long after the SDP, and after the answer, another source than theirs may prove itself,
    /// in milliseconds.
    pub latch_ms: u32,
    /// What is sent while nothing is played.
    pub idle: Idle,
    /// [`MediaHeard::NoAudio`] when nothing came for so long since the answer or the last packet,
    /// in milliseconds. None: never.
    pub no_audio_ms: Option<u32>,
    /// Milliseconds between reports (RTCP), on average.
    pub report_ms: u32,
}

impl Default for StreamOptions {
    /// Symmetric within 5 s, kept alive every 5 s, no audio after 10 s, a report every 5 s.
    fn default() -> Self {
        Self {
            symmetric: Symmetric::Anywhere,
            latch_ms: 5_000,
            idle: Idle::KeepAlive { every_ms: 5_000 },
            no_audio_ms: Some(10_000),
            report_ms: 5_000,
        }
    }
}

/// What is sent while nothing is played.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Idle {
    /// Nothing at all. A peer behind a NAT is not heard then, and some carriers hang up.
    Nothing,
    /// A few packets of silence at the beginning, so that a NAT opens and the other side can latch,
    /// then one every so often (RFC 6263, 4.7), so that it stays open and nobody takes the call for
    /// dead.
    KeepAlive {
        /// Milliseconds between them.
        every_ms: u32,
    },
    /// Silence, packet after packet: for carriers that count gaps as loss.
    Silence,
}

/// The audio of one call.
pub struct Stream {
    id: StreamId,
    options: Arc<StreamOptions>,
    agreed: Option<Agreed>,
    paused: bool,
    slot_us: u64,
    sending: Sending,
    keypad: Keypad,
    key_began: u32,
    playing: Option<Playing>,
    idle: IdleState,
    latch: Latch,
    reception: Reception,
    /// Packets of theirs that carried nothing of use: counted by number, but not as audio.
    ignored: u32,
    listener: Listener,
    answered_us: Option<u64>,
    first_audio_ms: Option<u32>,
    /// From when on silence counts: the answer, their last packet, the end of a hold.
    silent_since_us: u64,
    silence_told: bool,
    reports: say::Reports,
    tape: Option<Box<Tape>>,
}

/// A prompt and how far it was sent.
struct Playing {
    prompt: Arc<Prompt>,
    at: usize,
}

#[derive(Clone, Copy, Debug)]
struct IdleState {
    /// Packets of the opening burst that are left.
    burst: u8,
    /// When something was sent last.
    sent_us: u64,
}

/// Keep-alive packets right after the SDP was agreed on: a single one may be lost.
const BURST: u8 = 3;

/// Three random numbers for a stream: what others must not guess (SSRC, first sequence number and
/// timestamp, the name in reports).
#[derive(Clone, Copy, Debug)]
pub struct Randomness(pub [u64; 3]);

impl Stream {
    /// A stream that listens. It sends once it is [connected](Stream::connect).
    pub fn new(
        id: StreamId,
        options: Arc<StreamOptions>,
        randomness: Randomness,
        tape: Option<Box<Tape>>,
        now_us: u64,
    ) -> Self {
        let Randomness([numbers, ssrc, name]) = randomness;
        Self {
            id,
            agreed: None,
            paused: false,
            slot_us: now_us,
            sending: Sending::new(numbers, ssrc as u32),
            keypad: Keypad::default(),
            key_began: 0,
            playing: None,
            idle: IdleState { burst: 0, sent_us: now_us },
            latch: Latch::new(options.symmetric, u64::from(options.latch_ms) * 1_000),
            reception: Reception::default(),
            ignored: 0,
            listener: Listener::default(),
            answered_us: None,
            first_audio_ms: None,
            silent_since_us: now_us,
            silence_told: false,
            reports: say::Reports::new(name ^ ssrc.rotate_left(32), now_us, options.report_ms),
            tape,
            options,
        }
    }

    /// Its name.
    pub fn id(&self) -> StreamId {
        self.id
    }

    /// Milliseconds between its packets.
    pub fn ptime_ms(&self) -> u8 {
        self.agreed.as_ref().map_or(20, |agreed| agreed.ptime_ms)
    }

    /// What the SDP settled; again after a re-INVITE. Said again unchanged it changes nothing.
    pub fn connect(&mut self, mut agreed: Agreed, now_us: u64) {
        if !PTIMES_MS.contains(&agreed.ptime_ms) {
            agreed.ptime_ms = 20;
        }
        self.latch.expect(agreed.remote, now_us);
        let held = self.agreed.as_ref().is_some_and(|before| !before.receive);
        if agreed.receive && held {
            // The silence of a hold is no fault of theirs.
            self.silent_since_us = now_us;
        }
        if self.agreed.as_ref().is_none_or(|before| before.remote != agreed.remote) {
            self.idle.burst = BURST;
        }
        self.agreed = Some(agreed);
    }

    /// The callee answered. Told again it changes nothing.
    pub fn answered(&mut self, now_us: u64) {
        if self.answered_us.is_none() {
            self.answered_us = Some(now_us);
            self.silent_since_us = now_us;
            self.silence_told = false;
            self.latch.reopen(now_us);
            if let Some(tape) = &mut self.tape {
                tape.run();
            }
        }
    }

    /// Plays a prompt from its start, instead of what was played before. It waits until the stream
    /// is connected, and while it is held or paused.
    pub fn play(&mut self, prompt: Arc<Prompt>) {
        self.playing = Some(Playing { prompt, at: 0 });
    }

    /// Stops what is played. It is not told as finished.
    pub fn stop_playing(&mut self) {
        self.playing = None;
    }

    /// Sends digits after those that still wait; how many were refused: no digits, or too many.
    pub fn dial(&mut self, digits: &str) -> usize {
        self.keypad.dial(digits)
    }

    /// Sends nothing, or goes on where it stopped. Reports (RTCP) go on.
    pub fn pause(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// The end: what it was like. A recording is handed out, to be finished and put into the
    /// report.
    pub fn close(mut self, heard: &mut impl FnMut(MediaHeard)) -> (Report, Option<Box<Tape>>) {
        if let Some(pressed) = self.listener.restart() {
            heard(hear::digit(self.id, pressed));
        }
        let report = Report {
            codec: self.agreed.as_ref().map(|agreed| agreed.codec),
            sent: self.sending.packets(),
            received: self.reception.received() - self.ignored,
            lost: self.reception.lost(),
            discarded: self.reception.discarded() + self.ignored,
            jitter_us: self.reception.jitter_us(),
            remote_lost_256ths: self.reports.remote_lost_256ths,
            first_audio_ms: self.first_audio_ms,
            recording: None,
        };
        (report, self.tape.take())
    }

    fn may_send(&self) -> bool {
        !self.paused && self.agreed.as_ref().is_some_and(|agreed| agreed.send)
    }
}
