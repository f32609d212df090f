//! One request after the other: what is answered to whom.

use super::{ANSWERS, BUSY, RINGS, World, call};
use interop::patience::wait_for;
use interop::service::Service;
use serde_json::json;

#[test]
fn a_command_is_placed_once_and_its_record_and_events_are_read_by_id() {
    let world = World::new();
    let service = world.start();
    let body = r#"{"phone": "+12129994860 0", "variables": {"debt": 17}}"#;
    let key = [("Idempotency-Key", "crm-1")];
    let first = service.ask("POST", "/v1/calls", &key, body);
    assert_eq!((first.status, &first.json["command_id"]), (202, &json!("crm-1")), "{first:?}");
    let id = first.json["call_id"].as_str().expect("an id").to_owned();
    assert!(first.json["state"].is_string(), "{first:?}");

    let record = service.record_when("crm-1", |record| record["ended_at"].is_string());
    assert_eq!((&record["outcome"], &record["phone"]), (&json!("busy"), &json!(BUSY)));
    assert_eq!(record["variables"], json!({"debt": 17}));
    assert_eq!(service.get(&format!("/v1/calls/{id}")).json, record);
    let events = service.get(&format!("/v1/calls/{id}/events")).json;
    let events = events.as_array().expect("a list");
    let types: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["CallRequested", "DialStarted", "CallEnded"]);
    assert_eq!(events[2]["sequence"], 3);

    let again = service.ask("POST", "/v1/calls", &key, body);
    assert_eq!((again.status, &again.json["call_id"]), (200, &json!(id)));
    let other = service.place(&call("crm-1", ANSWERS));
    assert_eq!((other.status, &other.json["code"]), (409, &json!("conflict")), "{other:?}");
    assert_eq!(world.carrier.totals().invites, 1);
}

#[test]
fn a_call_is_hung_up_and_one_that_was_answered_is_not_cancelled() {
    let world = World::new();
    let service = world.start();
    let places = |command: &str, phone: &str| {
        let reply = service.place(&call(command, phone));
        assert_eq!(reply.status, 202, "{reply:?}");
        reply.json["call_id"].as_str().unwrap().to_owned()
    };
    let end = |how: &str, id: &str| service.ask("POST", &format!("/v1/calls/{id}/{how}"), &[], "");
    let talks = places("talks", ANSWERS);
    let rings = places("rings", RINGS);
    service.record_when("talks", |record| record["answered_at"].is_string());
    service.record_when("rings", |record| record["ringing_at"].is_string());
    assert_eq!(end("cancel", &talks).status, 202);
    assert_eq!(end("cancel", &rings).status, 202);
    let record = service.record_when("rings", |record| record["ended_at"].is_string());
    assert_eq!(record["outcome"], "cancelled");
    assert_eq!(service.get(&format!("/v1/calls/{talks}")).json["ended_at"], json!(null));
    assert_eq!(end("hangup", &talks).status, 202);
    let record = service.record_when("talks", |record| record["ended_at"].is_string());
    assert_eq!((&record["outcome"], &record["ended_by"]), (&json!("completed"), &json!("us")));
    // What has ended stays ended.
    let again = end("hangup", &talks);
    assert_eq!((again.status, &again.json["state"]), (202, &json!("ended")));
}

/// A request, and the status and code of its refusal.
type Refused<'a> = (&'a str, &'a str, &'a str, u16, &'a str);

#[test]
fn what_cannot_be_is_refused_as_a_problem_that_names_it() {
    let world = World::new();
    let service = world.start();
    let large = format!(r#"{{"command_id":"a","phone":"+1","x":"{}"}}"#, "x".repeat(60_000));
    let nobody = "/v1/calls/00000000-0000-0000-0000-000000000000";
    let to_nobody = format!("{nobody}/hangup");
    let events_of_nobody = format!("{nobody}/events");
    let cases: &[Refused<'_>] = &[
        ("POST", "/v1/calls", "", 422, "not_json"),
        ("POST", "/v1/calls", "[]", 422, "not_an_object"),
        ("POST", "/v1/calls", r#"{"phone":"+13125550001"}"#, 422, "missing_field"),
        ("POST", "/v1/calls", r#"{"command_id":"a"}"#, 422, "missing_field"),
        ("POST", "/v1/calls", r#"{"command_id":"a","phone":"112"}"#, 422, "emergency_number"),
        (
            "POST",
            "/v1/calls",
            r#"{"command_id":"a","phone":"+13125550001","gateway":"nobody"}"#,
            422,
            "wrong_field",
        ),
        (
            "POST",
            "/v1/calls",
            r#"{"command_id":"a","phone":"+13125550001","prompt":"no.wav"}"#,
            422,
            "wrong_field",
        ),
        ("POST", "/v1/calls", &large, 413, "too_large"),
        ("GET", "/v1/calls", "", 422, "missing_field"),
        ("GET", "/v1/calls?command_id=nobody", "", 404, "no_such_call"),
        ("GET", nobody, "", 404, "no_such_call"),
        ("GET", &events_of_nobody, "", 404, "no_such_call"),
        ("POST", &to_nobody, "", 404, "no_such_call"),
    ];
    for (method, path, body, status, code) in cases {
        let reply = service.ask(method, path, &[], body);
        assert_eq!(
            (reply.status, reply.json["code"].as_str()),
            (*status, Some(*code)),
            "{reply:?}"
        );
        assert!(reply.head.contains("content-type: application/problem+json"), "{reply:?}");
        assert_eq!(reply.json["status"], *status);
    }
    for (method, path, status) in
        [("GET", "/v1/nothing", 404), ("DELETE", "/v1/calls", 405), ("GET", "/v1/calls/17", 404)]
    {
        assert_eq!(service.ask(method, path, &[], "").status, status, "{method} {path}");
    }
    let stranger = [("Origin", "https://elsewhere.example")];
    let body = call("a", BUSY);
    assert_eq!(service.ask("POST", "/v1/calls", &stranger, &body).status, 403);
    assert_eq!(world.carrier.totals().invites, 0);
}

#[test]
fn beyond_the_room_there_is_a_429_that_says_when_to_come_again() {
    let world = World::new();
    let service = world.start_with("calls_max = 1\nwaiting_max = 1");
    for command in ["one", "two"] {
        assert_eq!(service.place(&call(command, RINGS)).status, 202);
    }
    let full = service.place(&call("three", RINGS));
    assert_eq!((full.status, &full.json["code"]), (429, &json!("full")), "{full:?}");
    assert!(full.head.contains("retry-after: 1"), "{full:?}");
    assert_eq!(service.get("/readyz").status, 503);
    let id = service.record_when("one", |_| true)["call_id"].as_str().unwrap().to_owned();
    assert_eq!(service.ask("POST", &format!("/v1/calls/{id}/hangup"), &[], "").status, 202);
    service.record_when("one", |record| record["ended_at"].is_string());
    let room = wait_for(|| (service.get("/readyz").status == 200).then_some(()));
    assert!(room.is_some(), "there is room again");
    assert_eq!(service.place(&call("three", RINGS)).status, 202);
}

#[test]
fn what_is_counted_is_on_one_page_that_names_nobody() {
    let world = World::new();
    let service = world.start();
    assert_eq!((service.get("/healthz").status, service.get("/readyz").status), (200, 200));
    for _ in 0..2 {
        service.place(&call("busy", BUSY));
    }
    service.place("{}");
    service.record_when("busy", |record| record["ended_at"].is_string());
    let page = service.get("/metrics").text;
    for row in [
        "callfold_ready 1",
        "callfold_calls_live 0",
        "callfold_calls_ended_total{outcome=\"busy\"} 1",
        "callfold_commands_total{answer=\"accepted\"} 1",
        "callfold_commands_total{answer=\"repeated\"} 1",
        "callfold_commands_waiting 0",
        "callfold_http_requests_total{status=\"4xx\"} 1",
    ] {
        assert!(page.lines().any(|line| line == row), "{row} in\n{page}");
    }
    assert!(!page.contains(&BUSY[3..]) && !well_known(&service).contains(&BUSY[3..]));
}

/// What it has said to its log.
fn well_known(service: &Service) -> String {
    service.said.lock().unwrap().clone()
}
