//! Messages made of another: a response of its request, ACK and CANCEL of their INVITE.

use std::net::SocketAddr;

use super::build::{BuildError, Builder};
use super::name::{Method, Name};
use super::{Message, Via, params};
use crate::port::Reason;

/// Begins the response to a request: Via, From, To, Call-ID and CSeq as they came, `to_tag` when To
/// has none, Record-Route and Timestamp where they belong (RFC 3261, 8.2.6, 12.1.1).
///
/// `source` is where the request came from: the first Via says so in `received` and `rport` (18.2.1,
/// RFC 3581). A 100 needs no tag.
pub fn respond<'b>(
    out: &'b mut Vec<u8>,
    request: &Message<'_>,
    status: u16,
    phrase: &str,
    to_tag: Option<&str>,
    source: SocketAddr,
) -> Builder<'b> {
    let mut builder = Builder::response(out, status, phrase);
    let mut lines = request.lines(Name::Via);
    // The top Via may share its line with others.
    let mut first = lines.next().into_iter().flat_map(params::list);
    if let Some(top) = first.next() {
        push_top_via(&mut builder, top, source);
    }
    first.chain(lines).for_each(|via| {
        builder.copied(Name::Via, via);
    });
    builder.copy(request, Name::From);
    let to = request.header(Name::To).unwrap_or("");
    match to_tag {
        Some(tag) if request.to_tag().is_none() => builder.tagged(Name::To, to, tag),
        _ => builder.copied(Name::To, to),
    };
    builder
        .copy(request, Name::CallId)
        .copied(Name::CSeq, request.header(Name::CSeq).unwrap_or(""));
    if status == 100 {
        builder.copy(request, Name::Timestamp);
    } else if status < 300 && request.method() == Some(Method::Invite) {
        builder.copy(request, Name::RecordRoute);
    }
    builder
}

/// The first Via of a request, with the address it was really seen from.
fn push_top_via(builder: &mut Builder<'_>, top: &str, source: SocketAddr) {
    let Some(via) = Via::parse(top) else {
        builder.copied(Name::Via, top);
        return;
    };
    builder.push("Via: ").push(&top[..top.len() - via.params.raw().len()]);
    for param in via
        .params
        .iter()
        .filter(|p| !["received", "rport"].iter().any(|n| p.name.eq_ignore_ascii_case(n)))
    {
        builder.push(";").push(param.name);
        if let Some(value) = param.value {
            builder.push("=").push(value);
        }
    }
    if via.wants_rport() {
        builder.push_display(format_args!(";received={};rport={}", source.ip(), source.port()));
    } else if super::uri::host_address(via.host) != Some(source.ip()) {
        builder.push_display(format_args!(";received={}", source.ip()));
    }
    builder.push("\r\n");
}

/// The ACK to a final answer that is no 2xx (RFC 3261, 17.1.1.3). `to` is the To of that answer, as
/// it came. The ACK to a 2xx is a request of its own dialog, and not made here.
///
/// # Errors
/// When the INVITE or `to` cannot be repeated.
pub fn ack(out: &mut Vec<u8>, invite: &Message<'_>, to: &str) -> Result<(), BuildError> {
    derived(out, invite, Method::Ack, to).finish()
}

/// The CANCEL of an INVITE (RFC 3261, 9.1).
///
/// # Errors
/// When the INVITE cannot be repeated, or the reason cannot be sent.
pub fn cancel(
    out: &mut Vec<u8>,
    invite: &Message<'_>,
    reason: Option<&Reason>,
) -> Result<(), BuildError> {
    let mut builder = derived(out, invite, Method::Cancel, invite.header(Name::To).unwrap_or(""));
    if let Some(reason) = reason {
        builder.reason(reason);
    }
    builder.finish()
}

/// What ACK and CANCEL take over from their INVITE.
fn derived<'b>(
    out: &'b mut Vec<u8>,
    invite: &Message<'_>,
    method: Method,
    to: &str,
) -> Builder<'b> {
    let mut builder = Builder::request(out, method, invite.uri());
    builder.copied(Name::Via, invite.top_via().raw);
    builder.copy(invite, Name::Route);
    builder.header(Name::MaxForwards, 70);
    builder.copy(invite, Name::From).copied(Name::To, to).copy(invite, Name::CallId);
    builder.cseq(invite.cseq().0, method);
    builder
}
