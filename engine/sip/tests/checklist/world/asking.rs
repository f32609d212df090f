//! The requests of a callee in its dialog, and the responses that it writes.

use std::time::Duration;

use sip::port::Transport;

use super::super::script::{Act, Ask, Plan};
use super::super::text::{Text, bracketed};
use super::{Callee, Invited, Repeat, Until};

impl Callee {
    pub(super) fn ask(&mut self, now: Duration, invite: usize, ask: Ask) {
        let unacked =
            |r: &Repeat| matches!(&r.until, Until::Ack(tag, _) if tag == ask.tag.unwrap_or("c"));
        if !ask.impatient && self.repeats.iter().any(unacked) {
            return self.steps.push((now + Duration::from_millis(100), invite, Act::Ask(ask)));
        }
        let Invited { text: theirs, transport, .. } = &self.invited[invite];
        let transport = *transport;
        self.cseq += 1;
        let cseq = ask.cseq.unwrap_or(self.cseq);
        let branch = format!("z9hG4bKask{}-{cseq}-{}", self.address.port(), self.asks.len());
        if ask.method == "BYE" {
            self.byed.insert(ask.tag.unwrap_or("c").to_owned());
        }
        let via = self.address;
        let tag = ask.tag.unwrap_or("c");
        let contact = match ask.method {
            "INVITE" | "UPDATE" if !ask.headers.iter().any(|h| h.starts_with("Contact:")) => {
                format!("Contact: <sip:callee@{}>\r\n", self.address)
            }
            _ => String::new(),
        };
        let more: String = ask.headers.iter().map(|h| format!("{h}\r\n")).collect();
        let typed = if ask.body.is_empty() {
            String::new()
        } else {
            format!("Content-Type: {}\r\n", ask.content_type)
        };
        let bytes = format!(
            "{} {} SIP/2.0\r\nVia: SIP/2.0/{} {via};branch={branch};rport\r\nMax-Forwards: 70\r\nFrom: <{}>;tag={tag}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {cseq} {}\r\n{contact}{more}{typed}Content-Length: {}\r\n\r\n{}",
            ask.method,
            bracketed(theirs.header("Contact")),
            if transport == Transport::Udp { "UDP" } else { "TCP" },
            bracketed(theirs.header("To")),
            theirs.header("From"),
            theirs.header("Call-ID"),
            ask.method,
            ask.body.len(),
            ask.body,
        )
        .into_bytes();
        self.asks.push((branch.clone(), ask, Text::of(&bytes)));
        self.send(transport, bytes.clone());
        self.repeat(now, Until::Answer(branch), transport, bytes, transport == Transport::Udp);
    }

    pub(super) fn cancel_ask(&mut self, _now: Duration) {
        let Some((_, _, text)) = self.asks.last() else { return };
        let bytes =
            text.0.replacen("INVITE ", "CANCEL ", 1).replacen(" INVITE\r\n", " CANCEL\r\n", 1);
        let bytes = bytes.split("\r\nContact:").next().unwrap().to_owned()
            + "\r\nContent-Length: 0\r\n\r\n";
        self.send(Transport::Udp, bytes.into_bytes());
    }

    /// An answer to a request of ours: an ACK follows one to INVITE.
    pub(super) fn answered(&mut self, _now: Duration, text: &Text) {
        let Some(status @ 200..) = text.status() else {
            // A 1xx to an INVITE ends its repetition (Timer A).
            if text.cseq_method() == "INVITE" {
                let until = Until::Answer(text.branch().to_owned());
                self.repeats.iter_mut().filter(|r| r.until == until).for_each(|r| r.at = r.ends);
            }
            return;
        };
        self.repeats.retain(|r| r.until != Until::Answer(text.branch().to_owned()));
        let Some((_, ask, request)) = self.asks.iter().find(|(branch, ..)| branch == text.branch())
        else {
            return;
        };
        if text.cseq_method() != "INVITE" || self.plan.mute {
            return;
        }
        let (uri, branch) = match status {
            ..300 => {
                (bracketed(text.header("Contact")).to_owned(), format!("{}-ack", text.branch()))
            }
            _ => (request.uri().to_owned(), text.branch().to_owned()),
        };
        let sdp = if status < 300 { ask.ack_sdp } else { "" };
        let typed = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let bytes = format!(
            "ACK {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch={branch};rport\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {} ACK\r\n{typed}Content-Length: {}\r\n\r\n{sdp}",
            self.address,
            text.header("From"),
            text.header("To"),
            text.header("Call-ID"),
            text.cseq(),
            sdp.len(),
        );
        self.send(Transport::Udp, bytes.into_bytes());
    }
}

impl Plan {
    /// A response to `request` (RFC 3261, 8.2.6.2).
    pub(super) fn response(
        &self,
        request: &Text,
        status: u16,
        tag: &str,
        headers: &[String],
        content_type: &str,
        body: &str,
    ) -> Vec<u8> {
        let to = request.header("To");
        let tag = if to.contains(";tag=") || tag.is_empty() {
            String::new()
        } else {
            format!(";tag={tag}")
        };
        let more: String = headers.iter().map(|h| format!("{h}\r\n")).collect();
        let typed = if body.is_empty() {
            String::new()
        } else {
            format!("Content-Type: {content_type}\r\n")
        };
        let via = request.header("Via");
        let via = match self.sees_us_as {
            Some(address) => {
                let (ip, port) = address.rsplit_once(':').unwrap();
                via.replace(";rport", &format!(";rport={port};received={ip}"))
            }
            None => via.to_owned(),
        };
        format!(
            "SIP/2.0 {status} {}\r\nVia: {via}\r\nFrom: {}\r\nTo: {to}{tag}\r\nCall-ID: {}\r\nCSeq: {}\r\n{more}{typed}Content-Length: {}\r\n\r\n{body}",
            phrase(status),
            request.header("From"),
            request.header("Call-ID"),
            request.header("CSeq"),
            body.len(),
        )
        .into_bytes()
    }
}

fn phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        183 => "Session Progress",
        200 => "OK",
        486 => "Busy Here",
        487 => "Request Terminated",
        503 => "Service Unavailable",
        _ => "Whatever",
    }
}
