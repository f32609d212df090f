//! Small values: CSeq, Reason, Retry-After, Session-Expires, RAck.

use std::time::Duration;

use super::name::Method;
use super::params::{with_params, word};
use super::text::{TOKEN, number, shortened, trim, unquote};
use crate::port::Reason;

/// The first CSeq number that is too large (RFC 3261, 8.1.1.5).
pub const CSEQ_END: u32 = 1 << 31;

/// The number and the method of a CSeq, and the method's text.
pub(crate) fn cseq(value: &str) -> Option<(u32, Method, &str)> {
    let (digits, method) = word(trim(value));
    let number = number(digits).filter(|&n| n < CSEQ_END)?;
    TOKEN.all(method).then(|| (number, Method::read(method), method))
}

/// Which reliable provisional a PRACK confirms (RFC 3262, 7.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RAck {
    /// The RSeq of the provisional.
    pub rseq: u32,
    /// The CSeq number of its request.
    pub cseq: u32,
    /// The method of its request.
    pub method: Method,
}

impl RAck {
    /// Reads `rseq cseq method`.
    pub fn parse(value: &str) -> Option<Self> {
        let (rseq, rest) = word(trim(value));
        let (cseq, method, _) = cseq(rest)?;
        Some(Self { rseq: number(rseq)?, cseq, method })
    }
}

/// Who is to refresh a session (RFC 4028, 4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refresher {
    /// The side that asked.
    Uac,
    /// The side that answered.
    Uas,
}

/// How long a session lasts without a refresh (RFC 4028, 4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionExpires {
    /// Seconds.
    pub seconds: u32,
    /// Who refreshes, when it says so.
    pub refresher: Option<Refresher>,
}

impl SessionExpires {
    /// Reads `seconds;refresher=uac`.
    pub fn parse(value: &str) -> Option<Self> {
        let (seconds, params) = with_params(value);
        let refresher = match params.value("refresher") {
            Some(who) if who.eq_ignore_ascii_case("uac") => Some(Refresher::Uac),
            Some(who) if who.eq_ignore_ascii_case("uas") => Some(Refresher::Uas),
            _ => None,
        };
        Some(Self { seconds: number(seconds)?, refresher })
    }
}

/// A value that is seconds, parameters left aside: Min-SE, Expires, Min-Expires.
pub(crate) fn seconds(value: &str) -> Option<u32> {
    number(with_params(value).0)
}

/// Retry-After: seconds, with a comment in parentheses or parameters behind them (RFC 3261,
/// 20.33).
pub(crate) fn retry_after(value: &str) -> Option<Duration> {
    let value = trim(value);
    let end = value.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(value.len());
    Some(Duration::from_secs(number(&value[..end])?.into()))
}

/// Adds what one Reason value says to what is known: `Q.850;cause=16;text="Normal"` (RFC 3326).
/// The first value of a protocol counts, and the first text.
pub(crate) fn add_reason(reason: &mut Reason, value: &str) {
    let (protocol, params) = with_params(value);
    let cause =
        params.value("cause").and_then(|c| number(&unquote(c))).and_then(|c| u16::try_from(c).ok());
    if protocol.eq_ignore_ascii_case("Q.850") {
        reason.q850 = reason.q850.or(cause);
    } else if protocol.eq_ignore_ascii_case("SIP") {
        reason.sip = reason.sip.or(cause);
    }
    if reason.text.is_none() {
        let text = params.get("text").and_then(|p| p.unquoted());
        reason.text = text.filter(|t| !t.is_empty()).map(|t| shortened(&t).to_owned());
    }
}
