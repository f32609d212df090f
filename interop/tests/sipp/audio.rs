//! sipp sends back what it hears: what we say must come back into our recording.

use super::anybody;
use hound::WavReader;
use interop::caller::Caller;
use interop::sipp::{Scenario, Sipp};
use media::clip::Clip;
use schemas::call::{CallEvent, MediaMeasured};
use schemas::commands::PlaceCall;
use std::f64::consts::TAU;

const RATE_HZ: u32 = 8_000;
/// How loud the prompt's tone is, of 32 767.
const AMPLITUDE: f64 = 8_000.0;
const TONE_HZ: f64 = 600.0;
const PROMPT_MS: u32 = 1_000;

#[test]
fn what_sipp_sends_back_is_in_our_recording() {
    let keys = [("extra", "X-Extra: none")];
    let echo = ["-rtp_echo"];
    let sipp = Sipp::start(&Scenario { keys: &keys, more: &echo, ..Scenario::new("answer") });
    let recordings = tempfile::tempdir().expect("a folder");
    let mut caller = Caller::start_with(vec![sipp.gateway()], |options| {
        options.prompts.insert("tone", &tone());
        options.recordings = Some(recordings.path().to_owned());
    });
    let wish = PlaceCall {
        prompt: Some("tone".into()),
        record: true,
        max_talk_ms: Some(5_000),
        ..anybody()
    };
    let story = caller.call(wish);
    sipp.finish();
    assert!(
        story.to_string().starts_with("DialStarted CallRang CallAnswered PromptPlayed CallHungUp"),
        "{story}"
    );
    let measured = story.find(|event| match event {
        CallEvent::MediaMeasured(measured) => Some(&**measured),
        _ => None,
    });
    let MediaMeasured { sent, received, lost, codec, recording, .. } = measured.expect("measured");
    let packets = PROMPT_MS / 20;
    assert_eq!((codec.as_str(), *lost), ("PCMA", 0));
    assert!((packets..packets + 10).contains(sent), "{measured:?}");
    // The last packets are still on their way back when we hang up.
    assert!((packets - 10..=*sent).contains(received), "{measured:?}");

    let recording = recording.as_ref().expect("it was recorded");
    let [ours, theirs] = channels(&recordings.path().join(&recording.file));
    assert!(loudness(&ours, TONE_HZ) > AMPLITUDE / 2.0, "our tone is in our channel");
    assert!(loudness(&theirs, TONE_HZ) > AMPLITUDE / 2.0, "and it came back");
    assert!(loudness(&theirs, 2.0 * TONE_HZ) < AMPLITUDE / 20.0, "as it was");
    caller.stop();
}

fn tone() -> Clip {
    let samples = (0..PROMPT_MS * RATE_HZ / 1_000).map(|n| {
        let phase = TAU * TONE_HZ * f64::from(n) / f64::from(RATE_HZ);
        (AMPLITUDE * phase.sin()) as i16
    });
    Clip::of(samples.collect())
}

fn channels(file: &std::path::Path) -> [Vec<i16>; 2] {
    let mut wav = WavReader::open(file).expect("the recording is a WAV file");
    let spec = wav.spec();
    assert_eq!((spec.sample_rate, spec.channels), (RATE_HZ, 2));
    let samples: Vec<i16> = wav.samples().map(|sample| sample.expect("a sample")).collect();
    [0, 1].map(|channel| samples.iter().skip(channel).step_by(2).copied().collect())
}

/// The amplitude of a frequency in the loudest half second, by Goertzel's algorithm.
fn loudness(samples: &[i16], hz: f64) -> f64 {
    let window = RATE_HZ as usize / 2;
    let coefficient = 2.0 * (TAU * hz / f64::from(RATE_HZ)).cos();
    let amplitudes = samples.windows(window).step_by(window / 8).map(|window| {
        let (last, before) = window.iter().fold((0.0, 0.0), |(last, before), sample| {
            (f64::from(*sample) + coefficient * last - before, last)
        });
        let power: f64 = last * last + before * before - coefficient * last * before;
        2.0 * power.max(0.0).sqrt() / window.len() as f64
    });
    amplitudes.fold(0.0, f64::max)
}
