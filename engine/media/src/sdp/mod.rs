//! SDP: what is offered, what was answered, and the answer to what they offer (RFC 4566, RFC 8866,
//! RFC 3264).
//!
//! Liberal in what it reads: unknown lines and attributes, several media, either line ending, bytes
//! that are not UTF-8 in names. Strict where a mistake would send audio to the wrong place:
//! addresses, ports, profiles. `read` turns bytes into a description, `answer` settles two of
//! them.

mod answer;
mod read;
#[cfg(test)]
mod tests;

use std::fmt::Write;
use std::net::SocketAddr;

pub use answer::{answer_to, read_answer};

use crate::port::Codec;

/// The payload type of telephone-event in our offers. Dynamic; 101 is what everybody uses.
pub const EVENTS_PAYLOAD_TYPE: u8 = 101;

/// Milliseconds of audio in a packet, in our offers.
pub const OFFERED_PTIME_MS: u8 = 20;

/// Packet intervals that can be asked of us, in milliseconds: those that divide the slot wheel.
pub const PTIMES_MS: [u8; 5] = [10, 20, 30, 40, 60];

/// The most bytes of SDP that are read. A carrier's is 200 to 800.
pub const SDP_BYTES_MAX: usize = 16 * 1024;

/// The most media lines that are read. Beyond is [`SdpFault::TooManyMedia`].
pub const MEDIA_MAX: usize = 16;

/// Which way audio flows, as the one who says it sees it (RFC 3264, 5.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Both ways.
    SendRecv,
    /// I send, you listen: how a peer puts us on hold with music.
    SendOnly,
    /// I listen.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    /// From whether I send and whether I receive.
    pub fn of(send: bool, receive: bool) -> Self {
        match (send, receive) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// Whether the one who says it sends.
    pub fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether the one who says it receives.
    pub fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    fn attribute(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    fn named(attribute: &str) -> Option<Self> {
        [Self::SendRecv, Self::SendOnly, Self::RecvOnly, Self::Inactive]
            .into_iter()
            .find(|direction| direction.attribute() == attribute)
    }
}

/// Why SDP cannot be used. [`SdpFault::word`] is for the record, the text for people.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SdpFault {
    /// No SDP at all: empty, or it does not begin with `v=0`.
    #[error("the body is not SDP: it does not begin with v=0")]
    NotSdp,
    /// Longer than [`SDP_BYTES_MAX`].
    #[error("the SDP has {0} bytes, more than {SDP_BYTES_MAX}")]
    TooLong(usize),
    /// More `m=` lines than [`MEDIA_MAX`].
    #[error("the SDP has more than {MEDIA_MAX} media")]
    TooManyMedia,
    /// An `m=` line that cannot be read: an answer could not mirror it.
    #[error("the SDP line {line} cannot be read: {what}")]
    Line {
        /// Which one, from 1.
        line: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// There is no `m=audio`.
    #[error("the SDP has no audio")]
    NoAudio,
    /// Every `m=audio` has port 0: the audio was refused (RFC 3264, 6).
    #[error("the audio was refused: port 0")]
    AudioRefused,
    /// Audio by another profile than plain RTP, such as RTP/SAVP, which is encrypted.
    #[error("the audio is not plain RTP (RTP/AVP)")]
    Profile,
    /// No codec that both speak.
    #[error("no codec in common: neither PCMU nor PCMA")]
    NoCodec,
    /// No `c=` line for the audio.
    #[error("the SDP has no address for the audio (no c= line)")]
    NoAddress,
    /// An address where audio must not go: multicast, broadcast, or a name instead of an address.
    #[error("the SDP's address cannot be used: {0}")]
    Address(&'static str),
    /// IPv4 here, IPv6 there, or the other way round.
    #[error("the SDP's address is of the other IP version")]
    AddressFamily,
}

impl SdpFault {
    /// The word of the record's `reason`: `media_mismatch` when the two sides have nothing in
    /// common, and `sdp_unreadable` when theirs could not be understood.
    pub fn word(&self) -> &'static str {
        match self {
            Self::NotSdp
            | Self::TooLong(_)
            | Self::TooManyMedia
            | Self::Line { .. }
            | Self::NoAddress => "sdp_unreadable",
            Self::NoAudio
            | Self::AudioRefused
            | Self::Profile
            | Self::NoCodec
            | Self::Address(_)
            | Self::AddressFamily => "media_mismatch",
        }
    }
}

/// An offer: these codecs, best first, and telephone-event, at `local`.
///
/// `session` names the call's session and never changes in it; `version` rises by one with every
/// description that differs from the one before (RFC 3264, 5 and 8). An empty `codecs` is a mistake
/// of the caller and offers PCMU, which everybody must speak (RFC 3551, 6).
pub fn offer(
    local: SocketAddr,
    session: u64,
    version: u32,
    codecs: &[Codec],
    direction: Direction,
) -> Vec<u8> {
    let codecs = if codecs.is_empty() { &[Codec::Pcmu] } else { codecs };
    let mut sdp = head(local, session, version);
    write_audio(
        &mut sdp,
        local.port(),
        codecs,
        Some(EVENTS_PAYLOAD_TYPE),
        OFFERED_PTIME_MS,
        direction,
    );
    sdp.into_bytes()
}

/// The session part: everything before the first `m=`.
fn head(local: SocketAddr, session: u64, version: u32) -> String {
    let family = if local.is_ipv4() { "IP4" } else { "IP6" };
    let address = local.ip();
    // Session ids must fit a signed 64-bit number for some readers, so the top bit goes.
    let session = session & (u64::MAX >> 1);
    format!(
        "v=0\r\no=- {session} {version} IN {family} {address}\r\ns=-\r\nc=IN {family} {address}\r\nt=0 0\r\n"
    )
}

/// One accepted `m=audio` and its attributes.
fn write_audio(
    sdp: &mut String,
    port: u16,
    codecs: &[Codec],
    events: Option<u8>,
    ptime_ms: u8,
    direction: Direction,
) {
    const TO_A_STRING: &str = "writing to a String cannot fail";
    write!(sdp, "m=audio {port} RTP/AVP").expect(TO_A_STRING);
    for payload_type in codecs.iter().map(|codec| codec.payload_type()).chain(events) {
        write!(sdp, " {payload_type}").expect(TO_A_STRING);
    }
    sdp.push_str("\r\n");
    for codec in codecs {
        write!(sdp, "a=rtpmap:{} {}/8000\r\n", codec.payload_type(), codec.name())
            .expect(TO_A_STRING);
    }
    if let Some(events) = events {
        write!(sdp, "a=rtpmap:{events} telephone-event/8000\r\na=fmtp:{events} 0-15\r\n")
            .expect(TO_A_STRING);
    }
    write!(sdp, "a=ptime:{ptime_ms}\r\na={}\r\n", direction.attribute()).expect(TO_A_STRING);
}
