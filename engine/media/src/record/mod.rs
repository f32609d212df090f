//! Recordings: what both sides said, ours left, theirs right, in one WAV file per call.
//!
//! The pump never waits for a disk. It fills blocks ([`Tape`]) and hands them to a thread of its
//! own ([`Recorder`]). When that falls behind, blocks are dropped and their length is kept as
//! silence, so that what follows is still in its time, and the recording says that it is
//! incomplete. A file has its name only when it is whole on the disk; until then it is called
//! `….part`.

mod tape;
#[cfg(test)]
mod tests;
mod writer;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::{io, thread};

pub use tape::Tape;
use writer::{Finish, Reel, Writer};

use crate::port::Recorded;

/// Bounds of all recordings of a pump.
#[derive(Clone, Copy, Debug)]
pub struct RecordOptions {
    /// How many blocks (200 ms of a call, 6.4 kB) may wait for the disk. Beyond, blocks are
    /// dropped.
    pub blocks_waiting_max: usize,
    /// How long a recording may be, in milliseconds. Beyond it ends, and says so; the call goes on.
    pub ms_max: u32,
    /// How late a packet of theirs may come, in milliseconds, to be in its place in the recording.
    pub jitter_ms: u32,
}

impl Default for RecordOptions {
    /// 16,384 blocks (100 MB, or 2 s of 1,600 calls), 4 hours, 60 ms.
    fn default() -> Self {
        Self { blocks_waiting_max: 16_384, ms_max: 4 * 3_600 * 1_000, jitter_ms: 60 }
    }
}

/// What goes to the thread that writes.
enum Note {
    /// Audio of a recording, both channels in turn; before it so many frames of silence that were
    /// dropped.
    Block { reel: u32, dropped_frames: u32, samples: Vec<i16> },
    /// A recording begins.
    Begin { reel: u32, opened: Box<Reel> },
    /// It is over; the closure is told what became of it. Nothing was recorded: None.
    Finish { reel: u32, finish: Finish },
    /// The recorder is dropped: what is still open is closed.
    Stop,
}

/// The thread that writes recordings, and the way to it. When it is dropped, what waits is written
/// first, and tapes that are still open end there.
pub struct Recorder {
    notes: mpsc::Sender<Note>,
    waiting: Arc<AtomicUsize>,
    reels: AtomicUsize,
    options: RecordOptions,
    thread: Option<JoinHandle<()>>,
}

impl Recorder {
    /// Starts the thread.
    pub fn start(options: RecordOptions) -> io::Result<Self> {
        let (notes, inbox) = mpsc::channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let writer = Writer::new(options.ms_max, waiting.clone());
        let thread =
            thread::Builder::new().name("recorder".to_owned()).spawn(move || writer.run(&inbox))?;
        Ok(Self { notes, waiting, reels: AtomicUsize::new(0), options, thread: Some(thread) })
    }

    /// Creates a recording's file, in the caller's thread, so that a folder that is not there is
    /// known before the call is. The fault is one sentence.
    pub fn create(&self, path: &Path) -> Result<Tape, String> {
        if path.exists() {
            return Err(format!("the recording {} exists already", path.display()));
        }
        let part = part_of(path);
        let file = File::create(&part).map_err(|fault| {
            format!("the recording {} cannot be created: {fault}; check its folder", part.display())
        })?;
        let opened = Reel::new(file, part, path.to_owned())?;
        let reel = self.reels.fetch_add(1, Ordering::Relaxed) as u32;
        // The receiver lives as long as this does.
        let _ = self.notes.send(Note::Begin { reel, opened: Box::new(opened) });
        Ok(Tape::new(reel, self.notes.clone(), self.waiting.clone(), self.options))
    }

    /// Blocks that wait to be written.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let _ = self.notes.send(Note::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Where a recording is until it is whole.
fn part_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

/// Removes the file of a recording that holds nothing.
fn forget(part: &Path) {
    let _ = fs::remove_file(part);
}

/// What is told at the end: none when the call was never answered, so that there was nothing to
/// record.
pub type Outcome = Option<Recorded>;
