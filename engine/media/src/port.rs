//! The port: plain values that go in and come out of the media plane.
//!
//! A *stream* is the audio of one call, named by whoever opens it. It listens from
//! [`MediaOrder::Open`] on, and sends once it knows whereto.

use std::net::SocketAddr;
use std::path::PathBuf;

/// The caller's handle of one call's audio. Unique among the streams that are open.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StreamId(pub u64);

/// What the media plane is told to do.
#[derive(Clone, PartialEq, Debug)]
pub enum MediaOrder {
    /// Bind a socket and listen. Answered at once with [`MediaHeard::Opened`], or `OpenFailed`.
    Open {
        /// The new stream's name.
        stream: StreamId,
        /// Where both directions are recorded, when they are: a two-channel WAV file, ours left.
        /// It begins with the answer; of a call that is not answered there is no file.
        record: Option<PathBuf>,
    },
    /// What the SDP answer settled: whereto, in which codec. Again after a re-INVITE.
    Connect {
        /// Which stream.
        stream: StreamId,
        /// What was agreed on.
        agreed: Agreed,
    },
    /// The callee answered: from here the first packet of theirs is timed, and silence counts.
    Answered {
        /// Which stream.
        stream: StreamId,
    },
    /// Play a prompt from its start, instead of what is played. Answered with
    /// [`MediaHeard::PromptFinished`], or `Failed` when there is no such prompt. It waits while the
    /// stream is not connected, held or paused.
    Play {
        /// Which stream.
        stream: StreamId,
        /// The prompt's name among those that were loaded.
        prompt: String,
    },
    /// Stop what is played. It is not told as finished.
    StopPlaying {
        /// Which stream.
        stream: StreamId,
    },
    /// Send digits, 100 ms each, 100 ms apart: as events (RFC 4733), or as tones when they did not
    /// agree on events. What is played waits meanwhile. No more than 64 may wait.
    SendDigits {
        /// Which stream.
        stream: StreamId,
        /// Of `0123456789*#ABCD`.
        digits: String,
    },
    /// Send nothing for now, or go on where it stopped.
    Pause {
        /// Which stream.
        stream: StreamId,
        /// Whether to pause.
        paused: bool,
    },
    /// End the stream. Answered with [`MediaHeard::Closed`].
    Close {
        /// Which stream.
        stream: StreamId,
    },
}

/// What an offer and an answer settled (RFC 3264).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Agreed {
    /// Where their audio is to be sent, by their SDP. Symmetric RTP may correct it.
    pub remote: SocketAddr,
    /// Where their RTCP goes, when it is not one port above (RFC 3605).
    pub rtcp: Option<SocketAddr>,
    /// The codec both speak.
    pub codec: Codec,
    /// Payload type of telephone-event (RFC 4733), when both speak it.
    pub events: Option<u8>,
    /// Milliseconds per packet that they asked for: 10, 20, 30, 40 or 60. Another is taken for 20.
    pub ptime_ms: u8,
    /// Whether we may send.
    pub send: bool,
    /// Whether they will send.
    pub receive: bool,
}

/// A codec of the telephone network, with its static payload type (RFC 3551).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Codec {
    /// G.711 µ-law, payload type 0.
    Pcmu,
    /// G.711 A-law, payload type 8.
    Pcma,
}

impl Codec {
    /// The name SDP gives it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    /// Its static payload type.
    pub fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
        }
    }
}

/// What the media plane heard or found out.
#[derive(Clone, PartialEq, Debug)]
pub enum MediaHeard {
    /// The stream listens here: the address for our SDP.
    Opened {
        /// Which stream.
        stream: StreamId,
        /// Our RTP address; RTCP is one port higher.
        local: SocketAddr,
    },
    /// The stream could not be opened: no port, no file.
    OpenFailed {
        /// Which stream.
        stream: StreamId,
        /// Why, for people.
        why: String,
    },
    /// A prompt was sent to its last packet, one packet interval ago. What the far end's jitter
    /// buffer and network hold of it (40 to 150 ms) is not heard yet: hang up a little later.
    PromptFinished {
        /// Which stream.
        stream: StreamId,
        /// How long it was.
        ms: u32,
    },
    /// The callee pressed a key and let it go.
    Digit {
        /// Which stream.
        stream: StreamId,
        /// Of `0123456789*#ABCD`.
        digit: char,
        /// How long it was held.
        ms: u16,
    },
    /// Nothing came in for so long since the answer, or since the last packet.
    NoAudio {
        /// Which stream.
        stream: StreamId,
        /// For how long.
        ms: u32,
    },
    /// Media cannot go on as ordered: nothing can be sent for a second, their address is of the
    /// other IP version, or there is no such prompt. The stream stays open.
    Failed {
        /// Which stream.
        stream: StreamId,
        /// Why, for people.
        why: String,
    },
    /// The stream is closed, and nothing more is heard of it. Its port rests, then is free.
    Closed {
        /// Which stream.
        stream: StreamId,
        /// What it was like.
        report: Box<Report>,
    },
}

/// What a stream was like (RFC 3550, 6.4 and appendix A).
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Report {
    /// Which codec, once agreed.
    pub codec: Option<Codec>,
    /// RTP packets sent.
    pub sent: u32,
    /// RTP packets received and used.
    pub received: u32,
    /// Packets that never came, by sequence number.
    pub lost: u32,
    /// Packets that came too late to be used, twice, from a stranger, before we knew who they are,
    /// or that were nothing we understand.
    pub discarded: u32,
    /// Interarrival jitter, in microseconds. Packets are timed when their stream is looked at, once
    /// per interval: jitter far below 20 ms is right on the average of many calls, rough for one.
    pub jitter_us: u32,
    /// The loss that the other side reported last, in 1/256.
    pub remote_lost_256ths: Option<u8>,
    /// From [`MediaOrder::Answered`] to the first packet of theirs.
    pub first_audio_ms: Option<u32>,
    /// The recording, when one was asked for.
    pub recording: Option<Recorded>,
}

/// A recording that was closed.
#[derive(Clone, PartialEq, Debug)]
pub struct Recorded {
    /// The file.
    pub path: PathBuf,
    /// How long it is.
    pub ms: u32,
    /// Why it is incomplete, when it is.
    pub fault: Option<String>,
}
