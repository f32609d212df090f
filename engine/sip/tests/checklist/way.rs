//! Which way messages go, and who is listened to: transports, connections, strangers, odd forms.

use expect_test::expect;
use sip::port::{RefusalSource, SipHeard, Transport};

use crate::world::run::World;
use crate::world::*;

const STRANGER: &str = "198.51.100.66:5060";

/// An answer to our INVITE, whoever says it.
fn answer(invite: &Text, status: &str, more: &str) -> String {
    format!(
        "SIP/2.0 {status}\r\nVia: {}\r\nFrom: {}\r\nTo: {};tag=c\r\nCall-ID: {}\r\nCSeq: {}\r\n{more}Content-Length: 0\r\n\r\n",
        invite.header("Via"),
        invite.header("From"),
        invite.header("To"),
        invite.header("Call-ID"),
        invite.header("CSeq"),
    )
}

fn bye(invite: &Text) -> String {
    format!(
        "BYE {} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKx;rport\r\nMax-Forwards: 70\r\nFrom: {};tag=c\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: 7 BYE\r\nContent-Length: 0\r\n\r\n",
        text::bracketed(invite.header("Contact")),
        invite.header("To"),
        invite.header("From"),
        invite.header("Call-ID"),
    )
}

/// They would end the call if they came from its gateway.
#[test]
fn a_stranger_s_answer_and_bye_are_dropped_unread_even_with_every_text_right() {
    let plan = Plan::invite([say(0, 180), say(1000, 200)]);
    let script = Script::new(plan)
        .inject(500, STRANGER, |invite| answer(invite, "486 Busy", ""))
        .inject(1500, STRANGER, bye);
    let run = check(
        script,
        expect![[r#"
        10    > INVITE 1
        20    < 180 1 INVITE
        20    * Progress 180
        500   ! SIP/2.0 486 Busy
        1020  < 200 1 INVITE
        1020  * Answered 200 with SDP by c
        1035  > ACK 1
        1500  ! BYE sip:AAAAAAAAAAAB@10.0.0.1:5060 SIP/2.0
        2035  > BYE 2
        2045  < 200 2 BYE
        2045  * Closed
    "#]],
    );
    assert_eq!(run.agent.counters().dropped_strangers, 2);
}

/// The gateway may send from another port than it listens on.
#[test]
fn the_gateway_is_known_by_its_address_whatever_the_port() {
    let plan = Plan::invite([say(0, 180), say(1000, 200)]);
    let script = Script::new(plan).no_bye().inject(1500, "10.0.0.9:34567", bye);
    let run = World::new(script, Faults::None).call();
    assert!(matches!(run.heard.last(), Some(SipHeard::HungUp { .. })), "{}", run.ladder);
}

/// Carriers send requests in the dialog from the host of their Contact.
#[test]
fn the_contact_s_host_may_send_in_its_dialog_while_that_lasts() {
    let plan = Plan::invite([say(0, 200).contact("<sip:media@198.51.100.66>")]);
    let script =
        Script::new(plan).no_bye().inject(500, STRANGER, bye).inject(60_000, STRANGER, bye);
    let run = World::new(script, Faults::None).call();
    assert!(run.heard.iter().any(|h| matches!(h, SipHeard::HungUp { .. })), "{}", run.ladder);
    assert_eq!(run.agent.counters().dropped_strangers, 1, "and not after it");
}

/// A million guesses; here the nearest of them.
#[test]
fn a_response_whose_texts_are_nearly_right_is_counted_and_dropped() {
    let forge: [fn(&Text) -> String; 5] = [
        |i| {
            answer(i, "486 Busy", "").replacen(
                i.branch(),
                &format!("{}A", &i.branch()[..i.branch().len() - 1]),
                1,
            )
        },
        |i| {
            answer(i, "486 Busy", "").replacen(
                i.tag("From"),
                &i.tag("From").to_ascii_lowercase(),
                1,
            )
        },
        |i| answer(i, "486 Busy", "").replacen(i.header("Call-ID"), "other", 1),
        |i| answer(i, "486 Busy", "").replacen("INVITE", "OPTIONS", 1),
        // Checklist 3: more than one Via is somebody else's answer.
        |i| answer(i, "486 Busy", "Via: SIP/2.0/UDP 10.0.0.7;branch=z9hG4bKz\r\n"),
    ];
    for (n, forged) in forge.into_iter().enumerate() {
        let script =
            Script::new(Plan::invite([say(0, 180), say(1000, 200)])).inject(500, GATEWAY, forged);
        let run = World::new(script, Faults::None).call();
        assert_eq!(run.agent.counters().stray_responses, 1, "{n}");
        assert!(matches!(run.heard.last(), Some(SipHeard::Closed { .. })), "{n}\n{}", run.ladder);
    }
}

/// Checklist 39.
#[test]
fn a_response_that_was_cut_is_dropped_and_a_request_that_was_cut_gets_400() {
    let cut =
        |i: &Text| answer(i, "486 Busy", "").replace("Content-Length: 0", "Content-Length: 50");
    let script = Script::new(Plan::invite([say(0, 180), say(1000, 200)]))
        .inject(500, GATEWAY, cut)
        .inject(1500, GATEWAY, |i| bye(i).replace("Content-Length: 0", "Content-Length: 50"));
    let run = World::new(script, Faults::None).call();
    assert!(matches!(run.heard.last(), Some(SipHeard::Closed { .. })), "{}", run.ladder);
    assert_eq!(run.responses(400).len(), 1);
    assert_eq!(run.agent.counters().unreadable, 2);
}

/// Checklist 40.
#[test]
fn an_answer_with_compact_names_in_any_order_folded_is_an_answer() {
    let odd = |i: &Text| {
        format!(
            "SIP/2.0 200 \r\nl: 0\r\nX-Unknown:\r\n m: <sip:c@10.0.0.9>\r\nCSEQ:\r\n {}\r\ni:{}\r\nm:\"a, b\" <sip:c@10.0.0.9:5060;x=y>;q=1\r\nt  : {} ; Tag = c\r\nf: {}\r\nv: {}\r\n\r\n",
            i.header("CSeq"),
            i.header("Call-ID"),
            i.header("To"),
            i.header("From"),
            i.header("Via"),
        )
    };
    let script = Script::new(Plan::invite([say(0, 180)])).inject(500, GATEWAY, odd);
    let run =
        World::new(script.with(|s| s.talk = None).at(900, Wish::Bye(None)), Faults::None).call();
    assert!(
        run.heard
            .iter()
            .any(|h| matches!(h, SipHeard::Answered { dialog, .. } if dialog.remote_tag == "c")),
        "{}",
        run.ladder
    );
}

const LONG: &str = concat!(
    "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0 8 9 18 101\r\n",
    "a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:9 G722/8000\r\na=rtpmap:18 G729/8000\r\na=fmtp:18 annexb=no\r\n",
    "a=x:0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000\r\n",
    "a=x:1111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111\r\n",
    "a=x:2222222222222222222222222222222222222222222222222222222222222222222222222222222222222222222222222222\r\n",
    "a=x:3333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333\r\n",
    "a=x:4444444444444444444444444444444444444444444444444444444444444444444444444444444444444444444444444444\r\n",
    "a=x:5555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555\r\n",
    "a=x:6666666666666666666666666666666666666666666666666666666666666666666666666666666666666666666666666666\r\n",
    "a=x:7777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777\r\n",
);

/// Checklist 35.
#[test]
fn a_request_too_large_for_a_datagram_goes_by_tcp() {
    let script = Script::new(Plan::invite([say(0, 180), say(500, 200)])).with(|s| s.offer = LONG);
    let run = check(
        script,
        expect![[r#"
        10    > INVITE 1 tcp
        20    < 180 1 INVITE tcp
        20    * Progress 180
        520   < 200 1 INVITE tcp
        520   * Answered 200 with SDP by c
        535   > ACK 1 tcp
        1535  > BYE 2 tcp
        1545  < 200 2 BYE tcp
        1545  * Closed
    "#]],
    );
    assert!(run.request("INVITE").0.len() > 1300);
    assert!(run.request("INVITE").header("Via").starts_with("SIP/2.0/TCP "));
}

/// Checklist 35: the same request, as a datagram; and the next call does not try again.
#[test]
fn a_request_too_large_falls_back_to_a_datagram_when_the_connection_is_refused() {
    let script = Script::new(Plan::invite([say(0, 180), say(500, 200)])).with(|s| s.offer = LONG);
    let script = script.with(|s| s.refusing = vec![(Transport::Tcp, GATEWAY.parse().unwrap())]);
    let run = check(
        script,
        expect![[r#"
        30    > INVITE 1
        40    < 180 1 INVITE
        40    * Progress 180
        540   < 200 1 INVITE
        540   * Answered 200 with SDP by c
        555   > ACK 1
        1555  > BYE 2
        1565  < 200 2 BYE
        1565  * Closed
    "#]],
    );
    let invites = run.requests("INVITE");
    assert_eq!(invites[0].branch(), invites[1].branch());
    assert!(invites[1].header("Via").starts_with("SIP/2.0/UDP "));
}

/// Checklist 36.
#[test]
fn a_call_that_began_on_a_connection_stays_there() {
    let plan = Plan::invite([
        say(0, 180),
        say(500, 200).contact("<sip:callee@10.0.0.9:41234;transport=tcp>"),
        ask(900, "INFO").body("text/plain", "x"),
    ]);
    let script = Script::new(plan).gateway(|g| g.transport = Transport::Tcp);
    let run = check(
        script,
        expect![[r#"
        10    > INVITE 1 tcp
        20    < 180 1 INVITE tcp
        20    * Progress 180
        520   < 200 1 INVITE tcp
        520   * Answered 200 with SDP by c
        535   > ACK 1 tcp
        920   < INFO 101 tcp
        920   * Info text/plain
        930   > 200 101 INFO tcp
        1535  > BYE 2 tcp
        1545  < 200 2 BYE tcp
        1545  * Closed
    "#]],
    );
    assert!(
        run.sent.iter().all(|(to, _)| to.transport == Transport::Tcp && to.address.port() == 5060)
    );
    assert!(run.request("INVITE").header("Contact").ends_with(";transport=tcp>"));
}

/// Checklist 37: no connection, no call.
#[test]
fn a_refused_connection_refuses_the_call() {
    let script = Script::new(Plan::default()).gateway(|g| g.transport = Transport::Tcp);
    let script = script.with(|s| s.refusing = vec![(Transport::Tcp, GATEWAY.parse().unwrap())]);
    let run = check(
        script,
        expect![[r#"
        20    * Refused Transport
    "#]],
    );
    assert_eq!(run.refusal().source, RefusalSource::Transport);
    assert_eq!(run.refusal().phrase, "refused");
}

/// An ICMP error may be forged, and a gateway may restart: what is in the dialog goes on.
#[test]
fn an_error_of_the_transport_does_not_end_a_call_that_is_up() {
    let script = Script::new(Plan::invite([say(0, 200)]).silence("INFO")).at(500, Wish::Info("x"));
    let mut world = World::new(script, Faults::None);
    world.fail_at(600, GATEWAY);
    let run = world.call();
    assert!(matches!(run.heard.last(), Some(SipHeard::Closed { .. })), "{}", run.ladder);
}

/// A device behind a NAT that does not know it, and one that says nobody's address.
#[test]
fn a_contact_that_cannot_be_reached_is_reached_the_way_of_the_invite() {
    for contact in ["<sip:a@192.168.1.2:5062>", "<sip:a@0.0.0.0>", "<sip:a@inside.example.com>"] {
        let plan = Plan::invite([say(0, 200).contact(contact)]);
        let script = Script::new(plan.clone()).callee("203.0.113.9:5060", plan);
        let script = script.gateway(|g| g.host = "203.0.113.9".into());
        let run = World::new(script, Faults::None).call();
        assert_eq!(run.broken, Vec::<String>::new(), "{contact}");
        assert!(
            run.sent.iter().all(|(to, _)| to.address.to_string() == "203.0.113.9:5060"),
            "{contact}"
        );
        assert_eq!(run.request("BYE").uri(), text::bracketed(contact));
    }
}

/// Checklist 32: outside of any call. A stranger gets nothing, a gateway no more than its due.
#[test]
fn requests_outside_of_calls_are_answered_to_gateways_alone() {
    fn request(method: &str, more: &str) -> String {
        format!(
            "{method} sip:10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9:5080;branch=z9hG4bK{method}\r\nMax-Forwards: 70\r\nFrom: <sip:x@10.0.0.9>;tag=f\r\nTo: <sip:10.0.0.1>\r\nCall-ID: {method}@x\r\nCSeq: 1 {method}\r\n{more}Content-Length: 0\r\n\r\n"
        )
    }
    type Case = (fn(&Text) -> String, Option<u16>);
    let cases: [Case; 9] = [
        (|_| request("OPTIONS", ""), Some(200)),
        (|_| request("INVITE", ""), Some(403)),
        (|_| request("REGISTER", ""), Some(405)),
        (|_| request("SUBSCRIBE", ""), Some(405)),
        (|_| request("OPTIONS", "Require: foo\r\n"), Some(420)),
        (|_| request("CANCEL", ""), Some(481)),
        (|_| request("BYE", ""), Some(481)),
        (|_| request("ACK", ""), None),
        (|_| "\r\n\r\n".into(), None),
    ];
    for (n, (what, status)) in cases.into_iter().enumerate() {
        let script = |from| Script::new(Plan::invite([say(0, 486)])).inject(500, from, what);
        let known = World::new(script(GATEWAY), Faults::None).call();
        let answers: Vec<_> =
            known.sent.iter().filter(|(_, text)| text.status().is_some()).collect();
        assert_eq!(answers.first().map(|(_, text)| text.status().unwrap()), status, "{n}");
        if let Some((to, text)) = answers.first() {
            // Without rport the answer goes to the port that Via names (RFC 3261, 18.2.2).
            assert_eq!(to.address.to_string(), "10.0.0.9:5080");
            assert!(!text.tag("To").is_empty());
        }
        let stranger = World::new(script(STRANGER), Faults::None).call();
        assert!(stranger.sent.iter().all(|(_, text)| text.status().is_none()), "{n}");
    }
}

#[test]
fn a_request_that_comes_again_outside_of_a_call_gets_the_same_answer() {
    let options = |_: &Text| {
        "OPTIONS sip:10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKo;rport\r\nMax-Forwards: 70\r\nFrom: <sip:x@10.0.0.9>;tag=f\r\nTo: <sip:10.0.0.1>\r\nCall-ID: o@x\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n".to_owned()
    };
    let script = Script::new(Plan::invite([say(0, 486)]))
        .inject(500, GATEWAY, options)
        .inject(900, GATEWAY, options);
    let run = World::new(script, Faults::None).call();
    assert_eq!(run.responses(200)[0], run.responses(200)[1]);
}
