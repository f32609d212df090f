//! Bounds, floods and guesses: what is refused, dropped or left alone.

use std::time::Duration;

use sip::ids::{Owner, dial_ids};
use sip::port::{
    Dial, GatewayId, LegId, Orphan, Output, Peer, RefusalSource, SipHeard, SipOrder, Transport,
};
use sip::{Options, UserAgent};

use crate::world::network::Dice;
use crate::world::*;

fn agent(change: impl FnOnce(&mut Options)) -> UserAgent {
    let mut options = Options::new(US.parse().unwrap(), vec![gateway()]);
    change(&mut options);
    UserAgent::new(options, [7; 32])
}

fn dial(leg: u64) -> Dial {
    Dial {
        leg: LegId(leg),
        gateway: GatewayId(0),
        ids: dial_ids(Owner { shard: 0, leg: LegId(leg) }, u128::from(leg) << 64 | 0xabcd),
        to: "100".into(),
        from: None,
        offer: OFFER.into(),
    }
}

fn order(agent: &mut UserAgent, dial: Dial) {
    agent.order(Duration::ZERO, SipOrder::Dial(Box::new(dial)));
}

fn outputs(agent: &mut UserAgent) -> Vec<Output> {
    std::iter::from_fn(|| agent.poll_output()).collect()
}

fn refusals(outputs: &[Output]) -> Vec<RefusalSource> {
    let refused = outputs.iter().filter_map(|output| match output {
        Output::Heard(SipHeard::Refused { refusal, .. }) => Some(refusal.source),
        _ => None,
    });
    refused.collect()
}

fn sent(outputs: &[Output]) -> usize {
    outputs.iter().filter(|output| matches!(output, Output::Transmit { .. })).count()
}

fn peer(address: &str) -> Peer {
    Peer { transport: Transport::Udp, address: address.parse().unwrap() }
}

#[test]
fn one_leg_more_than_there_may_be_is_refused_and_the_others_go_on() {
    let mut agent = agent(|options| options.legs_max = 3);
    (0..5).for_each(|leg| order(&mut agent, dial(leg)));
    let outputs = outputs(&mut agent);
    assert_eq!(refusals(&outputs), [RefusalSource::Unsendable; 2]);
    assert_eq!((sent(&outputs), agent.legs()), (3, 3));
}

/// A mistake of the owner must not become a second call.
#[test]
fn a_second_order_to_dial_the_same_leg_does_nothing() {
    let mut agent = agent(|_| ());
    order(&mut agent, dial(1));
    order(&mut agent, Dial { to: "200".into(), ..dial(1) });
    assert_eq!(sent(&outputs(&mut agent)), 1);
    assert_eq!(agent.counters().orders_ignored, 1);
}

#[test]
fn a_gateway_that_there_is_not_is_refused() {
    let mut agent = agent(|_| ());
    order(&mut agent, Dial { gateway: GatewayId(9), ..dial(1) });
    assert_eq!(refusals(&outputs(&mut agent)), [RefusalSource::Unsendable]);
    let Dial { leg, ids, to, from, .. } = dial(1);
    let orphan = Orphan { leg, gateway: GatewayId(9), ids, to, from, answered: None };
    agent.order(Duration::ZERO, SipOrder::CloseOrphan(Box::new(orphan)));
    assert!(matches!(outputs(&mut agent)[..], [Output::Heard(SipHeard::Cancelled { .. })]));
}

/// From the gateway's own address, and with all but the random part of the branch right.
#[test]
fn of_fifty_thousand_guesses_at_a_branch_none_hits() {
    let mut agent = agent(|_| ());
    order(&mut agent, dial(1));
    let Some(Output::Transmit { bytes, .. }) = agent.poll_output() else { panic!("no INVITE") };
    let invite = Text::of(&bytes);
    let random = invite.branch().len() - 11;
    let mut dice = Dice(1);
    for _ in 0..50_000 {
        let guess = format!("{}{:011}", &invite.branch()[..random], dice.below(100_000_000_000));
        let forged = format!(
            "SIP/2.0 200 OK\r\nVia: {}\r\nFrom: {}\r\nTo: {};tag=x\r\nCall-ID: {}\r\nCSeq: {}\r\nContact: <sip:a@10.0.0.9>\r\nContent-Length: 0\r\n\r\n",
            invite.header("Via").replace(invite.branch(), &guess),
            invite.header("From"),
            invite.header("To"),
            invite.header("Call-ID"),
            invite.header("CSeq"),
        );
        agent.receive(ms(100), peer(GATEWAY), forged.as_bytes());
    }
    assert_eq!(outputs(&mut agent), vec![]);
    assert_eq!(agent.counters().stray_responses, 50_000);
}

/// Dropped before they are read.
#[test]
fn a_flood_of_strangers_gets_nothing_and_costs_no_memory() {
    let mut agent = agent(|_| ());
    for n in 0..10_000u32 {
        let from = peer(&format!("198.51.{}.{}:5060", n >> 8 & 255, n & 255));
        let text =
            format!("INVITE sip:{n}@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK{n}\r\n");
        agent.receive(ms(n.into()), from, text.as_bytes());
    }
    assert_eq!((outputs(&mut agent), agent.legs(), agent.poll_timeout()), (vec![], 0, None));
    assert_eq!(agent.counters().dropped_strangers, 10_000);
}

/// A dead gateway reports an error for each datagram: they are looked at together.
#[test]
fn a_thousand_errors_of_the_transport_refuse_a_thousand_calls_within_100_ms() {
    let mut agent = agent(|_| ());
    let mut refused = 0;
    for leg in 0..1000 {
        order(&mut agent, dial(leg));
        agent.transport_failed(Duration::from_micros(leg * 50), peer(GATEWAY), "refused");
        refused += refusals(&outputs(&mut agent)).len();
    }
    agent.handle_timeout(ms(151));
    refused += refusals(&outputs(&mut agent)).len();
    assert_eq!(refused, 1000);
}

/// Digits beyond what a person can type, and changes that wait for each other.
#[test]
fn queues_inside_a_call_are_bounded() {
    let mut script = Script::new(Plan::invite([say(0, 200)]));
    for n in 0..100 {
        script = script.at(100 + n / 50, Wish::Info("Signal=1")).at(200, Wish::Reinvite(OFFER));
    }
    let run = run::World::new(script, Faults::None).call();
    assert_eq!(run.broken, Vec::<String>::new());
    assert!(run.agent.counters().orders_ignored > 0);
    let refused = |h: &&SipHeard| matches!(h, SipHeard::Renegotiated { result: Err(491), .. });
    assert_eq!(run.heard.iter().filter(refused).count(), 96);
}

/// A peer that rings in a hundred ways, each of them reliable, and never takes a PRACK.
#[test]
fn a_storm_of_provisional_answers_is_neither_told_nor_confirmed_without_end() {
    let rings = (0..200).map(|n| say(n * 10, 180 + (n % 3) as u16).reliable(n as u32 + 1));
    let plan = Plan::invite(rings.chain([say(4000, 486)]));
    let plan = (0..300).fold(plan, |plan, _| plan.silence("PRACK"));
    let run = run::World::new(Script::new(plan), Faults::None).call();
    assert_eq!(run.broken, Vec::<String>::new());
    assert!(run.requests("PRACK").len() <= 16, "{}", run.requests("PRACK").len());

    let rings = (0..200).map(|n| say(n * 10, 180 + (n % 3) as u16));
    let script = Script::new(Plan::invite(rings.chain([say(4000, 486)])));
    let run = run::World::new(script, Faults::None).call();
    assert_eq!(run.heard.len(), 33);
}

/// The resolver never answers, and never will.
#[test]
fn calls_that_wait_for_a_name_end_and_leave_nothing_behind() {
    let mut agent = agent(|options| options.gateways[0].host = "sip.example.com".into());
    for turn in 0..10 {
        let now = Duration::from_secs(turn * 40);
        agent.order(now, SipOrder::Dial(Box::new(dial(turn))));
        agent.handle_timeout(now + Duration::from_secs(32));
        assert_eq!(refusals(&outputs(&mut agent)), [RefusalSource::Dns]);
    }
    agent.handle_timeout(Duration::from_secs(1000));
    assert_eq!((agent.legs(), agent.poll_timeout()), (0, None));
}

/// The shell may call too early, too late, and twice.
#[test]
fn a_timeout_that_is_handled_twice_or_late_changes_nothing() {
    let mut agent = agent(|_| ());
    order(&mut agent, dial(1));
    assert_eq!(sent(&outputs(&mut agent)), 1);
    for _ in 0..3 {
        agent.handle_timeout(ms(499));
    }
    assert_eq!(sent(&outputs(&mut agent)), 0);
    agent.handle_timeout(ms(3000));
    agent.handle_timeout(ms(3000));
    assert_eq!(sent(&outputs(&mut agent)), 1, "late by two repeats: one is sent");
    agent.handle_timeout(Duration::from_secs(3600));
    assert_eq!(refusals(&outputs(&mut agent)), [RefusalSource::TimerB]);
    agent.handle_timeout(Duration::from_secs(7200));
    assert_eq!((agent.legs(), agent.poll_timeout()), (0, None));
}
