//! re-INVITEs and UPDATEs of theirs.

use expect_test::expect;
use sip::port::SipHeard;

use crate::world::*;

#[test]
fn their_reinvite_is_answered_by_the_owner() {
    let run = check(
        Script::up([ask(1000, "INVITE").sdp(OFFER).header("Contact: <sip:new@10.0.0.9:5060>")]),
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
    let script = Script::up([ask(1000, "INVITE").sdp(OFFER)]).with(|s| s.reinvite_answer = None);
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
        Script::up([ask(1000, "INVITE").ack_sdp(ANSWER)]).with(|s| s.reinvite_answer = Some(OFFER));
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
    let script = Script::up([ask(1000, "INVITE").sdp(OFFER), ask(1002, "INVITE").sdp(OFFER)]);
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
    let script = Script::up([ask(1000, "INVITE").sdp(OFFER)]).with(|s| s.owner_sleeps = true);
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
    let script = Script::up([ask(1000, "INVITE").sdp(OFFER), cancel_ask(1300)])
        .with(|s| s.owner_sleeps = true);
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

/// Checklist 24: ours is out when theirs comes.
#[test]
fn their_reinvite_that_meets_ours_is_refused_with_491() {
    let script = Script::up([ask(1000, "INVITE").sdp(OFFER)]).at(1005, Wish::Reinvite(OFFER));
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
        Script::up([ask(1000, "UPDATE").sdp(OFFER), ask(2000, "UPDATE")]),
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
        Script::up([ask(1000, "UPDATE").sdp(OFFER)]).at(1005, Wish::Reinvite(OFFER)),
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
        Script::up([ask(1000, "UPDATE").sdp(OFFER), ask(1002, "UPDATE").sdp(OFFER)]),
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
