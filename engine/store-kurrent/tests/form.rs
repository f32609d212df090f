//! What of an event stands on the server: for those who look there, and for us.

use expect_test::{Expect, expect};
use kurrent_server::Servers;
use schemas::call::{CallEvent, CallRang, CallRequested, Priority};
use schemas::event::{BODY_BYTES_MAX, Encoded};
use schemas::{CallId, CalleeKey, CommandId, Revision, Sealed, StreamId, Timestamp};
use store::writer::NoKeys;
use store::{Append, Appender, Expected, NewEvent, Reader};
use store_kurrent::{KurrentStore, Options};

const STREAM: StreamId = StreamId { kind: schemas::StreamKind::Call, id: [0x5a; 16] };

fn append(encoded: Encoded) -> Append {
    let events = vec![NewEvent { encoded, at: Timestamp(1_790_000_000_120) }];
    Append { stream: STREAM, expected: Expected::NoStream, events }
}

/// Appends an event, and shows what stands on the server then.
fn check(encoded: Encoded, wanted: &Expect) {
    let servers = Servers::start(1);
    let store = KurrentStore::open(&servers.url(0), Options::default(), NoKeys).unwrap();
    store.append(vec![append(encoded.clone())]).remove(0).unwrap();
    let shown = servers.with_log(|log| {
        let name = format!("callfold.{STREAM}");
        let record = log.stream(&name).unwrap().next().unwrap();
        let mut metadata: Vec<_> = record.event.metadata.iter().collect();
        metadata.sort();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        format!(
            "{name}\n{}\n{metadata:?}\n{}\n{}\n",
            record.event.id,
            text(&record.event.data),
            text(&record.event.custom_metadata),
        )
    });
    wanted.assert_eq(&shown);
    let kept = store.read_stream(STREAM, Revision(0), 1).unwrap().remove(0);
    assert_eq!((kept.encoded, kept.at), (encoded, Timestamp(1_790_000_000_120)));
}

// Stored for ever: a change here is a new format of the log (`opening.rs`).
#[test]
fn an_event_stands_as_others_read_it_with_its_stored_form_beside() {
    check(
        CallEvent::CallRang(CallRang { status: 180 }).encode(),
        &expect![[r#"
            callfold.call-5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a
            70459f56-7657-558c-ae22-4f7d82602204
            [("content-type", "application/json"), ("type", "CallRang")]
            {"sip_status":180}
            {"kind":5,"version":1,"at":1790000000120,"body":"tA=="}
        "#]],
    );
}

#[test]
fn an_event_of_a_later_version_of_the_program_is_kept_without_being_understood() {
    check(
        Encoded { kind: 60_000, version: 9, body: vec![0, 255, 7] },
        &expect![[r#"
        callfold.call-5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a
        7a5985fa-8291-59de-8d83-6b2e8a5c9e1e
        [("content-type", "application/json"), ("type", "Type60000")]
        {}
        {"kind":60000,"version":9,"at":1790000000120,"body":"AP8H"}
    "#]],
    );
}

#[test]
fn what_is_sealed_is_told_to_nobody() {
    let servers = Servers::start(1);
    let store = KurrentStore::open(&servers.url(0), Options::default(), NoKeys).unwrap();
    let sealed = |text: &[u8]| Sealed { generation: 0, nonce: [7; 12], body: text.into() };
    let requested = CallEvent::CallRequested(Box::new(CallRequested {
        command_id: CommandId::new("crm-1").unwrap(),
        fingerprint: [1; 8],
        callee: CalleeKey([0xca; 16]),
        phone: sealed(b"sealed-phone"),
        caller_id: Some("4008001234".to_owned()),
        variables: Some(sealed(b"sealed-variables")),
        item: None,
        campaign: Some("spring".to_owned()),
        script: None,
        gateway: None,
        prompt: None,
        record: false,
        ring_timeout_ms: 30_000,
        max_talk_ms: 60_000,
        attempt: 1,
        max_attempts: 1,
        first_call: None,
        redial_after_ms: None,
        priority: Priority::Bulk,
        not_before: None,
        deadline: None,
    }));
    store.append(vec![append(requested.encode())]).remove(0).unwrap();
    servers.with_log(|log| {
        let record = log.stream(&format!("callfold.{STREAM}")).unwrap().next().unwrap();
        let data = String::from_utf8(record.event.data.clone()).unwrap();
        assert!(data.contains("4008001234") && data.contains("spring"), "{data}");
        for hidden in ["sealed", "phone", "variables", "caca", "202,202"] {
            assert!(!data.contains(hidden), "{hidden} in {data}");
        }
    });
}

// The server tells a repeat by ids alone: another event in the same place must have another.
#[test]
fn only_the_same_event_in_the_same_place_has_the_same_id() {
    let event = |kind, version, body: &[u8], at| NewEvent {
        encoded: Encoded { kind, version, body: body.to_vec() },
        at: Timestamp(at),
    };
    let other = StreamId::call(CallId([1; 16]));
    let node = StreamId { kind: schemas::StreamKind::Node, ..STREAM };
    let ids = [
        (STREAM, 0, event(2, 1, b"ab", 5)),
        (other, 0, event(2, 1, b"ab", 5)),
        (node, 0, event(2, 1, b"ab", 5)),
        (STREAM, 1, event(2, 1, b"ab", 5)),
        (STREAM, 0, event(3, 1, b"ab", 5)),
        (STREAM, 0, event(2, 2, b"ab", 5)),
        (STREAM, 0, event(2, 1, b"abc", 5)),
        (STREAM, 0, event(2, 1, b"ab", 6)),
        (STREAM, 0, event(2, 1, &[0; BODY_BYTES_MAX], 5)),
    ]
    .map(|(stream, revision, event)| {
        let id = || store_kurrent::form::id_of(stream, Revision(revision), &event);
        assert_eq!(id(), id());
        id()
    });
    for (number, id) in ids.iter().enumerate() {
        assert!(!ids[..number].contains(id), "event {number}");
    }
}
