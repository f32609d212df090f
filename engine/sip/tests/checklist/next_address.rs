//! 503, silence and errors of the transport: the next address of the same gateway.

use std::time::Duration;

use expect_test::expect;
use sip::port::{GatewayHealth, RefusalSource, SipHeard, Transport};

use crate::world::run::World;
use crate::world::*;

const OTHER: &str = "10.0.0.10:5060";
const THIRD: &str = "10.0.0.11:5060";

/// A gateway whose name leads to three addresses.
fn cluster(first: Plan, second: Plan, third: Plan) -> Script {
    let script = Script::new(first).callee(OTHER, second).callee(THIRD, third);
    let script = script.gateway(|g| g.host = "sip.example.com".into());
    script.with(|s| s.targets = vec![GATEWAY, OTHER, THIRD])
}

/// Checklist 22.
#[test]
fn a_503_with_retry_after_holds_the_gateway_back_before_it_is_told() {
    let run = check(
        Script::new(Plan::invite([say(0, 503).header("Retry-After: 30 (busy)")])),
        expect![[r#"
        10    > INVITE 1
        20    < 503 1 INVITE
        20    * Gateway HeldBack { for_: 30s }
        20    * Refused Network(503)
        30    > ACK 1
    "#]],
    );
    let held = GatewayHealth::HeldBack { for_: Duration::from_secs(30) };
    assert!(matches!(&run.heard[0], SipHeard::Gateway { health, .. } if *health == held));
    assert_eq!(run.refusal().retry_after, Some(Duration::from_secs(30)));
    check(
        Script::new(Plan::invite([say(0, 503)])),
        expect![[r#"
        10    > INVITE 1
        20    < 503 1 INVITE
        20    * Refused Network(503)
        30    > ACK 1
    "#]],
    );
}

/// Checklist 37.
#[test]
fn the_next_address_is_tried_after_a_503_with_a_new_branch_and_the_same_cseq() {
    let script = cluster(
        Plan::invite([say(0, 100), say(200, 503)]),
        Plan::invite([say(0, 503).header("Retry-After: 5")]),
        Plan::invite([say(0, 180), say(500, 200)]),
    );
    let run = check(
        script.invites(3),
        expect![[r#"
        5     * Gateway Up
        15    > INVITE 1
        25    < 100 1 INVITE
        25    * Progress 100
        225   < 503 1 INVITE
        235   > ACK 1
        235   > INVITE 1 10.0.0.10:5060
        245   < 503 1 INVITE 10.0.0.10:5060
        255   > ACK 1 10.0.0.10:5060
        255   > INVITE 1 10.0.0.11:5060
        265   < 180 1 INVITE 10.0.0.11:5060
        265   * Progress 180
        765   < 200 1 INVITE 10.0.0.11:5060
        765   * Answered 200 with SDP by c
        780   > ACK 1 10.0.0.11:5060
        1780  > BYE 2 10.0.0.11:5060
        1790  < 200 2 BYE 10.0.0.11:5060
        1790  * Closed
    "#]],
    );
    let invites = run.requests("INVITE");
    assert!(
        invites.iter().all(|i| i.cseq() == invites[0].cseq()
            && i.header("Call-ID") == invites[0].header("Call-ID"))
    );
    assert_ne!(invites[0].branch(), invites[1].branch());
}

/// Checklist 37.
#[test]
fn the_next_address_is_tried_when_the_first_does_not_answer_or_cannot_be_reached() {
    let script = cluster(Plan::default(), Plan::invite([say(0, 200)]), Plan::default());
    check(
        script.clone().gateway(|g| g.answer_within = Some(ms(4000))).invites(2),
        expect![[r#"
        5     * Gateway Up
        15    > INVITE 1
        515   > INVITE 1
        1515  > INVITE 1
        3515  > INVITE 1
        4015  > INVITE 1 10.0.0.10:5060
        4025  < 200 1 INVITE 10.0.0.10:5060
        4025  * Answered 200 with SDP by c
        4040  > ACK 1 10.0.0.10:5060
        5040  > BYE 2 10.0.0.10:5060
        5050  < 200 2 BYE 10.0.0.10:5060
        5050  * Closed
    "#]],
    );
    let unreachable =
        script.with(|s| s.refusing = vec![(Transport::Udp, GATEWAY.parse().unwrap())]);
    check(
        unreachable.invites(2),
        expect![[r#"
        5     * Gateway Up
        35    > INVITE 1 10.0.0.10:5060
        45    < 200 1 INVITE 10.0.0.10:5060
        45    * Answered 200 with SDP by c
        60    > ACK 1 10.0.0.10:5060
        1060  > BYE 2 10.0.0.10:5060
        1070  < 200 2 BYE 10.0.0.10:5060
        1070  * Closed
    "#]],
    );
}

/// Checklist 37: a phone that rang is not rung again.
#[test]
fn after_a_ringing_no_other_address_is_tried() {
    let script = cluster(
        Plan::invite([say(0, 180), say(500, 503)]),
        Plan::invite([say(0, 200)]),
        Plan::default(),
    );
    // Two, for the runs in which the 180 is lost.
    let run = check(
        script.invites(2),
        expect![[r#"
        5     * Gateway Up
        15    > INVITE 1
        25    < 180 1 INVITE
        25    * Progress 180
        525   < 503 1 INVITE
        525   * Refused Network(503)
        535   > ACK 1
    "#]],
    );
    assert_eq!(run.requests("INVITE").len(), 1);
    assert_eq!(run.refusal().source, RefusalSource::Network(503));
}

#[test]
fn the_user_s_word_is_never_carried_to_another_address() {
    for status in [486, 500, 502, 504, 600, 603] {
        let script =
            cluster(Plan::invite([say(0, status)]), Plan::invite([say(0, 200)]), Plan::default());
        let run = World::new(script, Faults::None).call();
        assert_eq!(run.refusal().source, RefusalSource::Network(status));
        assert_eq!(run.requests("INVITE").len(), 1);
    }
}

/// Both phones ring: whoever answers first is talked to, the other is cancelled, also when the call
/// is over before the CANCEL got there.
#[test]
fn an_answer_from_an_address_that_was_given_up_is_kept_and_the_later_one_cancelled() {
    let script = cluster(
        Plan::invite([say(3000, 200)]),
        Plan::invite([say(0, 180).tag("e")]).cancel_tag("e"),
        Plan::default(),
    );
    let script = script.with(|s| s.talk = Some(ms(100)));
    let run = check(
        script.gateway(|g| g.answer_within = Some(ms(2000))).invites(2),
        expect![[r#"
            5     * Gateway Up
            15    > INVITE 1
            515   > INVITE 1
            1515  > INVITE 1
            2015  > INVITE 1 10.0.0.10:5060
            2025  < 180 1 INVITE 10.0.0.10:5060
            2025  * Progress 180
            3025  < 200 1 INVITE
            3025  * Answered 200 with SDP by c
            3035  > CANCEL 1 10.0.0.10:5060
            3040  > ACK 1
            3045  < 200 1 CANCEL 10.0.0.10:5060
            3045  < 487 1 INVITE 10.0.0.10:5060
            3055  > ACK 1 10.0.0.10:5060
            3140  > BYE 2
            3150  < 200 2 BYE
            3150  * Closed
        "#]],
    );
    assert!(matches!(&run.heard[2], SipHeard::Answered { dialog, .. } if dialog.remote_tag == "c"));
}

#[test]
fn a_gateway_without_a_name_in_dns_refuses_the_call() {
    let script = Script::new(Plan::default()).gateway(|g| g.host = "nowhere.example.com".into());
    let run = check(
        script.with(|s| s.targets = vec![]),
        expect![[r#"
        5     * Gateway Down { why: "no such name" }
        5     * Refused Dns
    "#]],
    );
    assert_eq!(run.refusal().source, RefusalSource::Dns);
}

#[test]
fn a_call_that_is_cancelled_before_its_gateway_is_found_is_never_sent() {
    let script = Script::new(Plan::default()).gateway(|g| g.host = "sip.example.com".into());
    let run = check(
        script.cancel_at(3),
        expect![[r#"
        3     * Cancelled
        5     * Gateway Up
    "#]],
    );
    assert_eq!(run.sent.len(), 0);
}
