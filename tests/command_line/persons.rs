//! Personal data: nobody finds any in what a run leaves, and erasing somebody takes it away.

use super::{callfold_in, said, with_carrier};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Ends as busy.
const PHONE: &str = "+8613899948600";
const NAME: &str = "Bartholomäus 李雷";
/// What a call's talk leaves, as a caller hands it over: any text.
const TRANSCRIPT: &str = "my mother's maiden name is Oppenheimer-Łukasiewicz";

/// Everything that is known of that person.
const BUSY: [&str; 3] = [PHONE, NAME, TRANSCRIPT];
/// Answers, and is hung up on: the carrier puts the number into its Contact.
const ANSWERS: [&str; 2] = ["+8613899920000", "Marie-Thérèse"];

/// Every way in which bytes are commonly written down, that a search would find.
fn spellings(text: &str) -> BTreeMap<String, Vec<u8>> {
    let bytes = text.as_bytes();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let escaped = serde_json::to_string(&text).unwrap().trim_matches('"').to_owned();
    let unit = |unit: u16| match u8::try_from(unit).ok().filter(u8::is_ascii) {
        Some(byte) => char::from(byte).to_string(),
        None => format!("\\u{unit:04x}"),
    };
    let ascii: String = text.encode_utf16().map(unit).collect();
    let percent = |byte: &u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(*byte).into(),
        _ => format!("%{byte:02X}"),
    };
    let percent: String = bytes.iter().map(percent).collect();
    let utf16 = |order: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(order).collect();
    let mut all = BTreeMap::from([
        ("UTF-8".to_owned(), bytes.to_vec()),
        ("hex".to_owned(), hex.clone().into_bytes()),
        ("HEX".to_owned(), hex.to_uppercase().into_bytes()),
        ("JSON".to_owned(), escaped.into_bytes()),
        ("JSON in ASCII".to_owned(), ascii.into_bytes()),
        ("in an URI".to_owned(), percent.into_bytes()),
        ("UTF-16 LE".to_owned(), utf16(u16::to_le_bytes)),
        ("UTF-16 BE".to_owned(), utf16(u16::to_be_bytes)),
    ]);
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    if digits.len() > 8 {
        // As a number, in either order of its bytes, and packed two digits a byte.
        let number: u64 = digits.parse().unwrap();
        let packed = |low_first: bool| {
            digits
                .as_bytes()
                .chunks(2)
                .map(|pair| {
                    let [high, low] =
                        [pair[0] - b'0', pair.get(1).map_or(15, |digit| digit - b'0')];
                    if low_first { low << 4 | high } else { high << 4 | low }
                })
                .collect::<Vec<u8>>()
        };
        let significant = |bytes: [u8; 8]| bytes.into_iter().skip_while(|byte| *byte == 0);
        all.extend([
            ("digits".to_owned(), digits.clone().into_bytes()),
            ("national".to_owned(), digits.as_bytes()[2..].to_vec()),
            ("reversed".to_owned(), digits.bytes().rev().collect()),
            ("number BE".to_owned(), significant(number.to_be_bytes()).collect()),
            (
                "number LE".to_owned(),
                significant(number.to_be_bytes()).collect::<Vec<_>>().into_iter().rev().collect(),
            ),
            ("packed".to_owned(), packed(false)),
            ("packed as in SS7".to_owned(), packed(true)),
        ]);
    }
    // Base 64 of it anywhere in something longer: three places to begin at, ends left off.
    for (skip, name) in ["base64", "base64 + 1", "base64 + 2"].into_iter().enumerate() {
        for (alphabet, digits) in [("", *b"+/"), (" of URLs", *b"-_")] {
            let padded = [&vec![0; skip][..], bytes].concat();
            let text = base64(&padded[..padded.len() / 3 * 3], digits);
            all.insert(format!("{name}{alphabet}"), text[if skip == 0 { 0 } else { 4 }..].to_vec());
        }
    }
    all
}

fn base64(bytes: &[u8], last: [u8; 2]) -> Vec<u8> {
    let digit = |value: u8| match value {
        0..26 => b'A' + value,
        26..52 => b'a' + value - 26,
        52..62 => b'0' + value - 52,
        _ => last[usize::from(value - 62)],
    };
    let three = |three: &[u8]| {
        let [a, b, c] = [three[0], three[1], three[2]];
        [a >> 2, (a & 3) << 4 | b >> 4, (b & 15) << 2 | c >> 6, c & 63].map(digit)
    };
    bytes.chunks_exact(3).flat_map(three).collect()
}

/// Panics where one of the secrets stands in any spelling.
#[track_caller]
fn nowhere(secrets: &[&str], what: &str, contents: &[u8]) {
    for secret in secrets {
        for (spelling, bytes) in spellings(secret) {
            let found = contents.windows(bytes.len()).position(|window| window == bytes);
            assert_eq!(found, None, "{secret} stands in {what} ({spelling})");
        }
    }
}

fn files_of(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_of(&path) } else { vec![path] }).collect()
}

/// Dials one person whom somebody knows much about, and gives what was said while it ran.
fn dialled(folder: &Path) -> Vec<u8> {
    let [phone, name] = ANSWERS;
    let list = format!("phone,name,note\n{PHONE},{NAME},\"{TRANSCRIPT}\"\n{phone},{name},\n");
    std::fs::write(folder.join("list.csv"), list).unwrap();
    with_carrier(folder, |carrier| {
        let gateway = format!("sip:{carrier}");
        let mut dial = Command::new(env!("CARGO_BIN_EXE_callfold"));
        let words = [
            "dial",
            "--list",
            "list.csv",
            "--data",
            "data",
            "--gateway",
            &gateway,
            "--max-talk",
            "0",
        ];
        let output =
            dial.args(words).current_dir(folder).env("CALLFOLD_LOG", "trace").output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        [output.stdout, output.stderr].concat()
    })
}

#[test]
fn the_spellings_find_what_they_look_for() {
    for (spelling, bytes) in spellings(PHONE) {
        let contents = [&b"begin "[..], &bytes, b" end"].concat();
        let found = std::panic::catch_unwind(|| nowhere(&BUSY, "it", &contents));
        assert!(found.is_err(), "{spelling}");
    }
    assert_eq!(base64(b"Man", *b"+/"), b"TWFu");
    let longer = base64(format!("xy{NAME}z").as_bytes(), *b"+/");
    assert!(std::panic::catch_unwind(|| nowhere(&BUSY, "it", &longer)).is_err());
}

#[test]
fn no_file_of_a_data_folder_and_nothing_that_is_logged_holds_personal_data() {
    let place = tempfile::tempdir().unwrap();
    let all = [&BUSY[..], &ANSWERS].concat();
    nowhere(&all, "what dial says", &dialled(place.path()));
    let files = files_of(&place.path().join("data"));
    assert!(files.iter().any(|file| file.extension().is_some_and(|kind| kind == "log")));
    for file in files {
        nowhere(&all, &file.display().to_string(), &std::fs::read(&file).unwrap());
        nowhere(&all, "a file's name", file.as_os_str().as_encoded_bytes());
    }
    // Who has the keys reads it all the same.
    let (_, records, _) =
        said(&callfold_in(place.path(), &["records", "--data", "data", "--format", "json"]));
    for known in all {
        assert!(records.contains(known), "{records}");
    }
}

#[test]
fn an_erased_person_stands_in_no_output_and_is_still_known_by_the_key() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    dialled(folder);
    let (code, key, _) = said(&callfold_in(folder, &["key", "--data", "data", "--phone", PHONE]));
    assert_eq!((code, key.trim().len()), (0, 32));
    let erase = || {
        said(&callfold_in(folder, &["erase", "--data", "data", "--phone", "0086 138 9994 8600"]))
    };
    let (code, out, err) = erase();
    assert_eq!((code, out.as_str()), (0, ""), "{err}");
    assert!(err.contains(key.trim()) && err.contains("can never be read again"), "{err}");
    assert!(erase().2.contains("erased already"), "twice is once");
    let all = [
        &["records"][..],
        &["records", "--format", "json"],
        &["records", "--format", "csv"],
        &["events", "--all"],
        &["events", "--all", "--format", "json"],
        &["verify"],
    ];
    for words in all {
        let words = [words, &["--data", "data"]].concat();
        let (code, out, err) = said(&callfold_in(folder, &words));
        assert_eq!(code, 0, "{words:?}: {err}");
        nowhere(&BUSY, &format!("{words:?}"), [out, err].concat().as_bytes());
    }
    let shown =
        |words: &[&str]| said(&callfold_in(folder, &[words, &["--data", "data"]].concat())).1;
    assert!(shown(&["records"]).contains("(erased)"));
    assert!(shown(&["events"]).contains("phone=(erased)"));
    let json = shown(&["records", "--format", "json", "--phone", PHONE]);
    let record: serde_json::Value = serde_json::from_str(&json).expect("the one record");
    assert_eq!(
        (&record["erased"], &record["phone"], &record["outcome"]),
        (&true.into(), &serde_json::Value::Null, &"busy".into())
    );
    let call = record["call_id"].as_str().unwrap();
    let replayed = shown(&["replay", "--call", call]);
    assert!(replayed.starts_with("the person was erased"), "{replayed}");
    nowhere(&BUSY, "replay", replayed.as_bytes());
    // The list still knows whom it has called.
    let again = dialled(folder);
    let records = shown(&["records", "--format", "json"]);
    assert_eq!(records.lines().count(), 2, "{}", String::from_utf8_lossy(&again));
}

#[test]
fn the_master_key_is_rotated_in_its_file_to_another_file_and_by_a_variable() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    dialled(folder);
    let old = std::fs::read(folder.join("data/master.key")).unwrap();
    let run = |words: &[&str], variables: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_callfold"));
        command.args(words).args(["--data", "data"]).current_dir(folder);
        said(&command.envs(variables.iter().copied()).output().unwrap())
    };
    let readable = |variables: &[(&str, &str)]| {
        run(&["records", "--format", "json"], variables).1.contains(NAME)
    };
    let (code, _, err) = run(&["key", "rotate"], &[]);
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("the keys of 2 persons"), "{err}");
    assert!(std::fs::read(folder.join("data/master.key")).unwrap() != old && readable(&[]));

    let first = std::fs::read_to_string(folder.join("data/master.key")).unwrap();
    let (one, two) = ("11".repeat(32), "22".repeat(32));
    let variables = [("CALLFOLD_MASTER_KEY", &*first), ("CALLFOLD_NEW_MASTER_KEY", &*one)];
    let (code, _, err) = run(&["key", "rotate"], &variables);
    assert_eq!(code, 0, "{err}");
    assert!(run(&["key", "rotate"], &variables).2.contains("wraps them already"));
    assert!(readable(&[("CALLFOLD_MASTER_KEY", &one)]) && !readable(&[]));

    std::fs::write(folder.join("next"), &two).unwrap();
    let (code, _, err) =
        run(&["key", "rotate", "--new-key-file", "next"], &[("CALLFOLD_MASTER_KEY", &one)]);
    assert_eq!(code, 0, "{err}");
    assert!(readable(&[("CALLFOLD_MASTER_KEY", &two)]));
    assert!(!readable(&[("CALLFOLD_MASTER_KEY", &one)]));
    let (code, _, err) = run(&["key", "rotate"], &[("CALLFOLD_MASTER_KEY", "short")]);
    assert_eq!(code, 1);
    assert!(err.contains("CALLFOLD_MASTER_KEY holds no master key"), "{err}");
}
