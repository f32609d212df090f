//! What the carrier writes. Text of the caller's comes out of the lexer, which lets no line end
//! through, so it can be given back as it came.

use sip::message::{Message, Name, Via};
use sip::port::{Peer, Transport};
use std::fmt::Write;
use std::net::SocketAddr;
use std::ops::Deref;

/// What this carrier can do, for 200 to OPTIONS and for 405.
pub const ALLOW: &str =
    "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, REGISTER\r\n";

/// A message that came: read, with its top Via, and where it came from.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    pub message: &'a Message<'a>,
    pub bytes: &'a [u8],
    pub via: Via<'a>,
    pub peer: Peer,
}

impl<'a> Incoming<'a> {
    pub fn new(message: &'a Message<'a>, bytes: &'a [u8], peer: Peer) -> Self {
        Self { message, bytes, via: message.top_via(), peer }
    }

    /// The branch of its top Via.
    pub fn branch(&self) -> &'a str {
        self.via.branch().unwrap_or("")
    }
}

impl<'a> Deref for Incoming<'a> {
    type Target = Message<'a>;

    fn deref(&self) -> &Message<'a> {
        self.message
    }
}

/// What every response repeats of its request (RFC 3261, 8.2.6.2).
#[derive(Clone, Debug)]
pub struct Echo {
    to: Peer,
    head: String,
    to_header: String,
    tagged: bool,
    record_route: String,
}

impl Echo {
    /// Of this request.
    pub fn of(request: &Incoming<'_>) -> Self {
        let mut head = String::with_capacity(320);
        let mut top = true;
        for value in request.headers(Name::Via) {
            head.push_str("Via: ");
            if top {
                write_via(&mut head, request);
            } else {
                head.push_str(value);
            }
            head.push_str("\r\n");
            top = false;
        }
        for name in [Name::From, Name::CallId, Name::CSeq] {
            line(&mut head, name.text(), request.header(name).unwrap_or(""));
        }
        let mut record_route = String::new();
        for value in request.headers(Name::RecordRoute) {
            line(&mut record_route, "Record-Route", value);
        }
        Self {
            to: answer_to(request),
            head,
            to_header: request.header(Name::To).unwrap_or("").to_owned(),
            tagged: request.to_tag().is_some(),
            record_route,
        }
    }

    /// Where the responses go.
    pub fn to(&self) -> Peer {
        self.to
    }

    /// The Record-Route lines that 18x and 2xx repeat (12.1.1).
    pub fn record_route(&self) -> &str {
        &self.record_route
    }

    /// A response. `tag` goes into a To that has none; `extra` is whole header lines; `body` is
    /// SDP, or nothing.
    pub fn response(&self, status: u16, tag: &str, extra: &str, body: &str) -> Vec<u8> {
        let length = self.head.len() + self.to_header.len() + extra.len() + body.len() + 160;
        let mut text = String::with_capacity(length);
        // Writing to a String cannot fail, here and below.
        let _ = write!(text, "SIP/2.0 {status} {}\r\n", phrase(status));
        text.push_str(&self.head);
        text.push_str("To: ");
        text.push_str(&self.to_header);
        if !self.tagged && !tag.is_empty() {
            text.push_str(";tag=");
            text.push_str(tag);
        }
        text.push_str("\r\n");
        text.push_str(extra);
        finish(text, body)
    }
}

/// One header line.
pub fn line(text: &mut String, name: &str, value: &str) {
    for part in [name, ": ", value, "\r\n"] {
        text.push_str(part);
    }
}

/// Adds Content-Type, Content-Length, the empty line and the body.
pub fn finish(mut text: String, body: &str) -> Vec<u8> {
    if !body.is_empty() {
        text.push_str("Content-Type: application/sdp\r\n");
    }
    let _ = write!(text, "Content-Length: {}\r\n\r\n", body.len());
    text.push_str(body);
    text.into_bytes()
}

/// The top Via with `received` and `rport` filled in (RFC 3261, 18.2.1; RFC 3581, 4).
fn write_via(text: &mut String, request: &Incoming<'_>) {
    let (via, from) = (request.via, request.peer.address);
    let sent_by = via.raw.split(';').next().unwrap_or(via.raw);
    text.push_str(sent_by);
    for param in via.params.iter() {
        if param.name.eq_ignore_ascii_case("received") {
            continue;
        }
        text.push(';');
        text.push_str(param.name);
        if param.name.eq_ignore_ascii_case("rport") {
            let _ = write!(text, "={}", from.port());
        } else if let Some(value) = param.value {
            text.push('=');
            text.push_str(value);
        }
    }
    let known = via.host.parse() == Ok(from.ip());
    if via.wants_rport() || !known {
        let _ = write!(text, ";received={}", from.ip());
    }
}

/// Where a response goes (RFC 3261, 18.2.2; RFC 3581, 4).
fn answer_to(request: &Incoming<'_>) -> Peer {
    let (via, from) = (request.via, request.peer);
    if from.transport != Transport::Udp || via.wants_rport() {
        return from;
    }
    let port = via.port.unwrap_or(5060);
    Peer { address: SocketAddr::new(from.address.ip(), port), ..from }
}

/// The phrase of RFC 3261, 21 and its like.
pub fn phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        182 => "Queued",
        183 => "Session Progress",
        200 => "OK",
        202 => "Accepted",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        410 => "Gone",
        415 => "Unsupported Media Type",
        420 => "Bad Extension",
        422 => "Session Interval Too Small",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        484 => "Address Incomplete",
        485 => "Ambiguous",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        491 => "Request Pending",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        606 => "Not Acceptable",
        607 => "Unwanted",
        608 => "Rejected",
        _ => match status / 100 {
            1 => "Progress",
            2 => "Success",
            3 => "Redirection",
            4 => "Request Failure",
            5 => "Server Failure",
            _ => "Global Failure",
        },
    }
}
