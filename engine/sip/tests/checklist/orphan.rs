//! What an earlier process left open, ended from its values alone.

use std::time::Duration;

use expect_test::expect;
use sip::ids::{Owner, dial_ids};
use sip::port::{GatewayId, LegId, Orphan, RemoteDialog, SipHeard, SipOrder};

use crate::world::run::World;
use crate::world::*;

/// The earlier process called it so; it is called otherwise now.
const BEFORE: LegId = LegId(77);

fn orphan(answered: Option<RemoteDialog>) -> SipOrder {
    let ids = dial_ids(Owner { shard: 0, leg: BEFORE }, 0x1234_5678_9abc_def0_1357_9bdf_0246_8ace);
    SipOrder::CloseOrphan(Box::new(Orphan {
        leg: LegId(1),
        gateway: GatewayId(0),
        ids,
        to: "+8613800000017".into(),
        from: Some("+8621000001".into()),
        answered,
    }))
}

fn remote() -> RemoteDialog {
    RemoteDialog {
        remote_tag: "c".into(),
        target: "sip:callee@10.0.0.9:5060".into(),
        route: vec!["<sip:10.0.0.9;lr>".into()],
        cseq: 2,
    }
}

/// The callee as the earlier process left it: it got the INVITE at 0 from there.
fn left(plan: Plan) -> World {
    World::new(Script::new(plan), Faults::None)
}

#[test]
fn a_ringing_call_of_an_earlier_process_is_cancelled() {
    let mut world = left(Plan::invite([say(0, 180)]));
    world.left_behind(BEFORE, "");
    let run = world.ordered(vec![(ms(5000), orphan(None))]);
    expect![[r#"
        10    > INVITE 1
        20    < 180 1 INVITE
        5010  > CANCEL 1
        5020  < 200 1 CANCEL
        5020  < 487 1 INVITE
        5020  * Cancelled
        5030  > ACK 1
    "#]]
    .assert_eq(&run.ladder);
    assert_eq!(run.broken, Vec::<String>::new());
}

/// It answered while nobody was there, and repeats its 200.
#[test]
fn a_call_that_was_answered_meanwhile_is_acknowledged_and_hung_up() {
    let mut world = left(Plan::invite([say(0, 180), say(4000, 200)]));
    world.left_behind(BEFORE, "");
    let run = world.ordered(vec![(ms(5000), orphan(None))]);
    expect![[r#"
        10    > INVITE 1
        20    < 180 1 INVITE
        4020  < 200 1 INVITE
        4520  < 200 1 INVITE
        5010  > CANCEL 1
        5020  < 200 1 CANCEL
        5520  < 200 1 INVITE
        5520  * LateAnswerClosed 200
        5530  > BYE 2
        5540  < 200 2 BYE
        5550  > ACK 1
    "#]]
    .assert_eq(&run.ladder);
    assert_eq!(run.broken, Vec::<String>::new());
}

/// Until our BYE has arrived he repeats his answer, and whoever comes after this process meets it; but
/// he is not kept waiting for both.
#[test]
fn an_answer_nobody_wrote_down_is_acknowledged_when_its_bye_arrived_or_after_three_repeats() {
    let mut world = left(Plan::invite([say(0, 180), say(4000, 200)]).silence("BYE"));
    world.left_behind(BEFORE, "");
    let run = world.ordered(vec![(ms(5000), orphan(None))]);
    let closed = run.ladder.lines().skip_while(|line| !line.contains("LateAnswerClosed"));
    let unacknowledged: Vec<_> = closed.take_while(|line| !line.contains("> ACK")).collect();
    let count = |what| unacknowledged.iter().filter(|line| line.contains(what)).count();
    assert_eq!(count("< 200 1 INVITE"), 3, "{}", run.ladder);
    assert!(count("> BYE") >= 3, "{}", run.ladder);
    assert!(run.ladder.contains("> ACK 1"), "{}", run.ladder);
}

/// With an account the INVITE may have gone again with credentials: its branch follows from the
/// first one's, its CSeq too.
#[test]
fn with_an_account_the_repeats_with_credentials_are_cancelled_too() {
    let mut world =
        World::new(Script::new(Plan::invite([say(0, 180)])).with_account(), Faults::None);
    world.left_behind(BEFORE, ".1");
    let run = world.ordered(vec![(ms(5000), orphan(None))]);
    expect![[r#"
        10    > INVITE 2
        20    < 180 2 INVITE
        5010  > CANCEL 1
        5010  > CANCEL 2
        5010  > CANCEL 3
        5020  < 481 1 CANCEL
        5020  < 200 2 CANCEL
        5020  < 487 2 INVITE
        5020  * Cancelled
        5020  < 481 3 CANCEL
        5030  > ACK 2
    "#]]
    .assert_eq(&run.ladder);
    assert_eq!(run.broken, Vec::<String>::new());
    let cancels = run.requests("CANCEL");
    assert_eq!(cancels.iter().map(|c| c.cseq()).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn a_call_that_nobody_knows_any_more_is_reported_after_64_t1() {
    let run =
        World::new(Script::new(Plan::default()), Faults::None).ordered(vec![(ms(0), orphan(None))]);
    expect![[r#"
        10    > CANCEL 1
        20    < 481 1 CANCEL
        32000 * Cancelled
    "#]]
    .assert_eq(&run.ladder);
    assert_eq!(run.broken, Vec::<String>::new());
}

/// The earlier process may have died before its ACK, and may have asked since: the CSeq is far
/// ahead.
#[test]
fn an_answered_call_is_acknowledged_and_hung_up_from_its_values() {
    let mut world = left(Plan::invite([say(0, 200)]));
    world.left_behind(BEFORE, ".1");
    let run = world.ordered(vec![(ms(5000), orphan(Some(remote())))]);
    expect![[r#"
        10    > INVITE 2
        20    < 200 2 INVITE
        520   < 200 2 INVITE
        1520  < 200 2 INVITE
        3520  < 200 2 INVITE
        5010  > ACK 2
        5010  > BYE 65539
        5020  < 200 65539 BYE
        5020  * Closed
    "#]]
    .assert_eq(&run.ladder);
    assert_eq!(run.broken, Vec::<String>::new());
    let (ack, bye) = (run.request("ACK"), run.request("BYE"));
    assert_eq!(ack.cseq(), 2);
    assert!(bye.cseq() > 1000);
    for request in [ack, bye] {
        assert_eq!(request.uri(), "sip:callee@10.0.0.9:5060");
        assert_eq!(request.header("Route"), "<sip:10.0.0.9;lr>");
        assert_eq!(
            (request.tag("To"), request.header("From").contains("+8621000001")),
            ("c", true)
        );
    }
}

#[test]
fn an_answered_call_that_they_hang_up_at_the_same_time_gets_its_200() {
    let mut world = left(Plan::invite([say(0, 200), ask(4985, "BYE").impatient()]));
    world.left_behind(BEFORE, ".1");
    let run = world.ordered(vec![(ms(5000), orphan(Some(remote())))]);
    expect![[r#"
        10    > INVITE 2
        20    < 200 2 INVITE
        520   < 200 2 INVITE
        1520  < 200 2 INVITE
        3520  < 200 2 INVITE
        5005  < BYE 101
        5010  > ACK 2
        5010  > BYE 65539
        5015  > 200 101 BYE
        5020  < 200 65539 BYE
        5020  * Closed
    "#]]
    .assert_eq(&run.ladder);
    assert_eq!(run.broken, Vec::<String>::new());
}

#[test]
fn an_orphan_of_a_gateway_without_an_address_is_reported_all_the_same() {
    for (answered, end) in [(None, "Cancelled"), (Some(remote()), "Closed")] {
        let script =
            Script::new(Plan::default()).gateway(|g| g.host = "nowhere.example.com".into());
        let world = World::new(script.with(|s| s.targets = vec![]), Faults::None);
        let run = world.ordered(vec![(ms(0), orphan(answered))]);
        assert_eq!(run.broken, Vec::<String>::new());
        let last = run.heard.iter().rfind(|h| !matches!(h, SipHeard::Gateway { .. }));
        assert!(format!("{last:?}").contains(end), "{}", run.ladder);
    }
}

/// A thousand of them after a crash.
#[test]
fn many_orphans_do_not_get_in_each_other_s_way() {
    let orders = (0..1000).map(|n: u64| {
        let ids = dial_ids(Owner { shard: 0, leg: LegId(n) }, u128::from(n) << 64 | 99);
        let orphan = Orphan {
            leg: LegId(5000 + n),
            gateway: GatewayId(0),
            ids,
            to: n.to_string(),
            from: None,
            answered: n.is_multiple_of(2).then(remote),
        };
        (Duration::ZERO, SipOrder::CloseOrphan(Box::new(orphan)))
    });
    let run = World::new(Script::new(Plan::default()), Faults::None).ordered(orders.collect());
    assert_eq!(run.broken, Vec::<String>::new());
}
