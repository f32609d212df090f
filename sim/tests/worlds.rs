//! Worlds in virtual time: what they prove, and that they are what they say.

use expect_test::expect_file;
use sim::run::{Large, small, small_with};
use sim::story::Story;
use sim::world::Injury;
use sim::world::plan::{Day, Plan, Wish};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::PathBuf;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn check_worlds(wish: Wish, seeds: std::ops::Range<u64>) -> sim::world::Injected {
    let mut injected = sim::world::Injected::default();
    for seed in seeds {
        let summary = small(&Plan::small(seed, 24, wish));
        assert_eq!(summary.violations, [], "seed {seed}");
        injected.merge(&summary.injected);
    }
    injected
}

#[test]
fn every_promise_is_kept_in_quiet_worlds() {
    let quiet = check_worlds(Wish::default(), 0..25);
    assert_eq!(quiet.crashes(), 0);
}

#[test]
fn every_promise_is_kept_whatever_goes_wrong() {
    let injected = check_worlds(Wish::ALL, 0..40);
    let missing: Vec<Injury> = Injury::ALL
        .into_iter()
        .filter(|it| !it.is_among_nodes() && injected.of(*it) == 0)
        .collect();
    assert_eq!(missing, [], "these never went wrong");
    assert!(injected.crashes() > 200, "{}", injected.crashes());
}

#[test]
fn a_world_is_the_same_each_time_it_is_run() {
    for seed in 0..6 {
        let plan = Plan::small(seed, 30, Wish::ALL);
        assert_eq!(small(&plan).digest, small(&plan).digest, "seed {seed}");
    }
    let others: BTreeSet<[u8; 32]> =
        (0..6).map(|seed| small(&Plan::small(seed, 30, Wish::ALL)).digest).collect();
    assert_eq!(others.len(), 6);
}

fn digest_of(calls: u32, threads: usize, wish: Wish) -> String {
    let day = Day { seed: 7, calls, per_second: 60.0, bursts: 3.0, wish };
    let summary =
        Large { day, threads }.run(|_, _| ()).expect("there is room for ten thousand calls");
    assert_eq!((summary.violations, summary.calls), (vec![], calls.into()));
    summary.digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

// Debug and release, one thread and two, this machine and any other.
#[test]
fn a_large_world_is_the_same_on_any_number_of_threads_and_on_any_machine() {
    // `./x sim` compares with it what the release build says: 25 CPU-seconds in a debug build.
    let one = digest_of(10_000, 1, Wish::default());
    expect_file![folder().join("digest.txt")].assert_eq(&format!("{one}\n"));
    for wish in [Wish::default(), Wish::ALL] {
        assert_eq!(digest_of(2_000, 2, wish), digest_of(2_000, 1, wish));
    }
}

#[test]
fn seeds_that_failed_once_do_not_fail_again() {
    let text = std::fs::read_to_string(folder().join("regressions.seeds")).expect("it is there");
    let seeds = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    for line in seeds {
        let mut words = line.split_whitespace();
        let mut word = || words.next().unwrap_or_else(|| panic!("{line}"));
        let words = word();
        // Of nodes that share a log and the work.
        let shared = words.strip_prefix("shared:");
        let wish = Wish::parse(shared.unwrap_or(words)).unwrap_or_else(|| panic!("{line}"));
        let (seed, calls) = (word().parse().expect("a seed"), word().parse().expect("a count"));
        let plan = match shared {
            Some(_) => Plan::among_nodes(seed, calls, wish),
            None => Plan::small(seed, calls, wish),
        };
        assert_eq!(small(&plan).violations, [], "{line}");
    }
}

/// Each scenario is a plan, and beside it stands what happens.
#[test]
fn scenarios_go_as_they_are_told() {
    let mut names: Vec<PathBuf> = std::fs::read_dir(folder().join("scenarios"))
        .expect("it is there")
        .map(|entry| entry.expect("it can be read").path())
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .collect();
    names.sort();
    assert!(names.len() >= 6);
    for name in names {
        let text = std::fs::read_to_string(&name).expect("it can be read");
        let plan = Plan::read(&text).unwrap_or_else(|error| panic!("{}: {error}", name.display()));
        let story = Story::of_all();
        let summary = small_with(&plan, Some(Box::new(story.clone())));
        assert_eq!(summary.violations, [], "{}", name.display());
        let mut told = story.lines().join("\n") + "\n";
        for (outcome, count) in &summary.outcomes {
            writeln!(told, "{outcome}: {count}").expect("a string takes everything");
        }
        expect_file![name.with_extension("txt")].assert_eq(&told);
    }
}
