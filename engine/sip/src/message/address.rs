//! Names with addresses: what From, To, Contact, Route, Record-Route and their like hold.

use std::borrow::Cow;

use super::params::Params;
use super::text::{TOKEN, number, quoted_length, trim, unquote};
use super::uri::{SipUri, UriError, split_scheme};

/// `"Display name" <uri>;params`, or a bare URI with parameters (RFC 3261, 20.10).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NameAddr<'a> {
    /// As it came.
    pub raw: &'a str,
    /// The display name as it came, quotation marks included. See [`NameAddr::display_text`].
    pub display: Option<&'a str>,
    /// The URI, of whatever scheme.
    pub uri: &'a str,
    /// The parameters of the value, such as `tag`; those of the URI are in the URI.
    pub params: Params<'a>,
    /// Whether the URI stood between angle brackets.
    pub bracketed: bool,
    /// Whether there were no blanks between the brackets.
    tight: bool,
}

impl<'a> NameAddr<'a> {
    /// Reads one value. Forgives blanks inside the brackets and a display name that should have
    /// been quoted: [`NameAddr::is_strict`] tells. None when there is no URI to be found.
    pub fn parse(raw: &'a str) -> Option<Self> {
        let raw = trim(raw);
        let quoted = match raw.starts_with('"') {
            true => quoted_length(raw.as_bytes())?,
            false => 0,
        };
        let place =
            |from: usize, byte| raw.bytes().skip(from).position(|b| b == byte).map(|at| from + at);
        let Some(open) = place(quoted, b'<') else {
            // Without brackets all parameters are the header's (RFC 3261, 20.10).
            let (uri, params) = raw.split_at(place(0, b';').unwrap_or(raw.len()));
            let uri = trim(uri);
            split_scheme(uri).ok()?;
            return Some(Self {
                raw,
                display: None,
                uri,
                params: Params(params),
                bracketed: false,
                tight: true,
            });
        };
        let close = place(open, b'>')?;
        let display = Some(trim(&raw[..open])).filter(|d| !d.is_empty());
        let inner = &raw[open + 1..close];
        let uri = trim(inner);
        split_scheme(uri).ok()?;
        let params = trim(&raw[close + 1..]);
        if !params.is_empty() && !params.starts_with(';') {
            return None;
        }
        Some(Self {
            raw,
            display,
            uri,
            params: Params(params),
            bracketed: true,
            tight: inner == uri,
        })
    }

    /// The URI taken apart, when it is `sip:` or `sips:`.
    pub fn sip_uri(&self) -> Result<SipUri<'a>, UriError> {
        SipUri::parse(self.uri)
    }

    /// The display name in plain text.
    pub fn display_text(&self) -> Option<Cow<'a, str>> {
        self.display.map(unquote)
    }

    /// The `tag` parameter.
    pub fn tag(&self) -> Option<&'a str> {
        self.params.value("tag").filter(|tag| !tag.is_empty())
    }

    /// The `q` parameter of a Contact in thousandths; 1000 when there is none that can be read, as
    /// RFC 3261, 16.6 orders it.
    pub fn q(&self) -> u16 {
        self.params.value("q").and_then(thousandths).unwrap_or(1000)
    }

    /// The `expires` parameter of a Contact, in seconds.
    pub fn expires(&self) -> Option<u32> {
        self.params.value("expires").and_then(number)
    }

    /// Whether it is written as RFC 3261, 25.1 wants it: a request that is not may be answered
    /// with 400, a response is read all the same.
    pub fn is_strict(&self) -> bool {
        let display = match self.display {
            None => true,
            Some(d) if d.starts_with('"') => quoted_length(d.as_bytes()) == Some(d.len()),
            Some(d) => d.split([' ', '\t']).all(|word| word.is_empty() || TOKEN.all(word)),
        };
        let uri = match SipUri::parse(self.uri) {
            Ok(_) => true,
            Err(UriError::OtherScheme) => {
                self.uri.bytes().all(|b| b > b' ' && !b"<>\"\x7f".contains(&b))
            }
            Err(UriError::Malformed) => false,
        };
        // A bare URI with `,`, `;` or `?` in it would be read in two ways (RFC 3261, 20.10).
        let apart = self.bracketed || !self.uri.contains([',', '?']);
        display && uri && apart && self.tight && params_are_strict(self.params)
    }
}

/// Whether each parameter is a token, alone or with a token, host or quoted string as its value.
pub(crate) fn params_are_strict(params: Params<'_>) -> bool {
    params.iter().all(|param| {
        let value = param.value.is_none_or(|v| {
            quoted_length(v.as_bytes()) == Some(v.len())
                || (!v.is_empty() && v.bytes().all(|b| TOKEN.has(b) || b"[]:".contains(&b)))
        });
        TOKEN.all(param.name) && value
    })
}

/// A qvalue: `1`, `0.7`, `0.125`, in thousandths.
pub(crate) fn thousandths(text: &str) -> Option<u16> {
    let (whole, digits) = text.split_once('.').unwrap_or((text, ""));
    let whole = number(whole)?;
    if whole > 1 || digits.len() > 3 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let part = three_digits(digits);
    (whole * 1000 + part <= 1000).then_some((whole * 1000 + part) as u16)
}

/// `7` as 700, `12` as 120, `125` as 125.
fn three_digits(digits: &str) -> u32 {
    (0..3).fold(0, |n, at| n * 10 + digits.as_bytes().get(at).map_or(0, |d| u32::from(d - b'0')))
}
