//! Writing messages: whatever text comes from outside, the message that leaves has the headers that
//! were put into it, with the values that were put into them, or it does not leave.

mod chance;

use chance::Chance;
use expect_test::{Expect, expect};
use sip::message::{
    BuildError, Builder, Message, Method, Name, NameAddr, SipUri, ack, cancel, parse, respond,
    sip_uri, unescape, unquote,
};
use sip::port::{Reason, Transport};

/// A sound INVITE, from here to there, with `more` between its headers.
fn invite(more: &str) -> String {
    format!(
        "INVITE sip:+861@192.0.2.9;x=y SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa;rport\r\n\
         Route: <sip:p1;lr>,<sip:p2;lr>\r\nRoute: <sip:p3;lr>\r\nMax-Forwards: 70\r\n{more}\
         From: \"A\" <sip:a@h>;tag=1\r\nTo: <sip:+861@192.0.2.9>\r\nCall-ID: call\r\nCSeq: 7 INVITE\r\n\
         Contact: <sip:me@192.0.2.1>\r\nContent-Length: 0\r\n\r\n"
    )
}

/// What `write` writes: lines without their ends, or why nothing was written.
fn check(write: impl FnOnce(&mut Vec<u8>) -> Result<(), BuildError>, expected: Expect) {
    let mut out = b"what was here before".to_vec();
    let result = write(&mut out);
    let text = match result {
        Ok(()) => String::from_utf8(out).expect("text").replace("\r\n", "\n"),
        Err(error) => {
            assert!(out.is_empty(), "nothing is left of what must not leave");
            error.to_string()
        }
    };
    expected.assert_eq(&text);
}

#[test]
fn a_request_has_what_was_put_into_it() {
    let write = |out: &mut Vec<u8>| {
        let mut request = Builder::request(out, Method::Invite, "sip:+861@192.0.2.9");
        request.via(Transport::Tcp, "[2001:db8::1]:5060", "z9hG4bKa").header(Name::MaxForwards, 70);
        request.address(
            Name::From,
            Some("A \"B\" \\ 中"),
            "sip:a@h",
            &[("tag", "1"), ("lr", ""), ("x", "y z")],
        );
        request.cseq(7, Method::Invite).header_named("X-Mine", "1");
        request.reason(&Reason {
            q850: Some(16),
            sip: Some(200),
            text: Some("so \"it\" is".into()),
        });
        request.reason(&Reason::default()).reason(&Reason { q850: Some(1), ..Reason::default() });
        request.finish_with("text/plain", b"hi")
    };
    check(
        write,
        expect![[r#"
        INVITE sip:+861@192.0.2.9 SIP/2.0
        Via: SIP/2.0/TCP [2001:db8::1]:5060;branch=z9hG4bKa;rport
        Max-Forwards: 70
        From: "A \"B\" \\ 中" <sip:a@h>;tag=1;lr;x="y z"
        CSeq: 7 INVITE
        X-Mine: 1
        Reason: SIP;cause=200;text="so \"it\" is", Q.850;cause=16
        Reason: Q.850;cause=1
        Content-Type: text/plain
        Content-Length: 2

        hi"#]],
    );
}

#[test]
fn a_response_repeats_its_request_and_says_where_it_came_from() {
    let source = "198.51.100.7:6000".parse().expect("an address");
    let request = invite(
        "Via: SIP/2.0/UDP p;branch=z9hG4bKb, SIP/2.0/UDP q\r\nRecord-Route: <sip:p;lr>\r\nTimestamp: 5\r\n",
    );
    let request = parse(request.as_bytes()).expect("sound");
    let respond = |status, phrase, tag| {
        let request = &request;
        move |out: &mut Vec<u8>| respond(out, request, status, phrase, tag, source).finish()
    };
    check(
        respond(100, "Trying", None),
        expect![[r#"
        SIP/2.0 100 Trying
        Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa;received=198.51.100.7;rport=6000
        Via: SIP/2.0/UDP p;branch=z9hG4bKb, SIP/2.0/UDP q
        From: "A" <sip:a@h>;tag=1
        To: <sip:+861@192.0.2.9>
        Call-ID: call
        CSeq: 7 INVITE
        Timestamp: 5
        Content-Length: 0

    "#]],
    );
    check(
        respond(200, "OK", Some("mine")),
        expect![[r#"
        SIP/2.0 200 OK
        Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa;received=198.51.100.7;rport=6000
        Via: SIP/2.0/UDP p;branch=z9hG4bKb, SIP/2.0/UDP q
        From: "A" <sip:a@h>;tag=1
        To: <sip:+861@192.0.2.9>;tag=mine
        Call-ID: call
        CSeq: 7 INVITE
        Record-Route: <sip:p;lr>
        Content-Length: 0

    "#]],
    );
    check(
        respond(486, "Busy Here", Some("mine")),
        expect![[r#"
        SIP/2.0 486 Busy Here
        Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa;received=198.51.100.7;rport=6000
        Via: SIP/2.0/UDP p;branch=z9hG4bKb, SIP/2.0/UDP q
        From: "A" <sip:a@h>;tag=1
        To: <sip:+861@192.0.2.9>;tag=mine
        Call-ID: call
        CSeq: 7 INVITE
        Content-Length: 0

    "#]],
    );
}

#[test]
fn a_response_goes_to_the_address_seen_whatever_the_via_claims() {
    let top = |via: &str, source: &str| {
        let bytes = invite("").replace("192.0.2.1:5060;branch=z9hG4bKa;rport", via);
        let request = parse(bytes.as_bytes()).expect("sound");
        let mut out = Vec::new();
        respond(&mut out, &request, 200, "OK", None, source.parse().expect("an address"))
            .finish()
            .expect("sound");
        parse(&out).expect("sound").top_via().raw.trim_start_matches("SIP/2.0/UDP ").to_owned()
    };
    assert_eq!(top("192.0.2.1;branch=b", "192.0.2.1:5060"), "192.0.2.1;branch=b");
    assert_eq!(
        top("192.0.2.1;branch=b", "192.0.2.2:5060"),
        "192.0.2.1;branch=b;received=192.0.2.2"
    );
    assert_eq!(
        top("host;branch=b;received=10.0.0.1", "192.0.2.2:5060"),
        "host;branch=b;received=192.0.2.2"
    );
    assert_eq!(
        top("192.0.2.1;rport=9;branch=b;x=\"a;b\"", "[::1]:7"),
        "192.0.2.1;branch=b;x=\"a;b\";received=::1;rport=7"
    );
}

#[test]
fn a_to_that_has_a_tag_keeps_it() {
    let bytes = invite("")
        .replace("To: <sip:+861@192.0.2.9>", "To: <sip:+861@192.0.2.9;tag=uri>;Tag=theirs");
    let request = parse(bytes.as_bytes()).expect("sound");
    let mut out = Vec::new();
    let source = "192.0.2.1:5060".parse().expect("an address");
    respond(&mut out, &request, 200, "OK", Some("mine"), source).finish().expect("sound");
    assert_eq!(
        parse(&out).expect("sound").header(Name::To),
        Some("<sip:+861@192.0.2.9;tag=uri>;Tag=theirs")
    );
}

#[test]
fn ack_and_cancel_are_made_of_their_invite() {
    let bytes = invite("Authorization: Digest x\r\nSupported: timer\r\n");
    let invite = parse(bytes.as_bytes()).expect("sound");
    check(
        |out| ack(out, &invite, "<sip:+861@192.0.2.9>;tag=9"),
        expect![[r#"
        ACK sip:+861@192.0.2.9;x=y SIP/2.0
        Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa;rport
        Route: <sip:p1;lr>,<sip:p2;lr>
        Route: <sip:p3;lr>
        Max-Forwards: 70
        From: "A" <sip:a@h>;tag=1
        To: <sip:+861@192.0.2.9>;tag=9
        Call-ID: call
        CSeq: 7 ACK
        Content-Length: 0

    "#]],
    );
    let reason =
        Reason { q850: None, sip: Some(200), text: Some("Call completed elsewhere".into()) };
    check(
        |out| cancel(out, &invite, Some(&reason)),
        expect![[r#"
        CANCEL sip:+861@192.0.2.9;x=y SIP/2.0
        Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa;rport
        Route: <sip:p1;lr>,<sip:p2;lr>
        Route: <sip:p3;lr>
        Max-Forwards: 70
        From: "A" <sip:a@h>;tag=1
        To: <sip:+861@192.0.2.9>
        Call-ID: call
        CSeq: 7 CANCEL
        Reason: SIP;cause=200;text="Call completed elsewhere"
        Content-Length: 0

    "#]],
    );
}

#[test]
fn what_does_not_fit_its_place_keeps_the_message_from_leaving() {
    for uri in ["", "sip", "sip:a b", "sip:a\r\nX: y", "<sip:a>", "sip:a\"", "sip:é"] {
        check(
            |out| Builder::request(out, Method::Bye, uri).finish(),
            expect!["the Request-URI has a character that may not stand there"],
        );
    }
    type Put = for<'a, 'b> fn(&'a mut Builder<'b>) -> &'a mut Builder<'b>;
    const UNFIT: &str = "has a character that may not stand there";
    let table: [(Put, &str); 10] = [
        (|b| b.header(Name::Server, "a\nb"), "a control character in a header"),
        (|b| b.header(Name::Server, "a\0"), "a control character in a header"),
        (|b| b.header(Name::Server, "x".repeat(20_000)), "a header is too long"),
        (|b| b.header_named("a b", 1), &format!("a header name {UNFIT}")),
        (|b| b.header_named("a:", 1), &format!("a header name {UNFIT}")),
        (|b| b.header(Name::Other, 1), &format!("a header name {UNFIT}")),
        (|b| b.cseq(1 << 31, Method::Bye), &format!("the CSeq {UNFIT}")),
        (|b| b.via(Transport::Udp, "a;b", "c"), &format!("our address {UNFIT}")),
        (|b| b.via(Transport::Udp, "a", ""), &format!("the branch {UNFIT}")),
        (
            |b| b.address(Name::To, Some("\r\n"), "sip:a", &[]),
            "a control character in a display name",
        ),
    ];
    for (put, expected) in table {
        let mut out = Vec::new();
        let mut request = Builder::request(&mut out, Method::Bye, "sip:a");
        put(&mut request);
        assert_eq!(request.finish().map_err(|e| e.to_string()), Err(expected.to_owned()));
    }
    let response = |status, phrase, body: &[u8]| {
        let mut out = Vec::new();
        let result = Builder::response(&mut out, status, phrase).finish_with("a/b", body);
        assert!(out.is_empty(), "nothing is left of what must not leave");
        result
    };
    assert_eq!(response(200, "O\rK", b""), Err(BuildError::Control("the reason phrase")));
    assert_eq!(response(99, "OK", b""), Err(BuildError::Unfit("the status")));
    assert_eq!(response(200, "OK", &[0; 65_536]), Err(BuildError::TooLong("the message")));
}

#[test]
fn a_user_part_is_escaped_and_a_control_in_it_is_refused() {
    let uri = |user| sip_uri(Some(user), "h", Some(5060), ";transport=tcp");
    for (user, expected) in [
        ("+86 138", "sip:+86%20138@h:5060;transport=tcp"),
        ("*99#", "sip:*99%23@h:5060;transport=tcp"),
        ("a;b?c,d@e:f", "sip:a%3Bb%3Fc%2Cd%40e%3Af@h:5060;transport=tcp"),
        ("é%", "sip:%C3%A9%25@h:5060;transport=tcp"),
        ("<\">", "sip:%3C%22%3E@h:5060;transport=tcp"),
    ] {
        assert_eq!(uri(user).as_deref(), Ok(expected));
        assert_eq!(SipUri::parse(expected).expect("ours").user_text().as_deref(), Some(user));
    }
    for control in ["1\r\n2", "1\0", "1\t", "\u{7f}", "\u{85}"] {
        assert_eq!(uri(control), Err(BuildError::Control("a user part")), "{control:?}");
    }
    assert_eq!(uri(""), Err(BuildError::Unfit("a user part")));
    for host in ["", "a b", "a:1", "[::1", "a;b", "a/b", "é"] {
        assert_eq!(sip_uri(None, host, None, ""), Err(BuildError::Unfit("a host")), "{host}");
    }
}

/// Writes a message with a hostile text in every place that takes one, and reads it again.
#[test]
fn whatever_text_is_put_in_the_headers_stay_as_many_and_say_the_same() {
    let mut chance = Chance(4475);
    let (mut out, mut again) = (Vec::new(), Vec::new());
    let (mut left, mut refused) = (0, 0);
    for _ in 0..20_000 {
        let few = 1 + chance.below(4);
        let mut text = || chance.text(few);
        let (display, user, value, param, reason, phrase) =
            (text(), text(), text(), text(), text(), text());
        let tag = text();
        let Ok(uri) = sip_uri(Some(&user), "192.0.2.9", None, "") else {
            refused += 1;
            continue;
        };
        let mut request = Builder::request(&mut out, Method::Bye, &uri);
        request
            .via(Transport::Udp, "192.0.2.1", "z9hG4bKa")
            .header(Name::CallId, "call")
            .cseq(1, Method::Bye);
        request.address(Name::From, Some(&display), &uri, &[("p", &param), ("tag", "mine")]);
        request.address(Name::To, None, &uri, &[("tag", &tag)]);
        request.header(Name::Subject, &value);
        request.reason(&Reason { q850: Some(16), sip: None, text: Some(reason.clone()) });
        if request.finish().is_err() {
            refused += 1;
            continue;
        }
        left += 1;
        let message = parse(&out)
            .unwrap_or_else(|e| panic!("{}: {}", e.fault, String::from_utf8_lossy(&out)));
        assert_eq!(message.all_headers().count(), 8, "{}", String::from_utf8_lossy(&out));
        assert_eq!(
            SipUri::parse(message.uri()).expect("ours").user_text().as_deref(),
            Some(user.as_str())
        );
        let from = message.from().expect("ours");
        assert_eq!(from.display_text().as_deref(), Some(display.as_str()));
        assert_eq!((from.uri, from.tag()), (uri.as_str(), Some("mine")));
        assert_eq!(unquote(from.params.value("p").unwrap_or("")), param);
        assert_eq!(unquote(message.to().expect("ours").tag().unwrap_or("")), tag);
        assert_eq!(message.header(Name::Subject), Some(value.trim_matches(' ')));
        assert_eq!(message.reason().text.unwrap_or_default(), reason);
        assert_eq!(message.fault(), None, "{}", String::from_utf8_lossy(&out));

        let source = "192.0.2.9:5060".parse().expect("an address");
        if respond(&mut again, &message, 200, &phrase, Some("ours"), source).finish().is_ok() {
            let response = parse(&again)
                .unwrap_or_else(|e| panic!("{}: {}", e.fault, String::from_utf8_lossy(&again)));
            assert_eq!(response.all_headers().count(), 6, "{}", String::from_utf8_lossy(&again));
            assert_eq!(response.from(), message.from());
            assert_eq!(response.cseq(), message.cseq());
        }
    }
    // A test in which all is refused, or nothing, tests nothing.
    assert!(left > 2_000 && refused > 2_000, "{left} left, {refused} refused");
}

/// What a peer sends, and we send back in a response, an ACK or a CANCEL, adds no header to it.
#[test]
fn whatever_a_peer_sends_is_repeated_without_a_header_more() {
    let mut chance = Chance(3261);
    let mut out = Vec::new();
    let mut answered = 0;
    for _ in 0..20_000 {
        let mut bytes = invite("Record-Route: <sip:p;lr>\r\n").into_bytes();
        for _ in 0..1 + chance.below(3) {
            let at = chance.below(bytes.len());
            let piece = chance.text(2);
            bytes.splice(at..at + chance.below(3).min(bytes.len() - at), piece.bytes());
        }
        let Ok(message) = parse(&bytes) else { continue };
        let count = |message: &Message<'_>, names: &[Name]| -> usize {
            names
                .iter()
                .map(|&name| message.all_headers().filter(|(n, _)| Name::read(n) == name).count())
                .sum()
        };
        let source = "192.0.2.9:5060".parse().expect("an address");
        if respond(&mut out, &message, 200, "OK", Some("ours"), source).finish().is_ok() {
            let response = parse(&out)
                .unwrap_or_else(|e| panic!("{}: {:?}", e.fault, String::from_utf8_lossy(&out)));
            assert_eq!(
                response.via_count(),
                message.via_count(),
                "{:?}",
                String::from_utf8_lossy(&bytes)
            );
            assert_eq!(response.call_id(), message.call_id());
            assert_eq!(count(&response, &[Name::From, Name::To, Name::CallId, Name::CSeq]), 4);
            answered += 1;
        }
        if message.is_request()
            && ack(&mut out, &message, message.header(Name::To).unwrap_or("")).is_ok()
        {
            let ack = parse(&out)
                .unwrap_or_else(|e| panic!("{}: {:?}", e.fault, String::from_utf8_lossy(&out)));
            assert_eq!(count(&ack, &[Name::Route]), count(&message, &[Name::Route]));
            assert_eq!((ack.via_count(), ack.method()), (1, Some(Method::Ack)));
        }
    }
    assert!(answered > 5_000, "{answered} answered");
}

#[test]
fn quoting_and_escaping_are_undone_by_reading() {
    let mut chance = Chance(1);
    for _ in 0..5_000 {
        let text = chance.text(6);
        if let Ok(uri) = sip_uri(Some(&text), "h", None, "") {
            assert_eq!(unescape(&uri["sip:".len()..uri.len() - "@h".len()]), text);
        }
        let mut out = Vec::new();
        let mut request = Builder::request(&mut out, Method::Bye, "sip:a");
        request.address(Name::Contact, Some(&text), "sip:a", &[]);
        if request.finish().is_ok() {
            let line = String::from_utf8(out).expect("text");
            let value = line
                .lines()
                .nth(1)
                .and_then(|l| l.strip_prefix("Contact: "))
                .expect("a Contact")
                .to_owned();
            assert_eq!(
                NameAddr::parse(&value).and_then(|a| a.display_text().map(String::from)),
                Some(text)
            );
        }
    }
}
