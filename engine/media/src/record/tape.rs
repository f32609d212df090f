//! The pump's half: samples into blocks.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SendError, Sender};

use super::{Note, Outcome, RecordOptions};
use crate::codec::SAMPLES_PER_MS;
use crate::jitter::{Jitter, Kept};
use crate::port::Codec;

/// Frames (a sample of each side) of a block: 200 ms.
pub(super) const BLOCK_FRAMES: usize = 200 * SAMPLES_PER_MS as usize;

/// Frames that are copied at once: a packet of 20 ms.
const PIECE: usize = 20 * SAMPLES_PER_MS as usize;

/// A stream's recording as the pump fills it. It runs from [`Tape::run`] on; before, nothing is
/// kept.
///
/// Theirs go through the jitter ring, which delays them; ours are delayed by as much, so that both
/// channels are what this side said and heard at one time.
pub struct Tape {
    reel: u32,
    notes: Sender<Note>,
    waiting: Arc<AtomicUsize>,
    blocks_waiting_max: usize,
    running: bool,
    theirs: Jitter,
    /// Ours of the last `delay` samples: a ring.
    ours: Box<[i16]>,
    ours_at: usize,
    block: Vec<i16>,
    dropped_frames: u32,
}

impl Tape {
    pub(super) fn new(
        reel: u32,
        notes: Sender<Note>,
        waiting: Arc<AtomicUsize>,
        options: RecordOptions,
    ) -> Self {
        let delay_ms = options.jitter_ms.clamp(10, 200);
        Self {
            reel,
            notes,
            waiting,
            blocks_waiting_max: options.blocks_waiting_max,
            running: false,
            theirs: Jitter::new(delay_ms),
            ours: vec![0; (delay_ms * SAMPLES_PER_MS) as usize].into_boxed_slice(),
            ours_at: 0,
            block: Vec::new(),
            dropped_frames: 0,
        }
    }

    /// The call was answered: from here on it is recorded.
    pub fn run(&mut self) {
        self.running = true;
    }

    /// A packet of theirs; whether it came in time.
    pub fn hear(&mut self, timestamp: u32, payload: &[u8], codec: Codec) -> Kept {
        if self.running { self.theirs.push(timestamp, payload, codec) } else { Kept::Kept }
    }

    /// Their numbers begin anew.
    pub fn restart(&mut self) {
        self.theirs.restart();
    }

    /// So many samples of time passed, and in them this was sent last: bytes in a law, or nothing.
    pub fn turn(&mut self, samples: usize, said: &[u8], codec: Codec) {
        if !self.running {
            return;
        }
        let mut silent = samples.saturating_sub(said.len());
        while silent > 0 {
            let piece = silent.min(PIECE);
            self.frames(&[0; PIECE][..piece]);
            silent -= piece;
        }
        let mut ours = [0; PIECE];
        for said in said.chunks(PIECE) {
            for (sample, &byte) in ours.iter_mut().zip(said) {
                *sample = codec.decode(byte);
            }
            self.frames(&ours[..said.len()]);
        }
    }

    /// The call is over: what the rings still hold is written, then the file is closed, and `told`
    /// hears what became of it, from the writer's thread.
    pub fn finish(mut self, told: impl FnOnce(Outcome) + Send + 'static) {
        if self.running {
            self.turn(self.ours.len(), &[], Codec::Pcmu);
            self.hand_over();
        }
        let finish = Note::Finish { reel: self.reel, finish: Box::new(told) };
        // A recorder that was stopped has closed the file; what became of it was not waited for.
        if let Err(SendError(Note::Finish { finish, .. })) = self.notes.send(finish) {
            finish(None);
        }
    }

    /// At most [`PIECE`] samples of ours, and as many of theirs.
    fn frames(&mut self, ours: &[i16]) {
        let mut theirs = [0; PIECE];
        self.theirs.pull(&mut theirs[..ours.len()]);
        for (&ours, theirs) in ours.iter().zip(theirs) {
            let ours = std::mem::replace(&mut self.ours[self.ours_at], ours);
            self.ours_at = (self.ours_at + 1) % self.ours.len();
            if self.block.capacity() == 0 {
                self.block.reserve_exact(BLOCK_FRAMES * 2);
            }
            self.block.extend([ours, theirs]);
            if self.block.len() == BLOCK_FRAMES * 2 {
                self.hand_over();
            }
        }
    }

    fn hand_over(&mut self) {
        let frames = (self.block.len() / 2) as u32;
        if self.waiting.load(Ordering::Relaxed) >= self.blocks_waiting_max {
            self.dropped_frames += frames;
            self.block.clear();
            return;
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let dropped_frames = std::mem::take(&mut self.dropped_frames);
        let samples = std::mem::take(&mut self.block);
        let _ = self.notes.send(Note::Block { reel: self.reel, dropped_frames, samples });
    }
}
