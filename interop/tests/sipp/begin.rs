//! From the INVITE to its answer: ringing, early media, passwords, redirections, odd headers.

use super::{TALKED, anybody, check, check_both, check_with};
use interop::sipp::Scenario;
use sip::port::Credentials;
use std::time::Duration;

const PLAIN: [(&str, &str); 1] = [("extra", "X-Extra: none")];

#[test]
fn sipps_own_callee_is_called() {
    check_both(&Scenario::new("-sn uas"), &anybody(), TALKED);
}

#[test]
fn a_phone_rings_and_is_answered() {
    check_both(&Scenario { keys: &PLAIN, ..Scenario::new("answer") }, &anybody(), TALKED);
}

#[test]
fn an_answer_needs_no_provisional() {
    let story = "DialStarted CallAnswered CallHungUp CallEnded: completed 200 by us, max_talk";
    check(&Scenario::new("at_once"), anybody(), story);
}

#[test]
fn early_media_comes_before_the_answer() {
    let story = "DialStarted CallProceeding EarlyMediaStarted CallAnswered CallHungUp CallEnded: \
                 completed 200 by us, max_talk";
    check_both(&Scenario::new("early"), &anybody(), story);
}

#[test]
fn a_reliable_provisional_gets_its_prack() {
    let story = "DialStarted EarlyMediaStarted CallAnswered CallHungUp CallEnded: completed 200 by us, max_talk";
    check_both(&Scenario::new("reliable"), &anybody(), story);
}

#[test]
fn compact_lower_case_and_folded_headers_are_understood() {
    let more = ["-key", "fold", "\r\n\t "];
    check(&Scenario { more: &more, ..Scenario::new("compact") }, anybody(), TALKED);
}

#[test]
fn a_header_of_three_kilobytes_harms_nobody() {
    let long = format!("X-Extra: {}", "all the world's a stage, ".repeat(120));
    let keys = [("extra", &*long)];
    check_both(&Scenario { keys: &keys, ..Scenario::new("answer") }, &anybody(), TALKED);
}

/// The gateway wants this password.
fn check_challenged(scenario: &str, password: &str, story: &str) {
    let credentials = Credentials { username: "user".into(), password: password.into() };
    let scenario = Scenario::new(scenario);
    check_with(&scenario, |g| g.sip.credentials = Some(credentials), anybody(), story);
}

#[test]
fn a_password_is_proven_and_sipp_verifies_the_proof() {
    check_challenged("challenge_401", "secret", TALKED);
}

#[test]
fn sipp_sees_that_a_password_is_wrong() {
    let story = "DialStarted TryFailed CallEnded: failed 403 by carrier, carrier_forbidden";
    check_challenged("challenge_401", "sceret", story);
}

#[test]
fn a_proxy_that_lists_two_qualities_of_protection_is_answered_with_auth() {
    check_challenged("challenge_407", "secret", TALKED);
}

#[test]
fn a_redirection_within_the_gateway_is_followed_when_the_gateway_says_so() {
    let scenario = Scenario::new("redirect");
    check_with(&scenario, |g| g.sip.follow_redirects = true, anybody(), TALKED);
}

#[test]
fn a_gateway_that_wants_longer_sessions_gets_them() {
    let scenario = Scenario::new("session_too_short");
    let ninety = Duration::from_secs(90);
    check_with(&scenario, |g| g.sip.session_expires = Some(ninety), anybody(), TALKED);
}
