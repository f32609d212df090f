//! Session timers (RFC 4028).

use std::time::Duration;

use expect_test::expect;
use sip::port::{HungUpBy, SipHeard};

use crate::world::*;

/// A call whose 2xx says that of its session. Our side hangs up at 400 s.
fn session(answer: &'static str, allow: &'static str, change: impl FnOnce(Plan) -> Plan) -> Script {
    let plan = Plan::invite([say(0, 200).header(answer).header(allow)]);
    let script = Script::new(change(plan)).no_bye().at(400_000, Wish::Bye(None));
    script.gateway(|g| g.session_expires = Some(Duration::from_secs(1800)))
}

const WE: &str = "Session-Expires: 180;refresher=uac";
const THEY: &str = "Session-Expires: 180;refresher=uas";
const WITH_UPDATE: &str = "Allow: INVITE, ACK, BYE, UPDATE";
const WITHOUT_UPDATE: &str = "Allow: INVITE, ACK, BYE";

/// Checklist 26: at half time.
#[test]
fn we_refresh_by_update_where_they_take_it() {
    let run = check(
        session(WE, WITH_UPDATE, |plan| plan),
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        90035 > UPDATE 2
        90045 < 200 2 UPDATE
        180055 > UPDATE 3
        180065 < 200 3 UPDATE
        270075 > UPDATE 4
        270085 < 200 4 UPDATE
        360095 > UPDATE 5
        360105 < 200 5 UPDATE
        400010 > BYE 6
        400020 < 200 6 BYE
        400020 * Closed
    "#]],
    );
    let update = run.requests("UPDATE")[0];
    assert_eq!(update.header("Session-Expires"), "180;refresher=uac");
    assert_eq!(update.header("Supported"), "timer");
    assert!(update.body().is_empty() && update.has("Contact"));
}

/// Checklist 26: the offer is the one in force.
#[test]
fn we_refresh_by_reinvite_where_they_do_not_take_update() {
    let run = check(
        session(WE, WITHOUT_UPDATE, |plan| plan),
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        90035 > INVITE 2
        90045 < 200 2 INVITE
        90055 > ACK 2
        180055 > INVITE 3
        180065 < 200 3 INVITE
        180075 > ACK 3
        270075 > INVITE 4
        270085 < 200 4 INVITE
        270095 > ACK 4
        360095 > INVITE 5
        360105 < 200 5 INVITE
        360115 > ACK 5
        400010 > BYE 6
        400020 < 200 6 BYE
        400020 * Closed
    "#]],
    );
    assert_eq!(run.requests("INVITE")[1].body(), OFFER);
    assert!(
        !run.heard.iter().any(|h| matches!(h, SipHeard::Renegotiated { .. })),
        "nobody ordered it"
    );
}

#[test]
fn an_update_that_is_not_allowed_after_all_is_followed_by_a_reinvite() {
    check(
        session(WE, WITH_UPDATE, |plan| plan.reply("UPDATE", 405, &[])),
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        90035 > UPDATE 2
        90045 < 405 2 UPDATE
        90055 > INVITE 3
        90065 < 200 3 INVITE
        90075 > ACK 3
        180075 > INVITE 4
        180085 < 200 4 INVITE
        180095 > ACK 4
        270095 > INVITE 5
        270105 < 200 5 INVITE
        270115 > ACK 5
        360115 > INVITE 6
        360125 < 200 6 INVITE
        360135 > ACK 6
        400010 > BYE 7
        400020 < 200 7 BYE
        400020 * Closed
    "#]],
    );
}

/// Checklist 26: 32 s before the end, for a third of 180 s is more.
#[test]
fn a_session_that_they_do_not_refresh_is_hung_up_before_its_end() {
    let run = check(
        session(THEY, WITH_UPDATE, |plan| plan),
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        148025 * HungUp SessionExpired
        148035 > BYE 2
        148045 < 200 2 BYE
    "#]],
    );
    assert!(matches!(
        run.heard.last(),
        Some(SipHeard::HungUp { by: HungUpBy::SessionExpired, .. })
    ));
}

#[test]
fn a_session_that_they_refresh_goes_on() {
    let plan = Plan::invite([
        say(0, 200).header(THEY),
        ask(90_000, "UPDATE")
            .header("Session-Expires: 180;refresher=uac")
            .header("Supported: timer"),
        ask(180_000, "INVITE").sdp(OFFER).header("Session-Expires: 180;refresher=uac"),
        ask(300_000, "BYE"),
    ]);
    let run = check(
        Script::new(plan).no_bye().at(600_000, Wish::Bye(None)),
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        90020 < UPDATE 101
        90030 > 200 101 UPDATE
        180020 < INVITE 102
        180020 * Reinvited with SDP
        180030 > 100 102 INVITE
        180035 > 200 102 INVITE
        180045 < ACK 102
        300020 < BYE 103
        300020 * HungUp Bye
        300030 > 200 103 BYE
    "#]],
    );
    let accepted = run.responses(200)[0];
    assert_eq!(accepted.header("Session-Expires"), "180;refresher=uac");
    assert_eq!(accepted.header("Require"), "timer");
}

#[test]
fn they_may_make_us_the_refresher() {
    let plan = Plan::invite([
        say(0, 200).header(THEY).header(WITH_UPDATE),
        ask(90_000, "UPDATE").header("Session-Expires: 180;refresher=uas"),
    ]);
    let run = check(
        Script::new(plan).no_bye().at(300_000, Wish::Bye(None)),
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        90020 < UPDATE 101
        90030 > 200 101 UPDATE
        180030 > UPDATE 2
        180040 < 200 2 UPDATE
        270050 > UPDATE 3
        270060 < 200 3 UPDATE
        300010 > BYE 4
        300020 < 200 4 BYE
        300020 * Closed
    "#]],
    );
    assert_eq!(run.responses(200)[0].header("Session-Expires"), "180;refresher=uas");
    assert!(!run.responses(200)[0].has("Require"));
}

#[test]
fn a_refresh_that_asks_for_too_short_a_session_gets_422() {
    let plan = Plan::invite([
        say(0, 200),
        ask(1000, "UPDATE").header("Session-Expires: 30;refresher=uac"),
    ]);
    let run = check(
        Script::new(plan).no_bye().at(5000, Wish::Bye(None)),
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        1020  < UPDATE 101
        1030  > 422 101 UPDATE
        5010  > BYE 2
        5020  < 200 2 BYE
        5020  * Closed
    "#]],
    );
    assert_eq!(run.responses(422)[0].header("Min-SE"), "90");
}

#[test]
fn a_refresh_of_ours_that_is_too_short_is_sent_again_longer() {
    let script = session(WE, WITH_UPDATE, |plan| plan.reply("UPDATE", 422, &["Min-SE: 200"]));
    let run = check(
        script,
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        90035 > UPDATE 2
        90045 < 422 2 UPDATE
        90055 > UPDATE 3
        90065 < 200 3 UPDATE
        190075 > UPDATE 4
        190085 < 200 4 UPDATE
        290095 > UPDATE 5
        290105 < 200 5 UPDATE
        390115 > UPDATE 6
        390125 < 200 6 UPDATE
        400010 > BYE 7
        400020 < 200 7 BYE
        400020 * Closed
    "#]],
    );
    assert_eq!(run.requests("UPDATE")[1].header("Session-Expires"), "200;refresher=uac");
    assert_eq!(run.requests("UPDATE")[1].header("Min-SE"), "200");
}

#[test]
fn a_refresh_that_nobody_answers_ends_the_call() {
    check(
        session(WE, WITH_UPDATE, |plan| plan.silence("UPDATE")),
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        90035 > UPDATE 2
        90535 > UPDATE 2
        91535 > UPDATE 2
        93535 > UPDATE 2
        97535 > UPDATE 2
        101535 > UPDATE 2
        105535 > UPDATE 2
        109535 > UPDATE 2
        113535 > UPDATE 2
        117535 > UPDATE 2
        121535 > UPDATE 2
        122025 * HungUp DialogLost
        122035 > BYE 3
        122045 < 200 3 BYE
    "#]],
    );
}

#[test]
fn a_session_without_a_timer_has_no_end() {
    let plan = Plan::invite([say(0, 200)]);
    check(
        Script::new(plan).no_bye().at(86_400_000, Wish::Bye(None)),
        expect![[r#"
        10    > INVITE 1
        20    < 200 1 INVITE
        20    * Answered 200 with SDP by c
        35    > ACK 1
        86400010 > BYE 2
        86400020 < 200 2 BYE
        86400020 * Closed
    "#]],
    );
}

/// Times that leave every type, or come at once.
#[test]
fn a_session_interval_that_makes_no_sense_is_left_aside() {
    for header in [
        "Session-Expires: 4294967295;refresher=uac",
        "Session-Expires: 0;refresher=uas",
        "Session-Expires: x",
    ] {
        let script = session(header, WITH_UPDATE, |plan| plan);
        let run = run::World::new(script, Faults::None).call();
        assert_eq!(run.broken, Vec::<String>::new());
        assert_eq!(run.count("UPDATE"), 0);
        assert!(matches!(run.heard.last(), Some(SipHeard::Closed { .. })), "{header}");
    }
}
