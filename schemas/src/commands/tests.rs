use super::*;
use crate::Numbering;
use expect_test::{Expect, expect};

fn parse(json: &str) -> Result<Command, CommandRefusal> {
    Command::parse(json.as_bytes(), &Numbering::of_region("CN").unwrap())
}

/// What a command is understood as (its canonical text), or refused as.
fn check(json: &str, wanted: Expect) {
    let seen = match parse(json) {
        Ok(command) => String::from_utf8(command.canonical()).unwrap(),
        Err(refusal) => {
            format!("{} {}: {refusal}", refusal.code(), refusal.field().unwrap_or("-"))
        }
    };
    wanted.assert_eq(&seen);
}

/// What a PlaceCall with this one more field is refused as.
fn check_field(field: &str, wanted: Expect) {
    check(
        &format!(r#"{{"type":"PlaceCall","command_id":"a","phone":"+8613800000017",{field}}}"#),
        wanted,
    );
}

#[test]
fn the_smallest_command_is_a_number_and_a_name_for_it() {
    check(
        r#"{"type": "PlaceCall", "command_id": "crm-17-0001", "phone": "+8613800000017"}"#,
        expect![[r#"{"type":"PlaceCall","phone":"+8613800000017"}"#]],
    );
}

#[test]
fn every_field_is_understood_and_unknown_ones_are_passed_over() {
    check(
        r#"{"type":"PlaceCall","command_id":"a","phone":"138 0000 0017","caller_id":"0755 2345 6789",
            "gateway":"carrier-a","campaign":"spring","script":"hello","prompt":"spring/hello.wav",
            "record":true,"ring_timeout_s":30,"max_talk_s":0.25,"max_attempts":3,"redial_after_s":60,
            "priority":"urgent","not_before":"2026-09-21T16:00:00+08:00","deadline":"2026-09-21T12:00:00Z",
            "variables":{"name":"李雷","debt":12.5,"vip":true},"colour":{"deep":[1,2]}}"#,
        expect![[
            r#"{"type":"PlaceCall","phone":"+8613800000017","caller_id":"075523456789","gateway":"carrier-a","campaign":"spring","script":"hello","prompt":"spring/hello.wav","record":true,"ring_timeout_ms":30000,"max_talk_ms":250,"max_attempts":3,"redial_after_ms":60000,"priority":"urgent","not_before":1789977600000,"deadline":1789992000000,"variables":{"debt":12.5,"name":"李雷","vip":true}}"#
        ]],
    );
}

#[test]
fn the_content_is_the_same_in_another_order_and_spelling() {
    let one = parse(
        r#"{"type":"PlaceCall","command_id":"a","phone":"+86 138-0000-0017","variables":{"b":1,"a":2},"priority":"bulk"}"#,
    );
    let other = parse(
        r#"{"variables":{"a":2,"b":1},"phone":"13800000017","gateway":null,"command_id":"a","new":1,"type":"PlaceCall"}"#,
    );
    assert_eq!(one.unwrap().canonical(), other.unwrap().canonical());
}

#[test]
fn a_call_is_ended_by_its_id_or_by_its_command() {
    check(
        r#"{"type":"HangUpCall","command_id":"h","call_id":"9eb39ff5-2506-51bf-a98b-440bd8deba94"}"#,
        expect![[r#"{"type":"HangUpCall","call_id":"9eb39ff5-2506-51bf-a98b-440bd8deba94"}"#]],
    );
    check(
        r#"{"type":"CancelCall","command_id":"h","of":"crm-17-0001"}"#,
        expect![[
            r#"{"type":"CancelCall","call_id":"9eb39ff5-2506-51bf-a98b-440bd8deba94","of":"crm-17-0001"}"#
        ]],
    );
    check(
        r#"{"type":"HangUpCall","command_id":"h"}"#,
        expect![
            "missing_field call_id: `call_id` is missing: the call's id, or `of` with the command_id of its PlaceCall"
        ],
    );
    check(
        r#"{"type":"HangUpCall","command_id":"h","call_id":"17"}"#,
        expect!["wrong_field call_id: `call_id` must be a call's id: a UUID"],
    );
}

#[test]
fn what_is_no_command_is_refused_whole() {
    check(
        "",
        expect!["not_json -: the command is no JSON: EOF while parsing a value at line 1 column 0"],
    );
    check(
        "{\"type\":",
        expect!["not_json -: the command is no JSON: EOF while parsing a value at line 1 column 8"],
    );
    check("[]", expect!["not_an_object -: the command must be one JSON object"]);
    check("{}", expect!["unknown_type type: `type` must be PlaceCall, HangUpCall or CancelCall"]);
    check(
        r#"{"type":"Dial"}"#,
        expect!["unknown_type type: `type` must be PlaceCall, HangUpCall or CancelCall"],
    );
    check(
        r#"{"type":7}"#,
        expect!["unknown_type type: `type` must be PlaceCall, HangUpCall or CancelCall"],
    );
    check(
        &" ".repeat(COMMAND_BYTES_MAX + 1),
        expect!["too_large -: the command is larger than 49152 bytes"],
    );
    check(
        &"[".repeat(10_000),
        expect![
            "not_json -: the command is no JSON: recursion limit exceeded at line 1 column 128"
        ],
    );
    assert_eq!(
        Command::parse(b"{\"type\":\"\xff\"}", &Numbering::INTERNATIONAL).unwrap_err().code(),
        "not_json"
    );
}

#[test]
fn a_missing_field_is_named_with_what_belongs_there() {
    check(
        r#"{"type":"PlaceCall","phone":"+8613800000017"}"#,
        expect![
            "missing_field command_id: `command_id` is missing: 1 to 128 printable characters that you choose"
        ],
    );
    check(
        r#"{"type":"PlaceCall","command_id":"a","phone":null}"#,
        expect![[
            r#"missing_field phone: `phone` is missing: an international number such as "+8613800000017", or what the gateway dials"#
        ]],
    );
    check(
        r#"{"type":"PlaceCall","command_id":"a\nb","phone":"1"}"#,
        expect![
            "wrong_field command_id: `command_id` must be 1 to 128 printable characters that you choose"
        ],
    );
    check(
        r#"{"type":"PlaceCall","command_id":"a","phone":8613800000017}"#,
        expect!["wrong_field phone: `phone` must be a number in quotes"],
    );
}

#[test]
fn a_number_that_must_not_be_dialled_is_refused_without_showing_it() {
    let with =
        |phone: &str| format!(r#"{{"type":"PlaceCall","command_id":"a","phone":"{phone}"}}"#);
    check(
        &with("１１０"),
        expect![
            "emergency_number phone: `phone` cannot be dialled: emergency numbers are never dialled"
        ],
    );
    check(
        &with("138\\r\\nVia: x"),
        expect!["invalid_phone phone: `phone` cannot be dialled: it holds a control character"],
    );
    check(
        &with("+86"),
        expect![
            "invalid_phone phone: `phone` cannot be dialled: an international number has a country code and 7 to 15 digits in all"
        ],
    );
}

#[test]
fn a_field_out_of_its_bounds_is_named_with_the_bounds() {
    check_field(
        r#""ring_timeout_s":"30""#,
        expect![
            "wrong_field ring_timeout_s: `ring_timeout_s` must be a number of seconds from 0.1 to 3600"
        ],
    );
    check_field(
        r#""ring_timeout_s":0"#,
        expect![
            "wrong_field ring_timeout_s: `ring_timeout_s` must be a number of seconds from 0.1 to 3600"
        ],
    );
    check_field(
        r#""max_talk_s":-1"#,
        expect!["wrong_field max_talk_s: `max_talk_s` must be a number of seconds from 0 to 86400"],
    );
    check_field(
        r#""max_talk_s":1e300"#,
        expect!["wrong_field max_talk_s: `max_talk_s` must be a number of seconds from 0 to 86400"],
    );
    check_field(
        r#""max_attempts":0"#,
        expect!["wrong_field max_attempts: `max_attempts` must be a whole number from 1 to 100"],
    );
    check_field(
        r#""max_attempts":1.5"#,
        expect!["wrong_field max_attempts: `max_attempts` must be a whole number from 1 to 100"],
    );
    check_field(
        r#""priority":"high""#,
        expect![[r#"wrong_field priority: `priority` must be "urgent" or "bulk""#]],
    );
    check_field(
        r#""deadline":"tomorrow""#,
        expect![[
            r#"wrong_field deadline: `deadline` must be a time as in RFC 3339, such as "2026-09-21T14:13:20Z""#
        ]],
    );
    check_field(
        r#""not_before":"2026-09-21T14:00:00Z","deadline":"2026-09-21T13:00:00Z""#,
        expect!["wrong_field deadline: `deadline` must be not before `not_before`"],
    );
    check_field(r#""record":"yes""#, expect!["wrong_field record: `record` must be true or false"]);
    check_field(
        r#""gateway":"a\u0000b""#,
        expect!["wrong_field gateway: `gateway` must be a name of 1 to 128 printable characters"],
    );
    check_field(
        r#""caller_id":"a\r\nb""#,
        expect![
            "wrong_field caller_id: `caller_id` must be a number to show: it holds a control character"
        ],
    );
}

#[test]
fn a_prompt_stays_below_its_folder() {
    for file in ["../secret.txt", "/etc/passwd", "a/../../b", "", "a//b", "..", "c:\\x", "a\\u0000"]
    {
        let field = format!(r#""prompt":"{}""#, file.replace('\\', "\\\\").replace("\\\\u", "\\u"));
        check_field(
            &field,
            expect![[
                r#"wrong_field prompt: `prompt` must be the name of a file below the prompts folder, such as "spring/hello.wav""#
            ]],
        );
    }
}

#[test]
fn variables_are_few_small_and_flat() {
    check_field(
        r#""variables":[1]"#,
        expect![
            "wrong_field variables: `variables` must be an object of strings, numbers and booleans"
        ],
    );
    check_field(
        r#""variables":{"city":null}"#,
        expect![
            "wrong_field variables.city: `variables.city` must be a string, a number or a boolean"
        ],
    );
    check_field(
        r#""variables":{"a":{"b":1}}"#,
        expect!["wrong_field variables.a: `variables.a` must be a string, a number or a boolean"],
    );
    let many: Vec<String> = (0..65).map(|n| format!(r#""v{n}":1"#)).collect();
    check_field(
        &format!(r#""variables":{{{}}}"#, many.join(",")),
        expect![
            "wrong_field variables: `variables` must be an object of strings, numbers and booleans, at most 64 of them"
        ],
    );
    check_field(
        &format!(r#""variables":{{"a":"{}"}}"#, "x".repeat(VARIABLES_BYTES_MAX)),
        expect![
            "wrong_field variables: `variables` must be an object of strings, numbers and booleans, at most 16384 bytes of JSON"
        ],
    );
}

#[test]
fn a_request_may_carry_the_command_id_beside_it() {
    let numbering = Numbering::INTERNATIONAL;
    let read = |body: &str, beside| {
        PlaceCall::parse(body.as_bytes(), beside, &numbering)
            .map(|call| call.command_id.to_string())
            .map_err(|refusal| refusal.to_string())
    };
    let number = r#"{"phone":"+8613800000017"}"#;
    let named = r#"{"phone":"+8613800000017","command_id":"a"}"#;
    assert_eq!(read(number, Some("a")), Ok("a".into()));
    assert_eq!(read(named, None), Ok("a".into()));
    assert_eq!(read(named, Some("a")), Ok("a".into()));
    assert_eq!(
        read(named, Some("b")).unwrap_err(),
        "`command_id` must be the same as the Idempotency-Key beside it"
    );
    assert!(read(number, None).is_err());
    assert!(read(number, Some("")).is_err());
}
