//! Commands in: dialled whatever key they came with, once; or kept as a dead letter.

use crate::world::{World, place, place_to};
use interop::kafka::Message;
use interop::patience::wait_for;
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[test]
fn a_command_is_dialled_whatever_key_partition_and_headers_its_producer_gave_it() {
    let world = World::new();
    let node = world.start("n1");
    let value = |id: &str| place(id, 7).to_string();
    let bare = json!({"phone": "+121200799911100"}).to_string();
    world.brokers.produce(
        &world.topic("commands"),
        &[
            json!({"value": value("no-key")}),
            json!({"value": value("some-key"), "key": "anything"}),
            json!({"value": value("by-hand"), "key": "else", "partition": 5}),
            json!({"value": bare, "headers": [["ce_type", "callfold.PlaceCall.v1"], ["ce_id", "headers"]]}),
        ],
    );
    let events = world.events_of(4);
    events.check();
    let partitions: BTreeSet<_> = events.0.iter().map(|event| event.partition).collect();
    assert_eq!(partitions.len(), 1, "one callee's events are in one partition");
    let key = events.0[0].key.clone().unwrap();
    let wanted = world.prints_key("n1", "+121200799911100");
    assert_eq!(key, wanted, "the key is the opaque callee key");
    assert!(events.outcomes().values().all(|outcome| outcome == "completed"));
    assert!(!events.0.iter().any(|event| event.value.contains("2007999")), "no phone number");
    node.kill();
}

#[test]
fn what_cannot_be_taken_is_a_dead_letter_with_its_bytes_and_is_driven_again() {
    let world = World::new();
    let node = world.start("n1");
    let refused = json!({"type": "PlaceCall", "command_id": "g", "phone": "+12120019991100", "gateway": "later"});
    let written = world.brokers.produce(
        &world.topic("commands"),
        &[
            json!({"value": "{nope", "key": "k1", "headers": [["x", "y"]]}),
            json!({"value": r#"{"type":"PlaceCall","command_id":"p","phone":"+86"}"#}),
            json!({"value": refused.to_string(), "key": "k3"}),
            json!({"value": place_to("sos", "911").to_string()}),
        ],
    );
    let dead = world.dead(4);
    let of = |reason: &str| -> &Message {
        let found = dead.iter().find(|letter| letter.headers["callfold_reason"] == reason);
        found.unwrap_or_else(|| panic!("no {reason}: {dead:?}"))
    };
    let letter = of("not_json");
    assert_eq!((letter.value.as_str(), letter.key.as_deref()), ("{nope", Some("k1")));
    assert_eq!(letter.headers["x"], "y");
    let place = ["callfold_topic", "callfold_partition", "callfold_offset"];
    let place = place.map(|name| letter.headers[name].clone());
    let (partition, offset) = written[0];
    assert_eq!(place, [world.topic("commands"), partition.to_string(), offset.to_string()]);
    // Refused behind the hop: its place and key are still those that its producer gave it.
    let letter = of("refused");
    assert_eq!(letter.key.as_deref(), Some("k3"));
    assert_eq!(letter.headers["callfold_topic"], world.topic("commands"));
    assert!(letter.headers["callfold_detail"].contains("later"));
    node.kill();

    let list = world.prints(&["kafka", "dead", "list"], &["--json"]);
    assert_eq!(list.lines().filter(|line| line.contains("\"redriven\":false")).count(), 4);
    // The gateway is there now.
    let config = world.config("n1").replace("name = \"carrier\"", "name = \"later\"");
    let node =
        interop::service::Service::start(crate::world::PROGRAM, world.folder.path(), &config);
    let said = world.prints(&["kafka", "dead", "redrive"], &["--reason", "refused"]);
    assert!(said.contains("1 dead letter sent again"), "{said}");
    let events = world.events_of(1);
    assert_eq!(events.outcomes().into_keys().collect::<Vec<_>>(), ["g"]);
    // All of them: three cannot be taken now either, and one is a repeat.
    let said = world.prints(&["kafka", "dead", "redrive"], &[]);
    assert!(said.contains("4 dead letters sent again"), "{said}");
    world.dead(7);
    let list = world.prints(&["kafka", "dead", "list"], &["--json", "--all"]);
    assert_eq!(list.lines().filter(|line| line.contains("\"redriven\":true")).count(), 4);
    node.kill();
}

#[test]
fn a_repeat_changes_nothing_and_other_content_under_the_same_id_is_a_conflict() {
    let world = World::new();
    let node = world.start("n1");
    world.command(&[place("a", 1), place("a", 1), place("b", 2)]);
    world.events_of(2);
    world.command(&[place("a", 1), place("a", 3), place("c", 4)]);
    let events = world.events_of(3);
    events.check();
    assert_eq!(events.by_call().len(), 3);
    let dead = world.dead(1);
    assert_eq!(dead[0].headers["callfold_reason"], "conflict");
    assert_eq!(dead[0].json()["phone"], place("a", 3)["phone"]);
    assert_eq!(world.carrier.totals().invites, 3);
    let repeated = wait_for(|| {
        let count = world.metric(&node, "callfold_kafka_commands_total{became=\"repeated\"}");
        (count == 2).then_some(())
    });
    assert!(repeated.is_some());
    node.kill();
}

#[test]
fn a_command_that_comes_too_late_ends_suppressed_and_is_not_dialled() {
    let world = World::new();
    let mut late = place("late", 1);
    late["deadline"] = "2020-01-01T00:00:00Z".into();
    // It waits on the broker while no node is there.
    world.command(&[late]);
    let node = world.start("n1");
    let events = world.events_of(1);
    events.check();
    assert_eq!(events.outcomes()["late"], "suppressed");
    assert_eq!(world.carrier.totals().invites, 0);
    node.kill();
}

#[test]
fn a_call_is_ended_through_the_topic_by_its_command_or_by_its_id() {
    let world = World::new();
    let node = world.start("n1");
    // They ring for ever.
    let phones = ["+121200199918000", "+121200299918000"];
    world.command(&[place_to("x", phones[0]), place_to("y", phones[1])]);
    let rings = wait_for(|| {
        let both = world.carrier.ledger().iter().filter(|entry| entry.ringing_ms > 0).count() == 2;
        both.then_some(())
    });
    assert!(rings.is_some());
    let of_y = node.get("/v1/calls?command_id=y").json["call_id"].clone();
    world.command(&[
        json!({"type": "CancelCall", "command_id": "end-x", "of": "x"}),
        json!({"type": "HangUpCall", "command_id": "end-y", "call_id": of_y}),
    ]);
    let events = world.events_of(2);
    events.check();
    assert!(events.outcomes().values().all(|outcome| outcome == "cancelled"), "{events:?}");
    // What has ended is not ended again, and is no dead letter.
    world.command(&[json!({"type": "CancelCall", "command_id": "again", "of": "x"})]);
    let counted = wait_for(|| {
        let count = world.metric(&node, "callfold_kafka_commands_total{became=\"too_late\"}");
        (count == 1).then_some(())
    });
    assert!(counted.is_some());
    world.dead(0);
    node.kill();
}

#[test]
fn a_cancel_that_overtakes_its_call_is_remembered_over_a_crash_and_nobody_is_dialled() {
    let world = World::new();
    let node = world.start("n1");
    world.command(&[json!({"type": "CancelCall", "command_id": "first", "of": "later"})]);
    let noted = wait_for(|| {
        let records = world.brokers.read(&world.topic("relay"));
        records
            .iter()
            .any(|record| record.key.as_deref().is_some_and(|key| key.starts_with("ending/")))
            .then_some(())
    });
    assert!(noted.is_some());
    node.kill();
    let node = world.start("n1");
    world.command(&[place("later", 1)]);
    let events = world.events_of(1);
    events.check();
    assert_eq!(events.types_of("later"), ["CallRequested", "CallEnded"]);
    assert_eq!(events.outcomes()["later"], "cancelled");
    assert_eq!(world.carrier.totals().invites, 0);
    node.kill();
}

#[test]
fn a_full_engine_pauses_partitions_and_every_command_has_its_turn() {
    const COMMANDS: usize = 60;
    let mut world = World::new();
    world.node = "calls_max = 2\nwaiting_max = 3".to_owned();
    let commands: Vec<Value> = (0..COMMANDS).map(|n| place(&format!("c{n}"), n)).collect();
    world.command(&commands);
    let node = world.start("n1");
    let events = world.events_of(COMMANDS);
    events.check();
    assert_eq!(events.outcomes().len(), COMMANDS);
    assert!(world.metric(&node, "callfold_kafka_pauses_total") > 0);
    assert!(world.carrier.totals().calls_max <= 2);
    world.dead(0);
    node.kill();
}

#[test]
fn commands_that_are_keyed_by_their_callee_need_no_hop() {
    let mut world = World::new();
    world.kafka = "keyed = true\n".to_owned();
    let node = world.start("n1");
    let key = world.prints_key("n1", "+121200199911100");
    let value = place("k", 1).to_string();
    world.brokers.produce(&world.topic("commands"), &[json!({"value": value, "key": key})]);
    world.events_of(1).check();
    assert!(world.brokers.read(&world.topic("work")).is_empty());
    node.kill();
}
