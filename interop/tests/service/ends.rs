//! How a service ends, and what the next one makes of it.

use super::{ANSWERS, BUSY, PROGRAM, RINGS, World, call};
use interop::ledger::{called_twice, wait_until_settled};
use interop::patience::wait_for;
use interop::service::{Service, config};
use nix::sys::signal::Signal;
use serde_json::json;
use std::collections::BTreeMap;

#[test]
fn asked_to_stop_it_says_so_takes_nothing_more_and_lets_live_calls_end() {
    let world = World::new();
    let service = world.start_with("calls_max = 1");
    assert_eq!(service.place(&call("talks", ANSWERS)).status, 202);
    assert_eq!(service.place(&call("waits", BUSY)).status, 202);
    let talks = service.record_when("talks", |record| record["answered_at"].is_string());
    service.signal(Signal::SIGTERM);
    let stopping = wait_for(|| (service.get("/readyz").status == 503).then_some(()));
    assert!(stopping.is_some(), "its readiness is off");
    assert_eq!(service.get("/healthz").status, 200);
    let refused = service.place(&call("late", BUSY));
    assert_eq!((refused.status, &refused.json["code"]), (503, &json!("stopping")), "{refused:?}");
    assert!(refused.head.contains("retry-after:"), "{refused:?}");
    // The call that is up goes on, can be looked at, and ends as it would have.
    assert_eq!(service.get("/v1/calls?command_id=talks").json["ended_at"], json!(null));
    let hang_up = format!("/v1/calls/{}/hangup", talks["call_id"].as_str().unwrap());
    assert_eq!(service.ask("POST", &hang_up, &[], "").status, 202, "who waits for it may end it");
    assert!(service.wait().success());
    assert!(wait_until_settled(&world.carrier).is_empty());
    assert_eq!(world.carrier.totals().invites, 1);

    // What was never dialled is dialled by the next one; what ended stays as it ended.
    let service = world.start();
    let waited = service.record_when("waits", |record| record["ended_at"].is_string());
    assert_eq!(waited["outcome"], "busy");
    let talked = service.get("/v1/calls?command_id=talks").json;
    assert_eq!((&talked["outcome"], &talked["ended_by"]), (&json!("completed"), &json!("us")));
    assert_eq!(service.get("/v1/calls?command_id=late").status, 404);
}

#[test]
fn killed_with_minus_nine_it_loses_nothing_it_has_answered_and_calls_nobody_twice() {
    let world = World::new();
    let numbers = [ANSWERS, RINGS, BUSY, "+121299921102", "+121299911100"];
    let phone =
        |n: usize| numbers[n % numbers.len()].replace("+1212", &format!("+1{:03}", 300 + n));
    let mut accepted = Vec::new();
    for life in 0..4 {
        let before = world.carrier.totals().invites;
        let service = world.start_with("calls_max = 6");
        for n in life * 10..life * 10 + 10 {
            let command = format!("c{n}");
            let reply = service.place(&call(&command, &phone(n)));
            assert_eq!(reply.status, 202, "{reply:?}");
            accepted.push((command, reply.json["call_id"].clone()));
        }
        let dials = wait_for(|| (world.carrier.totals().invites > before + 2).then_some(()));
        assert!(dials.is_some(), "it dials");
        service.kill();
    }
    let service = world.start();
    for (n, (command, id)) in accepted.iter().enumerate() {
        let again = service.place(&call(command, &phone(n)));
        assert_eq!((again.status, &again.json["call_id"]), (200, id), "{again:?}");
    }
    for (command, id) in &accepted {
        let is_over = |record: &serde_json::Value| record["ended_at"].is_string();
        if phone_rings(command) {
            let hang_up = format!("/v1/calls/{}/hangup", id.as_str().unwrap());
            assert_eq!(service.ask("POST", &hang_up, &[], "").status, 202);
        }
        service.record_when(command, is_over);
    }
    assert!(wait_until_settled(&world.carrier).is_empty());
    assert_eq!(called_twice(&world.carrier.ledger()), BTreeMap::new());
}

/// Those that would ring or talk for long.
fn phone_rings(command: &str) -> bool {
    let n: usize = command[1..].parse().unwrap();
    n % 5 < 2 || n % 5 == 4
}

#[test]
fn a_second_process_on_the_same_folder_ends_with_a_sentence() {
    let world = World::new();
    let _service = world.start();
    let text = config("north", "data", world.carrier.addr, "");
    let mut second = Service::begin(PROGRAM, world.folder.path(), &text);
    let ended = wait_for(|| second.has_ended().then_some(()));
    assert!(ended.is_some());
    let said = second.said.lock().unwrap().clone();
    assert!(said.contains("callfold:") && !said.contains("ready"), "{said}");
    assert_eq!(second.wait().code(), Some(1));
}
