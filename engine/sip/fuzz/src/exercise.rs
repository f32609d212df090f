//! What a fuzzer calls: every public parser with bytes from a stranger, and what must hold then.
//! Also run without a fuzzer, by `tests/hostile.rs`.

use sip::auth::{Authorizations, challenges};
use sip::ids::{owner_of_branch, owner_of_contact_user, owner_of_tag};
use sip::message::{
    Builder, Message, Method, Name, NameAddr, RAck, SessionExpires, SipUri, TEXT_BYTES_MAX, Via,
    ack, cancel, parse, respond, sip_uri, unescape, unquote,
};
use sip::port::{Credentials, Reason, Transport};
use sip::stream::{Frame, Framer};

/// A message, however it came: read all of it, answer it, make an ACK and a CANCEL of it.
pub fn message(bytes: &[u8]) {
    let source = "192.0.2.9:5060".parse().expect("an address");
    let mut out = Vec::new();
    match parse(bytes) {
        Ok(message) => {
            read_all(&message);
            if !message.is_request() {
                answer_challenge(&message);
            } else if respond(&mut out, &message, 200, "OK", Some("mine"), source).finish().is_ok()
            {
                let response = parse(&out).expect("our response can be read");
                assert_eq!(
                    (response.cseq(), response.via_count()),
                    (message.cseq(), message.via_count())
                );
                assert_eq!(response.call_id(), message.call_id());
            }
            if message.is_request() {
                let _ = cancel(
                    &mut out,
                    &message,
                    Some(&Reason { q850: Some(16), ..Reason::default() }),
                );
                if ack(&mut out, &message, message.header(Name::To).unwrap_or("")).is_ok() {
                    let ack = parse(&out).expect("our ACK can be read");
                    assert_eq!((ack.via_count(), ack.method()), (1, Some(Method::Ack)));
                }
            }
        }
        Err(error) => {
            if let Some((status, phrase, request)) = error.answer() {
                read_all(request);
                // What we send must be a message, unless what it repeats is what was wrong.
                if respond(&mut out, request, status, phrase, Some("mine"), source).finish().is_ok()
                    && let Ok(response) = parse(&out)
                {
                    assert_eq!(response.status(), Some(status));
                }
            }
        }
    }
}

/// Asks everything of a message.
fn read_all(message: &Message<'_>) {
    let _ =
        (message.start(), message.fault(), message.cseq(), message.from_tag(), message.to_tag());
    let _ = (
        message.retry_after(),
        message.reason_raw(),
        message.session_expires(),
        message.rseq(),
        message.rack(),
    );
    let _ = (
        message.content_type(),
        message.max_forwards(),
        message.contacts_by_q(),
        message.has_body("a/b"),
    );
    let via = message.top_via();
    let _ = (via.branch().map(owner_of_branch), via.received(), via.rport());
    if let Some(sdp) = message.sdp() {
        assert!(sdp.len() <= message.body().len());
    }
    let lines = message.all_headers().count();
    for (name, value) in message.all_headers() {
        assert!(!value.contains(['\r', '\n']), "a line end within {name}");
        assert_eq!(message.header_named(name).is_some(), lines > 0);
        for value in message.headers(Name::read(name)) {
            text(value);
        }
        text(value);
    }
    if let Some(text) = message.reason().text {
        assert!(!text.contains(['\r', '\n']));
    }
}

/// The challenges of a response, answered.
fn answer_challenge(response: &Message<'_>) {
    let who = Credentials { username: "u\"\\".into(), password: "p".into() };
    let mut known = Authorizations::default();
    let mut out = Vec::new();
    while known.challenged(response).is_ok() {
        let mut request = Builder::request(&mut out, Method::Register, "sip:a");
        known.authorize(&mut request, &who, Method::Register, "sip:a", "cnonce");
        request
            .via(Transport::Udp, "a", "z9hG4bKa")
            .header(Name::CallId, "x")
            .cseq(1, Method::Register);
        request.address(Name::From, None, "sip:a", &[]).address(Name::To, None, "sip:a", &[]);
        request.finish().expect("a challenge that was taken can be answered");
        let request = parse(&out).expect("our request can be read");
        assert!(request.all_headers().count() <= 6 + sip::auth::REALMS_MAX);
    }
}

/// One value, read as every kind there is.
pub fn values(bytes: &[u8]) {
    if let Ok(value) = std::str::from_utf8(bytes) {
        text(value);
    }
}

fn text(value: &str) {
    if let Ok(uri) = SipUri::parse(value) {
        assert!(!uri.host.is_empty() && value.ends_with(uri.headers.unwrap_or("")));
        assert!(uri.is_same_place(&uri));
        let _ = (uri.user_text(), uri.transport(), uri.maddr(), uri.is_loose(), uri.address());
    }
    if let Some(address) = NameAddr::parse(value) {
        assert!(address.q() <= 1000 && address.uri.contains(':'));
        let _ = (
            address.display_text(),
            address.tag(),
            address.expires(),
            address.is_strict(),
            address.sip_uri(),
        );
        for param in address.params.iter() {
            let _ = param.unquoted();
        }
    }
    if let Some(via) = Via::parse(value) {
        let _ = (via.branch(), via.received(), via.rport(), via.wants_rport());
    }
    for challenge in challenges(value) {
        assert!(
            !challenge.realm.contains(char::is_control)
                && !challenge.nonce.contains(char::is_control)
        );
    }
    let _ = (RAck::parse(value), SessionExpires::parse(value), Method::read(value));
    let _ = (unescape(value), unquote(value));
    let _ = (owner_of_branch(value), owner_of_tag(value), owner_of_contact_user(value));
}

/// A stream, cut where its first byte says: the frames are those of the stream in one piece.
pub fn stream(bytes: &[u8]) {
    let Some((&step, stream)) = bytes.split_first() else { return };
    let frames = |size: usize| {
        let (mut framer, mut frames) = (Framer::default(), Vec::new());
        for piece in stream.chunks(size) {
            framer.push(piece);
            loop {
                match framer.next() {
                    Ok(Some(Frame::Message(bytes))) => frames.push(Ok(bytes.to_vec())),
                    Ok(Some(Frame::Ping)) => frames.push(Ok(Vec::new())),
                    Ok(None) => break,
                    Err(broken) => {
                        frames.push(Err(broken));
                        return frames;
                    }
                }
            }
        }
        frames
    };
    let whole = frames(stream.len().max(1));
    assert_eq!(frames(usize::from(step).max(1)), whole);
    whole.into_iter().flatten().for_each(|frame| message(&frame));
}

/// A message with texts of the stranger's, cut at bytes of 0xff, in every place that takes one.
pub fn writing(bytes: &[u8]) {
    let mut texts = bytes.split(|&b| b == 0xff).map(|t| String::from_utf8_lossy(t).into_owned());
    let mut text = || texts.next().unwrap_or_default();
    let (user, display, value, param, why, target) =
        (text(), text(), text(), text(), text(), text());
    let Ok(uri) = sip_uri(Some(&user), "192.0.2.9", None, "") else { return };
    let mut out = Vec::new();
    let mut request = Builder::request(&mut out, Method::Bye, &uri);
    request
        .via(Transport::Udp, "192.0.2.1", "z9hG4bKa")
        .header(Name::CallId, "call")
        .cseq(1, Method::Bye);
    request.address(Name::From, Some(&display), &uri, &[("p", &param), ("tag", "mine")]);
    request.address(Name::To, None, &uri, &[]).address(Name::Route, None, &target, &[]);
    request.header(Name::Subject, &value).reason(&Reason {
        q850: Some(16),
        sip: None,
        text: Some(why.clone()),
    });
    if request.finish().is_err() {
        return;
    }
    let message = parse(&out).expect("our request can be read");
    assert_eq!(message.all_headers().count(), 9);
    assert_eq!(
        SipUri::parse(message.uri()).expect("ours").user_text().as_deref(),
        Some(user.as_str())
    );
    let from = message.from().expect("ours");
    assert_eq!(from.display_text().as_deref(), Some(display.as_str()));
    assert_eq!((from.uri, from.tag()), (uri.as_str(), Some("mine")));
    assert_eq!(unquote(from.params.value("p").unwrap_or("")), param);
    assert_eq!(message.header(Name::Subject), Some(value.trim_matches(' ')));
    // A reader keeps so much of it, and no part of a character.
    let said = message.reason().text.unwrap_or_default();
    assert!(why.starts_with(said.as_str()), "{said:?} of {why:?}");
    assert!(said.len() == why.len() || said.len() + 4 > TEXT_BYTES_MAX, "{said:?} of {why:?}");
    assert_eq!(
        message.headers(Name::Route).next().and_then(NameAddr::parse).map(|a| a.uri),
        Some(target.as_str())
    );
}
