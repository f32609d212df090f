//! The disk's half: blocks into files, in a thread of its own.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;

use hound::{SampleFormat, WavSpec, WavWriter};

use super::{Note, Outcome, forget};
use crate::codec::{SAMPLE_RATE_HZ, SAMPLES_PER_MS};
use crate::port::Recorded;

/// Who is told what became of a recording.
pub(super) type Finish = Box<dyn FnOnce(Outcome) + Send>;

const SPEC: WavSpec = WavSpec {
    channels: 2,
    sample_rate: SAMPLE_RATE_HZ,
    bits_per_sample: 16,
    sample_format: SampleFormat::Int,
};

/// A file that is being written.
pub(super) struct Reel {
    wav: Option<WavWriter<BufWriter<Arc<File>>>>,
    /// The same file, to be synced when the writer above is done with it.
    file: Arc<File>,
    part: PathBuf,
    path: PathBuf,
    frames: u32,
    dropped_frames: u32,
    fault: Option<String>,
}

pub(super) struct Writer {
    reels: HashMap<u32, Reel>,
    frames_max: u32,
    waiting: Arc<AtomicUsize>,
}

impl Writer {
    pub fn new(ms_max: u32, waiting: Arc<AtomicUsize>) -> Self {
        Self { reels: HashMap::new(), frames_max: ms_max.saturating_mul(SAMPLES_PER_MS), waiting }
    }

    /// Until the recorder is dropped.
    pub fn run(mut self, inbox: &Receiver<Note>) {
        for note in inbox {
            match note {
                Note::Begin { reel, opened } => {
                    self.reels.insert(reel, *opened);
                }
                Note::Block { reel, dropped_frames, samples } => {
                    if let Some(reel) = self.reels.get_mut(&reel) {
                        reel.write(dropped_frames, &samples, self.frames_max);
                    }
                    self.waiting.fetch_sub(1, Ordering::Relaxed);
                }
                Note::Finish { reel, finish } => {
                    finish(self.reels.remove(&reel).and_then(Reel::close));
                }
                Note::Stop => break,
            }
        }
        for reel in self.reels.into_values() {
            reel.close();
        }
    }
}

impl Reel {
    /// Writes the header. The fault is one sentence.
    pub fn new(file: File, part: PathBuf, path: PathBuf) -> Result<Self, String> {
        let file = Arc::new(file);
        let wav = WavWriter::new(BufWriter::with_capacity(4 * 1_024, file.clone()), SPEC).map_err(
            |fault| format!("the recording {} cannot be written: {fault}", part.display()),
        )?;
        Ok(Self { wav: Some(wav), file, part, path, frames: 0, dropped_frames: 0, fault: None })
    }

    fn write(&mut self, dropped_frames: u32, samples: &[i16], frames_max: u32) {
        if self.fault.is_some() {
            return;
        }
        self.dropped_frames += dropped_frames;
        let frames = dropped_frames.saturating_add(samples.len() as u32 / 2);
        if self.frames.saturating_add(frames) > frames_max {
            let seconds = self.frames / SAMPLE_RATE_HZ;
            self.fault = Some(format!("it ends after {seconds} s, the bound"));
            return;
        }
        let Some(wav) = &mut self.wav else { return };
        let mut put = || -> hound::Result<()> {
            for _ in 0..dropped_frames * 2 {
                wav.write_sample(0i16)?;
            }
            let mut block = wav.get_i16_writer(samples.len() as u32);
            samples.iter().for_each(|&sample| block.write_sample(sample));
            block.flush()
        };
        match put() {
            Ok(()) => self.frames += frames,
            Err(fault) => self.fault = Some(format!("the disk refused it: {fault}")),
        }
    }

    /// Finishes the header, brings everything to the disk, and only then gives the file its name.
    fn close(mut self) -> Outcome {
        if self.frames == 0 && self.fault.is_none() && self.dropped_frames == 0 {
            // hound writes the header when it is dropped; it goes into a file that is gone.
            forget(&self.part);
            return None;
        }
        if self.dropped_frames > 0 && self.fault.is_none() {
            let ms = self.dropped_frames / SAMPLES_PER_MS;
            self.fault = Some(format!("the disk was too slow: {ms} ms of it are silence"));
        }
        let finished = self.wav.take().map_or(Ok(()), WavWriter::finalize);
        let kept = finished
            .map_err(|fault| fault.to_string())
            .and_then(|()| self.file.sync_data().map_err(|fault| fault.to_string()))
            .and_then(|()| fs::rename(&self.part, &self.path).map_err(|fault| fault.to_string()));
        let path = match kept {
            Ok(()) => self.path,
            Err(fault) => {
                self.fault.get_or_insert(format!("the disk refused it at its end: {fault}"));
                self.part
            }
        };
        Some(Recorded { path, ms: self.frames / SAMPLES_PER_MS, fault: self.fault })
    }
}
