//! What can be wrong with a message, and what it is answered with.

use super::Message;
use super::name::{Method, Name};

/// What is wrong with a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    /// Nothing but line ends: a keep-alive (RFC 5626, 3.5.1).
    #[error("a keep-alive")]
    KeepAlive,
    /// It does not begin like SIP: STUN, RTP, noise.
    #[error("not SIP")]
    NotSip,
    /// Larger than [`super::MESSAGE_BYTES_MAX`].
    #[error("a message too long")]
    TooLong,
    /// More headers than [`super::HEADERS_MAX`].
    #[error("too many headers")]
    TooManyHeaders,
    /// The first line is neither a request's nor a response's.
    #[error("a malformed start line")]
    StartLine,
    /// The first line is a request's, of another version than 2.0 (RFC 3261, 21.5.6).
    #[error("another version of SIP")]
    Version,
    /// The Request-URI has characters that may not stand there, or headers.
    #[error("a malformed Request-URI")]
    RequestUri,
    /// No empty line ends the headers: the message was cut.
    #[error("headers without an end")]
    HeadersWithoutEnd,
    /// A header that there must be is not there (RFC 3261, 8.1.1).
    #[error("no {} header", .0.text())]
    Missing(Name),
    /// A header that there may be once is there twice.
    #[error("more than one {} header", .0.text())]
    Doubled(Name),
    /// A header that cannot be read.
    #[error("a malformed {} header", .0.text())]
    Malformed(Name),
    /// The CSeq names another method than the first line.
    #[error("a CSeq of another method")]
    MethodMismatch,
    /// Content-Length is no number, or there are two of them that differ.
    #[error("a malformed Content-Length")]
    ContentLength,
    /// Content-Length is more than the datagram has.
    #[error("a body shorter than its Content-Length")]
    BodyTooShort,
    /// A line that is no header: no colon, or no name before it.
    #[error("a line that is no header")]
    HeaderLine,
    /// A header longer than [`super::HEADER_BYTES_MAX`].
    #[error("a header too long")]
    HeaderTooLong,
}

/// A message that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("refused a SIP message")]
pub struct ParseError<'a> {
    /// What is wrong with it.
    #[source]
    pub fault: Fault,
    /// What could be read of it, when that is a request with all that an answer repeats.
    pub request: Option<Box<Message<'a>>>,
}

impl<'a> ParseError<'a> {
    /// Status and phrase of the answer, and the request to answer. None when there is nothing to
    /// answer to: a response, an ACK, a request whose Via, From, To, Call-ID or CSeq is not there.
    pub fn answer(&self) -> Option<(u16, &'static str, &Message<'a>)> {
        let request = self.request.as_deref().filter(|r| r.method() != Some(Method::Ack))?;
        let (status, phrase) = self.fault.answer();
        Some((status, phrase, request))
    }
}

impl Fault {
    /// Status and phrase that answer a request with this fault.
    pub fn answer(self) -> (u16, &'static str) {
        match self {
            Self::Version => (505, "Version Not Supported"),
            Self::TooLong => (513, "Message Too Large"),
            Self::ContentLength | Self::BodyTooShort => (400, "Bad Content-Length"),
            Self::RequestUri => (400, "Bad Request-URI"),
            Self::MethodMismatch => (400, "CSeq Method Mismatch"),
            Self::Missing(_) => (400, "Missing Header"),
            Self::Doubled(_) => (400, "Repeated Header"),
            Self::Malformed(_) | Self::HeaderLine => (400, "Malformed Header"),
            _ => (400, "Bad Request"),
        }
    }
}
