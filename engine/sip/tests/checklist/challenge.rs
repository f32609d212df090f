//! 401 and 407.

use expect_test::expect;
use sip::port::RefusalSource;

use crate::world::*;

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
        Script::new(plan).with_account().invites(2),
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
        Script::new(plan).with_account().invites(3),
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
        Script::new(plan).with_account().invites(2),
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
    assert_eq!(run.refusal().source, RefusalSource::Network(407));

    let stale = say(0, 407)
        .header(r#"Proxy-Authenticate: Digest realm="proxy", nonce="p2", stale=true, qop="auth""#);
    let plan = Plan::invite([again()]).then([stale]).then([say(0, 200)]);
    check(
        Script::new(plan).with_account().invites(3),
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
    assert_eq!(run.refusal().source, RefusalSource::Network(401));
}

#[test]
fn a_challenge_to_a_call_that_was_cancelled_is_not_answered() {
    let plan = Plan::invite([say(800, 407).header(BASIC_CHALLENGE)]).then([say(0, 200)]);
    check(
        Script::new(plan).with_account().cancel_at(300),
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
        Script::new(plan).with_account(),
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
