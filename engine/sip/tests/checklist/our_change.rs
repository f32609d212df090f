//! re-INVITEs of ours.

use expect_test::expect;
use sip::port::SipHeard;

use crate::world::*;

/// Checklist 24 and 28.
#[test]
fn our_reinvite_is_acknowledged_and_its_answer_told() {
    let run = check(
        Script::up([]).at(1000, Wish::Reinvite(OFFER)),
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
        Script::up_with(|plan| plan.reply("reINVITE", 491, &[])).at(1000, Wish::Reinvite(OFFER)),
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
    let script = Script::up_with(five).at(1000, Wish::Reinvite(OFFER));
    let script = script.later();
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
        Script::up_with(|plan| plan.reply("reINVITE", 488, &[])).at(1000, Wish::Reinvite(OFFER)),
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

/// Checklist 24: theirs came first, so ours waits for its ACK.
#[test]
fn our_reinvite_waits_until_theirs_is_over() {
    let script = Script::up([ask(1000, "INVITE").sdp(OFFER)]).at(1022, Wish::Reinvite(OFFER));
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
