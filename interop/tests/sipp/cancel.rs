//! Phones that nobody answers in time.

use super::{anybody, check, check_both};
use interop::sipp::Scenario;
use schemas::commands::PlaceCall;

fn impatient() -> PlaceCall {
    PlaceCall { ring_timeout_ms: Some(1_500), ..anybody() }
}

#[test]
fn a_phone_that_rings_for_ever_is_cancelled() {
    let story = "DialStarted CallRang CancelIssued CallEnded: no_answer by us, ring_timeout";
    check_both(&Scenario::new("ring_for_ever"), &impatient(), story);
}

#[test]
fn a_100_and_nothing_more_is_cancelled_as_well() {
    let story =
        "DialStarted CallProceeding CancelIssued CallEnded: unreachable by us, ring_timeout";
    check_both(&Scenario::new("trying_for_ever"), &impatient(), story);
}

#[test]
fn a_200_that_crosses_our_cancel_is_acked_and_closed() {
    let story = "DialStarted CallRang CancelIssued LateAnswerReleased CallEnded: \
                 no_answer by us, ring_timeout";
    check(&Scenario::new("crossing"), impatient(), story);
}
