//! What a SIP status means to us: outcome, whose word it was, may another gateway try, when to
//! call again.
//!
//! Data, not code: rows that a golden file holds (`golden/causes-v1.txt`). Asterisk and
//! FreeSWITCH disagree on this map (Hangup-Cause-Mappings; `sofia_glue.c`, after RFC 4497
//! 8.4.4), so every event keeps the raw status, the raw Q.850 cause and the raw Reason beside
//! our outcome, and a better table can be applied to old calls.

use crate::outcome::RetryClass::{Carrier, Never, Soft, SoftLong, SoftShort, Technical};
use crate::outcome::{EndedBy, Outcome, RetryClass};

/// The version of [`ROWS`]. A changed row is a new version and a new golden file.
pub const VERSION: u8 = 1;

/// What one final response to an INVITE means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cause {
    /// The SIP status this row is for; 400, 500, 600 and 300 also stand for the unknown rest of
    /// their class (RFC 3261, 8.1.3.2).
    pub status: u16,
    /// The outcome when nothing had rung.
    pub outcome: Outcome,
    /// The outcome when an 18x had been heard.
    pub outcome_rung: Outcome,
    /// The finer word that stands in a record's `reason`.
    pub reason: &'static str,
    /// Whose word it is.
    pub ended_by: EndedBy,
    /// A fault of the carrier, not the callee's word: another gateway may try, unless the phone
    /// rang.
    pub carrier_fault: bool,
    /// When the callee may be called again.
    pub retry: RetryClass,
}

const fn row(
    status: u16,
    outcome: Outcome,
    reason: &'static str,
    ended_by: EndedBy,
    carrier_fault: bool,
    retry: RetryClass,
) -> Cause {
    Cause { status, outcome, outcome_rung: outcome, reason, ended_by, carrier_fault, retry }
}

use EndedBy::{Callee as ByCallee, Carrier as ByCarrier};
use Outcome::{Busy, Failed, InvalidNumber, NoAnswer, Rejected, Unreachable};

/// The table, by status. See `semantics.md` for where each row comes from.
#[rustfmt::skip]
pub const ROWS: &[Cause] = &[
    row(200, Failed,        "protocol",            ByCarrier, false, Technical),
    row(300, Failed,        "redirected",          ByCarrier, false, Technical),
    row(400, Failed,        "interop",             ByCarrier, true,  Technical),
    row(401, Failed,        "carrier_auth",        ByCarrier, true,  Carrier),
    row(402, Failed,        "carrier_no_credit",   ByCarrier, true,  Carrier),
    row(403, Failed,        "carrier_forbidden",   ByCarrier, true,  Carrier),
    row(404, InvalidNumber, "unallocated_number",  ByCarrier, false, Never),
    row(405, Failed,        "interop",             ByCarrier, true,  Technical),
    row(406, Failed,        "interop",             ByCarrier, true,  Technical),
    row(407, Failed,        "carrier_auth",        ByCarrier, true,  Carrier),
    Cause { outcome_rung: NoAnswer,
            ..row(408, Unreachable, "no_response", ByCarrier, true,  Soft) },
    row(410, InvalidNumber, "number_changed",      ByCarrier, false, Never),
    row(415, Failed,        "interop",             ByCarrier, true,  Technical),
    row(428, Failed,        "identity_rejected",   ByCarrier, true,  Carrier),
    row(429, Failed,        "identity_rejected",   ByCarrier, true,  Carrier),
    row(433, Failed,        "anonymity_disallowed",ByCarrier, false, Never),
    row(437, Failed,        "identity_rejected",   ByCarrier, true,  Carrier),
    row(438, Failed,        "identity_rejected",   ByCarrier, true,  Carrier),
    row(480, Unreachable,   "unavailable",         ByCarrier, false, SoftLong),
    row(481, Failed,        "protocol",            ByCarrier, false, Technical),
    row(482, Failed,        "routing_loop",        ByCarrier, true,  Carrier),
    row(483, Failed,        "routing_loop",        ByCarrier, true,  Carrier),
    row(484, InvalidNumber, "incomplete_number",   ByCarrier, false, Never),
    row(485, Failed,        "ambiguous_number",    ByCarrier, true,  Never),
    row(486, Busy,          "busy",                ByCallee,  false, SoftShort),
    row(487, Failed,        "carrier_cancelled",   ByCarrier, false, Soft),
    row(488, Failed,        "media_mismatch",      ByCarrier, true,  Technical),
    row(500, Failed,        "carrier_error",       ByCarrier, true,  Carrier),
    row(501, Failed,        "interop",             ByCarrier, true,  Technical),
    row(502, Failed,        "carrier_error",       ByCarrier, true,  Carrier),
    row(503, Failed,        "carrier_congestion",  ByCarrier, true,  Carrier),
    row(504, Failed,        "carrier_timeout",     ByCarrier, true,  Carrier),
    row(600, Busy,          "busy_everywhere",     ByCallee,  false, SoftShort),
    row(601, Rejected,      "rejected",            ByCarrier, false, Never),
    row(603, Rejected,      "declined",            ByCallee,  false, Never),
    row(604, InvalidNumber, "does_not_exist",      ByCarrier, false, Never),
    row(606, Rejected,      "media_mismatch",      ByCarrier, false, Technical),
    row(607, Rejected,      "unwanted",            ByCallee,  false, Never),
    row(608, Rejected,      "blocked_by_analytics",ByCarrier, false, Never),
];

/// What this final status (200 to 699) means for a try that came to nothing. A status the table
/// does not know means what the x00 of its class means, except that an unknown 6xx is a no to this
/// call alone. A 2xx gets here when its dialog cannot be used: somebody picked up, so no other
/// gateway may try.
pub fn cause(status: u16) -> Cause {
    let known = |wanted: u16| ROWS.iter().find(|row| row.status == wanted).copied();
    let class = match status {
        200..300 => 200,
        300..400 => 300,
        500..600 => 500,
        600..700 => 601,
        _ => 400,
    };
    let fallback = || known(class).expect("ROWS holds a row for every class");
    Cause { status, ..known(status).unwrap_or_else(fallback) }
}

/// Whether a Q.850 cause (RFC 3398, RFC 6432) is the callee's own state or word: then no other
/// gateway may try, whatever SIP status carries it. Some carriers send 500 or 503 for a busy or
/// unknown number and only the Reason header tells.
pub fn q850_speaks_for_callee(q850: u16) -> bool {
    matches!(q850, 1 | 16 | 17 | 18 | 19 | 20 | 21 | 22 | 28)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    #[test]
    fn the_table_is_the_one_written_down() {
        let mut text = format!(
            "# causes, version {VERSION}: status outcome outcome-if-rung reason ended-by carrier-fault retry\n"
        );
        for c in ROWS {
            let by = c.ended_by.word();
            let (o, r) = (c.outcome.word(), c.outcome_rung.word());
            writeln!(
                text,
                "{} {o} {r} {} {by} {} {:?}",
                c.status, c.reason, c.carrier_fault, c.retry
            )
            .expect("a String takes everything");
        }
        // A changed row is a new VERSION and a new golden file.
        expect_test::expect_file!["../golden/causes-v1.txt"].assert_eq(&text);
    }

    #[test]
    fn an_unknown_status_means_what_its_class_means() {
        assert_eq!(cause(499).reason, "interop");
        assert_eq!(cause(580).reason, "carrier_error");
        assert_eq!(cause(302).reason, "redirected");
        assert_eq!((cause(699).outcome, cause(699).carrier_fault), (Rejected, false));
        assert_eq!(cause(699).status, 699);
    }

    // Lessons 3 and 4: a person who said no must not be rung again by the next gateway.
    #[test]
    fn the_callees_word_is_never_a_carrier_fault() {
        for status in [200, 202, 486, 600, 603, 607, 608, 604, 404, 480] {
            assert!(!cause(status).carrier_fault, "{status}");
        }
        assert!((300..700).map(cause).all(|c| c.ended_by != ByCallee || !c.carrier_fault));
    }
}
