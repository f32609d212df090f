//! Finals that are no 2xx, and what is mended of them.

use std::time::Duration;

use expect_test::expect;
use sip::port::{Reason, RefusalSource};

use crate::world::run::World;
use crate::world::*;

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
    let refusal = run.refusal();
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
    assert_eq!(run.refusal().source, RefusalSource::Network(422));
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
    assert_eq!(run.refusal().source, RefusalSource::Network(420));
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
    assert_eq!(run.refusal().contacts, ["sip:far@203.0.113.5", "sip:b@10.0.0.9", "sip:a@10.0.0.9"]);
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
    assert_eq!(run.refusal().source, RefusalSource::Network(302));
}
