//! Calls of every kind at once: callees, owners and networks drawn from seeds. No script says what
//! comes out; the promises of every run must hold.

use std::collections::BTreeMap;
use std::time::Duration;

use sip::port::SipHeard;

use crate::world::network::Dice;
use crate::world::run::World;
use crate::world::script::Step;
use crate::world::*;

/// Enough to see every pair of behaviours at each loss; a longer run is `SEEDS=100000`.
const RUNS: u64 = 2000;

const OTHER: &str = "10.0.0.10:5060";
const CHALLENGE: &str = r#"Digest realm="r", nonce="n1", algorithm=MD5, qop="auth""#;

/// One of `choices`.
fn pick<T: Copy>(dice: &mut Dice, choices: &[T]) -> T {
    choices[dice.below(choices.len() as u64) as usize]
}

fn one_in(dice: &mut Dice, n: u64) -> bool {
    dice.below(n) == 0
}

/// What a callee does with an INVITE; the second of its tags is a fork's.
fn steps(dice: &mut Dice, tags: [&'static str; 2]) -> Vec<Step> {
    let mut steps = vec![];
    // Now and then so late that we have given up waiting.
    let mut at = if one_in(dice, 4) { dice.below(8000) } else { 0 };
    if !one_in(dice, 4) {
        steps.push(say(at, 100));
    }
    let mut rseq = 1;
    for _ in 0..dice.below(4) {
        at += dice.below(2500);
        let mut ring =
            say(at, pick(dice, &[180, 180, 183, 182])).tag(tags[one_in(dice, 3) as usize]);
        if one_in(dice, 3) {
            ring = ring.sdp(ANSWER);
        }
        if one_in(dice, 3) {
            ring = ring.reliable(rseq);
            rseq += 1;
        }
        steps.push(ring);
    }
    at += dice.below(4000);
    match dice.below(10) {
        0..5 => {
            let mut answer = say(at, pick(dice, &[200, 200, 200, 202])).tag(tags[0]);
            if one_in(dice, 8) {
                answer = answer.no_contact();
            }
            if one_in(dice, 3) {
                answer = answer.header("Session-Expires: 100;refresher=uac");
            }
            steps.push(answer);
            if one_in(dice, 4) {
                steps.push(say(at + dice.below(300), 200).tag(tags[1]));
            }
            steps.extend(asks(dice, at + 200).into_iter().map(|ask| ask.tag(tags[0])));
        }
        5..8 => steps.push(say(at, pick(dice, &[404, 480, 486, 500, 503, 600, 603]))),
        8 => steps.push(say(at, 302).header("Contact: <sip:other@10.0.0.9>")),
        _ => {}
    }
    steps
}

/// What a callee asks in the dialog.
fn asks(dice: &mut Dice, mut at: u64) -> Vec<Step> {
    let mut asks = vec![];
    for _ in 0..dice.below(4) {
        at += dice.below(1200);
        asks.push(match dice.below(8) {
            0 | 1 => ask(at, "INFO").body("application/dtmf-relay", "Signal=5"),
            2 => ask(at, "OPTIONS"),
            3 => ask(at, "INVITE").sdp(OFFER),
            4 => ask(at, "INVITE").ack_sdp(ANSWER),
            5 => ask(at, "UPDATE").sdp(OFFER),
            6 => ask(at, "UPDATE").header("Session-Expires: 90;refresher=uas"),
            _ => ask(at, "REFER"),
        });
    }
    if one_in(dice, 3) {
        asks.push(ask(at + dice.below(3000), "BYE"));
    }
    asks
}

fn plan(dice: &mut Dice, tags: [&'static str; 2]) -> Plan {
    let mut plan = Plan::default();
    if one_in(dice, 4) {
        let status = pick(dice, &[401, 407]);
        let header = if status == 401 { "WWW-Authenticate" } else { "Proxy-Authenticate" };
        let line = Box::leak(format!("{header}: {CHALLENGE}").into_boxed_str());
        plan = plan.then([say(dice.below(300), status).header(line)]);
    }
    plan = plan.then(steps(dice, tags));
    for method in ["BYE", "PRACK", "INFO", "reINVITE", "UPDATE"] {
        match dice.below(8) {
            0 => plan = plan.silence(method),
            1 => plan = plan.reply(method, pick(dice, &[481, 408, 500, 491, 405]), &[]),
            _ => {}
        }
    }
    if one_in(dice, 12) { plan.ignoring_cancel() } else { plan }
}

fn script(dice: &mut Dice) -> Script {
    let mut script = Script::new(plan(dice, ["c", "d"])).callee(OTHER, plan(dice, ["e", "f"]));
    if one_in(dice, 3) {
        script.targets = vec![GATEWAY, OTHER];
        script.gateway.host = "sip.example.com".into();
    }
    if one_in(dice, 2) {
        script = script.with_account();
    }
    script.gateway.follow_redirects = one_in(dice, 2);
    script.gateway.session_expires = one_in(dice, 3).then_some(Duration::from_secs(1800));
    script.accept_after = (!one_in(dice, 15)).then(|| ms(dice.below(300)));
    script.talk = (!one_in(dice, 5)).then(|| ms(dice.below(4000)));
    // The ringing timer; in a call that is up by then it hangs up.
    let ringing = pick(dice, &[1000, 2000, 6000, 30_000]) + dice.below(2000);
    script = script.cancel_at(ringing);
    script.gateway.answer_within = one_in(dice, 3).then_some(ms(2000));
    for _ in 0..dice.below(4) {
        let at = dice.below(9000);
        script = script
            .at(at, if one_in(dice, 2) { Wish::Info("Signal=1") } else { Wish::Reinvite(OFFER) });
    }
    // Challenge, redirection, one of each per address.
    script.invites(10)
}

#[test]
fn calls_of_every_kind_end_once_and_leave_nobody_in_an_open_call() {
    let runs = std::env::var("SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(RUNS);
    let mut ends = BTreeMap::<String, u64>::new();
    for seed in 0..runs {
        let mut dice = Dice(seed);
        let script = script(&mut dice);
        let faults = Faults::Random { seed, lost: [0, 5, 20][seed as usize % 3], doubled: 5 };
        let run = World::new(script.clone(), faults).call();
        assert_eq!(run.broken, Vec::<String>::new(), "seed {seed}\n{}", run.ladder);
        if let Some(end) = run.heard.iter().rev().find(|h| !matches!(h, SipHeard::Gateway { .. })) {
            let name = format!("{end:?}");
            *ends.entry(name.split([' ', '{']).next().unwrap_or("").to_owned()).or_default() += 1;
        }
    }
    // All ends were seen, or the seeds say nothing about them.
    let seen: Vec<&str> = ends.keys().map(String::as_str).collect();
    assert_eq!(seen, ["Cancelled", "Closed", "HungUp", "LateAnswerClosed", "Refused"]);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in 0..50 {
        let faults = Faults::Random { seed, lost: 10, doubled: 10 };
        let run = || World::new(script(&mut Dice(seed)), faults).call();
        let (first, second) = (run(), run());
        assert_eq!(first.ladder, second.ladder);
        assert_eq!(first.sent, second.sent);
    }
}

/// Mangled copies of its own messages, from its own address: they may end a call, but they break
/// nothing, keep nothing alive, and make no storm.
#[test]
fn messages_that_nobody_meant_so_harm_nothing_but_their_call() {
    let runs = std::env::var("SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(RUNS);
    for seed in 0..runs {
        let script = script(&mut Dice(seed));
        let run = World::new(script, Faults::Mangle { seed }).call();
        let broken =
            |b: &&String| b.contains("does not end") || b.contains("held") || b.contains("ends of");
        assert_eq!(run.broken.iter().find(broken), None, "seed {seed}\n{}", run.ladder);
        assert!(run.sent.len() < 2000, "seed {seed}: {} messages", run.sent.len());
    }
}
