//! Inside a call: hold and resume, requests of the callee, its BYE, session timers.

use super::{anybody, check, check_both, check_with};
use interop::sipp::Scenario;
use schemas::commands::PlaceCall;
use std::time::Duration;

/// Talks until the callee hangs up.
fn patient() -> PlaceCall {
    PlaceCall { max_talk_ms: Some(60_000), ..anybody() }
}

/// What happens between answer and the callee's BYE.
fn until_they_hang_up(between: &str) -> String {
    format!(
        "DialStarted CallRang CallAnswered {between}CallHungUp CallEnded: completed 200 by callee"
    )
}

#[test]
fn the_callee_holds_and_resumes() {
    let story = until_they_hang_up("CallHeld CallResumed ");
    check_both(&Scenario::new("hold"), &patient(), &story);
}

#[test]
fn the_callee_hangs_up_and_says_why() {
    let keys = [("reason", "Q.850;cause=31;text=\"Normal, unspecified\"")];
    let story = until_they_hang_up("") + ", cause 31";
    check_both(&Scenario { keys: &keys, ..Scenario::new("hang_up") }, &patient(), &story);
}

#[test]
fn a_bye_may_come_before_our_ack() {
    check(&Scenario::new("hang_up_at_once"), patient(), &until_they_hang_up(""));
}

#[test]
fn requests_in_the_dialog_are_answered_over_many_hops() {
    check(&Scenario::new("ask"), patient(), &until_they_hang_up("DigitPressed DigitPressed "));
}

#[test]
fn a_session_is_kept_by_the_callees_refreshes_unless_they_are_too_short() {
    let ninety = Duration::from_secs(90);
    let scenario = Scenario::new("session");
    let story = until_they_hang_up("");
    check_with(&scenario, |g| g.sip.session_expires = Some(ninety), patient(), &story);
}

// 45 s of waiting: the shortest session of RFC 4028 is 90 s, and is refreshed at half of it.
#[test]
fn we_refresh_a_session_when_that_is_ours_to_do() {
    let ninety = Duration::from_secs(90);
    let story = until_they_hang_up("");
    let scenario = Scenario::new("session_refreshed");
    check_with(&scenario, |g| g.sip.session_expires = Some(ninety), patient(), &story);
}
