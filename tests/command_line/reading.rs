//! `records`, `events`, `replay` and `verify`, over a folder of three calls.

use super::folder::{Folder, START};
use super::{callfold, said};
use expect_test::{Expect, expect};
use schemas::call::{CallEvent, CallRang};
use schemas::event::Encoded;
use schemas::{CallId, CommandId, StreamId, Timestamp};
use std::path::Path;
use store::{Expected, NewEvent};

/// What a command prints of a folder of three calls.
fn check(words: &[&str], wanted: Expect) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    Folder::of_three_calls(&data);
    let (code, out, err) = of(&data, words);
    assert_eq!((code, err.as_str()), (0, ""), "{words:?}");
    // A line may begin with blanks, which are part of it.
    let ruled: String = out.lines().map(|line| format!("|{line}\n")).collect();
    wanted.assert_eq(&ruled);
}

fn of(data: &Path, words: &[&str]) -> (i32, String, String) {
    let place = ["--data", data.to_str().unwrap()];
    said(&callfold(&[&words[..1], &place, &words[1..]].concat()))
}

#[test]
fn records_are_a_table_and_a_summary() {
    check(
        &["records"],
        expect![[r#"
            |TIME     CALL     PHONE            OUTCOME         SIP   RING    TALK GATEWAY
            |14:13:21 6cf15a24 +8613800000017   busy            486  1.0 s       – ….2.1:5060
            |14:13:31 b7cf351f +8613800000018   completed       200  1.0 s   1.0 s ….2.1:5060
            |14:13:41 95d554bc 1001             ringing           –      –       – ….2.1:5060
            |
            |OUTCOME           CALLS   SHARE     RING     TALK
            |completed             1  33.3 %    1.0 s    1.0 s
            |busy                  1  33.3 %    1.0 s        –
            |still open            1  33.3 %
            |total                 3
        "#]],
    );
}

#[test]
fn records_in_json_hold_the_opened_person() {
    check(
        &["records", "--format", "json", "--outcome", "busy"],
        expect![[r#"
            |{"call_id":"6cf15a24-5a0f-5cf1-bcfd-1c5f71417117","command_id":"crm-1","phone":"+8613800000017","outcome":"busy","sip_status":486,"q850":17,"reason":"busy","gateway":"sip:192.0.2.1:5060","caller_id":"4008001234","attempt":1,"tries":[{"gateway":"sip:192.0.2.1:5060","sip_status":486,"started_at":"2026-09-21T14:13:21.000Z","ended_at":"2026-09-21T14:13:23.000Z"}],"redial_at":null,"requested_at":"2026-09-21T14:13:20.000Z","started_at":"2026-09-21T14:13:21.000Z","ringing_at":"2026-09-21T14:13:22.000Z","answered_at":null,"ended_at":"2026-09-21T14:13:23.000Z","ring_ms":1000,"talk_ms":null,"ended_by":"callee","variables":{"name":"李雷"},"state":"ended","campaign":null,"list_line":2,"detail":null,"digits":null,"media":null,"recording":null}
        "#]],
    );
}

#[test]
fn records_are_found_by_number_outcome_and_time() {
    check(
        &["records", "--phone", "0086 138-0000-0018", "--format", "csv"],
        expect![[r#"
            |call_id,command_id,phone,outcome,sip_status,q850,reason,gateway,caller_id,attempt,tries,redial_at,requested_at,started_at,ringing_at,answered_at,ended_at,ring_ms,talk_ms,ended_by,variables,state,campaign,list_line,detail,digits,codec,packets_sent,packets_received,packets_lost,jitter_ms,first_audio_ms,recording
            |b7cf351f-fa17-52c4-90e4-10f02475a530,crm-2,'+8613800000018,completed,200,16,,sip:192.0.2.1:5060,4008001234,1,"[{""gateway"":""sip:192.0.2.1:5060"",""sip_status"":200,""started_at"":""2026-09-21T14:13:31.000Z"",""ended_at"":""2026-09-21T14:13:34.000Z""}]",,2026-09-21T14:13:30.000Z,2026-09-21T14:13:31.000Z,2026-09-21T14:13:32.000Z,2026-09-21T14:13:33.000Z,2026-09-21T14:13:34.000Z,1000,1000,callee,"{""name"":""李雷""}",ended,,2,,,,,,,,,
        "#]],
    );
    check(
        &["records", "--phone", "13800000018", "--region", "CN", "--outcome", "completed"],
        expect![[r#"
            |TIME     CALL     PHONE            OUTCOME         SIP   RING    TALK GATEWAY
            |14:13:31 b7cf351f +8613800000018   completed       200  1.0 s   1.0 s ….2.1:5060
            |
            |OUTCOME           CALLS   SHARE     RING     TALK
            |completed             1   100 %    1.0 s    1.0 s
            |total                 1
        "#]],
    );
    check(
        &["records", "--outcome", "open"],
        expect![[r#"
            |TIME     CALL     PHONE            OUTCOME         SIP   RING    TALK GATEWAY
            |14:13:41 95d554bc 1001             ringing           –      –       – ….2.1:5060
            |
            |OUTCOME           CALLS   SHARE     RING     TALK
            |still open            1   100 %
            |total                 1
        "#]],
    );
    check(
        &["records", "--as-of", "3"],
        expect![[r#"
            |TIME     CALL     PHONE            OUTCOME         SIP   RING    TALK GATEWAY
            |14:13:21 6cf15a24 +8613800000017   ringing           –      –       – ….2.1:5060
            |
            |OUTCOME           CALLS   SHARE     RING     TALK
            |still open            1   100 %
            |total                 1
        "#]],
    );
    check(
        &["records", "--as-of", "2026-09-21T14:13:22Z"],
        expect![[r#"
            |TIME     CALL     PHONE            OUTCOME         SIP   RING    TALK GATEWAY
            |14:13:21 6cf15a24 +8613800000017   ringing           –      –       – ….2.1:5060
            |
            |OUTCOME           CALLS   SHARE     RING     TALK
            |still open            1   100 %
            |total                 1
        "#]],
    );
}

#[test]
fn events_are_told_in_the_order_of_the_log() {
    check(
        &["events"],
        expect![[r#"
            | POSITION  CALL      SEQ  TIME          TYPE                DATA
            |        1  6cf15a24    1  14:13:20.000  CallRequested       phone=+8613800000017 caller_id=4008001234 record=false ring_timeout_s=30 max_talk_s=5 attempt=1 max_attempts=1 list_line=2 priority=bulk variables={"name":"李雷"}
            |        2  6cf15a24    2  14:13:21.000  DialStarted         try=1 gateway=sip:192.0.2.1:5060 caller_id=4008001234 sip_call_id=c1
            |        3  6cf15a24    3  14:13:22.000  CallRang            sip_status=180
            |        4  6cf15a24    4  14:13:23.000  CallEnded           outcome=busy sip_status=486 q850=17 reason=busy gateway=sip:192.0.2.1:5060 attempt=1 tries=[{"gateway":"sip:192.0.2.1:5060","sip_status":486,"started_at":"2026-09-21T14:13:21.000Z","ended_at":"2026-09-21T14:13:23.000Z"}] retry_class=soft_short causes_version=1 requested_at=2026-09-21T14:13:20.000Z started_at=2026-09-21T14:13:21.000Z ringing_at=2026-09-21T14:13:22.000Z ended_at=2026-09-21T14:13:23.000Z ring_ms=1000 ended_by=callee
            |        5  b7cf351f    1  14:13:30.000  CallRequested       phone=+8613800000018 caller_id=4008001234 record=false ring_timeout_s=30 max_talk_s=5 attempt=1 max_attempts=1 list_line=2 priority=bulk variables={"name":"李雷"}
            |        6  b7cf351f    2  14:13:31.000  DialStarted         try=1 gateway=sip:192.0.2.1:5060 caller_id=4008001234 sip_call_id=c1
            |        7  b7cf351f    3  14:13:32.000  CallRang            sip_status=180
            |        8  b7cf351f    4  14:13:33.000  CallAnswered        sip_status=200
            |        9  b7cf351f    5  14:13:34.000  CallHungUp          by=callee cause=bye q850=16
            |       10  b7cf351f    6  14:13:34.000  CallEnded           outcome=completed sip_status=200 q850=16 gateway=sip:192.0.2.1:5060 attempt=1 tries=[{"gateway":"sip:192.0.2.1:5060","sip_status":200,"started_at":"2026-09-21T14:13:31.000Z","ended_at":"2026-09-21T14:13:34.000Z"}] retry_class=never causes_version=1 requested_at=2026-09-21T14:13:30.000Z started_at=2026-09-21T14:13:31.000Z ringing_at=2026-09-21T14:13:32.000Z answered_at=2026-09-21T14:13:33.000Z ended_at=2026-09-21T14:13:34.000Z ring_ms=1000 talk_ms=1000 ended_by=callee
            |       11  95d554bc    1  14:13:40.000  CallRequested       phone=1001 caller_id=4008001234 record=false ring_timeout_s=30 max_talk_s=5 attempt=1 max_attempts=1 list_line=2 priority=bulk variables={"name":"李雷"}
            |       12  95d554bc    2  14:13:41.000  DialStarted         try=1 gateway=sip:192.0.2.1:5060 caller_id=4008001234 sip_call_id=c1
            |       13  95d554bc    3  14:13:42.000  CallRang            sip_status=180
        "#]],
    );
    check(
        &["events", "--call", "b7cf351f", "--format", "json"],
        expect![[r#"
            |{"position":5,"call_id":"b7cf351f-fa17-52c4-90e4-10f02475a530","sequence":1,"type":"CallRequested","version":1,"occurred_at":"2026-09-21T14:13:30.000Z","data":{"phone":"+8613800000018","caller_id":"4008001234","gateway":null,"campaign":null,"script":null,"prompt":null,"record":false,"ring_timeout_s":30,"max_talk_s":5,"attempt":1,"max_attempts":1,"first_call_id":null,"list_line":2,"priority":"bulk","not_before":null,"deadline":null,"variables":{"name":"李雷"}}}
            |{"position":6,"call_id":"b7cf351f-fa17-52c4-90e4-10f02475a530","sequence":2,"type":"DialStarted","version":1,"occurred_at":"2026-09-21T14:13:31.000Z","data":{"try":1,"gateway":"sip:192.0.2.1:5060","caller_id":"4008001234","sip_call_id":"c1"}}
            |{"position":7,"call_id":"b7cf351f-fa17-52c4-90e4-10f02475a530","sequence":3,"type":"CallRang","version":1,"occurred_at":"2026-09-21T14:13:32.000Z","data":{"sip_status":180}}
            |{"position":8,"call_id":"b7cf351f-fa17-52c4-90e4-10f02475a530","sequence":4,"type":"CallAnswered","version":1,"occurred_at":"2026-09-21T14:13:33.000Z","data":{"sip_status":200,"media_fault":null}}
            |{"position":9,"call_id":"b7cf351f-fa17-52c4-90e4-10f02475a530","sequence":5,"type":"CallHungUp","version":1,"occurred_at":"2026-09-21T14:13:34.000Z","data":{"by":"callee","cause":"bye","q850":16}}
            |{"position":10,"call_id":"b7cf351f-fa17-52c4-90e4-10f02475a530","sequence":6,"type":"CallEnded","version":1,"occurred_at":"2026-09-21T14:13:34.000Z","data":{"outcome":"completed","sip_status":200,"q850":16,"reason":null,"gateway":"sip:192.0.2.1:5060","attempt":1,"tries":[{"gateway":"sip:192.0.2.1:5060","sip_status":200,"started_at":"2026-09-21T14:13:31.000Z","ended_at":"2026-09-21T14:13:34.000Z"}],"redial_at":null,"retry_class":"never","causes_version":1,"requested_at":"2026-09-21T14:13:30.000Z","started_at":"2026-09-21T14:13:31.000Z","ringing_at":"2026-09-21T14:13:32.000Z","answered_at":"2026-09-21T14:13:33.000Z","ended_at":"2026-09-21T14:13:34.000Z","ring_ms":1000,"talk_ms":1000,"ended_by":"callee"}}
        "#]],
    );
    check(
        &["events", "--from", "11", "--format", "json"],
        expect![[r#"
            |{"position":11,"call_id":"95d554bc-83b5-5d24-9701-45bb7367c4ba","sequence":1,"type":"CallRequested","version":1,"occurred_at":"2026-09-21T14:13:40.000Z","data":{"phone":"1001","caller_id":"4008001234","gateway":null,"campaign":null,"script":null,"prompt":null,"record":false,"ring_timeout_s":30,"max_talk_s":5,"attempt":1,"max_attempts":1,"first_call_id":null,"list_line":2,"priority":"bulk","not_before":null,"deadline":null,"variables":{"name":"李雷"}}}
            |{"position":12,"call_id":"95d554bc-83b5-5d24-9701-45bb7367c4ba","sequence":2,"type":"DialStarted","version":1,"occurred_at":"2026-09-21T14:13:41.000Z","data":{"try":1,"gateway":"sip:192.0.2.1:5060","caller_id":"4008001234","sip_call_id":"c1"}}
            |{"position":13,"call_id":"95d554bc-83b5-5d24-9701-45bb7367c4ba","sequence":3,"type":"CallRang","version":1,"occurred_at":"2026-09-21T14:13:42.000Z","data":{"sip_status":180}}
        "#]],
    );
}

#[test]
fn a_call_is_lived_again() {
    check(
        &["replay", "--call", "b7cf351f"],
        expect![[r#"
            |  1     0.000 s  CallRequested      → Requested
            |                       join the queue (Bulk)
            |                       start the Deadline timer, due 2026-09-28T14:13:30.000Z
            |  2     1.000 s  DialStarted        → Dialing
            |                       send INVITE to sip:192.0.2.1:5060 (Call-ID c1)
            |                       leave the queue
            |                       stop the Deadline timer
            |                       name an address for media
            |                       start the Setup timer, due 2026-09-21T14:16:31.000Z
            |  3     2.000 s  CallRang           → Ringing
            |                       stop the Setup timer
            |                       start the Ring timer, due 2026-09-21T14:14:02.000Z
            |  4     3.000 s  CallAnswered       → Greeting
            |                       send ACK
            |                       send and hear where the SDP says
            |                       stop the Ring timer
            |                       start the MaxTalk timer, due 2026-09-21T14:13:38.000Z
            |  5     4.000 s  CallHungUp         → Closing
            |                       stop the MaxTalk timer
            |                       close media
            |                       start the Close timer, due 2026-09-21T14:14:14.000Z
            |  6     4.000 s  CallEnded          → Completed
            |                       stop the Close timer
        "#]],
    );
}

#[test]
fn a_call_that_is_not_there_is_said() {
    let folder = tempfile::tempdir().unwrap();
    Folder::of_three_calls(folder.path());
    let (code, _, err) = of(folder.path(), &["replay", "--call", "ffff"]);
    assert_eq!(code, 1);
    assert!(err.contains("no call in") && err.contains("begins with ffff"), "{err}");
}

#[test]
fn a_sound_folder_verifies() {
    check(
        &["verify"],
        expect![[r#"
            |log      13 events in 3 streams, 1 segment (0 sealed), 0.0 MB
            |calls    2 ended, 1 open
            |all is well
        "#]],
    );
}

#[test]
fn a_broken_rule_is_named_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    Folder::of_three_calls(folder.path());
    let mut writer = Folder::open(folder.path());
    let call = |command| CallId::of_command(&CommandId::new(command).unwrap());
    let rang = |at| (CallEvent::CallRang(CallRang { status: 180 }), at);
    let ended = StreamId::call(call("crm-1"));
    writer.append(
        ended,
        Expected::Exact(writer.last_revision(ended)),
        vec![rang(Timestamp(START.0 + 60_000))],
    );
    let open = StreamId::call(call("crm-3"));
    writer.append(
        open,
        Expected::Exact(writer.last_revision(open)),
        vec![rang(Timestamp(START.0))],
    );
    let stranger = StreamId::call(CallId([7; 16]));
    writer.append(stranger, Expected::NoStream, vec![rang(START)]);
    writer.close();
    let (code, out, err) = of(folder.path(), &["verify"]);
    assert_eq!((code, err.contains("is not sound")), (1, true), "{err}");
    expect![[r#"
        log      16 events in 4 streams, 1 segment (0 sealed), 0.0 MB
        calls    2 ended, 1 open
          FAULT  position 14, call 6cf15a24-5a0f-5cf1-bcfd-1c5f71417117, sequence 5: CallRang after the terminal event
          FAULT  position 15, call 95d554bc-83b5-5d24-9701-45bb7367c4ba, sequence 4: CallRang happened before what it follows
          FAULT  position 15, call 95d554bc-83b5-5d24-9701-45bb7367c4ba, sequence 4: CallRang cannot happen to a call that is Ringing
          FAULT  position 16, call 07070707-0707-0707-0707-070707070707, sequence 1: begins with CallRang, not CallRequested
        something is wrong: see above
    "#]].assert_eq(&out);
}

#[test]
fn a_reader_that_stops_reading_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    Folder::of_three_calls(folder.path());
    let program = env!("CARGO_BIN_EXE_callfold");
    let line =
        format!("{program} events --data {} --format json | head -n 1", folder.path().display());
    let output =
        std::process::Command::new("bash").args(["-o", "pipefail", "-c", &line]).output().unwrap();
    assert_eq!(said(&output).2, "");
}

#[test]
fn an_event_of_a_later_version_is_passed_over_by_views_and_refused_by_calls() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    Folder::of_three_calls(&data);
    let ringing = CallId::of_command(&CommandId::new("crm-3").unwrap()).to_string();
    let stream = StreamId::call(CallId::of_command(&CommandId::new("crm-3").unwrap()));
    let mut folder = Folder::open(&data);
    let encoded = Encoded { kind: 19, version: 1, body: vec![7] };
    let later = NewEvent { encoded, at: Timestamp(START.0 + 30_000) };
    folder.append_stored(stream, Expected::Exists, vec![later]);
    folder.close();
    let passed_over = "passed over 1 event that only a later version of Callfold understands";
    for (words, lines) in [
        (&["records", "--format", "json"][..], 3),
        (&["events"], 14),
        (&["events", "--call", &ringing], 4),
    ] {
        let (code, out, err) = of(&data, words);
        assert_eq!((code, out.lines().count()), (0, lines), "{words:?}: {out}");
        assert!(err.contains(passed_over) && err.lines().count() == 1, "{words:?}: {err}");
    }
    let (code, out, err) = of(&data, &["replay", "--call", &ringing]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("does not know: run the version that wrote it, or a later one"), "{err}");
    let (code, _, _) = of(&data, &["replay", "--call", "6cf15a24"]);
    assert_eq!(code, 0, "the other calls are followed");
}
