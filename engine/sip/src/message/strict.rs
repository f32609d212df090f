//! What RFC 3261 wants of a request beyond what is needed to answer it.
//!
//! This is for requests that begin something. It is not asked of responses, nor of what comes in a
//! dialog that stands: a BYE with a Date in the wrong zone still means that they hung up.

use super::address::params_are_strict;
use super::fault::Fault;
use super::name::Name;
use super::text::{WORD, number};
use super::uri::split_scheme;
use super::{Message, NameAddr, SipUri, UriError, Via};

/// Headers that may stand once, besides those that `parse` looks at.
const SINGLE: [Name; 10] = [
    Name::MaxForwards,
    Name::ContentType,
    Name::Expires,
    Name::MinExpires,
    Name::Date,
    Name::SessionExpires,
    Name::MinSe,
    Name::RSeq,
    Name::RAck,
    Name::ReferTo,
];
/// Headers whose every value is a name and a URI.
const ADDRESSES: [Name; 8] = [
    Name::From,
    Name::To,
    Name::Contact,
    Name::Route,
    Name::RecordRoute,
    Name::ReferTo,
    Name::ReferredBy,
    Name::PAssertedIdentity,
];

impl Message<'_> {
    /// The first thing that gives the right to answer a request with 400 (RFC 3261, 25.1). None
    /// when all that we know of it is well formed.
    pub fn fault(&self) -> Option<Fault> {
        self.line_fault.or_else(|| self.check().err())
    }

    fn check(&self) -> Result<(), Fault> {
        if self.is_request() {
            request_uri(self.uri())?;
        }
        for name in SINGLE {
            self.single(name)?;
        }
        for via in self.headers(Name::Via) {
            let via = Via::parse(via).ok_or(Fault::Malformed(Name::Via))?;
            fits(params_are_strict(via.params), Name::Via)?;
        }
        for name in ADDRESSES {
            for value in self.headers(name).filter(|&value| (name, value) != (Name::Contact, "*")) {
                fits(NameAddr::parse(value).is_some_and(|address| address.is_strict()), name)?;
            }
        }
        fits(is_call_id(self.call_id()), Name::CallId)?;
        if let Some(hops) = self.header(Name::MaxForwards) {
            fits(number(hops).is_some_and(|n| n <= 255), Name::MaxForwards)?;
        }
        if let Some(date) = self.header(Name::Date) {
            fits(is_date(date), Name::Date)?;
        }
        Ok(())
    }
}

fn fits(sound: bool, name: Name) -> Result<(), Fault> {
    if sound { Ok(()) } else { Err(Fault::Malformed(name)) }
}

/// A URI of another scheme is well formed as far as we know (416 is its answer); headers have no
/// place in a Request-URI (RFC 3261, 19.1.1).
fn request_uri(uri: &str) -> Result<(), Fault> {
    match SipUri::parse(uri) {
        Ok(uri) if uri.headers.is_none() => Ok(()),
        Err(UriError::OtherScheme) if split_scheme(uri).is_ok() => Ok(()),
        _ => Err(Fault::RequestUri),
    }
}

/// word, or two of them with `@` between.
fn is_call_id(text: &str) -> bool {
    match text.split_once('@') {
        Some((word, host)) => WORD.all(word) && WORD.all(host),
        None => WORD.all(text),
    }
}

/// `Sat, 13 Nov 2010 23:29:00 GMT`, and no other zone (RFC 3261, 20.17).
fn is_date(text: &str) -> bool {
    const DAYS: &str = "Mon Tue Wed Thu Fri Sat Sun";
    const MONTHS: &str = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec";
    let shape = text.len() == 29 && text.is_ascii();
    shape
        && DAYS.split(' ').any(|day| text.starts_with(day))
        && MONTHS.split(' ').any(|month| text[8..11] == *month)
        && &text[3..5] == ", "
        && &text[7..8] == " "
        && &text[11..12] == " "
        && text.ends_with(" GMT")
        && [5..7, 12..16, 17..19, 20..22, 23..25]
            .into_iter()
            .all(|digits| number(&text[digits]).is_some())
        && [&text[16..17], &text[19..20], &text[22..23]] == [" ", ":", ":"]
}
