//! A callee: a user agent server as RFC 3261 wants it, that does what its plan says. It repeats
//! its finals until they are acknowledged, its reliable provisionals until PRACK, its own
//! requests until they are answered, and answers a repeat as it answered the first.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use sip::port::{Peer, Transport};

use super::script::{Act, Ask, Plan, Reply, Say, Step};
use super::text::Text;

// By its path: an example takes these files too.
#[path = "asking.rs"]
mod asking;

const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
const GIVE_UP: Duration = Duration::from_secs(32);

/// What goes out, and from where.
pub struct Sent {
    pub from: Peer,
    pub bytes: Vec<u8>,
}

/// An INVITE that came, in a dialog or not.
struct Invited {
    text: Text,
    transport: Transport,
    last: Option<Vec<u8>>,
    refused: bool,
    answered: bool,
    rings: bool,
}

/// A message that is sent again and again until something comes.
struct Repeat {
    until: Until,
    from: Peer,
    bytes: Vec<u8>,
    interval: Duration,
    at: Duration,
    ends: Duration,
}

/// What ends a repetition.
#[derive(PartialEq)]
enum Until {
    /// An ACK with this branch (of a refusal).
    AckTo(String),
    /// An ACK in this dialog with this CSeq (of a 2xx).
    Ack(String, u32),
    /// A PRACK with this RAck.
    Prack(String),
    /// A final answer to the request of this branch.
    Answer(String),
}

pub struct Callee {
    address: SocketAddr,
    plan: Plan,
    invited: Vec<Invited>,
    /// Answers given, by method and branch.
    given: BTreeMap<(String, String), Option<Vec<u8>>>,
    counts: BTreeMap<String, usize>,
    repeats: Vec<Repeat>,
    steps: Vec<(Duration, usize, Act)>,
    asks: Vec<(String, Ask, Text)>,
    cseq: u32,
    /// Tags and CSeqs of our 2xx that were acknowledged.
    acked: BTreeSet<(String, u32)>,
    /// Tags whose dialog was hung up, by a BYE that came or one that we sent.
    byed: BTreeSet<String>,
    /// Tags and CSeqs of our 2xx.
    accepted: BTreeSet<(String, u32)>,
    /// Requests of ours that got no answer.
    unanswered: usize,
    pub out: VecDeque<Sent>,
}

impl Callee {
    pub fn new(address: SocketAddr, plan: Plan) -> Self {
        Self {
            address,
            plan,
            invited: vec![],
            given: BTreeMap::new(),
            counts: BTreeMap::new(),
            repeats: vec![],
            steps: vec![],
            asks: vec![],
            cseq: 100,
            acked: BTreeSet::new(),
            byed: BTreeSet::new(),
            accepted: BTreeSet::new(),
            unanswered: 0,
            out: VecDeque::new(),
        }
    }

    /// What it still believes to be going on, of that which `heard` says the other side knows of:
    /// the tag and CSeq of a 2xx, the branch of a 1xx.
    pub fn open(
        &self,
        heard: impl Fn(&str, u32) -> bool,
        rang: impl Fn(&str) -> bool,
    ) -> Vec<String> {
        let mut open = vec![];
        if self.unanswered > 0 {
            open.push("a request of the callee has no answer".to_owned());
        }
        for (tag, cseq) in self.accepted.iter().filter(|(tag, cseq)| heard(tag, *cseq)) {
            let acked = self.acked.contains(&(tag.clone(), *cseq));
            // One in five is lost: now and then each of three ACKs. Then the BYE ends it.
            if !acked && !self.byed.contains(tag) && !self.plan.mute {
                open.push(format!("the callee's {tag} has no ACK for its 2xx to {cseq} INVITE"));
            }
            if !self.byed.contains(tag) {
                open.push(format!("the callee's {tag} is in an open call"));
            }
        }
        let rings = |i: &&Invited| i.rings && !i.refused && !i.answered && rang(i.text.branch());
        if !self.plan.ignores_cancel && self.plan.refuses_cancel.is_none() {
            open.extend(self.invited.iter().filter(rings).map(|_| "the callee rings".into()));
        }
        open
    }

    /// When something is due.
    pub fn next(&self) -> Option<Duration> {
        let steps = self.steps.iter().map(|(at, ..)| *at);
        steps.chain(self.repeats.iter().map(|r| r.at.min(r.ends))).min()
    }

    pub fn timeout(&mut self, now: Duration) {
        while let Some(at) = self.steps.iter().position(|(at, ..)| *at <= now) {
            let (_, invite, act) = self.steps.remove(at);
            match act {
                Act::Say(say) => self.say(now, invite, &say),
                Act::Ask(ask) => self.ask(now, invite, ask),
                Act::CancelAsk => self.cancel_ask(now),
            }
        }
        let unanswered = |r: &&Repeat| r.ends <= now && matches!(r.until, Until::Answer(_));
        self.unanswered += self.repeats.iter().filter(unanswered).count();
        self.repeats.retain(|r| r.ends > now);
        for repeat in &mut self.repeats {
            if repeat.at <= now {
                repeat.interval = (repeat.interval * 2).min(T2);
                repeat.at = now + repeat.interval;
                self.out.push_back(Sent { from: repeat.from, bytes: repeat.bytes.clone() });
            }
        }
    }

    pub fn receive(&mut self, now: Duration, transport: Transport, bytes: &[u8]) {
        let text = Text::of(bytes);
        if text.status().is_some() {
            return self.answered(now, &text);
        }
        match text.method() {
            "INVITE" => self.invite(now, transport, text),
            "ACK" => self.ack(&text),
            "CANCEL" => self.cancel(now, transport, &text),
            _ => self.request(now, transport, &text, None),
        }
    }

    fn invite(&mut self, now: Duration, transport: Transport, text: Text) {
        if let Some(known) = self.invited.iter().find(|i| i.text.branch() == text.branch()) {
            if let Some(bytes) = known.last.clone().filter(|_| !known.answered) {
                self.send(transport, bytes);
            }
            return;
        }
        let (transport, in_dialog) = (transport, !text.tag("To").is_empty());
        self.invited.push(Invited {
            text: text.clone(),
            transport,
            last: None,
            refused: false,
            answered: false,
            rings: false,
        });
        let invite = self.invited.len() - 1;
        if in_dialog {
            return self.reinvite(now, invite, &text);
        }
        let nth = self.invited.iter().filter(|i| i.text.tag("To").is_empty()).count() - 1;
        let mut steps =
            self.plan.invites.get(nth).or(self.plan.invites.last()).cloned().unwrap_or_default();
        // An INVITE beside another one is another call to it, with tags of its own.
        let beside = |i: &Invited| i.text.tag("To").is_empty() && !i.refused;
        if self.invited[..invite].iter().any(beside) {
            steps.iter_mut().for_each(|step| step.act.retag(nth));
        }
        self.steps.extend(steps.into_iter().map(|Step { after, act }| (now + after, invite, act)));
        self.timeout(now);
    }

    fn reinvite(&mut self, now: Duration, invite: usize, text: &Text) {
        let tag = text.tag("To").to_owned();
        let reply = self.reply_to("reINVITE", Some((200, vec![], super::script::ANSWER)));
        let Some((status, headers, sdp)) = reply else { return };
        let contact = (status < 300).then_some("<sip:callee@HERE>");
        let sdp = (!sdp.is_empty()).then_some(sdp);
        let tag = Box::leak(tag.into_boxed_str());
        self.say(now, invite, &Say { status, tag, rseq: None, contact, headers, sdp });
    }

    fn say(&mut self, now: Duration, invite: usize, say: &Say) {
        let invited = &mut self.invited[invite];
        // A 2xx of another fork may follow anything, through a proxy that has refused the call.
        let session = (200..300).contains(&say.status);
        if !session && (invited.refused || invited.answered) {
            return;
        }
        let text = invited.text.clone();
        let mut headers: Vec<String> = say.headers.iter().map(|h| h.to_string()).collect();
        if let Some(contact) = say.contact {
            headers
                .push(format!("Contact: {}", contact.replace("HERE", &self.address.to_string())));
        }
        if let Some(rseq) = say.rseq {
            headers.extend(["Require: 100rel".into(), format!("RSeq: {rseq}")]);
        }
        let bytes = self.plan.response(
            &text,
            say.status,
            say.tag,
            &headers,
            "application/sdp",
            say.sdp.unwrap_or(""),
        );
        let invited = &mut self.invited[invite];
        invited.last = Some(bytes.clone());
        let transport = invited.transport;
        invited.rings |= (101..200).contains(&say.status);
        invited.refused |= say.status >= 300;
        invited.answered |= (200..300).contains(&say.status);
        let until = match (say.status, say.rseq) {
            (..200, Some(rseq)) => {
                Some(Until::Prack(format!("{rseq} {} INVITE {}", text.cseq(), say.tag)))
            }
            (..200, None) => None,
            (200..300, _) if self.plan.mute => None,
            (200..300, _) => Some(Until::Ack(say.tag.to_owned(), text.cseq())),
            _ => Some(Until::AckTo(text.branch().to_owned())),
        };
        if (200..300).contains(&say.status) {
            self.accepted.insert((say.tag.to_owned(), text.cseq()));
        }
        self.send(transport, bytes.clone());
        if let Some(until) = until {
            // On a stream a 2xx is still repeated (RFC 3261, 13.3.1.4), all else is not.
            let again = transport == Transport::Udp || matches!(until, Until::Ack(..));
            self.repeat(now, until, transport, bytes, again);
        }
    }

    fn ack(&mut self, text: &Text) {
        self.acked.insert((text.tag("To").to_owned(), text.cseq()));
        let by_dialog = Until::Ack(text.tag("To").to_owned(), text.cseq());
        let by_branch = Until::AckTo(text.branch().to_owned());
        self.repeats.retain(|r| r.until != by_dialog && r.until != by_branch);
    }

    fn cancel(&mut self, now: Duration, transport: Transport, text: &Text) {
        if self.plan.ignores_cancel {
            return;
        }
        if let Some(status) = self.plan.refuses_cancel {
            return self.request(now, transport, text, Some((status, vec![], "")));
        }
        let invite = self.invited.iter().position(|i| i.text.branch() == text.branch());
        let status = if invite.is_some() { 200 } else { 481 };
        self.request(now, transport, text, Some((status, vec![], "")));
        if let Some(invite) =
            invite.filter(|&i| !self.invited[i].answered && !self.invited[i].refused)
        {
            self.steps.retain(|(_, of, _)| *of != invite);
            let tag = self.plan.cancel_tag.unwrap_or("c");
            let say =
                Say { status: 487, tag, rseq: None, contact: None, headers: vec![], sdp: None };
            self.say(now, invite, &say);
        }
    }

    /// A request that is no INVITE: answered as the plan says, or 200, a repeat as the first.
    fn request(&mut self, _now: Duration, transport: Transport, text: &Text, forced: Reply) {
        if text.method() == "BYE" {
            self.byed.insert(text.tag("To").to_owned());
        }
        let key = (text.method().to_owned(), text.branch().to_owned());
        if let Some(bytes) = self.given.get(&key).cloned() {
            if let Some(bytes) = bytes {
                self.send(transport, bytes);
            }
            return;
        }
        let reply = forced.or_else(|| self.reply_to(text.method(), Some((200, vec![], ""))));
        if text.method() == "PRACK" {
            let rack = Until::Prack(format!("{} {}", text.header("RAck"), text.tag("To")));
            self.repeats.retain(|r| r.until != rack);
        }
        let bytes = reply.map(|(status, headers, sdp)| {
            let mut headers: Vec<String> = headers.into_iter().map(str::to_owned).collect();
            if text.method() == "REGISTER" && status == 200 {
                // `expires=40` is said in the Contact, as registrars do.
                let granted = headers.iter().position(|h| h.starts_with("expires="));
                let granted = granted.map(|at| format!(";{}", headers.remove(at)));
                let granted = granted.unwrap_or_default();
                headers.push(format!(
                    "Contact: <sip:other@10.9.9.9>;expires=7, {}{granted}",
                    text.header("Contact")
                ));
            }
            self.plan.response(text, status, "c", &headers, "application/sdp", sdp)
        });
        self.given.insert(key, bytes.clone());
        if let Some(bytes) = bytes {
            self.send(transport, bytes);
        }
    }

    fn reply_to(&mut self, method: &str, otherwise: Reply) -> Reply {
        let nth = self.counts.entry(method.to_owned()).or_default();
        *nth += 1;
        let replies =
            self.plan.replies.iter().find(|(m, _)| *m == method).map(|(_, replies)| replies);
        replies.and_then(|replies| replies.get(*nth - 1).cloned()).unwrap_or(otherwise)
    }

    fn here(&self, transport: Transport) -> Peer {
        Peer { transport, address: self.address }
    }

    fn send(&mut self, transport: Transport, bytes: Vec<u8>) {
        let from = self.here(transport);
        self.out.push_back(Sent { from, bytes });
    }

    fn repeat(
        &mut self,
        now: Duration,
        until: Until,
        transport: Transport,
        bytes: Vec<u8>,
        again: bool,
    ) {
        if again {
            let from = self.here(transport);
            self.repeats.push(Repeat {
                until,
                from,
                bytes,
                interval: T1,
                at: now + T1,
                ends: now + GIVE_UP,
            });
        }
    }
}
