//! What a user agent counts.

/// Counted since the start; never goes back. A dropped message is in exactly one of the counters
/// that say why.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counters {
    /// Messages that came in.
    pub received: u64,
    /// Messages that went out, repeats counted.
    pub sent: u64,
    /// Requests and finals of ours that were sent again because nothing came.
    pub repeats_sent: u64,
    /// Dropped unread: from an address that is neither a gateway's nor of a live dialog.
    pub dropped_strangers: u64,
    /// Dropped or answered 400: could not be read.
    pub unreadable: u64,
    /// Dropped: a response that belongs to no transaction of ours, or comes from an address that
    /// is not its gateway's.
    pub stray_responses: u64,
    /// Answered 481, or dropped when an ACK: a request in a dialog that we do not have, or from an
    /// address that is not its peer's.
    pub stray_requests: u64,
    /// Requests that we refused otherwise: 403, 405, 420, 491, 500.
    pub requests_refused: u64,
    /// Requests that came again, and were answered as the first time.
    pub requests_repeated: u64,
    /// 2xx that came again after our ACK, and were acknowledged again.
    pub answers_repeated: u64,
    /// 2xx that were acknowledged and hung up by us alone: forks, late and crossed ones.
    pub answers_closed: u64,
    /// Answers hung up because they were not accepted in time.
    pub answers_not_accepted: u64,
    /// INVITEs sent anew: with credentials, to the next address, and the like.
    pub invites_sent_anew: u64,
    /// INVITEs that nobody answered (Timer B).
    pub invites_unanswered: u64,
    /// Errors that the transport reported.
    pub transport_errors: u64,
    /// Orders for a leg that is not there, or in a state that has no use for them.
    pub orders_ignored: u64,
}
