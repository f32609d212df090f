//! 2xx: one is kept, the others are acknowledged and hung up.

use expect_test::expect;
use sip::port::{HungUpBy, RefusalSource, SipHeard};

use crate::world::run::World;
use crate::world::*;

/// A route over two proxies, the nearer one last in Record-Route, as 12.1.2 reverses it.
const ROUTE: [&str; 2] = [
    "Record-Route: <sip:10.0.0.22;lr>, <sip:10.0.0.21:5070;lr;x=1>",
    "Record-Route: <sip:10.0.0.9;lr>",
];

fn routed(step: script::Step) -> script::Step {
    step.header(ROUTE[0])
        .header(ROUTE[1])
        .contact("<sip:callee@192.0.2.4:5080;transport=udp>;expires=60")
}

/// Checklist 7.
#[test]
fn the_ack_to_a_2xx_is_a_request_of_its_dialog_and_each_copy_is_the_same() {
    let run = check(
        Script::new(Plan::invite([routed(say(0, 200))])),
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        1035  > BYE 2
        1045  < 200 2 BYE
        1045  * Closed
    "#]],
    );
    let (invite, ack, bye) = (run.request("INVITE"), run.request("ACK"), run.request("BYE"));
    let route = ["<sip:10.0.0.9;lr>", "<sip:10.0.0.21:5070;lr;x=1>", "<sip:10.0.0.22;lr>"];
    for request in [ack, bye] {
        assert_eq!(request.uri(), "sip:callee@192.0.2.4:5080;transport=udp");
        assert_eq!(request.headers("Route"), route);
        assert_eq!(request.tag("To"), "c");
        assert_eq!(request.tag("From"), invite.tag("From"));
    }
    assert_ne!(ack.branch(), invite.branch());
    assert_eq!((ack.cseq(), bye.cseq()), (invite.cseq(), invite.cseq() + 1));
    let doubled = World::new(Script::new(Plan::invite([say(0, 200)])), Faults::Lose(2)).call();
    assert_eq!((doubled.count("ACK"), doubled.requests("ACK").len()), (2, 1), "{}", doubled.ladder);
}

/// Checklist 29: a proxy of RFC 2543 in the route.
#[test]
fn a_strict_router_becomes_the_request_uri_and_the_target_goes_last() {
    let answer = say(0, 200)
        .header("Record-Route: <sip:10.0.0.22;lr>, <sip:10.0.0.9:5060>")
        .contact("<sip:callee@192.0.2.4>");
    let run = check(
        Script::new(Plan::invite([answer])),
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        1035  > BYE 2
        1045  < 200 2 BYE
        1045  * Closed
    "#]],
    );
    for request in [run.request("ACK"), run.request("BYE")] {
        assert_eq!(request.uri(), "sip:10.0.0.9:5060");
        assert_eq!(request.headers("Route"), ["<sip:10.0.0.22;lr>", "<sip:callee@192.0.2.4>"]);
    }
}

/// Checklist 8 and 9: whichever comes second.
#[test]
fn of_two_forks_that_answer_one_is_kept_and_the_other_hung_up() {
    let plan =
        Plan::invite([say(0, 180), say(50, 180).tag("d"), say(1000, 200), say(1200, 202).tag("d")]);
    let run = check(
        Script::new(plan),
        expect![[r#"
        10    > INVITE 1
        20    < 180 1 INVITE
        20    * Progress 180
        70    < 180 1 INVITE
        1020  < 200 1 INVITE
        1020  * Answered 200 with SDP by c
        1035  > ACK 1
        1220  < 202 1 INVITE
        1230  > ACK 1
        1230  > BYE 2
        1240  < 200 2 BYE
        2035  > BYE 2
        2045  < 200 2 BYE
        2045  * Closed
    "#]],
    );
    assert_eq!(run.agent.counters().answers_closed, 1);
}

/// Checklist 8: 20 s after the first answer, while the call is on; and after it.
#[test]
fn a_fork_that_answers_late_is_hung_up_too() {
    let plan = Plan::invite([say(0, 200), say(20_000, 200).tag("d")]);
    check(
        Script::new(plan.clone()).no_bye().at(40_000, Wish::Bye(None)),
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        20020 < 200 1 INVITE
        20030 > ACK 1
        20030 > BYE 2
        20040 < 200 2 BYE
        40010 > BYE 2
        40020 < 200 2 BYE
        40020 * Closed
    "#]],
    );
    check(
        Script::new(plan),
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        1035  > BYE 2
        1045  < 200 2 BYE
        1045  * Closed
        20020 < 200 1 INVITE
        20030 > ACK 1
        20030 > BYE 2
        20040 < 200 2 BYE
    "#]],
    );
}

/// Checklist 9: after a refusal, which a proxy may have made of another fork.
#[test]
fn an_answer_after_a_refusal_is_hung_up() {
    let plan = Plan::invite([say(0, 180), say(500, 503), say(5000, 200).tag("d")]);
    check(
        Script::new(plan),
        expect![[r#"
        10    > INVITE 1
        20    < 180 1 INVITE
        20    * Progress 180
        520   < 503 1 INVITE
        520   * Refused Network(503)
        530   > ACK 1
        5020  < 200 1 INVITE
        5030  > ACK 1
        5030  > BYE 2
        5040  < 200 2 BYE
    "#]],
    );
}

/// Checklist 9.
#[test]
fn a_202_is_an_answer_like_any_other() {
    let run = check(
        Script::new(Plan::invite([say(0, 202)])),
        expect![[r#"
        10    > INVITE 1
        20    < 202 1 INVITE
        20    * Answered 202 with SDP by c
        35    > ACK 1
        1035  > BYE 2
        1045  < 200 2 BYE
        1045  * Closed
    "#]],
    );
    assert!(matches!(run.heard[0], SipHeard::Answered { status: 202, .. }));
}

/// Checklist 10.
#[test]
fn an_answer_without_contact_is_acked_and_closed_the_way_it_came() {
    let run = check(
        Script::new(Plan::invite([say(0, 180), say(500, 200).no_contact()])),
        expect![[r#"
        10    > INVITE 1
        20    < 180 1 INVITE
        20    * Progress 180
        520   < 200 1 INVITE
        520   * Refused Network(200)
        530   > ACK 1
        530   > BYE 2
        540   < 200 2 BYE
    "#]],
    );
    assert_eq!(run.request("ACK").uri(), run.request("INVITE").uri());
    match &run.heard[..] {
        [SipHeard::Progress { .. }, SipHeard::Refused { refusal, .. }] => {
            assert_eq!(refusal.source, RefusalSource::Network(200));
        }
        other => panic!("{other:?}"),
    }
}

/// The ACK waits for the owner, whose record of the answer must be durable; repeats of the 2xx do
/// not change that.
#[test]
fn an_answer_is_acknowledged_when_the_owner_takes_it_and_not_before() {
    let script = Script::new(Plan::invite([say(0, 200)])).with(|s| s.accept_after = Some(ms(2500)));
    check(
        script,
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        520   < 200 1 INVITE
        1520  < 200 1 INVITE
        2530  > ACK 1
        3530  > BYE 2
        3540  < 200 2 BYE
        3540  * Closed
    "#]],
    );
}

#[test]
fn an_answer_that_nobody_takes_is_acked_and_closed_after_10_s() {
    let script = Script::new(Plan::invite([say(0, 200)])).with(|s| s.accept_after = None);
    let run = check(
        script,
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        520   < 200 1 INVITE
        1520  < 200 1 INVITE
        3520  < 200 1 INVITE
        7520  < 200 1 INVITE
        10020 * HungUp NotAccepted
        10030 > ACK 1
        10030 > BYE 2
        10040 < 200 2 BYE
    "#]],
    );
    assert!(matches!(run.heard.last(), Some(SipHeard::HungUp { by: HungUpBy::NotAccepted, .. })));
}

/// Checklist 17.
#[test]
fn a_bye_that_is_ordered_first_waits_for_the_ack() {
    let script = Script::new(Plan::invite([say(0, 200)])).no_bye();
    let script = script.with(|s| s.accept_after = Some(ms(500))).at(100, Wish::Bye(None));
    check(
        script,
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        520   < 200 1 INVITE
        530   > ACK 1
        530   > BYE 2
        540   < 200 2 BYE
        540   * Closed
    "#]],
    );
}

#[test]
fn a_bye_before_any_answer_takes_the_try_back() {
    check(
        Script::new(Plan::invite([say(0, 180)])).at(1000, Wish::Bye(None)),
        expect![[r#"
        10    > INVITE 1
        20    < 180 1 INVITE
        20    * Progress 180
        1010  > CANCEL 1
        1020  < 200 1 CANCEL
        1020  < 487 1 INVITE
        1020  * Cancelled
        1030  > ACK 1
    "#]],
    );
}

#[test]
fn a_cancel_after_the_answer_hangs_up() {
    check(
        Script::new(Plan::invite([say(0, 200)])).no_bye().cancel_at(1000),
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        1010  > BYE 2
        1020  < 200 2 BYE
        1020  * Closed
    "#]],
    );
}

/// The callee hangs up before our ACK reached it, as some do.
#[test]
fn a_bye_that_overtakes_the_owner_ends_the_call_and_the_answer_gets_its_ack() {
    let plan = Plan::invite([say(0, 200), ask(200, "BYE").impatient()]);
    let script = Script::new(plan).with(|s| s.accept_after = Some(ms(1000)));
    check(
        script,
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        220   < BYE 101
        220   * HungUp Bye
        230   > 200 101 BYE
        230   > ACK 1
    "#]],
    );
}

/// Checklist 30: both get 200.
#[test]
fn two_byes_that_cross_are_both_answered() {
    let plan = Plan::invite([say(0, 200), ask(1015, "BYE")]);
    check(
        Script::new(plan),
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        1035  > BYE 2
        1035  < BYE 101
        1045  < 200 2 BYE
        1045  * Closed
        1045  > 200 101 BYE
    "#]],
    );
}

#[test]
fn a_bye_that_nobody_answers_is_repeated_for_64_t1() {
    let plan = Plan::invite([say(0, 200)]).silence("BYE");
    check(
        Script::new(plan),
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        1035  > BYE 2
        1535  > BYE 2
        2535  > BYE 2
        4535  > BYE 2
        8535  > BYE 2
        12535 > BYE 2
        16535 > BYE 2
        20535 > BYE 2
        24535 > BYE 2
        28535 > BYE 2
        32535 > BYE 2
        33025 * Closed
    "#]],
    );
}

#[test]
fn an_order_for_a_leg_that_is_over_does_nothing() {
    let script = Script::new(Plan::invite([say(0, 486)]))
        .at(100, Wish::Accept)
        .at(200, Wish::Bye(None))
        .cancel_at(300);
    let script =
        script.at(400, Wish::Info("x")).at(500, Wish::Reinvite(OFFER)).at(100_000, Wish::Accept);
    let run = check(
        script,
        expect![[r#"
        10    > INVITE 1
        20    < 486 1 INVITE
        20    * Refused Network(486)
        30    > ACK 1
    "#]],
    );
    assert_eq!(run.agent.counters().orders_ignored, 6);
}

/// Checklist 11: the SDP of a provisional answer stands in for that of the 2xx.
#[test]
fn an_answer_without_sdp_takes_that_of_the_provisional_before_it() {
    let plan = Plan::invite([say(0, 183).sdp(ANSWER), say(1000, 200).no_sdp()]);
    let run = check(
        Script::new(plan),
        expect![[r#"
        10    > INVITE 1
        20    < 183 1 INVITE
        20    * Progress 183 with SDP
        1020  < 200 1 INVITE
        1020  * Answered 200 with SDP by c
        1035  > ACK 1
        2035  > BYE 2
        2045  < 200 2 BYE
        2045  * Closed
    "#]],
    );
    assert!(
        matches!(&run.heard[1], SipHeard::Answered { sdp: Some(sdp), .. } if sdp == ANSWER.as_bytes())
    );
}

#[test]
fn the_owner_is_told_the_callee_s_half_of_the_dialog() {
    let run = World::new(Script::new(Plan::invite([routed(say(0, 200))])), Faults::None).call();
    match &run.heard[0] {
        SipHeard::Answered { dialog, .. } => {
            assert_eq!(dialog.remote_tag, "c");
            assert_eq!(dialog.target, "sip:callee@192.0.2.4:5080;transport=udp");
            assert_eq!(dialog.route.len(), 3);
            assert_eq!(dialog.route[0], "<sip:10.0.0.9;lr>");
            assert_eq!(dialog.cseq, run.request("INVITE").cseq());
        }
        other => panic!("{other:?}"),
    }
}
