//! Requests outside a call: a new INVITE, OPTIONS, REGISTER, and what belongs nowhere.

use super::leg::Leg;
use super::sdp::Theirs;
use super::write::{ALLOW, Echo, Incoming};
use super::{Exchange, Options, World, digest, wall_ms};
use crate::callee::{Extra, Plan, Reply, Step};
use crate::grammar;
use crate::ledger::Entry;
use crate::seed::{Dice, fingerprint};
use sip::message::{Message, Method, Name, ParseError, SipUri, Start, Via};
use sip::port::{Peer, Transport};
use std::time::Duration;

/// INVITEs with one Call-ID that are remembered: those of a fork, or of a caller that answers
/// challenges. A flood of them would make each search longer.
const CALL_ID_INVITES_MAX: usize = 32;

/// Extensions that an INVITE may require of us.
const KNOWN: [&str; 2] = ["100rel", "timer"];

impl Exchange {
    /// An INVITE that is neither a repeat nor within a call.
    pub(super) fn new_call(&mut self, request: &Incoming<'_>, now: Duration) {
        // What cannot be held in memory is answered and forgotten; so is what we cannot speak.
        let is_full = self.calls >= self.options.calls_max as u64
            || self.invites_with(request.call_id()) >= CALL_ID_INVITES_MAX;
        let totals = &mut self.ledger.totals;
        totals.invites += 1;
        if is_full {
            *totals.plans.entry("full").or_default() += 1;
            return self.answer(request, 503, "Retry-After: 1\r\n", now);
        }
        let unknown = request
            .headers(Name::Require)
            .find(|option| !KNOWN.iter().any(|known| known.eq_ignore_ascii_case(option)));
        if let Some(option) = unknown {
            *totals.plans.entry("bad-extension").or_default() += 1;
            return self.answer(request, 420, &format!("Unsupported: {option}\r\n"), now);
        }
        let number = user_of(request);
        let from_tag = request.from_tag().unwrap_or("");
        let (cseq, _) = request.cseq();
        let merged = self.find(request.call_id(), |leg| {
            leg.live.is_some() && leg.entry.cseq == cseq && *leg.entry.from_tag == *from_tag
        });
        let audio = Theirs::offered(request.body(), self.options.here);
        let over_limit = self.is_over_limit(now);
        let mut headers = String::new();
        let plan = if merged.is_some() {
            // The same request by another way (RFC 3261, 8.2.2.2).
            refusal("merged", Reply::of(482))
        } else if over_limit {
            refusal("over-limit", Reply::of(503).extra(Extra::RetryAfter(1)))
        } else if self.finds_no_way(&number) {
            refusal("no-way", Reply::of(503))
        } else if audio.is_none() && !request.body().is_empty() {
            refusal("refused-offer", Reply::of(488))
        } else {
            match self.demand(&number, request) {
                Some(demand) => {
                    headers = demand.headers;
                    refusal("challenged", Reply::of(demand.status))
                }
                None => self.plan(&number, now),
            }
        };
        *self.ledger.totals.plans.entry(plan.name).or_default() += 1;
        let caller = request.from().and_then(|from| from.sip_uri().ok());
        let entry = Entry {
            call_id: request.call_id().into(),
            branch: request.branch().into(),
            number: number.into(),
            caller: caller.and_then(|uri| uri.user_text()).unwrap_or_default().into(),
            from_tag: from_tag.into(),
            cseq,
            source: source(request.peer).into(),
            ..Entry::default()
        };
        self.serial += 1;
        let mut world = World {
            now,
            options: &self.options,
            here: &self.here,
            line: &mut self.line,
            dice: &mut self.dice,
            ports: &mut *self.ports,
            totals: &mut self.ledger.totals,
            out: &mut self.out,
        };
        let leg = Leg::open(self.serial, request, audio, plan, headers, entry, &mut world);
        self.insert(leg, now);
    }

    /// What the caller must prove first, by the number's wish or the carrier's.
    fn demand(&self, number: &str, request: &Message<'_>) -> Option<digest::Demand> {
        let of_number = grammar::read(number)
            .map(|chosen| chosen.plan(0, self.options.second_ms).challenge)
            .unwrap_or_default();
        let challenge = match of_number == Default::default() {
            true => self.options.challenge,
            false => of_number,
        };
        digest::demand(challenge, &self.options.login, self.options.seed, request)
    }

    fn plan(&mut self, number: &str, now: Duration) -> Plan {
        match grammar::read(number) {
            Some(chosen) => {
                let nth = if chosen.counts_calls() { self.calls_before(number) } else { 0 };
                chosen.plan(nth, self.options.second_ms)
            }
            None => {
                let nth = self.calls_before(number);
                let Options { mix, begins_at, seed, .. } = &self.options;
                mix.plan_at(number, nth, *seed, begins_at.map(|time| time + now))
            }
        }
    }

    fn is_over_limit(&mut self, now: Duration) -> bool {
        let limit = self.line.faults.invites_per_second;
        if self.this_second.0 != now.as_secs() {
            self.this_second = (now.as_secs(), 0);
        }
        self.this_second.1 += 1;
        limit > 0 && self.this_second.1 > limit
    }

    /// Whether this carrier is to refuse the number: always, or never. A caller that answers its
    /// challenge or tries again hears the same.
    fn finds_no_way(&self, number: &str) -> bool {
        let often = self.line.faults.refusals_per_10_000;
        let mut dice = Dice::of(self.options.seed ^ fingerprint(&self.here), number);
        dice.happens(often)
    }

    /// Any other request without a To tag.
    pub(super) fn outside(&mut self, request: &Incoming<'_>, method: Method, now: Duration) {
        match method {
            Method::Options => {
                self.ledger.totals.options += 1;
                let headers = format!("{ALLOW}Accept: application/sdp\r\nSupported: 100rel\r\n");
                self.answer(request, 200, &headers, now);
            }
            Method::Register => self.register(request, now),
            Method::Ack | Method::Bye | Method::Prack | Method::Info | Method::Update => {
                self.stray(request, now);
            }
            Method::Other => self.answer(request, 501, ALLOW, now),
            _ => self.answer(request, 405, ALLOW, now),
        }
    }

    /// Grants every binding for as long as it is wished, an hour at most (RFC 3261, 10.3).
    fn register(&mut self, request: &Incoming<'_>, now: Duration) {
        self.ledger.totals.registers += 1;
        let challenge = self.options.register_challenge;
        let login = &self.options.login;
        if let Some(demand) = digest::demand(challenge, login, self.options.seed, request) {
            return self.answer(request, demand.status, &demand.headers, now);
        }
        let wished = request.seconds(Name::Expires);
        let mut headers = String::new();
        for contact in request.contacts() {
            let seconds = contact.expires().or(wished).unwrap_or(3_600).min(3_600);
            if seconds > 0 {
                let uri = contact.uri;
                headers.push_str(&format!("Contact: <{uri}>;expires={seconds}\r\n"));
            }
        }
        self.answer(request, 200, &headers, now);
    }

    /// A request that belongs to no call we know.
    pub(super) fn stray(&mut self, request: &Incoming<'_>, now: Duration) {
        self.ledger.totals.strays += 1;
        if request.method() != Some(Method::Ack) {
            self.answer(request, 481, "", now);
        }
    }

    /// A message that cannot be read gets what the standard says, when it can be answered.
    pub(super) fn refuse_unreadable(
        &mut self,
        from: Peer,
        bytes: &[u8],
        error: &ParseError<'_>,
        now: Duration,
    ) {
        self.ledger.totals.unreadable += 1;
        if let Some((status, _, request)) = error.answer() {
            // Its Via was found, and may be what cannot be read.
            if request.headers(Name::Via).next().and_then(Via::parse).is_some() {
                self.answer(&Incoming::new(request, bytes, from), status, "", now);
            }
        }
    }

    /// Answers without remembering it: the same request again gets the same answer.
    fn answer(&mut self, request: &Incoming<'_>, status: u16, headers: &str, now: Duration) {
        let echo = Echo::of(request);
        let bytes = echo.response(status, "stateless", headers, "");
        self.line.send(echo.to(), bytes, now, &mut self.out);
    }

    /// The time as the ledger shows it.
    pub fn wall_ms(&self, now: Duration) -> u64 {
        wall_ms(&self.options, now)
    }
}

fn refusal(name: &'static str, reply: Reply) -> Plan {
    Plan::new(name, [Step::Reply(reply)])
}

/// The number that is called: the user of a SIP URI, or what stands in a `tel:` URI.
fn user_of(request: &Message<'_>) -> String {
    let Start::Request { uri, .. } = request.start() else { return String::new() };
    match SipUri::parse(uri) {
        Ok(sip) => sip.user_text().unwrap_or_default().into_owned(),
        Err(_) => {
            let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
            rest.split(';').next().unwrap_or(rest).to_owned()
        }
    }
}

fn source(from: Peer) -> String {
    let transport = match from.transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp",
    };
    format!("{transport}:{}", from.address)
}
