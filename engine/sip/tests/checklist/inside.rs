//! Requests in the dialog that change nothing in the session, ours and theirs.

use expect_test::expect;
use sip::port::{HungUpBy, SipHeard};

use crate::world::run::World;
use crate::world::*;

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

/// Checklist 27.
#[test]
fn a_481_or_408_to_our_request_ends_the_dialog_with_a_bye() {
    for status in [481, 408] {
        let run = World::new(
            Script::up_with(|plan| plan.reply("reINVITE", status, &[]))
                .at(1000, Wish::Reinvite(OFFER)),
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
        Script::up_with(|plan| plan.reply("INFO", 481, &[])).at(1000, Wish::Info("Signal=1")),
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
    let script = Script::up_with(|plan| plan.silence("INFO")).at(1000, Wish::Info("Signal=1"));
    let script = script.later();
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

#[test]
fn their_info_is_answered_and_told_once_however_often_it_comes() {
    let info = ask(1000, "INFO").body("Application/DTMF-Relay", "Signal=5\r\nDuration=160\r\n");
    let run = check(
        Script::up([info.clone()]),
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
        let run = World::new(Script::up([info.clone()]), Faults::Double(n)).call();
        assert_eq!(told(&run), 1);
    }
}

/// One that overtakes another would be refused as out of order.
#[test]
fn our_digits_go_one_after_the_other() {
    let script = Script::up([])
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
        Script::up([
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
        Script::up([ask(1000, "OPTIONS").cseq(50), ask(2000, "OPTIONS").cseq(49)]),
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
        Script::up([ask(1000, "OPTIONS").tag("stranger")]),
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
    let script = Script::up_with(|plan| plan.reply("INFO", 100, &[])).at(1000, Wish::Info("x"));
    let script = script.later();
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
