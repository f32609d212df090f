//! A tiny caller for tests, sans I/O, that writes down what it saw. It shares no code with the
//! carrier nor with the engine.

#![allow(dead_code, reason = "each test uses its part of it")]

mod text;
pub mod world;

use text::{describe_sdp, fork, rtp_of, uri_of};
pub use text::{header, sdp};

use md5::{Digest, Md5};
use sha2::Sha256;
use std::fmt::Write;
use std::time::Duration;

/// What the caller does beside answering properly.
#[derive(Clone, Debug)]
pub struct Script {
    /// CANCEL so long after the first provisional.
    pub cancel_after: Option<u64>,
    /// BYE so long after each answer.
    pub bye_after: Option<u64>,
    /// A re-INVITE so long after the first answer.
    pub reinvite_after: Option<u64>,
    /// Whether finals are acknowledged.
    pub acks: bool,
    /// Whether it knows 100rel.
    pub pracks: bool,
    /// Whether it answers challenges, and with which password.
    pub password: Option<&'static str>,
    /// When to stop looking.
    pub until: u64,
    /// The SDP of its INVITE.
    pub sdp: String,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            cancel_after: None,
            bye_after: Some(5_000),
            reinvite_after: None,
            acks: true,
            pracks: true,
            password: Some("callfold"),
            until: 120_000,
            sdp: sdp("127.0.0.1", 4000),
        }
    }
}

/// One call.
pub struct Caller {
    script: Script,
    number: String,
    pub call_id: String,
    /// `UDP 127.0.0.1:4060`: what its Via shows.
    via: String,
    cseq: u32,
    branch: String,
    credentials: String,
    to_do: Vec<(Duration, Deed)>,
    started: bool,
    over: bool,
    /// What went over the wire.
    pub story: String,
    pub sent: Vec<String>,
    pub finals: u32,
    pub answers: Vec<(String, String)>,
    /// The RTP address of the last SDP that came.
    pub rtp: Option<std::net::SocketAddr>,
}

#[derive(Clone, Debug)]
enum Deed {
    Cancel,
    Bye(String),
    Reinvite(String),
}

impl Caller {
    pub fn new(number: &str, call_id: &str, via: &str, script: Script) -> Self {
        Self {
            script,
            number: number.to_owned(),
            call_id: call_id.to_owned(),
            via: via.to_owned(),
            cseq: 0,
            branch: String::new(),
            credentials: String::new(),
            to_do: Vec::new(),
            started: false,
            over: false,
            story: String::new(),
            sent: Vec::new(),
            finals: 0,
            answers: Vec::new(),
            rtp: None,
        }
    }

    pub fn note(&mut self, now: Duration, text: &str) {
        let _ = writeln!(self.story, "{:>7} {text}", now.as_millis());
    }

    /// Sends the INVITE.
    pub fn call(&mut self, now: Duration) -> Vec<String> {
        self.cseq += 1;
        self.started = false;
        self.branch = format!("z9hG4bK{}x{}", self.call_id, self.cseq);
        let invite = self.message("INVITE", &self.uri(), "", self.cseq, &self.branch.clone(), true);
        self.note(now, &format!("> INVITE {}", self.cseq));
        self.send(vec![invite])
    }

    /// The same INVITE again.
    pub fn repeat(&mut self) -> Vec<String> {
        vec![self.sent.iter().rfind(|m| m.starts_with("INVITE")).expect("was sent").clone()]
    }

    pub fn due(&self) -> Option<Duration> {
        self.to_do.iter().map(|(due, _)| *due).min()
    }

    pub fn wake(&mut self, now: Duration) -> Vec<String> {
        let (ready, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.to_do).into_iter().partition(|(due, _)| *due <= now);
        self.to_do = later;
        let mut out = Vec::new();
        for (_, deed) in ready {
            out.push(match deed {
                Deed::Cancel if self.finals > 0 => continue,
                Deed::Cancel => {
                    self.note(now, "> CANCEL");
                    let branch = self.branch.clone();
                    self.message("CANCEL", &self.uri(), "", self.cseq, &branch, false)
                }
                Deed::Bye(to) => {
                    if self.over {
                        continue;
                    }
                    self.note(now, &format!("> BYE {}", fork(&to)));
                    let target = self.target(&to);
                    let branch = format!("{}bye{}", self.branch, fork(&to));
                    self.message("BYE", &target, &to, self.cseq + 10, &branch, false)
                }
                Deed::Reinvite(to) => {
                    self.note(now, "> re-INVITE");
                    let target = self.target(&to);
                    let branch = format!("{}re{}", self.branch, now.as_millis());
                    self.message("INVITE", &target, &to, self.cseq + 1, &branch, true)
                }
            });
        }
        self.send(out)
    }

    /// Takes a message, gives back what it answers.
    pub fn receive(&mut self, message: &str, now: Duration) -> Vec<String> {
        let out = match message.strip_prefix("SIP/2.0 ") {
            Some(rest) => {
                let status: u16 = rest[..3].parse().expect("is a status");
                self.response(message, status, now)
            }
            None => self.request(message, now),
        };
        self.send(out)
    }

    fn send(&mut self, out: Vec<String>) -> Vec<String> {
        self.sent.extend(out.iter().cloned());
        out
    }

    fn response(&mut self, message: &str, status: u16, now: Duration) -> Vec<String> {
        let (cseq, method) = header(message, "CSeq").split_once(' ').expect("is a CSeq");
        let to = header(message, "To").to_owned();
        let extras: String = ["Retry-After", "Reason", "Min-SE", "Session-Expires", "RSeq"]
            .into_iter()
            .filter(|name| !header(message, name).is_empty())
            .map(|name| format!(" {name}: {}", header(message, name)))
            .collect();
        let contact = header(message, "Contact");
        let redirect = if status / 100 == 3 { format!(" {contact}") } else { String::new() };
        let naked = if status / 100 == 2 && method == "INVITE" && contact.is_empty() {
            " without Contact"
        } else {
            ""
        };
        let stale = if message.contains("stale=true") { " stale" } else { "" };
        let of = if method == "INVITE" { String::new() } else { format!(" {method}") };
        let described = describe_sdp(message);
        self.note(
            now,
            &format!("< {status}{of} {}{described}{extras}{redirect}{naked}{stale}", fork(&to)),
        );
        if let Some(rtp) = rtp_of(message) {
            self.rtp = Some(rtp);
        }
        if method != "INVITE" {
            return Vec::new();
        }
        let again = cseq != self.cseq.to_string();
        match status {
            100..=199 => {
                if !std::mem::replace(&mut self.started, true)
                    && let Some(ms) = self.script.cancel_after
                {
                    self.to_do.push((now + Duration::from_millis(ms), Deed::Cancel));
                }
                let rseq = header(message, "RSeq").to_owned();
                if rseq.is_empty() || !self.script.pracks {
                    return Vec::new();
                }
                self.note(now, &format!("> PRACK {rseq}"));
                let target = uri_of(contact).to_owned();
                let branch = format!("{}prack{rseq}", self.branch);
                let prack = self.message("PRACK", &target, &to, self.cseq + 1, &branch, false);
                let rack = format!("RAck: {rseq} {} INVITE\r\nContent-Length", self.cseq);
                vec![prack.replacen("Content-Length", &rack, 1)]
            }
            200..=299 => {
                if !again && !self.answers.iter().any(|(known, _)| *known == to) {
                    self.finals += 1;
                    let first = self.answers.is_empty();
                    self.answers.push((to.clone(), message.to_owned()));
                    if let Some(ms) = self.script.bye_after {
                        let bye = Deed::Bye(to.clone());
                        self.to_do.push((now + Duration::from_millis(ms), bye));
                    }
                    if let Some(ms) = self.script.reinvite_after.filter(|_| first) {
                        let reinvite = Deed::Reinvite(to.clone());
                        self.to_do.push((now + Duration::from_millis(ms), reinvite));
                    }
                }
                if !self.script.acks {
                    return Vec::new();
                }
                self.note(now, &format!("> ACK {}", fork(&to)));
                let branch = format!("{}ack{}", self.branch, fork(&to));
                let number = cseq.parse().expect("is a number");
                vec![self.message("ACK", &self.target(&to), &to, number, &branch, false)]
            }
            _ => {
                if again {
                    // The refusal of a re-INVITE; its branch is the one that it carries.
                    let via = header(message, "Via");
                    let branch = via.split("branch=").nth(1).and_then(|b| b.split(';').next());
                    let branch = branch.expect("has a branch").to_owned();
                    self.note(now, "> ACK");
                    let number = cseq.parse().expect("is a number");
                    return vec![self.message(
                        "ACK",
                        &self.target(&to),
                        &to,
                        number,
                        &branch,
                        false,
                    )];
                }
                if !self.script.acks {
                    return Vec::new();
                }
                self.note(now, &format!("> ACK {}", fork(&to)));
                let branch = self.branch.clone();
                let mut out =
                    vec![self.message("ACK", &self.uri(), &to, self.cseq, &branch, false)];
                let challenged = matches!(status, 401 | 407) && self.cseq < 4;
                if let (true, Some(password)) = (challenged, self.script.password) {
                    self.credentials(message, status, password);
                    out.extend(self.call(now));
                } else {
                    self.finals += 1;
                }
                out
            }
        }
    }

    fn request(&mut self, message: &str, now: Duration) -> Vec<String> {
        let method = message.split(' ').next().expect("has a method").to_owned();
        let reason = header(message, "Reason");
        let reason = if reason.is_empty() { String::new() } else { format!(" Reason: {reason}") };
        let body = message.split("\r\n\r\n").nth(1).unwrap_or("");
        let digit = body.lines().find(|line| line.starts_with("Signal")).unwrap_or("");
        let described = describe_sdp(message);
        self.note(now, format!("< {method}{described}{reason} {digit}").trim_end());
        if method == "ACK" {
            return Vec::new();
        }
        self.over |= method == "BYE";
        self.note(now, &format!("> 200 {method}"));
        let body = if method == "INVITE" { self.script.sdp.clone() } else { String::new() };
        let mut text = String::from("SIP/2.0 200 OK\r\n");
        for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
            let _ = write!(text, "{name}: {}\r\n", header(message, name));
        }
        let _ = write!(text, "Contact: <sip:caller@127.0.0.1:4060>\r\n");
        let _ = write!(text, "Content-Length: {}\r\n\r\n{body}", body.len());
        vec![text]
    }

    fn uri(&self) -> String {
        format!("sip:{}@carrier.example", self.number)
    }

    /// The Contact of the answer with this To.
    fn target(&self, to: &str) -> String {
        let answer = self.answers.iter().find(|(known, _)| known == to);
        let contact = answer.map_or("", |(_, answer)| header(answer, "Contact"));
        if contact.is_empty() { self.uri() } else { uri_of(contact).to_owned() }
    }

    fn message(
        &self,
        method: &str,
        uri: &str,
        to: &str,
        cseq: u32,
        branch: &str,
        offer: bool,
    ) -> String {
        let body = if offer { &*self.script.sdp } else { "" };
        let to = if to.is_empty() { format!("<{}>", self.uri()) } else { to.to_owned() };
        let via = &self.via;
        let mut text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{via};branch={branch};rport\r\n\
             Max-Forwards: 70\r\nFrom: \"Us\" <sip:+1555@us.example>;tag=us{}\r\nTo: {to}\r\n\
             Call-ID: {}\r\nCSeq: {cseq} {method}\r\nContact: <sip:caller@127.0.0.1:4060>\r\n",
            self.call_id, self.call_id
        );
        if let Some((_, answer)) = self.answers.iter().find(|(known, _)| *known == to) {
            let mut routes: Vec<_> =
                header(answer, "Record-Route").split(',').map(str::trim).collect();
            routes.reverse();
            for route in routes.iter().filter(|route| !route.is_empty()) {
                let _ = write!(text, "Route: {route}\r\n");
            }
        }
        if method == "INVITE" {
            text.push_str(&self.credentials);
            if self.script.pracks {
                text.push_str("Supported: 100rel\r\n");
            }
        }
        let _ = write!(text, "Content-Length: {}\r\n\r\n{body}", body.len());
        text
    }

    /// Answers the last challenge of a response, beside what was answered before.
    fn credentials(&mut self, message: &str, status: u16, password: &str) {
        let (asks, gives) = match status {
            401 => ("WWW-Authenticate", "Authorization"),
            _ => ("Proxy-Authenticate", "Proxy-Authorization"),
        };
        let challenge = header(message, asks).to_owned();
        let value = |name: &str| {
            let rest = challenge.split(&format!("{name}=")).nth(1)?;
            Some(rest.split(", ").next()?.trim_matches('"').to_owned())
        };
        let algorithm = value("algorithm").expect("is given");
        let hash = |text: String| -> String {
            let bytes = match &*algorithm {
                "SHA-256" => Sha256::digest(text).to_vec(),
                _ => Md5::digest(text).to_vec(),
            };
            bytes.iter().map(|byte| format!("{byte:02x}")).collect()
        };
        let (realm, nonce) = (value("realm").expect("is given"), value("nonce").expect("is given"));
        let mut secret = hash(format!("callfold:{realm}:{password}"));
        if algorithm == "MD5-sess" {
            secret = hash(format!("{secret}:{nonce}:c"));
        }
        let what = hash(format!("INVITE:{}", self.uri()));
        let (qop, response) = if challenge.contains("qop=") {
            let response = hash(format!("{secret}:{nonce}:00000001:c:auth:{what}"));
            ("qop=auth, nc=00000001, cnonce=\"c\", ", response)
        } else {
            ("", hash(format!("{secret}:{nonce}:{what}")))
        };
        let _ = write!(
            self.credentials,
            "{gives}: Digest username=\"callfold\", realm=\"{realm}\", nonce=\"{nonce}\", \
             uri=\"{}\", {qop}algorithm={algorithm}, response=\"{response}\"\r\n",
            self.uri()
        );
    }
}
