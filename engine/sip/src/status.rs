//! Statuses and what else we say about ourselves.

/// The methods that we take (Allow).
pub(crate) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK";
/// The body that we take.
pub(crate) const SDP: &str = "application/sdp";
/// The option tags that we know, and may be required of us.
pub(crate) const OPTION_TAGS: [&str; 2] = ["100rel", "timer"];

/// The phrase of a status that we answer with (RFC 3261, 21).
pub(crate) fn phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        405 => "Method Not Allowed",
        420 => "Bad Extension",
        422 => "Session Interval Too Small",
        481 => "Call/Transaction Does Not Exist",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        491 => "Request Pending",
        500 => "Server Internal Error",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        _ => "Refused",
    }
}
