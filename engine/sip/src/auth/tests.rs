use super::*;
use crate::message::parse;

fn who(username: &str, password: &str) -> Credentials {
    Credentials { username: username.into(), password: password.into() }
}

fn refusal(status: u16, challenges: &[&str]) -> String {
    let challenges = challenges.join("\r\n");
    format!(
        "SIP/2.0 {status} No\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\n\
         Call-ID: x\r\nCSeq: 1 INVITE\r\n{challenges}\r\nContent-Length: 0\r\n\r\n"
    )
}

/// What is answered to `header` alone: all headers of the next request that have to do with it.
fn check(known: &mut Authorizations, challenges: &[&str], expected: Result<&[&str], Unanswerable>) {
    let bytes = refusal(401, challenges);
    let answer = known.challenged(&parse(bytes.as_bytes()).expect("a sound refusal"));
    let answer = answer.map(|()| sent(known, Method::Register));
    match expected {
        Ok(lines) => {
            assert_eq!(answer.as_deref(), Ok(lines.join("\n").as_str()), "{challenges:#?}")
        }
        Err(why) => assert_eq!(answer, Err(why), "{challenges:#?}"),
    }
}

fn sent(known: &mut Authorizations, method: Method) -> String {
    let mut bytes = Vec::new();
    let mut out = Builder::request(&mut bytes, method, "sip:example.com");
    known.authorize(&mut out, &who("bob", "zanzibar"), method, "sip:example.com", "0a4f113b");
    out.finish().expect("challenges that were taken can be answered");
    let text = String::from_utf8(bytes).expect("text");
    text.lines().filter(|line| line.contains("uthorization")).collect::<Vec<_>>().join("\n")
}

/// The response that `who` gives to a challenge.
fn response(challenge: &str, who: &Credentials, method: &str, uri: &str, cnonce: &str) -> String {
    let challenge = challenges(challenge).next().expect("a challenge that we know");
    Answer { challenge: &challenge, who, method, uri, cnonce, uses: 1 }.response().to_string()
}

#[test]
fn the_examples_of_rfc_7616_give_the_responses_printed_there() {
    let mufasa = who("Mufasa", "Circle of Life");
    let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
    let challenge = |algorithm| {
        format!(
            "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, \
             nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
             opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
        )
    };
    let answer =
        |algorithm| response(&challenge(algorithm), &mufasa, "GET", "/dir/index.html", cnonce);
    assert_eq!(answer("MD5"), "8ca523f5e9506fed4657c9700eebdbec");
    assert_eq!(
        answer("SHA-256"),
        "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
    );
}

#[test]
fn the_examples_of_rfc_2617_and_2069_give_the_responses_printed_there() {
    let mufasa = who("Mufasa", "Circle Of Life");
    let challenge = "Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", \
         nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
    let answer = response(challenge, &mufasa, "GET", "/dir/index.html", "0a4f113b");
    assert_eq!(answer, "6629fae49393a05397450978507c4ef1");
    // RFC 2069, 2.4 as corrected by its erratum 749: no qop, no cnonce.
    let challenge =
        "Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"";
    let answer = response(challenge, &who("Mufasa", "CircleOfLife"), "GET", "/dir/index.html", "");
    assert_eq!(answer, "1949323746fe6a43ef61f9606e7febea");
}

#[test]
fn every_algorithm_is_known_in_any_case_and_md5_when_none_is_named() {
    let bob = who("bob", "zanzibar");
    let table = [
        ("", "c082e15a1cef4c6ad5a756cd38cbfde8"),
        (", algorithm=md5", "c082e15a1cef4c6ad5a756cd38cbfde8"),
        (", algorithm=\"MD5\"", "c082e15a1cef4c6ad5a756cd38cbfde8"),
        (", algorithm=MD5-sess", "e4f8fcb54e5664ee78a207cf5de6de97"),
        (", algorithm=SHA-256", "8f72d825d57cf2d84f4d5fd3556d0aa8f71767387e90d9dc47469ddfee0d8107"),
        (
            ", algorithm=sha-256-SESS",
            "3824e90db19aadc3e68370d3192c9a8323f992459d572011119d0424946698f0",
        ),
        (
            ", algorithm=SHA-512-256",
            "19bc8527c5d33fba49f3c087b622f925ba1e086eca25052d94f63b383071396f",
        ),
        (
            ", algorithm=SHA-512-256-sess",
            "b443c924b0b1b37939e308a812769fa9cfe9df969c6e486a1896e427b50346eb",
        ),
    ];
    for (algorithm, expected) in table {
        let challenge = format!("Digest realm=\"r\", nonce=\"n\", qop=\"auth\"{algorithm}");
        assert_eq!(
            response(&challenge, &bob, "REGISTER", "sip:example.com", "0a4f113b"),
            expected,
            "{algorithm}"
        );
    }
    for unknown in ["SHA256", "MD5-", "-sess", "SHA-1", "MD5-sess-sess"] {
        let challenge = format!("Digest realm=\"r\", nonce=\"n\", algorithm={unknown}");
        assert_eq!(challenges(&challenge).next(), None, "{unknown}");
    }
}

const MD5: &str = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"";
const MD5_ANSWER: &str = "Authorization: Digest username=\"bob\", realm=\"r\", nonce=\"n\", uri=\"sip:example.com\", \
     response=\"c082e15a1cef4c6ad5a756cd38cbfde8\", cnonce=\"0a4f113b\", qop=auth, nc=00000001";
const PROXY: &str = "Proxy-Authenticate: Digest realm=\"p\", nonce=\"m\", qop=auth";
const PROXY_ANSWER: &str = "Proxy-Authorization: Digest username=\"bob\", realm=\"p\", nonce=\"m\", uri=\"sip:example.com\", \
     response=\"21582318f5347ab005ce78d744870f57\", cnonce=\"0a4f113b\", qop=auth, nc=00000001";

#[test]
fn qop_nc_and_algorithm_go_out_unquoted_and_opaque_as_it_came() {
    let line = "WWW-Authenticate: Digest realm = \"r\",nonce=\"n\",\tqop=\"auth-int, auth\",opaque=\"a\\\"b\", stale=FALSE, algorithm=md5";
    let answer =
        format!("{}, opaque=\"a\\\"b\"", MD5_ANSWER.replace(", cnonce", ", algorithm=md5, cnonce"));
    check(&mut Authorizations::default(), &[line], Ok(&[&answer]));
}

#[test]
fn a_challenge_without_qop_is_answered_in_the_form_of_rfc_2069() {
    let line = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\"";
    let answer = "Authorization: Digest username=\"bob\", realm=\"r\", nonce=\"n\", uri=\"sip:example.com\", \
         response=\"1495eb7eecd104d5b8ad511b005cffd8\"";
    check(&mut Authorizations::default(), &[line], Ok(&[answer]));
    check(&mut Authorizations::default(), &[&format!("{line}, qop=\"\"")], Ok(&[answer]));
}

#[test]
fn of_several_challenges_of_a_realm_the_first_that_we_know_is_answered() {
    let sha = "Digest realm=\"r\", nonce=\"s\", algorithm=SHA-3, qop=\"auth\"";
    let int = "Digest realm=\"r\", nonce=\"i\", qop=\"auth-int\"";
    let md5 = "Digest realm=\"r\", nonce=\"n\", qop=\"auth\"";
    let later = "Digest realm=\"r\", nonce=\"late\", qop=\"auth\"";
    let one_line =
        format!("WWW-Authenticate: Negotiate, Basic realm=\"r\", {sha}, {int}, {md5}, {later}");
    check(&mut Authorizations::default(), &[&one_line], Ok(&[MD5_ANSWER]));
    let lines = [sha, int, md5, later].map(|c| format!("WWW-Authenticate: {c}"));
    check(&mut Authorizations::default(), &lines.each_ref().map(String::as_str), Ok(&[MD5_ANSWER]));
}

#[test]
fn both_kinds_in_one_refusal_are_both_answered() {
    check(&mut Authorizations::default(), &[MD5, PROXY], Ok(&[PROXY_ANSWER, MD5_ANSWER]));
}

#[test]
fn a_407_and_then_a_401_leave_both_credentials_in_the_third_request() {
    let mut known = Authorizations::default();
    check(&mut known, &[PROXY], Ok(&[PROXY_ANSWER]));
    let second = PROXY_ANSWER
        .replace("nc=00000001", "nc=00000002")
        .replace("21582318f5347ab005ce78d744870f57", "?");
    let bytes = refusal(401, &[MD5]);
    known.challenged(&parse(bytes.as_bytes()).expect("sound")).expect("a new realm");
    let lines = sent(&mut known, Method::Register);
    let [proxy, server] = lines.lines().collect::<Vec<_>>()[..] else {
        panic!("two headers: {lines}")
    };
    assert_eq!(server, MD5_ANSWER);
    assert_eq!(
        proxy[..proxy.find("response").expect("one")],
        second[..second.find("response").expect("one")]
    );
    assert!(proxy.ends_with("nc=00000002"), "{proxy}");
}

#[test]
fn a_nonce_used_again_counts_up_and_a_new_one_starts_at_one() {
    let mut known = Authorizations::default();
    check(&mut known, &[MD5], Ok(&[MD5_ANSWER]));
    known.new_request();
    let second = MD5_ANSWER
        .replace("c082e15a1cef4c6ad5a756cd38cbfde8", "f2315a377f1fb26ccf8f04f6d471f5f8")
        .replace("nc=00000001", "nc=00000002");
    assert_eq!(sent(&mut known, Method::Register), second);
    // What was sent along was refused with a new nonce: it had aged, whether the peer says so or not.
    let line = MD5.replace("\"n\"", "\"n2\"");
    let bytes = refusal(401, &[&line]);
    assert_eq!(known.challenged(&parse(bytes.as_bytes()).expect("sound")), Ok(()));
    assert!(sent(&mut known, Method::Register).ends_with("nc=00000001"));
}

#[test]
fn a_stale_nonce_is_replaced_and_anything_else_after_an_answer_is_final() {
    let stale = MD5.replace("\"n\"", "\"n2\"") + ", stale=TRUE";
    let fresh = MD5.replace("\"n\"", "\"n3\"");
    let mut known = Authorizations::default();
    check(&mut known, &[MD5], Ok(&[MD5_ANSWER]));
    let refused = |known: &mut Authorizations, line: &str| {
        let bytes = refusal(401, &[line]);
        let verdict = known.challenged(&parse(bytes.as_bytes()).expect("sound"));
        sent(known, Method::Register);
        verdict
    };
    assert_eq!(refused(&mut known, &stale), Ok(()));
    assert_eq!(refused(&mut known, &stale), Err(Unanswerable::Refused), "the same nonce again");
    assert_eq!(refused(&mut known, &fresh), Err(Unanswerable::Refused), "new, but not stale");
    // A server that finds every nonce stale is not followed for ever.
    let mut known = Authorizations::default();
    let rounds = (0..10).map(|n| {
        refused(&mut known, &(MD5.replace("\"n\"", &format!("\"n{n}\"")) + ",stale=true"))
    });
    let rounds: Vec<_> = rounds.take_while(Result::is_ok).collect();
    assert_eq!(rounds.len(), usize::from(ROUNDS_MAX));
}

#[test]
fn a_refusal_without_a_challenge_that_we_know_is_final() {
    let none = Err(Unanswerable::Unknown);
    let table = [
        "X: y",
        "WWW-Authenticate: Basic realm=\"r\"",
        "WWW-Authenticate: Digest realm=\"r\"",
        "WWW-Authenticate: Digest nonce=\"r\"",
        "WWW-Authenticate: Digest realm=\"r, nonce=\"n\"",
        "WWW-Authenticate: Digest realm=r\\, nonce=\"n\"",
        "WWW-Authenticate: Digest realm=\"a\u{7}\", nonce=\"n\"",
        "WWW-Authenticate: Digest realm=\"a\"b, nonce=\"n\"",
        "WWW-Authenticate: Digest realm=a\"b\", nonce=\"n\"",
        "WWW-Authenticate: =,=,\"",
        "WWW-Authenticate:",
    ];
    for line in table {
        check(&mut Authorizations::default(), &[line], none);
    }
    let long = format!("WWW-Authenticate: Digest realm=\"r\", nonce=\"{}\"", "n".repeat(2000));
    check(&mut Authorizations::default(), &[&long], none);
}

#[test]
fn no_more_realms_are_answered_than_the_bound() {
    let lines: Vec<_> =
        (0..20).map(|n| format!("WWW-Authenticate: Digest realm=\"{n}\", nonce=\"n\"")).collect();
    let bytes = refusal(401, &lines.iter().map(String::as_str).collect::<Vec<_>>());
    let mut known = Authorizations::default();
    assert_eq!(known.challenged(&parse(bytes.as_bytes()).expect("sound")), Ok(()));
    assert_eq!(sent(&mut known, Method::Register).lines().count(), REALMS_MAX);
}

#[test]
fn a_user_name_with_quotation_marks_cannot_end_its_parameter() {
    let mut known = Authorizations::default();
    let bytes = refusal(401, &[MD5]);
    known.challenged(&parse(bytes.as_bytes()).expect("sound")).expect("a challenge");
    let mut out = Vec::new();
    let mut builder = Builder::request(&mut out, Method::Register, "sip:example.com");
    known.authorize(
        &mut builder,
        &who("a\", x=\"\\", "p"),
        Method::Register,
        "sip:example.com",
        "c",
    );
    builder.finish().expect("quoted");
    let text = String::from_utf8(out).expect("text");
    assert!(text.contains("username=\"a\\\", x=\\\"\\\\\", realm"), "{text}");
}
