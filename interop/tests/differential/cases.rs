//! The table of the differential run.

use crate::Peer;
use crate::rsip_callee::Behaviour;

/// A behaviour of a callee, as each peer is told to behave, and what our log has to say of it.
pub struct Case {
    pub name: &'static str,
    /// The scenario, and what stands in it for its keys.
    pub sipp: (&'static str, &'static [(&'static str, &'static str)]),
    /// What rsipstack does, and what it tells of its side afterwards.
    pub rsip: (Behaviour, &'static [&'static str]),
    /// The number that chooses the behaviour of our carrier's callee (`docs/test-numbers.md`).
    pub number: &'static str,
    pub hangs_up: Who,
    pub ring_timeout_ms: Option<u32>,
    /// What the log tells.
    pub story: &'static str,
    /// With whom it tells something else, and why that is right.
    pub but: &'static [(Peer, Why)],
}

/// Who ends an answered call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Who {
    We,
    Callee,
}

/// Why the story with a peer is another one. Each is the peer's own doing, and the story says what
/// the peer did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// This one says 100 first, the others do not. rsipstack does so of its own accord, for every
    /// INVITE that its dialog layer takes (RFC 3261, 17.2.1: whoever may need 200 ms says it); the
    /// carrier's callee who never answers is told to.
    Trying,
    /// This one is not told to say 100 here, the others are.
    NoTrying,
    /// This callee never hangs up, for what it does has no end of its own: we do, after 5 s.
    Stays,
}

impl Why {
    /// The other story.
    fn tell(self, story: &str) -> String {
        let told = match self {
            Self::Trying => story.replacen("DialStarted ", "DialStarted CallProceeding ", 1),
            Self::NoTrying => story.replacen("CallProceeding ", "", 1),
            Self::Stays => story.replacen("by callee", "by us, max_talk", 1),
        };
        assert_ne!(told, story, "{self:?} is no difference here");
        told
    }
}

impl Case {
    fn whys(&self, peer: Peer) -> impl Iterator<Item = Why> {
        self.but.iter().filter(move |(of, _)| *of == peer).map(|(_, why)| *why)
    }

    pub fn story_with(&self, peer: Peer) -> String {
        self.whys(peer).fold(self.story.to_owned(), |story, why| why.tell(&story))
    }

    /// Where the callee hangs up we wait for that, unless it never does.
    pub fn max_talk_ms(&self, peer: Peer) -> u32 {
        match self.hangs_up {
            Who::We => 300,
            Who::Callee if self.whys(peer).any(|why| why == Why::Stays) => 5_000,
            Who::Callee => 60_000,
        }
    }
}

const TALKED: &str =
    "DialStarted CallRang CallAnswered CallHungUp CallEnded: completed 200 by us, max_talk";
/// What differs most often, and nothing else.
const SAYS_TRYING: &[(Peer, Why)] = &[(Peer::Rsipstack, Why::Trying)];
const IS_NOT_TOLD: &[(Peer, Why)] = &[(Peer::Carrier, Why::NoTrying)];
const STAYS: &[(Peer, Why)] = &[(Peer::Rsipstack, Why::Trying), (Peer::Carrier, Why::Stays)];
/// Nothing more in the scenario's answer.
const PLAIN: (&str, &str) = ("extra", "X-Extra: none");

const ANSWERS: Case = Case {
    name: "rings and answers",
    sipp: ("answer", &[PLAIN]),
    rsip: (Behaviour::Answer, &["UacBye"]),
    number: "+1212099920101",
    hangs_up: Who::We,
    ring_timeout_ms: None,
    story: TALKED,
    but: SAYS_TRYING,
};

/// A status at once, and after ringing: two cases. A faulty carrier's try fails before the call does.
macro_rules! refused {
    ($status:literal $words:literal: $fails:literal $end:literal) => {
        [
            Case {
                name: concat!($status, " at once"),
                sipp: ("refuse", &[("status", concat!($status, " ", $words)), PLAIN]),
                rsip: (Behaviour::Refuse($status), &["UasDecline"]),
                number: concat!("+12120999", $status, "00"),
                story: concat!("DialStarted CallProceeding ", $fails, "CallEnded: ", $end),
                but: IS_NOT_TOLD,
                ..ANSWERS
            },
            Case {
                name: concat!($status, " after ringing"),
                sipp: ("ring_and_refuse", &[("status", concat!($status, " ", $words)), PLAIN]),
                rsip: (Behaviour::RingAndRefuse($status), &["UasDecline"]),
                number: concat!("+12120999", $status, "01"),
                story: concat!("DialStarted CallRang CallEnded: ", $end),
                ..ANSWERS
            },
        ]
    };
}

/// Every case.
pub fn cases() -> Vec<Case> {
    let refusals = [
        refused!(486 "Busy Here": "" "busy 486 by callee, busy"),
        refused!(603 "Decline": "" "rejected 603 by callee, declined"),
        refused!(404 "Not Found": "" "invalid_number 404 by carrier, unallocated_number"),
        refused!(480 "Temporarily Unavailable": "" "unreachable 480 by carrier, unavailable"),
        refused!(500 "Server Internal Error": "TryFailed " "failed 500 by carrier, carrier_error"),
    ];
    refusals.into_iter().flatten().chain(begun()).chain(talked()).collect()
}

/// From the INVITE to its answer.
fn begun() -> Vec<Case> {
    vec![
        ANSWERS,
        Case {
            name: "answers without ringing",
            sipp: ("at_once", &[]),
            rsip: (Behaviour::AnswerAtOnce, &["UacBye"]),
            number: "+1212099911100",
            story: "DialStarted CallAnswered CallHungUp CallEnded: completed 200 by us, max_talk",
            ..ANSWERS
        },
        Case {
            name: "answers without SDP",
            sipp: ("answer_without_sdp", &[]),
            rsip: (Behaviour::AnswerWithoutSdp, &["UacBye"]),
            number: "+1212099924101",
            story: "DialStarted CallRang CallAnswered CallHungUp CallEnded: \
                    failed 200 by us, media_mismatch",
            ..ANSWERS
        },
        Case {
            name: "early media, then an answer",
            sipp: ("early", &[]),
            rsip: (Behaviour::Early, &["UacBye"]),
            number: "+1212099918301",
            story: "DialStarted CallProceeding EarlyMediaStarted CallAnswered CallHungUp \
                    CallEnded: completed 200 by us, max_talk",
            but: IS_NOT_TOLD,
            ..ANSWERS
        },
        Case {
            name: "reliable early media, then an answer",
            sipp: ("reliable", &[]),
            rsip: (Behaviour::Reliable, &["UacBye"]),
            number: "+1212099919001",
            story: "DialStarted EarlyMediaStarted CallAnswered CallHungUp \
                    CallEnded: completed 200 by us, max_talk",
            ..ANSWERS
        },
        Case {
            name: "rings for ever",
            sipp: ("ring_for_ever", &[]),
            rsip: (Behaviour::RingForEver, &["UacCancel"]),
            number: "+1212099918000",
            ring_timeout_ms: Some(3_000),
            story: "DialStarted CallRang CancelIssued CallEnded: no_answer by us, ring_timeout",
            but: &[(Peer::Rsipstack, Why::Trying), (Peer::Carrier, Why::Trying)],
            ..ANSWERS
        },
        Case {
            name: "its answer crosses our CANCEL",
            sipp: ("crossing", &[]),
            rsip: (Behaviour::Cross, &["ACK after a crossing 200", "BYE outside a dialog"]),
            number: "+1212099980100",
            ring_timeout_ms: Some(3_000),
            story: "DialStarted CallRang CancelIssued LateAnswerReleased \
                    CallEnded: no_answer by us, ring_timeout",
            but: &[],
            ..ANSWERS
        },
        Case {
            name: "asks for a password",
            sipp: ("challenge_401", &[]),
            rsip: (Behaviour::Challenge, &["the password is right", "UacBye"]),
            number: "+1212099940101",
            ..ANSWERS
        },
    ]
}

/// Inside the call.
fn talked() -> Vec<Case> {
    vec![
        Case {
            name: "hangs up with a cause",
            sipp: ("hang_up", &[("reason", "Q.850;cause=31")]),
            rsip: (Behaviour::HangUp, &["UasBye"]),
            number: "+1212099921231",
            hangs_up: Who::Callee,
            story: "DialStarted CallRang CallAnswered CallHungUp \
                    CallEnded: completed 200 by callee, cause 31",
            ..ANSWERS
        },
        Case {
            name: "holds and resumes",
            sipp: ("hold", &[]),
            rsip: (
                Behaviour::Hold,
                &["a=recvonly", "200 to INVITE", "a=sendrecv", "200 to INVITE", "UasBye"],
            ),
            number: "+1212099926001",
            hangs_up: Who::Callee,
            story: "DialStarted CallRang CallAnswered CallHeld CallResumed CallHungUp \
                    CallEnded: completed 200 by callee",
            but: STAYS,
            ..ANSWERS
        },
        Case {
            name: "presses digits by INFO",
            sipp: ("ask", &[]),
            rsip: (Behaviour::Press, &["200 to INFO", "200 to INFO", "200 to OPTIONS", "UasBye"]),
            number: "+1212099927155",
            hangs_up: Who::Callee,
            story: "DialStarted CallRang CallAnswered DigitPressed DigitPressed CallHungUp \
                    CallEnded: completed 200 by callee",
            but: STAYS,
            ..ANSWERS
        },
    ]
}
