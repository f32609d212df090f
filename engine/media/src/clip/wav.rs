//! WAV: `hound` reads samples; the frame around them is looked at first, for what hound does not
//! take: G.711 (the telephone world's own WAV), and lengths that a program wrote before it knew
//! them.

use std::io::Cursor;

use hound::{SampleFormat, WavReader};

use super::{Collector, Decoded, Fault};
use crate::port::Codec;

/// Kinds of WAV by the tag of their format; the last one says "see the sub-format".
const TAG_PCM: u16 = 1;
const TAG_FLOAT: u16 = 3;
const TAG_ALAW: u16 = 6;
const TAG_ULAW: u16 = 7;
const TAG_EXTENSIBLE: u16 = 0xfffe;

/// Lengths at and above this were written by a program that piped and never came back to set them.
const LENGTH_UNKNOWN: u32 = 0x7fff_0000;

pub(super) fn claims_to_be(bytes: &[u8]) -> bool {
    bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WAVE")
}

pub(super) fn decode(mut bytes: Vec<u8>, ms_max: u32) -> Result<Decoded, Fault> {
    let frame = Frame::read(&bytes)?;
    let there = bytes.len() - frame.data_at;
    let length = match frame.data_length {
        length if length as usize <= there => length as usize,
        0 | LENGTH_UNKNOWN.. => {
            let known = u32::try_from(there).map_err(|_| Fault::TooLong)?;
            bytes[frame.data_at - 4..frame.data_at].copy_from_slice(&known.to_le_bytes());
            there
        }
        length => {
            return Err(Fault::Broken(format!(
                "it ends after {there} of the {length} bytes of its audio"
            )));
        }
    };
    let samples = match frame.tag {
        TAG_ALAW => law(Codec::Pcma, &frame, &bytes[frame.data_at..][..length], ms_max)?,
        TAG_ULAW => law(Codec::Pcmu, &frame, &bytes[frame.data_at..][..length], ms_max)?,
        TAG_PCM | TAG_FLOAT => linear(bytes, ms_max)?,
        tag => {
            return Err(Fault::Broken(format!("its kind of WAV (0x{tag:04x}) is not supported")));
        }
    };
    Decoded::new(samples, frame.rate_hz)
}

/// What the chunks say.
struct Frame {
    tag: u16,
    channels: u16,
    rate_hz: u32,
    data_at: usize,
    data_length: u32,
}

impl Frame {
    fn read(bytes: &[u8]) -> Result<Self, Fault> {
        let mut format = None;
        let mut at = 12;
        while let Some(head) = bytes.get(at..at + 8) {
            let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
            let body = at + 8;
            match &head[..4] {
                b"fmt " => format = bytes.get(body..body + length as usize),
                b"data" => {
                    let format =
                        format.ok_or(Fault::Broken("its format is not told".to_owned()))?;
                    return Self::of(format, body, length);
                }
                _ => {}
            }
            // Chunks begin at even places.
            at = body + length as usize + (length & 1) as usize;
        }
        Err(Fault::Broken("it has no audio chunk".to_owned()))
    }

    fn of(format: &[u8], data_at: usize, data_length: u32) -> Result<Self, Fault> {
        let word = |at: usize| Some(u16::from_le_bytes([*format.get(at)?, *format.get(at + 1)?]));
        let read = || {
            let tag = word(0)?;
            let tag = if tag == TAG_EXTENSIBLE { word(24)? } else { tag };
            let rate_hz = u32::from(word(4)?) | u32::from(word(6)?) << 16;
            Some(Self { tag, channels: word(2)?, rate_hz, data_at, data_length })
        };
        let frame = read().ok_or_else(|| Fault::Broken("its format is cut short".to_owned()))?;
        if frame.channels == 0 {
            return Err(Fault::Broken("it has no channels".to_owned()));
        }
        Ok(frame)
    }
}

fn law(codec: Codec, frame: &Frame, bytes: &[u8], ms_max: u32) -> Result<Vec<f32>, Fault> {
    let mut collector = Collector::new(frame.rate_hz, ms_max);
    let channels = usize::from(frame.channels);
    let mut piece = Vec::new();
    for bytes in bytes.chunks(channels * 1_024) {
        piece.clear();
        piece.extend(bytes.iter().map(|&byte| f32::from(codec.decode(byte)) / 32_768.0));
        collector.take(&piece, channels)?;
    }
    Ok(collector.samples)
}

fn linear(bytes: Vec<u8>, ms_max: u32) -> Result<Vec<f32>, Fault> {
    let broken = |fault: hound::Error| {
        Fault::Broken(match fault {
            hound::Error::Unsupported => "its kind of WAV is not supported".to_owned(),
            hound::Error::FormatError(what) => format!("its header is wrong ({what})"),
            _ => "it ends before its header says".to_owned(),
        })
    };
    let mut reader = WavReader::new(Cursor::new(bytes)).map_err(broken)?;
    let spec = reader.spec();
    let channels = usize::from(spec.channels.max(1));
    let mut collector = Collector::new(spec.sample_rate, ms_max);
    let mut piece = Vec::with_capacity(channels * 1_024);
    let mut take = |sample: f32| {
        piece.push(sample);
        if piece.len() == piece.capacity() {
            collector.take(&piece, channels)?;
            piece.clear();
        }
        Ok(())
    };
    match spec.sample_format {
        SampleFormat::Float => {
            for sample in reader.samples::<f32>() {
                take(sample.map_err(broken)?)?;
            }
        }
        SampleFormat::Int => {
            let full_scale = (1u64 << (spec.bits_per_sample.clamp(1, 32) - 1)) as f32;
            for sample in reader.samples::<i32>() {
                take(sample.map_err(broken)? as f32 / full_scale)?;
            }
        }
    }
    collector.take(&piece, channels)?;
    Ok(collector.samples)
}
