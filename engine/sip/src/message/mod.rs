//! SIP messages: read without a copy ([`parse`]), written without a way to inject
//! ([`Builder`]).
//!
//! Reading is in two steps. [`parse`] refuses what nobody can use: bytes without an end, two
//! Call-IDs, a Content-Length that lies. All else is read when it is asked for, so that a header
//! nobody asks for can be as odd as it likes, and no answer is lost to it.

mod address;
mod body;
mod build;
mod fault;
mod lexer;
mod name;
mod params;
mod reply;
mod strict;
mod text;
mod uri;
mod values;
mod via;

use std::borrow::Cow;
use std::time::Duration;

pub use address::NameAddr;
pub use build::{BuildError, Builder, sip_uri};
pub use fault::{Fault, ParseError};
pub use name::{Method, Name};
pub use params::{Param, Params};
pub(crate) use params::{list, split_param};
pub use reply::{ack, cancel, respond};
pub(crate) use text::{Quoted, quoted_length};
pub use text::{unescape, unquote};
pub use uri::{Scheme, SipUri, UriError};
pub use values::{CSEQ_END, RAck, Refresher, SessionExpires};
pub use via::Via;

use crate::port::Reason;
use lexer::{Field, Fields, Lexed, StartLine};
use text::{number, shortened};

/// The longest message, in bytes: what a datagram can hold. Streams are held to the same.
pub const MESSAGE_BYTES_MAX: usize = 65_535;
/// The most header lines. The longest seen from carriers has 60; this keeps a flood of short lines
/// from costing more than long ones.
pub const HEADERS_MAX: usize = 256;
/// The longest header value, in bytes. The longest seen, a STIR Identity, has 2 kB.
pub const HEADER_BYTES_MAX: usize = 16_384;
/// The longest text for people that is handed on, in bytes: it is stored with the call.
pub const TEXT_BYTES_MAX: usize = 512;
/// The most Contacts of a redirection that are handed on.
pub const CONTACTS_MAX: usize = 16;

/// A SIP message that was read. Borrows the bytes it was read from.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    head: Cow<'a, str>,
    start: StartLine,
    fields: Fields,
    cseq: (u32, Method),
    body: &'a [u8],
    line_fault: Option<Fault>,
}

/// The first line of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start<'a> {
    /// A request's.
    Request {
        /// What is asked.
        method: Method,
        /// Of whom. Not necessarily a SIP URI, but one without blanks.
        uri: &'a str,
    },
    /// A response's.
    Response {
        /// 100 to 699.
        status: u16,
        /// The text behind it, up to [`TEXT_BYTES_MAX`].
        phrase: &'a str,
    },
}

/// Reads one whole message: a datagram, or what the stream framer cut out of a stream.
///
/// A header that stands twice although it may not is forgiven in a response when both say the
/// same: nobody is helped when the 200 of a call is dropped for it.
///
/// # Errors
/// What is wrong, and the request when it can be answered.
pub fn parse(bytes: &[u8]) -> Result<Message<'_>, ParseError<'_>> {
    let Lexed { head, start, fields, rest, start_fault, line_fault } =
        lexer::lex(bytes).map_err(|fault| ParseError { fault, request: None })?;
    let mut message =
        Message { head, start, fields, cseq: (0, Method::Other), body: rest, line_fault };
    match start_fault.map_or_else(|| message.complete(), Err) {
        Ok(()) => Ok(message),
        Err(fault) => {
            let needed = [Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq];
            let answerable = message.is_request()
                && needed.into_iter().all(|name| message.header(name).is_some());
            Err(ParseError { fault, request: answerable.then(|| Box::new(message)) })
        }
    }
}

/// The Content-Length in the head of a message out of a stream, where there must be one.
pub(crate) fn content_length(head: &[u8]) -> Result<usize, Fault> {
    let Lexed { head, start, fields, .. } = lexer::lex(head)?;
    let message =
        Message { head, start, fields, cseq: (0, Method::Other), body: &[], line_fault: None };
    message.content_length()?.ok_or(Fault::Missing(Name::ContentLength))
}

impl<'a> Message<'a> {
    /// The first line.
    pub fn start(&self) -> Start<'_> {
        match self.start {
            StartLine::Request { method, uri, .. } => {
                Start::Request { method, uri: &self.head[uri.range()] }
            }
            StartLine::Response { status, phrase } => {
                Start::Response { status, phrase: shortened(&self.head[phrase.range()]) }
            }
        }
    }

    /// Whether it is a request.
    pub fn is_request(&self) -> bool {
        matches!(self.start, StartLine::Request { .. })
    }

    /// The method of a request; None of a response.
    pub fn method(&self) -> Option<Method> {
        match self.start {
            StartLine::Request { method, .. } => Some(method),
            StartLine::Response { .. } => None,
        }
    }

    /// The method of a request as it is written; empty of a response.
    pub fn method_text(&self) -> &str {
        match self.start {
            StartLine::Request { text, .. } => &self.head[text.range()],
            StartLine::Response { .. } => "",
        }
    }

    /// The Request-URI; empty of a response, and of a request that was refused for it.
    pub fn uri(&self) -> &str {
        match self.start {
            StartLine::Request { uri, .. } => &self.head[uri.range()],
            StartLine::Response { .. } => "",
        }
    }

    /// The status of a response; None of a request.
    pub fn status(&self) -> Option<u16> {
        match self.start {
            StartLine::Response { status, .. } => Some(status),
            StartLine::Request { .. } => None,
        }
    }

    /// The first line of that name, as it came, without blanks around it: of a list all that
    /// stands in one line.
    pub fn header(&self, name: Name) -> Option<&str> {
        self.lines(name).next()
    }

    /// Every value of that name, in their order, lists taken apart.
    pub fn headers(&self, name: Name) -> impl Iterator<Item = &str> {
        let is_list = name.is_list();
        self.lines(name).flat_map(move |line| {
            let (listed, single) =
                if is_list { (Some(list(line)), None) } else { (None, Some(line)) };
            listed.into_iter().flatten().chain(single)
        })
    }

    /// The first line whose name is spelled so, in any case: for names that [`Name`] does not have.
    pub fn header_named(&self, name: &str) -> Option<&str> {
        self.all_headers().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Every header line: the name as it came, and the value.
    pub fn all_headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|f| (&self.head[f.name_span().range()], self.value(f)))
    }

    /// The Call-ID.
    pub fn call_id(&self) -> &str {
        self.header(Name::CallId).unwrap_or("")
    }

    /// Number and method of the CSeq.
    pub fn cseq(&self) -> (u32, Method) {
        self.cseq
    }

    /// From, taken apart. None when it cannot be read.
    pub fn from(&self) -> Option<NameAddr<'_>> {
        NameAddr::parse(self.header(Name::From)?)
    }

    /// To, taken apart. None when it cannot be read.
    pub fn to(&self) -> Option<NameAddr<'_>> {
        NameAddr::parse(self.header(Name::To)?)
    }

    /// The tag of From.
    pub fn from_tag(&self) -> Option<&str> {
        self.from()?.tag()
    }

    /// The tag of To.
    pub fn to_tag(&self) -> Option<&str> {
        self.to()?.tag()
    }

    /// The first Via: in a response it is ours. Only of a request that was refused it can be one
    /// without branch and host.
    pub fn top_via(&self) -> Via<'_> {
        let first = self.first_via().unwrap_or("");
        Via::parse(first).unwrap_or_else(|| Via::unread(first))
    }

    /// How many Via values there are, over all lines. A response with more than one is not for us
    /// (RFC 3261, 8.1.3.3).
    pub fn via_count(&self) -> usize {
        self.lines(Name::Via).map(|line| list(line).count()).sum()
    }

    /// The first Contact, taken apart.
    pub fn contact(&self) -> Option<NameAddr<'_>> {
        self.contacts().next()
    }

    /// The Contacts that can be read; `*` is none.
    pub fn contacts(&self) -> impl Iterator<Item = NameAddr<'_>> {
        self.headers(Name::Contact).filter_map(NameAddr::parse)
    }

    /// The URIs of the first [`CONTACTS_MAX`] Contacts, the most wanted first (RFC 3261, 8.1.3.4).
    pub fn contacts_by_q(&self) -> Vec<&str> {
        let mut contacts: Vec<_> = self.contacts().take(CONTACTS_MAX).collect();
        contacts.sort_by_key(|contact| std::cmp::Reverse(contact.q()));
        contacts.into_iter().map(|contact| contact.uri).collect()
    }

    /// Max-Forwards, when it is there and can be read.
    pub fn max_forwards(&self) -> Option<u32> {
        self.header(Name::MaxForwards).and_then(number)
    }

    /// A header that is a number of seconds: Expires, Min-Expires, Min-SE.
    pub fn seconds(&self, name: Name) -> Option<u32> {
        self.header(name).and_then(values::seconds)
    }

    /// How long the peer asks to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        self.header(Name::RetryAfter).and_then(values::retry_after)
    }

    /// What the Reason headers say (RFC 3326). The text is cut at [`TEXT_BYTES_MAX`].
    pub fn reason(&self) -> Reason {
        let mut reason = Reason::default();
        self.headers(Name::Reason).for_each(|value| values::add_reason(&mut reason, value));
        reason
    }

    /// The Reason headers as they came, with commas between them, up to [`TEXT_BYTES_MAX`].
    pub fn reason_raw(&self) -> Option<String> {
        let all = self.lines(Name::Reason).map(shortened).take(8).collect::<Vec<_>>();
        (!all.is_empty()).then(|| shortened(&all.join(", ")).to_owned())
    }

    /// Session-Expires (RFC 4028).
    pub fn session_expires(&self) -> Option<SessionExpires> {
        self.header(Name::SessionExpires).and_then(SessionExpires::parse)
    }

    /// The number of a reliable provisional (RFC 3262, 7.1).
    pub fn rseq(&self) -> Option<u32> {
        self.header(Name::RSeq).and_then(number)
    }

    /// Which provisional a PRACK confirms.
    pub fn rack(&self) -> Option<RAck> {
        self.header(Name::RAck).and_then(RAck::parse)
    }

    /// Whether a list of tokens (Supported, Require, Allow) names `token`, in any case.
    pub fn lists(&self, name: Name, token: &str) -> bool {
        self.headers(name).any(|value| value.eq_ignore_ascii_case(token))
    }

    fn lines(&self, name: Name) -> impl Iterator<Item = &str> {
        self.fields.iter().filter(move |f| f.name == name).map(|f| self.value(f))
    }

    fn first_via(&self) -> Option<&str> {
        list(self.header(Name::Via)?).next()
    }

    fn value(&self, field: &Field) -> &str {
        &self.head[field.value.range()]
    }

    /// Checks what every message must have, and cuts the body.
    fn complete(&mut self) -> Result<(), Fault> {
        // Of a response we know the From better than it does: no call is lost to it.
        let needed = [Name::CallId, Name::CSeq, Name::To, Name::From];
        for name in needed.into_iter().take(if self.is_request() { 4 } else { 3 }) {
            self.single(name)?.filter(|value| !value.is_empty()).ok_or(Fault::Missing(name))?;
        }
        let via = self.first_via().ok_or(Fault::Missing(Name::Via))?;
        Via::parse(via).ok_or(Fault::Malformed(Name::Via))?;
        let cseq = self.header(Name::CSeq).unwrap_or("");
        let (number, method, text) = values::cseq(cseq).ok_or(Fault::Malformed(Name::CSeq))?;
        if self.is_request() && text != self.method_text() {
            return Err(Fault::MethodMismatch);
        }
        self.cseq = (number, method);
        // Without a Content-Length a datagram's body goes to its end (RFC 3261, 18.3).
        if let Some(value) = self.content_length()? {
            self.body = self.body.get(..value).ok_or(Fault::BodyTooShort)?;
        }
        Ok(())
    }

    /// The one value of a header that may stand once.
    fn single(&self, name: Name) -> Result<Option<&str>, Fault> {
        let mut lines = self.lines(name);
        let first = lines.next();
        match lines.all(|other| !self.is_request() && Some(other) == first) {
            true => Ok(first),
            false => Err(Fault::Doubled(name)),
        }
    }

    fn content_length(&self) -> Result<Option<usize>, Fault> {
        match self.single(Name::ContentLength) {
            Ok(None) => Ok(None),
            Ok(Some(value)) => number(value).map(|n| Some(n as usize)).ok_or(Fault::ContentLength),
            Err(_) => Err(Fault::ContentLength),
        }
    }
}
