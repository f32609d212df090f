//! Reading messages: what is forgiven, what is not, and what the values say.

use std::time::Duration;

use sip::message::{
    Fault, Message, Method, Name, NameAddr, RAck, Refresher, SipUri, Start, UriError, Via, parse,
};
use sip::port::Reason;

const RESPONSE: &str = "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\n\
                        Call-ID: x\r\nCSeq: 1 INVITE\r\n";

/// A 200 with the headers that it needs, and `more`.
fn response(more: &str) -> Vec<u8> {
    format!("SIP/2.0 200 OK\r\n{RESPONSE}{more}\r\n").into_bytes()
}

/// A BYE with the headers that it needs, and `more`.
fn request(more: &str) -> Vec<u8> {
    format!("BYE sip:a@b SIP/2.0\r\n{}{more}\r\n", RESPONSE.replace("INVITE", "BYE")).into_bytes()
}

/// Reads `bytes` and gives what `look` sees in them.
fn check<T>(bytes: &[u8], look: impl FnOnce(&Message<'_>) -> T) -> T {
    let message =
        parse(bytes).unwrap_or_else(|e| panic!("{}: {}", e.fault, String::from_utf8_lossy(bytes)));
    look(&message)
}

/// The fault of a message that cannot be used, and the status that answers it.
fn refused(bytes: &[u8]) -> (Fault, Option<u16>) {
    let error = parse(bytes).expect_err("a message that cannot be used");
    (error.fault, error.answer().map(|(status, ..)| status))
}

#[test]
fn compact_names_in_any_case_and_order_are_the_long_ones() {
    let bytes = b"SIP/2.0 183 Session Progress\r\nL: 2\r\nI : call\r\nt: <sip:c@d>;tag=2\r\nF:<sip:a@b>;TAG=1\r\n\
                  cSEQ:7 INVITE\r\nM: <sip:e@f>\r\nV: SIP/2.0/UDP h;branch=z9hG4bKa\r\nC: application/sdp ; x=y\r\n\r\nhi there";
    check(bytes, |m| {
        assert_eq!(m.start(), Start::Response { status: 183, phrase: "Session Progress" });
        assert_eq!((m.call_id(), m.from_tag(), m.to_tag()), ("call", Some("1"), Some("2")));
        assert_eq!(
            (m.cseq(), m.body(), m.content_type()),
            ((7, Method::Invite), &b"hi"[..], Some("application/sdp"))
        );
        assert_eq!(
            (m.top_via().branch(), m.contact().map(|c| c.uri)),
            (Some("z9hG4bKa"), Some("sip:e@f"))
        );
    });
}

#[test]
fn folds_are_blanks_and_a_lone_cr_or_bytes_that_are_no_utf_8_lose_no_response() {
    let bytes = response("Subject: a\r\n  b\r\n\tc\r\nServer: x\ry\r\nX-Name: caf\u{0}Q\r\n");
    let latin1: Vec<u8> = bytes.into_iter().map(|b| if b == 0 { 0xe9 } else { b }).collect();
    check(&latin1, |m| {
        let subject: Vec<_> = m.header(Name::Subject).expect("there").split_whitespace().collect();
        assert_eq!(subject, ["a", "b", "c"]);
        assert_eq!(m.header(Name::Server), Some("x y"));
        assert_eq!(m.header_named("x-name"), Some("caf?Q"));
        assert_eq!(m.fault(), None);
    });
}

#[test]
fn lines_may_end_with_lf_alone_and_line_ends_before_a_message_are_skipped() {
    let text = String::from_utf8(response("Subject: a\r\n b\r\n")).expect("text") + "body";
    for bytes in [text.replace("\r\n", "\n"), format!("\r\n\n\r\n{text}")] {
        check(bytes.as_bytes(), |m| {
            assert_eq!((m.status(), m.to_tag(), m.body()), (Some(200), Some("2"), &b"body"[..]));
            assert!(
                m.header(Name::Subject).is_some_and(|s| s.starts_with("a ") && s.ends_with(" b"))
            );
        });
    }
}

#[test]
fn lists_are_split_at_commas_outside_quotation_marks_and_brackets() {
    let bytes = response(
        "Contact: \"a, \\\"b\" <sip:a@b,c>;q=0.5, <sip:d>\r\nRecord-Route: <sip:p1;lr>, <sip:p2;lr>\r\nRecord-Route:<sip:p3>\r\n\
         Allow: INVITE,ACK , BYE,,\r\nDate: Sat, 13 Nov 2010 23:29:00 GMT\r\nvia: SIP/2.0/TCP x , SIP/2.0/TCP y\r\n",
    );
    check(&bytes, |m| {
        let all = |name| m.headers(name).collect::<Vec<_>>();
        assert_eq!(all(Name::Contact), ["\"a, \\\"b\" <sip:a@b,c>;q=0.5", "<sip:d>"]);
        assert_eq!(all(Name::RecordRoute), ["<sip:p1;lr>", "<sip:p2;lr>", "<sip:p3>"]);
        assert_eq!(all(Name::Allow), ["INVITE", "ACK", "BYE"]);
        assert_eq!(all(Name::Date).len(), 1);
        assert_eq!(m.via_count(), 3);
        assert!(m.lists(Name::Allow, "bye") && !m.lists(Name::Allow, "UPDATE"));
    });
}

#[test]
fn a_response_survives_every_header_that_nobody_asks_for() {
    let odd = "no colon here\r\n folded\r\nA B: c\r\n: nameless\r\nDate: yesterday\r\nMax-Forwards: many\r\nContact: >nowhere<\r\n\
               Expires: \r\nRoute: <<<\r\nReason: ;;==\r\nRetry-After: soon\r\n";
    check(&response(odd), |m| {
        assert_eq!((m.status(), m.to_tag()), (Some(200), Some("2")));
        assert_eq!((m.contact(), m.retry_after(), m.max_forwards()), (None, None, None));
        assert_eq!(m.reason(), Reason::default());
    });
    // The same in a request can be answered with 400, if whoever hears it wants to.
    assert_eq!(check(&request("no colon here\r\n"), |m| m.fault()), Some(Fault::HeaderLine));
    assert_eq!(
        check(&request("Contact: >nowhere<\r\n"), |m| m.fault()),
        Some(Fault::Malformed(Name::Contact))
    );
    assert_eq!(check(&request("Contact: *\r\n"), |m| m.fault()), None);
}

#[test]
fn what_stands_twice_is_refused_but_for_a_response_that_says_the_same() {
    let names =
        [("Call-ID", Name::CallId), ("CSeq", Name::CSeq), ("To", Name::To), ("From", Name::From)];
    for (line, name) in names {
        let again = |bytes: Vec<u8>, change: &str| {
            let text = String::from_utf8(bytes).expect("text");
            let start = text.find(&format!("{line}:")).expect("there");
            let end = start + text[start..].find("\r\n").expect("a line");
            format!("{}\r\n{}{change}{}", &text[..end], &text[start..end], &text[end..])
                .into_bytes()
        };
        let doubled = Fault::Doubled(name);
        assert_eq!(refused(&again(request(""), "")), (doubled, Some(400)), "{line}");
        if name == Name::From {
            // We know it better.
            assert_eq!(check(&again(response(""), "x"), |m| m.status()), Some(200));
        } else {
            assert_eq!(refused(&again(response(""), "x")), (doubled, None), "{line}");
        }
        assert_eq!(check(&again(response(""), ""), |m| m.status()), Some(200), "{line}");
    }
    assert_eq!(refused(&request("l: 0\r\nl: 0\r\n")), (Fault::ContentLength, Some(400)));
    assert_eq!(refused(&response("l: 0\r\nl: 1\r\n")), (Fault::ContentLength, None));
    assert_eq!(check(&response("l: 0\r\nl: 0\r\n"), |m| m.status()), Some(200));
}

#[test]
fn a_length_that_lies_is_refused_and_bytes_behind_the_body_are_cut() {
    for (more, fault) in [
        ("l: 1\r\n", Fault::BodyTooShort),
        ("l: -1\r\n", Fault::ContentLength),
        ("l: +0\r\n", Fault::ContentLength),
        ("l: 0x0\r\n", Fault::ContentLength),
        ("l: 4294967296\r\n", Fault::ContentLength),
        ("l: 4294967295\r\n", Fault::BodyTooShort),
        ("l:\r\n", Fault::ContentLength),
    ] {
        assert_eq!(refused(&request(more)), (fault, Some(400)), "{more}");
        assert_eq!(refused(&response(more)), (fault, None), "{more}");
    }
    let with_body = |more: &str| [response(more), b"body".to_vec()].concat();
    assert_eq!(check(&with_body("l: 0003\r\n"), |m| m.body().to_vec()), b"bod");
    assert_eq!(check(&with_body(""), |m| m.body().to_vec()), b"body");
}

#[test]
fn what_is_no_message_has_no_answer() {
    let table: [(&[u8], Fault); 10] = [
        (b"", Fault::KeepAlive),
        (b"\r\n\r\n", Fault::KeepAlive),
        (b"\0\x01\0\0\x21\x12\xa4\x42", Fault::NotSip),
        (b"\x80\0\0\0\n\r\n", Fault::NotSip),
        (b"GET / HTTP/1.1\r\n\r\n", Fault::NotSip),
        (b"INVITE sip:a@b\r\n\r\n", Fault::NotSip),
        (b"SIP/2.0 99 Low\r\n\r\n", Fault::StartLine),
        (b"SIP/2.0 700 High\r\n\r\n", Fault::StartLine),
        (b"SIP/3.0 200 OK\r\n\r\n", Fault::Version),
        (b"SIP/2.0 200 OK\r\nVia: x", Fault::HeadersWithoutEnd),
    ];
    for (bytes, fault) in table {
        assert_eq!(refused(bytes), (fault, None), "{}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn a_request_is_answered_only_when_all_that_the_answer_repeats_is_there() {
    let without = |line: &str| {
        let text = String::from_utf8(request("")).expect("text");
        text.lines()
            .filter(|l| !l.starts_with(line))
            .map(|l| format!("{l}\r\n"))
            .collect::<String>()
            .into_bytes()
    };
    for (line, name) in [
        ("Via", Name::Via),
        ("From", Name::From),
        ("To", Name::To),
        ("Call-ID", Name::CallId),
        ("CSeq", Name::CSeq),
    ] {
        assert_eq!(refused(&without(line)), (Fault::Missing(name), None), "{line}");
    }
    let cseq = |text: &str| {
        String::from_utf8(request("")).expect("text").replace("CSeq: 1 BYE", text).into_bytes()
    };
    assert_eq!(refused(&cseq("CSeq: 2147483648 BYE")), (Fault::Malformed(Name::CSeq), Some(400)));
    assert_eq!(check(&cseq("CSeq: 2147483647 BYE"), |m| m.cseq()), (2_147_483_647, Method::Bye));
    assert_eq!(refused(&cseq("CSeq: 1 bye")), (Fault::MethodMismatch, Some(400)));
    assert_eq!(refused(&cseq("CSeq: 1")), (Fault::Malformed(Name::CSeq), Some(400)));
    let ack = String::from_utf8(cseq("CSeq: 1 BYE")).expect("text").replace("BYE sip", "ACK sip");
    assert_eq!(refused(ack.as_bytes()), (Fault::MethodMismatch, None), "nobody answers an ACK");
}

#[test]
fn no_more_is_read_than_the_bounds() {
    assert_eq!(refused(&request(&"a:b\r\n".repeat(260))), (Fault::TooManyHeaders, None));
    assert_eq!(refused(&vec![b'a'; 65_536]), (Fault::TooLong, None));
    let long = format!("Subject: {}\r\nServer: s\r\n", "x".repeat(20_000));
    check(&request(&long), |m| {
        assert_eq!((m.header(Name::Subject), m.header(Name::Server)), (None, Some("s")));
        assert_eq!(m.fault(), Some(Fault::HeaderTooLong));
    });
    let folded = format!("Subject: x{}\r\nServer: s\r\n", "\r\n x".repeat(10_000));
    check(&request(&folded), |m| assert_eq!(m.header(Name::Subject), None));
}

#[test]
fn values_that_a_caller_needs_are_read() {
    let bytes = response(
        "Retry-After: 120 (lunch);duration=3600\r\nSession-Expires: 1800 ;refresher=UAS\r\nMin-SE: 90;x\r\nRSeq: 988789\r\n\
         RAck: 776656 1 INVITE\r\nReason: SIP ;cause=486, Q.850;cause=\"17\";text=\"User \\\"busy\\\"\"\r\nReason: Q.850;cause=16\r\n\
         Contact: <sip:1@g>;q=0.1;expires=60, <sip:2@g>, <sip:3@g>;q=0.7, tel:+1;q=1.0\r\n",
    );
    check(&bytes, |m| {
        assert_eq!(m.retry_after(), Some(Duration::from_secs(120)));
        assert_eq!(
            m.session_expires().map(|s| (s.seconds, s.refresher)),
            Some((1800, Some(Refresher::Uas)))
        );
        assert_eq!((m.seconds(Name::MinSe), m.rseq()), (Some(90), Some(988_789)));
        assert_eq!(m.rack(), Some(RAck { rseq: 776_656, cseq: 1, method: Method::Invite }));
        assert_eq!(
            m.reason(),
            Reason { q850: Some(17), sip: Some(486), text: Some("User \"busy\"".to_owned()) }
        );
        assert_eq!(m.contacts_by_q(), ["sip:2@g", "tel:+1", "sip:3@g", "sip:1@g"]);
        assert_eq!(m.contact().and_then(|c| c.expires()), Some(60));
    });
    assert_eq!(check(&response("Retry-After: 99999999999\r\n"), |m| m.retry_after()), None);
}

#[test]
fn a_uri_is_taken_apart_where_rfc_3261_says() {
    let uri = SipUri::parse("sips:a;b?c=1:pw@[2001:db8::1]:5061;Transport=TCP;lr;x=%41?h=v&i=j")
        .expect("a SIP URI");
    assert_eq!(
        (uri.user, uri.password, uri.host, uri.port),
        (Some("a;b?c=1"), Some("pw"), "[2001:db8::1]", Some(5061))
    );
    assert_eq!(
        (uri.transport(), uri.is_loose(), uri.headers),
        (Some("TCP"), true, Some("h=v&i=j"))
    );
    assert_eq!(
        SipUri::parse("sip:%2B86%31@h").expect("a SIP URI").user_text().as_deref(),
        Some("+861")
    );
    for text in [
        "sip:",
        "sip:@h",
        "sip:a@",
        "sip:a@b@c",
        "sip:a@b:",
        "sip:a@b:65536",
        "sip:a@b:5060x",
        "sip:a b@c",
        "sip:a@b c",
        "sip:a@[::1",
        "sip:a@[::g]",
        "sip:a%4@b",
        "sip:a@b;x=\"y\"",
        "sip:a@b?x<",
        "sip:é@b",
        "nothing",
        ":a",
        "1a:b",
    ] {
        assert_eq!(SipUri::parse(text), Err(UriError::Malformed), "{text}");
    }
    assert_eq!(SipUri::parse("tel:+1"), Err(UriError::OtherScheme));
}

#[test]
fn two_uris_are_the_same_place_when_rfc_3261_19_1_4_says_so() {
    let same =
        |a, b| SipUri::parse(a).expect("a URI").is_same_place(&SipUri::parse(b).expect("a URI"));
    assert!(same("sip:%61lice@atlanta.com;transport=TCP", "SIP:alice@AtLanTa.CoM;Transport=tcp"));
    assert!(same("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"));
    assert!(!same("sip:ALICE@atlanta.com", "sip:alice@atlanta.com"));
    assert!(!same("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"));
    assert!(!same("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"));
    assert!(!same("sip:bob@biloxi.com", "sips:bob@biloxi.com"));
}

#[test]
fn an_address_is_read_with_and_without_brackets() {
    let read =
        |text: &'static str| NameAddr::parse(text).map(|a| (a.display, a.uri, a.params.raw()));
    assert_eq!(read("sip:a@b;tag=1"), Some((None, "sip:a@b", ";tag=1")));
    assert_eq!(read("<sip:a@b;tag=1>"), Some((None, "sip:a@b;tag=1", "")));
    assert_eq!(
        read(" \"A <x> \\\"\" <sip:a@b> ; tag = 1 "),
        Some((Some("\"A <x> \\\"\""), "sip:a@b", "; tag = 1"))
    );
    assert_eq!(read("A B<sip:a@b>"), Some((Some("A B"), "sip:a@b", "")));
    for none in
        ["", "*", "<>", "<sip>", "\"a <sip:a@b>", "<sip:a@b", "<sip:a@b> x", "a b", ";tag=1"]
    {
        assert_eq!(read(none), None, "{none}");
    }
    let quoted =
        NameAddr::parse("\"a\\\\\\\"b\" <sip:a@b>;tag=;q=0.333;expires=x").expect("an address");
    assert_eq!(
        (quoted.display_text().as_deref(), quoted.tag(), quoted.q(), quoted.expires()),
        (Some("a\\\"b"), None, 333, None)
    );
}

#[test]
fn a_via_says_where_an_answer_goes() {
    let via = Via::parse(
        "SIP / 2.0 / UDP  [2001:db8::9:1] : 6050 ; rport=0;branch=z9hG4bKb;received=[::1]",
    )
    .expect("a Via");
    assert_eq!(
        (via.transport, via.host, via.port, via.branch()),
        ("UDP", "[2001:db8::9:1]", Some(6050), Some("z9hG4bKb"))
    );
    assert_eq!((via.wants_rport(), via.rport(), via.received()), (true, None, "::1".parse().ok()));
    let via = Via::parse("SIP/2.0/TLS host.example;rport=5061;received=192.0.2.7").expect("a Via");
    assert_eq!(
        (via.rport(), via.received(), via.branch()),
        (Some(5061), "192.0.2.7".parse().ok(), None)
    );
    for none in [
        "",
        "SIP/2.0/UDP",
        "SIP/2.0/UDP ;x",
        "SIP/1.0/UDP h",
        "HTTP/2.0/UDP h",
        "SIP/2.0/U@P h",
        "SIP/2.0/UDP h:99999",
        "SIP/2.0/UDP a b",
    ] {
        assert_eq!(Via::parse(none), None, "{none}");
    }
}

#[test]
fn sdp_is_found_alone_among_parts_and_without_a_type() {
    let sdp = |head: &str, body: &str| {
        check(&[response(head), body.into()].concat(), |m| {
            m.sdp().map(|s| String::from_utf8_lossy(s).into_owned())
        })
    };
    let found = Some("v=0\r\ns=-".to_owned());
    assert_eq!(sdp("c: Application/SDP;charset=utf-8\r\n", "v=0\r\ns=-"), found);
    assert_eq!(sdp("", "v=0\r\ns=-"), found);
    let parts = "before\r\n--b 1\r\nContent-Type: application/isup;version=x\r\n\r\n\u{1}\0\r\n--b 1\r\ncontent-type : APPLICATION/sdp\r\n\
                 Content-Disposition: session\r\n\r\nv=0\r\ns=-\r\n--b 1--\r\nafter";
    assert_eq!(sdp("Content-Type: multipart/mixed; boundary=\"b 1\"\r\n", parts), found);
    let cut = &parts[..parts.len() - "\r\n--b 1--\r\nafter".len()];
    assert_eq!(
        sdp("Content-Type: multipart/mixed; boundary=\"b 1\"\r\n", cut),
        found,
        "no last boundary"
    );
    for (head, body) in [
        ("c: application/isup\r\n", "v=0\r\n"),
        ("c: multipart/mixed\r\n", parts),
        ("c: multipart/mixed;boundary=\"\"\r\n", parts),
        ("c: multipart/mixed;boundary=other\r\n", parts),
        (
            "c: multipart/mixed;boundary=\"b 1\"\r\n",
            "--b 1--\r\nContent-Type: application/sdp\r\n\r\nv=0",
        ),
        ("c: text/plain;boundary=\"b 1\"\r\n", parts),
        ("c: application/sdp\r\n", ""),
        ("", "hello"),
    ] {
        assert_eq!(sdp(head, body), None, "{head}");
    }
}

#[test]
fn texts_that_are_stored_with_the_call_are_short() {
    let long = "é".repeat(2_000);
    let contacts: String = (0..100).map(|n| format!("m: <sip:{n}@h>\r\n")).collect();
    let message = response(&format!("Reason: SIP;text=\"{long}\"\r\n{contacts}"));
    let message = [b"SIP/2.0 302 ", long.as_bytes(), &message[b"SIP/2.0 200 OK".len()..]].concat();
    check(&message, |m| {
        let Start::Response { phrase, .. } = m.start() else { panic!("a response") };
        assert_eq!((phrase.len(), m.reason().text.map(|t| t.len())), (512, Some(512)));
        assert_eq!((m.reason_raw().map(|r| r.len()), m.contacts_by_q().len()), (Some(512), 16));
    });
}
