//! Requests outside every dialog of ours. They are answered without keeping anything (RFC 3261,
//! 8.2.7), and only to gateways: a stranger's never gets here.

use crate::answers::{about_us, is_unknown_extension, refuse};
use crate::message::{Message, Method, Name, respond};
use crate::port::Peer;
use crate::shared::{Shared, answer_goes_to};

/// A request without a tag of ours.
pub(crate) fn on_request(shared: &mut Shared, from: Peer, message: &Message<'_>) {
    let method = message.cseq().1;
    if matches!(method, Method::Ack | Method::Cancel | Method::Bye) {
        return on_stray(shared, from, message);
    }
    let tag = shared.stateless_tag(message);
    if message.headers(Name::Require).any(is_unknown_extension) {
        refuse(shared, from, message, 420, Some(&tag));
        return;
    }
    match method {
        Method::Options => {
            about_us(shared, from, message);
        }
        // Here a call for us would begin: a leg made of their INVITE, in a phase before `Answered`,
        // its server transaction the first of its `served`.
        Method::Invite => {
            refuse(shared, from, message, 403, Some(&tag));
        }
        Method::Info | Method::Update | Method::Prack => on_stray(shared, from, message),
        _ => {
            refuse(shared, from, message, 405, Some(&tag));
        }
    }
}

/// A request in a dialog, or for a transaction, that we do not have.
pub(crate) fn on_stray(shared: &mut Shared, from: Peer, message: &Message<'_>) {
    shared.counters.stray_requests += 1;
    if message.cseq().1 != Method::Ack {
        let tag = shared.stateless_tag(message);
        shared.respond(message, from, 481, Some(&tag));
    }
}

/// A request that could be read far enough to say what is wrong with it (18.3, 21.4.1).
pub(crate) fn refuse_unreadable(
    shared: &mut Shared,
    from: Peer,
    message: &Message<'_>,
    status: u16,
    phrase: &str,
) {
    let tag = shared.stateless_tag(message);
    let written = shared
        .write(|out, _| respond(out, message, status, phrase, Some(&tag), from.address).finish());
    if let Ok(bytes) = written {
        shared.transmit(answer_goes_to(message, from), &bytes);
    }
}
