//! One run of a script.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use sip::ids::{Owner, dial_ids};
use sip::port::{
    Dial, GatewayId, LegId, Output, Peer, Refusal, SipHeard, SipOrder, Targets, Transport,
};
use sip::{Options, UserAgent};

use super::callee::Callee;
use super::network::{Faults, Flying, Network};
use super::promises::Promises;
use super::script::{Script, US, Wish, ms};
use super::text::Text;

/// What came of a run.
pub struct Run {
    /// One line for each message and each thing heard, with its time in milliseconds.
    pub ladder: String,
    /// Every message we sent, and whereto.
    pub sent: Vec<(Peer, Text)>,
    pub heard: Vec<SipHeard>,
    pub broken: Vec<String>,
    pub datagrams: usize,
    pub agent: UserAgent,
}

impl Run {
    /// The messages of a method that we sent, repeats left out.
    pub fn requests(&self, method: &str) -> Vec<&Text> {
        let mut requests: Vec<&Text> = Vec::new();
        for (_, text) in self.sent.iter().filter(|(_, text)| text.method() == method) {
            if !requests.contains(&text) {
                requests.push(text);
            }
        }
        requests
    }

    /// The only one of them.
    pub fn request(&self, method: &str) -> &Text {
        match self.requests(method)[..] {
            [one] => one,
            ref many => panic!("{} different {method}\n{}", many.len(), self.ladder),
        }
    }

    /// How the call was refused.
    pub fn refusal(&self) -> &Refusal {
        let refused = self.heard.iter().find_map(|heard| match heard {
            SipHeard::Refused { refusal, .. } => Some(&**refusal),
            _ => None,
        });
        refused.unwrap_or_else(|| panic!("not refused\n{}", self.ladder))
    }

    /// Our answers of that status.
    pub fn responses(&self, status: u16) -> Vec<&Text> {
        let texts = self.sent.iter().map(|(_, text)| text);
        texts.filter(|text| text.status() == Some(status)).collect()
    }

    /// How often a request of that method was sent, repeats counted.
    pub fn count(&self, method: &str) -> usize {
        self.sent.iter().filter(|(_, text)| text.method() == method).count()
    }
}

pub const LEG: LegId = LegId(1);
/// What the ids of a call are made of, beside its leg.
const RANDOM: u128 = 0x1234_5678_9abc_def0_1357_9bdf_0246_8ace;
/// A run that needs more steps than this does not end by itself.
const STEPS_MAX: usize = 20_000;

pub struct World {
    now: Duration,
    script: Script,
    network: Network,
    promises: Promises,
    callees: BTreeMap<SocketAddr, Callee>,
    /// What the owner, DNS and the transport do, and when.
    due: Vec<(Duration, Due)>,
    /// Nobody is there before.
    deaf_until: Duration,
    run: Run,
}

enum Due {
    Order(SipOrder),
    Resolved(GatewayId),
    Failed(Peer),
    Inject(Peer, fn(&Text) -> String),
}

impl World {
    pub fn new(script: Script, faults: Faults) -> Self {
        let mut options = Options::new(US.parse().unwrap(), vec![script.gateway.clone()]);
        options.contact = script.contact.map(|contact| contact.parse().unwrap());
        options.user_agent = "Callfold".into();
        let agent = UserAgent::new(options, [7; 32]);
        let callees = script.callees.iter().map(|(at, plan)| (*at, Callee::new(*at, plan.clone())));
        Self {
            now: Duration::ZERO,
            callees: callees.collect(),
            network: Network::new(faults),
            promises: Promises::default(),
            due: vec![],
            deaf_until: Duration::ZERO,
            run: Run {
                ladder: String::new(),
                sent: vec![],
                heard: vec![],
                broken: vec![],
                datagrams: 0,
                agent,
            },
            script,
        }
    }

    /// Dials, and lets everything happen until nothing waits any more.
    pub fn call(mut self) -> Run {
        for (at, wish) in self.script.wishes.clone() {
            self.due.push((at, Due::Order(order(wish))));
        }
        for (at, from, what) in self.script.injections.clone() {
            self.due.push((at, Due::Inject(from, what)));
        }
        self.calls(&[0])
    }

    /// Dials several times.
    pub fn calls(mut self, at: &[u64]) -> Run {
        for (leg, at) in (LEG.0..).map(LegId).zip(at) {
            let dial = self.dial(leg);
            self.due.insert(0, (ms(*at), Due::Order(SipOrder::Dial(Box::new(dial)))));
        }
        self.go(None);
        self.finish(at.len())
    }

    fn dial(&self, leg: LegId) -> Dial {
        Dial {
            leg,
            gateway: GatewayId(0),
            ids: dial_ids(Owner { shard: 0, leg }, RANDOM),
            to: self.script.to.into(),
            from: self.script.from.map(str::to_owned),
            offer: self.script.offer.into(),
        }
    }

    /// An earlier process, that called the leg so, sent its INVITE at 0 and is gone. `resend` is
    /// what its last repeat added to the branch.
    pub fn left_behind(&mut self, leg: LegId, resend: &str) {
        let mut options = Options::new(US.parse().unwrap(), vec![self.script.gateway.clone()]);
        options.contact = Some(US.parse().unwrap());
        let mut agent = UserAgent::new(options, [9; 32]);
        agent.order(Duration::ZERO, SipOrder::Dial(Box::new(self.dial(leg))));
        while let Some(output) = agent.poll_output() {
            if let Output::Transmit { to, bytes } = output {
                let turn: u32 = resend.trim_start_matches('.').parse().unwrap_or(0);
                let text = String::from_utf8(bytes).unwrap();
                let text = text.replacen(";rport", &format!("{resend};rport"), 1);
                let text = text.replacen("CSeq: 1", &format!("CSeq: {}", 1 + turn), 1);
                self.network.send(Duration::ZERO, Flying::honest(false, to, text.into()));
            }
        }
        // What it heard died with it.
        self.deaf_until = ms(5000);
    }

    /// The transport reports an error for datagrams to that address.
    pub fn fail_at(&mut self, after: u64, address: &str) {
        let peer = Peer { transport: Transport::Udp, address: address.parse().unwrap() };
        self.due.push((ms(after), Due::Failed(peer)));
    }

    /// Runs a script without a call for so long: registrations, probes.
    pub fn idle(mut self, until: Duration) -> Run {
        self.go(Some(until));
        let invites_max = self.script.invites_max;
        self.run.broken = self.promises.at_the_end(0, invites_max, self.callees.values());
        self.run
    }

    /// Orders that the script has no word for, then runs to the end.
    pub fn ordered(mut self, orders: Vec<(Duration, SipOrder)>) -> Run {
        let legs = orders.len();
        self.promises.orphans = true;
        self.due.extend(orders.into_iter().map(|(at, order)| (at, Due::Order(order))));
        self.go(None);
        self.finish(legs)
    }

    fn finish(mut self, legs: usize) -> Run {
        self.run.broken =
            self.promises.at_the_end(legs, self.script.invites_max, self.callees.values());
        if self.run.agent.legs() > 0 {
            self.run.broken.push(format!("{} legs held at the end", self.run.agent.legs()));
        }
        self.run.datagrams = self.network.datagrams;
        self.run
    }

    fn go(&mut self, until: Option<Duration>) {
        self.drain();
        for _ in 0..STEPS_MAX {
            let owner = self.due.iter().map(|(at, _)| *at).min();
            let callees = self.callees.values().filter_map(Callee::next).min();
            let agent = self.run.agent.poll_timeout();
            let next = [self.network.next(), owner, callees, agent].into_iter().flatten().min();
            let Some(next) = next.filter(|next| until.is_none_or(|until| *next <= until)) else {
                return;
            };
            self.now = self.now.max(next);
            self.step();
            self.drain();
        }
        self.promises.broken.push("it does not end".into());
    }

    fn step(&mut self) {
        let now = self.now;
        if let Some(flying) = self.network.arrive(now) {
            return self.deliver(flying);
        }
        if let Some(at) = self.due.iter().position(|(at, _)| *at <= now) {
            return match self.due.remove(at).1 {
                Due::Order(order) => self.run.agent.order(now, order),
                Due::Inject(from, what) => {
                    let invite = self.run.sent.iter().find(|(_, text)| text.method() == "INVITE");
                    let bytes = what(&invite.expect("something was dialled").1);
                    let first = bytes.split("\r\n").next().unwrap_or("");
                    writeln!(self.run.ladder, "{:<5} ! {first}", now.as_millis()).unwrap();
                    self.run.agent.receive(now, from, bytes.as_bytes());
                }
                Due::Failed(peer) => self.run.agent.transport_failed(now, peer, "refused"),
                Due::Resolved(gateway) => {
                    let peer = |at: &&str| Peer {
                        transport: self.script.gateway.transport,
                        address: at.parse().unwrap(),
                    };
                    let peers: Vec<Peer> = self.script.targets.iter().map(peer).collect();
                    let ttl = Duration::from_secs(300);
                    let fails = self.script.dns_fails_after.is_some_and(|after| now >= after);
                    let result = if peers.is_empty() || fails {
                        Err("no such name".into())
                    } else {
                        Ok(Targets { peers, ttl })
                    };
                    self.run.agent.resolved(now, gateway, result);
                }
            };
        }
        for callee in self.callees.values_mut() {
            callee.timeout(now);
        }
        self.run.agent.handle_timeout(now);
    }

    fn deliver(&mut self, flying: Flying) {
        let Flying { to_us, peer, bytes, mangled } = flying;
        if mangled {
            return self.run.agent.receive(self.now, peer, &bytes);
        }
        let text = Text::of(&bytes);
        self.line(if to_us { "<" } else { ">" }, peer, &text);
        if to_us && self.now >= self.deaf_until {
            self.promises.received(&text);
            self.run.agent.receive(self.now, peer, &bytes);
        } else if to_us {
            // 1xx of an INVITE that was sent before count: the CANCEL does not come too early.
            self.promises.received_before(&text);
        } else if let Some(callee) = self.callees.get_mut(&peer.address) {
            callee.receive(self.now, peer.transport, &bytes);
        }
    }

    /// Takes what the user agent and the callees put out, until they have nothing more.
    fn drain(&mut self) {
        while let Some(output) = self.run.agent.poll_output() {
            match output {
                Output::Transmit { to, bytes } => {
                    let text = Text::of(&bytes);
                    self.promises.sent(&text);
                    self.run.sent.push((to, text));
                    if self.script.refusing.contains(&(to.transport, to.address)) {
                        self.due.push((self.now + ms(20), Due::Failed(to)));
                    } else {
                        self.network.send(self.now, Flying::honest(false, to, bytes));
                    }
                }
                Output::Resolve { gateway, .. } => {
                    self.due.push((self.now + ms(5), Due::Resolved(gateway)))
                }
                Output::Heard(heard) => self.hear(heard),
            }
        }
        let now = self.now;
        let callees = self.callees.values_mut();
        let sent: VecDeque<_> = callees.flat_map(|callee| callee.out.drain(..)).collect();
        for sent in sent {
            self.network.send(now, Flying::honest(true, sent.from, sent.bytes));
        }
    }

    fn hear(&mut self, heard: SipHeard) {
        self.promises.heard(&heard);
        let now = self.now;
        writeln!(self.run.ladder, "{:<5} * {}", now.as_millis(), short(&heard)).unwrap();
        match &heard {
            SipHeard::Answered { leg, .. } => {
                if let Some(after) = self.script.accept_after {
                    self.due.push((now + after, Due::Order(SipOrder::Accept(*leg))));
                    if let Some(talk) = self.script.talk {
                        self.due.push((now + after + talk, Due::Order(SipOrder::Bye(*leg, None))));
                    }
                }
            }
            SipHeard::Reinvited { leg, .. } if !self.script.owner_sleeps => {
                let answer = self.script.reinvite_answer.map(|sdp| sdp.as_bytes().to_vec());
                self.due.push((now + ms(5), Due::Order(SipOrder::AnswerReinvite(*leg, answer))));
            }
            _ => {}
        }
        self.run.heard.push(heard);
    }

    fn line(&mut self, arrow: &str, peer: Peer, text: &Text) {
        let what = match text.status() {
            Some(status) => format!("{status} {}", text.header("CSeq")),
            None => format!("{} {}", text.method(), text.cseq()),
        };
        let tcp = if peer.transport == Transport::Tcp { " tcp" } else { "" };
        let other = if peer.address.to_string() == super::script::GATEWAY {
            String::new()
        } else {
            format!(" {}", peer.address)
        };
        writeln!(self.run.ladder, "{:<5} {arrow} {what}{other}{tcp}", self.now.as_millis())
            .unwrap();
    }
}

fn order(wish: Wish) -> SipOrder {
    match wish {
        Wish::Accept => SipOrder::Accept(LEG),
        Wish::Cancel(reason) => SipOrder::Cancel(LEG, reason),
        Wish::Bye(reason) => SipOrder::Bye(LEG, reason),
        Wish::Reinvite(sdp) => SipOrder::Reinvite(LEG, sdp.into()),
        Wish::Info(body) => SipOrder::SendInfo(LEG, body.into()),
    }
}

/// What was heard, in a few words.
fn short(heard: &SipHeard) -> String {
    let sdp = |sdp: &Option<Vec<u8>>| if sdp.is_some() { " with SDP" } else { "" };
    match heard {
        SipHeard::Progress { status, sdp: body, .. } => format!("Progress {status}{}", sdp(body)),
        SipHeard::Answered { status, sdp: body, dialog, .. } => {
            format!("Answered {status}{} by {}", sdp(body), dialog.remote_tag)
        }
        SipHeard::Refused { refusal, .. } => format!("Refused {:?}", refusal.source),
        SipHeard::Cancelled { .. } => "Cancelled".into(),
        SipHeard::LateAnswerClosed { status, .. } => format!("LateAnswerClosed {status}"),
        SipHeard::Reinvited { sdp: body, .. } => format!("Reinvited{}", sdp(body)),
        SipHeard::Renegotiated { result, .. } => match result {
            Ok(_) => "Renegotiated".into(),
            Err(status) => format!("Renegotiated: {status}"),
        },
        SipHeard::Info { content_type, .. } => format!("Info {content_type}"),
        SipHeard::HungUp { by, .. } => format!("HungUp {by:?}"),
        SipHeard::Closed { .. } => "Closed".into(),
        SipHeard::Gateway { health, .. } => format!("Gateway {health:?}"),
    }
}
