//! Answers to requests that say the same in a dialog and outside.

use crate::message::{Message, Method, Name};
use crate::port::Peer;
use crate::shared::Shared;
use crate::status::{ALLOW, OPTION_TAGS, SDP};

/// Refuses a request, with the headers that its status wants.
pub(crate) fn refuse(
    shared: &mut Shared,
    from: Peer,
    message: &Message<'_>,
    status: u16,
    to_tag: Option<&str>,
) -> Box<[u8]> {
    shared.counters.requests_refused += 1;
    let retry_after = shared.dice.between(0, 10);
    let method = message.cseq().1;
    shared.respond_with(message, from, status, to_tag, |mut answer, _| {
        match status {
            405 => {
                answer.header(Name::Allow, ALLOW);
            }
            420 => {
                let unknown = message.headers(Name::Require).filter(|t| is_unknown_extension(t));
                for tag in unknown {
                    answer.header(Name::Unsupported, tag);
                }
            }
            // A second change before the first is answered (RFC 3261, 14.2; RFC 3311, 5.2).
            500 if matches!(method, Method::Invite | Method::Update) => {
                answer.header(Name::RetryAfter, retry_after);
            }
            _ => {}
        }
        answer.finish()
    })
}

/// 200 to OPTIONS: what we take (RFC 3261, 11.2).
pub(crate) fn about_us(shared: &mut Shared, from: Peer, message: &Message<'_>) -> Box<[u8]> {
    let tag = shared.stateless_tag(message);
    shared.respond_with(message, from, 200, Some(&tag), |mut answer, _| {
        answer.header(Name::Allow, ALLOW);
        answer.header(Name::Accept, SDP);
        answer.header(Name::Supported, "100rel, timer");
        answer.finish()
    })
}

/// An option tag that we do not know.
pub(crate) fn is_unknown_extension(tag: &str) -> bool {
    !OPTION_TAGS.iter().any(|known| known.eq_ignore_ascii_case(tag))
}
