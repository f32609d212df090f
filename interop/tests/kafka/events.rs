//! Events out: where they lie, and who reads them.

use crate::world::{PARTITIONS, World, place, place_to};
use interop::kafka::{example, partitions_in_java};
use serde_json::Value;

#[test]
fn keys_lead_to_the_partition_that_java_chooses() {
    let world = World::new();
    let node = world.start("n1");
    let commands: Vec<Value> = (0..40).map(|n| place(&format!("c{n}"), n)).collect();
    world.command(&commands);
    let events = world.events_of(40);
    let mut ours: Vec<(String, i64)> =
        events.0.iter().map(|event| (event.key.clone().unwrap(), event.partition)).collect();
    ours.sort();
    ours.dedup();
    assert_eq!(ours.len(), 40);
    let keys: Vec<String> = ours.iter().map(|(key, _)| key.clone()).collect();
    let java = partitions_in_java(PARTITIONS, &keys);
    assert_eq!(ours.iter().map(|(_, partition)| *partition as i32).collect::<Vec<_>>(), java);
    // The topic of work is keyed alike, so that a consumer can join the two.
    for message in world.brokers.read(&world.topic("work")) {
        let key = message.key.unwrap();
        assert!(ours.contains(&(key, message.partition)));
    }
    node.kill();
}

#[test]
fn the_topic_is_the_log_event_for_event() {
    let world = World::new();
    let node = world.start("n1");
    let phones = ["+121200199911100", "+121200299948605", "+121200399921120", "+121200499940400"];
    let commands: Vec<Value> =
        phones.iter().enumerate().map(|(n, phone)| place_to(&format!("c{n}"), phone)).collect();
    world.command(&commands);
    let events = world.events_of(phones.len());
    events.check();
    for (call, told) in events.by_call() {
        let log = node.get(&format!("/v1/calls/{call}/events")).json;
        let log: Vec<&Value> = log.as_array().expect("events").iter().collect();
        assert_eq!(told.len(), log.len(), "{call}");
        for (told, logged) in told.iter().zip(log) {
            assert_eq!(told["type"], logged["type"]);
            assert_eq!(told["sequence"], logged["sequence"]);
            assert_eq!(told["occurred_at"], logged["occurred_at"]);
        }
    }
    let (count, types) = world.brokers.validate(&world.topic("events"));
    assert_eq!(count as usize, events.0.len());
    assert!(types >= 6, "only {types} types were seen");
    node.kill();
}

#[test]
fn the_consumer_of_the_examples_sees_each_end_once() {
    let world = World::new();
    let node = world.start("n1");
    let commands: Vec<Value> = (0..10).map(|n| place(&format!("c{n}"), n)).collect();
    world.command(&commands);
    world.events_of(10);
    let printed = example(&world.brokers, &world.topic("events"), 5000);
    let mut lines: Vec<_> = printed.lines().filter(|line| line.contains("completed")).collect();
    lines.sort_unstable();
    assert_eq!(lines.len(), 10, "{printed}");
    // It goes on where it was.
    world.command(&[place("one-more", 11)]);
    world.events_of(11);
    let printed = example(&world.brokers, &world.topic("events"), 5000);
    assert_eq!(printed.lines().count(), 1, "{printed}");
    assert!(printed.starts_with("one-more completed"), "{printed}");
    node.kill();
}
