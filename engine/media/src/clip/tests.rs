use std::f64::consts::TAU;
use std::io::Cursor;

use expect_test::{Expect, expect};
use hound::{SampleFormat, WavSpec, WavWriter};

use super::*;
use crate::port::Codec;
use crate::seeded::Seeded;

const MP3_MONO: &[u8] = include_bytes!("../../tests/audio/tone-1000hz-22050-mono.mp3");
const MP3_STEREO: &[u8] = include_bytes!("../../tests/audio/tone-600hz-left-900hz-right-44100.mp3");

const FULL_SCALE: f64 = 32_768.0;

/// A WAV file of samples that are given by (frame, channel), full scale 1.
fn wav(
    rate_hz: u32,
    channels: u16,
    bits: u16,
    frames: u32,
    sample: impl Fn(u32, u16) -> f64,
) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let sample_format = if bits == 0 { SampleFormat::Float } else { SampleFormat::Int };
    let bits_per_sample = if bits == 0 { 32 } else { bits };
    let spec = WavSpec { channels, sample_rate: rate_hz, bits_per_sample, sample_format };
    let mut writer = WavWriter::new(&mut bytes, spec).expect("a WAV in memory");
    for frame in 0..frames {
        for channel in 0..channels {
            let value = sample(frame, channel);
            match bits {
                0 => writer.write_sample(value as f32),
                _ => {
                    writer.write_sample((value * ((1u64 << (bits - 1)) - 1) as f64).round() as i32)
                }
            }
            .expect("a sample in memory");
        }
    }
    writer.finalize().expect("a WAV in memory");
    bytes.into_inner()
}

/// A tone of half full scale.
fn tone(hz: f64, rate_hz: u32) -> impl Fn(u32, u16) -> f64 {
    move |frame, _| 0.5 * (TAU * hz * f64::from(frame) / f64::from(rate_hz)).sin()
}

fn read(bytes: Vec<u8>) -> Result<Clip, ClipFault> {
    Clip::read(Path::new("prompt"), bytes, ClipLimits::default())
}

fn clip(bytes: Vec<u8>) -> Clip {
    read(bytes).unwrap_or_else(|fault| panic!("{fault}"))
}

/// The middle of a clip, without the ends where a tone is cut off and the filter rings.
fn middle(clip: &Clip) -> Vec<f64> {
    let samples = clip.samples();
    let cut = samples.len() / 5;
    samples[cut..samples.len() - cut].iter().map(|&sample| f64::from(sample) / FULL_SCALE).collect()
}

/// Amplitude of the tone at `hz`, and the power of all that is not it, in dB of full scale.
fn spectrum(samples: &[f64], hz: f64) -> (f64, f64) {
    let angle = |at: usize| TAU * hz * at as f64 / 8_000.0;
    // Least squares for a sin + b cos: exact also when the piece holds no whole number of periods.
    let (mut ss, mut cc, mut sc, mut xs, mut xc) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (at, sample) in samples.iter().enumerate() {
        let (sin, cos) = angle(at).sin_cos();
        (ss, cc, sc) = (ss + sin * sin, cc + cos * cos, sc + sin * cos);
        (xs, xc) = (xs + sample * sin, xc + sample * cos);
    }
    let determinant = ss * cc - sc * sc;
    let (a, b) = ((xs * cc - xc * sc) / determinant, (xc * ss - xs * sc) / determinant);
    let rest: f64 = samples
        .iter()
        .enumerate()
        .map(|(at, sample)| {
            let (sin, cos) = angle(at).sin_cos();
            (sample - a * sin - b * cos).powi(2)
        })
        .sum();
    (decibels(a.hypot(b)), decibels((rest / samples.len() as f64 * 2.0).sqrt()))
}

fn decibels(amplitude: f64) -> f64 {
    20.0 * amplitude.max(1e-9).log10()
}

const RATES_HZ: [u32; 13] = [
    6_000, 8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 37_800, 44_100, 44_101, 48_000,
    192_000,
];

#[test]
fn a_tone_keeps_its_level_and_gets_no_company_at_any_rate() {
    for rate_hz in RATES_HZ {
        for hz in [150.0, 1_000.0, 2_600.0, 3_400.0]
            .into_iter()
            .filter(|hz| hz * 2.2 < f64::from(rate_hz))
        {
            let clip = clip(wav(rate_hz, 1, 24, rate_hz / 2, tone(hz, rate_hz)));
            assert_eq!(clip.ms(), 500, "{hz} Hz at {rate_hz}");
            let (level, rest) = spectrum(&middle(&clip), hz);
            assert!((level - -6.02).abs() < 0.05, "{hz} Hz at {rate_hz}: level {level} dB");
            assert!(rest < -80.0, "{hz} Hz at {rate_hz}: the rest is {rest} dB");
        }
    }
}

#[test]
fn what_a_telephone_cannot_carry_leaves_no_alias() {
    for rate_hz in RATES_HZ.into_iter().filter(|&rate_hz| rate_hz > 8_400) {
        for hz in [4_100.0, 4_600.0, 5_000.0, 7_000.0, 9_000.0, 15_000.0] {
            if hz * 2.05 > f64::from(rate_hz) {
                continue;
            }
            let clip = clip(wav(rate_hz, 1, 24, rate_hz / 2, tone(hz, rate_hz)));
            let (_, rest) = spectrum(&middle(&clip), 1_000.0);
            assert!(rest < -65.0, "{hz} Hz at {rate_hz}: {rest} dB of it are still there");
        }
    }
}

#[test]
fn any_depth_and_number_of_channels_gives_the_same_tone() {
    for (bits, floor) in [(8, -40.0), (16, -85.0), (24, -85.0), (32, -85.0), (0, -85.0)] {
        for channels in [1, 2, 6] {
            let clip = clip(wav(16_000, channels, bits, 8_000, tone(800.0, 16_000)));
            let (level, rest) = spectrum(&middle(&clip), 800.0);
            assert!((level - -6.02).abs() < 0.1, "{bits} bits, {channels} channels: {level} dB");
            assert!(rest < floor, "{bits} bits, {channels} channels: the rest is {rest} dB");
        }
    }
}

#[test]
fn what_is_8_khz_already_is_not_touched() {
    let mut seeded = Seeded(1);
    let samples: Vec<i16> = (0..4_000).map(|_| seeded.next() as i16).collect();
    let mut bytes = Cursor::new(Vec::new());
    let spec = WavSpec {
        channels: 1,
        sample_rate: 8_000,
        bits_per_sample: 16,
        sample_format: SampleFormat::Int,
    };
    let mut writer = WavWriter::new(&mut bytes, spec).expect("a WAV in memory");
    samples.iter().for_each(|&sample| writer.write_sample(sample).expect("a sample in memory"));
    writer.finalize().expect("a WAV in memory");
    assert_eq!(clip(bytes.into_inner()).samples(), samples);
}

#[test]
fn a_loud_edge_gives_way_instead_of_clipping() {
    let square = |frame: u32, _| if (frame / 60).is_multiple_of(2) { 1.0 } else { -1.0 };
    let clip = clip(wav(48_000, 1, 16, 24_000, square));
    let loudest =
        |samples: &[i16]| samples.iter().filter(|sample| sample.unsigned_abs() >= 32_766).count();
    assert!(
        (1..40).contains(&loudest(clip.samples())),
        "{} samples at the edge",
        loudest(clip.samples())
    );
    let too_loud = self::clip(wav(8_000, 1, 0, 4_000, |frame, channel| {
        4.0 * tone(500.0, 8_000)(frame, channel)
    }));
    let (level, rest) = spectrum(&middle(&too_loud), 500.0);
    assert!(level.abs() < 0.05 && rest < -80.0, "{level} dB, the rest {rest} dB");
}

#[test]
fn not_a_number_is_silence() {
    let nan = clip(wav(8_000, 1, 0, 100, |frame, _| if frame % 2 == 0 { f64::NAN } else { 0.25 }));
    assert_eq!(nan.samples()[..2], [0, 8_192]);
}

#[test]
fn mp3_is_read_in_mono_and_stereo() {
    let mono = clip(MP3_MONO.to_vec());
    let (level, rest) = spectrum(&middle(&mono), 1_000.0);
    // The encoder (LAME) makes everything 5 % quieter.
    let expected = decibels(0.95 * 12_000.0 / FULL_SCALE);
    assert!((level - expected).abs() < 0.3, "level {level} dB, expected {expected}");
    assert!(rest < -45.0, "the rest is {rest} dB");
    assert!((800..900).contains(&mono.ms()), "{} ms", mono.ms());

    let stereo = clip(MP3_STEREO.to_vec());
    for hz in [600.0, 900.0] {
        let (level, _) = spectrum(&middle(&stereo), hz);
        assert!((level - (expected - 6.02)).abs() < 0.3, "{hz} Hz: {level} dB");
    }
    let tagged = [&b"ID3\x04\0\0\0\0\0\x0a0123456789"[..], MP3_MONO].concat();
    assert_eq!(clip(tagged).samples().len(), mono.samples().len(), "with a tag before it");
    let cut = clip(MP3_MONO[..MP3_MONO.len() / 2].to_vec());
    assert!(cut.ms() > 300, "the frames before the cut are whole: {} ms", cut.ms());
}

/// A WAV frame around G.711 or anything else, with what the header says about the length of the
/// data.
fn framed(tag: u16, length: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"RIFF\xff\xff\xff\xffWAVELIST\x03\0\0\0odd\0fmt \x12\0\0\0".to_vec();
    bytes.extend(tag.to_le_bytes());
    bytes.extend([1, 0]);
    bytes.extend(8_000u32.to_le_bytes());
    bytes.extend(8_000u32.to_le_bytes());
    bytes.extend([1, 0, 8, 0, 0, 0]);
    bytes.extend(b"data");
    bytes.extend(length.to_le_bytes());
    bytes.extend(data);
    bytes
}

#[test]
fn g711_in_wav_is_read() {
    for (codec, tag) in [(Codec::Pcma, 6), (Codec::Pcmu, 7)] {
        let data: Vec<u8> = (0..=255).collect();
        let expected: Vec<i16> = data.iter().map(|&byte| codec.decode(byte)).collect();
        assert_eq!(clip(framed(tag, 256, &data)).samples(), expected);
        assert_eq!(clip(framed(tag, u32::MAX, &data)).samples(), expected, "a length not known");
    }
}

#[test]
fn a_length_that_was_never_set_means_the_rest_of_the_file() {
    let whole = wav(8_000, 1, 16, 4_000, tone(500.0, 8_000));
    let at = whole.windows(4).position(|four| four == b"data").expect("a data chunk") + 4;
    for length in [0u32, 0x7fff_ffff, u32::MAX] {
        let mut piped = whole.clone();
        piped[at..at + 4].copy_from_slice(&length.to_le_bytes());
        let read = read(piped);
        match length {
            // Nothing tells an empty file from one that was piped, and a prompt is not empty.
            0 => assert!(matches!(read, Err(ClipFault::Empty { .. }))),
            _ => assert_eq!(read.map(|clip| clip.ms()).expect("a clip"), 500),
        }
    }
}

fn check_fault(bytes: Vec<u8>, expected: Expect) {
    let limits = ClipLimits { bytes_max: 100_000, ms_max: 2_000 };
    match Clip::read(Path::new("prompts/greeting.wav"), bytes, limits) {
        Ok(clip) => panic!("a clip of {} ms came out", clip.ms()),
        Err(fault) => expected.assert_eq(&fault.to_string()),
    }
}

#[test]
fn a_bad_file_gives_one_sentence() {
    check_fault(vec![], expect!["prompts/greeting.wav holds no audio: record or export it again"]);
    check_fault(
        b"OggS and more".to_vec(),
        expect!["prompts/greeting.wav is neither WAV nor MP3: convert it to a WAV file"],
    );
    check_fault(
        vec![0; 100_001],
        expect![
            "prompts/greeting.wav has 100001 bytes, more than 100000: shorten it or raise the limit"
        ],
    );
    check_fault(
        wav(8_000, 1, 16, 16_001, tone(500.0, 8_000)),
        expect!["prompts/greeting.wav is longer than 2 s: shorten it or raise the limit"],
    );
    check_fault(
        wav(8_000, 1, 16, 0, tone(500.0, 8_000)),
        expect!["prompts/greeting.wav holds no audio: record or export it again"],
    );
    let whole = wav(8_000, 1, 16, 1_000, tone(500.0, 8_000));
    check_fault(
        whole[..whole.len() - 600].to_vec(),
        expect![
            "prompts/greeting.wav cannot be decoded, it ends after 1400 of the 2000 bytes of its audio: export it again as WAV with 16 bits"
        ],
    );
    check_fault(
        whole[..30].to_vec(),
        expect![
            "prompts/greeting.wav cannot be decoded, it has no audio chunk: export it again as WAV with 16 bits"
        ],
    );
    check_fault(
        framed(0x55, 4, b"mp3?"),
        expect![
            "prompts/greeting.wav cannot be decoded, its kind of WAV (0x0055) is not supported: export it again as WAV with 16 bits"
        ],
    );
    check_fault(
        wav(500, 1, 16, 100, tone(50.0, 500)),
        expect![
            "prompts/greeting.wav cannot be decoded, its sample rate is 500 Hz: export it again as WAV with 16 bits"
        ],
    );
    check_fault(
        [&b"\xff\xfb"[..], &[0x11; 3_000]].concat(),
        expect![
            "prompts/greeting.wav cannot be decoded, no MP3 audio was found in it: export it again as WAV with 16 bits"
        ],
    );
    let absent = Clip::load(Path::new("/nowhere/greeting.wav"), ClipLimits::default());
    expect!["/nowhere/greeting.wav cannot be read: check that it exists and may be read"]
        .assert_eq(&absent.expect_err("no such file").to_string());
}

#[test]
fn no_bytes_make_it_panic() {
    let g711 = framed(6, 500, &[0x55; 500]);
    let float = wav(44_100, 2, 0, 400, tone(500.0, 44_100));
    let deep = wav(11_025, 1, 24, 400, tone(500.0, 11_025));
    let mut seeded = Seeded(9);
    let (mut read, mut refused) = (0, 0);
    let limits = ClipLimits { bytes_max: 1 << 20, ms_max: 60_000 };
    for _ in 0..800 {
        let bytes = seeded.mutated(&[&g711, &float, &deep, MP3_MONO]);
        match Clip::read(Path::new("mutated"), bytes, limits) {
            Ok(_) => read += 1,
            Err(_) => refused += 1,
        }
    }
    assert!(read > 80 && refused > 80, "{read} read, {refused} refused: one-sided");
}

#[test]
fn an_overlay_is_laid_on_where_it_belongs_and_never_wraps() {
    let base = || Clip::of(vec![100; 16]);
    let mixed = |overlay: &[i16], at_ms| {
        let mut base = base();
        base.mix(&Clip::of(overlay.to_vec()), at_ms);
        base.samples().to_vec()
    };
    assert_eq!(mixed(&[1, 2], 0)[..3], [101, 102, 100]);
    assert_eq!(mixed(&[1, 2], 1)[7..11], [100, 101, 102, 100]);
    assert_eq!(mixed(&[i16::MAX, i16::MIN, -200], 0)[..3], [i16::MAX, -32_668, -100]);
    assert_eq!(
        mixed(&[5; 4], 3),
        [&[100; 16][..], &[0; 8], &[5; 4]].concat(),
        "beyond the base's end"
    );
    assert_eq!(mixed(&[], 0), [100; 16]);
}
