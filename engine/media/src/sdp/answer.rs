//! Two descriptions to what both agree on (RFC 3264, 6 to 8).

use std::fmt::Write;
use std::net::SocketAddr;

use super::read::{Description, Media};
use super::{Direction, PTIMES_MS, SdpFault, head, write_audio};
use crate::port::{Agreed, Codec};

/// The answer to our offer: where, in which codec, which way.
///
/// Any codec of ours is good, also one that was not offered: it is what they will send. A hold
/// (`c=0.0.0.0`, `inactive`, `sendonly`) is no fault: then [`Agreed::send`] is false, and `remote`
/// may be `0.0.0.0`.
pub fn read_answer(answer: &[u8]) -> Result<Agreed, SdpFault> {
    let description = Description::read(answer)?;
    let (_, agreed) = choose(&description, &[Codec::Pcmu, Codec::Pcma])?;
    Ok(agreed)
}

/// Answers what they offer (a re-INVITE: hold, resume, a new address). `codecs` are those we are
/// ready to speak; their order of preference decides (RFC 3264, 6.1). `direction` is ours:
/// `SendRecv` unless we hold. `session` and `version` as in [`super::offer`].
///
/// The first audio we can speak is taken; every other media is answered with port 0, in its place.
/// The fault says why nothing could be agreed on: the request is answered 488, and what was agreed
/// before stands.
pub fn answer_to(
    offer: &[u8],
    local: SocketAddr,
    session: u64,
    version: u32,
    codecs: &[Codec],
    direction: Direction,
) -> Result<(Vec<u8>, Agreed), SdpFault> {
    let description = Description::read(offer)?;
    let (chosen, mut agreed) = choose(&description, codecs)?;
    if agreed.remote.is_ipv4() != local.is_ipv4() {
        return Err(SdpFault::AddressFamily);
    }
    agreed.send &= direction.sends();
    agreed.receive &= direction.receives();

    let mut sdp = head(local, session, version);
    for (index, media) in description.media.iter().enumerate() {
        if index == chosen {
            let ours = Direction::of(agreed.send, agreed.receive);
            write_audio(
                &mut sdp,
                local.port(),
                &[agreed.codec],
                agreed.events,
                agreed.ptime_ms,
                ours,
            );
        } else {
            let Media { kind, protocol, formats_text, .. } = media;
            write!(sdp, "m={kind} 0 {protocol} {formats_text}\r\n")
                .expect("writing to a String cannot fail");
        }
    }
    Ok((sdp.into_bytes(), agreed))
}

/// The first audio that can be used, by its index. When none can, the fault of the one that came
/// closest.
fn choose(description: &Description<'_>, codecs: &[Codec]) -> Result<(usize, Agreed), SdpFault> {
    let mut nearest = SdpFault::NoAudio;
    for (index, media) in description.media.iter().enumerate() {
        if media.kind != "audio" {
            continue;
        }
        match settle(media, codecs) {
            Ok(agreed) => return Ok((index, agreed)),
            // A refused audio says less than one that was open but could not be used.
            Err(SdpFault::AudioRefused) if nearest != SdpFault::NoAudio => {}
            Err(fault) => nearest = fault,
        }
    }
    Err(nearest)
}

fn settle(media: &Media<'_>, codecs: &[Codec]) -> Result<Agreed, SdpFault> {
    if media.port == 0 {
        return Err(SdpFault::AudioRefused);
    }
    // AVPF only allows feedback beside it (RFC 4585); the S in SAVP is encryption.
    if !["RTP/AVP", "RTP/AVPF"].contains(&media.protocol) {
        return Err(SdpFault::Profile);
    }
    let (remote, reachable) = media.destination()?;
    let (rtcp_port, rtcp_ip) = media.rtcp.unwrap_or((remote.port().saturating_add(1), None));
    Ok(Agreed {
        remote,
        rtcp: media.rtcp.map(|_| SocketAddr::new(rtcp_ip.unwrap_or(remote.ip()), rtcp_port)),
        codec: codec(media, codecs).ok_or(SdpFault::NoCodec)?,
        events: events(media),
        ptime_ms: ptime_ms(media),
        send: reachable && media.direction.receives(),
        receive: media.direction.sends(),
    })
}

/// Their best one that is ours as well. Only under its static payload type: that is what we send.
fn codec(media: &Media<'_>, ours: &[Codec]) -> Option<Codec> {
    let theirs = media.formats.iter().filter_map(|&payload_type| {
        let map = media.meaning(payload_type)?;
        let codec = Codec::named(map.name)?;
        let same =
            map.rate_hz == 8_000 && map.channels == 1 && codec.payload_type() == payload_type;
        same.then_some(codec)
    });
    theirs.into_iter().find(|codec| ours.contains(codec))
}

/// The payload type of telephone-event on G.711's clock. One of 16 kHz or 48 kHz belongs to another
/// codec.
fn events(media: &Media<'_>) -> Option<u8> {
    media.formats.iter().copied().find(|&payload_type| {
        let map = media.meaning(payload_type);
        map.is_some_and(|map| {
            map.name.eq_ignore_ascii_case("telephone-event") && map.rate_hz == 8_000
        })
    })
}

/// What they ask for, rounded down to what the wheel turns at; 20 when they do not say (RFC 3551,
/// 4.5).
fn ptime_ms(media: &Media<'_>) -> u8 {
    let asked = media.ptime_ms.filter(|&ms| ms > 0).unwrap_or(20);
    let asked = asked.min(media.ptime_ms_max.filter(|&ms| ms > 0).unwrap_or(u32::MAX));
    PTIMES_MS.into_iter().rev().find(|&ms| u32::from(ms) <= asked).unwrap_or(PTIMES_MS[0])
}
