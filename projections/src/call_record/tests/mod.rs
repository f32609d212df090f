mod printed;

use super::*;
use expect_test::{Expect, expect};
use schemas::call::*;
use schemas::outcome::RetryClass;
use schemas::sealed::StoredKey;
use schemas::{EndedBy, Outcome, Vault};

const CALLEE: CalleeKey = CalleeKey([0xca; 16]);
const START: Timestamp = Timestamp(1_790_000_000_000);

/// Seals by writing the plain text.
struct Glass;

impl Vault for Glass {
    fn seal(&mut self, _: CalleeKey, plain: &[u8]) -> Sealed {
        Sealed { generation: 0, nonce: [0; 12], body: plain.into() }
    }

    fn open(&self, _: CalleeKey, sealed: &Sealed) -> Option<Vec<u8>> {
        Some(sealed.body.to_vec())
    }

    fn take_new_keys(&mut self) -> Vec<StoredKey> {
        Vec::new()
    }
}

fn command() -> CommandId {
    CommandId::new("dial/spring.csv/7").unwrap()
}

fn requested(phone: &str) -> CallEvent {
    CallEvent::CallRequested(Box::new(CallRequested {
        command_id: command(),
        fingerprint: [0; 8],
        callee: CALLEE,
        phone: Glass.seal(CALLEE, phone.as_bytes()),
        caller_id: None,
        variables: Some(Glass.seal(CALLEE, "{\"name\":\"=李雷\"}".as_bytes())),
        item: Some(BatchItem { batch: [1; 16], line: 17 }),
        campaign: None,
        script: None,
        gateway: None,
        prompt: None,
        record: true,
        ring_timeout_ms: 30_000,
        max_talk_ms: 5_000,
        attempt: 1,
        max_attempts: 1,
        first_call: None,
        redial_after_ms: None,
        priority: Priority::Bulk,
        not_before: None,
        deadline: None,
    }))
}

fn dial(try_no: u8, gateway: &str) -> CallEvent {
    CallEvent::DialStarted(Box::new(DialStarted {
        try_no,
        gateway: gateway.into(),
        caller_id: Some("075523456789".into()),
        local: "127.0.0.1:5060".into(),
        sip_call_id: "c".into(),
        from_tag: "t".into(),
        cseq: 1,
        branch: "b".into(),
    }))
}

fn congested() -> CallEvent {
    CallEvent::TryFailed(TryFailed {
        status: Some(503),
        q850: None,
        reason: "carrier_congestion".into(),
        detail: None,
        retry_after_s: None,
    })
}

fn answered() -> CallEvent {
    let dialog = Glass.seal(CALLEE, b"d");
    CallEvent::CallAnswered(CallAnswered { status: 200, dialog, media_fault: None })
}

fn ended(outcome: Outcome, status: Option<u16>) -> CallEnded {
    CallEnded {
        outcome,
        sip_status: status,
        q850: None,
        reason: None,
        detail: None,
        gateway: None,
        ended_by: None,
        redial_at: None,
        retry: RetryClass::Never,
        causes_version: 1,
        attempt: 1,
        requested_ms: 0,
        started_ms: None,
        ringing_ms: None,
        answered_ms: None,
        ring_ms: None,
        talk_ms: None,
        tries: Vec::new(),
    }
}

/// The events at so many milliseconds after the start.
fn history(events: Vec<(i64, CallEvent)>) -> Vec<Recorded<CallEvent>> {
    let place = |(n, (ms, event)): (usize, (i64, CallEvent))| Recorded {
        position: Position(100 + n as u64),
        stream: StreamId::call(CallId::of_command(&command())),
        revision: Revision(n as u32),
        at: Timestamp(START.0 + ms),
        event,
    };
    events.into_iter().enumerate().map(place).collect()
}

fn fold(events: &[Recorded<CallEvent>]) -> CallRecord {
    let mut record = CallRecord::begin(&events[0]).unwrap();
    events[1..].iter().for_each(|event| record.apply(event));
    record
}

fn check(events: Vec<(i64, CallEvent)>, wanted: Expect) {
    let record = fold(&history(events)).open(Some(&Glass));
    let json = serde_json::to_string_pretty(&record).unwrap();
    wanted.assert_eq(&json);
}

/// Fails over, rings, is answered, talks, and the callee hangs up.
fn a_talk() -> Vec<(i64, CallEvent)> {
    let tries = vec![
        Try {
            gateway: "carrier-a".into(),
            sip_status: Some(503),
            started_ms: 9_000,
            ended_ms: 8_900,
        },
        Try {
            gateway: "carrier-b".into(),
            sip_status: Some(200),
            started_ms: 8_890,
            ended_ms: 5_000,
        },
    ];
    let ended = CallEnded {
        reason: Some("answered".into()),
        gateway: Some("carrier-b".into()),
        ended_by: Some(EndedBy::Callee),
        requested_ms: 9_010,
        started_ms: Some(9_000),
        ringing_ms: Some(8_000),
        answered_ms: Some(5_000),
        ring_ms: Some(3_000),
        talk_ms: Some(4_990),
        tries,
        ..ended(Outcome::Completed, Some(200))
    };
    let media = MediaMeasured {
        codec: "PCMU".into(),
        sent: 250,
        received: 249,
        lost: 1,
        discarded: 0,
        jitter_us: 1_250,
        remote_lost_256ths: None,
        first_audio_ms: Some(20),
        recording: Some(Recording { file: "9eb3.wav".into(), ms: 4_990, fault: None }),
    };
    let hung_up =
        CallHungUp { by: EndedBy::Callee, cause: HangUpCause::Bye, q850: None, detail: None };
    let digit = |key: &[u8]| DigitPressed { digit: Glass.seal(CALLEE, key), ms: 100 };
    vec![
        (0, requested("+8613800000017")),
        (10, dial(1, "carrier-a")),
        (110, congested()),
        (120, dial(2, "carrier-b")),
        (500, CallEvent::CallProceeding(CallProceeding { status: 100 })),
        (1_010, CallEvent::CallRang(CallRang { status: 180 })),
        (2_010, CallEvent::EarlyMediaStarted(EarlyMediaStarted { status: 183 })),
        (4_010, answered()),
        (5_000, CallEvent::DigitPressed(digit(b"1"))),
        (5_200, CallEvent::DigitPressed(digit(b"#"))),
        (9_000, CallEvent::CallHungUp(hung_up)),
        (9_005, CallEvent::MediaMeasured(Box::new(media))),
        (9_010, CallEvent::CallEnded(Box::new(ended))),
    ]
}

#[test]
fn a_talk_has_every_field_of_the_contract_in_its_order() {
    check(
        a_talk(),
        expect![[r#"
        {
          "call_id": "da523a44-0d9b-511f-a4c1-3747118583bc",
          "command_id": "dial/spring.csv/7",
          "phone": "+8613800000017",
          "outcome": "completed",
          "sip_status": 200,
          "q850": null,
          "reason": "answered",
          "gateway": "carrier-b",
          "caller_id": "075523456789",
          "attempt": 1,
          "tries": [
            {
              "gateway": "carrier-a",
              "sip_status": 503,
              "started_at": "2026-09-21T14:13:20.010Z",
              "ended_at": "2026-09-21T14:13:20.110Z"
            },
            {
              "gateway": "carrier-b",
              "sip_status": 200,
              "started_at": "2026-09-21T14:13:20.120Z",
              "ended_at": "2026-09-21T14:13:24.010Z"
            }
          ],
          "redial_at": null,
          "requested_at": "2026-09-21T14:13:20.000Z",
          "started_at": "2026-09-21T14:13:20.010Z",
          "ringing_at": "2026-09-21T14:13:21.010Z",
          "answered_at": "2026-09-21T14:13:24.010Z",
          "ended_at": "2026-09-21T14:13:29.010Z",
          "ring_ms": 3000,
          "talk_ms": 4990,
          "ended_by": "callee",
          "variables": {
            "name": "=李雷"
          },
          "state": "ended",
          "campaign": null,
          "list_line": 17,
          "detail": null,
          "digits": "1#",
          "media": {
            "codec": "PCMU",
            "packets_sent": 250,
            "packets_received": 249,
            "packets_lost": 1,
            "packets_discarded": 0,
            "jitter_ms": 1.25,
            "first_audio_ms": 20
          },
          "recording": {
            "file": "9eb3.wav",
            "duration_ms": 4990,
            "fault": null
          }
        }"#]],
    );
}

#[test]
fn an_open_call_has_no_outcome_and_says_where_it_stands() {
    check(
        a_talk()[..6].to_vec(),
        expect![[r#"
        {
          "call_id": "da523a44-0d9b-511f-a4c1-3747118583bc",
          "command_id": "dial/spring.csv/7",
          "phone": "+8613800000017",
          "outcome": null,
          "sip_status": null,
          "q850": null,
          "reason": null,
          "gateway": "carrier-b",
          "caller_id": "075523456789",
          "attempt": 1,
          "tries": [
            {
              "gateway": "carrier-a",
              "sip_status": 503,
              "started_at": "2026-09-21T14:13:20.010Z",
              "ended_at": "2026-09-21T14:13:20.110Z"
            },
            {
              "gateway": "carrier-b",
              "sip_status": null,
              "started_at": "2026-09-21T14:13:20.120Z",
              "ended_at": null
            }
          ],
          "redial_at": null,
          "requested_at": "2026-09-21T14:13:20.000Z",
          "started_at": "2026-09-21T14:13:20.010Z",
          "ringing_at": "2026-09-21T14:13:21.010Z",
          "answered_at": null,
          "ended_at": null,
          "ring_ms": null,
          "talk_ms": null,
          "ended_by": null,
          "variables": {
            "name": "=李雷"
          },
          "state": "ringing",
          "campaign": null,
          "list_line": 17,
          "detail": null,
          "digits": null,
          "media": null,
          "recording": null
        }"#]],
    );
}

#[test]
fn a_suppressed_call_was_never_dialled() {
    let end = CallEnded { reason: Some("deadline".into()), ..ended(Outcome::Suppressed, None) };
    let events = vec![(0, requested("1001")), (5, CallEvent::CallEnded(Box::new(end)))];
    check(
        events,
        expect![[r#"
        {
          "call_id": "da523a44-0d9b-511f-a4c1-3747118583bc",
          "command_id": "dial/spring.csv/7",
          "phone": "1001",
          "outcome": "suppressed",
          "sip_status": null,
          "q850": null,
          "reason": "deadline",
          "gateway": null,
          "caller_id": null,
          "attempt": 1,
          "tries": [],
          "redial_at": null,
          "requested_at": "2026-09-21T14:13:20.000Z",
          "started_at": null,
          "ringing_at": null,
          "answered_at": null,
          "ended_at": "2026-09-21T14:13:20.005Z",
          "ring_ms": null,
          "talk_ms": null,
          "ended_by": null,
          "variables": {
            "name": "=李雷"
          },
          "state": "ended",
          "campaign": null,
          "list_line": 17,
          "detail": null,
          "digits": null,
          "media": null,
          "recording": null
        }"#]],
    );
}

#[test]
fn an_event_told_twice_is_counted_once() {
    let events = history(a_talk());
    let once = fold(&events);
    let mut twice = CallRecord::begin(&events[0]).unwrap();
    for event in &events {
        events.iter().take(3).chain([event, event]).for_each(|event| twice.apply(event));
    }
    assert_eq!(once.open(Some(&Glass)), twice.open(Some(&Glass)));
    assert_eq!(twice.position(), Position(112));
}

// `CallEnded` repeats the whole outcome: who has only it, and who has every event, read the same.
#[test]
fn the_events_and_the_terminal_event_tell_the_same_times() {
    let record = fold(&history(a_talk()));
    let end = record.ended.clone().unwrap();
    let at = record.ended_at.unwrap();
    let back = |ms: Option<u32>| ms.map(|ms| Timestamp(at.0 - i64::from(ms)));
    assert_eq!(record.started_at, back(end.started_ms));
    assert_eq!(record.ringing_at, back(end.ringing_ms));
    assert_eq!(record.answered_at, back(end.answered_ms));
    assert_eq!(Some(record.requested_at), back(Some(end.requested_ms)));
}

#[test]
fn without_the_keys_nothing_personal_is_shown() {
    let json = fold(&history(a_talk())).open(None).to_json();
    assert!(json.contains(r#""phone":null"#) && json.contains(r#""variables":null"#));
    assert!(json.contains(r#""digits":null"#));
    for secret in ["138000", "李雷", "1#"] {
        assert!(!json.contains(secret), "{secret} in {json}");
    }
}

#[test]
fn records_stand_in_the_order_of_their_requests() {
    let mut records = CallRecords::default();
    let mut position = 0;
    let mut of = |n: u8, event: CallEvent, revision| Recorded {
        position: Position({
            position += 1;
            position
        }),
        stream: StreamId::call(CallId([n; 16])),
        revision: Revision(revision),
        at: START,
        event: Event::Call(event),
    };
    for recorded in [
        of(9, requested("1"), 0),
        of(3, requested("2"), 0),
        of(9, dial(1, "a"), 1),
        of(5, dial(1, "a"), 1),
    ] {
        records.apply(&recorded);
    }
    let seen: Vec<_> = records.in_order().iter().map(|r| (r.call.0[0], r.state)).collect();
    assert_eq!(seen, [(9, State::Dialing), (3, State::Requested)]);
    assert_eq!(records.orphans(), 1);
    assert!(records.get(CallId([5; 16])).is_none());
    let end = CallEvent::CallEnded(Box::new(ended(Outcome::Failed, None)));
    assert_eq!(records.apply(&of(9, end, 2)), Some(CallId([9; 16])));
    assert!(records.take(CallId([9; 16])).is_some());
    assert_eq!(records.in_order().len(), 1);
}
