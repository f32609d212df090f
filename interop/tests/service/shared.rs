//! Two services on one common log: any of them answers for a command, one of them has the call.

use super::{ANSWERS, BUSY, PROGRAM, RINGS, World, call};
use interop::ledger::{called_twice, wait_until_settled};
use interop::service::{Service, config};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use store_postgres::cluster::Cluster;

fn start(world: &World, cluster: &Cluster, node: &str) -> Service {
    let store = format!("[store]\nurl = \"{}\"", cluster.url("callfold"));
    let secrets = "[privacy]\nkey_file = \"master.key\"\ncallee_key_file = \"callee.key\"";
    let text = config(node, node, world.carrier.addr, &format!("{store}\n{secrets}"));
    Service::start(PROGRAM, world.folder.path(), &text)
}

#[test]
fn two_services_on_postgres_take_a_command_once_and_each_looks_after_its_own_calls() {
    let world = World::new();
    let cluster = Cluster::start().expect("PostgreSQL starts");
    fs::write(world.folder.path().join("master.key"), "a".repeat(64)).unwrap();
    fs::write(world.folder.path().join("callee.key"), "c").unwrap();
    let (north, south) = (start(&world, &cluster, "north"), start(&world, &cluster, "south"));

    let first = north.place(&call("busy", BUSY));
    assert_eq!(first.status, 202, "{first:?}");
    let again = south.place(&call("busy", BUSY));
    assert_eq!((again.status, &again.json["call_id"]), (200, &first.json["call_id"]));
    assert_eq!(south.place(&call("busy", RINGS)).status, 409);
    let record = south.record_when("busy", |record| record["ended_at"].is_string());
    assert_eq!((&record["outcome"], &record["phone"]), (&json!("busy"), &json!(BUSY)));

    let rings = north.place(&call("rings", RINGS)).json["call_id"].as_str().unwrap().to_owned();
    let hang_up = format!("/v1/calls/{rings}/hangup");
    let elsewhere = south.ask("POST", &hang_up, &[], "");
    assert_eq!((elsewhere.status, &elsewhere.json["code"]), (409, &json!("elsewhere")));
    assert_eq!(north.ask("POST", &hang_up, &[], "").status, 202);
    let record = south.record_when("rings", |record| record["ended_at"].is_string());
    assert_eq!(record["outcome"], "cancelled");

    // What came to a node directly is its own: the other one leaves it alone, and it comes back.
    north.place(&call("talks", ANSWERS));
    north.record_when("talks", |record| record["answered_at"].is_string());
    north.kill();
    assert_eq!(south.place(&call("talks", ANSWERS)).status, 200);
    assert_eq!(south.get("/v1/calls?command_id=talks").json["ended_at"], json!(null));
    let north = start(&world, &cluster, "north");
    let record = south.record_when("talks", |record| record["ended_at"].is_string());
    assert_eq!(record["outcome"], "outcome_unknown");
    assert!(wait_until_settled(&world.carrier).is_empty());
    assert_eq!(called_twice(&world.carrier.ledger()), BTreeMap::new());
    drop(north);
}
