//! What we ask gateways on our own account: registrations, probes, addresses.

use std::time::Duration;

use expect_test::{Expect, expect};
use sip::port::{GatewayHealth, SipHeard};

use crate::world::run::World;
use crate::world::*;

const CHALLENGE: &str =
    r#"WWW-Authenticate: Digest realm="r", nonce="n1", algorithm=MD5, qop="auth""#;
const STALE: &str =
    r#"WWW-Authenticate: Digest realm="r", nonce="n2", algorithm=MD5, qop="auth", stale=true"#;
const OTHER: &str = "10.0.0.10:5060";

fn registering(plan: Plan) -> Script {
    Script::new(plan).with_account().gateway(|g| g.register = true)
}

fn probing(plan: Plan) -> Script {
    Script::new(plan).gateway(|g| g.options_every = Some(Duration::from_secs(10)))
}

/// A gateway alone, without calls, for so many seconds.
fn watch(script: Script, seconds: u64, ladder: Expect) -> Run {
    let run = World::new(script, Faults::None).idle(Duration::from_secs(seconds));
    ladder.assert_eq(&run.ladder);
    run
}

fn health(run: &Run) -> Vec<&GatewayHealth> {
    let health = run.heard.iter().filter_map(|heard| match heard {
        SipHeard::Gateway { health, .. } => Some(health),
        _ => None,
    });
    health.collect()
}

#[test]
fn a_registration_is_made_with_credentials_and_refreshed_at_three_quarters() {
    let plan = Plan::default()
        .reply("REGISTER", 401, &[CHALLENGE])
        .reply("REGISTER", 200, &["Expires: 100"])
        .reply("REGISTER", 401, &[STALE])
        .reply("REGISTER", 200, &["Expires: 100"]);
    let run = watch(
        registering(plan),
        100,
        expect![[r#"
        10    > REGISTER 1
        20    < 401 1 REGISTER
        30    > REGISTER 2
        40    < 200 2 REGISTER
        40    * Gateway Up
        75050 > REGISTER 3
        75060 < 401 3 REGISTER
        75070 > REGISTER 4
        75080 < 200 4 REGISTER
    "#]],
    );
    let registers = run.requests("REGISTER");
    assert_eq!(registers[0].uri(), "sip:10.0.0.9");
    assert_eq!(registers[0].header("To"), "<sip:trunk7@10.0.0.9>");
    assert_eq!(registers[0].header("Expires"), "3600");
    assert!(registers[1].has("Authorization"));
    assert!(registers[2].header("Authorization").contains("nc=00000002"), "the nonce is used on");
    assert!(registers.windows(2).all(|pair| pair[1].cseq() == pair[0].cseq() + 1));
    assert!(registers.iter().all(|r| r.header("Call-ID") == registers[0].header("Call-ID")));
    assert_eq!(health(&run), [&GatewayHealth::Up]);
}

#[test]
fn a_registration_that_is_granted_for_less_by_its_contact_is_refreshed_in_time() {
    let plan = (0..9).fold(Plan::default(), |plan, _| plan.reply("REGISTER", 200, &["expires=40"]));
    watch(
        registering(plan),
        100,
        expect![[r#"
        10    > REGISTER 1
        20    < 200 1 REGISTER
        20    * Gateway Up
        30030 > REGISTER 2
        30040 < 200 2 REGISTER
        60050 > REGISTER 3
        60060 < 200 3 REGISTER
        90070 > REGISTER 4
        90080 < 200 4 REGISTER
    "#]],
    );
}

#[test]
fn a_registration_that_fails_is_tried_again_later_and_later() {
    let plan = (0..9).fold(Plan::default(), |plan, _| plan.reply("REGISTER", 500, &[]));
    let run = watch(
        registering(plan),
        200,
        expect![[r#"
        10    > REGISTER 1
        20    < 500 1 REGISTER
        20    * Gateway Down { why: "REGISTER was answered 500" }
        3551  > REGISTER 2
        3561  < 500 2 REGISTER
        9433  > REGISTER 3
        9443  < 500 3 REGISTER
        27025 > REGISTER 4
        27035 < 500 4 REGISTER
        56222 > REGISTER 5
        56232 < 500 5 REGISTER
        116904 > REGISTER 6
        116914 < 500 6 REGISTER
    "#]],
    );
    assert_eq!(health(&run), [&GatewayHealth::Down { why: "REGISTER was answered 500".into() }]);
}

#[test]
fn a_wrong_password_is_told_and_not_hammered() {
    let plan = (0..9).fold(Plan::default(), |plan, _| plan.reply("REGISTER", 401, &[CHALLENGE]));
    let run = watch(
        registering(plan),
        20,
        expect![[r#"
        10    > REGISTER 1
        20    < 401 1 REGISTER
        30    > REGISTER 2
        40    < 401 2 REGISTER
        40    * Gateway Down { why: "the credentials were refused" }
        3308  > REGISTER 3
        3318  < 401 3 REGISTER
        13111 > REGISTER 4
        13121 < 401 4 REGISTER
    "#]],
    );
    assert_eq!(health(&run), [&GatewayHealth::Down { why: "the credentials were refused".into() }]);
}

#[test]
fn a_registration_that_is_too_short_is_asked_for_longer() {
    let plan = Plan::default().reply("REGISTER", 423, &["Min-Expires: 7200"]);
    let run = watch(
        registering(plan),
        100,
        expect![[r#"
        10    > REGISTER 1
        20    < 423 1 REGISTER
        30    > REGISTER 2
        40    < 200 2 REGISTER
        40    * Gateway Up
    "#]],
    );
    assert_eq!(run.requests("REGISTER")[1].header("Expires"), "7200");
}

#[test]
fn a_registration_that_nobody_answers_is_repeated_and_given_up() {
    watch(
        registering(Plan::default().silence("REGISTER")),
        40,
        expect![[r#"
        10    > REGISTER 1
        510   > REGISTER 1
        1510  > REGISTER 1
        3510  > REGISTER 1
        7510  > REGISTER 1
        11510 > REGISTER 1
        15510 > REGISTER 1
        19510 > REGISTER 1
        23510 > REGISTER 1
        27510 > REGISTER 1
        31510 > REGISTER 1
        32000 * Gateway Down { why: "REGISTER has no answer" }
        35531 > REGISTER 2
        35541 < 200 2 REGISTER
        35541 * Gateway Up
    "#]],
    );
}

/// A failed refresh does not take the gateway down while the last registration holds.
#[test]
fn a_gateway_is_up_until_its_registration_has_run_out() {
    let first = Plan::default().reply("REGISTER", 200, &["Expires: 100"]);
    let plan = (0..20).fold(first, |plan, _| plan.reply("REGISTER", 503, &[]));
    let run = watch(
        registering(plan),
        140,
        expect![[r#"
        10    > REGISTER 1
        20    < 200 1 REGISTER
        20    * Gateway Up
        75030 > REGISTER 2
        75040 < 503 2 REGISTER
        78297 > REGISTER 3
        78307 < 503 3 REGISTER
        87026 > REGISTER 4
        87036 < 503 4 REGISTER
        101706 > REGISTER 5
        101716 < 503 5 REGISTER
        101716 * Gateway Down { why: "REGISTER was answered 503" }
        135060 > REGISTER 6
        135070 < 503 6 REGISTER
    "#]],
    );
    assert_eq!(health(&run).len(), 2);
}

/// Checklist 34: the registrar sees us elsewhere than we said.
#[test]
fn a_registration_is_made_again_with_the_address_that_is_seen() {
    let plan = Plan::default().seeing_us_as("203.0.113.7:1024");
    let run = watch(
        registering(plan).with(|s| s.contact = None),
        10,
        expect![[r#"
        10    > REGISTER 1
        20    < 200 1 REGISTER
        20    * Gateway Up
        30    > REGISTER 2
        40    < 200 2 REGISTER
    "#]],
    );
    let contacts: Vec<_> =
        run.requests("REGISTER").iter().map(|r| r.header("Contact").to_owned()).collect();
    assert!(
        contacts[0].ends_with("@10.0.0.1:5060>") && contacts[1].ends_with("@203.0.113.7:1024>"),
        "{contacts:?}"
    );
}

#[test]
fn a_registration_is_taken_back_on_the_way_out() {
    let mut run =
        World::new(registering(Plan::default()), Faults::None).idle(Duration::from_secs(1));
    run.agent.unregister(Duration::from_secs(2));
    match run.agent.poll_output() {
        Some(sip::port::Output::Transmit { bytes, .. }) => {
            assert_eq!(Text::of(&bytes).header("Expires"), "0");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_gateway_that_answers_options_is_up_and_after_three_misses_it_is_down_until_the_next_answer() {
    let plan = Plan::default()
        .reply("OPTIONS", 200, &[])
        .reply("OPTIONS", 503, &[])
        .silence("OPTIONS")
        .reply("OPTIONS", 404, &[])
        .reply("OPTIONS", 200, &[]);
    let run = watch(
        probing(plan),
        55,
        expect![[r#"
        10    > OPTIONS 1
        20    < 200 1 OPTIONS
        20    * Gateway Up
        10010 > OPTIONS 2
        10020 < 503 2 OPTIONS
        20010 > OPTIONS 3
        20510 > OPTIONS 3
        21510 > OPTIONS 3
        23510 > OPTIONS 3
        27510 > OPTIONS 3
        30010 > OPTIONS 4
        30020 < 404 4 OPTIONS
        30020 * Gateway Down { why: "OPTIONS was answered 404" }
        40010 > OPTIONS 5
        40020 < 200 5 OPTIONS
        40020 * Gateway Up
        50010 > OPTIONS 6
        50020 < 200 6 OPTIONS
    "#]],
    );
    let down = GatewayHealth::Down { why: "OPTIONS was answered 404".into() };
    assert_eq!(health(&run), [&GatewayHealth::Up, &down, &GatewayHealth::Up]);
    assert_eq!(run.requests("OPTIONS")[0].uri(), "sip:10.0.0.9");
}

#[test]
fn two_misses_do_not_take_a_gateway_down() {
    let plan = Plan::default().reply("OPTIONS", 503, &[]).silence("OPTIONS");
    let run = World::new(probing(plan), Faults::None).idle(Duration::from_secs(45));
    assert_eq!(health(&run), [&GatewayHealth::Up]);
}

#[test]
fn a_probe_that_is_told_to_wait_holds_the_gateway_back() {
    let plan = Plan::default().reply("OPTIONS", 503, &["Retry-After: 120"]);
    let run = World::new(probing(plan), Faults::None).idle(Duration::from_secs(5));
    assert!(health(&run).contains(&&GatewayHealth::HeldBack { for_: Duration::from_secs(120) }));
}

/// The second address answers while the first is dead.
#[test]
fn a_probe_asks_the_next_address_after_a_miss() {
    let script = probing(Plan::default().silence("OPTIONS")).callee(OTHER, Plan::default());
    let script = script.gateway(|g| g.host = "sip.example.com".into());
    let run = watch(
        script.with(|s| s.targets = vec![GATEWAY, OTHER]),
        25,
        expect![[r#"
        5     * Gateway Up
        15    > OPTIONS 1
        515   > OPTIONS 1
        1515  > OPTIONS 1
        3515  > OPTIONS 1
        7515  > OPTIONS 1
        10015 > OPTIONS 2 10.0.0.10:5060
        10025 < 200 2 OPTIONS 10.0.0.10:5060
        20015 > OPTIONS 3 10.0.0.10:5060
        20025 < 200 3 OPTIONS 10.0.0.10:5060
    "#]],
    );
    assert_eq!(health(&run), [&GatewayHealth::Up]);
}

/// Calls use what the probe found out.
#[test]
fn a_dead_first_address_costs_only_the_first_call_its_time() {
    let script = Script::new(Plan::default()).callee(OTHER, Plan::invite([say(0, 486)]));
    let script = script.gateway(|g| {
        g.host = "sip.example.com".into();
        g.answer_within = Some(ms(3000));
    });
    let script = script.with(|s| s.targets = vec![GATEWAY, OTHER]).invites(3);
    let run = World::new(script, Faults::None).calls(&[0, 10_000]);
    expect![[r#"
        5     * Gateway Up
        15    > INVITE 1
        515   > INVITE 1
        1515  > INVITE 1
        3015  > INVITE 1 10.0.0.10:5060
        3025  < 486 1 INVITE 10.0.0.10:5060
        3025  * Refused Network(486)
        3035  > ACK 1 10.0.0.10:5060
        10010 > INVITE 1 10.0.0.10:5060
        10020 < 486 1 INVITE 10.0.0.10:5060
        10020 * Refused Network(486)
        10030 > ACK 1 10.0.0.10:5060
    "#]]
    .assert_eq(&run.ladder);
}

/// DNS that fails later does not stop a gateway whose addresses are known.
#[test]
fn a_gateway_keeps_its_addresses_when_dns_fails() {
    let script =
        Script::new(Plan::invite([say(0, 486)])).gateway(|g| g.host = "sip.example.com".into());
    let script = script.with(|s| s.dns_fails_after = Some(ms(1000))).invites(2);
    // Addresses are good for 300 s.
    let run = World::new(script, Faults::None).calls(&[0, 400_000]);
    expect![[r#"
        5     * Gateway Up
        15    > INVITE 1
        25    < 486 1 INVITE
        25    * Refused Network(486)
        35    > ACK 1
        400010 > INVITE 1
        400020 < 486 1 INVITE
        400020 * Refused Network(486)
        400030 > ACK 1
    "#]]
    .assert_eq(&run.ladder);
}

#[test]
fn calls_that_wait_for_the_resolver_go_together() {
    let script =
        Script::new(Plan::invite([say(0, 486)])).gateway(|g| g.host = "sip.example.com".into());
    let run = World::new(script.invites(3), Faults::None).calls(&[0, 1, 2]);
    expect![[r#"
        5     * Gateway Up
        15    > INVITE 1
        15    > INVITE 1
        15    > INVITE 1
        25    < 486 1 INVITE
        25    * Refused Network(486)
        25    < 486 1 INVITE
        25    * Refused Network(486)
        25    < 486 1 INVITE
        25    * Refused Network(486)
        35    > ACK 1
        35    > ACK 1
        35    > ACK 1
    "#]]
    .assert_eq(&run.ladder);
}
