use std::net::SocketAddr;

use expect_test::{Expect, expect};

use super::*;
use crate::port::{Agreed, Codec};
use crate::seeded::Seeded;

const BOTH: &[Codec] = &[Codec::Pcma, Codec::Pcmu];

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address in a test")
}

/// The lines of an SDP, each ended as the RFC has it.
fn sdp(lines: &str) -> Vec<u8> {
    lines.trim().lines().flat_map(|line| format!("{}\r\n", line.trim()).into_bytes()).collect()
}

/// A session part for `192.0.2.5`, then these lines.
fn answer(lines: &str) -> Vec<u8> {
    sdp(&format!("v=0\no=- 1 1 IN IP4 192.0.2.5\ns=-\nc=IN IP4 192.0.2.5\nt=0 0\n{lines}"))
}

/// What was agreed, on one line.
fn line(agreed: Result<Agreed, SdpFault>) -> String {
    match agreed {
        Ok(Agreed { remote, rtcp, codec, events, ptime_ms, send, receive }) => {
            let events = events.map_or("no events".to_owned(), |events| format!("events {events}"));
            let rtcp = rtcp.map_or(String::new(), |rtcp| format!(", rtcp {rtcp}"));
            let way = Direction::of(send, receive).attribute();
            format!("{remote}{rtcp}, {}, {events}, {ptime_ms} ms, {way}", codec.name())
        }
        Err(fault) => format!("{}: {fault}", fault.word()),
    }
}

fn check(lines: &str, expected: Expect) {
    expected.assert_eq(&line(read_answer(&answer(lines))));
}

/// Answers an offer at `198.51.100.7:4000`; the answer's media part, and what was agreed.
fn check_offer(offer: &[u8], direction: Direction, expected: Expect) {
    let told = match answer_to(offer, address("198.51.100.7:4000"), 77, 2, BOTH, direction) {
        Ok((sdp, agreed)) => {
            let sdp = String::from_utf8(sdp).expect("ours is ASCII");
            let media = &sdp[sdp.find("m=").expect("an m= line")..];
            format!("{}{}\n", media.replace('\r', ""), line(Ok(agreed)))
        }
        Err(fault) => line(Err(fault)),
    };
    expected.assert_eq(&told);
}

#[test]
fn an_offer_names_our_codecs_and_digits() {
    let ours = offer(address("198.51.100.7:4000"), u64::MAX, 3, BOTH, Direction::SendRecv);
    expect![[r#"
        v=0
        o=- 9223372036854775807 3 IN IP4 198.51.100.7
        s=-
        c=IN IP4 198.51.100.7
        t=0 0
        m=audio 4000 RTP/AVP 8 0 101
        a=rtpmap:8 PCMA/8000
        a=rtpmap:0 PCMU/8000
        a=rtpmap:101 telephone-event/8000
        a=fmtp:101 0-15
        a=ptime:20
        a=sendrecv
    "#]]
    .assert_eq(&String::from_utf8(ours).expect("ASCII").replace('\r', ""));
}

#[test]
fn an_offer_of_ipv6_says_so() {
    let ours = offer(address("[2001:db8::7]:4000"), 1, 1, &[], Direction::RecvOnly);
    let ours = String::from_utf8(ours).expect("ASCII");
    assert!(ours.contains("c=IN IP6 2001:db8::7\r\n"), "{ours}");
    assert!(
        ours.contains("RTP/AVP 0 101\r\n"),
        "nothing to offer still offers what all must speak: {ours}"
    );
    assert!(ours.ends_with("a=recvonly\r\n"), "{ours}");
}

#[test]
fn our_own_offer_is_read_back_whole() {
    let ours = offer(address("198.51.100.7:4000"), 5, 1, BOTH, Direction::SendRecv);
    expect!["198.51.100.7:4000, PCMA, events 101, 20 ms, sendrecv"]
        .assert_eq(&line(read_answer(&ours)));
}

#[test]
fn an_answer_settles_codec_digits_interval_and_way() {
    check("m=audio 5000 RTP/AVP 0", expect!["192.0.2.5:5000, PCMU, no events, 20 ms, sendrecv"]);
    check(
        "m=audio 5000 RTP/AVP 18 8 0 96
         a=rtpmap:18 G729/8000
         a=rtpmap:96 telephone-event/8000
         a=ptime:30",
        expect!["192.0.2.5:5000, PCMA, events 96, 30 ms, sendrecv"],
    );
    check(
        "m=audio 5000 RTP/AVPF 8
         c=IN IP4 192.0.2.9
         a=rtcp:5099
         a=sendonly",
        expect!["192.0.2.9:5000, rtcp 192.0.2.9:5099, PCMA, no events, 20 ms, recvonly"],
    );
    check(
        "m=audio 5000 RTP/AVP 8
         c=IN IP6 2001:db8::9
         a=rtcp:5001 IN IP6 2001:db8::a
         a=recvonly",
        expect!["[2001:db8::9]:5000, rtcp [2001:db8::a]:5001, PCMA, no events, 20 ms, sendonly"],
    );
}

#[test]
fn what_is_unknown_or_in_vain_does_not_cost_the_call() {
    check(
        "b=AS:64
         b=nonsense
         k=clear:x
         nonsense without sign
         a=
         a=rtpmap:
         a=rtpmap:300 PCMU/8000
         m=video 6000 RTP/AVP 31
         c=IN IP4 not-an-address
         m=audio 5000/2 RTP/AVP 99999 abc 8
         a=candidate:1 1 UDP 2130706431 10.0.1.1 8998 typ host
         a=ptime:zwanzig
         a=rtcp:0
         a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x",
        expect!["192.0.2.5:5000, PCMA, no events, 20 ms, sendrecv"],
    );
    let mut latin = answer("i=Caf\u{e9}\nm=audio 5000 RTP/AVP 0");
    let at = latin.windows(2).position(|pair| pair == "é".as_bytes()).expect("the é");
    latin.splice(at..at + 2, [0xe9]);
    expect!["192.0.2.5:5000, PCMU, no events, 20 ms, sendrecv"]
        .assert_eq(&line(read_answer(&latin)));
}

#[test]
fn any_line_ending_is_read() {
    let lines = "v=0|o=- 1 1 IN IP4 192.0.2.5|s=-|c=IN IP4 192.0.2.5|t=0 0|m=audio 5000 RTP/AVP 0|a=sendonly";
    for ending in ["\r\n", "\n", "\r", " \r\n\r\n"] {
        expect!["192.0.2.5:5000, PCMU, no events, 20 ms, recvonly"]
            .assert_eq(&line(read_answer(lines.replace('|', ending).as_bytes())));
    }
}

#[test]
fn the_interval_is_one_the_wheel_turns_at() {
    for (attributes, expected) in [
        ("a=ptime:10", 10),
        ("a=ptime:20.0", 20),
        ("a=ptime:25", 20),
        ("a=ptime:40", 40),
        ("a=ptime:5", 10),
        ("a=ptime:0", 20),
        ("a=ptime:4294967296", 20),
        ("a=ptime:200", 60),
        ("a=maxptime:30\na=ptime:60", 30),
        ("a=maxptime:0", 20),
    ] {
        let agreed = read_answer(&answer(&format!("m=audio 5000 RTP/AVP 0\n{attributes}")));
        assert_eq!(agreed.expect("an answer").ptime_ms, expected, "{attributes}");
    }
}

#[test]
fn a_hold_is_agreed_on_and_not_a_fault() {
    check(
        "m=audio 5000 RTP/AVP 0
         c=IN IP4 0.0.0.0",
        expect!["0.0.0.0:5000, PCMU, no events, 20 ms, recvonly"],
    );
    check(
        "a=inactive
         m=audio 5000 RTP/AVP 0",
        expect!["192.0.2.5:5000, PCMU, no events, 20 ms, inactive"],
    );
}

#[test]
fn what_cannot_be_used_is_refused_in_words() {
    check("", expect!["media_mismatch: the SDP has no audio"]);
    check("m=video 6000 RTP/AVP 31", expect!["media_mismatch: the SDP has no audio"]);
    check("m=audio 0 RTP/AVP 0", expect!["media_mismatch: the audio was refused: port 0"]);
    check(
        "m=audio 5000 RTP/SAVP 0",
        expect!["media_mismatch: the audio is not plain RTP (RTP/AVP)"],
    );
    check(
        "m=audio 5000 RTP/AVP 18 101",
        expect!["media_mismatch: no codec in common: neither PCMU nor PCMA"],
    );
    check(
        "m=audio 5000 RTP/AVP 0\na=rtpmap:0 L16/44100/2",
        expect!["media_mismatch: no codec in common: neither PCMU nor PCMA"],
    );
    check(
        "m=audio 5000 RTP/SAVP 0\nm=audio 0 RTP/AVP 0",
        expect!["media_mismatch: the audio is not plain RTP (RTP/AVP)"],
    );
    check(
        "m=audio 5000 RTP/AVP 0\nc=IN IP4 224.2.1.1/127",
        expect!["media_mismatch: the SDP's address cannot be used: a multicast address"],
    );
    check(
        "m=audio 5000 RTP/AVP 0\nc=IN IP4 255.255.255.255",
        expect!["media_mismatch: the SDP's address cannot be used: the broadcast address"],
    );
    check(
        "m=audio 5000 RTP/AVP 0\nc=IN IP4 pbx.example.com",
        expect![
            "media_mismatch: the SDP's address cannot be used: a name or nothing instead of an IP address"
        ],
    );
    check(
        "m=audio 65536 RTP/AVP 0",
        expect![
            "sdp_unreadable: the SDP line 6 cannot be read: the port of m= is not a number below 65536"
        ],
    );
    check(
        "m=audio 5000",
        expect!["sdp_unreadable: the SDP line 6 cannot be read: m= without a protocol"],
    );
    expect!["sdp_unreadable: the SDP has no address for the audio (no c= line)"]
        .assert_eq(&line(read_answer(b"v=0\r\nm=audio 5000 RTP/AVP 0\r\n")));
    expect!["sdp_unreadable: the body is not SDP: it does not begin with v=0"]
        .assert_eq(&line(read_answer(b"")));
}

#[test]
fn size_and_number_of_media_have_bounds() {
    let media = "m=audio 0 RTP/AVP 0\n";
    check(&media.repeat(MEDIA_MAX), expect!["media_mismatch: the audio was refused: port 0"]);
    check(&media.repeat(MEDIA_MAX + 1), expect!["sdp_unreadable: the SDP has more than 16 media"]);
    let long = answer(&"a=x\n".repeat(SDP_BYTES_MAX / 4));
    assert!(matches!(read_answer(&long), Err(SdpFault::TooLong(_))));
    check(
        &format!("m=audio 5000 RTP/AVP{} 8\n{}", " 5".repeat(100), "a=rtpmap:5 X/1\n".repeat(100)),
        expect!["media_mismatch: no codec in common: neither PCMU nor PCMA"],
    );
}

#[test]
fn an_offer_is_answered_in_its_own_order_with_video_refused() {
    check_offer(
        &answer(
            "m=video 6000 RTP/AVP 31 32
             m=audio 5000 RTP/AVP 0 8 97
             a=rtpmap:97 telephone-event/8000
             a=ptime:10
             m=audio 5002 RTP/AVP 0
             m=image 7000 udptl t38",
        ),
        Direction::SendRecv,
        expect![[r#"
            m=video 0 RTP/AVP 31 32
            m=audio 4000 RTP/AVP 0 97
            a=rtpmap:0 PCMU/8000
            a=rtpmap:97 telephone-event/8000
            a=fmtp:97 0-15
            a=ptime:10
            a=sendrecv
            m=audio 0 RTP/AVP 0
            m=image 0 udptl t38
            192.0.2.5:5000, PCMU, events 97, 10 ms, sendrecv
        "#]],
    );
}

#[test]
fn an_offered_hold_is_answered_with_its_mirror() {
    for (theirs, ours, expected) in [
        ("a=sendonly", Direction::SendRecv, "recvonly"),
        ("a=recvonly", Direction::SendRecv, "sendonly"),
        ("a=inactive", Direction::SendRecv, "inactive"),
        ("a=sendrecv", Direction::SendRecv, "sendrecv"),
        ("a=sendrecv", Direction::SendOnly, "sendonly"),
        ("a=sendonly", Direction::SendOnly, "inactive"),
        ("c=IN IP4 0.0.0.0", Direction::SendRecv, "recvonly"),
    ] {
        let offer = answer(&format!("m=audio 5000 RTP/AVP 8\n{theirs}"));
        let (sdp, agreed) =
            answer_to(&offer, address("198.51.100.7:4000"), 1, 2, BOTH, ours).expect("an answer");
        let sdp = String::from_utf8(sdp).expect("ASCII");
        assert!(sdp.ends_with(&format!("a={expected}\r\n")), "{theirs} {ours:?}: {sdp}");
        assert_eq!(Direction::of(agreed.send, agreed.receive).attribute(), expected);
    }
}

#[test]
fn an_offer_we_cannot_meet_is_a_fault() {
    check_offer(
        &answer("m=audio 5000 RTP/AVP 18"),
        Direction::SendRecv,
        expect!["media_mismatch: no codec in common: neither PCMU nor PCMA"],
    );
    check_offer(
        &answer("m=audio 5000 RTP/AVP 0\nc=IN IP6 2001:db8::1"),
        Direction::SendRecv,
        expect!["media_mismatch: the SDP's address is of the other IP version"],
    );
    check_offer(
        &answer("m=audio 5000 RTP/AVP 0\nc=IN IP6 ::ffff:192.0.2.8"),
        Direction::SendRecv,
        expect![[r#"
            m=audio 4000 RTP/AVP 0
            a=rtpmap:0 PCMU/8000
            a=ptime:20
            a=sendrecv
            192.0.2.8:5000, PCMU, no events, 20 ms, sendrecv
        "#]],
    );
}

#[test]
fn no_bytes_make_it_panic_and_every_answer_of_ours_can_be_read() {
    let offered = offer(address("198.51.100.7:4000"), 5, 1, BOTH, Direction::SendRecv);
    let rich = answer(
        "a=sendonly\nm=video 6000 RTP/AVP 31\nm=audio 5000/2 RTP/AVP 0 8 97\nc=IN IP4 10.0.0.1/127\n\
         a=rtpmap:97 telephone-event/8000\na=ptime:10\na=maxptime:60\na=rtcp:53020 IN IP6 ::1\na=inactive",
    );
    let mut seeded = Seeded(4);
    let (mut settled, mut refused) = (0, 0);
    for _ in 0..60_000 {
        let bytes = seeded.mutated(&[&offered, &rich]);
        let _ = read_answer(&bytes);
        match answer_to(&bytes, address("198.51.100.7:4000"), 1, 2, BOTH, Direction::SendRecv) {
            Ok((sdp, agreed)) => {
                settled += 1;
                let again = read_answer(&sdp).expect("our own answer");
                assert_eq!((again.codec, again.ptime_ms), (agreed.codec, agreed.ptime_ms));
            }
            Err(_) => refused += 1,
        }
    }
    assert!(
        settled > 10_000 && refused > 10_000,
        "{settled} settled, {refused} refused: one-sided"
    );
}
