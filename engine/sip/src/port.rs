//! The port: plain values that go in and come out of the user agent. No type of a library, of a
//! transport or of a call crosses it, so another stack can stand behind it.
//!
//! A *leg* is one INVITE dialog with one gateway, named by whoever orders it. Time is a
//! [`Duration`] since an arbitrary start that never goes back.

use std::net::SocketAddr;
use std::time::Duration;

/// The caller's handle of one INVITE dialog. Unique among the legs that live and, for 64*T1, among
/// those that ended; the node puts it into the Via branch and the local tag, so that an answer
/// finds its leg without a search.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LegId(pub u64);

/// A gateway, by its place in the configuration.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct GatewayId(pub u16);

/// What identifies a try on the wire. Made before the INVITE and kept durably, so that another
/// process can cancel it. See [`crate::ids`] for how they are made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DialIds {
    /// SIP Call-ID.
    pub call_id: String,
    /// Tag of our From.
    pub from_tag: String,
    /// CSeq of the first INVITE. A repeat with credentials counts one up.
    pub cseq: u32,
    /// Via branch of the first INVITE. A repeat's branch is derived from it.
    pub branch: String,
}

/// What the user agent is told to do.
#[derive(Clone, PartialEq, Debug)]
pub enum SipOrder {
    /// Send an INVITE.
    Dial(Box<Dial>),
    /// ACK the 2xx that was handed up as [`SipHeard::Answered`]. The user agent ACKs nothing by
    /// itself but repeats of what was accepted, forks, and late or crossed 2xx; an answer that is
    /// not accepted within 10 s gets ACK and BYE.
    Accept(LegId),
    /// End a try that has no final answer. Waits for the first provisional (RFC 3261, 9.1).
    Cancel(LegId, Option<Reason>),
    /// Answer the re-INVITE that was handed up as [`SipHeard::Reinvited`]: with SDP, 200; without,
    /// 488.
    AnswerReinvite(LegId, Option<Vec<u8>>),
    /// Offer new SDP in the dialog (hold, resume). The answer is [`SipHeard::Renegotiated`].
    Reinvite(LegId, Vec<u8>),
    /// Hang up. Sent after our ACK, whatever the order they are given in.
    Bye(LegId, Option<Reason>),
    /// Send a digit by INFO (`application/dtmf-relay`).
    SendInfo(LegId, Vec<u8>),
    /// Cancel or hang up what an earlier process left open, for 64*T1.
    CloseOrphan(Box<Orphan>),
}

/// An INVITE to send.
#[derive(Clone, PartialEq, Debug)]
pub struct Dial {
    /// The name of the new leg.
    pub leg: LegId,
    /// Through which gateway.
    pub gateway: GatewayId,
    /// What identifies it.
    pub ids: DialIds,
    /// The user part of the Request-URI and of To: the number. Escaped by the user agent.
    pub to: String,
    /// The user part of From: the number to show; the gateway's own user, else `anonymous`, when
    /// absent.
    pub from: Option<String>,
    /// The SDP offer.
    pub offer: Vec<u8>,
}

/// What an earlier process left open: a try that was started and has no end.
#[derive(Clone, PartialEq, Debug)]
pub struct Orphan {
    /// A name for it, as for a new leg.
    pub leg: LegId,
    /// The gateway it went to.
    pub gateway: GatewayId,
    /// What identifies it.
    pub ids: DialIds,
    /// As in [`Dial`].
    pub to: String,
    /// As in [`Dial`].
    pub from: Option<String>,
    /// The callee's half of the dialog, when the call had been answered: then BYE, else CANCEL.
    pub answered: Option<RemoteDialog>,
}

/// The callee's half of a dialog (RFC 3261, 12.1.2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RemoteDialog {
    /// Tag of their To.
    pub remote_tag: String,
    /// Their Contact.
    pub target: String,
    /// The Route set, in the order we send it.
    pub route: Vec<String>,
    /// CSeq of the INVITE that was answered.
    pub cseq: u32,
}

/// A Reason header (RFC 3326): why a request or a refusal was sent.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reason {
    /// The Q.850 cause (RFC 6432).
    pub q850: Option<u16>,
    /// The SIP status, as on the CANCEL of a call answered elsewhere.
    pub sip: Option<u16>,
    /// The text.
    pub text: Option<String>,
}

/// What the user agent heard or found out, to be told to the call.
#[derive(Clone, PartialEq, Debug)]
pub enum SipHeard {
    /// A provisional answer: 100, 18x. `sdp` is the body of one that carries SDP.
    Progress {
        /// Which leg.
        leg: LegId,
        /// The status.
        status: u16,
        /// Early media's SDP: the answer, when it is the first of its dialog.
        sdp: Option<Vec<u8>>,
    },
    /// A 2xx that wants [`SipOrder::Accept`].
    Answered {
        /// Which leg.
        leg: LegId,
        /// The status, 200 most often.
        status: u16,
        /// Its SDP; when absent, that of the reliable provisional before it.
        sdp: Option<Vec<u8>>,
        /// The callee's half of the dialog.
        dialog: RemoteDialog,
    },
    /// The INVITE was refused, or it failed. The leg is over.
    Refused {
        /// Which leg.
        leg: LegId,
        /// How.
        refusal: Box<Refusal>,
    },
    /// The INVITE that we cancelled ended without an answer (487, another final, or silence for
    /// 64*T1). The leg is over.
    Cancelled {
        /// Which leg.
        leg: LegId,
        /// The final status, when one came.
        status: Option<u16>,
    },
    /// A 2xx crossed our CANCEL: it was acknowledged and hung up. The leg is over.
    LateAnswerClosed {
        /// Which leg.
        leg: LegId,
        /// The status.
        status: u16,
    },
    /// The callee wants to change the session. Answer with [`SipOrder::AnswerReinvite`].
    Reinvited {
        /// Which leg.
        leg: LegId,
        /// Their offer; when absent they want ours.
        sdp: Option<Vec<u8>>,
    },
    /// Our re-INVITE was answered: their SDP, or the status they refused it with.
    Renegotiated {
        /// Which leg.
        leg: LegId,
        /// Their answer.
        result: Result<Vec<u8>, u16>,
    },
    /// An INFO came in the dialog, and was answered with 200.
    Info {
        /// Which leg.
        leg: LegId,
        /// Its Content-Type, in lower case.
        content_type: String,
        /// Its body.
        body: Vec<u8>,
    },
    /// The dialog ended: their BYE, an expired session, a 481. The leg is over.
    HungUp {
        /// Which leg.
        leg: LegId,
        /// What ended it.
        by: HungUpBy,
        /// The Reason of their BYE.
        reason: Reason,
    },
    /// Our BYE was answered, or nobody answered it for 64*T1. The leg is over.
    Closed {
        /// Which leg.
        leg: LegId,
    },
    /// What is known of a gateway changed: OPTIONS, REGISTER, DNS, Retry-After.
    Gateway {
        /// Which gateway.
        gateway: GatewayId,
        /// How it is.
        health: GatewayHealth,
    },
}

/// What ended a dialog that was up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HungUpBy {
    /// Their BYE.
    Bye,
    /// 481 or 408 to a request of ours in the dialog (RFC 3261, 12.2.1.2).
    DialogLost,
    /// The session timer ran out (RFC 4028).
    SessionExpired,
    /// The answer was not accepted in time, and we hung up.
    NotAccepted,
}

/// A final answer to an INVITE that is no 2xx, or its failure.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// Who says so.
    pub source: RefusalSource,
    /// The reason phrase, as it came.
    pub phrase: String,
    /// The Reason headers, read.
    pub reason: Reason,
    /// The Reason headers, as they came.
    pub reason_raw: Option<String>,
    /// How long the gateway asked to be left alone.
    pub retry_after: Option<Duration>,
    /// The Contacts of a 3xx, best first.
    pub contacts: Vec<String>,
}

/// Who ended a try.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RefusalSource {
    /// The network, with this final status.
    Network(u16),
    /// Nobody: Timer B ran out without a provisional.
    TimerB,
    /// The transport: no route, connection refused, ICMP.
    Transport,
    /// DNS: the gateway's name has no address.
    Dns,
    /// The call could not be put into a message, such as a number with a line break.
    Unsendable,
}

/// How a gateway is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GatewayHealth {
    /// It answers OPTIONS with 2xx, or REGISTER succeeded, or nothing speaks against it.
    Up,
    /// It does not, and why.
    Down {
        /// The reason, for people.
        why: String,
    },
    /// It asked to be left alone for so long (503 or 480 with Retry-After).
    HeldBack {
        /// From now.
        for_: Duration,
    },
}

/// How a gateway is reached, and as whom.
#[derive(Clone, PartialEq, Debug)]
pub struct GatewayConfig {
    /// Host name or address of its SIP URI.
    pub host: String,
    /// Its port; by SRV or 5060 when absent (RFC 3263).
    pub port: Option<u16>,
    /// How messages travel.
    pub transport: Transport,
    /// What it asks of us.
    pub credentials: Option<Credentials>,
    /// Whether to keep a registration there (RFC 3261, 10).
    pub register: bool,
    /// How often to ask whether it is alive (OPTIONS); never when absent.
    pub options_every: Option<Duration>,
    /// How long an INVITE waits for a first answer: Timer B, 64*T1 when absent.
    pub answer_within: Option<Duration>,
    /// Whether it may see P-Asserted-Identity (RFC 3325, 9.1).
    pub trusted: bool,
    /// Whether the Contacts of a 3xx are followed when they lead to this same gateway.
    pub follow_redirects: bool,
    /// Wished Session-Expires of our calls (RFC 4028); none when absent.
    pub session_expires: Option<Duration>,
}

/// What a challenge is answered with. Not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// User name.
    pub username: String,
    /// Password.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({}, …)", self.username)
    }
}

/// How SIP messages travel.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Transport {
    /// Datagrams; requests over 1300 bytes go by TCP (RFC 3261, 18.1.1).
    Udp,
    /// A stream.
    Tcp,
}

/// One way to a peer. A TCP peer is one connection: the shell keeps it, opens it again when it
/// must, and says so when it cannot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Peer {
    /// How.
    pub transport: Transport,
    /// Where.
    pub address: SocketAddr,
}

/// Where a gateway's name leads (RFC 3263): the answer to [`Output::Resolve`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Targets {
    /// The addresses, in the order to try them: priority and weight of SRV are applied.
    pub peers: Vec<Peer>,
    /// How long they are good for: the shortest time to live of the records.
    pub ttl: Duration,
}

/// What the user agent wants done by its shell.
#[derive(Clone, PartialEq, Debug)]
pub enum Output {
    /// Put these bytes on the wire, whole.
    Transmit {
        /// Whereto.
        to: Peer,
        /// One SIP message.
        bytes: Vec<u8>,
    },
    /// Find the addresses of a gateway (RFC 3263), and answer with `resolved`.
    Resolve {
        /// For whom.
        gateway: GatewayId,
        /// The name.
        host: String,
        /// The port, when the URI gave one: then no SRV.
        port: Option<u16>,
        /// The transport the URI gave.
        transport: Transport,
    },
    /// Tell the call.
    Heard(SipHeard),
}
