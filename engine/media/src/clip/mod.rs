//! Audio files to [`Clip`]s: mono, 8 kHz, 16 bits, whatever they were before.
//!
//! Runs when prompts are loaded, never during a call. A file that cannot be used gives one sentence
//! that says which file, what is wrong, and what to do; it never costs the others.

mod mp3;
mod resample;
mod wav;

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::codec::{SAMPLE_RATE_HZ, SAMPLES_PER_MS};

/// What a file may be at most.
#[derive(Clone, Copy, Debug)]
pub struct ClipLimits {
    /// Bytes of the file. Beyond it is not read at all.
    pub bytes_max: u64,
    /// Length of its audio. Beyond it is refused, not cut: half a prompt is worse than none.
    pub ms_max: u32,
}

impl Default for ClipLimits {
    /// 64 MiB and 10 minutes: a CD-quality stereo file of 6 minutes, a phone-quality one of the
    /// full length.
    fn default() -> Self {
        Self { bytes_max: 64 * 1024 * 1024, ms_max: 10 * 60 * 1_000 }
    }
}

/// Why a file is no clip. The text is one sentence for people.
#[derive(Debug, thiserror::Error)]
pub enum ClipFault {
    /// It cannot be read.
    #[error("{} cannot be read: check that it exists and may be read", .path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is larger than [`ClipLimits::bytes_max`].
    #[error("{} has {bytes} bytes, more than {bytes_max}: shorten it or raise the limit", .path.display())]
    TooBig {
        /// Which file.
        path: PathBuf,
        /// How large it is.
        bytes: u64,
        /// How large it may be.
        bytes_max: u64,
    },
    /// It is longer than [`ClipLimits::ms_max`].
    #[error("{} is longer than {} s: shorten it or raise the limit", .path.display(), .ms_max / 1_000)]
    TooLong {
        /// Which file.
        path: PathBuf,
        /// How long it may be, in milliseconds.
        ms_max: u32,
    },
    /// It is neither WAV nor MP3.
    #[error("{} is neither WAV nor MP3: convert it to a WAV file", .path.display())]
    Unknown {
        /// Which file.
        path: PathBuf,
    },
    /// It says to be WAV or MP3, but cannot be decoded.
    #[error("{} cannot be decoded, {what}: export it again as WAV with 16 bits", .path.display())]
    Broken {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// It holds no sample.
    #[error("{} holds no audio: record or export it again", .path.display())]
    Empty {
        /// Which file.
        path: PathBuf,
    },
}

/// Why bytes are no audio; becomes a [`ClipFault`] with the file's name.
#[derive(Debug)]
enum Fault {
    TooLong,
    Unknown,
    Empty,
    Broken(String),
}

/// Decoded audio, as it was recorded but mixed to one channel. Full scale is 1.
#[derive(Debug)]
struct Decoded {
    samples: Vec<f32>,
    rate_hz: u32,
}

/// What comes after each other in a decoder is collected here, within bounds.
struct Collector {
    samples: Vec<f32>,
    samples_max: usize,
}

/// Rates that are believed. A header that says 1 Hz or 4 GHz is broken.
const RATE_HZ_MIN: u32 = 1_000;
const RATE_HZ_MAX: u32 = 384_000;

/// How far above full scale a float sample may be: 60 dB.
const SAMPLE_MAX: f32 = 1_000.0;

/// A piece of audio: 8 kHz, one channel.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Clip {
    samples: Vec<i16>,
}

impl Clip {
    /// Reads a WAV file (8 to 32 bits, float, A-law, µ-law) or an MP3 file, told apart by what is
    /// in them.
    pub fn load(path: &Path, limits: ClipLimits) -> Result<Self, ClipFault> {
        let unreadable = |source| ClipFault::Unreadable { path: path.to_owned(), source };
        let bytes = fs::metadata(path).map_err(unreadable)?.len();
        if bytes > limits.bytes_max {
            return Err(ClipFault::TooBig {
                path: path.to_owned(),
                bytes,
                bytes_max: limits.bytes_max,
            });
        }
        Self::read(path, fs::read(path).map_err(unreadable)?, limits)
    }

    /// As [`Clip::load`], from bytes that came another way. `path` is only the name in a fault.
    pub fn read(path: &Path, bytes: Vec<u8>, limits: ClipLimits) -> Result<Self, ClipFault> {
        let path = || path.to_owned();
        if bytes.len() as u64 > limits.bytes_max {
            let (bytes, bytes_max) = (bytes.len() as u64, limits.bytes_max);
            return Err(ClipFault::TooBig { path: path(), bytes, bytes_max });
        }
        let decoded = if wav::claims_to_be(&bytes) {
            wav::decode(bytes, limits.ms_max)
        } else if mp3::claims_to_be(&bytes) {
            mp3::decode(bytes, limits.ms_max)
        } else if bytes.is_empty() {
            Err(Fault::Empty)
        } else {
            Err(Fault::Unknown)
        };
        decoded.and_then(Self::from_decoded).map_err(|fault| match fault {
            Fault::TooLong => ClipFault::TooLong { path: path(), ms_max: limits.ms_max },
            Fault::Unknown => ClipFault::Unknown { path: path() },
            Fault::Empty => ClipFault::Empty { path: path() },
            Fault::Broken(what) => ClipFault::Broken { path: path(), what },
        })
    }

    /// A clip of samples that are 8 kHz, one channel already.
    pub fn of(samples: Vec<i16>) -> Self {
        Self { samples }
    }

    /// Its samples.
    pub fn samples(&self) -> &[i16] {
        &self.samples
    }

    /// Its length, rounded up.
    pub fn ms(&self) -> u32 {
        (self.samples.len() as u32).div_ceil(SAMPLES_PER_MS)
    }

    /// Lays `overlay` onto this one from `at_ms` on; what would be too loud for 16 bits stays at
    /// the loudest. It grows when the overlay ends after it, with silence before when the overlay
    /// begins after it.
    pub fn mix(&mut self, overlay: &Self, at_ms: u32) {
        let at = at_ms as usize * SAMPLES_PER_MS as usize;
        let end = at + overlay.samples.len();
        if self.samples.len() < end {
            self.samples.resize(end, 0);
        }
        for (base, &over) in self.samples[at..end].iter_mut().zip(&overlay.samples) {
            *base = base.saturating_add(over);
        }
    }

    fn from_decoded(decoded: Decoded) -> Result<Self, Fault> {
        if decoded.samples.is_empty() {
            return Err(Fault::Empty);
        }
        let mut samples = resample::to_8_khz(decoded)?;
        // A filter rings a little beyond a loud edge. The whole clip gives way then, instead of
        // clipping there.
        let peak = samples.iter().fold(0f32, |peak, sample| peak.max(sample.abs()));
        if peak > 1.0 {
            samples.iter_mut().for_each(|sample| *sample /= peak);
        }
        Ok(Self {
            samples: samples.into_iter().map(|sample| (sample * 32_768.0).round() as i16).collect(),
        })
    }
}

impl Decoded {
    fn new(samples: Vec<f32>, rate_hz: u32) -> Result<Self, Fault> {
        if !(RATE_HZ_MIN..=RATE_HZ_MAX).contains(&rate_hz) {
            return Err(Fault::Broken(format!("its sample rate is {rate_hz} Hz")));
        }
        Ok(Self { samples, rate_hz })
    }
}

impl Collector {
    fn new(rate_hz: u32, ms_max: u32) -> Self {
        let samples_max = u64::from(rate_hz) * u64::from(ms_max) / 1_000;
        Self {
            samples: Vec::new(),
            samples_max: usize::try_from(samples_max).unwrap_or(usize::MAX),
        }
    }

    /// Samples of all channels in turn. What is no number, or absurdly loud, is silence: a filter
    /// would spread it over all that is near.
    fn take(&mut self, interleaved: &[f32], channels: usize) -> Result<(), Fault> {
        for frame in interleaved.chunks_exact(channels) {
            let mean = frame.iter().sum::<f32>() / channels as f32;
            self.samples.push(if mean.abs() < SAMPLE_MAX { mean } else { 0.0 });
        }
        if self.samples.len() > self.samples_max { Err(Fault::TooLong) } else { Ok(()) }
    }
}

/// Samples per second of a clip, for those who make one by [`Clip::of`].
pub const CLIP_RATE_HZ: u32 = SAMPLE_RATE_HZ;

#[cfg(test)]
mod tests;
