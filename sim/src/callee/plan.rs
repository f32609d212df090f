//! What a callee will do, as data: steps one after the other, and manners for what may come at any
//! time. A plan holds no bytes of SIP, so the same plan runs over sockets and in virtual time.

use smallvec::SmallVec;

/// What one callee does with one INVITE.
#[derive(Clone, PartialEq, Debug)]
pub struct Plan {
    /// A short name for the ledger, such as `busy`.
    pub name: &'static str,
    /// The steps, in order. After the last one the callee stays as it is: ringing, or talking.
    pub steps: SmallVec<[Step; 6]>,
    /// How it meets CANCEL, BYE, ACK and re-INVITE.
    pub manners: Manners,
    /// What it asks for before it does anything.
    pub challenge: Challenge,
}

impl Plan {
    /// A plan of these steps, with good manners, and nothing asked for.
    pub fn new(name: &'static str, steps: impl IntoIterator<Item = Step>) -> Self {
        Self {
            name,
            steps: steps.into_iter().collect(),
            manners: Manners::default(),
            challenge: Challenge::default(),
        }
    }

    /// The same plan with these manners.
    pub fn with_manners(self, manners: Manners) -> Self {
        Self { manners, ..self }
    }

    /// The same plan behind this challenge.
    pub fn behind(self, challenge: Challenge) -> Self {
        Self { challenge, ..self }
    }
}

/// One step of a plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Let so many milliseconds pass since the step before.
    Wait(u32),
    /// Answer the INVITE. A reliable provisional waits for its PRACK before the next step.
    Reply(Reply),
    /// Send this sound from now on, once a reply carried usable SDP.
    Play(Sound),
    /// Press two digits by RFC 4733.
    Press([u8; 2]),
    /// Press a digit by INFO, and wait for its answer. Waits for the ACK first.
    Inform(u8),
    /// Send a re-INVITE, and wait for its answer. Waits for the ACK first.
    Offer(Offer),
    /// Send a BYE, with this Q.850 cause in its Reason. Waits for the ACK first (RFC 3261, 15).
    HangUp(Option<u8>),
}

/// A response to the INVITE.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Which To tag it carries: a forking proxy passes on replies of several callees.
    pub fork: u8,
    /// How many more times it is sent at once.
    pub copies: u8,
    /// Sent reliably (RFC 3262), when the caller supports that; plainly else.
    pub reliable: bool,
    /// Without a Contact, as no 2xx may be.
    pub no_contact: bool,
    /// Its body.
    pub sdp: Sdp,
    /// A header beyond the usual.
    pub extra: Extra,
}

impl Reply {
    /// This status and nothing special: a 2xx has SDP, others have not.
    pub const fn of(status: u16) -> Self {
        Self {
            status,
            fork: 0,
            copies: 0,
            reliable: false,
            no_contact: false,
            sdp: if status / 100 == 2 { Sdp::Answer } else { Sdp::None },
            extra: Extra::None,
        }
    }

    /// The same with this body.
    pub const fn sdp(self, sdp: Sdp) -> Self {
        Self { sdp, ..self }
    }

    /// The same with this header.
    pub const fn extra(self, extra: Extra) -> Self {
        Self { extra, ..self }
    }

    /// The same from another branch of a fork.
    pub const fn fork(self, fork: u8) -> Self {
        Self { fork, ..self }
    }

    /// The same as RFC 3262 wants it.
    pub const fn reliably(self) -> Self {
        Self { reliable: true, ..self }
    }
}

/// The body of a reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sdp {
    /// No body.
    None,
    /// A proper answer to the offer.
    Answer,
    /// A body that is no SDP.
    Unreadable,
    /// An answer that picks G.729, which was not offered.
    OtherCodec,
    /// An answer that refuses the audio, with port 0 (RFC 3264, 6).
    Refused,
}

/// A header beyond the usual.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extra {
    /// None.
    None,
    /// `Retry-After`, in seconds.
    RetryAfter(u8),
    /// `Reason: Q.850;cause=…`.
    Q850(u8),
    /// `Contact` of a 3xx: the number to try, by its last five digits in the grammar.
    TryInstead(u16, u8),
    /// `Min-SE: 1800` (RFC 4028, 6).
    MinSe,
    /// `Session-Expires: 90`, refreshed by the caller or by the callee (RFC 4028).
    SessionExpires {
        /// Whether the caller is to refresh.
        by_caller: bool,
    },
    /// `Record-Route` of two proxies, both of them this carrier.
    RecordRoute,
}

/// What the callee's side sends as RTP.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Sound {
    /// No packets.
    Nothing,
    /// Packets of silence.
    Silence,
    /// A person: a short "hello", then silence.
    Hello,
    /// A machine: speech for so many milliseconds, a beep, then silence.
    Greeting(u16),
    /// A machine without a beep.
    GreetingNoBeep(u16),
    /// A menu: speech of 4 s and a pause of 2 s, again and again.
    Menu,
    /// A call screener: speech of 3 s, silence for 4 s, speech of 2 s, silence.
    Screening,
    /// A network announcement, again and again.
    Announcement,
    /// Ringback: 450 Hz, 1 s on, 4 s off.
    Ringback,
    /// A tone of 450 Hz without end.
    Tone,
    /// A fax machine: 2100 Hz for 3 s, then silence.
    Fax,
    /// What was heard, sent back.
    Echo,
    /// Packets that are no RTP.
    Garbage,
}

/// A re-INVITE of the callee's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Offer {
    /// `a=sendonly`: puts the caller on hold.
    Hold,
    /// `a=sendrecv`: takes it back.
    Resume,
    /// No body: the caller has to offer (RFC 3261, 14.2).
    Empty,
}

/// How a callee meets what may come at any time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Manners {
    /// CANCEL.
    pub cancel: OnCancel,
    /// BYE.
    pub bye: OnBye,
    /// A re-INVITE of the caller's.
    pub reinvite: OnReinvite,
    /// ACKs to a 2xx are not noticed.
    pub deaf_to_acks: bool,
}

/// What a CANCEL leads to while there is no final answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnCancel {
    /// 200 to the CANCEL, and this final to the INVITE so many milliseconds later.
    Refuse {
        /// 487 when all is well.
        status: u16,
        /// How much later.
        after_ms: u32,
    },
    /// 200 to the CANCEL, and 200 to the INVITE so many milliseconds later all the same.
    AnswerLate {
        /// How much later.
        after_ms: u32,
    },
    /// 200 to the INVITE first, then to the CANCEL: they crossed.
    AnswerFirst,
    /// 200 to the CANCEL, and nothing more to the INVITE.
    NoFinal,
    /// Nothing at all.
    Ignore,
    /// 481 to the CANCEL; the plan goes on.
    Deny,
}

impl Default for OnCancel {
    fn default() -> Self {
        Self::Refuse { status: 487, after_ms: 0 }
    }
}

/// What a BYE of the caller's leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnBye {
    /// 200, and the call is over.
    #[default]
    Accept,
    /// Nothing, not even to its repeats. The call is over all the same.
    Ignore,
    /// 481, and the call is over.
    Deny,
}

/// What a re-INVITE of the caller's leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnReinvite {
    /// 200 with an answer.
    #[default]
    Accept,
    /// 488, each time.
    Refuse,
    /// 491 the first time, 200 after.
    GlareOnce,
}

/// What a callee's carrier asks for before it does anything (RFC 3261, 22).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Challenge {
    /// A 401 of this kind.
    pub www: Option<Scheme>,
    /// A 407 of this kind, before the 401.
    pub proxy: Option<Scheme>,
    /// The first nonce is answered with `stale=true` and a second one.
    pub stale_once: bool,
    /// No answer is ever right.
    pub never_right: bool,
}

impl Challenge {
    /// A 401.
    pub const fn www(scheme: Scheme) -> Self {
        Self { www: Some(scheme), proxy: None, stale_once: false, never_right: false }
    }

    /// A 407.
    pub const fn proxy(scheme: Scheme) -> Self {
        Self { www: None, proxy: Some(scheme), stale_once: false, never_right: false }
    }
}

/// The form of a challenge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scheme {
    /// MD5, `qop="auth"`.
    Md5,
    /// SHA-256, `qop="auth"` (RFC 8760).
    Sha256,
    /// Two challenges: SHA-256, and below it MD5; either is good.
    Sha256OrMd5,
    /// MD5, `qop="auth,auth-int"`.
    QopList,
    /// MD5 without `qop`, as in RFC 2069.
    NoQop,
    /// MD5-sess, `qop="auth"`.
    Md5Sess,
}
