//! The proof that the checkers bite: each deliberate fault of the engine is found, within ten
//! minutes of CPU, by worlds on seeds.
//!
//! ```text
//! cargo run --release -p sim --features mutants --bin mutants -- hunt [NAME]   finds each, writes mutants.txt
//! cargo run --release -p sim --features mutants --bin mutants -- check         replays the recorded seeds
//! cargo run --release -p sim --features mutants --bin mutants -- sound WISH N   worlds without any
//! cargo run --release -p sim --features mutants --bin mutants -- table         the table of the README
//! ```
#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

use sim::run;
use sim::world::plan::{Plan, Wish};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Where each fault would be, and its name there.
const MUTANTS: &[(&str, &str)] = &[
    ("switchboard", "acts before it is durable"),
    ("switchboard", "forgets what it hears meanwhile"),
    ("switchboard", "lets time go back"),
    ("switchboard", "spins in a drain"),
    ("switchboard", "keeps a lane"),
    ("switchboard", "keeps a gateway's lane"),
    ("switchboard", "keeps a list's lane"),
    ("switchboard", "forgets to stop a timer"),
    ("switchboard", "leaves a try's audio open"),
    ("switchboard", "leaves audio open"),
    ("switchboard", "dials after the deadline"),
    ("switchboard", "dials before the hour"),
    ("switchboard", "dials a repeated command"),
    ("switchboard", "answers before it is durable"),
    ("switchboard", "answers a repeat before it is durable"),
    ("switchboard", "ignores the node's lanes"),
    ("switchboard", "redials beside the list's lanes"),
    ("switchboard", "forgets a redial"),
    ("switchboard", "forgets to hang up"),
    ("switchboard", "forgets to cancel"),
    ("switchboard", "forgets to acknowledge"),
    ("recovery", "sends the INVITE again after a crash"),
    ("recovery", "adopts what a dead process dialled"),
    ("recovery", "drops a timer in a crash"),
    ("recovery", "closes an orphan once"),
    ("recovery", "forgets a redial in a crash"),
    ("recovery", "forgets a list's lane in a crash"),
    ("call", "tries on although it rang"),
    ("call", "tries on after the callee's word"),
    ("call", "thinks that they hung up"),
    ("call", "ends twice"),
    ("call", "calls once too often"),
    ("call", "counts a redial from the request"),
    ("call", "takes busy for a no"),
    ("call", "talks on after its prompt"),
    ("call", "counts ringing from the request"),
    ("call", "talks for twice as long"),
    ("sip", "forgets the late 200"),
    ("sip", "acknowledges once"),
    ("sip", "acknowledges no refusal"),
    ("sip", "keeps legs"),
    ("sip", "writes a CANCEL and does not send it"),
    ("routing", "ignores a gateway's rate"),
    ("routing", "ignores a gateway's lanes"),
    ("routing", "tries one gateway twice"),
    ("campaign", "ignores a list's lanes"),
    ("campaign", "ignores a list's pace"),
    ("campaign", "redials early"),
    ("switchboard", "appends without its epoch"),
    ("switchboard", "forgets the calls of what it takes over"),
    ("switchboard", "takes commands that are not its own"),
    ("feed", "marks a batch before it is told"),
    ("store", "acknowledges before the sync"),
    ("store", "lets a stream begin twice"),
];

/// The least of a world in which it can show.
const WISHES: [(&str, Roll); 4] = [
    ("none", |seed| Plan::small(seed, CALLS, Wish { carrier: false, crash: false })),
    ("crash", |seed| Plan::small(seed, CALLS, Wish { carrier: false, crash: true })),
    ("all", |seed| Plan::small(seed, CALLS, Wish::ALL)),
    // Nodes that share a log and the work.
    ("shared", |seed| Plan::among_nodes(seed, CALLS, Wish::ALL)),
];
/// A world of a seed.
type Roll = fn(u64) -> Plan;
/// Calls of a world.
const CALLS: u32 = 24;
/// So many worlds of each wish are looked through in a round.
const ROUND: u64 = 40;
/// How long a fault is looked for.
const PATIENCE: Duration = Duration::from_secs(600);

/// How a fault was found.
struct Found {
    wish: &'static str,
    seed: u64,
    checker: String,
}

fn main() -> ExitCode {
    // What panics under a fault is found as well, and its backtrace helps nobody.
    std::panic::set_hook(Box::new(|_| {}));
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["hunt", ref names @ ..] => hunt(names),
        ["check"] => check(),
        ["sound", wish, count] => sound(wish, count.parse().unwrap_or(0)),
        ["table"] => {
            println!("{}", table());
            ExitCode::SUCCESS
        }
        _ => {
            println!("mutants hunt [NAME] | check | sound WISH N | table");
            ExitCode::from(2)
        }
    }
}

/// What a world finds when this fault is in the engine, or none.
fn finds(mutant: Option<&'static str>, roll: Roll, seed: u64) -> Option<String> {
    let plan = roll(seed);
    let run = AssertUnwindSafe(|| match mutant {
        Some(mutant) => mutants::with(mutant, || run::small(&plan)),
        None => run::small(&plan),
    });
    match catch_unwind(run) {
        Err(_) => Some("the engine panics".to_owned()),
        Ok(summary) => summary.violations.first().map(|first| first.checker.to_owned()),
    }
}

/// So many worlds without any fault, and which of them fail: those prove nothing.
fn sound(word: &str, count: u64) -> ExitCode {
    let mut failed = 0;
    for (_, roll) in WISHES.iter().filter(|(known, _)| *known == word) {
        for seed in 0..count {
            if let Some(first) = run::small(&roll(seed)).violations.first() {
                failed += 1;
                let story = sim::story::Story::of(first.call);
                run::small_with(&roll(seed), Some(Box::new(story.clone())));
                println!("{}\n{word} {seed}: {first:?}", story.lines().join("\n"));
            }
        }
    }
    println!("{failed} of {count} fail");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn hunt(names: &[&str]) -> ExitCode {
    let mut found = recorded();
    let mut missing = 0;
    for (_, mutant) in MUTANTS.iter().filter(|(_, name)| names.is_empty() || names.contains(name)) {
        let begin = Instant::now();
        match search(mutant) {
            Some(how) => {
                let took = begin.elapsed().as_secs_f64();
                println!("{mutant}: {} {} in {took:.2} s: {}", how.wish, how.seed, how.checker);
                found.insert((*mutant).to_owned(), how);
            }
            None => {
                println!("{mutant}: NOT FOUND");
                missing += 1;
            }
        }
    }
    let lines = MUTANTS.iter().filter_map(|(part, name)| {
        let Found { wish, seed, checker } = found.get(*name)?;
        Some(format!("{part} | {name} | {wish} | {seed} | {checker}\n"))
    });
    let text: String = lines.collect();
    match std::fs::write(file(), text) {
        Ok(()) if missing == 0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn search(mutant: &'static str) -> Option<Found> {
    let begin = Instant::now();
    for round in 0.. {
        for (word, roll) in WISHES {
            for seed in round * ROUND..(round + 1) * ROUND {
                if let Some(checker) = finds(Some(mutant), roll, seed) {
                    return Some(Found { wish: word, seed, checker });
                }
            }
        }
        if begin.elapsed() > PATIENCE {
            break;
        }
    }
    None
}

fn check() -> ExitCode {
    let recorded = recorded();
    let mut lost = 0;
    for (_, mutant) in MUTANTS {
        let again = recorded.get(*mutant).and_then(|found| {
            let (_, roll) = WISHES.iter().find(|(word, _)| *word == found.wish)?;
            let checker = finds(Some(mutant), *roll, found.seed)?;
            // A world that fails without it as well proves nothing.
            let proves = checker == found.checker && finds(None, *roll, found.seed).is_none();
            proves.then_some(checker)
        });
        if again.is_none() {
            lost += 1;
            println!("{mutant}: not found as recorded; look for it: mutants hunt '{mutant}'");
        }
    }
    println!("{} of {} deliberate faults are found", MUTANTS.len() - lost, MUTANTS.len());
    if lost == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn table() -> String {
    let recorded = recorded();
    let mut text = "| deliberate fault | in | found by |\n|---|---|---|\n".to_owned();
    for (part, name) in MUTANTS {
        if let Some(found) = recorded.get(*name) {
            // A string takes everything.
            let _ = writeln!(text, "| {name} | {part} | {} |", found.checker);
        }
    }
    text
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("mutants.txt")
}

fn recorded() -> BTreeMap<String, Found> {
    let text = std::fs::read_to_string(file()).unwrap_or_default();
    let line = |line: &str| {
        let mut parts = line.split(" | ");
        let (_, name, wish) = (parts.next()?, parts.next()?, parts.next()?);
        let (seed, checker) = (parts.next()?.parse().ok()?, parts.next()?.to_owned());
        let (wish, _) = WISHES.iter().find(|(word, _)| *word == wish)?;
        Some((name.to_owned(), Found { wish, seed, checker }))
    };
    text.lines().filter_map(line).collect()
}
