//! What a message carries: its body, or one part of it (RFC 3261, 7.4; RFC 5621; RFC 2046, 5.1).

use memchr::memmem;

use super::Message;
use super::lexer;
use super::name::Name;
use super::params::with_params;
use super::text::unquote;

/// The most parts that are looked at. SIP-I has two: the SDP, and the ISUP message it came from.
const PARTS_MAX: usize = 8;
/// The longest boundary (RFC 2046, 5.1.1).
const BOUNDARY_BYTES_MAX: usize = 70;

impl<'a> Message<'a> {
    /// The body, cut to its Content-Length.
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    /// The media type of the body, without parameters, in the case it came in.
    pub fn content_type(&self) -> Option<&str> {
        Some(with_params(self.header(Name::ContentType)?).0)
    }

    /// Whether all of the body is of that media type; false for an empty one.
    pub fn has_body(&self, media_type: &str) -> bool {
        !self.body.is_empty()
            && self.content_type().is_some_and(|t| t.eq_ignore_ascii_case(media_type))
    }

    /// The body when it is SDP, or the first part that is, of a body in several parts: networks that
    /// carry ISUP send both. A body of no type that begins as SDP does is taken for it.
    pub fn sdp(&self) -> Option<&'a [u8]> {
        const SDP: &str = "application/sdp";
        if self.body.is_empty() {
            return None;
        }
        let Some(header) = self.header(Name::ContentType) else {
            return self.body.starts_with(b"v=0").then_some(self.body);
        };
        let (kind, params) = with_params(header);
        if kind.eq_ignore_ascii_case(SDP) {
            return Some(self.body);
        }
        let multipart = kind.get(..10).is_some_and(|k| k.eq_ignore_ascii_case("multipart/"));
        let boundary = params.value("boundary").filter(|_| multipart).map(unquote)?;
        parts(self.body, &boundary).take(PARTS_MAX).find_map(|part| {
            let (head, body) = lexer::part(part)?;
            head.is_some_and(|kind| with_params(&kind).0.eq_ignore_ascii_case(SDP)).then_some(body)
        })
    }
}

/// What stands between the lines that are the boundary.
fn parts<'a>(body: &'a [u8], boundary: &str) -> impl Iterator<Item = &'a [u8]> {
    let line = format!("--{boundary}");
    let sound = !boundary.is_empty() && boundary.len() <= BOUNDARY_BYTES_MAX;
    // What stands before the first boundary is for nobody.
    let mut rest = sound
        .then(|| memmem::find(body, line.as_bytes()))
        .flatten()
        .map(|at| &body[at + line.len()..]);
    let between = format!("\r\n{line}");
    std::iter::from_fn(move || {
        let now = rest.take()?;
        let end = memmem::find(now, between.as_bytes());
        rest = end.map(|at| &now[at + between.len()..]);
        // The last boundary has two hyphens more, and is not followed by a part.
        (!now.starts_with(b"--")).then(|| &now[..end.unwrap_or(now.len())])
    })
}
