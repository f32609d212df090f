//! Bytes from strangers: no panic, no text that becomes a header, and no time to speak of.
//!
//! What is called and what must hold is in `fuzz/src/exercise.rs`, shared with the fuzzer; here it
//! runs on seeds, the same on every machine.

mod chance;
#[path = "../fuzz/src/exercise.rs"]
mod exercise;

use std::time::{Duration, Instant};

use chance::{Chance, PIECES};
use sip::message::{MESSAGE_BYTES_MAX, Name};

/// No message may take longer than this, on a machine that does other things beside. The slowest of
/// them, 64 kB of separators, takes under 9 ms without optimisation and under 2 ms with it.
const ONE_MESSAGE_MAX: Duration = Duration::from_millis(500);

/// Exercises one message, and says which it was when something does not hold.
fn check(what: &str, bytes: &[u8], exercise: fn(&[u8])) {
    let begin = Instant::now();
    let done = std::panic::catch_unwind(|| exercise(bytes));
    let shown = || String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).into_owned();
    assert!(done.is_ok(), "{what}: {:?}", shown());
    assert!(begin.elapsed() < ONE_MESSAGE_MAX, "{what} took {:?}: {:?}", begin.elapsed(), shown());
}

/// The torture messages, and sound ones of the kinds that carriers send.
fn sound() -> Vec<Vec<u8>> {
    let folder = |name| format!("{}/tests/torture/{name}", env!("CARGO_MANIFEST_DIR"));
    let mut paths: Vec<_> = ["rfc4475", "rfc5118"]
        .into_iter()
        .flat_map(|name| std::fs::read_dir(folder(name)).expect("the corpus is in the tree"))
        .map(|entry| entry.expect("the corpus can be read").path())
        .collect();
    paths.sort();
    assert_eq!(paths.len(), 61);
    let mut all: Vec<_> =
        paths.iter().map(|path| std::fs::read(path).expect("the corpus can be read")).collect();
    all.push(with("WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth,auth-int\", opaque=\"o\", algorithm=MD5\r\n"));
    all.push(with("Proxy-Authenticate: Basic realm=\"b\", Digest realm=\"p\",nonce=\"m\",stale=true,algorithm=SHA-256-sess\r\n"));
    all.push(with("Reason: Q.850;cause=16;text=\"Normal, \\\"clear\\\"\"\r\nRetry-After: 5 (x);duration=1\r\nRAck: 1 2 INVITE\r\n"));
    all.push(with("Session-Expires: 90;refresher=uac\r\nContact: <sip:a@b>;q=0.5, \"x\" <sip:c@[::1]:1;lr?h=v>;expires=9\r\n"));
    all
}

/// A refusal with one header more.
fn with(header: &str) -> Vec<u8> {
    format!(
        "SIP/2.0 401 No\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKa\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\n\
         Call-ID: x\r\nCSeq: 1 INVITE\r\n{header}Content-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

/// Changes a message in up to four places: bytes changed, cut, doubled, moved, and pieces that have
/// broken parsers put in.
fn mutate(chance: &mut Chance, bytes: &mut Vec<u8>, others: &[Vec<u8>]) {
    for _ in 0..1 + chance.below(4) {
        let at = chance.below(bytes.len() + 1);
        let long = 1 << chance.below(9);
        let end = (at + chance.below(long)).min(bytes.len());
        match chance.below(7) {
            0 if at < bytes.len() => bytes[at] = chance.number() as u8,
            1 => drop(bytes.drain(at..end)),
            2 => {
                let piece = bytes[at..end].to_vec();
                let to = chance.below(bytes.len() + 1);
                bytes.splice(to..to, piece);
            }
            3 => {
                let other = chance.one_of(others);
                let from = chance.below(other.len());
                let piece = other[from..(from + chance.below(200)).min(other.len())].to_vec();
                bytes.splice(at..end, piece);
            }
            4 => bytes.truncate(at),
            _ => drop(bytes.splice(at..at, chance.one_of(&PIECES).bytes())),
        }
    }
}

#[test]
fn no_change_to_a_message_breaks_what_reads_it() {
    let sound = sound();
    let mut chance = Chance(2026);
    for round in 0..12_000 {
        let mut bytes: Vec<u8> = chance.one_of(&sound).clone();
        mutate(&mut chance, &mut bytes, &sound);
        check(&format!("round {round}"), &bytes, exercise::message);
    }
}

#[test]
fn no_change_to_a_stream_depends_on_how_it_is_cut() {
    let sound = sound();
    let mut chance = Chance(5626);
    for round in 0..3_000 {
        let mut bytes = vec![chance.number() as u8];
        for _ in 0..chance.below(4) {
            bytes.extend_from_slice(chance.one_of::<Vec<u8>>(&sound));
            bytes.extend_from_slice(chance.one_of(&["", "\r\n", "\r\n\r\n"]).as_bytes());
        }
        if chance.below(2) == 0 {
            mutate(&mut chance, &mut bytes, &sound);
        }
        check(&format!("round {round}"), &bytes, exercise::stream);
    }
}

#[test]
fn no_value_breaks_what_reads_it() {
    let mut chance = Chance(822);
    for round in 0..15_000 {
        let text = chance.text(8);
        check(&format!("round {round}"), text.as_bytes(), exercise::values);
    }
}

#[test]
fn no_text_breaks_what_writes_it() {
    let mut chance = Chance(1725);
    for round in 0..10_000 {
        let few = 1 + chance.below(4);
        let texts: Vec<_> = (0..6).map(|_| chance.text(few).into_bytes()).collect();
        check(&format!("round {round}"), &texts.join(&0xff), exercise::writing);
    }
}

#[test]
fn every_header_bears_every_hostile_value_in_bounded_time() {
    let room = MESSAGE_BYTES_MAX - 400;
    let fill = |piece: &[u8]| piece.repeat(room / piece.len());
    let nested = [b"\"".repeat(room / 2), b"\\\"".repeat(room / 8)].concat();
    let values: Vec<Vec<u8>> = vec![
        vec![],
        fill(b"a"),
        b"\0".to_vec(),
        fill(b"\0"),
        b"4294967296".to_vec(),
        b"-1".to_vec(),
        fill(b"9"),
        nested,
        fill(b"\""),
        fill(b"\\"),
        fill(b"<"),
        fill(b"<>"),
        fill(b","),
        fill(b", <sip:a@b>"),
        fill(b";"),
        fill(b";a=\""),
        fill(b";tag"),
        fill(b"="),
        fill(b"Digest "),
        fill(b"Digest realm=\"\",nonce=\"\","),
        fill(b"%"),
        fill(b"/"),
        fill(b"["),
        fill(b"("),
        fill(b" "),
        fill(b"\r\n "),
        fill(b"\r"),
        b"\xff\xfe\xc3\x28".to_vec(),
        fill(b"\xff"),
        fill("中".as_bytes()),
        b"<sip:a@b>;tag=\"\r".to_vec(),
        b"SIP/2.0/UDP ;branch=".to_vec(),
    ];
    for name in Name::all().map(Name::text).chain(["X-Unknown", "l", "v", ""]) {
        for (at, value) in values.iter().enumerate() {
            // A short value in both kinds of message, instead of the sound header of that name and
            // beside it; a long one in one of them, to keep the test to seconds.
            let short = value.len() < 100;
            let starts = ["SIP/2.0 401 No", "INVITE sip:a@b SIP/2.0"];
            for start in
                starts.into_iter().skip(if short { 0 } else { at % 2 }).take(1 + usize::from(short))
            {
                for line in ["", &format!("{name}: x\r\n")].into_iter().take(1 + usize::from(short))
                {
                    let sound =
                        String::from_utf8(with("")).expect("text").replace("SIP/2.0 401 No", start);
                    let kept: String = sound
                        .split_inclusive("\r\n")
                        .filter(|l| !l.starts_with(&format!("{name}:")))
                        .collect();
                    let head = kept.strip_suffix("\r\n").expect("an empty line").to_owned() + line;
                    let bytes =
                        [head.as_bytes(), name.as_bytes(), b": ", value, b"\r\n\r\n"].concat();
                    check(
                        &format!("{name} with value {at} after {line:?}"),
                        &bytes,
                        exercise::message,
                    );
                }
            }
        }
    }
}

// Found by the fuzzer: what must hold did not know that a reader cuts the text.
#[test]
fn a_reason_longer_than_a_reader_keeps_is_still_read() {
    let why = "é".repeat(400);
    let texts = ["1001", "name", "value", "param", &why, "sip:a@b"];
    let bytes = texts.map(str::as_bytes).join(&0xff_u8);
    check("a long reason", &bytes, exercise::writing);
}
