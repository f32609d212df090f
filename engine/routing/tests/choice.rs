//! Where a call goes, and where it must not.

use routing::{Choice, Finding, GatewayIndex, GatewayOptions, Routing};
use std::time::Duration;

const A: GatewayIndex = GatewayIndex(0);
const B: GatewayIndex = GatewayIndex(1);

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn gateway(name: &str) -> GatewayOptions {
    GatewayOptions { name: name.into(), max_concurrent: 2, calls_per_second: None }
}

fn two() -> Routing {
    Routing::new(vec![gateway("a"), gateway("b")])
}

fn choose(routing: &Routing, now: Duration) -> Choice {
    routing.choose(now, None, &[])
}

#[test]
fn the_first_gateway_is_taken_and_the_next_when_it_is_full() {
    let mut routing = two();
    for expected in [A, A, B, B] {
        assert_eq!(choose(&routing, at(0)), Choice::Via(expected));
        routing.try_started(expected, at(0));
    }
    assert_eq!(choose(&routing, at(0)), Choice::Wait { until: None });
    routing.try_ended(B);
    assert_eq!(choose(&routing, at(0)), Choice::Via(B));
}

#[test]
fn a_gateway_that_was_tried_is_not_tried_again() {
    let routing = two();
    assert_eq!(routing.choose(at(0), None, &["a".into()]), Choice::Via(B));
    assert_eq!(routing.choose(at(0), None, &["a".into(), "b".into()]), Choice::NoneLeft);
    assert_eq!(routing.choose(at(0), Some("a"), &["a".into()]), Choice::NoneLeft);
    assert_eq!(routing.choose(at(0), Some("c"), &[]), Choice::NoneLeft);
}

#[test]
fn a_rate_is_waited_for_until_its_next_turn() {
    let limited = GatewayOptions { calls_per_second: Some(2.0), ..gateway("a") };
    let mut routing = Routing::new(vec![limited]);
    routing.try_started(A, at(10));
    let next = at(10) + Duration::from_millis(500) - Duration::from_millis(10);
    assert_eq!(
        choose(&routing, at(10)),
        Choice::Wait { until: Some(at(10) + Duration::from_millis(490)) }
    );
    assert_eq!(choose(&routing, next), Choice::Via(A));
}

// RFC 5390: an overloaded gateway that is asked again at once stays overloaded.
#[test]
fn a_gateway_that_asked_to_be_left_alone_is_left_alone() {
    let mut routing = two();
    routing.found(A, Finding::HeldBack(at(30)), at(100));
    assert_eq!(choose(&routing, at(100)), Choice::Via(B));
    assert_eq!(routing.choose(at(100), Some("a"), &[]), Choice::Wait { until: Some(at(130)) });
    assert_eq!(choose(&routing, at(130)), Choice::Via(A));
}

#[test]
fn a_gateway_cannot_hold_itself_back_for_ever() {
    let mut routing = Routing::new(vec![gateway("a")]);
    routing.found(A, Finding::HeldBack(at(1_000_000)), at(0));
    assert_eq!(choose(&routing, at(600)), Choice::Via(A));
}

#[test]
fn a_gateway_whose_probe_fails_is_passed_over_but_is_better_than_none() {
    let mut routing = two();
    routing.found(A, Finding::Down, at(0));
    assert_eq!(choose(&routing, at(0)), Choice::Via(B));
    routing.found(B, Finding::Down, at(0));
    assert_eq!(choose(&routing, at(0)), Choice::Via(A));
    routing.found(A, Finding::Up, at(1));
    assert_eq!(choose(&routing, at(1)), Choice::Via(A));
}

#[test]
fn a_black_hole_rests_after_three_silent_tries_and_longer_each_time() {
    let mut routing = two();
    for _ in 0..3 {
        assert_eq!(choose(&routing, at(0)), Choice::Via(A));
        routing.found(A, Finding::Silent, at(0));
    }
    assert_eq!(choose(&routing, at(9)), Choice::Via(B));
    assert_eq!(choose(&routing, at(10)), Choice::Via(A));
    routing.found(A, Finding::Silent, at(10));
    assert_eq!(choose(&routing, at(29)), Choice::Via(B));
    assert_eq!(choose(&routing, at(30)), Choice::Via(A));
    routing.found(A, Finding::Answered, at(30));
    routing.found(A, Finding::Silent, at(31));
    assert_eq!(choose(&routing, at(31)), Choice::Via(A), "one silent try says little");
}

#[test]
fn a_fault_is_the_carriers_only_when_neither_status_nor_q850_speaks_for_the_callee() {
    assert!(Routing::is_carrier_fault(Some(503), None));
    assert!(Routing::is_carrier_fault(Some(503), Some(34)));
    assert!(Routing::is_carrier_fault(None, None), "Timer B, transport, DNS");
    // The carrier says 500, its Reason header says that the callee is busy.
    assert!(!Routing::is_carrier_fault(Some(500), Some(17)));
    assert!(!Routing::is_carrier_fault(Some(486), None));
    assert!(!Routing::is_carrier_fault(Some(603), Some(34)));
}
