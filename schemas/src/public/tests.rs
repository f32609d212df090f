use super::*;
use crate::event::samples::{CALLEE, GlassVault, command, events};
use crate::{Recorded, Revision, StreamId};
use expect_test::{expect, expect_file};
use std::collections::BTreeMap;
use std::fmt::Write;

const AT: Timestamp = Timestamp(1_790_000_000_120);

fn recorded<E>(event: E) -> Recorded<E> {
    let call = CallId::of_command(&command());
    Recorded {
        position: Position(4_711),
        stream: StreamId::call(call),
        revision: Revision(6),
        at: AT,
        event,
    }
}

fn subject() -> Subject {
    Subject { call: CallId::of_command(&command()), command_id: command(), callee: CALLEE }
}

fn told(event: &Event, include: Include) -> String {
    let reveal: Reveal<'_> = Some((&GlassVault, include));
    let json = match event {
        Event::Call(event) => {
            CallEventData::new(&recorded(event.clone()), &subject(), reveal).to_json()
        }
        event => EventLine::new(&recorded(event.clone()), 1, Some(CALLEE), reveal).to_json(),
    };
    String::from_utf8(json).unwrap()
}

// What platform teams read: a change here is a change of the contract.
#[test]
fn every_event_is_told_as_it_is_written_down() {
    let mut files = BTreeMap::<&str, String>::new();
    for event in events() {
        let kind = Event::kind_name(event.encode().kind).unwrap();
        let text = files.entry(kind).or_default();
        let (bare, full) = (told(&event, Include::NOTHING), told(&event, Include::EVERYTHING));
        writeln!(text, "{bare}").unwrap();
        if bare != full {
            writeln!(text, "{full}").unwrap();
        }
    }
    for (kind, text) in files {
        let path = format!("{}/golden/public/{kind}.v1.jsonl", env!("CARGO_MANIFEST_DIR"));
        expect_file![path].assert_eq(&text);
    }
}

// The contract: no personal data beyond what the configuration allows. Not even its ciphertext.
#[test]
fn nothing_sealed_and_nothing_of_the_wire_is_told_unless_it_is_asked_for() {
    let private = [
        "13800000017",
        "李雷",
        "Shenzhen",
        "cause=34",
        "Terminated",
        "Busy Here",
        "\"digit\"",
        "dialog",
        "twelve bytes",
        "nonce",
        "cacaca",
        "fingerprint",
        "1928301774",
        "z9hG4bK",
        "192.0.2.1:5060\"",
    ];
    for event in events().iter().filter(|event| matches!(event, Event::Call(_))) {
        let told = told(event, Include::NOTHING);
        for secret in private {
            let word = secret == "dialog" && told.contains("dialog_lost");
            assert!(!told.contains(secret) || word, "{secret} in {told}");
        }
    }
}

#[test]
fn a_person_who_was_erased_is_told_as_null() {
    let event = events().remove(0);
    let stranger = Some(CalleeKey([1; 16]));
    let line = |callee| {
        let reveal: Reveal<'_> = Some((&GlassVault, Include::EVERYTHING));
        let recorded = recorded(event.clone());
        let json = EventLine::new(&recorded, 1, callee, reveal).data_json();
        serde_json::from_slice::<Value>(&json).unwrap()
    };
    assert_eq!(line(stranger)["phone"], Value::Null);
    assert!(line(stranger).as_object().unwrap().contains_key("phone"));
    assert!(!line(None).as_object().unwrap().contains_key("phone"));
    assert_eq!(line(Some(CALLEE))["phone"], "+8613800000017");
}

#[test]
fn a_line_says_where_the_event_stands() {
    let event: Event = crate::call::CallEvent::CallHeld(crate::call::CallHeld {}).into();
    let recorded_event = recorded(event);
    let line = EventLine::new(&recorded_event, 1, None, None).to_json();
    expect![[r#"{"position":4711,"call_id":"9eb39ff5-2506-51bf-a98b-440bd8deba94","sequence":7,"type":"CallHeld","version":1,"occurred_at":"2026-09-21T14:13:20.120Z","data":{}}"#]]
        .assert_eq(std::str::from_utf8(&line).unwrap());
    let stream = StreamId::node("node-1");
    let node = Recorded { stream, ..recorded(events().pop().unwrap()) };
    let line = EventLine::new(&node, 1, None, None);
    assert_eq!((line.call_id, line.kind), (None, "NodeStopped"));
}
