//! The carrier's server transactions and dialogs in virtual time, message by message.

mod caller;

use caller::world::{exchange, options, peer};
use caller::{header, sdp};
use sim::exchange::{Exchange, Options, Output, RtpOrder};
use sim::ledger::Entry;
use sip::port::{Peer, Transport};
use std::time::Duration;

/// A carrier, and one who writes to it.
struct Desk {
    exchange: Exchange,
    now: Duration,
    peer: Peer,
    rtp: Vec<RtpOrder>,
}

impl Desk {
    fn new(change: impl FnOnce(&mut Options)) -> Self {
        let mut options = options();
        change(&mut options);
        Self { exchange: exchange(options), now: Duration::ZERO, peer: peer(), rtp: Vec::new() }
    }

    fn take(&mut self) -> Vec<String> {
        let mut said = Vec::new();
        for output in self.exchange.outputs() {
            match output {
                Output::Transmit { bytes, .. } => {
                    said.push(String::from_utf8(bytes).expect("is text"));
                }
                Output::Rtp(order) => self.rtp.push(order),
            }
        }
        said
    }

    /// What the carrier says at once.
    fn say(&mut self, message: &str) -> Vec<String> {
        self.exchange.receive(self.peer, message.as_bytes(), self.now);
        self.take()
    }

    /// The first lines of what it says at once.
    fn lines(&mut self, message: &str) -> Vec<String> {
        self.say(message).iter().map(|said| first_line(said)).collect()
    }

    /// What it says by itself until so many milliseconds from the start: when, and the first line.
    fn wait_until(&mut self, ms: u64) -> Vec<(u64, String)> {
        let until = Duration::from_millis(ms);
        let mut said = Vec::new();
        while let Some(due) = self.exchange.due().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.exchange.wake(self.now);
            let at = self.now.as_millis() as u64;
            said.extend(self.take().iter().map(|message| (at, first_line(message))));
        }
        self.now = until;
        said
    }

    fn entry(&self) -> Entry {
        self.exchange.entries().pop().expect("there is one")
    }

    /// Answered and acknowledged: gives back the 200.
    fn talking(&mut self, number: &str) -> String {
        let answer = self.say(&invite(number, "")).pop().expect("answers at once");
        assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
        assert_eq!(self.lines(&within(&answer, "ACK", 1, "ack", "")), [""; 0]);
        answer
    }
}

fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or("").to_owned()
}

fn request(method: &str, uri: &str, to: &str, cseq: u32, branch: &str, more: &str) -> String {
    let (headers, body) = more.split_once("\r\n\r\n").unwrap_or((more, ""));
    let line = if headers.is_empty() { "" } else { "\r\n" };
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:4060;branch=z9hG4bK{branch};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:us@example.org>;tag=us\r\nTo: {to}\r\nCall-ID: one\r\n\
         CSeq: {cseq} {method}\r\nContact: <sip:us@127.0.0.1:4060>\r\n{headers}{line}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn invite(number: &str, headers: &str) -> String {
    let offer = sdp("127.0.0.1", 4000);
    let uri = format!("sip:{number}@carrier.example");
    request("INVITE", &uri, &format!("<{uri}>"), 1, "one", &format!("{headers}\r\n\r\n{offer}"))
        .replace("\r\n\r\nContent", "\r\nContent")
}

/// A request in the dialog that `answer` made.
fn within(answer: &str, method: &str, cseq: u32, branch: &str, more: &str) -> String {
    let target = header(answer, "Contact").trim_matches(['<', '>']).to_owned();
    let target = if target.is_empty() { "sip:1@carrier.example".to_owned() } else { target };
    request(method, &target, header(answer, "To"), cseq, branch, more)
}

/// 200 to a request of the carrier's.
fn ok_to(request: &str) -> String {
    let copied: String = ["Via", "From", "To", "Call-ID", "CSeq"]
        .iter()
        .map(|name| format!("{name}: {}\r\n", header(request, name)))
        .collect();
    format!("SIP/2.0 200 OK\r\n{copied}Content-Length: 0\r\n\r\n")
}

fn times(said: &[(u64, String)]) -> Vec<u64> {
    said.iter().map(|(at, _)| *at).collect()
}

#[test]
fn a_repeated_invite_gets_the_last_reply_again_and_makes_no_second_call() {
    let mut desk = Desk::new(|_| ());
    let invite = invite("99918000", "");
    let first = desk.say(&invite);
    assert_eq!(desk.say(&invite), [first.last().expect("rings").clone()]);
    let entry = desk.entry();
    assert_eq!((entry.invites, desk.exchange.totals().invites), (2, 1));
}

#[test]
fn an_answer_is_repeated_until_its_ack_and_a_repeated_invite_does_not_hasten_it() {
    let mut desk = Desk::new(|_| ());
    let invite = invite("99911100", "");
    let answer = desk.say(&invite).pop().expect("answers at once");
    assert_eq!(times(&desk.wait_until(4_000)), [500, 1_500, 3_500]);
    assert_eq!(desk.say(&invite), [""; 0]);
    desk.say(&within(&answer, "ACK", 1, "ack", ""));
    assert_eq!(desk.wait_until(60_000), []);
    assert_eq!((desk.entry().finals, desk.entry().unacked), (4, 0));
}

#[test]
fn an_answer_without_ack_is_hung_up_after_64_t1() {
    let mut desk = Desk::new(|_| ());
    desk.say(&invite("99911100", ""));
    let said = desk.wait_until(32_000);
    assert_eq!(said.len(), 11, "{said:?}");
    assert!(said[10].1.starts_with("BYE sip:us@127.0.0.1:4060"), "{said:?}");
    assert_eq!((said[10].0, desk.entry().unacked), (32_000, 1));
}

#[test]
fn a_refusal_is_repeated_until_an_ack_on_its_own_branch() {
    let mut desk = Desk::new(|_| ());
    let refusal = desk.say(&invite("99948600", "")).pop().expect("refuses");
    desk.say(&within(&refusal, "ACK", 1, "other", ""));
    assert_eq!(times(&desk.wait_until(4_000)), [500, 1_500, 3_500]);
    assert_eq!((desk.entry().acks, desk.entry().misdirected), (0, 1));
    desk.say(&within(&refusal, "ACK", 1, "one", ""));
    assert_eq!(desk.wait_until(200_000), []);
    assert_eq!((desk.entry().acks, desk.entry().unacked), (1, 0));
    // Nobody acknowledges this one.
    let mut desk = Desk::new(|_| ());
    desk.say(&invite("99948600", ""));
    assert_eq!(times(&desk.wait_until(100_000)).last(), Some(&31_500));
    assert_eq!((desk.entry().unacked, desk.exchange.calls()), (1, 0));
}

#[test]
fn a_stream_repeats_no_refusal() {
    let mut desk = Desk::new(|_| ());
    desk.peer.transport = Transport::Tcp;
    desk.say(&invite("99948600", "").replace("SIP/2.0/UDP", "SIP/2.0/TCP"));
    assert_eq!(desk.wait_until(100_000), []);
    assert_eq!(desk.entry().unacked, 1);
}

#[test]
fn a_cancel_is_answered_whenever_it_comes_and_a_stray_one_gets_481() {
    let cancel = request(
        "CANCEL",
        "sip:99918000@carrier.example",
        "<sip:99918000@carrier.example>",
        1,
        "one",
        "",
    );
    let mut desk = Desk::new(|_| ());
    assert_eq!(desk.lines(&cancel), ["SIP/2.0 481 Call/Transaction Does Not Exist"]);
    desk.say(&invite("99918000", ""));
    assert_eq!(desk.lines(&cancel), ["SIP/2.0 200 OK", "SIP/2.0 487 Request Terminated"]);
    assert_eq!(desk.lines(&cancel), ["SIP/2.0 200 OK"]);
    assert_eq!(desk.exchange.totals().strays, 1);
    // Too late to change anything.
    let mut desk = Desk::new(|_| ());
    desk.talking("99911100");
    assert_eq!(desk.lines(&cancel), ["SIP/2.0 200 OK"]);
    assert_eq!(desk.entry().open, 1);
}

#[test]
fn a_repeated_bye_is_answered_as_the_first_and_a_second_one_is_too_late() {
    for (number, wanted) in [("99911100", Some("200 OK")), ("99981000", None)] {
        let mut desk = Desk::new(|options| options.second_ms = 0);
        let answer = desk.talking(number);
        let wanted: Vec<_> = wanted.iter().map(|status| format!("SIP/2.0 {status}")).collect();
        let bye = within(&answer, "BYE", 2, "bye", "");
        assert_eq!(desk.lines(&bye), wanted, "{number}");
        assert_eq!(desk.lines(&bye), wanted, "{number}");
        let second = within(&answer, "BYE", 3, "bye2", "");
        assert_eq!(desk.lines(&second), ["SIP/2.0 481 Call/Transaction Does Not Exist"]);
        assert!(desk.rtp.iter().any(|order| matches!(order, RtpOrder::Close { .. })));
    }
}

#[test]
fn the_callees_bye_is_repeated_until_it_is_answered_and_crosses_ours() {
    let mut desk = Desk::new(|options| options.second_ms = 0);
    let answer = desk.say(&invite("99921000", "")).pop().expect("answers at once");
    let bye = desk.say(&within(&answer, "ACK", 1, "ack", "")).pop().expect("hangs up");
    assert_eq!(times(&desk.wait_until(3_000)), [500, 1_500]);
    let ours = within(&answer, "BYE", 2, "bye", "");
    assert_eq!(desk.lines(&ours), ["SIP/2.0 200 OK"]);
    desk.say(&ok_to(&bye));
    assert_eq!(desk.wait_until(100_000), []);
    let entry = desk.entry();
    assert_eq!((entry.byes, entry.byes_sent, entry.open, entry.is_settled()), (1, 3, 0, true));
}

#[test]
fn requests_in_the_dialog_are_answered() {
    let mut desk = Desk::new(|_| ());
    let answer = desk.talking("99911100");
    let mut check = |method: &str, cseq: u32, more: &str, wanted: &str| {
        let said = desk.lines(&within(&answer, method, cseq, method, more));
        assert_eq!(said, [format!("SIP/2.0 {wanted}")], "{method}");
    };
    check("OPTIONS", 5, "", "200 OK");
    check("INFO", 6, "Content-Type: application/dtmf-relay\r\n\r\nSignal=7\r\n", "200 OK");
    check("INFO", 3, "", "500 Server Internal Error");
    check("REFER", 7, "", "405 Method Not Allowed");
    check("UPDATE", 8, "", "200 OK");
    check("UPDATE", 9, "Content-Type: application/sdp\r\n\r\nv=0\r\n", "488 Not Acceptable Here");
    check("PRACK", 10, "RAck: 1 1 INVITE", "481 Call/Transaction Does Not Exist");
    check("NONSENSE", 11, "", "405 Method Not Allowed");
    assert_eq!(desk.entry().info_digits, "7");
}

#[test]
fn a_hold_of_the_callers_turns_the_audio_round_until_it_resumes() {
    let mut desk = Desk::new(|_| ());
    let answer = desk.talking("99911100");
    let mut directions = Vec::new();
    for (cseq, direction) in [(2, "sendonly"), (3, "sendrecv")] {
        let body = format!("{}a={direction}\r\n", sdp("127.0.0.1", 4000));
        let reinvite = within(&answer, "INVITE", cseq, direction, &format!("\r\n\r\n{body}"))
            .replace("\r\n\r\nContent", "\r\nContent");
        let said = desk.say(&reinvite).pop().expect("answers");
        directions.push(said.lines().last().unwrap_or("").to_owned());
        // It is the same answer until the ACK.
        assert_eq!(desk.say(&reinvite), std::slice::from_ref(&said));
        desk.say(&within(&said, "ACK", cseq, "ack2", ""));
    }
    assert_eq!(directions, ["a=recvonly", "a=sendrecv"]);
    let sends: Vec<_> = desk
        .rtp
        .iter()
        .filter_map(|order| match order {
            RtpOrder::Aim { audio, .. } => Some(audio.send),
            _ => None,
        })
        .collect();
    assert_eq!((sends, desk.entry().reinvites), (vec![false, true], 2));
    assert_eq!(desk.wait_until(60_000), []);
}

#[test]
fn an_invite_without_an_offer_gets_ours_and_the_ack_answers_it() {
    let mut desk = Desk::new(|_| ());
    let uri = "sip:99911100@carrier.example";
    let answer = desk.say(&request("INVITE", uri, &format!("<{uri}>"), 1, "one", "")).pop();
    let answer = answer.expect("answers");
    assert!(answer.contains("RTP/AVP 0 8 101\r\n"), "{answer}");
    assert!(desk.rtp.is_empty());
    let body = format!("Content-Type: application/sdp\r\n\r\n{}", sdp("127.0.0.1", 4000));
    desk.say(&within(&answer, "ACK", 1, "ack", &body));
    assert!(
        matches!(desk.rtp[..], [RtpOrder::Open { .. }, RtpOrder::Play { .. }]),
        "{:?}",
        desk.rtp
    );
}

#[test]
fn what_cannot_be_taken_is_refused_with_its_reason() {
    let check = |invite: String, wanted: &str, plan: &str| {
        let mut desk = Desk::new(|_| ());
        assert_eq!(desk.lines(&invite), [format!("SIP/2.0 {wanted}")]);
        assert_eq!(desk.exchange.totals().plans.get(plan), Some(&1), "{plan}");
    };
    let good = invite("99920000", "");
    check(good.replace(" 0 8 101", " 9 3 118"), "488 Not Acceptable Here", "refused-offer");
    check(invite("99920000", "Require: teleport"), "420 Bad Extension", "bad-extension");
    let mut desk = Desk::new(|options| options.calls_max = 1);
    desk.say(&invite("99918000", ""));
    let other = invite("99918000", "").replace("Call-ID: one", "Call-ID: two");
    assert_eq!(desk.lines(&other), ["SIP/2.0 503 Service Unavailable"]);
}

#[test]
fn the_same_invite_by_another_way_is_a_loop() {
    let mut desk = Desk::new(|_| ());
    desk.say(&invite("99918000", ""));
    let merged = invite("99918000", "").replace("z9hG4bKone", "z9hG4bKtwo");
    assert_eq!(desk.lines(&merged), ["SIP/2.0 482 Loop Detected"]);
    assert_eq!(desk.entry().plan, "merged");
}

#[test]
fn a_redirect_gives_back_digits_and_nothing_that_was_hidden_in_the_number() {
    for (number, contact) in [
        ("+8613899930205", "<sip:+8613899920005@127.0.0.1:5070>"),
        ("1%0d%0aX%3a%20y%0d%0a99930205", "<sip:99920005@127.0.0.1:5070>"),
    ] {
        let mut desk = Desk::new(|_| ());
        let said = desk.say(&invite(number, "")).pop().expect("redirects");
        assert_eq!(header(&said, "Contact"), contact, "{said}");
        assert_eq!(header(&said, "X"), "", "{said}");
    }
}

#[test]
fn a_number_that_is_busy_at_first_answers_the_third_call() {
    let mut desk = Desk::new(|options| options.second_ms = 0);
    let statuses: Vec<_> = ["a", "b", "c"]
        .iter()
        .map(|call| {
            let invite =
                invite("99928002", "").replace("Call-ID: one", &format!("Call-ID: {call}"));
            desk.lines(&invite).pop().expect("has a final")
        })
        .collect();
    assert_eq!(statuses, ["SIP/2.0 486 Busy Here", "SIP/2.0 486 Busy Here", "SIP/2.0 200 OK"]);
}

#[test]
fn responses_go_where_the_via_says() {
    let to = |via: &str| {
        let mut desk = Desk::new(|_| ());
        let options = request("OPTIONS", "sip:a", "<sip:a>", 1, "x", "")
            .replace("127.0.0.1:4060;branch=z9hG4bKx;rport", via);
        desk.exchange.receive(desk.peer, options.as_bytes(), desk.now);
        let sent = desk.exchange.outputs().next();
        match sent {
            Some(Output::Transmit { to, bytes }) => {
                let text = String::from_utf8(bytes).expect("is text");
                (to.address.to_string(), header(&text, "Via").to_owned())
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        to("10.9.9.9:7777;rport;branch=z9hG4bKx"),
        (
            "127.0.0.1:4060".to_owned(),
            "SIP/2.0/UDP 10.9.9.9:7777;rport=4060;branch=z9hG4bKx;received=127.0.0.1".to_owned()
        )
    );
    assert_eq!(
        to("10.9.9.9:7777;branch=z9hG4bKx"),
        (
            "127.0.0.1:7777".to_owned(),
            "SIP/2.0/UDP 10.9.9.9:7777;branch=z9hG4bKx;received=127.0.0.1".to_owned()
        )
    );
    assert_eq!(
        to("127.0.0.1;branch=z9hG4bKx"),
        ("127.0.0.1:5060".to_owned(), "SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKx".to_owned())
    );
}

#[test]
fn calls_that_nobody_ends_are_ended() {
    let hour = |options: &mut Options| options.call_max = Duration::from_secs(3_600);
    // Rings for ever.
    let mut desk = Desk::new(hour);
    desk.say(&invite("99918000", ""));
    let said = desk.wait_until(3_600_000);
    assert_eq!(said.last(), Some(&(3_600_000, "SIP/2.0 480 Temporarily Unavailable".to_owned())));
    // Talks for ever.
    let mut desk = Desk::new(hour);
    desk.talking("99911100");
    let said = desk.wait_until(3_600_000);
    assert!(said[0].1.starts_with("BYE "), "{said:?}");
    desk.wait_until(3_800_000);
    assert_eq!((desk.exchange.calls(), desk.exchange.due()), (0, None));
    // Says nothing at all, and is forgotten when the caller has long given up.
    let mut desk = Desk::new(hour);
    desk.say(&invite("99900000", ""));
    assert_eq!(desk.wait_until(100_000), []);
    assert_eq!((desk.exchange.calls(), desk.exchange.due()), (0, None));
    assert_eq!(desk.exchange.ledger().done().count(), 1);
}
