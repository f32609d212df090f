//! Finals that are no 2xx, and what is mended of them.

use std::time::Duration;

use expect_test::expect;
use sip::port::{Credentials, GatewayHealth, Reason, Refusal, RefusalSource, SipHeard};

use crate::world::run::World;
use crate::world::*;

const OTHER: &str = "10.0.0.10:5060";
const THIRD: &str = "10.0.0.11:5060";

fn refusal(run: &Run) -> &Refusal {
    let refused = run.heard.iter().find_map(|heard| match heard {
        SipHeard::Refused { refusal, .. } => Some(&**refusal),
        _ => None,
    });
    refused.unwrap_or_else(|| panic!("not refused\n{}", run.ladder))
}

fn with_account(script: Script) -> Script {
    let (username, password) = ("trunk7".into(), "secret".into());
    script.gateway(|g| g.credentials = Some(Credentials { username, password }))
}

/// A gateway whose name leads to three addresses.
fn cluster(first: Plan, second: Plan, third: Plan) -> Script {
    let script = Script::new(first).callee(OTHER, second).callee(THIRD, third);
    let script = script.gateway(|g| g.host = "sip.example.com".into());
    script.with(|s| s.targets = vec![GATEWAY, OTHER, THIRD])
}

/// Checklist 6.
#[test]
fn the_ack_to_a_refusal_is_the_transactions_and_repeated_for_each_copy() {
    let run = check(
        Script::new(Plan::invite([say(0, 180), say(500, 603)])),
        expect![[r#"
        10    > INVITE 1
        20    < 180 1 INVITE
        20    * Progress 180
        520   < 603 1 INVITE
        520   * Refused Network(603)
        530   > ACK 1
    "#]],
    );
    let (invite, ack) = (run.request("INVITE"), run.request("ACK"));
    assert_eq!(ack.uri(), invite.uri());
    assert_eq!(ack.headers("Via"), invite.headers("Via"));
    assert_eq!(ack.cseq(), invite.cseq());
    assert_eq!(ack.tag("To"), "c");
    assert_eq!(ack.header("From"), invite.header("From"));
    let doubled = World::new(Script::new(Plan::invite([say(0, 603)])), Faults::Double(1)).call();
    assert_eq!(doubled.count("ACK"), 2);
    assert_eq!(doubled.requests("ACK").len(), 1, "each ACK is the same");
}

/// Checklist 21.
#[test]
fn a_refusal_goes_up_as_it_is() {
    let said = say(0, 480)
        .header(r#"Reason: Q.850;cause=18;text="no answer", SIP;cause=480"#)
        .header("Retry-After: 0");
    let run = check(
        Script::new(Plan::invite([said])),
        expect![[r#"
        10    > INVITE 1
        20    < 480 1 INVITE
        20    * Refused Network(480)
        30    > ACK 1
    "#]],
    );
    let refusal = refusal(&run);
    assert_eq!(refusal.phrase, "Whatever");
    assert_eq!(
        refusal.reason,
        Reason { q850: Some(18), sip: Some(480), text: Some("no answer".into()) }
    );
    assert_eq!(
        refusal.reason_raw.as_deref(),
        Some(r#"Q.850;cause=18;text="no answer", SIP;cause=480"#)
    );
    assert_eq!(refusal.retry_after, Some(Duration::ZERO));
}

const BASIC_CHALLENGE: &str =
    r#"Proxy-Authenticate: Digest realm="proxy", nonce="p1", qop="auth,auth-int""#;
const SERVER_CHALLENGE: &str =
    r#"WWW-Authenticate: Digest realm="server", nonce="s1", algorithm=SHA-256, qop="auth""#;

/// Checklist 19, and 7: the ACK to the 2xx has the credentials of its INVITE.
#[test]
fn a_challenged_invite_is_sent_again_with_credentials() {
    let plan =
        Plan::invite([say(0, 407).header(BASIC_CHALLENGE)]).then([say(0, 180), say(500, 200)]);
    let run = check(
        with_account(Script::new(plan)).invites(2),
        expect![[r#"
        10    > INVITE 1
        20    < 407 1 INVITE
        30    > ACK 1
        30    > INVITE 2
        40    < 180 2 INVITE
        40    * Progress 180
        540   < 200 2 INVITE
        540   * Answered 200 with SDP by c
        555   > ACK 2
        1555  > BYE 3
        1565  < 200 3 BYE
        1565  * Closed
    "#]],
    );
    let invites = run.requests("INVITE");
    assert_eq!(invites[1].cseq(), invites[0].cseq() + 1);
    assert_ne!(invites[1].branch(), invites[0].branch());
    for same in ["From", "To", "Call-ID", "Contact"] {
        assert_eq!(invites[1].header(same), invites[0].header(same));
    }
    assert_eq!(invites[1].body(), OFFER);
    let credentials = invites[1].header("Proxy-Authorization");
    assert!(
        credentials.contains(r#"username="trunk7""#) && credentials.contains("qop=auth,"),
        "{credentials}"
    );
    let ack = run
        .requests("ACK")
        .into_iter()
        .find(|ack| ack.cseq() == 2 && ack.branch() != invites[1].branch());
    assert_eq!(ack.unwrap().header("Proxy-Authorization"), credentials);
    let bye = run.request("BYE").header("Proxy-Authorization");
    assert!(bye.contains("nc=00000002"), "the nonce is used a second time: {bye}");
}

/// Checklist 19: a case that a known library fails.
#[test]
fn a_proxy_that_asks_and_then_a_server_that_asks_both_get_credentials() {
    let plan = Plan::invite([say(0, 407).header(BASIC_CHALLENGE)])
        .then([say(0, 401).header(SERVER_CHALLENGE)])
        .then([say(0, 200)]);
    let run = check(
        with_account(Script::new(plan)).invites(3),
        expect![[r#"
        10    > INVITE 1
        20    < 407 1 INVITE
        30    > ACK 1
        30    > INVITE 2
        40    < 401 2 INVITE
        50    > ACK 2
        50    > INVITE 3
        60    < 200 3 INVITE
        60    * Answered 200 with SDP by c
        75    > ACK 3
        1075  > BYE 4
        1085  < 200 4 BYE
        1085  * Closed
    "#]],
    );
    let last = run.requests("INVITE")[2];
    assert!(last.has("Proxy-Authorization") && last.has("Authorization"));
    assert!(last.header("Authorization").contains("algorithm=SHA-256"));
}

/// Checklist 19.
#[test]
fn a_refused_answer_is_the_end_and_a_stale_nonce_is_not() {
    let again = || say(0, 407).header(BASIC_CHALLENGE);
    let plan = Plan::invite([again()]).then([again()]);
    let run = check(
        with_account(Script::new(plan)).invites(2),
        expect![[r#"
        10    > INVITE 1
        20    < 407 1 INVITE
        30    > ACK 1
        30    > INVITE 2
        40    < 407 2 INVITE
        40    * Refused Network(407)
        50    > ACK 2
    "#]],
    );
    assert_eq!(refusal(&run).source, RefusalSource::Network(407));

    let stale = say(0, 407)
        .header(r#"Proxy-Authenticate: Digest realm="proxy", nonce="p2", stale=true, qop="auth""#);
    let plan = Plan::invite([again()]).then([stale]).then([say(0, 200)]);
    check(
        with_account(Script::new(plan)).invites(3),
        expect![[r#"
        10    > INVITE 1
        20    < 407 1 INVITE
        30    > ACK 1
        30    > INVITE 2
        40    < 407 2 INVITE
        50    > ACK 2
        50    > INVITE 3
        60    < 200 3 INVITE
        60    * Answered 200 with SDP by c
        75    > ACK 3
        1075  > BYE 4
        1085  < 200 4 BYE
        1085  * Closed
    "#]],
    );
}

#[test]
fn a_challenge_without_an_account_goes_up() {
    let run = check(
        Script::new(Plan::invite([say(0, 401).header(SERVER_CHALLENGE)])),
        expect![[r#"
        10    > INVITE 1
        20    < 401 1 INVITE
        20    * Refused Network(401)
        30    > ACK 1
    "#]],
    );
    assert_eq!(refusal(&run).source, RefusalSource::Network(401));
}

#[test]
fn a_challenge_to_a_call_that_was_cancelled_is_not_answered() {
    let plan = Plan::invite([say(800, 407).header(BASIC_CHALLENGE)]).then([say(0, 200)]);
    check(
        with_account(Script::new(plan)).cancel_at(300),
        expect![[r#"
        10    > INVITE 1
        510   > INVITE 1
        820   < 407 1 INVITE
        820   * Cancelled
        830   > ACK 1
    "#]],
    );
}

#[test]
fn a_challenged_bye_is_sent_again_with_credentials() {
    let plan = Plan::invite([say(0, 200)]).reply("BYE", 407, &[BASIC_CHALLENGE]);
    let run = check(
        with_account(Script::new(plan)),
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        1035  > BYE 2
        1045  < 407 2 BYE
        1055  > BYE 3
        1065  < 200 3 BYE
        1065  * Closed
    "#]],
    );
    let byes = run.requests("BYE");
    assert_eq!(byes[1].cseq(), byes[0].cseq() + 1);
    assert!(byes[1].has("Proxy-Authorization"));
}

/// Checklist 23.
#[test]
fn a_session_that_is_too_short_is_asked_for_again_as_long_as_the_peer_wants_it() {
    let plan = Plan::invite([say(0, 422).header("Min-SE: 2400")]).then([say(0, 200)]);
    let script = Script::new(plan).gateway(|g| g.session_expires = Some(Duration::from_secs(1800)));
    let run = check(
        script.invites(2),
        expect![[r#"
        10    > INVITE 1
        20    < 422 1 INVITE
        30    > ACK 1
        30    > INVITE 2
        40    < 200 2 INVITE
        40    * Answered 200 with SDP by c
        55    > ACK 2
        1055  > BYE 3
        1065  < 200 3 BYE
        1065  * Closed
    "#]],
    );
    let invites = run.requests("INVITE");
    assert_eq!(invites[0].header("Session-Expires"), "1800");
    assert_eq!(invites[1].header("Session-Expires"), "2400");
    assert_eq!(invites[1].header("Min-SE"), "2400");
}

#[test]
fn a_peer_that_always_wants_more_is_refused_in_the_end() {
    let more = |line| [say(0, 422).header(line)];
    let plan = Plan::invite(more("Min-SE: 2400")).then(more("Min-SE: 2400"));
    let script = Script::new(plan).gateway(|g| g.session_expires = Some(Duration::from_secs(1800)));
    let run = check(
        script.invites(2),
        expect![[r#"
        10    > INVITE 1
        20    < 422 1 INVITE
        30    > ACK 1
        30    > INVITE 2
        40    < 422 2 INVITE
        40    * Refused Network(422)
        50    > ACK 2
    "#]],
    );
    assert_eq!(refusal(&run).source, RefusalSource::Network(422));
}

/// Checklist 23.
#[test]
fn an_extension_that_is_refused_is_no_longer_offered() {
    let plan = Plan::invite([say(0, 420).header("Unsupported: 100rel")]).then([say(0, 200)]);
    let run = check(
        Script::new(plan).invites(2),
        expect![[r#"
        10    > INVITE 1
        20    < 420 1 INVITE
        30    > ACK 1
        30    > INVITE 2
        40    < 200 2 INVITE
        40    * Answered 200 with SDP by c
        55    > ACK 2
        1055  > BYE 3
        1065  < 200 3 BYE
        1065  * Closed
    "#]],
    );
    let supported: Vec<_> =
        run.requests("INVITE").iter().map(|i| i.header("Supported").to_owned()).collect();
    assert_eq!(supported, ["100rel, timer", "timer"]);
    let strange = Plan::invite([say(0, 420).header("Unsupported: path")]);
    let run = check(
        Script::new(strange),
        expect![[r#"
        10    > INVITE 1
        20    < 420 1 INVITE
        20    * Refused Network(420)
        30    > ACK 1
    "#]],
    );
    assert_eq!(refusal(&run).source, RefusalSource::Network(420));
}

const MOVED: [&str; 3] = [
    "Contact: <sip:far@203.0.113.5>;q=0.9",
    "Contact: <sip:a@10.0.0.9>;q=0.2",
    "Contact: <sip:b@10.0.0.9>;q=0.8",
];

fn moved() -> script::Step {
    MOVED.into_iter().fold(say(0, 302), |step, line| step.header(line))
}

/// Checklist 20.
#[test]
fn a_redirection_goes_up_with_its_contacts_in_their_order() {
    let run = check(
        Script::new(Plan::invite([moved()])),
        expect![[r#"
        10    > INVITE 1
        20    < 302 1 INVITE
        20    * Refused Network(302)
        30    > ACK 1
    "#]],
    );
    assert_eq!(refusal(&run).contacts, ["sip:far@203.0.113.5", "sip:b@10.0.0.9", "sip:a@10.0.0.9"]);
}

/// Checklist 20.
#[test]
fn a_redirection_is_followed_within_the_gateway_and_each_contact_once() {
    let plan = Plan::invite([moved()]).then([moved()]).then([moved()]);
    let script = Script::new(plan).gateway(|g| g.follow_redirects = true);
    let run = check(
        script.invites(3),
        expect![[r#"
        10    > INVITE 1
        20    < 302 1 INVITE
        30    > ACK 1
        30    > INVITE 2
        40    < 302 2 INVITE
        50    > ACK 2
        50    > INVITE 3
        60    < 302 3 INVITE
        60    * Refused Network(302)
        70    > ACK 3
    "#]],
    );
    let uris: Vec<_> = run.requests("INVITE").iter().map(|i| i.uri().to_owned()).collect();
    assert_eq!(uris, ["sip:+8613800000017@10.0.0.9", "sip:b@10.0.0.9", "sip:a@10.0.0.9"]);
    assert!(run.sent.iter().all(|(to, _)| to.address.to_string() == GATEWAY));
    let tos: Vec<_> = run.requests("INVITE").iter().map(|i| i.header("To").to_owned()).collect();
    assert!(tos.iter().all(|to| *to == tos[0]), "{tos:?}");
}

#[test]
fn a_redirection_to_the_number_itself_is_a_loop() {
    let plan = Plan::invite([say(0, 302).header("Contact: <sip:+8613800000017@10.0.0.9>")]);
    let script = Script::new(plan).gateway(|g| g.follow_redirects = true);
    let run = check(
        script,
        expect![[r#"
        10    > INVITE 1
        20    < 302 1 INVITE
        20    * Refused Network(302)
        30    > ACK 1
    "#]],
    );
    assert_eq!(refusal(&run).source, RefusalSource::Network(302));
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
    assert_eq!(refusal(&run).retry_after, Some(Duration::from_secs(30)));
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
        script.with(|s| s.refusing = vec![(sip::port::Transport::Udp, GATEWAY.parse().unwrap())]);
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
    assert_eq!(refusal(&run).source, RefusalSource::Network(503));
}

#[test]
fn the_user_s_word_is_never_carried_to_another_address() {
    for status in [486, 500, 502, 504, 600, 603] {
        let script =
            cluster(Plan::invite([say(0, status)]), Plan::invite([say(0, 200)]), Plan::default());
        let run = World::new(script, Faults::None).call();
        assert_eq!(refusal(&run).source, RefusalSource::Network(status));
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
    assert_eq!(refusal(&run).source, RefusalSource::Dns);
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
