//! The picture of `docs/ARCHITECTURE.md`, held: who may depend on whom, what the pure crates may
//! bring in, and how long a file may be. A new arrow is a decision: an ADR, and a row here.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Crate → crates of ours that it may depend on. What tests depend on is not held.
const ARROWS: &[(&str, &[&str])] = &[
    ("schemas", &[]),
    ("pace", &[]),
    ("sip", &["mutants"]),
    ("media", &[]),
    ("call", &["schemas", "mutants"]),
    ("routing", &["schemas", "pace", "mutants"]),
    ("campaign", &["schemas", "pace", "mutants"]),
    ("store", &["schemas", "mutants"]),
    ("store_kurrent", &["schemas", "store"]),
    // For tests alone: KurrentDB's protocol.
    ("kurrent_server", &[]),
    ("projections", &["schemas"]),
    ("feed", &["schemas", "mutants"]),
    ("kafka", &["schemas", "store", "feed"]),
    // `store`: the batch it hands over is the store's own.
    (
        "switchboard",
        &["schemas", "call", "routing", "campaign", "pace", "sip", "media", "store", "mutants"],
    ),
    ("store_postgres", &["schemas", "store"]),
    (
        "node",
        &[
            "schemas",
            "switchboard",
            "routing",
            "campaign",
            "store",
            "store_kurrent",
            "store_postgres",
            "sip",
            "media",
        ],
    ),
    // The production code in a box; `mutants`: deliberate faults, for its own proof.
    (
        "sim",
        &[
            "schemas",
            "call",
            "routing",
            "campaign",
            "pace",
            "feed",
            "switchboard",
            "store",
            "sip",
            "media",
            "projections",
            "mutants",
        ],
    ),
    // Nothing at all, but for the simulation's proof.
    ("mutants", &[]),
    (
        "callfold",
        &[
            "schemas",
            "node",
            "projections",
            "sim",
            "store",
            "call",
            "campaign",
            "routing",
            "switchboard",
            "media",
            "sip",
            "kafka",
        ],
    ),
    // For tests alone: our node against peers that others wrote. Nothing depends on it.
    (
        "interop",
        &[
            // The program itself, to kill it.
            "callfold",
            "schemas",
            "call",
            "node",
            "sim",
            "store",
            "campaign",
            "routing",
            "switchboard",
            "media",
            "sip",
        ],
    ),
    // What a developer does to the sources: knows them as texts.
    ("xtask", &[]),
    (
        "benches",
        &[
            "schemas",
            "call",
            "campaign",
            "media",
            "node",
            "routing",
            "sip",
            "store",
            "store_postgres",
            "switchboard",
            // Real brokers, and the relay in front of them.
            "interop",
            "kafka",
            "sim",
        ],
    ),
];

/// Pure crate → crates of others that it may depend on: none of them has a clock, a socket, a
/// thread, randomness of its own or `async`.
const PURE: &[(&str, &[&str])] = &[
    ("call", &["statig", "smallvec", "thiserror"]),
    ("pace", &[]),
    ("feed", &[]),
    ("routing", &[]),
    ("campaign", &["csv-core", "encoding_rs", "serde_json", "thiserror"]),
    // `chacha20`: a stream of numbers out of a seed. `tracing`: where a log goes is the program's.
    ("switchboard", &["chacha20", "foldhash", "hashbrown", "serde_json", "smallvec", "tracing"]),
];

/// The most lines of a file, and of a file of tests.
const LINES_MAX: usize = 450;
const TEST_LINES_MAX: usize = 650;

/// Longer ones, with the lines they may have: a table or a machine that reads worse in two. Such a
/// file is split before it grows further.
const LONGER: &[(&str, usize)] = &[
    ("engine/call/src/machine.rs", 620),
    ("engine/store/src/keys/file.rs", 470),
    ("engine/switchboard/src/lib.rs", 500),
    ("engine/sip/tests/checklist/inside.rs", 800),
];

struct Crate {
    name: String,
    folder: PathBuf,
    /// Normal and build dependencies by name.
    needs: BTreeSet<String>,
}

/// The crates of the workspace.
fn crates() -> Vec<Crate> {
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs, since it runs this test");
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    let metadata: Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    packages.iter().map(read_crate).collect()
}

fn read_crate(package: &Value) -> Crate {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let dependencies = package["dependencies"].as_array().unwrap();
    let needs = dependencies.iter().filter(|dependency| dependency["kind"] != "dev");
    Crate {
        name: text(&package["name"]),
        folder: Path::new(&text(&package["manifest_path"])).parent().unwrap().to_owned(),
        needs: needs.map(|dependency| text(&dependency["name"])).collect(),
    }
}

fn table(rows: &[(&'static str, &'static [&'static str])]) -> BTreeMap<String, BTreeSet<String>> {
    let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    rows.iter().map(|(name, names)| (name.to_string(), owned(names))).collect()
}

#[test]
fn every_arrow_between_crates_is_in_the_picture() {
    let crates = crates();
    let ours: BTreeSet<_> = crates.iter().map(|one| one.name.clone()).collect();
    let allowed = table(ARROWS);
    for Crate { name, needs, .. } in &crates {
        let row = allowed.get(name).unwrap_or_else(|| {
            panic!("{name} is a new crate: say in ARROWS what it may depend on, and why in an ADR")
        });
        let strange: Vec<_> =
            needs.iter().filter(|n| ours.contains(*n) && !row.contains(*n)).collect();
        assert!(strange.is_empty(), "{name} depends on {strange:?}, which is not in the picture");
    }
}

// The picture tells no arrow that is not there: a row that nobody needs any more would let it back.
#[test]
fn no_arrow_of_the_picture_is_left_over() {
    let needs: BTreeMap<_, _> = crates().into_iter().map(|one| (one.name, one.needs)).collect();
    for (rows, what) in [(table(ARROWS), "ARROWS"), (table(PURE), "PURE")] {
        for (name, allowed) in rows {
            let Some(needs) = needs.get(&name) else {
                panic!("{what} names {name}, which is no crate")
            };
            let unused: Vec<_> = allowed.difference(needs).collect();
            assert!(unused.is_empty(), "{what} lets {name} depend on {unused:?}, and it does not");
        }
    }
}

#[test]
fn pure_crates_bring_in_nothing_that_could_make_them_impure() {
    let crates = crates();
    let ours: BTreeSet<_> = crates.iter().map(|one| one.name.clone()).collect();
    let allowed = table(PURE);
    for Crate { name, needs, .. } in &crates {
        let Some(row) = allowed.get(name) else { continue };
        let strange: Vec<_> =
            needs.iter().filter(|n| !ours.contains(*n) && !row.contains(*n)).collect();
        assert!(strange.is_empty(), "{name} is pure and depends on {strange:?}");
    }
}

// Clippy looks for the file beside each manifest, and includes none: so they are copies.
#[test]
fn every_pure_crate_has_the_clippy_file_that_keeps_it_pure() {
    let pure = table(PURE);
    let files: BTreeMap<_, _> = crates()
        .into_iter()
        .filter(|one| pure.contains_key(&one.name))
        .map(|one| (one.name, std::fs::read_to_string(one.folder.join("clippy.toml"))))
        .collect();
    let wanted = files["call"].as_ref().expect("engine/call/clippy.toml");
    for rule in ["std::time::Instant::now", "std::thread::spawn", "std::collections::HashMap"] {
        assert!(wanted.contains(rule), "engine/call/clippy.toml does not forbid {rule}");
    }
    for (name, file) in &files {
        let text = file.as_ref().unwrap_or_else(|error| panic!("{name}: no clippy.toml: {error}"));
        assert!(text == wanted, "{name}'s clippy.toml is not the one of `call`");
    }
}

#[test]
fn a_file_has_one_subject() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut long = Vec::new();
    for path in sources(root) {
        let shown = path.strip_prefix(root).unwrap().display().to_string();
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        let is_test = shown.split('/').any(|part| matches!(part, "tests" | "tests.rs"));
        let usual = if is_test { TEST_LINES_MAX } else { LINES_MAX };
        let most = LONGER.iter().find(|(file, _)| *file == shown).map_or(usual, |(_, most)| *most);
        if lines > most {
            long.push(format!("{shown}: {lines} lines, more than {most}"));
        }
    }
    assert!(long.is_empty(), "split by subject:\n{}", long.join("\n"));
    for (file, _) in LONGER {
        assert!(root.join(file).exists(), "LONGER names {file}, which is not there");
    }
}

/// The names that say nothing about what is inside (`CONVENTIONS.md`).
#[test]
fn no_file_is_named_after_nothing() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for path in sources(root) {
        for part in path.strip_prefix(root).unwrap().iter().filter_map(|part| part.to_str()) {
            let part = part.trim_end_matches(".rs");
            for nothing in
                ["util", "utils", "helper", "helpers", "common", "core", "manager", "misc"]
            {
                assert!(part != nothing, "{}: what is it about?", path.display());
            }
        }
    }
}

/// Every Rust file of ours.
fn sources(root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}
