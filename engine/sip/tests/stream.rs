//! Framing of a TCP stream, however it is cut into reads.

use sip::message::MESSAGE_BYTES_MAX;
use sip::stream::{Broken, Frame, Framer};

/// Pushes `pieces` one after the other and writes down what comes out: messages by their length,
/// `ping`, and how it ended.
fn frames<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
    let mut framer = Framer::default();
    let mut seen = Vec::new();
    for piece in pieces {
        framer.push(piece);
        loop {
            match framer.next() {
                Ok(Some(Frame::Message(bytes))) => {
                    let text = String::from_utf8_lossy(bytes);
                    seen.push(format!("{} {}", text.split(' ').next().unwrap_or(""), bytes.len()));
                }
                Ok(Some(Frame::Ping)) => seen.push("ping".to_owned()),
                Ok(None) => break,
                Err(broken) => {
                    assert_eq!(framer.next(), Err(broken), "a broken stream stays broken");
                    assert_eq!(framer.unfinished(), 0, "a broken stream keeps nothing");
                    seen.push(broken.to_string());
                    return seen;
                }
            }
        }
    }
    if framer.unfinished() > 0 {
        seen.push(format!("{} wait", framer.unfinished()));
    }
    seen
}

/// The same frames come out whole, in two pieces cut anywhere, and byte by byte.
fn check(stream: &[u8], expected: &[&str]) {
    assert_eq!(frames([stream]), expected);
    assert_eq!(frames(stream.chunks(1)), expected, "byte by byte");
    for cut in 0..stream.len() {
        let (first, second) = stream.split_at(cut);
        assert_eq!(frames([first, second]), expected, "cut at {cut}");
    }
}

#[test]
fn messages_end_where_their_content_length_says() {
    let stream = b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 5\r\n\r\nhelloSIP/2.0 200 OK\r\nl:0\r\n\r\nBYE sip:a SIP/2.0\r\nl: 0\r\nX:\r\n\r\n";
    check(stream, &["OPTIONS 49", "SIP/2.0 23", "BYE 31"]);
}

#[test]
fn two_line_ends_between_messages_are_a_ping_and_one_is_nothing() {
    check(b"\r\n\r\n", &["ping"]);
    check(b"\r\n\r\n\r\n\r\n", &["ping", "ping"]);
    check(
        b"\r\nBYE a:b SIP/2.0\r\nl: 0\r\n\r\n\r\nACK a:b SIP/2.0\r\nl: 0\r\n\r\n",
        &["BYE 25", "ACK 25"],
    );
    check(b"\r\n\r\nBYE a:b SIP/2.0\r\nl: 4\r\n\r\n\r\n\r\n\r\n\r\n", &["ping", "BYE 29", "ping"]);
}

#[test]
fn a_message_that_is_not_whole_waits() {
    check(b"BYE a:b SIP/2.0\r\nl: 10\r\n\r\n123456789", &["35 wait"]);
    check(b"BYE a:b SIP/2.0\r\nl: 10\r\n", &["24 wait"]);
    check(b"\r", &["1 wait"]);
}

#[test]
fn a_stream_whose_next_message_cannot_be_found_is_broken() {
    let bad_length = Broken::ContentLength.to_string();
    for head in [
        "",
        "l: x\r\n",
        "l: -1\r\n",
        "l: 1\r\nContent-Length: 2\r\n",
        "l: 99999999999999999999\r\n",
        "l:\r\n",
    ] {
        check(format!("BYE a:b SIP/2.0\r\n{head}\r\n").as_bytes(), &[&bad_length]);
    }
    let not_sip = Broken::NotSip.to_string();
    for noise in
        ["\x16\x03\x01\x02\x00", "GET / HTTP/1.1\r\n\r\n", " BYE a:b SIP/2.0", "\0", "\r\r\n", "é"]
    {
        check(noise.as_bytes(), &[&not_sip]);
    }
    check(b"BYE a:b SIP/2.0\r\nl: 0\r\n\r\n\x80", &["BYE 25", &not_sip]);
}

#[test]
fn a_message_longer_than_the_bound_breaks_the_stream_before_it_is_all_there() {
    let too_long = vec![Broken::TooLong.to_string()];
    assert_eq!(
        frames([format!("BYE a:b SIP/2.0\r\nl: {MESSAGE_BYTES_MAX}\r\n\r\n").as_bytes()]),
        too_long
    );
    let endless = vec![b'a'; 100];
    let mut framer = Framer::default();
    let pushed = (0..10_000).take_while(|_| {
        framer.push(&endless);
        framer.next().is_ok()
    });
    assert_eq!(pushed.count(), MESSAGE_BYTES_MAX / 100);
}
