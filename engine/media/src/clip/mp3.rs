//! MP3, by `symphonia`.

use std::io::{Cursor, ErrorKind};

use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;

use super::{Collector, Decoded, Fault};

/// By a tag of version 2 before the audio, or by the audio's own first bits: 11 ones.
pub(super) fn claims_to_be(bytes: &[u8]) -> bool {
    bytes.starts_with(b"ID3") || matches!(bytes, [0xff, second, ..] if second & 0xe0 == 0xe0)
}

pub(super) fn decode(bytes: Vec<u8>, ms_max: u32) -> Result<Decoded, Fault> {
    let broken = |fault: Error| Fault::Broken(fault.to_string());
    let mut hint = Hint::new();
    hint.with_extension("mp3");
    let stream = MediaSourceStream::new(Box::new(Cursor::new(bytes)), Default::default());
    let mut format = symphonia::default::get_probe()
        .probe(&hint, stream, FormatOptions::default(), MetadataOptions::default())
        .map_err(|_| Fault::Broken("no MP3 audio was found in it".to_owned()))?;
    let none = || Fault::Broken("it has no audio track".to_owned());
    let track = format.default_track(TrackType::Audio).ok_or_else(none)?;
    let parameters =
        track.codec_params.as_ref().and_then(|parameters| parameters.audio()).ok_or_else(none)?;
    let mut decoder = symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &AudioDecoderOptions::default())
        .map_err(broken)?;
    let track = track.id;

    let mut collector: Option<(Collector, u32)> = None;
    let mut interleaved: Vec<f32> = Vec::new();
    loop {
        let packet = match format.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => break,
            // The last frame is cut: what stands before it is whole.
            Err(Error::IoError(fault)) if fault.kind() == ErrorKind::UnexpectedEof => break,
            Err(fault) => return Err(broken(fault)),
        };
        if packet.track_id != track {
            continue;
        }
        let audio = match decoder.decode(&packet) {
            Ok(audio) => audio,
            // One frame of 26 ms is damaged, or leans on one that was cut off before the file's
            // beginning.
            Err(Error::DecodeError(_)) => continue,
            Err(fault) => return Err(broken(fault)),
        };
        let (rate_hz, channels) = (audio.spec().rate(), audio.spec().channels().count());
        if channels == 0 || audio.frames() == 0 {
            continue;
        }
        let (collector, first_rate_hz) =
            collector.get_or_insert_with(|| (Collector::new(rate_hz, ms_max), rate_hz));
        if *first_rate_hz != rate_hz {
            return Err(Fault::Broken("its sample rate changes in the middle".to_owned()));
        }
        audio.copy_to_vec_interleaved(&mut interleaved);
        collector.take(&interleaved, channels)?;
    }
    let (collector, rate_hz) = collector.ok_or(Fault::Empty)?;
    Decoded::new(collector.samples, rate_hz)
}
