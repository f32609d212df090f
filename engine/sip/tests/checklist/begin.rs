//! The INVITE: what it says, how often it is sent, and the plain call that follows.

use expect_test::expect;
use sip::port::{RefusalSource, Transport};

use crate::world::run::World;
use crate::world::*;

#[test]
fn a_call_is_dialled_rings_is_answered_and_is_hung_up() {
    let script = Script::new(Plan::invite([say(0, 100), say(500, 180), say(3000, 200)]));
    check(
        script,
        expect![[r#"
        10    > INVITE 1
        20    < 100 1 INVITE
        20    * Progress 100
        520   < 180 1 INVITE
        520   * Progress 180
        3020  < 200 1 INVITE
        3020  * Answered 200 with SDP by c
        3035  > ACK 1
        4035  > BYE 2
        4045  < 200 2 BYE
        4045  * Closed
    "#]],
    );
}

/// Checklist 1.
#[test]
fn each_request_has_a_branch_of_its_own_but_cancel_and_the_ack_to_a_refusal() {
    let answered = check(
        Script::new(Plan::invite([say(0, 200)])),
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
    let branches =
        ["INVITE", "ACK", "BYE"].map(|method| answered.request(method).branch().to_owned());
    assert!(branches.iter().all(|branch| branch.starts_with("z9hG4bK")));
    assert!(branches[0] != branches[1] && branches[1] != branches[2] && branches[0] != branches[2]);

    let refused = check(
        Script::new(Plan::invite([say(0, 180)])).cancel_at(1000),
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
    let branches =
        ["INVITE", "CANCEL", "ACK"].map(|method| refused.request(method).branch().to_owned());
    assert!(branches[0] == branches[1] && branches[1] == branches[2]);
}

/// Checklist 2 and 34.
#[test]
fn an_invite_asks_for_rport_and_says_who_we_are() {
    let run = check(
        Script::new(Plan::invite([say(0, 486)])),
        expect![[r#"
        10    > INVITE 1
        20    < 486 1 INVITE
        20    * Refused Network(486)
        30    > ACK 1
    "#]],
    );
    let invite = run.request("INVITE");
    assert_eq!(invite.uri(), "sip:+8613800000017@10.0.0.9");
    assert!(invite.header("Via").ends_with(";rport"), "{}", invite.0);
    assert_eq!(invite.header("Max-Forwards"), "70");
    assert_eq!(invite.header("To"), "<sip:+8613800000017@10.0.0.9>");
    assert!(invite.header("From").starts_with("<sip:+8621000001@10.0.0.1>;tag="));
    assert!(invite.cseq() >= 1);
    assert!(text::bracketed(invite.header("Contact")).ends_with("@10.0.0.1:5060"));
    assert_eq!(invite.body(), OFFER);
    assert!(invite.tag("From").len() >= 16 && invite.header("Call-ID").len() >= 8);
}

/// Checklist 4: at 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s, and the end at 32 s.
#[test]
fn an_invite_to_nobody_is_sent_seven_times_and_given_up_after_64_t1() {
    let script = Script::new(Plan::invite([]));
    let run = check(
        script,
        expect![[r#"
        10    > INVITE 1
        510   > INVITE 1
        1510  > INVITE 1
        3510  > INVITE 1
        7510  > INVITE 1
        15510 > INVITE 1
        31510 > INVITE 1
        32000 * Refused TimerB
    "#]],
    );
    assert_eq!(run.refusal().source, RefusalSource::TimerB);
    assert_eq!(run.agent.counters().invites_unanswered, 1);
}

/// Checklist 4: a connection does not lose, so nothing is repeated; Timer B stays.
#[test]
fn an_invite_on_a_connection_is_sent_once() {
    let script = Script::new(Plan::invite([])).gateway(|g| g.transport = Transport::Tcp);
    let run = check(
        script,
        expect![[r#"
        10    > INVITE 1 tcp
        32000 * Refused TimerB
    "#]],
    );
    assert_eq!(run.refusal().source, RefusalSource::TimerB);
    assert_eq!(run.request("INVITE").uri(), "sip:+8613800000017@10.0.0.9;transport=tcp");
}

#[test]
fn the_wait_for_a_first_answer_is_the_gateways() {
    let script = Script::new(Plan::invite([say(3000, 180), say(3500, 200)]));
    // What rings after we went away is cancelled, and what is answered all the same is hung up.
    check(
        script.gateway(|g| g.answer_within = Some(ms(2000))),
        expect![[r#"
        10    > INVITE 1
        510   > INVITE 1
        1510  > INVITE 1
        2000  * Refused TimerB
        3020  < 180 1 INVITE
        3030  > CANCEL 1
        3040  < 200 1 CANCEL
        3040  < 487 1 INVITE
        3050  > ACK 1
    "#]],
    );
}

/// Checklist 5.
#[test]
fn after_a_provisional_answer_only_the_owner_ends_the_call() {
    let script = Script::new(Plan::invite([say(10, 100)])).cancel_at(400_000);
    check(
        script,
        expect![[r#"
        10    > INVITE 1
        30    < 100 1 INVITE
        30    * Progress 100
        400010 > CANCEL 1
        400020 < 200 1 CANCEL
        400020 < 487 1 INVITE
        400020 * Cancelled
        400030 > ACK 1
    "#]],
    );
}

/// Checklist 38.
#[test]
fn the_number_is_asserted_to_trusted_gateways_only() {
    let script = Script::new(Plan::invite([say(0, 486)]));
    let plain = World::new(script.clone(), Faults::None).call();
    assert!(!plain.request("INVITE").has("P-Asserted-Identity"));
    let trusted = World::new(script.gateway(|g| g.trusted = true), Faults::None).call();
    assert_eq!(
        trusted.request("INVITE").header("P-Asserted-Identity"),
        "<sip:+8621000001@10.0.0.1>"
    );
}

#[test]
fn without_a_number_the_account_is_shown_and_without_an_account_nobody() {
    let script = Script::new(Plan::invite([say(0, 486)])).with(|s| s.from = None);
    let run = World::new(script.clone(), Faults::None).call();
    assert!(run.request("INVITE").header("From").starts_with("<sip:anonymous@anonymous.invalid>;"));
    let run = World::new(script.with_account(), Faults::None).call();
    assert!(run.request("INVITE").header("From").starts_with("<sip:trunk7@10.0.0.9>;"));
}

#[test]
fn a_number_that_would_break_a_header_is_escaped_or_not_sent() {
    let escaped = Script::new(Plan::invite([say(0, 486)])).with(|s| s.to = "12;x=1@evil>");
    let run = World::new(escaped, Faults::None).call();
    assert_eq!(run.request("INVITE").uri(), "sip:12%3Bx=1%40evil%3E@10.0.0.9");
    for hostile in ["1\r\nX: y", "1\0", ""] {
        let script = Script::new(Plan::invite([])).with(|s| s.to = hostile);
        let run = World::new(script, Faults::None).call();
        assert_eq!(run.refusal().source, RefusalSource::Unsendable, "{hostile:?}");
        assert_eq!(run.sent.len(), 0);
        assert_eq!(run.broken, Vec::<String>::new());
    }
}

/// Checklist 34: RFC 3581, 4.
#[test]
fn without_a_configured_contact_the_address_that_the_gateway_sees_is_learned() {
    let plan = Plan::invite([say(0, 180), say(500, 200)]).seeing_us_as("203.0.113.7:1024");
    let run = check(
        Script::new(plan).with(|s| s.contact = None).at(700, Wish::Reinvite(OFFER)),
        expect![[r#"
        10    > INVITE 1
        20    < 180 1 INVITE
        20    * Progress 180
        520   < 200 1 INVITE
        520   * Answered 200 with SDP by c
        535   > ACK 1
        710   > INVITE 2
        720   < 200 2 INVITE
        720   * Renegotiated
        730   > ACK 2
        1535  > BYE 3
        1545  < 200 3 BYE
        1545  * Closed
    "#]],
    );
    let contacts: Vec<_> =
        run.requests("INVITE").iter().map(|i| i.header("Contact").to_owned()).collect();
    assert!(contacts[0].ends_with("@10.0.0.1:5060>"), "{contacts:?}");
    assert!(contacts[1].ends_with("@203.0.113.7:1024>"), "{contacts:?}");
}
