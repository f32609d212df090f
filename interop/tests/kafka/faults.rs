//! What goes wrong: nodes that are killed, brokers that go and come, stores that are mistaken.

use crate::world::{Events, World, place, place_to};
use interop::kafka::Brokers;
use interop::ledger::{called_twice, wait_until_settled};
use interop::patience::wait_for;
use nix::sys::signal::Signal;
use serde_json::Value;
use sim::seed::Dice;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// As in `killed.rs`: what the callees do, by the ends of their numbers; each ends by itself.
const KINDS: [&str; 5] = ["99920005", "99911100", "99921120", "99948605", "99980100"];

pub fn commands(from: usize, to: usize) -> Vec<Value> {
    let phone = |n: usize| format!("+1{}{:02}{}", 212 + n / 100, n % 100, KINDS[n % KINDS.len()]);
    (from..to).map(|n| place_to(&format!("c{n}"), &phone(n))).collect()
}

/// One last end for each command, one Call-ID for each try, nobody called twice, and nothing left
/// open on the wire.
pub fn check_once(world: &World, events: &Events, commands: usize) {
    let owed = wait_until_settled(&world.carrier);
    assert!(owed.is_empty(), "owed to the carrier: {owed:?}");
    check_told(world, events, commands);
}

/// As [`check_once`], whatever is owed to the carrier.
pub fn check_told(world: &World, events: &Events, commands: usize) {
    events.check();
    assert_eq!(events.outcomes().len(), commands);
    let mut tries = BTreeMap::new();
    for message in &events.0 {
        let value = message.json();
        if value["type"] == "DialStarted" {
            let id = value["sip_call_id"].as_str().unwrap().to_owned();
            let call = value["call_id"].as_str().unwrap().to_owned();
            assert!(tries.insert(id, call.clone()).is_none(), "a Call-ID twice");
        }
    }
    let calls: BTreeSet<_> = tries.values().collect();
    assert_eq!(calls.len(), tries.len(), "a second try without a carrier's fault");
    let ledger = world.carrier.ledger();
    assert_eq!(called_twice(&ledger), BTreeMap::new());
    for entry in &ledger {
        assert!(tries.contains_key(&*entry.call_id), "an INVITE without its event: {entry:?}");
    }
}

#[test]
fn two_thousand_commands_while_the_node_is_killed_ten_times() {
    const COMMANDS: usize = 2000;
    let mut world = World::new();
    world.node = "calls_max = 200".to_owned();
    world.command(&commands(0, COMMANDS));
    let mut dice = Dice::new(1);
    let mut node = world.start("n1");
    for _ in 0..10 {
        let more = world.carrier.totals().invites + 20 + dice.below(150);
        let _ = wait_for(|| {
            let invites = world.carrier.totals().invites;
            (invites >= more || invites >= COMMANDS as u64 - 10).then_some(())
        });
        node.kill();
        node = world.start("n1");
    }
    let events = world.events_of(COMMANDS);
    check_once(&world, &events, COMMANDS);
    // Who reads what was never committed too sees a repeat at most, and by its position.
    let all = world.brokers.read_uncommitted(&world.topic("events"));
    assert!(all.len() >= events.0.len());
    world.dead(0);
    node.kill();
}

#[test]
fn without_transactions_the_topic_says_how_far_it_was_told() {
    const COMMANDS: usize = 300;
    let mut world = World::new();
    world.kafka = "transactions = false\n".to_owned();
    world.node = "calls_max = 50".to_owned();
    world.command(&commands(0, COMMANDS));
    let mut dice = Dice::new(2);
    let mut node = world.start("n1");
    for kills in 1..=6 {
        let some = wait_for(|| (world.carrier.totals().invites >= kills * 30).then_some(()));
        assert!(some.is_some(), "it dials nobody");
        // The moment of the kill, not a wait for anything.
        std::thread::sleep(Duration::from_millis(dice.below(60)));
        node.kill();
        node = world.start("n1");
    }
    world.brokers.follow(&world.topic("events"), COMMANDS);
    let events = Events(world.brokers.read_uncommitted(&world.topic("events")));
    check_once(&world, &events, COMMANDS);
    node.kill();
}

#[test]
fn a_broker_that_is_away_costs_nothing_but_lag() {
    let brokers = Arc::new(Brokers::start(1));
    let world = World::on(brokers.clone());
    let node = world.start("n1");
    world.command(&commands(0, 20));
    world.events_of(20);
    brokers.stop(1, true);
    // The other door is open meanwhile.
    for n in 20..40 {
        let mut body = commands(n, n + 1).remove(0);
        body.as_object_mut().unwrap().remove("type");
        assert_eq!(node.place(&body.to_string()).status, 202);
    }
    node.record_when("c39", |record| record["outcome"].is_string());
    assert!(world.metric(&node, "callfold_relay_lag_positions ") > 0);
    brokers.again(1);
    world.command(&commands(40, 60));
    let events = world.events_of(60);
    check_once(&world, &events, 60);
    let caught_up =
        wait_for(|| (world.metric(&node, "callfold_relay_lag_positions ") == 0).then_some(()));
    assert!(caught_up.is_some());
    node.kill();
}

#[test]
fn a_node_starts_while_no_broker_answers_and_serves_once_one_does() {
    let brokers = Arc::new(Brokers::start(1));
    let world = World::on(brokers.clone());
    world.command(&commands(0, 3));
    brokers.stop(1, false);
    let node = world.start("n1");
    brokers.again(1);
    check_once(&world, &world.events_of(3), 3);
    node.kill();
}

#[test]
fn one_of_three_brokers_is_killed_and_comes_back() {
    const COMMANDS: usize = 400;
    let brokers = Arc::new(Brokers::start(3));
    let mut world = World::on(brokers.clone());
    world.node = "calls_max = 40".to_owned();
    let node = world.start("n1");
    world.command(&commands(0, COMMANDS / 2));
    let under_way = |wanted: u64| {
        let seen = wait_for(|| (world.carrier.totals().invites >= wanted).then_some(()));
        assert!(seen.is_some(), "it dials nobody");
    };
    under_way(50);
    brokers.stop(1, true);
    world.command(&commands(COMMANDS / 2, COMMANDS));
    under_way(250);
    brokers.again(1);
    let events = world.events_of(COMMANDS);
    check_once(&world, &events, COMMANDS);
    node.kill();
}

#[test]
fn another_store_on_the_same_partitions_is_refused_and_the_first_goes_on() {
    let world = World::new();
    let node = world.start("n1");
    world.command(&[place("a", 1)]);
    world.events_of(1);
    node.kill();
    let said = world.refused("n2");
    assert!(said.contains("is served by another store"), "{said}");
    assert!(said.contains("node n1"), "{said}");
    // What came meanwhile waits for its owner.
    world.command(&[place("b", 2)]);
    let node = world.start("n1");
    world.events_of(2).check();
    node.kill();
}

#[test]
fn two_nodes_with_a_log_each_share_the_partitions_that_they_are_given() {
    let mut world = World::new();
    world.kafka = "partitions = \"0-3\"\n".to_owned();
    let first = world.start("n1");
    world.kafka = "partitions = \"4-7\"\n".to_owned();
    let second = world.start("n2");
    world.command(&commands(0, 40));
    let events = world.events_of(40);
    // Two logs, two orders; each call is in one of them.
    assert_eq!(events.outcomes().len(), 40);
    assert_eq!(called_twice(&world.carrier.ledger()), BTreeMap::new());
    let taken = |node| world.metric(node, "callfold_kafka_commands_total{became=\"taken\"}");
    assert!(taken(&first) > 0 && taken(&second) > 0);
    assert_eq!(taken(&first) + taken(&second), 40);
    first.kill();
    second.kill();
}

#[test]
fn topics_that_are_not_there_are_named_with_the_command_that_makes_them() {
    let mut world = World::new();
    world.kafka = String::new();
    let config = world.config("n1").replace(&world.topic("work"), "nowhere");
    std::fs::write(world.folder.path().join("wrong.toml"), config).unwrap();
    let mut command = std::process::Command::new(crate::world::PROGRAM);
    command.args(["run", "--config", "wrong.toml"]).current_dir(world.folder.path());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        said.contains("there is no topic nowhere: make it with `callfold kafka topics"),
        "{said}"
    );
}

#[test]
fn a_node_that_drains_takes_no_more_ends_its_calls_and_tells_them() {
    let world = World::new();
    let node = world.start("n1");
    // Talks for two seconds.
    let mut talk = place_to("talk", "+121200199911100");
    talk["max_talk_s"] = 2.into();
    world.command(&[talk]);
    let up = wait_for(|| world.carrier.ledger().iter().any(|entry| entry.acks > 0).then_some(()));
    assert!(up.is_some());
    node.signal(Signal::SIGTERM);
    let draining = wait_for(|| (node.get("/readyz").status == 503).then_some(()));
    assert!(draining.is_some());
    world.command(&[place("later", 2)]);
    assert!(node.wait().success());
    let told = Events(world.brokers.read(&world.topic("events")));
    told.check();
    assert_eq!(
        told.outcomes().into_iter().collect::<Vec<_>>(),
        [("talk".into(), "completed".into())]
    );
    let node = world.start("n1");
    assert_eq!(world.events_of(2).outcomes()["later"], "completed");
    node.kill();
}
