//! Any rate to 8 kHz, once, as well as it can be done.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Async, FixedAsync, Resampler, SincInterpolationParameters, WindowFunction};

use super::{Decoded, Fault};
use crate::codec::SAMPLE_RATE_HZ;

/// Taps of the low pass per sample at 8 kHz. The more, the steeper: with so many what a telephone
/// line carries, up to 3.4 kHz, passes whole, and from 4.1 on nothing does. By windowed sincs and
/// not by FFT: 5 ms for a second of sound at 48 kHz, once for each prompt, and 30 CPU-seconds less
/// for every build.
const TAPS_PER_SAMPLE: usize = 192;
const WINDOW: WindowFunction = WindowFunction::BlackmanHarris2;
/// Samples converted at a time.
const CHUNK_SAMPLES: usize = 4_096;

pub(super) fn to_8_khz(decoded: Decoded) -> Result<Vec<f32>, Fault> {
    let Decoded { samples, rate_hz } = decoded;
    if rate_hz == SAMPLE_RATE_HZ {
        return Ok(samples);
    }
    let broken =
        |fault: &dyn std::fmt::Display| Fault::Broken(format!("its rate of {rate_hz} Hz: {fault}"));
    let (rate, target) = (rate_hz as usize, SAMPLE_RATE_HZ as usize);
    // The taps are counted at the input.
    let taps = TAPS_PER_SAMPLE * rate.div_ceil(target);
    let mut resampler = Async::<f32>::new_sinc(
        target as f64 / rate as f64,
        1.0,
        &SincInterpolationParameters {
            f_cutoff: Some(rubato::calculate_cutoff(TAPS_PER_SAMPLE, WINDOW)),
            ..SincInterpolationParameters::new(taps, WINDOW)
        },
        CHUNK_SAMPLES,
        1,
        FixedAsync::Input,
    )
    .map_err(|fault| broken(&fault))?;
    let input =
        InterleavedSlice::new(&samples[..], 1, samples.len()).map_err(|fault| broken(&fault))?;
    let output =
        resampler.process_all(&input, samples.len(), None).map_err(|fault| broken(&fault))?;
    Ok(output.take_data())
}
