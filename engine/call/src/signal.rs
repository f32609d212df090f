//! What the world tells a call. It cannot be refused, only listened to or not.

use schemas::call::{MediaMeasured, QueueCause};
use schemas::{CommandId, EndedBy, Sealed};

use crate::Timer;

/// What was seen, heard or found out.
#[derive(Clone, PartialEq, Debug)]
pub enum Signal {
    /// No gateway or lane is free now.
    MustWait(QueueCause),
    /// It may be dialled now, this way.
    Cleared(Box<Cleared>),
    /// There is no gateway left to try.
    NoRoute,

    /// A provisional answer.
    Progress {
        /// The status.
        status: u16,
        /// Whether it carried SDP that can be listened to.
        early_media: bool,
    },
    /// A 2xx.
    Answered {
        /// The status.
        status: u16,
        /// The callee's half of the dialog, sealed.
        dialog: Sealed,
        /// Why its SDP cannot be used, when it cannot.
        media_fault: Option<String>,
    },
    /// The INVITE failed or was refused.
    Refused(Box<Refused>),
    /// The INVITE that was cancelled ended without an answer.
    CancelDone {
        /// Its final status, when one came.
        status: Option<u16>,
    },
    /// A 2xx crossed our CANCEL and was closed.
    LateAnswerClosed {
        /// The status.
        status: u16,
    },
    /// The other side ended the dialog.
    HungUp(Box<HungUp>),
    /// Our BYE was answered or given up.
    ByeDone,
    /// The callee changes the session.
    Reinvited {
        /// Whether we are on hold after it.
        hold: bool,
    },

    /// Media could not be opened: the INVITE was not sent.
    MediaOpenFailed,
    /// Media cannot go on.
    MediaFailed,
    /// The prompt was played to its end.
    PromptFinished {
        /// How long it was.
        ms: u32,
    },
    /// The callee pressed a key.
    Digit {
        /// Which, sealed.
        digit: Sealed,
        /// For how long.
        ms: u16,
    },
    /// The media is closed, and this is what it was like.
    MediaClosed(Box<MediaMeasured>),

    /// A timer came due.
    TimerFired(Timer),
    /// A command wants the call to end, whatever it is doing.
    HangUpAsked(Option<CommandId>),
    /// A command wants the call to end if nobody has answered it.
    CancelAsked(Option<CommandId>),
    /// The engine is stopping and will not wait for this call.
    ShutDown,
    /// The engine stopped and started again; what was on the wire is lost to it.
    EngineRestarted,
}

impl Signal {
    /// The signal's name, to be counted by.
    pub fn name(&self) -> &'static str {
        match self {
            Self::MustWait(_) => "MustWait",
            Self::Cleared(_) => "Cleared",
            Self::NoRoute => "NoRoute",
            Self::Progress { .. } => "Progress",
            Self::Answered { .. } => "Answered",
            Self::Refused(_) => "Refused",
            Self::CancelDone { .. } => "CancelDone",
            Self::LateAnswerClosed { .. } => "LateAnswerClosed",
            Self::HungUp(_) => "HungUp",
            Self::ByeDone => "ByeDone",
            Self::Reinvited { .. } => "Reinvited",
            Self::MediaOpenFailed => "MediaOpenFailed",
            Self::MediaFailed => "MediaFailed",
            Self::PromptFinished { .. } => "PromptFinished",
            Self::Digit { .. } => "Digit",
            Self::MediaClosed(_) => "MediaClosed",
            Self::TimerFired(_) => "TimerFired",
            Self::HangUpAsked(_) => "HangUpAsked",
            Self::CancelAsked(_) => "CancelAsked",
            Self::ShutDown => "ShutDown",
            Self::EngineRestarted => "EngineRestarted",
        }
    }
}

/// The way a try is to go: what routing chose, and what will identify it on the wire.
#[derive(Clone, PartialEq, Debug)]
pub struct Cleared {
    /// The gateway's configured name.
    pub gateway: String,
    /// The number to show.
    pub caller_id: Option<String>,
    /// Our SIP address.
    pub local: String,
    /// SIP Call-ID.
    pub sip_call_id: String,
    /// Tag of our From.
    pub from_tag: String,
    /// CSeq of the first INVITE.
    pub cseq: u32,
    /// Via branch of the first INVITE.
    pub branch: String,
}

/// A try that failed or was refused.
#[derive(Clone, PartialEq, Debug)]
pub struct Refused {
    /// The final status, when the network sent one.
    pub status: Option<u16>,
    /// What befell it when it did not: `no_response`, `transport`, `dns`, …
    pub local: Option<&'static str>,
    /// The Q.850 cause of its Reason header.
    pub q850: Option<u16>,
    /// Reason phrase and Reason header, sealed.
    pub detail: Option<Sealed>,
    /// How long the gateway asked to be left alone.
    pub retry_after_s: Option<u32>,
    /// Routing's word: the carrier's fault, so that another gateway may try.
    pub carrier_fault: bool,
}

/// The end of a dialog that was up.
#[derive(Clone, PartialEq, Debug)]
pub struct HungUp {
    /// The callee by BYE, or the carrier by losing the dialog.
    pub by: EndedBy,
    /// The Q.850 cause of its Reason header.
    pub q850: Option<u16>,
    /// Its Reason header, sealed.
    pub detail: Option<Sealed>,
}
