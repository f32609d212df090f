//! Calls over a bad network: datagrams are lost, come twice and overtake each other. Every call
//! ends right, nobody is called twice, and every answer is acknowledged.

use interop::callees::quick_carrier;
use interop::caller::{Caller, call_to, gateway};
use interop::ledger::{called_twice, wait_until_settled_or_hung_up};
use interop::line::{Line, Weather};
use interop::sipp::{Scenario, Sipp};
use node::Gateway;
use schemas::Outcome::{self, Busy, Completed, InvalidNumber, NoAnswer, Unreachable};
use schemas::commands::PlaceCall;
use sim::carrier::{Carrier, Options};
use sip::port::Transport;
use std::collections::BTreeMap;
use std::time::Duration;

const CALLS: usize = 300;
/// What a call may come to that rings for ever: the one 180 may be lost when the 100 is not.
const NOBODY_ANSWERS: &[Outcome] = &[NoAnswer, Unreachable];

/// The number of the nth call, with what its callee does: the end of its number, and what may come
/// of it.
fn nth<'a>(n: usize, kinds: &[(&str, &'a [Outcome])]) -> (String, &'a [Outcome]) {
    let (kind, outcomes) = kinds[n % kinds.len()];
    (format!("+1212{n:04}{kind}"), outcomes)
}

fn over(line: &Line) -> Gateway {
    let mut gateway = gateway(Transport::Udp, line.near());
    // So that the line, and nothing else, loses datagrams.
    gateway.options.calls_per_second = Some(100.0);
    gateway
}

/// Calls everybody over the line, and holds the outcomes and what the line saw against what is
/// right. `settle` waits until the peer has what it is owed, while the node still answers.
fn check(line: &Line, kinds: &[(&str, &[Outcome])], settle: impl FnOnce()) {
    let mut caller = Caller::start(vec![over(line)]);
    let calls: Vec<_> = (0..CALLS)
        .map(|n| {
            let (number, outcomes) = nth(n, kinds);
            // An answer may take several repeats to arrive: the fifth comes after 11.5 s.
            let ring_ms = if outcomes.contains(&NoAnswer) { 2_000 } else { 14_000 };
            let wish = PlaceCall { ring_timeout_ms: Some(ring_ms), ..call_to(&number) };
            (caller.place(wish), number, outcomes)
        })
        .collect();
    let mut wrong = BTreeMap::new();
    for (call, number, outcomes) in calls {
        if !outcomes.contains(&caller.end_of(call).outcome) {
            wrong.insert(number, caller.story(call).to_string());
        }
    }
    caller.wait_until_idle();
    let seen = line.seen();
    settle();
    assert_eq!(wrong, BTreeMap::new(), "of {} datagrams {} were lost", seen.datagrams, seen.lost);
    assert_eq!(seen.calls.len(), CALLS);
    assert!(seen.calls.values().all(|ids| ids.len() == 1), "one Call-ID each: {:?}", seen.calls);
    let unacked: Vec<_> = seen.finals.difference(&seen.acked).collect();
    assert!(unacked.is_empty(), "finals that arrived and got no ACK: {unacked:?}");
    assert!(seen.lost > seen.datagrams / 50, "{} of {} lost", seen.lost, seen.datagrams);
    caller.stop();
}

fn check_with_sipp(percent: u32, seed: u64) {
    let calls = CALLS as u32;
    // A lost ACK of a refusal is repaired by as many repeats as it takes.
    let retransmissions =
        ["-max_retrans", "30", "-max_invite_retrans", "30", "-max_non_invite_retrans", "30"];
    // sipp knows a repeat only of the last message; others are unexpected, and not a reason to give up.
    let patient = [&retransmissions[..], &["-default_behaviors", "all,-bye,-abortunexp"]].concat();
    let sipp = Sipp::start(&Scenario { calls, more: &patient, ..Scenario::new("bad_line") });
    let weather = Weather::of_loss(percent, seed);
    let line = Line::to(sipp.address(), move |passing| weather.fate(passing));
    check(
        &line,
        &[
            ("0", &[Completed]),
            ("1", &[Busy]),
            ("2", NOBODY_ANSWERS),
            ("3", &[Completed]),
            ("4", &[Completed]),
        ],
        || {
            sipp.finish();
        },
    );
}

fn check_with_our_carrier(percent: u32, seed: u64) {
    let mut options = Options::new("127.0.0.1:0".parse().expect("an address"));
    options.behaviour.second_ms = 200;
    let carrier = Carrier::start(options).expect("the carrier starts");
    let weather = Weather::of_loss(percent, seed);
    let line = Line::to(carrier.addr, move |passing| weather.fate(passing));
    check(
        &line,
        &[
            ("99920001", &[Completed]),
            ("99948601", &[Busy]),
            ("99918000", NOBODY_ANSWERS),
            ("99921105", &[Completed]),
            ("99911100", &[Completed]),
            ("99940400", &[InvalidNumber]),
            ("99919001", &[Completed]),
            ("99980100", &[NoAnswer]),
            ("99920201", &[Completed]),
            ("99926001", &[Completed]),
        ],
        || {
            let mut owed = wait_until_settled_or_hung_up(&carrier);
            let seen = line.seen();
            owed.retain(|entry| entry.open > 0 || !seen.lost_every_ack(&entry.number));
            let numbers = owed.iter().map(|entry| &entry.number);
            let passed: String = numbers.map(|number| seen.transcript(number)).collect();
            assert!(owed.is_empty(), "owed to the carrier: {owed:?}\n{passed}");
        },
    );
    assert_eq!(called_twice(&carrier.ledger()), BTreeMap::new());
}

#[test]
fn calls_to_sipp_end_right_when_5_in_100_datagrams_are_lost() {
    check_with_sipp(5, 1);
}

#[test]
fn calls_to_sipp_end_right_when_20_in_100_datagrams_are_lost() {
    check_with_sipp(20, 2);
}

#[test]
fn calls_to_our_carrier_end_right_when_5_in_100_datagrams_are_lost() {
    check_with_our_carrier(5, 3);
}

#[test]
fn calls_to_our_carrier_end_right_when_20_in_100_datagrams_are_lost() {
    check_with_our_carrier(20, 4);
}

#[test]
fn each_copy_of_an_answer_is_acked() {
    let keys = [("extra", "X-Extra: none")];
    let sipp = Sipp::start(&Scenario { keys: &keys, ..Scenario::new("answer") });
    let line = Line::to(sipp.address(), |passing| {
        let is_ack = passing.outward && passing.kind.ends_with("ACK");
        if is_ack && passing.copy < 2 { vec![] } else { vec![Duration::ZERO] }
    });
    let mut caller = Caller::start(vec![over(&line)]);
    let wish = PlaceCall { max_talk_ms: Some(3_000), ..call_to("+12125550123") };
    let story = caller.call(wish);
    sipp.finish();
    assert_eq!(line.seen().lost, 2, "sipp repeated its answer twice: {story}");
    assert_eq!(story.end().map(|end| end.outcome), Some(Completed), "{story}");
    caller.stop();
}

#[test]
fn a_node_is_not_idle_before_the_answer_that_crossed_its_cancel_is_hung_up() {
    let carrier = quick_carrier();
    let line = Line::to(carrier.addr, |passing| {
        let is_bye = passing.outward && passing.kind.ends_with("BYE");
        if is_bye && passing.copy == 0 { vec![] } else { vec![Duration::ZERO] }
    });
    let mut caller = Caller::start(vec![over(&line)]);
    let wish = PlaceCall { ring_timeout_ms: Some(300), ..call_to("+1212000099980100") };
    let story = caller.call(wish);
    // Whoever dials a list ends with the node's idleness: nobody would repeat the BYE then.
    caller.stop();
    let open: Vec<_> = carrier.ledger().into_iter().filter(|entry| entry.open > 0).collect();
    assert!(open.is_empty(), "{story}\n{open:?}\n{}", line.seen().transcript("+1212000099980100"));
}
