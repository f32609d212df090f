//! Before the answer: ringing, early media, reliable provisionals.

use expect_test::expect;
use sip::port::SipHeard;

use crate::world::run::World;
use crate::world::*;

const OTHER_ANSWER: &str = "v=0\r\no=- 8 8 IN IP4 10.0.0.8\r\ns=-\r\nc=IN IP4 10.0.0.8\r\nt=0 0\r\nm=audio 31000 RTP/AVP 0\r\n";

fn progress(run: &Run) -> Vec<(u16, Option<&[u8]>)> {
    let progress = run.heard.iter().filter_map(|heard| match heard {
        SipHeard::Progress { status, sdp, .. } => Some((*status, sdp.as_deref())),
        _ => None,
    });
    progress.collect()
}

/// Checklist 11 and 16: the first SDP of a dialog counts, and each fork has its own.
#[test]
fn the_first_sdp_of_each_early_dialog_is_handed_up() {
    let plan = Plan::invite([
        say(0, 100),
        say(100, 183).sdp(ANSWER),
        say(200, 183).sdp(OTHER_ANSWER),
        say(300, 183).tag("d").sdp(OTHER_ANSWER),
        say(1000, 200),
    ]);
    let run = check(
        Script::new(plan),
        expect![[r#"
        10    > INVITE 1
        20    < 100 1 INVITE
        20    * Progress 100
        120   < 183 1 INVITE
        120   * Progress 183 with SDP
        220   < 183 1 INVITE
        320   < 183 1 INVITE
        320   * Progress 183 with SDP
        1020  < 200 1 INVITE
        1020  * Answered 200 with SDP by c
        1035  > ACK 1
        2035  > BYE 2
        2045  < 200 2 BYE
        2045  * Closed
    "#]],
    );
    let expected =
        [(100, None), (183, Some(ANSWER.as_bytes())), (183, Some(OTHER_ANSWER.as_bytes()))];
    assert_eq!(progress(&run), expected);
}

/// Proxies repeat 180 and 100 once a minute, so that the call is not given up.
#[test]
fn a_repeated_ringing_is_not_told_again() {
    let plan = Plan::invite([say(0, 180), say(60_000, 180), say(120_000, 180), say(121_000, 486)]);
    let run = check(
        Script::new(plan),
        expect![[r#"
        10    > INVITE 1
        20    < 180 1 INVITE
        20    * Progress 180
        60020 < 180 1 INVITE
        120020 < 180 1 INVITE
        121020 < 486 1 INVITE
        121020 * Refused Network(486)
        121030 > ACK 1
    "#]],
    );
    assert_eq!(progress(&run), [(180, None)]);
}

/// Checklist 18: inside the early dialog, with its Contact and route, and with its CSeq.
#[test]
fn a_reliable_provisional_is_confirmed_inside_its_early_dialog() {
    let reliable = say(100, 183)
        .reliable(7)
        .sdp(ANSWER)
        .contact("<sip:early@192.0.2.4:5090>")
        .header("Record-Route: <sip:10.0.0.9;lr>");
    let run = check(
        Script::new(Plan::invite([say(0, 100), reliable, say(1000, 200)])),
        expect![[r#"
        10    > INVITE 1
        20    < 100 1 INVITE
        20    * Progress 100
        120   < 183 1 INVITE
        120   * Progress 183 with SDP
        130   > PRACK 2
        140   < 200 2 PRACK
        1020  < 200 1 INVITE
        1020  * Answered 200 with SDP by c
        1035  > ACK 1
        2035  > BYE 3
        2045  < 200 3 BYE
        2045  * Closed
    "#]],
    );
    let prack = run.request("PRACK");
    assert_eq!(prack.header("RAck"), "7 1 INVITE");
    assert_eq!(prack.uri(), "sip:early@192.0.2.4:5090");
    assert_eq!(prack.headers("Route"), ["<sip:10.0.0.9;lr>"]);
    assert_eq!(prack.tag("To"), "c");
    assert_eq!((prack.cseq(), run.request("ACK").cseq(), run.request("BYE").cseq()), (2, 1, 3));
}

/// Checklist 18.
#[test]
fn reliable_provisionals_are_confirmed_in_their_order_and_each_once() {
    let plan = Plan::invite([
        say(100, 183).reliable(7),
        say(200, 180).reliable(9),
        say(300, 182).reliable(8),
        say(2000, 200),
    ]);
    let run = check(
        Script::new(plan),
        expect![[r#"
        10    > INVITE 1
        120   < 183 1 INVITE
        120   * Progress 183
        130   > PRACK 2
        140   < 200 2 PRACK
        220   < 180 1 INVITE
        320   < 182 1 INVITE
        320   * Progress 182
        330   > PRACK 3
        340   < 200 3 PRACK
        720   < 180 1 INVITE
        720   * Progress 180
        730   > PRACK 4
        740   < 200 4 PRACK
        2020  < 200 1 INVITE
        2020  * Answered 200 with SDP by c
        2035  > ACK 1
        3035  > BYE 5
        3045  < 200 5 BYE
        3045  * Closed
    "#]],
    );
    let racks: Vec<_> = run.requests("PRACK").iter().map(|p| p.header("RAck").to_owned()).collect();
    assert_eq!(racks, ["7 1 INVITE", "8 1 INVITE", "9 1 INVITE"]);
}

/// Checklist 18: each fork counts by itself.
#[test]
fn reliable_provisionals_of_two_forks_are_confirmed_in_their_own_dialogs() {
    let plan = Plan::invite([
        say(100, 183).reliable(1),
        say(150, 183).tag("d").reliable(1),
        say(900, 200),
    ]);
    let run = check(
        Script::new(plan),
        expect![[r#"
        10    > INVITE 1
        120   < 183 1 INVITE
        120   * Progress 183
        130   > PRACK 2
        140   < 200 2 PRACK
        170   < 183 1 INVITE
        180   > PRACK 2
        190   < 200 2 PRACK
        920   < 200 1 INVITE
        920   * Answered 200 with SDP by c
        935   > ACK 1
        1935  > BYE 3
        1945  < 200 3 BYE
        1945  * Closed
    "#]],
    );
    let tags: Vec<_> = run.requests("PRACK").iter().map(|p| p.tag("To").to_owned()).collect();
    assert_eq!(tags, ["c", "d"]);
}

/// Checklist 18: a known library answers a 200 that comes meanwhile 32 s late.
#[test]
fn a_prack_that_nobody_answers_does_not_hold_up_the_call() {
    let plan = Plan::invite([say(100, 183).reliable(1), say(1000, 200)]).silence("PRACK");
    check(
        Script::new(plan),
        expect![[r#"
        10    > INVITE 1
        120   < 183 1 INVITE
        120   * Progress 183
        130   > PRACK 2
        630   > PRACK 2
        1020  < 200 1 INVITE
        1020  * Answered 200 with SDP by c
        1035  > ACK 1
        1630  > PRACK 2
        2035  > BYE 3
        2045  < 200 3 BYE
        2045  * Closed
    "#]],
    );
}

#[test]
fn a_prack_ends_with_the_call_that_it_belonged_to() {
    let plan = Plan::invite([say(100, 183).reliable(1), say(300, 486)]).silence("PRACK");
    check(
        Script::new(plan),
        expect![[r#"
        10    > INVITE 1
        120   < 183 1 INVITE
        120   * Progress 183
        130   > PRACK 2
        320   < 486 1 INVITE
        320   * Refused Network(486)
        330   > ACK 1
    "#]],
    );
}

/// The INVITE is challenged after all, and sent again: a new call to the peer.
#[test]
fn a_prack_ends_with_the_invite_that_it_belonged_to() {
    const CHALLENGE: &str = r#"WWW-Authenticate: Digest realm="r", nonce="n1""#;
    let plan =
        Plan::invite([say(100, 183).reliable(1).sdp(ANSWER), say(300, 401).header(CHALLENGE)])
            .then([say(0, 183).reliable(5).sdp(ANSWER), say(1000, 200)])
            .silence("PRACK");
    let script = Script::new(plan).with_account();
    let run = check(
        script.invites(2),
        expect![[r#"
        10    > INVITE 1
        120   < 183 1 INVITE
        120   * Progress 183 with SDP
        130   > PRACK 2
        320   < 401 1 INVITE
        330   > ACK 1
        330   > INVITE 2
        340   < 183 2 INVITE
        340   * Progress 183 with SDP
        350   > PRACK 3
        360   < 200 3 PRACK
        1340  < 200 2 INVITE
        1340  * Answered 200 with SDP by c
        1355  > ACK 2
        2355  > BYE 4
        2365  < 200 4 BYE
        2365  * Closed
    "#]],
    );
    let racks: Vec<_> = run.requests("PRACK").iter().map(|p| p.header("RAck").to_owned()).collect();
    assert_eq!(racks, ["1 1 INVITE", "5 2 INVITE"]);
}

#[test]
fn a_481_to_a_prack_leaves_the_invite_alone() {
    let plan = Plan::invite([say(100, 183).reliable(1), say(1000, 200)]).reply("PRACK", 481, &[]);
    check(
        Script::new(plan),
        expect![[r#"
        10    > INVITE 1
        120   < 183 1 INVITE
        120   * Progress 183
        130   > PRACK 2
        140   < 481 2 PRACK
        1020  < 200 1 INVITE
        1020  * Answered 200 with SDP by c
        1035  > ACK 1
        2035  > BYE 3
        2045  < 200 3 BYE
        2045  * Closed
    "#]],
    );
}

/// Checklist 18: the answer came reliably, so the 200 needs none.
#[test]
fn the_sdp_of_a_reliable_provisional_is_the_answer() {
    let plan = Plan::invite([say(100, 183).reliable(1).sdp(ANSWER), say(1000, 200).no_sdp()]);
    let run = check(
        Script::new(plan),
        expect![[r#"
        10    > INVITE 1
        120   < 183 1 INVITE
        120   * Progress 183 with SDP
        130   > PRACK 2
        140   < 200 2 PRACK
        1020  < 200 1 INVITE
        1020  * Answered 200 with SDP by c
        1035  > ACK 1
        2035  > BYE 3
        2045  < 200 3 BYE
        2045  * Closed
    "#]],
    );
    let answered = |h: &SipHeard| matches!(h, SipHeard::Answered { sdp: Some(sdp), .. } if sdp == ANSWER.as_bytes());
    assert!(run.heard.iter().any(answered));
}

/// A callee that has not answered may ask too (RFC 3311, 5.2; RFC 6086).
#[test]
fn before_the_answer_an_update_without_offer_is_taken_and_one_with_offer_is_not() {
    let plan = Plan::invite([
        say(0, 183),
        ask(300, "UPDATE"),
        ask(400, "UPDATE").sdp(OFFER),
        ask(500, "INFO").body("text/plain", "x"),
        say(1000, 200),
    ]);
    let run = check(
        Script::new(plan),
        expect![[r#"
        10    > INVITE 1
        20    < 183 1 INVITE
        20    * Progress 183
        320   < UPDATE 101
        330   > 200 101 UPDATE
        420   < UPDATE 102
        430   > 491 102 UPDATE
        520   < INFO 103
        520   * Info text/plain
        530   > 200 103 INFO
        1020  < 200 1 INVITE
        1020  * Answered 200 with SDP by c
        1035  > ACK 1
        2035  > BYE 2
        2045  < 200 2 BYE
        2045  * Closed
    "#]],
    );
    assert_eq!(run.responses(491).len(), 1);
}

#[test]
fn more_early_dialogs_than_anybody_has_are_passed_over_and_an_answer_of_one_is_not() {
    const TAGS: [&str; 12] = ["c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n"];
    let rings =
        TAGS.into_iter().enumerate().map(|(n, tag)| say(n as u64 * 10, 183).tag(tag).sdp(ANSWER));
    let plan = Plan::invite(rings.chain([say(1000, 200).tag("n"), say(1100, 200).tag("m")]));
    let run = World::new(Script::new(plan), Faults::None).call();
    assert_eq!(run.broken, Vec::<String>::new());
    assert_eq!(progress(&run).len(), 8);
    assert!(matches!(&run.heard[8], SipHeard::Answered { dialog, .. } if dialog.remote_tag == "n"));
}
