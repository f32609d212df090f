//! Requests in the dialog, ours and theirs.

use expect_test::expect;
use sip::port::{HungUpBy, SipHeard};

use crate::world::run::World;
use crate::world::*;

/// A call that is up from 30 ms on; the callee does these steps, and our side hangs up at 20 s.
fn up(steps: impl IntoIterator<Item = script::Step>) -> Script {
    let plan = Plan::invite([say(0, 200)].into_iter().chain(steps));
    Script::new(plan).no_bye().at(20_000, Wish::Bye(None))
}

/// The same, with how the callee answers ours.
fn up_with(change: impl FnOnce(Plan) -> Plan) -> Script {
    Script::new(change(Plan::invite([say(0, 200)]))).no_bye().at(20_000, Wish::Bye(None))
}

/// Our side hangs up at 90 s.
fn later(script: Script) -> Script {
    script.with(|s| s.wishes.retain(|(at, _)| *at != ms(20_000))).at(90_000, Wish::Bye(None))
}

/// Checklist 30.
#[test]
fn their_bye_is_answered_and_told_with_its_reason() {
    let bye = ask(1000, "BYE").header("Reason: Q.850;cause=16;text=\"Normal\"");
    let run = check(
        Script::new(Plan::invite([say(0, 200), bye])).no_bye(),
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        1020  < BYE 101
        1020  * HungUp Bye
        1030  > 200 101 BYE
    "#]],
    );
    match run.heard.last() {
        Some(SipHeard::HungUp { by: HungUpBy::Bye, reason, .. }) => {
            assert_eq!(reason.q850, Some(16))
        }
        other => panic!("{other:?}"),
    }
}

/// Checklist 24 and 28.
#[test]
fn our_reinvite_is_acknowledged_and_its_answer_told() {
    let run = check(
        up([]).at(1000, Wish::Reinvite(OFFER)),
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        1010  > INVITE 2
        1020  < 200 2 INVITE
        1020  * Renegotiated
        1030  > ACK 2
        20010 > BYE 3
        20020 < 200 3 BYE
        20020 * Closed
    "#]],
    );
    let reinvite = run.requests("INVITE")[1];
    assert_eq!((reinvite.cseq(), reinvite.tag("To")), (2, "c"));
    assert_eq!(reinvite.body(), OFFER);
    let renegotiated = |h: &SipHeard| matches!(h, SipHeard::Renegotiated { result: Ok(sdp), .. } if sdp == ANSWER.as_bytes());
    assert!(run.heard.iter().any(renegotiated));
}

/// Checklist 28: the target moves with the 2xx to a re-INVITE, the route never.
#[test]
fn a_2xx_to_our_reinvite_moves_the_target_and_not_the_route() {
    let moved = ["Contact: <sip:moved@192.0.2.77>", "Record-Route: <sip:192.0.2.66;lr>"];
    let plan = Plan::invite([say(0, 200).header("Record-Route: <sip:10.0.0.9;lr>")])
        .reply_sdp("reINVITE", 200, &moved, ANSWER);
    let script =
        Script::new(plan).no_bye().at(1000, Wish::Reinvite(OFFER)).at(5000, Wish::Bye(None));
    let run = check(
        script,
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        1010  > INVITE 2
        1020  < 200 2 INVITE
        1020  * Renegotiated
        1030  > ACK 2
        5010  > BYE 3
        5020  < 200 3 BYE
        5020  * Closed
    "#]],
    );
    let bye = run.request("BYE");
    assert_eq!(bye.uri(), "sip:moved@192.0.2.77");
    assert_eq!(bye.headers("Route"), ["<sip:10.0.0.9;lr>"]);
}

/// Checklist 24: 2.1 to 4 s, in steps of 10 ms, for we made the Call-ID.
#[test]
fn a_491_to_our_reinvite_is_tried_again_after_a_random_wait() {
    let run = check(
        up_with(|plan| plan.reply("reINVITE", 491, &[])).at(1000, Wish::Reinvite(OFFER)),
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        1010  > INVITE 2
        1020  < 491 2 INVITE
        1030  > ACK 2
        3760  > INVITE 3
        3770  < 200 3 INVITE
        3770  * Renegotiated
        3780  > ACK 3
        20010 > BYE 4
        20020 < 200 4 BYE
        20020 * Closed
    "#]],
    );
    assert_eq!(run.requests("INVITE").len(), 3);
}

#[test]
fn our_reinvite_that_is_always_491_is_given_up() {
    let five = |plan: Plan| (0..5).fold(plan, |plan, _| plan.reply("reINVITE", 491, &[]));
    let script = up_with(five).at(1000, Wish::Reinvite(OFFER));
    let script = later(script);
    let run = check(
        script,
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        1010  > INVITE 2
        1020  < 491 2 INVITE
        1030  > ACK 2
        3760  > INVITE 3
        3770  < 491 3 INVITE
        3780  > ACK 3
        6160  > INVITE 4
        6170  < 491 4 INVITE
        6180  > ACK 4
        8790  > INVITE 5
        8800  < 491 5 INVITE
        8810  > ACK 5
        11290 > INVITE 6
        11300 < 491 6 INVITE
        11300 * Renegotiated: 491
        11310 > ACK 6
        90010 > BYE 7
        90020 < 200 7 BYE
        90020 * Closed
    "#]],
    );
    assert!(run.heard.iter().any(|h| matches!(h, SipHeard::Renegotiated { result: Err(491), .. })));
}

#[test]
fn our_reinvite_that_is_refused_leaves_the_call_as_it_was() {
    let run = check(
        up_with(|plan| plan.reply("reINVITE", 488, &[])).at(1000, Wish::Reinvite(OFFER)),
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        1010  > INVITE 2
        1020  < 488 2 INVITE
        1020  * Renegotiated: 488
        1030  > ACK 2
        20010 > BYE 3
        20020 < 200 3 BYE
        20020 * Closed
    "#]],
    );
    let acks = run.requests("ACK");
    assert_eq!(acks[1].branch(), run.requests("INVITE")[1].branch());
}

/// Checklist 27.
#[test]
fn a_481_or_408_to_our_request_ends_the_dialog_with_a_bye() {
    for status in [481, 408] {
        let run = World::new(
            up_with(|plan| plan.reply("reINVITE", status, &[])).at(1000, Wish::Reinvite(OFFER)),
            Faults::None,
        )
        .call();
        assert!(
            matches!(run.heard.last(), Some(SipHeard::HungUp { by: HungUpBy::DialogLost, .. })),
            "{status}"
        );
        assert_eq!(run.broken, Vec::<String>::new());
    }
    check(
        up_with(|plan| plan.reply("INFO", 481, &[])).at(1000, Wish::Info("Signal=1")),
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        1010  > INFO 2
        1020  < 481 2 INFO
        1020  * HungUp DialogLost
        1030  > BYE 3
        1040  < 200 3 BYE
    "#]],
    );
}

#[test]
fn our_request_that_nobody_answers_ends_the_dialog() {
    let script = up_with(|plan| plan.silence("INFO")).at(1000, Wish::Info("Signal=1"));
    let script = later(script);
    check(
        script,
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        1010  > INFO 2
        1510  > INFO 2
        2510  > INFO 2
        4510  > INFO 2
        8510  > INFO 2
        12510 > INFO 2
        16510 > INFO 2
        20510 > INFO 2
        24510 > INFO 2
        28510 > INFO 2
        32510 > INFO 2
        33000 * HungUp DialogLost
        33010 > BYE 3
        33020 < 200 3 BYE
    "#]],
    );
}

/// Checklist 24: ours is out when theirs comes.
#[test]
fn their_reinvite_that_meets_ours_is_refused_with_491() {
    let script = up([ask(1000, "INVITE").sdp(OFFER)]).at(1005, Wish::Reinvite(OFFER));
    let run = check(
        script,
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        1015  > INVITE 2
        1020  < INVITE 101
        1025  < 200 2 INVITE
        1025  * Renegotiated
        1030  > 491 101 INVITE
        1035  > ACK 2
        1040  < ACK 101
        20010 > BYE 3
        20020 < 200 3 BYE
        20020 * Closed
    "#]],
    );
    assert_eq!(run.responses(491).len(), 1);
}

/// Checklist 24: theirs came first, so ours waits for its ACK.
#[test]
fn our_reinvite_waits_until_theirs_is_over() {
    let script = up([ask(1000, "INVITE").sdp(OFFER)]).at(1022, Wish::Reinvite(OFFER));
    check(
        script,
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        1020  < INVITE 101
        1020  * Reinvited with SDP
        1030  > 100 101 INVITE
        1035  > 200 101 INVITE
        1045  < ACK 101
        1055  > INVITE 2
        1065  < 200 2 INVITE
        1065  * Renegotiated
        1075  > ACK 2
        20010 > BYE 3
        20020 < 200 3 BYE
        20020 * Closed
    "#]],
    );
}

#[test]
fn their_reinvite_is_answered_by_the_owner() {
    let run = check(
        up([ask(1000, "INVITE").sdp(OFFER).header("Contact: <sip:new@10.0.0.9:5060>")]),
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        1020  < INVITE 101
        1020  * Reinvited with SDP
        1030  > 100 101 INVITE
        1035  > 200 101 INVITE
        1045  < ACK 101
        20010 > BYE 2
        20020 < 200 2 BYE
        20020 * Closed
    "#]],
    );
    let accepted = run.responses(200)[0];
    assert_eq!(accepted.body(), ANSWER);
    assert!(accepted.has("Contact") && accepted.has("Allow"));
    assert!(run.heard.contains(&SipHeard::Reinvited { leg: run::LEG, sdp: Some(OFFER.into()) }));
    assert_eq!(run.request("BYE").uri(), "sip:new@10.0.0.9:5060", "their Contact moved");
}

#[test]
fn their_reinvite_that_the_owner_does_not_want_gets_488() {
    let script = up([ask(1000, "INVITE").sdp(OFFER)]).with(|s| s.reinvite_answer = None);
    check(
        script,
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        1020  < INVITE 101
        1020  * Reinvited with SDP
        1030  > 100 101 INVITE
        1035  > 488 101 INVITE
        1045  < ACK 101
        20010 > BYE 2
        20020 < 200 2 BYE
        20020 * Closed
    "#]],
    );
}

/// Checklist 31.
#[test]
fn their_reinvite_without_sdp_gets_our_offer_and_brings_the_answer_in_its_ack() {
    let script =
        up([ask(1000, "INVITE").ack_sdp(ANSWER)]).with(|s| s.reinvite_answer = Some(OFFER));
    let run = check(
        script,
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        1020  < INVITE 101
        1020  * Reinvited
        1030  > 100 101 INVITE
        1035  > 200 101 INVITE
        1045  < ACK 101
        1045  * Renegotiated
        20010 > BYE 2
        20020 < 200 2 BYE
        20020 * Closed
    "#]],
    );
    assert!(run.heard.contains(&SipHeard::Reinvited { leg: run::LEG, sdp: None }));
    assert!(
        run.heard.contains(&SipHeard::Renegotiated { leg: run::LEG, result: Ok(ANSWER.into()) })
    );
}

/// Checklist 31: at T1, doubling to T2, for 64*T1; then there is no session.
#[test]
fn our_2xx_to_their_reinvite_is_repeated_until_its_ack_and_then_the_call_is_hung_up() {
    let plan = Plan::invite([say(0, 200), ask(1000, "INVITE").sdp(OFFER)]).mute();
    check(
        Script::new(plan).no_bye().at(90_000, Wish::Bye(None)),
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        1020  < INVITE 101
        1020  * Reinvited with SDP
        1030  > 100 101 INVITE
        1035  > 200 101 INVITE
        1535  > 200 101 INVITE
        2535  > 200 101 INVITE
        4535  > 200 101 INVITE
        8535  > 200 101 INVITE
        12535 > 200 101 INVITE
        16535 > 200 101 INVITE
        20535 > 200 101 INVITE
        24535 > 200 101 INVITE
        28535 > 200 101 INVITE
        32535 > 200 101 INVITE
        33025 * HungUp DialogLost
        33035 > BYE 2
        33045 < 200 2 BYE
    "#]],
    );
}

/// Checklist 25.
#[test]
fn a_second_reinvite_before_the_first_is_answered_gets_500_and_retry_after() {
    let script = up([ask(1000, "INVITE").sdp(OFFER), ask(1002, "INVITE").sdp(OFFER)]);
    let run = check(
        script,
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        1020  < INVITE 101
        1020  * Reinvited with SDP
        1022  < INVITE 102
        1030  > 100 101 INVITE
        1032  > 500 102 INVITE
        1035  > 200 101 INVITE
        1042  < ACK 102
        1045  < ACK 101
        20010 > BYE 2
        20020 < 200 2 BYE
        20020 * Closed
    "#]],
    );
    let busy = run.responses(500)[0];
    assert!(busy.header("Retry-After").parse::<u32>().unwrap() <= 10);
}

#[test]
fn a_reinvite_that_the_owner_never_answers_gets_500_after_10_s() {
    let script = up([ask(1000, "INVITE").sdp(OFFER)]).with(|s| s.owner_sleeps = true);
    check(
        script,
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        1020  < INVITE 101
        1020  * Reinvited with SDP
        1030  > 100 101 INVITE
        11030 > 500 101 INVITE
        11040 < ACK 101
        20010 > BYE 2
        20020 < 200 2 BYE
        20020 * Closed
    "#]],
    );
}

#[test]
fn their_reinvite_that_they_cancel_gets_487() {
    let script =
        up([ask(1000, "INVITE").sdp(OFFER), cancel_ask(1300)]).with(|s| s.owner_sleeps = true);
    let run = check(
        script,
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        1020  < INVITE 101
        1020  * Reinvited with SDP
        1030  > 100 101 INVITE
        1320  < CANCEL 101
        1330  > 200 101 CANCEL
        1330  > 487 101 INVITE
        1340  < ACK 101
        20010 > BYE 2
        20020 < 200 2 BYE
        20020 * Closed
    "#]],
    );
    assert_eq!(run.responses(487).len(), 1);
}

/// Checklist 30: their BYE while their re-INVITE is open, and while ours is.
#[test]
fn a_bye_ends_what_is_open() {
    let plan = Plan::invite([say(0, 200), ask(1000, "INVITE").sdp(OFFER), ask(1500, "BYE")]);
    let script = Script::new(plan).no_bye().with(|s| s.owner_sleeps = true);
    let run = check(
        script,
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        1020  < INVITE 101
        1020  * Reinvited with SDP
        1030  > 100 101 INVITE
        1520  < BYE 102
        1520  * HungUp Bye
        1530  > 200 102 BYE
        1530  > 487 101 INVITE
        1540  < ACK 101
    "#]],
    );
    assert_eq!(run.responses(487).len(), 1);

    let plan = Plan::invite([say(0, 200), ask(1005, "BYE")]).reply("reINVITE", 487, &[]);
    check(
        Script::new(plan).no_bye().at(1000, Wish::Reinvite(OFFER)),
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        1010  > INVITE 2
        1020  < 487 2 INVITE
        1020  * Renegotiated: 487
        1025  < BYE 101
        1025  * HungUp Bye
        1030  > ACK 2
        1035  > 200 101 BYE
    "#]],
    );
}

#[test]
fn their_update_with_an_offer_is_answered_by_the_owner_and_without_one_at_once() {
    let run = check(
        up([ask(1000, "UPDATE").sdp(OFFER), ask(2000, "UPDATE")]),
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        1020  < UPDATE 101
        1020  * Reinvited with SDP
        1035  > 200 101 UPDATE
        2020  < UPDATE 102
        2030  > 200 102 UPDATE
        20010 > BYE 2
        20020 < 200 2 BYE
        20020 * Closed
    "#]],
    );
    assert_eq!(run.responses(200)[0].body(), ANSWER);
    assert!(run.responses(200)[1].has("Contact"));
}

/// RFC 3311, 5.2.
#[test]
fn their_update_that_meets_our_offer_gets_491_and_one_that_meets_their_own_500() {
    let run = check(
        up([ask(1000, "UPDATE").sdp(OFFER)]).at(1005, Wish::Reinvite(OFFER)),
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        1015  > INVITE 2
        1020  < UPDATE 101
        1025  < 200 2 INVITE
        1025  * Renegotiated
        1030  > 491 101 UPDATE
        1035  > ACK 2
        20010 > BYE 3
        20020 < 200 3 BYE
        20020 * Closed
    "#]],
    );
    assert_eq!(run.responses(491).len(), 1);
    let run = check(
        up([ask(1000, "UPDATE").sdp(OFFER), ask(1002, "UPDATE").sdp(OFFER)]),
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        1020  < UPDATE 101
        1020  * Reinvited with SDP
        1022  < UPDATE 102
        1032  > 500 102 UPDATE
        1035  > 200 101 UPDATE
        20010 > BYE 2
        20020 < 200 2 BYE
        20020 * Closed
    "#]],
    );
    assert!(run.responses(500)[0].has("Retry-After"));
}

#[test]
fn their_info_is_answered_and_told_once_however_often_it_comes() {
    let info = ask(1000, "INFO").body("Application/DTMF-Relay", "Signal=5\r\nDuration=160\r\n");
    let run = check(
        up([info.clone()]),
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        1020  < INFO 101
        1020  * Info application/dtmf-relay
        1030  > 200 101 INFO
        20010 > BYE 2
        20020 < 200 2 BYE
        20020 * Closed
    "#]],
    );
    let told = |run: &Run| run.heard.iter().filter(|h| matches!(h, SipHeard::Info { .. })).count();
    assert!(run.heard.contains(&SipHeard::Info {
        leg: run::LEG,
        content_type: "application/dtmf-relay".into(),
        body: b"Signal=5\r\nDuration=160\r\n".to_vec(),
    }));
    for n in 0..run.datagrams {
        let run = World::new(up([info.clone()]), Faults::Double(n)).call();
        assert_eq!(told(&run), 1);
    }
}

/// One that overtakes another would be refused as out of order.
#[test]
fn our_digits_go_one_after_the_other() {
    let script = up([])
        .at(1000, Wish::Info("Signal=1"))
        .at(1001, Wish::Info("Signal=2"))
        .at(1002, Wish::Info("Signal=3"));
    let run = check(
        script,
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        1010  > INFO 2
        1020  < 200 2 INFO
        1030  > INFO 3
        1040  < 200 3 INFO
        1050  > INFO 4
        1060  < 200 4 INFO
        20010 > BYE 5
        20020 < 200 5 BYE
        20020 * Closed
    "#]],
    );
    let bodies: Vec<_> = run.requests("INFO").iter().map(|i| i.body().to_owned()).collect();
    assert_eq!(bodies, ["Signal=1", "Signal=2", "Signal=3"]);
    assert_eq!(run.requests("INFO")[0].header("Content-Type"), "application/dtmf-relay");
}

/// Checklist 32.
#[test]
fn options_unknown_methods_and_unknown_extensions_are_answered_in_the_dialog() {
    let run = check(
        up([
            ask(1000, "OPTIONS"),
            ask(2000, "REFER").header("Refer-To: <sip:x@10.0.0.9>"),
            ask(3000, "DANCE"),
            ask(4000, "INFO").header("Require: foo, timer"),
        ]),
        expect![[r#"
            10    > INVITE 1
            20    < 200 1 INVITE
            20    * Answered 200 with SDP by c
            35    > ACK 1
            1020  < OPTIONS 101
            1030  > 200 101 OPTIONS
            2020  < REFER 102
            2030  > 405 102 REFER
            3020  < DANCE 103
            3030  > 405 103 DANCE
            4020  < INFO 104
            4030  > 420 104 INFO
            20010 > BYE 2
            20020 < 200 2 BYE
            20020 * Closed
        "#]],
    );
    assert!(run.responses(200)[0].header("Allow").contains("BYE"));
    for refused in run.responses(405) {
        assert!(refused.header("Allow").contains("INVITE"));
    }
    assert_eq!(run.responses(420)[0].headers("Unsupported"), ["foo"]);
}

/// Checklist 27.
#[test]
fn a_request_with_a_lower_cseq_than_the_last_gets_500() {
    let run = check(
        up([ask(1000, "OPTIONS").cseq(50), ask(2000, "OPTIONS").cseq(49)]),
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        1020  < OPTIONS 50
        1030  > 200 50 OPTIONS
        2020  < OPTIONS 49
        2030  > 500 49 OPTIONS
        20010 > BYE 2
        20020 < 200 2 BYE
        20020 * Closed
    "#]],
    );
    assert_eq!(run.responses(500).len(), 1);
}

/// They are gone, whatever overtook their BYE.
#[test]
fn a_bye_with_a_lower_cseq_than_the_last_ends_the_call() {
    let plan =
        Plan::invite([say(0, 200), ask(1000, "OPTIONS").cseq(50), ask(2000, "BYE").cseq(49)]);
    check(
        Script::new(plan).no_bye(),
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        1020  < OPTIONS 50
        1030  > 200 50 OPTIONS
        2020  < BYE 49
        2020  * HungUp Bye
        2030  > 200 49 BYE
    "#]],
    );
}

/// Checklist 27.
#[test]
fn a_request_for_a_dialog_that_we_do_not_have_gets_481() {
    let run = check(
        up([ask(1000, "OPTIONS").tag("stranger")]),
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        1020  < OPTIONS 101
        1030  > 481 101 OPTIONS
        20010 > BYE 2
        20020 < 200 2 BYE
        20020 * Closed
    "#]],
    );
    assert_eq!(run.responses(481).len(), 1);
}

/// Checklist 33: E doubles to T2.
#[test]
fn a_provisional_answer_slows_the_repeats_of_a_request_down() {
    let script = up_with(|plan| plan.reply("INFO", 100, &[])).at(1000, Wish::Info("x"));
    let script = later(script);
    check(
        script,
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        1010  > INFO 2
        1020  < 100 2 INFO
        5030  > INFO 2
        5040  < 100 2 INFO
        9030  > INFO 2
        9040  < 100 2 INFO
        13030 > INFO 2
        13040 < 100 2 INFO
        17030 > INFO 2
        17040 < 100 2 INFO
        21030 > INFO 2
        21040 < 100 2 INFO
        25030 > INFO 2
        25040 < 100 2 INFO
        29030 > INFO 2
        29040 < 100 2 INFO
        33000 * HungUp DialogLost
        33010 > BYE 3
        33020 < 200 3 BYE
    "#]],
    );
}

/// A peer of RFC 2543 has no tag.
#[test]
fn a_callee_without_a_tag_is_called_and_hung_up() {
    let plan = Plan::invite([say(0, 180).tag(""), say(500, 200).tag(""), ask(900, "BYE").tag("")]);
    let run = World::new(Script::new(plan).no_bye(), Faults::None).call();
    assert!(
        matches!(run.heard.last(), Some(SipHeard::HungUp { by: HungUpBy::Bye, .. })),
        "{}",
        run.ladder
    );
}
