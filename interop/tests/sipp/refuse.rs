//! Finals that are no answer, and the next gateway.

use super::{anybody, check, check_with};
use interop::caller::Caller;
use interop::sipp::{Scenario, Sipp};
use std::time::Duration;

/// Both ways: at once, and after ringing; with another end when it rang.
fn check_refusal(status: &str, extra: &str, at_once: &str, rung: &str) {
    let keys = [("status", status), ("extra", extra)];
    let at_once = format!("DialStarted CallProceeding {at_once}");
    let rung = format!("DialStarted CallRang {rung}");
    std::thread::scope(|scope| {
        for (name, story) in [("refuse", &at_once), ("ring_and_refuse", &rung)] {
            let scenario = Scenario { keys: &keys, ..Scenario::new(name) };
            scope.spawn(move || check(&scenario, anybody(), story));
        }
    });
}

const NOTHING: &str = "X-Extra: none";

#[test]
fn a_callees_no_is_the_end() {
    for (status, end) in [
        ("486 Busy Here", "CallEnded: busy 486 by callee, busy"),
        ("600 Busy Everywhere", "CallEnded: busy 600 by callee, busy_everywhere"),
        ("603 Decline", "CallEnded: rejected 603 by callee, declined"),
        ("404 Not Found", "CallEnded: invalid_number 404 by carrier, unallocated_number"),
        ("484 Address Incomplete", "CallEnded: invalid_number 484 by carrier, incomplete_number"),
    ] {
        check_refusal(status, NOTHING, end, end);
    }
}

#[test]
fn the_q850_cause_of_a_480_is_kept() {
    let end = "CallEnded: unreachable 480 by carrier, unavailable, cause 20";
    check_refusal(
        "480 Temporarily Unavailable",
        "Reason: Q.850;cause=20;text=\"absent\"",
        end,
        end,
    );
}

#[test]
fn a_faulty_carrier_without_another_gateway_is_a_failed_call() {
    for (status, end) in [
        ("500 Server Internal Error", "CallEnded: failed 500 by carrier, carrier_error"),
        ("488 Not Acceptable Here", "CallEnded: failed 488 by carrier, media_mismatch"),
        ("403 Forbidden", "CallEnded: failed 403 by carrier, carrier_forbidden"),
    ] {
        check_refusal(status, NOTHING, &format!("TryFailed {end}"), end);
    }
}

#[test]
fn a_503_for_a_busy_number_is_the_callees_word() {
    let end = "CallEnded: failed 503 by carrier, carrier_congestion, cause 17";
    check_refusal("503 Service Unavailable", "Reason: Q.850;cause=17", end, end);
}

#[test]
fn a_redirection_is_not_followed_unasked() {
    let end = "CallEnded: failed 302 by carrier, redirected";
    check_refusal("302 Moved Temporarily", "Contact: <sip:elsewhere@127.0.0.1>", end, end);
}

#[test]
fn a_congested_gateways_calls_go_to_the_next_gateway() {
    let congested = [("status", "503 Service Unavailable"), ("extra", "Retry-After: 60")];
    let first = Sipp::start(&Scenario { keys: &congested, ..Scenario::new("refuse") });
    let plain = [("extra", NOTHING)];
    let second = Sipp::start(&Scenario { keys: &plain, calls: 2, ..Scenario::new("answer") });
    let mut caller = Caller::start(vec![first.gateway(), second.gateway()]);

    let story = caller.call(anybody());
    assert_eq!(
        story.to_string(),
        "DialStarted CallProceeding TryFailed DialStarted CallRang CallAnswered CallHungUp \
         CallEnded: completed 200 by us, max_talk"
    );
    let tries = &story.end().expect("it ended").tries;
    let tries: Vec<_> = tries.iter().map(|t| (&*t.gateway, t.sip_status)).collect();
    let (busy, good) = (first.address().to_string(), second.address().to_string());
    assert_eq!(tries, [(&*busy, Some(503)), (&*good, Some(200))]);
    first.finish();

    // It asked to be left alone for a minute: the next call does not even try it.
    let story = caller.call(interop::caller::call_to("+12125550124"));
    assert_eq!(story.end().map(|end| end.tries.len()), Some(1), "{story}");
    second.finish();
    caller.stop();
}

#[test]
fn a_gateway_that_says_nothing_at_all_is_given_up() {
    let story = "DialStarted TryFailed CallEnded: unreachable by carrier, no_response";
    let within = Duration::from_millis(600);
    check_with(&Scenario::new("silent"), |g| g.sip.answer_within = Some(within), anybody(), story);
}

#[test]
fn a_gateway_that_is_not_there_is_told_by_the_system_at_once() {
    let gone = Sipp::start(&Scenario::new("silent")).gateway();
    let mut caller = Caller::start(vec![gone]);
    let story = caller.call(anybody());
    assert_eq!(
        story.to_string(),
        "DialStarted TryFailed CallEnded: unreachable by carrier, transport"
    );
    let end = story.end().expect("it ended");
    assert!(end.requested_ms < 5_000, "the ICMP error was not passed over: {end:?}");
    caller.stop();
}
