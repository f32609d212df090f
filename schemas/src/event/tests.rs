use super::samples::events;
use super::*;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

/// Where what was ever written stands, one file per (type, version).
fn golden(name: &str, version: u8) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("golden/events/{name}.v{version}.txt"))
}

/// The samples by (type, version): the bytes in hex, and what they mean.
fn as_written_today() -> BTreeMap<(u16, u8), String> {
    let mut files = BTreeMap::<(u16, u8), String>::new();
    for event in events() {
        let encoded = event.encode();
        let text = files.entry((encoded.kind, encoded.version)).or_default();
        let hex: String = encoded.body.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(text, "bytes {hex}\nmeans {event:?}").expect("a String takes everything");
    }
    files
}

// A file is made once (UPDATE_EXPECT=1) and never rewritten, not even by UPDATE_EXPECT: what fails
// here is an event that old logs hold and this program no longer reads as it was meant.
#[test]
fn an_event_is_stored_as_on_the_day_its_version_was_written() {
    let files = as_written_today();
    for (kind, version, name) in Event::kinds() {
        let text = files.get(&(kind, version)).expect("samples hold every kind");
        let path = golden(name, version);
        if !path.exists() && std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&path, text).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_else(|error| {
            panic!("{}: {error}; UPDATE_EXPECT=1 makes it", path.display())
        });
        assert!(
            kept == *text,
            "{name} is no longer stored as version {version} was. A changed event is a new version \
             beside the old one, with an upcaster; {} is never edited. Today:\n{text}",
            path.display(),
        );
    }
}

#[test]
fn every_event_ever_written_is_read_to_its_meaning() {
    for (kind, version, name) in Event::kinds() {
        let kept = std::fs::read_to_string(golden(name, version)).unwrap();
        let lines: Vec<&str> = kept.lines().collect();
        for sample in lines.chunks(2) {
            let hex = sample[0].strip_prefix("bytes ").unwrap();
            let event = Event::decode(kind, version, &from_hex(hex)).unwrap();
            assert_eq!(format!("means {event:?}"), sample[1]);
        }
    }
}

#[test]
fn a_type_has_one_number_and_one_name() {
    for (kind, _, name) in Event::kinds() {
        assert_eq!(Event::kind_name(kind), Some(name));
        assert_eq!(Event::kind_number(name), Some(kind));
    }
    assert_eq!(Event::kind_name(99), None);
    assert_eq!(Event::kind_number("CallFinished"), None);
}

#[test]
fn a_damaged_body_is_an_error_and_never_another_event_by_panic() {
    for event in events() {
        let Encoded { kind, version, body } = event.encode();
        for cut in 0..body.len() {
            assert!(Event::decode(kind, version, &body[..cut]).is_err(), "cut at {cut}");
        }
        for at in 0..body.len() {
            for bit in 0..8 {
                let mut flipped = body.clone();
                flipped[at] ^= 1 << bit;
                let _ = Event::decode(kind, version, &flipped);
            }
        }
        let longer = [&body[..], &[0]].concat();
        assert!(matches!(Event::decode(kind, version, &longer), Err(DecodeError::Damaged { .. })));
    }
    assert_eq!(Event::decode(1, 2, &[]), Err(DecodeError::Unknown { kind: 1, version: 2 }));
    let huge = vec![0; BODY_BYTES_MAX + 1];
    assert!(matches!(Event::decode(1, 1, &huge), Err(DecodeError::Damaged { .. })));
}

fn from_hex(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}
