//! Any rate to 8 kHz, once, as well as it can be done.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler};

use super::{Decoded, Fault};
use crate::codec::SAMPLE_RATE_HZ;

/// Samples of 8 kHz per FFT block, at least. The longer, the steeper the filter: at 1024 it passes
/// 3.8 kHz and stops at 4, as a telephone line does anyway.
const BLOCK_SAMPLES: usize = 1_024;

pub(super) fn to_8_khz(decoded: Decoded) -> Result<Vec<f32>, Fault> {
    let Decoded { samples, rate_hz } = decoded;
    if rate_hz == SAMPLE_RATE_HZ {
        return Ok(samples);
    }
    let broken =
        |fault: &dyn std::fmt::Display| Fault::Broken(format!("its rate of {rate_hz} Hz: {fault}"));
    let (rate, target) = (rate_hz as usize, SAMPLE_RATE_HZ as usize);
    // The block is counted at the input.
    let block = BLOCK_SAMPLES * rate.div_ceil(target);
    let mut resampler = Fft::<f32>::new_custom(
        rate,
        target,
        block,
        1,
        1,
        rubato::WindowFunction::BlackmanHarris2,
        FixedSync::Both,
    )
    .map_err(|fault| broken(&fault))?;
    let input =
        InterleavedSlice::new(&samples[..], 1, samples.len()).map_err(|fault| broken(&fault))?;
    let output =
        resampler.process_all(&input, samples.len(), None).map_err(|fault| broken(&fault))?;
    Ok(output.take_data())
}
