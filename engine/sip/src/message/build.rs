//! Messages written into one buffer that is used again and again.
//!
//! Text from outside (numbers, names, reasons, a peer's Contact) cannot add a header or end one:
//! every text is checked for the place it goes to, quoted or escaped there, and a control character
//! makes the whole message unsendable. The first thing that does not fit is remembered, the rest is
//! passed over, and `finish` says what it was and leaves the buffer empty.

use std::fmt::{self, Display, Write};

use super::name::{Method, Name};
use super::text::{Quoted, Set, TOKEN};
use super::uri::{split_host_port, split_scheme};
use super::{HEADER_BYTES_MAX, MESSAGE_BYTES_MAX, Message};
use crate::port::{Reason, Transport};

/// Why a message cannot be written. Says where, never what: it may be a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BuildError {
    /// A control character: a line break would begin a header of its own.
    #[error("a control character in {0}")]
    Control(&'static str),
    /// A text with a character that may not stand there.
    #[error("{0} has a character that may not stand there")]
    Unfit(&'static str),
    /// A header longer than [`HEADER_BYTES_MAX`], or a message longer than [`MESSAGE_BYTES_MAX`].
    #[error("{0} is too long")]
    TooLong(&'static str),
}

/// Writes one message. Headers come out in the order they are given in; Content-Length is last.
#[derive(Debug)]
pub struct Builder<'b> {
    out: &'b mut Vec<u8>,
    fault: Option<BuildError>,
}

impl<'b> Builder<'b> {
    /// Begins a request. Empties the buffer. `method` must be one that we know.
    pub fn request(out: &'b mut Vec<u8>, method: Method, uri: &str) -> Self {
        let mut builder = Self::empty(out);
        builder.check(TOKEN.all(method.text()), BuildError::Unfit("the method"));
        builder.check(is_uri(uri), BuildError::Unfit("the Request-URI"));
        builder.push(method.text()).push(" ").push(uri).push(" SIP/2.0\r\n");
        builder
    }

    /// Begins a response with nothing but its first line. [`super::respond`] does more.
    pub fn response(out: &'b mut Vec<u8>, status: u16, phrase: &str) -> Self {
        let mut builder = Self::empty(out);
        builder.check((100..700).contains(&status), BuildError::Unfit("the status"));
        builder.push_display(format_args!("SIP/2.0 {status} "));
        builder.text(phrase, "the reason phrase").push("\r\n");
        builder
    }

    fn empty(out: &'b mut Vec<u8>) -> Self {
        out.clear();
        Self { out, fault: None }
    }

    /// Our Via, which asks for the port it was seen from (RFC 3581). `sent_by` is host or
    /// `host:port`.
    pub fn via(&mut self, transport: Transport, sent_by: &str, branch: &str) -> &mut Self {
        self.check(split_host_port(sent_by).is_some(), BuildError::Unfit("our address"));
        self.check(TOKEN.all(branch), BuildError::Unfit("the branch"));
        let transport = match transport {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
        };
        self.push("Via: SIP/2.0/").push(transport).push(" ").push(sent_by);
        self.push(";branch=").push(branch).push(";rport\r\n")
    }

    /// A header with a value of ours, or one that was made for its place. Control characters are
    /// refused. `name` must be one that we know.
    pub fn header(&mut self, name: Name, value: impl Display) -> &mut Self {
        self.header_named(name.text(), value)
    }

    /// As [`Builder::header`], for a name that [`Name`] does not have.
    pub fn header_named(&mut self, name: &str, value: impl Display) -> &mut Self {
        self.check(TOKEN.all(name), BuildError::Unfit("a header name"));
        self.push(name).push(": ");
        let start = self.out.len();
        let mut checked = Checked { builder: self, what: "a header" };
        // Writing into a `Vec` does not fail; a `Display` that fails is caught as a missing value.
        if write!(checked, "{value}").is_err() {
            self.check(false, BuildError::Unfit("a header"));
        }
        self.check(self.out.len() - start <= HEADER_BYTES_MAX, BuildError::TooLong("a header"));
        self.push("\r\n")
    }

    /// A header that holds a name and a URI: `"Display" <uri>;name=value`. A parameter with an
    /// empty value is a flag; a value that is no token is quoted.
    pub fn address(
        &mut self,
        name: Name,
        display: Option<&str>,
        uri: &str,
        params: &[(&str, &str)],
    ) -> &mut Self {
        self.push(name.text()).push(": ");
        let start = self.out.len();
        if let Some(display) = display {
            self.quoted(display, "a display name").push(" ");
        }
        self.check(is_uri(uri), BuildError::Unfit("a URI"));
        self.push("<").push(uri).push(">");
        for (name, value) in params {
            self.check(TOKEN.all(name), BuildError::Unfit("a parameter name"));
            self.push(";").push(name);
            if TOKEN.all(value) {
                self.push("=").push(value);
            } else if !value.is_empty() {
                self.push("=").quoted(value, "a parameter");
            }
        }
        self.check(self.out.len() - start <= HEADER_BYTES_MAX, BuildError::TooLong("an address"));
        self.push("\r\n")
    }

    /// A CSeq.
    pub fn cseq(&mut self, number: u32, method: Method) -> &mut Self {
        self.check(number < super::CSEQ_END, BuildError::Unfit("the CSeq"));
        self.header(Name::CSeq, format_args!("{number} {}", method.text()))
    }

    /// A Reason (RFC 3326). Nothing when there is nothing to say.
    pub fn reason(&mut self, reason: &Reason) -> &mut Self {
        let Reason { q850, sip, text } = reason;
        let mut values =
            [("SIP", sip), ("Q.850", q850)].into_iter().filter(|(_, cause)| cause.is_some());
        let first = values.next().or(text.as_ref().map(|_| ("SIP", &None)));
        let mut before = "Reason: ";
        for (at, (protocol, cause)) in first.into_iter().chain(values).enumerate() {
            self.push(before).push(protocol);
            before = ", ";
            if let Some(cause) = cause {
                self.push_display(format_args!(";cause={cause}"));
            }
            if let Some(text) = text.as_deref().filter(|_| at == 0) {
                self.push(";text=").quoted(text, "a reason");
            }
        }
        if before == ", " { self.push("\r\n") } else { self }
    }

    /// All lines of that name in another message, as they came. They hold no line break, for it
    /// was read; what else they hold is the peer's own, and goes back to it.
    pub fn copy(&mut self, from: &Message<'_>, name: Name) -> &mut Self {
        for line in from.lines(name) {
            self.copied(name, line);
        }
        self
    }

    /// One header as it came from a message that was read.
    pub(super) fn copied(&mut self, name: Name, value: &str) -> &mut Self {
        self.check(!value.contains(['\r', '\n']), BuildError::Control("a copied header"));
        self.push(name.text()).push(": ").push(value).push("\r\n")
    }

    /// An address as it came, with a tag behind it.
    pub(super) fn tagged(&mut self, name: Name, value: &str, tag: &str) -> &mut Self {
        self.check(TOKEN.all(tag), BuildError::Unfit("our tag"));
        self.push(name.text()).push(": ").push(value).push(";tag=").push(tag).push("\r\n")
    }

    /// Ends a message without a body.
    ///
    /// # Errors
    /// The first thing that did not fit. The buffer is empty then.
    pub fn finish(self) -> Result<(), BuildError> {
        self.end(&[])
    }

    /// Ends a message with a body.
    ///
    /// # Errors
    /// As [`Builder::finish`].
    pub fn finish_with(mut self, content_type: &str, body: &[u8]) -> Result<(), BuildError> {
        self.header(Name::ContentType, content_type);
        self.end(body)
    }

    fn end(mut self, body: &[u8]) -> Result<(), BuildError> {
        self.push_display(format_args!("Content-Length: {}\r\n\r\n", body.len()));
        self.out.extend_from_slice(body);
        self.check(self.out.len() <= MESSAGE_BYTES_MAX, BuildError::TooLong("the message"));
        match self.fault {
            None => Ok(()),
            Some(fault) => {
                self.out.clear();
                Err(fault)
            }
        }
    }

    /// A quoted string.
    fn quoted(&mut self, text: &str, what: &'static str) -> &mut Self {
        self.check(!text.contains(char::is_control), BuildError::Control(what));
        self.push_display(format_args!("{}", Quoted(text)));
        self
    }

    /// Text without control characters.
    fn text(&mut self, text: &str, what: &'static str) -> &mut Self {
        self.check(!text.contains(char::is_control), BuildError::Control(what));
        self.push(text)
    }

    fn check(&mut self, fits: bool, fault: BuildError) {
        if !fits {
            self.fault.get_or_insert(fault);
        }
    }

    pub(super) fn push(&mut self, text: &str) -> &mut Self {
        self.out.extend_from_slice(text.as_bytes());
        self
    }

    pub(super) fn push_display(&mut self, value: fmt::Arguments<'_>) {
        // `Vec` takes all that is written to it.
        let _ = std::io::Write::write_fmt(self.out, value);
    }
}

/// Lets a `Display` write into a message, and looks at every piece of it.
struct Checked<'a, 'b> {
    builder: &'a mut Builder<'b>,
    what: &'static str,
}

impl Write for Checked<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.builder.text(text, self.what);
        Ok(())
    }
}

/// Whether `text` may stand as a URI, of whatever scheme, in a first line or between brackets.
fn is_uri(text: &str) -> bool {
    split_scheme(text).is_ok()
        && text.bytes().all(|b| b > b' ' && b < 0x7f && !b"<>\"".contains(&b))
}

/// What a user part of ours is made of; all else is escaped. RFC 3261, 25.1 would let `;`, `?` and
/// `,` stand, but peers are known that end the user part at them, and a number must not become a
/// parameter.
const USER: Set = Set::alphanumeric().with(b"-_.!~*'()").with(b"&=+$/");

/// The text of a SIP URI. `user` is escaped; `host` may be a name, an IPv4 address, or an IPv6
/// address in brackets; `params` come with their semicolons, such as `;transport=tcp`, and are ours.
///
/// # Errors
/// A control character in `user`, a user that is empty, or a host that is none.
pub fn sip_uri(
    user: Option<&str>,
    host: &str,
    port: Option<u16>,
    params: &str,
) -> Result<String, BuildError> {
    let mut uri = String::with_capacity(16 + user.map_or(0, str::len) + host.len() + params.len());
    uri.push_str("sip:");
    if let Some(user) = user {
        if user.is_empty() {
            return Err(BuildError::Unfit("a user part"));
        }
        if user.contains(char::is_control) {
            return Err(BuildError::Control("a user part"));
        }
        push_escaped(&mut uri, user);
        uri.push('@');
    }
    let Some((host, None)) = split_host_port(host) else { return Err(BuildError::Unfit("a host")) };
    uri.push_str(host);
    if let Some(port) = port {
        // Writing into a `String` does not fail.
        let _ = write!(uri, ":{port}");
    }
    uri.push_str(params);
    if is_uri(&uri) { Ok(uri) } else { Err(BuildError::Unfit("a URI parameter")) }
}

fn push_escaped(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if USER.has(byte) {
            out.push(byte.into());
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}
