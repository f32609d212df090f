//! What holds the stored form of events: golden files of every version ever written, in
//! `golden/events/`, and nothing in them ever changes.
//!
//! - `NAME.vN.txt`: samples, their bytes and what they mean. Lines are only added.
//! - `NAME.vN.shape.txt`: every field with its type, every variant with its place. Samples alone
//!   would let a `u8` become a `u16`: small numbers look alike.
//! - `NAME.vN.today.txt`: of an older version, what it is read as today. This one may change.
//!
//! `UPDATE_EXPECT=1` makes what is missing and adds what is new; what it never does is change a
//! line. `docs/schema-evolution.md` says what to do instead.

use super::samples::events;
use super::shape::Shape;
use super::{DecodeError, Encoded, Event, to_bytes};
use crate::batch::BatchEvent;
use crate::call::CallEvent;
use crate::node::NodeEvent;
use expect_test::expect_file;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::{Debug, Write};
use std::path::PathBuf;
use std::sync::Once;

/// Is shown a frozen struct, whatever it is.
pub(super) trait Viewer {
    fn see<T: Serialize + Debug>(&mut self, event: &T);
}

/// An event as a golden file keeps it.
pub(super) struct Written {
    pub(super) kind: u16,
    pub(super) version: u8,
    pub(super) name: &'static str,
    pub(super) body: Vec<u8>,
    pub(super) means: String,
}

impl Written {
    /// Shows it as the frozen struct of its version.
    pub(super) fn show(&self, viewer: &mut impl Viewer) {
        let (kind, version, body) = (self.kind, self.version, &self.body);
        let shown = CallEvent::show(kind, version, body, viewer)
            .or_else(|| BatchEvent::show(kind, version, body, viewer))
            .or_else(|| NodeEvent::show(kind, version, body, viewer));
        let read: Result<(), DecodeError> = shown.expect("the table has it");
        read.unwrap_or_else(|error| panic!("{} v{version}: {error}{ADVICE}", self.name));
    }
}

const ADVICE: &str = ". What was stored once is stored so for ever: a changed event is a new \
                      version beside the old one (cargo xtask new-version NAME)";

/// Every sample of every version.
pub(super) fn everything_ever_written() -> Vec<Written> {
    static SAMPLES: Once = Once::new();
    if may_add() {
        SAMPLES.call_once(keep_samples);
    }
    let mut all = Vec::new();
    for kind in Event::kinds() {
        for version in kind.versions {
            let text = read(&golden(kind.name, *version, "txt"));
            for sample in text.lines().collect::<Vec<_>>().chunks(2) {
                let field = |line: &str, name| line.strip_prefix(name).map(str::to_owned);
                let body = field(sample[0], "bytes ").expect("a sample begins with its bytes");
                let means = field(sample[1], "means ").expect("and says what they mean");
                let (kind, name, version) = (kind.number, kind.name, *version);
                all.push(Written { kind, version, name, body: from_hex(&body), means });
            }
        }
    }
    all
}

fn golden(name: &str, version: u8, ending: &str) -> PathBuf {
    let file = format!("golden/events/{name}.v{version}.{ending}");
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(file)
}

/// A golden file's text; empty when it may be made now.
fn read(path: &PathBuf) -> String {
    match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(_) if may_add() => String::new(),
        Err(error) => panic!("{}: {error}; UPDATE_EXPECT=1 makes it", path.display()),
    }
}

fn may_add() -> bool {
    std::env::var_os("UPDATE_EXPECT").is_some()
}

/// The lines of `today` that a golden file does not have are added to it, if that may be.
fn add(path: &PathBuf, kept: &str, new: &str) {
    if new.is_empty() {
        return;
    }
    assert!(
        may_add(),
        "{} does not hold:\n{new}If this is new and not changed{ADVICE}, UPDATE_EXPECT=1 adds it",
        path.display()
    );
    std::fs::write(path, format!("{kept}{new}")).unwrap();
}

/// Holds the samples to their golden files, or adds what is new to them.
fn keep_samples() {
    let mut today = BTreeMap::<(u16, u8), Vec<String>>::new();
    for event in events() {
        let Encoded { kind, version, body } = event.encode();
        let sample = format!("bytes {}\nmeans {event:?}\n", hex(&body));
        today.entry((kind, version)).or_default().push(sample);
    }
    for kind in Event::kinds() {
        let version = *kind.versions.last().expect("a type has a version");
        let path = golden(kind.name, version, "txt");
        let kept = read(&path);
        let samples = today.get(&(kind.number, version)).expect("samples hold every kind");
        let new: String =
            samples.iter().filter(|sample| !kept.contains(&***sample)).cloned().collect();
        add(&path, &kept, &new);
    }
}

#[test]
fn an_event_is_stored_as_on_the_day_its_version_was_written() {
    keep_samples();
}

/// What it is, in words and in bytes.
struct Again {
    means: String,
    body: Vec<u8>,
}

impl Viewer for Again {
    fn see<T: Serialize + Debug>(&mut self, event: &T) {
        (self.means, self.body) = (format!("{event:?}"), to_bytes(event));
    }
}

#[test]
fn every_version_ever_written_still_means_what_it_meant() {
    let mut upcast = BTreeMap::<(&str, u8), String>::new();
    for written in everything_ever_written() {
        let mut again = Again { means: String::new(), body: Vec::new() };
        written.show(&mut again);
        let read = Event::decode(written.kind, written.version, &written.body);
        let read = read.expect("what its frozen struct reads is read");
        let family = match &read {
            Event::Call(_) => "Call",
            Event::Batch(_) => "Batch",
            Event::Node(_) => "Node",
        };
        let Written { name, version, .. } = written;
        let means = format!("{family}({name}({}))", again.means);
        assert_eq!(means, written.means, "{name} v{version}{ADVICE}");
        assert_eq!(hex(&again.body), hex(&written.body), "{name} v{version}{ADVICE}");
        if format!("{read:?}") != means {
            let text = upcast.entry((name, version)).or_default();
            writeln!(text, "{means}\nreads as {read:?}").expect("a String takes everything");
        }
    }
    for ((name, version), text) in upcast {
        expect_file![golden(name, version, "today.txt")].assert_eq(&text);
    }
}

#[test]
fn no_field_of_a_stored_event_changes_its_type_and_no_variant_its_place() {
    let mut shapes = BTreeMap::<(&str, u8), Shape>::new();
    for written in everything_ever_written() {
        written.show(shapes.entry((written.name, written.version)).or_default());
    }
    for ((name, version), shape) in shapes {
        let path = golden(name, version, "shape.txt");
        let kept = read(&path);
        let mut today = shape.lines();
        for line in kept.lines() {
            let (place, was) = line.split_once(": ").expect("place and type");
            let is = today.remove(place).unwrap_or_else(|| "gone".to_owned());
            assert_eq!(is, was, "{name} v{version}, {place}{ADVICE}");
        }
        let new: String = today.iter().map(|(place, is)| format!("{place}: {is}\n")).collect();
        add(&path, &kept, &new);
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn from_hex(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}
