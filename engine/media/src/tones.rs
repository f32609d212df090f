//! Digits to be heard (ITU-T Q.23): for a peer that did not agree on telephone-event.

use std::f64::consts::TAU;
use std::sync::LazyLock;

use crate::codec::{SAMPLE_RATE_HZ, SAMPLES_PER_MS};
use crate::dtmf::HELD_MS;
use crate::port::Codec;

/// The key's two tones (ITU-T Q.23), [`HELD_MS`] long, for a peer that did not agree on
/// telephone-event: some gateways understand only what can be heard.
pub fn tone(codec: Codec, event: u8) -> &'static [u8] {
    static TONES: LazyLock<[Vec<Vec<u8>>; 2]> = LazyLock::new(|| {
        [Codec::Pcmu, Codec::Pcma].map(|codec| (0..16).map(|event| dual(codec, event)).collect())
    });
    &TONES[usize::from(codec == Codec::Pcma)][usize::from(event & 15)]
}

/// Row and column of each key, in Hz, in the order of the events.
const TONES_HZ: [(f64, f64); 16] = {
    const ROW: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
    const COLUMN: [f64; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];
    [
        (ROW[3], COLUMN[1]),
        (ROW[0], COLUMN[0]),
        (ROW[0], COLUMN[1]),
        (ROW[0], COLUMN[2]),
        (ROW[1], COLUMN[0]),
        (ROW[1], COLUMN[1]),
        (ROW[1], COLUMN[2]),
        (ROW[2], COLUMN[0]),
        (ROW[2], COLUMN[1]),
        (ROW[2], COLUMN[2]),
        (ROW[3], COLUMN[0]),
        (ROW[3], COLUMN[2]),
        (ROW[0], COLUMN[3]),
        (ROW[1], COLUMN[3]),
        (ROW[2], COLUMN[3]),
        (ROW[3], COLUMN[3]),
    ]
};

/// -9 dBm0 for the row and -7 for the column: within what Q.24 accepts everywhere, and no clipping.
const ROW_LEVEL: f64 = 8_000.0;
const COLUMN_LEVEL: f64 = 10_000.0;

fn dual(codec: Codec, event: usize) -> Vec<u8> {
    let (row, column) = TONES_HZ[event];
    let sample = |at: u32| {
        let seconds = f64::from(at) / f64::from(SAMPLE_RATE_HZ);
        ROW_LEVEL * (TAU * row * seconds).sin() + COLUMN_LEVEL * (TAU * column * seconds).sin()
    };
    (0..HELD_MS * SAMPLES_PER_MS).map(|at| codec.encode(sample(at) as i16)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Power at a frequency (Goertzel).
    fn power(samples: &[f64], hz: f64) -> f64 {
        let coefficient = 2.0 * (TAU * hz / 8_000.0).cos();
        let (mut one, mut two) = (0.0, 0.0);
        for sample in samples {
            (one, two) = (sample + coefficient * one - two, one);
        }
        (one * one + two * two - coefficient * one * two) / (samples.len() * samples.len()) as f64
    }

    #[test]
    fn a_tone_holds_its_two_frequencies_and_no_other_of_the_keypad() {
        let all = [697.0, 770.0, 852.0, 941.0, 1_209.0, 1_336.0, 1_477.0, 1_633.0];
        for codec in [Codec::Pcmu, Codec::Pcma] {
            for event in 0..16u8 {
                let samples: Vec<_> =
                    tone(codec, event).iter().map(|&byte| f64::from(codec.decode(byte))).collect();
                let (row, column) = TONES_HZ[usize::from(event)];
                for hz in all {
                    let power = power(&samples, hz);
                    assert_eq!(
                        power > 1e6,
                        hz == row || hz == column,
                        "{event} at {hz} Hz: {power}"
                    );
                }
            }
        }
    }
}
