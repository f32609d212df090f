//! Taking a try back.

use expect_test::expect;
use sip::port::{Reason, SipHeard};

use crate::world::*;

/// Checklist 13.
#[test]
fn a_ringing_phone_is_cancelled_and_its_487_acknowledged() {
    check(
        Script::new(Plan::invite([say(0, 100), say(500, 180)])).cancel_at(2000),
        expect![[r#"
        10    > INVITE 1
        20    < 100 1 INVITE
        20    * Progress 100
        520   < 180 1 INVITE
        520   * Progress 180
        2010  > CANCEL 1
        2020  < 200 1 CANCEL
        2020  < 487 1 INVITE
        2020  * Cancelled
        2030  > ACK 1
    "#]],
    );
}

/// Checklist 12.
#[test]
fn a_cancel_waits_for_the_first_provisional_answer() {
    check(
        Script::new(Plan::invite([say(1800, 180)])).cancel_at(300),
        expect![[r#"
        10    > INVITE 1
        510   > INVITE 1
        1510  > INVITE 1
        1820  < 180 1 INVITE
        1830  > CANCEL 1
        1840  < 200 1 CANCEL
        1840  < 487 1 INVITE
        1840  * Cancelled
        1850  > ACK 1
    "#]],
    );
}

/// Checklist 12: a final may come instead.
#[test]
fn a_refusal_before_any_provisional_answer_spares_the_cancel() {
    let run = check(
        Script::new(Plan::invite([say(1800, 486)])).cancel_at(300),
        expect![[r#"
        10    > INVITE 1
        510   > INVITE 1
        1510  > INVITE 1
        1820  < 486 1 INVITE
        1820  * Cancelled
        1830  > ACK 1
    "#]],
    );
    assert_eq!(run.count("CANCEL"), 0);
}

/// Checklist 12 and 13: the 2xx comes instead.
#[test]
fn an_answer_before_any_provisional_answer_is_acked_and_closed() {
    let run = check(
        Script::new(Plan::invite([say(1800, 200)])).cancel_at(300),
        expect![[r#"
        10    > INVITE 1
        510   > INVITE 1
        1510  > INVITE 1
        1820  < 200 1 INVITE
        1820  * LateAnswerClosed 200
        1830  > ACK 1
        1830  > BYE 2
        1840  < 200 2 BYE
    "#]],
    );
    assert_eq!(run.count("CANCEL"), 0);
}

#[test]
fn a_cancel_that_nobody_heard_of_ends_with_timer_b() {
    let run = check(
        Script::new(Plan::invite([])).cancel_at(300),
        expect![[r#"
        10    > INVITE 1
        510   > INVITE 1
        1510  > INVITE 1
        3510  > INVITE 1
        7510  > INVITE 1
        15510 > INVITE 1
        31510 > INVITE 1
        32000 * Cancelled
    "#]],
    );
    assert_eq!(run.count("CANCEL"), 0);
}

/// Checklist 12.
#[test]
fn a_cancel_is_its_invite_by_another_name() {
    let script = Script::new(Plan::invite([say(0, 180)])).cancel_at(1000);
    let run = check(
        script,
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
    let (invite, cancel) = (run.request("INVITE"), run.request("CANCEL"));
    assert_eq!(cancel.uri(), invite.uri());
    assert_eq!(cancel.headers("Via"), invite.headers("Via"));
    for header in ["From", "To", "Call-ID"] {
        assert_eq!(cancel.header(header), invite.header(header));
    }
    assert_eq!(cancel.cseq(), invite.cseq());
    assert_eq!(cancel.headers("Route"), invite.headers("Route"));
}

/// Checklist 13: both in flight at 1000 ms.
#[test]
fn a_200_that_crosses_our_cancel_is_acked_and_closed() {
    check(
        Script::new(Plan::invite([say(0, 180), say(985, 200)])).cancel_at(1000),
        expect![[r#"
        10    > INVITE 1
        20    < 180 1 INVITE
        20    * Progress 180
        1005  < 200 1 INVITE
        1005  * LateAnswerClosed 200
        1010  > CANCEL 1
        1015  > ACK 1
        1015  > BYE 2
        1020  < 200 1 CANCEL
        1025  < 200 2 BYE
    "#]],
    );
}

#[test]
fn an_answer_that_is_handed_up_when_the_owner_takes_the_try_back_is_acked_and_closed() {
    let script = Script::new(Plan::invite([say(0, 180), say(1000, 202)])).cancel_at(1022);
    check(
        script,
        expect![[r#"
        10    > INVITE 1
        20    < 180 1 INVITE
        20    * Progress 180
        1020  < 202 1 INVITE
        1020  * Answered 202 with SDP by c
        1022  * LateAnswerClosed 202
        1032  > ACK 1
        1032  > BYE 2
        1042  < 200 2 BYE
    "#]],
    );
}

/// Checklist 13.
#[test]
fn a_cancel_without_a_final_is_given_up_after_64_t1() {
    let plan = Plan::invite([say(0, 180)]).ignoring_cancel();
    check(
        Script::new(plan).cancel_at(1000),
        expect![[r#"
        10    > INVITE 1
        20    < 180 1 INVITE
        20    * Progress 180
        1010  > CANCEL 1
        1510  > CANCEL 1
        2510  > CANCEL 1
        4510  > CANCEL 1
        8510  > CANCEL 1
        12510 > CANCEL 1
        16510 > CANCEL 1
        20510 > CANCEL 1
        24510 > CANCEL 1
        28510 > CANCEL 1
        32510 > CANCEL 1
        33000 * Cancelled
    "#]],
    );
}

/// Checklist 13: 20 s after we had given up.
#[test]
fn a_200_long_after_our_cancel_is_still_acked_and_closed() {
    let plan = Plan::invite([say(0, 180), say(53_000, 200)]).ignoring_cancel();
    check(
        Script::new(plan).cancel_at(1000),
        expect![[r#"
        10    > INVITE 1
        20    < 180 1 INVITE
        20    * Progress 180
        1010  > CANCEL 1
        1510  > CANCEL 1
        2510  > CANCEL 1
        4510  > CANCEL 1
        8510  > CANCEL 1
        12510 > CANCEL 1
        16510 > CANCEL 1
        20510 > CANCEL 1
        24510 > CANCEL 1
        28510 > CANCEL 1
        32510 > CANCEL 1
        33000 * Cancelled
        53020 < 200 1 INVITE
        53030 > ACK 1
        53030 > BYE 2
        53040 < 200 2 BYE
    "#]],
    );
}

/// Checklist 14.
#[test]
fn a_481_to_the_cancel_says_nothing_about_the_call() {
    let plan = Plan::invite([say(0, 180), say(3000, 200)]).refusing_cancel(481);
    check(
        Script::new(plan).cancel_at(1000),
        expect![[r#"
        10    > INVITE 1
        20    < 180 1 INVITE
        20    * Progress 180
        1010  > CANCEL 1
        1020  < 481 1 CANCEL
        3020  < 200 1 INVITE
        3020  * LateAnswerClosed 200
        3030  > ACK 1
        3030  > BYE 2
        3040  < 200 2 BYE
    "#]],
    );
}

#[test]
fn another_final_than_487_after_our_cancel_is_a_cancelled_call_too() {
    let plan = Plan::invite([say(0, 180), say(1500, 486)]).refusing_cancel(200);
    check(
        Script::new(plan).cancel_at(1000),
        expect![[r#"
        10    > INVITE 1
        20    < 180 1 INVITE
        20    * Progress 180
        1010  > CANCEL 1
        1020  < 200 1 CANCEL
        1520  < 486 1 INVITE
        1520  * Cancelled
        1530  > ACK 1
    "#]],
    );
}

/// Checklist 15.
#[test]
fn a_cancel_and_a_bye_say_why() {
    let why = Reason { q850: Some(31), sip: None, text: Some("ring \"timeout\"".into()) };
    let script = Script::new(Plan::invite([say(0, 180)])).at(1000, Wish::Cancel(Some(why.clone())));
    let run = check(
        script,
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
    assert_eq!(run.request("CANCEL").header("Reason"), r#"Q.850;cause=31;text="ring \"timeout\"""#);

    let script = Script::new(Plan::invite([say(0, 200)])).no_bye().at(1000, Wish::Bye(Some(why)));
    let run = check(
        script,
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
    assert_eq!(run.request("BYE").header("Reason"), r#"Q.850;cause=31;text="ring \"timeout\"""#);
}

/// A line break in a reason must neither be sent nor keep the phone ringing.
#[test]
fn a_reason_that_cannot_be_sent_is_left_out() {
    let why = Reason { text: Some("a\r\nX: b".into()), ..Reason::default() };
    let script = Script::new(Plan::invite([say(0, 180)])).at(1000, Wish::Cancel(Some(why)));
    let run = check(
        script,
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
    assert!(!run.request("CANCEL").has("Reason"));
    assert!(matches!(run.heard.last(), Some(SipHeard::Cancelled { .. })));
}
