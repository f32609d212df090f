//! A script: what the callees do, what the owner of the leg orders, and when.

use std::net::SocketAddr;
use std::time::Duration;

use sip::port::{Credentials, GatewayConfig, Peer, Reason, Transport};

use super::text::Text;

/// Milliseconds.
pub const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\n";
pub const ANSWER: &str = "v=0\r\no=- 9 9 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\nm=audio 30000 RTP/AVP 8\r\n";

/// Where our user agent is.
pub const US: &str = "10.0.0.1:5060";
/// Where the gateway of a script is, when it says nothing else.
pub const GATEWAY: &str = "10.0.0.9:5060";

/// A response of the callee.
#[derive(Clone, Debug)]
pub struct Say {
    pub status: u16,
    pub tag: &'static str,
    /// Sent reliably (RFC 3262), with this RSeq.
    pub rseq: Option<u32>,
    /// `HERE` stands for the callee's address.
    pub contact: Option<&'static str>,
    /// More header lines.
    pub headers: Vec<&'static str>,
    pub sdp: Option<&'static str>,
}

/// A request of the callee, in the dialog.
#[derive(Clone, Debug)]
pub struct Ask {
    pub method: &'static str,
    pub headers: Vec<&'static str>,
    pub content_type: &'static str,
    pub body: &'static str,
    /// Instead of the next CSeq number.
    pub cseq: Option<u32>,
    /// Instead of the tag of the dialog.
    pub tag: Option<&'static str>,
    /// What the ACK to a 2xx carries.
    pub ack_sdp: &'static str,
    /// Does not wait for the ACK to the callee's 2xx, as it should (RFC 3261, 15).
    pub impatient: bool,
}

#[derive(Clone, Debug)]
pub enum Act {
    Say(Say),
    Ask(Ask),
    /// CANCEL of the last request that was asked.
    CancelAsk,
}

impl Act {
    /// The same in another dialog.
    pub fn retag(&mut self, nth: usize) {
        let tag = match self {
            Self::Say(say) => &mut say.tag,
            Self::Ask(ask) => ask.tag.get_or_insert("c"),
            Self::CancelAsk => return,
        };
        if !tag.is_empty() {
            *tag = Box::leak(format!("{tag}-{nth}").into_boxed_str());
        }
    }
}

/// Something the callee does, so long after the INVITE.
#[derive(Clone, Debug)]
pub struct Step {
    pub after: Duration,
    pub act: Act,
}

/// A response so long after the INVITE. An 18x or a 2xx has a tag and a Contact, a 2xx SDP.
pub fn say(after: u64, status: u16) -> Step {
    let session = (200..300).contains(&status);
    let contact = (101..300).contains(&status).then_some("<sip:callee@HERE>");
    let sdp = session.then_some(ANSWER);
    let say = Say {
        status,
        tag: if status == 100 { "" } else { "c" },
        rseq: None,
        contact,
        headers: vec![],
        sdp,
    };
    Step { after: ms(after), act: Act::Say(say) }
}

/// A request in the dialog, so long after the INVITE.
pub fn ask(after: u64, method: &'static str) -> Step {
    let ask = Ask {
        method,
        headers: vec![],
        content_type: "application/sdp",
        body: "",
        cseq: None,
        tag: None,
        ack_sdp: "",
        impatient: false,
    };
    Step { after: ms(after), act: Act::Ask(ask) }
}

/// The callee takes back the request that it asked last.
pub fn cancel_ask(after: u64) -> Step {
    Step { after: ms(after), act: Act::CancelAsk }
}

impl Step {
    fn said(mut self, change: impl FnOnce(&mut Say)) -> Self {
        match &mut self.act {
            Act::Say(say) => change(say),
            _ => panic!("not a response"),
        }
        self
    }

    fn asked(mut self, change: impl FnOnce(&mut Ask)) -> Self {
        match &mut self.act {
            Act::Ask(ask) => change(ask),
            _ => panic!("not a request"),
        }
        self
    }

    pub fn tag(self, tag: &'static str) -> Self {
        match self.act {
            Act::Ask(_) => self.asked(|a| a.tag = Some(tag)),
            _ => self.said(|s| s.tag = tag),
        }
    }

    pub fn contact(self, contact: &'static str) -> Self {
        self.said(|s| s.contact = Some(contact))
    }

    pub fn no_contact(self) -> Self {
        self.said(|s| s.contact = None)
    }

    pub fn header(self, line: &'static str) -> Self {
        match self.act {
            Act::Ask(_) => self.asked(|a| a.headers.push(line)),
            _ => self.said(|s| s.headers.push(line)),
        }
    }

    pub fn reliable(self, rseq: u32) -> Self {
        self.said(|s| s.rseq = Some(rseq))
    }

    pub fn sdp(self, sdp: &'static str) -> Self {
        match self.act {
            Act::Ask(_) => self.asked(|a| a.body = sdp),
            _ => self.said(|s| s.sdp = Some(sdp)),
        }
    }

    pub fn no_sdp(self) -> Self {
        self.said(|s| s.sdp = None)
    }

    pub fn cseq(self, cseq: u32) -> Self {
        self.asked(|a| a.cseq = Some(cseq))
    }

    pub fn body(self, content_type: &'static str, body: &'static str) -> Self {
        self.asked(|a| (a.content_type, a.body) = (content_type, body))
    }

    pub fn impatient(self) -> Self {
        self.asked(|a| a.impatient = true)
    }

    pub fn ack_sdp(self, sdp: &'static str) -> Self {
        self.asked(|a| a.ack_sdp = sdp)
    }
}

/// How a request other than the first INVITE is answered; `None` is silence.
pub type Reply = Option<(u16, Vec<&'static str>, &'static str)>;

/// What one callee does.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The steps after its first INVITE, its second, and so on; the last ones after all others.
    pub invites: Vec<Vec<Step>>,
    /// How its first, second, … request of a method is answered; 200 when nothing is said. The
    /// method `reINVITE` is an INVITE in the dialog.
    pub replies: Vec<(&'static str, Vec<Reply>)>,
    /// Does not answer CANCEL, nor end the INVITE by it.
    pub ignores_cancel: bool,
    /// Answers CANCEL so, and goes on with the INVITE.
    pub refuses_cancel: Option<u16>,
    /// The tag of its 487.
    pub cancel_tag: Option<&'static str>,
    /// Its 2xx goes unrepeated, and it acknowledges nothing.
    pub mute: bool,
    /// The address that it sees our messages come from (RFC 3581).
    pub sees_us_as: Option<&'static str>,
}

impl Plan {
    pub fn invite(steps: impl IntoIterator<Item = Step>) -> Self {
        Self::default().then(steps)
    }

    /// What the next INVITE is met with.
    pub fn then(mut self, steps: impl IntoIterator<Item = Step>) -> Self {
        self.invites.push(steps.into_iter().collect());
        self
    }

    /// The next request of that method is answered so, with these headers.
    pub fn reply(self, method: &'static str, status: u16, headers: &[&'static str]) -> Self {
        self.reply_sdp(method, status, headers, "")
    }

    pub fn reply_sdp(
        mut self,
        method: &'static str,
        status: u16,
        headers: &[&'static str],
        sdp: &'static str,
    ) -> Self {
        self.push(method, Some((status, headers.to_vec(), sdp)));
        self
    }

    /// The next request of that method gets no answer.
    pub fn silence(mut self, method: &'static str) -> Self {
        self.push(method, None);
        self
    }

    fn push(&mut self, method: &'static str, reply: Reply) {
        match self.replies.iter_mut().find(|(m, _)| *m == method) {
            Some((_, replies)) => replies.push(reply),
            None => self.replies.push((method, vec![reply])),
        }
    }

    pub fn refusing_cancel(mut self, status: u16) -> Self {
        self.refuses_cancel = Some(status);
        self
    }

    pub fn cancel_tag(mut self, tag: &'static str) -> Self {
        self.cancel_tag = Some(tag);
        self
    }

    pub fn seeing_us_as(mut self, address: &'static str) -> Self {
        self.sees_us_as = Some(address);
        self
    }

    pub fn mute(mut self) -> Self {
        self.mute = true;
        self
    }

    pub fn ignoring_cancel(mut self) -> Self {
        self.ignores_cancel = true;
        self
    }
}

/// What the owner of the leg does at a moment.
#[derive(Clone, Debug, PartialEq)]
pub enum Wish {
    Accept,
    Cancel(Option<Reason>),
    Bye(Option<Reason>),
    Reinvite(&'static str),
    Info(&'static str),
}

/// When, where from, and what of our INVITE.
pub type Injection = (Duration, Peer, fn(&Text) -> String);

/// The whole of it.
#[derive(Clone, Debug)]
pub struct Script {
    pub gateway: GatewayConfig,
    /// Where the gateway's name leads, in order. Empty: DNS fails.
    pub targets: Vec<&'static str>,
    /// From then on DNS fails.
    pub dns_fails_after: Option<Duration>,
    pub callees: Vec<(SocketAddr, Plan)>,
    /// Where a datagram gets an ICMP error, and a connection is refused.
    pub refusing: Vec<(Transport, SocketAddr)>,
    pub wishes: Vec<(Duration, Wish)>,
    /// How long after `Answered` the owner accepts; never when absent.
    pub accept_after: Option<Duration>,
    /// How long after it accepted the owner hangs up; never when absent.
    pub talk: Option<Duration>,
    /// How the owner answers a re-INVITE.
    pub reinvite_answer: Option<&'static str>,
    /// The owner answers no re-INVITE at all.
    pub owner_sleeps: bool,
    /// The number that is dialled.
    pub to: &'static str,
    pub from: Option<&'static str>,
    pub offer: &'static str,
    /// Messages from anywhere, made of our INVITE: when, where from, what. They come whole.
    pub injections: Vec<Injection>,
    /// How many INVITE transactions the script may see.
    pub invites_max: usize,
    /// Our configured Contact.
    pub contact: Option<&'static str>,
}

impl Script {
    /// One callee behind one gateway; the owner accepts after 5 ms and hangs up 1 s later.
    pub fn new(plan: Plan) -> Self {
        Self {
            gateway: gateway(),
            targets: vec![GATEWAY],
            dns_fails_after: None,
            callees: vec![(GATEWAY.parse().unwrap(), plan)],
            refusing: vec![],
            wishes: vec![],
            accept_after: Some(ms(5)),
            talk: Some(ms(1000)),
            reinvite_answer: Some(ANSWER),
            owner_sleeps: false,
            to: "+8613800000017",
            from: Some("+8621000001"),
            offer: OFFER,
            injections: vec![],
            invites_max: 1,
            contact: Some(US),
        }
    }

    /// A call that is up from 30 ms on; the callee does these steps, and we hang up at 20 s.
    pub fn up(steps: impl IntoIterator<Item = Step>) -> Self {
        let plan = Plan::invite([say(0, 200)].into_iter().chain(steps));
        Self::new(plan).no_bye().at(20_000, Wish::Bye(None))
    }

    /// The same, with how the callee answers ours.
    pub fn up_with(change: impl FnOnce(Plan) -> Plan) -> Self {
        Self::new(change(Plan::invite([say(0, 200)]))).no_bye().at(20_000, Wish::Bye(None))
    }

    /// We hang up at 90 s only.
    pub fn later(self) -> Self {
        self.with(|s| s.wishes.retain(|(at, _)| *at != ms(20_000))).at(90_000, Wish::Bye(None))
    }

    /// The gateway asks for name and password, and gets these.
    pub fn with_account(self) -> Self {
        let (username, password) = ("trunk7".into(), "secret".into());
        self.gateway(|g| g.credentials = Some(Credentials { username, password }))
    }

    pub fn callee(mut self, address: &str, plan: Plan) -> Self {
        self.callees.push((address.parse().unwrap(), plan));
        self
    }

    pub fn at(mut self, after: u64, wish: Wish) -> Self {
        self.wishes.push((ms(after), wish));
        self
    }

    /// A datagram from somewhere, made of our INVITE.
    pub fn inject(mut self, after: u64, from: &str, what: fn(&Text) -> String) -> Self {
        let from = Peer { transport: Transport::Udp, address: from.parse().unwrap() };
        self.injections.push((ms(after), from, what));
        self
    }

    pub fn cancel_at(self, after: u64) -> Self {
        self.at(after, Wish::Cancel(None))
    }

    /// The owner does not hang up; the callee, or a wish, must.
    pub fn no_bye(mut self) -> Self {
        self.talk = None;
        self
    }

    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub fn gateway(mut self, change: impl FnOnce(&mut GatewayConfig)) -> Self {
        change(&mut self.gateway);
        self
    }

    /// How many INVITE transactions there may be.
    pub fn invites(mut self, max: usize) -> Self {
        self.invites_max = max;
        self
    }
}

/// A plain trunk.
pub fn gateway() -> GatewayConfig {
    GatewayConfig {
        host: "10.0.0.9".into(),
        port: None,
        transport: Transport::Udp,
        credentials: None,
        register: false,
        options_every: None,
        answer_within: None,
        trusted: false,
        follow_redirects: false,
        session_expires: None,
    }
}
