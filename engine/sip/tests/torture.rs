//! The torture messages of RFC 4475 and RFC 5118: what we take, what we refuse, what we answer.

use std::fmt::Write;

use expect_test::{Expect, expect};
use sip::message::{Message, Method, parse};

/// What becomes of one message: taken, and as what; answered, or dropped, and why.
fn verdict(bytes: &[u8]) -> String {
    match parse(bytes) {
        Err(error) => match error.answer() {
            Some((status, phrase, _)) => format!("{status} {phrase}: {}", error.fault),
            None => format!("dropped: {}", error.fault),
        },
        Ok(message) => match message.fault() {
            Some(fault) if message.is_request() && message.method() != Some(Method::Ack) => {
                let (status, phrase) = fault.answer();
                format!("{status} {phrase}: {fault}")
            }
            _ => format!("taken: {}", what_it_is(&message)),
        },
    }
}

fn what_it_is(message: &Message<'_>) -> String {
    let start = message
        .status()
        .map_or_else(|| message.method_text().to_owned(), |status| status.to_string());
    let via = message.top_via();
    format!(
        "{start} {} {}/{} tags {}/{} of {} Via, {} {} body {}",
        message.cseq().0,
        via.transport,
        via.branch().unwrap_or("-"),
        message.from_tag().unwrap_or("-"),
        message.to_tag().unwrap_or("-"),
        message.via_count(),
        message.contacts().count(),
        message.contact().map_or("Contact", |contact| contact.uri),
        message.body().len(),
    )
}

fn check(folder: &str, names: &str, expect: Expect) {
    let mut table = String::new();
    for name in names.split_whitespace() {
        let path = format!("{}/tests/torture/{folder}/{name}.dat", env!("CARGO_MANIFEST_DIR"));
        let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
        writeln!(table, "{name} {}", verdict(&bytes)).expect("a String takes all");
    }
    expect.assert_eq(&table);
}

#[test]
fn all_valid_messages_of_rfc_4475_are_taken() {
    let names = "wsinv intmeth esc01 escnull esc02 lwsdisp longreq dblreq semiuri transports mpart01 unreason noreason
        badbranch unkscm novelsc unksm2 bext01 invut regaut01 bcast zeromf cparam01 cparam02 regescrt sdp01 inv2543";
    check(
        "rfc4475",
        names,
        expect![[r#"
        wsinv taken: INVITE 9 UDP/390skdjuw tags 98asjd8/1918181833n of 3 Via, 1 sip:jdrosen@example.com body 150
        intmeth taken: !interesting-Method0123456789_*+`.%indeed'~ 139122385 TCP/z9hG4bK-.!%66*_+`'~ tags _token~1'+`*%!-./- of 1 Via, 0 Contact body 0
        esc01 taken: INVITE 234234 UDP/z9hG4bKkdjuw tags 938/- of 1 Via, 1 sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31 body 150
        escnull taken: REGISTER 14398234 UDP/z9hG4bKkdjuw tags 839923423/- of 1 Via, 2 sip:%00@host5.example.com body 0
        esc02 taken: RE%47IST%45R 29344 TCP/z9hG4bK209%fzsnel234 tags f232jadfj23/- of 1 Via, 2 sip:alias1@host1.example.com body 0
        lwsdisp taken: OPTIONS 60 UDP/z9hG4bKkdjuw tags 323/- of 1 Via, 0 Contact body 0
        longreq taken: INVITE 3882340 TCP/- tags 12982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982424/- of 34 Via, 1 sip:amazinglylongcallernameamazinglylongcallernameamazinglylongcallernameamazinglylongcallernameamazinglylongcallername@host5.example.net body 150
        dblreq taken: REGISTER 8 UDP/z9hG4bKkdjuw23492 tags 43251j3j324/- of 1 Via, 1 sip:j.user@host.example.com body 0
        semiuri taken: OPTIONS 8 UDP/z9hG4bKkdjuw tags 33242/- of 1 Via, 0 Contact body 0
        transports taken: OPTIONS 60 UDP/z9hG4bKkdjuw tags 323/- of 5 Via, 0 Contact body 0
        mpart01 taken: MESSAGE 1 UDP/z9hG4bK-d87543-4dade06d0bdb11ee-1--d87543- tags 2fb0dcc9/- of 1 Via, 1 sip:fluffy@127.0.0.1:5070 body 553
        unreason taken: 200 35 UDP/z9hG4bK1324923 tags 11141343/2229 of 1 Via, 1 sip:user@host198.example.com body 154
        noreason taken: 100 35 UDP/z9hG4bK2398ndaoe tags 39ansfi3/902jndnke3 of 1 Via, 1 sip:user@host105.example.com body 0
        badbranch taken: OPTIONS 8 UDP/z9hG4bK tags 33242/- of 1 Via, 0 Contact body 0
        unkscm taken: OPTIONS 3923423 TCP/z9hG4bKkdjuw39234 tags 384/- of 1 Via, 0 Contact body 0
        novelsc taken: OPTIONS 3923423 TCP/z9hG4bKkdjuw39234 tags 384/- of 1 Via, 0 Contact body 0
        unksm2 taken: REGISTER 234902 UDP/z9hG4bKkdjuw tags 3234233/- of 1 Via, 1 name:John_Smith body 0
        bext01 taken: OPTIONS 8 TLS/z9hG4bKkdjuw tags 242etr/- of 1 Via, 0 Contact body 0
        invut taken: INVITE 235448 UDP/z9hG4bKkdjuw tags 8392034/- of 1 Via, 1 sip:caller@host5.example.net body 40
        regaut01 taken: REGISTER 9338 TCP/z9hG4bKkdjuw tags 87321hj23128/- of 1 Via, 0 Contact body 0
        bcast taken: 200 35 UDP/z9hG4bK1324923 tags 11141343/2229 of 2 Via, 1 sip:user@host28.example.com body 154
        zeromf taken: OPTIONS 39234321 UDP/z9hG4bKkdjuw2349i tags 3ghsd41/- of 1 Via, 0 Contact body 0
        cparam01 taken: REGISTER 2 UDP/z9hG4bKkdjuw tags DkfVgjkrtMwaerKKpe/- of 1 Via, 1 sip:+19725552222@gw1.example.net body 0
        cparam02 taken: REGISTER 3 UDP/z9hG4bKkdjuw tags 838293/- of 1 Via, 1 sip:+19725552222@gw1.example.net;unknownparam body 0
        regescrt taken: REGISTER 14398234 UDP/z9hG4bKkdjuw tags 8/- of 1 Via, 1 sip:user@example.com?Route=%3Csip:sip.example.com%3E body 0
        sdp01 taken: INVITE 8 UDP/z9hG4bKkdjuw tags 234/- of 1 Via, 1 sip:caller@host15.example.net body 150
        inv2543 taken: INVITE 56 UDP/- tags -/- of 1 Via, 0 Contact body 105
    "#]],
    );
}

#[test]
fn all_invalid_messages_of_rfc_4475_are_refused() {
    let names = "badinv01 clerr ncl scalar02 scalarlg quotbal ltgtruri lwsruri lwsstart trws escruri baddate regbadct
        badaspec baddn badvers mismatch01 mismatch02 bigcode insuf multi01 mcl01";
    check(
        "rfc4475",
        names,
        expect![[r#"
        badinv01 400 Malformed Header: a malformed Via header
        clerr 400 Bad Content-Length: a body shorter than its Content-Length
        ncl 400 Bad Content-Length: a malformed Content-Length
        scalar02 400 Malformed Header: a malformed CSeq header
        scalarlg dropped: a malformed CSeq header
        quotbal 400 Malformed Header: a malformed To header
        ltgtruri 400 Bad Request-URI: a malformed Request-URI
        lwsruri 400 Bad Request: a malformed start line
        lwsstart 400 Bad Request: a malformed start line
        trws 400 Bad Request: a malformed start line
        escruri 400 Bad Request-URI: a malformed Request-URI
        baddate 400 Malformed Header: a malformed Date header
        regbadct 400 Malformed Header: a malformed Contact header
        badaspec 400 Malformed Header: a malformed To header
        baddn 400 Malformed Header: a malformed From header
        badvers 505 Version Not Supported: another version of SIP
        mismatch01 400 CSeq Method Mismatch: a CSeq of another method
        mismatch02 400 CSeq Method Mismatch: a CSeq of another method
        bigcode dropped: a malformed start line
        insuf dropped: no Call-ID header
        multi01 400 Repeated Header: more than one Call-ID header
        mcl01 400 Bad Content-Length: a malformed Content-Length
    "#]],
    );
}

#[test]
fn messages_of_rfc_5118_are_taken_but_for_the_address_without_brackets() {
    let names = "ipv6-good ipv6-bad port-ambiguous port-unambiguous via-received-param-with-delim
        via-received-param-no-delim ipv6-in-sdp mult-ip-in-header mult-ip-in-sdp ipv4-mapped-ipv6
        ipv6-bug-abnf-3-colons ipv6-correct-abnf-2-colons";
    check(
        "rfc5118",
        names,
        expect![[r#"
        ipv6-good taken: REGISTER 98176 UDP/z9hG4bKas3-111 tags 81x2/- of 1 Via, 1 sip:caller@[2001:db8::1] body 0
        ipv6-bad 400 Bad Request-URI: a malformed Request-URI
        port-ambiguous taken: REGISTER 98176 UDP/z9hG4bKas3-111 tags 81x2/- of 1 Via, 1 sip:caller@[2001:db8::1] body 0
        port-unambiguous taken: REGISTER 98176 UDP/z9hG4bKas3-111 tags 81x2/- of 1 Via, 1 sip:caller@[2001:db8::1] body 0
        via-received-param-with-delim taken: BYE 321 UDP/z9hG4bKas3-111 tags 81x2/bd76ya of 1 Via, 0 Contact body 0
        via-received-param-no-delim taken: OPTIONS 921 UDP/z9hG4bKas3 tags 81x2/- of 1 Via, 1 sip:caller@[2001:db8::9:1] body 0
        ipv6-in-sdp taken: INVITE 8612 UDP/z9hG4bKas3-111 tags 81x2/- of 1 Via, 1 sip:caller@[2001:db8::20] body 251
        mult-ip-in-header taken: BYE 89187 UDP/z9hG4bKas3-111 tags 81x2/9817--94 of 3 Via, 0 Contact body 0
        mult-ip-in-sdp taken: INVITE 8912 UDP/z9hG4bKas3-111 tags 81x2/- of 1 Via, 1 sip:caller@[2001:db8::9:1] body 189
        ipv4-mapped-ipv6 taken: INVITE 612 UDP/z9hG4bKbh19 tags 81x2/- of 2 Via, 1 sip:ted@[::ffff:192.0.2.2] body 245
        ipv6-bug-abnf-3-colons taken: OPTIONS 689 UDP/z9hG4bKas3-111 tags 810x2/- of 1 Via, 0 Contact body 0
        ipv6-correct-abnf-2-colons taken: OPTIONS 689 UDP/z9hG4bKas3-111 tags 810x2/- of 1 Via, 0 Contact body 0
    "#]],
    );
}
