//! What the demo plays: a short chime of four notes, written as the WAV file that a user would give.

use anyhow::{Context, Result};
use hound::{SampleFormat, WavSpec, WavWriter};
use std::f32::consts::TAU;
use std::path::Path;

const RATE_HZ: u32 = 16_000;
/// Pitch in Hz and length in milliseconds of each note.
const NOTES: [(f32, u32); 4] = [(523.25, 350), (659.25, 350), (783.99, 350), (1046.5, 750)];
/// How fast a note fades, per second.
const FADE: f32 = 4.0;
const LOUDNESS: f32 = 0.4;

/// Writes it: 1.8 s, mono, 16 bits.
pub fn write_chime(path: &Path) -> Result<()> {
    let spec = WavSpec {
        channels: 1,
        sample_rate: RATE_HZ,
        bits_per_sample: 16,
        sample_format: SampleFormat::Int,
    };
    let cannot = || format!("{} cannot be written", path.display());
    let mut file = WavWriter::create(path, spec).with_context(cannot)?;
    for (pitch, ms) in NOTES {
        for n in 0..RATE_HZ * ms / 1000 {
            let t = n as f32 / RATE_HZ as f32;
            // A second harmonic makes it a bell instead of a test tone.
            let wave = (TAU * pitch * t).sin() + 0.4 * (TAU * 2.0 * pitch * t).sin();
            let sample = LOUDNESS * wave / 1.4 * (-FADE * t).exp();
            file.write_sample((sample * f32::from(i16::MAX)) as i16).with_context(cannot)?;
        }
    }
    file.finalize().with_context(cannot)
}
