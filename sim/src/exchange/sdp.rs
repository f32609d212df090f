//! The carrier's half of offer and answer (RFC 3264), and the wrong answers that the grammar has.
//! Read with eyes of its own: what the engine writes wrongly, the engine's reader might forgive.

use crate::callee::{Offer, Sdp};
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

/// A law of G.711.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Law {
    /// PCMU, payload type 0.
    Mu,
    /// PCMA, payload type 8.
    A,
}

impl Law {
    /// The static payload type (RFC 3551).
    pub fn payload_type(self) -> u8 {
        match self {
            Self::Mu => 0,
            Self::A => 8,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Mu => "PCMU",
            Self::A => "PCMA",
        }
    }
}

/// What the caller's SDP says of its audio.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Audio {
    /// Where it wants ours.
    pub to: SocketAddr,
    /// The first codec of its list that we speak.
    pub law: Law,
    /// Its payload type of telephone-event at 8 kHz.
    pub events: Option<u8>,
    /// Whether it listens.
    pub listens: bool,
    /// Whether it sends.
    pub sends: bool,
}

/// Reads the caller's SDP. None when it has no audio that we could take part in.
pub fn read(body: &[u8]) -> Option<Audio> {
    let text = std::str::from_utf8(body).ok()?;
    let mut address = None;
    let mut audio: Option<(u16, &str)> = None;
    let mut events = None;
    let mut direction = "sendrecv";
    for line in text.lines() {
        let (kind, value) = line.split_once('=')?;
        match kind {
            "m" if audio.is_some() => break,
            "m" => {
                let mut words = value.split(' ');
                if words.next() != Some("audio") {
                    // Another medium before the audio: its attributes are not ours.
                    continue;
                }
                let port = words.next()?.parse().ok()?;
                if words.next() != Some("RTP/AVP") {
                    return None;
                }
                audio = Some((port, value));
            }
            // The medium's own line comes after the session's, and counts.
            "c" => {
                let at = value.strip_prefix("IN IP4 ").or_else(|| value.strip_prefix("IN IP6 "))?;
                address = at.split('/').next()?.parse::<IpAddr>().ok();
            }
            "a" => match value {
                "sendrecv" | "sendonly" | "recvonly" | "inactive" => direction = value,
                _ => events = events.or_else(|| events_of(value)),
            },
            _ => {}
        }
    }
    let ((port, list), address) = (audio?, address?);
    let law = list.split(' ').skip(3).find_map(|format| match format {
        "0" => Some(Law::Mu),
        "8" => Some(Law::A),
        _ => None,
    })?;
    // An address of zeros is the hold of RFC 2543.
    let held = address.is_unspecified();
    Some(Audio {
        to: SocketAddr::new(address, port),
        law,
        events,
        listens: port != 0 && !held && matches!(direction, "sendrecv" | "recvonly"),
        sends: matches!(direction, "sendrecv" | "sendonly"),
    })
}

/// `rtpmap:101 telephone-event/8000` is 101.
fn events_of(attribute: &str) -> Option<u8> {
    let (format, name) = attribute.strip_prefix("rtpmap:")?.split_once(' ')?;
    name.eq_ignore_ascii_case("telephone-event/8000").then(|| format.parse().ok())?
}

/// Writes an answer of that kind to `offer`; an offer of ours when there was none.
pub fn write(kind: Sdp, offer: Option<&Audio>, local: SocketAddr, session: u64) -> String {
    match kind {
        Sdp::None => String::new(),
        Sdp::Unreadable => "this is no session description\r\n".to_owned(),
        Sdp::OtherCodec => body(local, session, "18", "a=rtpmap:18 G729/8000\r\n", "sendrecv"),
        Sdp::Refused => {
            let nowhere = SocketAddr::new(local.ip(), 0);
            body(nowhere, session, "0", "", "sendrecv")
        }
        Sdp::Answer => match offer {
            None => body(local, session, "0 8 101", BOTH, "sendrecv"),
            Some(offer) => {
                let direction = match (offer.sends, offer.listens) {
                    (true, true) => "sendrecv",
                    (true, false) => "recvonly",
                    (false, true) => "sendonly",
                    (false, false) => "inactive",
                };
                let number = offer.law.payload_type();
                let mut formats = format!("{number}");
                let mut map = format!("a=rtpmap:{number} {}/8000\r\n", offer.law.name());
                if let Some(events) = offer.events {
                    // Writing to a String cannot fail.
                    let _ = write!(formats, " {events}");
                    let _ = write!(
                        map,
                        "a=rtpmap:{events} telephone-event/8000\r\na=fmtp:{events} 0-15\r\n"
                    );
                }
                body(local, session, &formats, &map, direction)
            }
        },
    }
}

/// Writes the body of a re-INVITE of ours.
pub fn write_offer(offer: Offer, local: SocketAddr, session: u64) -> String {
    match offer {
        Offer::Empty => String::new(),
        Offer::Hold => body(local, session, "0 8 101", BOTH, "sendonly"),
        Offer::Resume => body(local, session, "0 8 101", BOTH, "sendrecv"),
    }
}

const BOTH: &str = "a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
                    a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n";

/// `session` is both id and version: it rises with each body of a call, as RFC 3264, 8 wants of
/// the version.
fn body(local: SocketAddr, session: u64, formats: &str, map: &str, direction: &str) -> String {
    let (family, ip, port) = match local.ip() {
        IpAddr::V4(ip) => ("IP4", ip.to_string(), local.port()),
        IpAddr::V6(ip) => ("IP6", ip.to_string(), local.port()),
    };
    let id = session >> 8;
    format!(
        "v=0\r\no=carrier {id} {session} IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP {formats}\r\n{map}a=ptime:20\r\na={direction}\r\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\n\
        m=audio 4000 RTP/AVP 8 0 96\r\na=rtpmap:96 telephone-event/8000\r\na=ptime:20\r\n";

    fn audio() -> Audio {
        let to = "10.0.0.1:4000".parse().expect("is an address");
        Audio { to, law: Law::A, events: Some(96), listens: true, sends: true }
    }

    #[test]
    fn an_offer_is_read() {
        assert_eq!(read(OFFER.as_bytes()), Some(audio()));
        let held = format!("{OFFER}a=sendonly\r\n");
        assert_eq!(read(held.as_bytes()), Some(Audio { listens: false, ..audio() }));
        let video_first = OFFER.replace("m=audio", "m=video 9 RTP/AVP 31\r\nm=audio");
        assert_eq!(read(video_first.as_bytes()), Some(audio()));
        let second_stream = format!("{OFFER}m=audio 9 RTP/AVP 0\r\na=inactive\r\n");
        assert_eq!(read(second_stream.as_bytes()), Some(audio()));
        let own_address = OFFER.replace("96\r\n", "96\r\nc=IN IP6 ::1\r\n");
        assert_eq!(read(own_address.as_bytes()).map(|a| a.to.is_ipv6()), Some(true));
    }

    #[test]
    fn an_offer_that_we_cannot_take_is_none() {
        for broken in [
            "",
            "hello",
            "v=0\r\n",
            &OFFER.replace("8 0 96", "18"),
            &OFFER.replace("RTP/AVP", "RTP/SAVP"),
            &OFFER.replace("4000", "400000"),
            &OFFER.replace("c=IN IP4 10.0.0.1\r\n", ""),
            &OFFER.replace("IP4 10.0.0.1\r\nt", "IP4 example\r\nt"),
        ] {
            assert_eq!(read(broken.as_bytes()), None, "{broken}");
        }
        assert_eq!(read(b"\xff\xfe"), None);
    }

    #[test]
    fn an_answer_takes_the_first_codec_and_turns_the_direction_around() {
        let held = Audio { listens: false, ..audio() };
        let local = "192.0.2.1:6000".parse().expect("is an address");
        let answer = write(Sdp::Answer, Some(&held), local, 0x101);
        expect_test::expect![[r#"
            v=0
            o=carrier 1 257 IN IP4 192.0.2.1
            s=-
            c=IN IP4 192.0.2.1
            t=0 0
            m=audio 6000 RTP/AVP 8 96
            a=rtpmap:8 PCMA/8000
            a=rtpmap:96 telephone-event/8000
            a=fmtp:96 0-15
            a=ptime:20
            a=recvonly
        "#]]
        .assert_eq(&answer.replace("\r\n", "\n"));
        assert_eq!(read(answer.as_bytes()).map(|a| (a.listens, a.sends)), Some((true, false)));
    }
}
