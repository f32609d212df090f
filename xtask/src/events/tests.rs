use super::*;
use expect_test::expect;
use std::path::Path;

/// The sources of `schemas` as they are, in a folder where they may be changed.
fn copied() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for folder in ["event", "call", "batch", "node"] {
        let (from, to) = [root, place.path()].map(|at| at.join("schemas/src").join(folder)).into();
        std::fs::create_dir_all(&to).unwrap();
        for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
            if entry.path().is_file() {
                std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
            }
        }
    }
    place
}

fn text(place: &tempfile::TempDir, path: &str) -> String {
    std::fs::read_to_string(place.path().join("schemas/src").join(path)).unwrap()
}

fn change(place: &tempfile::TempDir, how: impl FnOnce(&mut Sources) -> Result<String>) -> String {
    let mut sources = Sources::read(place.path()).unwrap();
    let said = how(&mut sources).unwrap_or_else(|error| error.to_string());
    sources.write().unwrap();
    said
}

#[test]
fn a_version_stands_in_the_table_in_a_file_of_its_own_and_where_the_family_names_it() {
    let place = copied();
    change(&place, |sources| sources.new_version("CallRang"));
    change(&place, |sources| sources.new_version("CallRang"));
    let table = text(&place, TABLE);
    let row = table.lines().find(|line| line.contains("=> CallRang ")).unwrap();
    expect![
        "    5 => CallRang { 1: call::v1::CallRang, 2: call::v2::CallRang, 3: call::v3::CallRang }"
    ]
    .assert_eq(row);
    expect![[r#"
        //! Version 3 of the call's events, of those that have one. Frozen: a change is a new
        //! version beside it.

        use serde::{Deserialize, Serialize};

        /// The phone rings.
        #[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
        pub struct CallRang {
            /// The provisional status: 180, or another 18x without media.
            pub status: u16,
        }

        /// What version 2 meant.
        impl From<super::v2::CallRang> for CallRang {
            fn from(older: super::v2::CallRang) -> Self {
                let super::v2::CallRang { status } = older;
                Self { status }
            }
        }
    "#]]
    .assert_eq(&text(&place, "call/v3.rs"));
    let module = text(&place, "call/mod.rs");
    assert!(module.contains("pub mod v1;\npub mod v2;\npub mod v3;\n"), "{module}");
    assert!(module.contains("pub use v3::CallRang;\n"), "{module}");
    assert!(!module.contains("CallQueued, CallRang,"), "{module}");
}

#[test]
fn a_struct_brings_the_words_that_it_uses_and_no_others() {
    let place = copied();
    change(&place, |sources| sources.new_version("CallEnded"));
    let made = text(&place, "call/v2.rs");
    let uses: Vec<_> = made.lines().filter(|line| line.starts_with("use ")).collect();
    expect![[r#"
        [
            "use super::v1::Try;",
            "use crate::outcome::RetryClass;",
            "use crate::{EndedBy, Outcome, Sealed, Timestamp};",
            "use serde::{Deserialize, Serialize};",
        ]
    "#]]
    .assert_debug_eq(&uses);
}

// What does not parse is refused before anything is written: so each of them parses.
#[test]
fn every_event_there_is_can_have_another_version() {
    let place = copied();
    let table = text(&place, TABLE);
    let rows = table.lines().filter_map(|line| line.split_once(" => ")?.1.split_once(" { 1: "));
    let names: Vec<_> = rows.map(|(name, _)| name).collect();
    assert!(names.len() > 20, "{names:?}");
    for name in &names {
        let said = change(&place, |sources| sources.new_version(name));
        assert!(said.starts_with(&format!("{name} is written as version 2 now")), "{said}");
    }
}

#[test]
fn a_new_event_has_the_next_number_of_its_family() {
    let place = copied();
    let said = change(&place, |sources| sources.new_event("batch", "BatchDrained"));
    assert!(said.starts_with("BatchDrained has the number 103."), "{said}");
    assert!(text(&place, TABLE).contains("103 => BatchDrained { 1: batch::v1::BatchDrained }"));
    assert!(text(&place, "batch/v1.rs").ends_with("pub struct BatchDrained {}\n"));
    let module = text(&place, "batch/mod.rs");
    assert!(module.contains("    BatchDrained(BatchDrained),\n}"), "{module}");
    assert!(module.contains("pub use v1::BatchDrained;"), "{module}");
}

#[test]
fn what_cannot_be_is_said_and_changes_nothing() {
    let place = copied();
    let before = text(&place, TABLE);
    for (said, wanted) in [
        (change(&place, |sources| sources.new_version("CallRung")), "there is no event CallRung"),
        (change(&place, |sources| sources.new_event("lead", "LeadWon")), "of call, batch, node"),
        (change(&place, |sources| sources.new_event("call", "hangup")), "past tense"),
        (change(&place, |sources| sources.new_event("call", "CallRang")), "CallRang already"),
        (change(&place, |sources| sources.new_event("call", "Try")), "a Try already"),
    ] {
        assert!(said.contains(wanted), "{said}");
    }
    assert!(text(&place, TABLE) == before);
}
