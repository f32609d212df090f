//! What callees and their network sound like: short tapes of G.711, made once, and the scores that
//! play them. Speech is only speech-like: syllables of a voiced sound with formants, in words with
//! pauses, so that an energy or cadence detector takes it for a voice.

use crate::callee::Sound;
use crate::seed::Dice;
use media::codec::SAMPLES_PER_MS;
use media::port::Codec;
use std::f32::consts::TAU;
use std::sync::OnceLock;

/// The tapes, in one law each.
#[derive(Debug)]
pub struct Tapes {
    silence: Vec<u8>,
    hello: Vec<u8>,
    speech: Vec<u8>,
    beep: Vec<u8>,
    tone: Vec<u8>,
    fax: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum Tape {
    Silence,
    Hello,
    Speech,
    Beep,
    Tone,
    Fax,
}

/// A tape, and for how many milliseconds.
type Part = (Tape, u32);

const FOREVER: u32 = u32::MAX;

/// A sound that is being played.
#[derive(Clone, Debug)]
pub struct Playing {
    sound: Sound,
    part: usize,
    /// Milliseconds of the part that were played.
    ms: u32,
}

impl Tapes {
    /// The tapes of a law. They are made when they are first asked for, which takes some
    /// milliseconds, and kept for good.
    pub fn of(codec: Codec) -> &'static Self {
        static MADE: OnceLock<[Tapes; 2]> = OnceLock::new();
        let [mu, a] = MADE.get_or_init(|| {
            let (hello, voice) = (speech(700, 220), speech(4_000, 110));
            [Codec::Pcmu, Codec::Pcma].map(|codec| Self::make(codec, &hello, &voice))
        });
        match codec {
            Codec::Pcmu => mu,
            Codec::Pcma => a,
        }
    }

    fn make(codec: Codec, hello: &[f32], voice: &[f32]) -> Self {
        let encode = |samples: &[f32]| samples.iter().map(|s| codec.encode(level(*s))).collect();
        Self {
            silence: vec![codec.silence(); 1_000],
            hello: encode(hello),
            speech: encode(voice),
            beep: encode(&sine(1_000.0, 0.4)),
            tone: encode(&sine(450.0, 0.2)),
            fax: encode(&sine(2_100.0, 0.3)),
        }
    }

    fn tape(&self, tape: Tape) -> &[u8] {
        match tape {
            Tape::Silence => &self.silence,
            Tape::Hello => &self.hello,
            Tape::Speech => &self.speech,
            Tape::Beep => &self.beep,
            Tape::Tone => &self.tone,
            Tape::Fax => &self.fax,
        }
    }

    /// Fills a packet with what comes next.
    pub fn fill(&self, playing: &mut Playing, packet: &mut [u8]) {
        let (tape, _) = part(playing.sound, playing.part);
        let tape = self.tape(tape);
        let mut from = (playing.ms * SAMPLES_PER_MS) as usize % tape.len();
        let mut rest = packet;
        while !rest.is_empty() {
            let (now, later) = rest.split_at_mut(rest.len().min(tape.len() - from));
            now.copy_from_slice(&tape[from..from + now.len()]);
            (rest, from) = (later, 0);
        }
    }
}

impl Playing {
    /// A sound, from its start.
    pub fn new(sound: Sound) -> Self {
        Self { sound, part: 0, ms: 0 }
    }

    /// What is played.
    pub fn sound(&self) -> Sound {
        self.sound
    }

    /// So many milliseconds were played.
    pub fn advance(&mut self, ms: u32) {
        let (_, length) = part(self.sound, self.part);
        // What has no end begins again, long before the count does.
        self.ms = if length == FOREVER { (self.ms + ms) % 3_600_000 } else { self.ms + ms };
        if self.ms >= length {
            (self.part, self.ms) = (self.part + 1, 0);
        }
    }
}

/// The score of a sound. Those that have no last part begin again.
fn part(sound: Sound, at: usize) -> Part {
    use Tape::{Beep, Fax, Hello, Silence, Speech, Tone};
    let end = (Silence, FOREVER);
    let cycle = |parts: [Part; 2]| parts[at % 2];
    let once = |parts: &[Part]| parts.get(at).copied().unwrap_or(end);
    match sound {
        Sound::Nothing | Sound::Silence | Sound::Echo | Sound::Garbage => end,
        Sound::Hello => once(&[(Silence, 300), (Hello, 700)]),
        Sound::Greeting(ms) => once(&[(Speech, ms.into()), (Silence, 200), (Beep, 500)]),
        Sound::GreetingNoBeep(ms) => once(&[(Speech, ms.into())]),
        Sound::Menu => cycle([(Speech, 4_000), (Silence, 2_000)]),
        Sound::Screening => once(&[(Speech, 3_000), (Silence, 4_000), (Speech, 2_000)]),
        Sound::Announcement => cycle([(Speech, 3_500), (Silence, 1_000)]),
        Sound::Ringback => cycle([(Tone, 1_000), (Silence, 4_000)]),
        Sound::Tone => (Tone, FOREVER),
        Sound::Fax => once(&[(Fax, 3_000)]),
    }
}

const RATE: f32 = 8_000.0;

/// A second of a tone, of whole periods for a whole number of Hz.
fn sine(hertz: f32, loudness: f32) -> Vec<f32> {
    (0..8_000).map(|n| loudness * (TAU * hertz * n as f32 / RATE).sin()).collect()
}

/// Speech-like sound with a voice of that pitch: syllables of 120 to 260 ms, some 2 to 5 of them to
/// a word, words 60 to 200 ms apart.
fn speech(ms: u32, pitch_hertz: u32) -> Vec<f32> {
    let mut dice = Dice::new(u64::from(pitch_hertz));
    let wanted = (ms * SAMPLES_PER_MS) as usize;
    let mut samples = Vec::with_capacity(wanted);
    let mut left_in_word = 2 + dice.below(4);
    let mut phase = 0.0f32;
    let table = sine_table();
    while samples.len() < wanted {
        let length = (120 + dice.below(140)) as usize * SAMPLES_PER_MS as usize;
        let formants = [
            300.0 + dice.below(500) as f32,
            900.0 + dice.below(1_300) as f32,
            2_400.0 + dice.below(400) as f32,
        ];
        let pitch = pitch_hertz as f32 * (0.9 + dice.below(25) as f32 / 100.0);
        let harmonics = loudness_of_harmonics(pitch, formants);
        for n in 0..length {
            let through = n as f32 / length as f32;
            phase = (phase + pitch * (1.0 - 0.1 * through) / RATE) % 1.0;
            let loudness = (through * std::f32::consts::PI).sin().sqrt();
            samples.push(0.5 * loudness * voice(&table, phase, &harmonics));
        }
        left_in_word -= 1;
        if left_in_word == 0 {
            let pause = (60 + dice.below(140)) as usize * SAMPLES_PER_MS as usize;
            samples.resize(samples.len() + pause, 0.0);
            left_in_word = 2 + dice.below(4);
        }
    }
    samples.truncate(wanted);
    // It is played in a circle: no click where it closes.
    let fade = 80.min(wanted);
    for n in 0..fade {
        samples[wanted - 1 - n] *= n as f32 / fade as f32;
    }
    samples
}

/// How loud each harmonic of a voice is: the louder, the nearer to a formant.
fn loudness_of_harmonics(pitch: f32, formants: [f32; 3]) -> Vec<f32> {
    (1..=(3_400.0 / pitch) as u32)
        .map(|k| {
            let near = formants.iter().zip([1.0, 0.5, 0.25]).map(|(formant, weight)| {
                let off = (k as f32 * pitch - formant) / 120.0;
                weight / (1.0 + off * off)
            });
            0.03 + near.sum::<f32>()
        })
        .collect()
}

/// One sample of a voiced sound, at this point of the pitch's period (0 to 1).
fn voice(table: &[f32], phase: f32, harmonics: &[f32]) -> f32 {
    let at = (phase * table.len() as f32) as usize;
    let sum: f32 =
        (1..).zip(harmonics).map(|(k, loudness)| loudness * table[k * at % table.len()]).sum();
    sum / 2.0
}

/// A period of a sine: the tapes are made of it half a million times.
fn sine_table() -> Vec<f32> {
    (0..4_096).map(|n| (TAU * n as f32 / 4_096.0).sin()).collect()
}

fn level(sample: f32) -> i16 {
    (sample.clamp(-1.0, 1.0) * 32_000.0) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays for so long, and gives the loudness of each 20 ms, from 0 to 9.
    fn loudness(sound: Sound, ms: u32) -> String {
        let tapes = Tapes::of(Codec::Pcmu);
        let mut playing = Playing::new(sound);
        let mut packet = [0; 160];
        (0..ms / 20)
            .map(|_| {
                tapes.fill(&mut playing, &mut packet);
                playing.advance(20);
                let energy: f32 = packet
                    .iter()
                    .map(|byte| (f32::from(Codec::Pcmu.decode(*byte)) / 32_768.0).powi(2))
                    .sum();
                let rms = (energy / 160.0).sqrt();
                char::from(b'0' + (rms * 20.0).min(9.0) as u8)
            })
            .collect()
    }

    #[test]
    fn a_hello_is_short_and_silence_follows() {
        let heard = loudness(Sound::Hello, 2_000);
        assert_eq!(&heard[..15], "0".repeat(15));
        assert!(heard[15..50].bytes().filter(|c| *c > b'0').count() > 20, "{heard}");
        assert_eq!(&heard[50..], "0".repeat(50));
    }

    #[test]
    fn a_greeting_has_words_then_a_beep_then_silence() {
        let heard = loudness(Sound::Greeting(3_000), 5_000);
        let (speech, after) = heard.split_at(150);
        assert!(speech.contains('0'), "no pause between words: {speech}");
        assert!(speech.bytes().filter(|c| *c > b'0').count() > 90, "{speech}");
        assert_eq!(&after[..10], "0".repeat(10));
        assert_eq!(&after[10..35], "5".repeat(25));
        assert_eq!(&after[35..], "0".repeat(after.len() - 35));
    }

    #[test]
    fn ringback_is_one_second_on_and_four_off_for_ever() {
        let heard = loudness(Sound::Ringback, 20_000);
        let one = "2".repeat(50) + &"0".repeat(200);
        assert_eq!(heard, one.repeat(4));
    }

    #[test]
    fn a_tone_has_its_pitch_and_no_click() {
        let tapes = Tapes::of(Codec::Pcma);
        let mut playing = Playing::new(Sound::Tone);
        let mut samples = Vec::new();
        let mut packet = [0; 160];
        for _ in 0..250 {
            tapes.fill(&mut playing, &mut packet);
            playing.advance(20);
            samples.extend(packet.iter().map(|byte| Codec::Pcma.decode(*byte)));
        }
        let crossings = samples.windows(2).filter(|w| w[0] < 0 && w[1] >= 0).count();
        assert!((2_245..=2_255).contains(&crossings), "{crossings} periods in 5 s");
        let steepest = samples.windows(2).map(|w| (w[1] - w[0]).abs()).max();
        assert!(steepest < Some(3_000), "{steepest:?}");
    }

    #[test]
    fn sounds_without_end_go_on_for_hours() {
        let tapes = Tapes::of(Codec::Pcmu);
        let mut playing = Playing::new(Sound::Silence);
        let mut packet = [0; 240];
        for _ in 0..1_000 {
            playing.advance(3_599_999);
        }
        tapes.fill(&mut playing, &mut packet);
        assert_eq!(packet, [0xff; 240]);
    }
}
