//! A second opinion: `rsip` 0.4 reads the same messages. Where both read a value they must read
//! the same; and what it reads, we must read.
//!
//! It was to read the structured values behind our lexer. It does not, because of what is said in
//! `theirs` about users with a dot, and because nothing was left for it: the values are read
//! without a copy, in places that the lexer knows.

mod chance;

use chance::Chance;
use rsip::prelude::{HeadersExt, ToTypedHeader, UntypedHeader};
use sip::message::{Message, Name, NameAddr, SipUri, Via, parse};

/// What was read of a message, in the same words by both.
#[derive(Default, Debug, PartialEq)]
struct Reading {
    start: Option<String>,
    call_id: Option<String>,
    cseq: Option<String>,
    from: Option<Address>,
    to: Option<Address>,
    contact: Option<Address>,
    via: Option<[String; 4]>,
}

/// User, host, port, tag.
type Address = [String; 4];

fn ours(message: &Message<'_>) -> Reading {
    let address = |address: Option<NameAddr<'_>>| {
        let address = address?;
        let uri = address.sip_uri().ok()?;
        Some(parts(uri, address.tag().unwrap_or("")))
    };
    let parts = |via: Via<'_>| {
        let branch = via.branch().unwrap_or("");
        [via.transport.to_uppercase(), via.host.to_owned(), port(via.port), branch.to_owned()]
    };
    let text = |name| message.header(name).map(str::to_owned);
    Reading {
        start: Some(
            message.status().map_or_else(|| message.method_text().to_owned(), |s| s.to_string()),
        ),
        call_id: text(Name::CallId),
        cseq: Some(message.cseq().0.to_string()),
        from: address(message.from()),
        to: address(message.to()),
        contact: address(message.contact()),
        via: Some(parts(message.top_via())),
    }
}

fn parts(uri: SipUri<'_>, tag: &str) -> Address {
    [uri.user.unwrap_or("").to_owned(), uri.host.to_owned(), port(uri.port), tag.to_owned()]
}

fn port(port: Option<u16>) -> String {
    port.map_or_else(String::new, |port| port.to_string())
}

fn theirs(message: &rsip::SipMessage) -> Reading {
    let address = |uri: &rsip::Uri, tag: Option<&rsip::param::Tag>| {
        let text = |t: Option<&str>| t.unwrap_or("").to_owned();
        let port = uri.port().map_or_else(String::new, |port| port.to_string());
        let sip = matches!(uri.scheme, Some(rsip::Scheme::Sip | rsip::Scheme::Sips));
        // Of a user with a dot it makes a part of the host: `j.user@192.0.2.1`, and no user.
        let sip = sip && !uri.host().to_string().contains('@');
        sip.then(|| [text(uri.user()), uri.host().to_string(), port, text(tag.map(|t| t.value()))])
    };
    let via = message.via_header().ok().and_then(|v| v.typed().ok());
    Reading {
        start: Some(match message {
            rsip::SipMessage::Request(request) => request.method.to_string(),
            rsip::SipMessage::Response(response) => response.status_code.code().to_string(),
        }),
        call_id: message.call_id_header().ok().map(|c| c.value().to_owned()),
        cseq: message.cseq_header().ok().and_then(|c| c.typed().ok()).map(|c| c.seq.to_string()),
        from: message
            .from_header()
            .ok()
            .and_then(|f| f.typed().ok())
            .and_then(|f| address(&f.uri, f.tag())),
        to: message
            .to_header()
            .ok()
            .and_then(|t| t.typed().ok())
            .and_then(|t| address(&t.uri, t.tag())),
        contact: message.contact_header().ok().and_then(|c| c.typed().ok()).and_then(|c| {
            address(
                &c.uri,
                c.params
                    .iter()
                    .find_map(|p| if let rsip::Param::Tag(t) = p { Some(t) } else { None }),
            )
        }),
        via: via.map(|v| {
            let port = v.uri.port().map_or_else(String::new, |port| port.to_string());
            let branch = v.branch().map_or_else(String::new, |b| b.value().to_owned());
            [v.transport.to_string(), v.uri.host().to_string(), port, branch]
        }),
    }
}

/// Compares what both read, and gives how many values that were.
fn check(bytes: &[u8]) -> usize {
    let (Ok(message), Ok(other)) = (parse(bytes), rsip::SipMessage::try_from(bytes)) else {
        return 0;
    };
    let (ours, theirs) = (ours(&message), theirs(&other));
    let mut compared = 0;
    macro_rules! compare {
        ($($value:ident)*) => {$(
            if let Some(theirs) = &theirs.$value {
                assert_eq!(ours.$value.as_ref(), Some(theirs), "{} of {}", stringify!($value), String::from_utf8_lossy(bytes));
                compared += 1;
            }
        )*};
    }
    compare!(start call_id cseq from to contact via);
    compared
}

#[test]
fn both_read_the_same_in_messages_of_every_shape() {
    let mut chance = Chance(4);
    let hosts = ["example.com", "192.0.2.1", "a-b.c"];
    let users = ["", "a@", "+86138@", "a%20b@", "x:y@", "anonymous@", "j.user@"];
    let ports = ["", ":5060", ":1"];
    let params = ["", ";transport=tcp", ";lr", ";user=phone;x=y"];
    let displays = ["", "A ", "\"A, B\" ", "\"\\\"\" "];
    let tags = ["", ";tag=1", ";tag=a.b-c_d~", ";x=y;tag=2"];
    let mut compared = 0;
    for _ in 0..3_000 {
        let mut address = |tag: bool| {
            let uri = format!(
                "sip:{}{}{}{}",
                chance.one_of(&users),
                chance.one_of(&hosts),
                chance.one_of(&ports),
                chance.one_of(&params)
            );
            let tag = if tag { *chance.one_of(&tags) } else { "" };
            format!("{}<{uri}>{tag}", chance.one_of(&displays))
        };
        let (from, to, contact) = (address(true), address(true), address(false));
        let start = *chance.one_of(&[
            "SIP/2.0 200 OK",
            "SIP/2.0 183 Session Progress",
            "INVITE sip:a@b SIP/2.0",
        ]);
        let via = format!(
            "{}{};branch=z9hG4bK{}",
            chance.one_of(&hosts),
            chance.one_of(&ports),
            chance.number()
        );
        let transport = chance.one_of(&["UDP", "TCP", "TLS"]);
        let cseq = chance.below(1 << 31);
        let bytes = format!(
            "{start}\r\nVia: SIP/2.0/{transport} {via}\r\nFrom: {from}\r\nTo: {to}\r\nCall-ID: c{cseq}@h\r\n\
             CSeq: {cseq} INVITE\r\nContact: {contact}\r\nContent-Length: 0\r\n\r\n"
        );
        assert!(parse(bytes.as_bytes()).is_ok(), "{bytes}");
        compared += check(bytes.as_bytes());
    }
    assert!(compared > 3_000 * 5, "{compared} values were read by both");
}

#[test]
fn both_read_the_same_in_the_torture_messages_that_both_take() {
    let folder = format!("{}/tests/torture/rfc4475", env!("CARGO_MANIFEST_DIR"));
    let files = std::fs::read_dir(folder).expect("the corpus is in the tree");
    let compared: usize = files
        .map(|file| check(&std::fs::read(file.expect("a file").path()).expect("readable")))
        .sum();
    assert!(compared > 80, "{compared} values were read by both");
}
