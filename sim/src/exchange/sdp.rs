//! The carrier's half of offer and answer (RFC 3264), and the wrong answers that the grammar has.

use crate::callee::{Offer, Sdp};
use media::port::{Agreed, Codec};
use media::sdp::{Direction, answer_to, offer, read_answer};
use std::net::SocketAddr;

/// The carrier takes the codec that the caller likes best.
const CODECS: [Codec; 2] = [Codec::Pcmu, Codec::Pcma];

/// What the caller's SDP of its audio says.
#[derive(Clone, Debug)]
pub(super) struct Theirs {
    /// What it comes to.
    pub agreed: Agreed,
    /// The offer as it came, when it was one: each of our answers is made from it.
    offer: Option<Box<[u8]>>,
}

impl Theirs {
    /// Reads an offer. None when there is no audio in it that we could take part in.
    pub fn offered(body: &[u8], here: SocketAddr) -> Option<Self> {
        // Offers and answers are read alike; each of our answers is written when it is sent.
        let agreed = read_answer(body).ok()?;
        let same_family = agreed.remote.is_ipv4() == here.is_ipv4();
        same_family.then(|| Self { agreed, offer: Some(body.into()) })
    }

    /// Reads the answer to an offer of ours.
    pub fn answered(body: &[u8]) -> Option<Self> {
        Some(Self { agreed: read_answer(body).ok()?, offer: None })
    }
}

/// Names a body of ours: the call, and a count that rises (RFC 3264, 8).
#[derive(Clone, Copy, Debug)]
pub(super) struct Version {
    pub session: u64,
    pub version: u32,
}

/// Writes an answer of that kind; an offer of ours when there was none.
pub(super) fn write(
    kind: Sdp,
    theirs: Option<&Theirs>,
    local: SocketAddr,
    version: Version,
) -> String {
    let Version { session, version } = version;
    let answer = theirs.and_then(|theirs| theirs.offer.as_deref()).and_then(|offered| {
        answer_to(offered, local, session, version, &CODECS, Direction::SendRecv).ok()
    });
    let proper = match answer {
        Some((answer, _)) => answer,
        None => offer(local, session, version, &CODECS, Direction::SendRecv),
    };
    let proper = String::from_utf8_lossy(&proper);
    match kind {
        Sdp::None => String::new(),
        Sdp::Unreadable => "this is no session description\r\n".to_owned(),
        Sdp::Answer => proper.into_owned(),
        Sdp::OtherCodec => in_audio(&proper, |line| match line.split_once(" RTP/AVP ") {
            Some((audio, _)) => format!("{audio} RTP/AVP 18\r\na=rtpmap:18 G729/8000"),
            None => line.to_owned(),
        }),
        Sdp::Refused => {
            in_audio(&proper, |line| line.replacen(&format!(" {} ", local.port()), " 0 ", 1))
        }
    }
}

/// Changes the audio's own line, and leaves the maps of what it said before out.
fn in_audio(sdp: &str, change: impl Fn(&str) -> String) -> String {
    sdp.lines()
        .filter(|line| !line.starts_with("a=rtpmap:") && !line.starts_with("a=fmtp:"))
        .map(|line| match line.starts_with("m=audio ") {
            true => change(line) + "\r\n",
            false => format!("{line}\r\n"),
        })
        .collect()
}

/// Writes the body of a re-INVITE of ours.
pub(super) fn write_offer(kind: Offer, local: SocketAddr, version: Version) -> String {
    let Version { session, version } = version;
    let direction = match kind {
        Offer::Empty => return String::new(),
        Offer::Hold => Direction::SendOnly,
        Offer::Resume => Direction::SendRecv,
    };
    String::from_utf8_lossy(&offer(local, session, version, &CODECS, direction)).into_owned()
}
