//! What stands on an envelope: as much of a SIP message as a bystander needs, read apart from the
//! engine's parser, in one walk over the lines.

use std::str::{FromStr, from_utf8};

/// What a message is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Line<'a> {
    /// A request: its method and its URI.
    Request(&'a str, &'a str),
    /// A response: its status.
    Response(u16),
}

/// As much of a message as a bystander needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Glimpse<'a> {
    /// Request or response.
    pub line: Line<'a>,
    /// Its Call-ID.
    pub call_id: &'a str,
    /// The number of its CSeq.
    pub cseq: u32,
    /// The method of its CSeq.
    pub method: &'a str,
    /// The branch of its first Via.
    pub branch: &'a str,
    /// Its To tag; empty when there is none.
    pub to_tag: &'a str,
    /// Its From tag.
    pub from_tag: &'a str,
    /// Whether it has a Contact.
    pub has_contact: bool,
}

impl<'a> Glimpse<'a> {
    /// Looks at a message. `None` when something is missing: nobody could use it.
    pub fn of(message: &'a [u8]) -> Option<Self> {
        let head = match memchr::memmem::find(message, b"\r\n\r\n") {
            Some(end) => &message[..end],
            None => message,
        };
        let mut lines = from_utf8(head).ok()?.split("\r\n");
        let first = lines.next()?;
        let line = match first.strip_prefix("SIP/2.0 ") {
            Some(rest) => Line::Response(u16::from_str(rest.get(..3)?).ok()?),
            None => {
                let (method, rest) = first.split_once(' ')?;
                Line::Request(method, rest.strip_suffix(" SIP/2.0")?)
            }
        };
        let mut glimpse = Self {
            line,
            call_id: "",
            cseq: 0,
            method: "",
            branch: "",
            to_tag: "",
            from_tag: "",
            has_contact: false,
        };
        for line in lines {
            match line.as_bytes() {
                [b'V', b'i', b'a', b':', ..] if glimpse.branch.is_empty() => {
                    glimpse.branch = param(line, ";branch=").unwrap_or("");
                }
                [b'T', b'o', b':', ..] => glimpse.to_tag = param(line, ";tag=").unwrap_or(""),
                [b'F', b'r', b'o', b'm', b':', ..] => {
                    glimpse.from_tag = param(line, ";tag=").unwrap_or("");
                }
                [b'C', b'o', b'n', b't', b'a', b'c', b't', b':', ..] => glimpse.has_contact = true,
                [b'C', b'a', b'l', b'l', b'-', b'I', b'D', b':', rest @ ..] => {
                    glimpse.call_id = from_utf8(rest).ok()?.trim();
                }
                [b'C', b'S', b'e', b'q', b':', rest @ ..] => {
                    let (number, method) = from_utf8(rest).ok()?.trim().split_once(' ')?;
                    glimpse.cseq = number.parse().ok()?;
                    glimpse.method = method;
                }
                _ => {}
            }
        }
        (!glimpse.call_id.is_empty() && !glimpse.method.is_empty()).then_some(glimpse)
    }

    /// It in a few words.
    pub fn title(&self) -> String {
        match self.line {
            Line::Request(method, _) => format!("{method} {}", self.cseq),
            Line::Response(status) => format!("{status} to {} {}", self.method, self.cseq),
        }
    }

    /// The method of a request; `None` for a response.
    pub fn request(&self) -> Option<&'a str> {
        match self.line {
            Line::Request(method, _) => Some(method),
            Line::Response(_) => None,
        }
    }

    /// The status of a response to this method; `None` for all else.
    pub fn status_of(&self, method: &str) -> Option<u16> {
        match self.line {
            Line::Response(status) if self.method == method => Some(status),
            _ => None,
        }
    }

    /// Whether it is an INVITE that begins a call.
    pub fn begins_a_call(&self) -> bool {
        self.request() == Some("INVITE") && self.to_tag.is_empty()
    }

    /// The user part of a request's URI.
    pub fn user(&self) -> &'a str {
        let Line::Request(_, uri) = self.line else { return "" };
        let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
        rest.split(['@', ';']).next().unwrap_or(rest)
    }
}

fn param<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    // A parameter of the header stands behind the brackets of its URI.
    let behind = line.rfind('>').map_or(line, |end| &line[end..]);
    let at = behind.find(name)? + name.len();
    behind[at..].split([';', ',', ' ']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(message: &str, wanted: Option<(&str, u32, &str, &str, &str)>) {
        let glimpse = Glimpse::of(message.as_bytes());
        let seen = glimpse.map(|g| (g.call_id, g.cseq, g.method, g.branch, g.to_tag));
        assert_eq!(seen, wanted, "{message}");
    }

    #[test]
    fn a_bystander_sees_whose_message_it_is() {
        check(
            "INVITE sip:+4930@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 1.2.3.4;branch=z9hG4bKx;rport\r\n\
             To: <sip:+4930@192.0.2.1>\r\nFrom: <sip:a@b;tag=no>;tag=f\r\nCall-ID: abc\r\n\
             CSeq: 7 INVITE\r\n\r\nv=0\r\n",
            Some(("abc", 7, "INVITE", "z9hG4bKx", "")),
        );
        check(
            "SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP h;branch=b\r\nTo: x;tag=t\r\nCall-ID:c\r\n\
             CSeq: 1 INVITE",
            Some(("c", 1, "INVITE", "b", "t")),
        );
    }

    #[test]
    fn what_nobody_could_use_is_nothing() {
        for message in ["", "SIP/2.0 2", "hello", "SIP/2.0 200 OK\r\nCall-ID: x\r\n\r\n"] {
            check(message, None);
        }
        assert_eq!(Glimpse::of(&[0xff; 40]), None);
    }

    #[test]
    fn the_number_is_the_user_of_the_uri() {
        let message = "INVITE sip:+4930;x=y@h SIP/2.0\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\r\n";
        let glimpse = Glimpse::of(message.as_bytes()).expect("is whole");
        assert_eq!((glimpse.user(), glimpse.begins_a_call()), ("+4930", true));
        assert_eq!((glimpse.request(), glimpse.status_of("INVITE")), (Some("INVITE"), None));
    }
}
