//! `callfold sim`: the engine in a world of virtual time, on a seed.

use crate::bar::Bar;
use anyhow::{Context, Result, bail};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use serde_json::{Map, Value, json};
use sim::checkers::Violation;
use sim::run::{Large, small, small_with};
use sim::shrink::shrink;
use sim::story::Story;
use sim::world::Summary;
use sim::world::plan::{Day, Plan, Wish};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Up to so many calls a world is a small one: all of its chances, every checker.
pub const SMALL_MAX: u32 = 1_000;

/// What is to be simulated.
#[derive(Clone, Copy, Debug)]
pub struct Simulation {
    /// How many calls a world has.
    pub calls: u32,
    /// Where all chance comes from; the first of them, for many worlds.
    pub seed: u64,
    /// What goes wrong.
    pub wish: Wish,
    /// On how many threads a large world runs.
    pub threads: usize,
    /// How many calls of a large world start a second.
    pub per_second: f64,
    /// For a minute of every ten of a large world so many times as many start.
    pub bursts: f64,
    /// How many small worlds, each on the next seed.
    pub worlds: Worlds,
    /// Small worlds of nodes that share a log and the work.
    pub shared: bool,
}

impl Simulation {
    fn day(&self) -> Day {
        let Self { calls, seed, per_second, bursts, wish, .. } = *self;
        Day { seed, calls, per_second, bursts, wish }
    }
}

/// How many small worlds.
#[derive(Clone, Copy, Debug)]
pub enum Worlds {
    /// So many.
    Count(u64),
    /// As many as there is time for.
    For(Duration),
    /// As many as it takes for the engine to crash so often.
    UntilCrashes(u64),
}

impl Worlds {
    /// How many of how many are done: the `nth` world is next, `begin` is when the first began.
    fn progress(self, nth: u64, begin: Instant, so_far: &Summary) -> (u64, u64) {
        match self {
            Self::Count(count) => (nth, count),
            Self::For(span) => (begin.elapsed().as_secs(), span.as_secs()),
            Self::UntilCrashes(crashes) => (so_far.injected.crashes(), crashes),
        }
    }
}

/// Runs it. Whether nothing was wrong.
pub fn run(simulation: &Simulation, as_json: bool) -> Result<bool> {
    let begin = Instant::now();
    let (summary, failed) = match simulation.calls {
        0..=SMALL_MAX => worlds(simulation, begin),
        _ => (large(simulation)?, None),
    };
    let figures = Figures::of(&summary, begin.elapsed());
    let nothing = requested_and_missing(simulation.wish, &summary);
    let mut out = std::io::stdout().lock();
    match as_json {
        true => writeln!(out, "{}", figures.json(&summary))?,
        false => write!(out, "{}", figures.text(&summary))?,
    }
    if let Some(what) = nothing {
        bail!("{what} was to go wrong, and nothing did: this run proves nothing");
    }
    if let Some(plan) = failed {
        tell_failure(&plan, &summary)?;
    } else if let Some(first) = summary.violations.first() {
        tell_large_failure(simulation, first)?;
    }
    Ok(summary.violation_count == 0)
}

/// Small worlds, until one fails. Their sums, and the plan of the one that failed.
fn worlds(simulation: &Simulation, begin: Instant) -> (Summary, Option<Plan>) {
    let mut all = Summary::default();
    let mut bar = Bar::of_events("worlds");
    for nth in 0.. {
        let (done, whole) = simulation.worlds.progress(nth, begin, &all);
        if done >= whole {
            break;
        }
        bar.at(done, whole);
        let Simulation { calls, wish, .. } = *simulation;
        let seed = simulation.seed.wrapping_add(nth);
        let plan = match simulation.shared {
            true => Plan::among_nodes(seed, calls, wish),
            false => Plan::small(seed, calls, wish),
        };
        let one = small(&plan);
        let failed = one.violation_count > 0;
        all = all.and(one);
        if failed {
            return (all, Some(plan));
        }
    }
    (all, None)
}

fn large(simulation: &Simulation) -> Result<Summary> {
    let mut bar = Bar::of_events("calls");
    let (calls, threads) = (simulation.calls, simulation.threads);
    let large = Large { day: simulation.day(), threads };
    let summary = large.run(|_, ended| bar.at(ended, calls.into()));
    summary.context("the logs of a large world need room in the temporary folder")
}

/// What was asked to go wrong and did not.
fn requested_and_missing(wish: Wish, summary: &Summary) -> Option<&'static str> {
    if wish.crash && summary.injected.crashes() == 0 {
        return Some("the engine");
    }
    (wish.carrier && summary.injected.around() == 0).then_some("the carrier")
}

/// The story of the call that failed, the smallest world that still fails, and how to see it.
fn tell_failure(plan: &Plan, summary: &Summary) -> Result<()> {
    let Some(first) = summary.violations.first() else { return Ok(()) };
    let mut err = std::io::stderr().lock();
    writeln!(err, "\nseed {}: it is not true that {}", plan.seed, sentence(first))?;
    writeln!(err, "Making the world smaller while it still fails …")?;
    let fails = |plan: &Plan| small(plan).violations.iter().any(|v| v.checker == first.checker);
    let smallest = shrink(plan, fails);
    let again = small(&smallest);
    let violation = again.violations.iter().find(|v| v.checker == first.checker).unwrap_or(first);
    let story = Story::of(violation.call);
    small_with(&smallest, Some(Box::new(story.clone())));
    for line in story.lines() {
        writeln!(err, "  {line}")?;
    }
    writeln!(err, "  It is not true that {}", sentence(violation))?;
    let file = write_down(&smallest)?;
    let (calls, faults) = (smallest.count(), smallest.faults.len());
    writeln!(
        err,
        "The smallest world that fails, {calls} calls and {faults} mishaps, stands in {0}:\n  callfold sim --replay {0} --step",
        file.display()
    )?;
    Ok(())
}

/// How to see a large world fail again: with as few calls as halving gives, and each shard's plan.
fn tell_large_failure(simulation: &Simulation, first: &Violation) -> Result<()> {
    let mut err = std::io::stderr().lock();
    let Simulation { seed, per_second, bursts, threads, .. } = *simulation;
    writeln!(err, "\nseed {seed}: it is not true that {}", sentence(first))?;
    writeln!(err, "Halving the world while it still fails …")?;
    let fails = |calls: u32| {
        let fewer = large(&Simulation { calls, ..*simulation });
        fewer.is_ok_and(|fewer| fewer.violations.iter().any(|v| v.checker == first.checker))
    };
    let calls = halved(simulation.calls, fails);
    let faults = simulation.wish.word();
    writeln!(
        err,
        "It fails with {calls} calls:\n  callfold sim --calls {calls} --seed {seed} --rate {per_second} \
         --bursts {bursts} --faults {faults} --threads {threads}\nThe plan of each of its shards:"
    )?;
    let day = Day { calls, ..simulation.day() };
    for plan in day.plans() {
        let file = write_down(&plan)?;
        writeln!(err, "  callfold sim --replay {}", file.display())?;
    }
    Ok(())
}

/// The fewest calls, by halving alone, with which it fails as with all; never a small world.
fn halved(calls: u32, mut fails: impl FnMut(u32) -> bool) -> u32 {
    let mut fewest = calls;
    while fewest / 2 > SMALL_MAX && fails(fewest / 2) {
        fewest /= 2;
    }
    fewest
}

/// Writes a plan where its user stands, or where anybody may write when that is not allowed.
fn write_down(plan: &Plan) -> Result<PathBuf> {
    let name = format!("callfold-sim-{}.toml", plan.seed);
    let here = PathBuf::from(&name);
    if std::fs::write(&here, plan.written()).is_ok() {
        return Ok(here);
    }
    let file = std::env::temp_dir().join(name);
    std::fs::write(&file, plan.written())
        .with_context(|| format!("{} cannot be written", file.display()))?;
    Ok(file)
}

fn sentence(violation: &Violation) -> String {
    let Violation { checker, at, what, .. } = violation;
    format!("{checker}: {what}, {:.3} s after the beginning", at.as_secs_f64())
}

/// Runs a plan that was written down, and shows what happens, thing by thing when `step`.
pub fn replay(trace: &Path, step: bool) -> Result<bool> {
    let text = std::fs::read_to_string(trace)
        .with_context(|| format!("{} cannot be read", trace.display()))?;
    let plan = Plan::read(&text).with_context(|| trace.display().to_string())?;
    let story = Story::told(move |line| {
        // Nobody reads or nobody presses Enter: the world goes on.
        let _ = writeln!(std::io::stdout(), "{line}");
        if step {
            let _ = std::io::stdin().read_line(&mut String::new());
        }
    });
    let summary = small_with(&plan, Some(Box::new(story)));
    let mut out = std::io::stdout().lock();
    for violation in &summary.violations {
        writeln!(out, "It is not true that {}", sentence(violation))?;
    }
    writeln!(out, "digest {}", hex(&summary.digest))?;
    Ok(summary.violation_count == 0)
}

/// What the run cost.
struct Figures {
    wall: Duration,
    cpu: Duration,
    rss_bytes: u64,
}

impl Figures {
    fn of(_: &Summary, wall: Duration) -> Self {
        let usage = getrusage(UsageWho::RUSAGE_SELF).ok();
        let cpu = usage.map_or(0, |usage| {
            usage.user_time().num_microseconds() + usage.system_time().num_microseconds()
        });
        let rss_kib = usage.map_or(0, |usage| usage.max_rss());
        Self {
            wall,
            cpu: Duration::from_micros(u64::try_from(cpu).unwrap_or(0)),
            rss_bytes: u64::try_from(rss_kib).unwrap_or(0) * 1024,
        }
    }

    fn calls_per_cpu_second(&self, calls: u64) -> u64 {
        (calls as f64 / self.cpu.as_secs_f64().max(0.001)) as u64
    }

    fn json(&self, summary: &Summary) -> Value {
        let outcomes: Map<String, Value> = summary
            .outcomes
            .iter()
            .map(|(outcome, count)| (outcome.word().to_owned(), (*count).into()))
            .collect();
        let faults: Map<String, Value> = summary
            .injected
            .each()
            .map(|(injury, count)| (injury.word().to_owned(), count.into()))
            .collect();
        let violations: Vec<String> = summary.violations.iter().map(sentence).collect();
        json!({
            "worlds": summary.worlds,
            "calls": summary.calls,
            "call_seconds": summary.call_ms / 1000,
            "events": summary.events,
            "messages": summary.messages,
            "virtual_seconds": summary.lasted.as_secs_f64(),
            "wall_seconds": self.wall.as_secs_f64(),
            "cpu_seconds": self.cpu.as_secs_f64(),
            "calls_per_cpu_second": self.calls_per_cpu_second(summary.calls),
            "peak_rss_bytes": self.rss_bytes,
            "outcomes": outcomes,
            "faults": faults,
            "crash_points": summary.injected.crashes(),
            "digest": hex(&summary.digest),
            "violations": violations,
        })
    }

    fn text(&self, summary: &Summary) -> String {
        let mut lines = vec![
            format!("worlds      {}", summary.worlds),
            format!("calls       {}, {} call-seconds", summary.calls, summary.call_ms / 1000),
            format!("events      {}", summary.events),
            format!("messages    {}", summary.messages),
            format!("lasted      {:.0} virtual seconds", summary.lasted.as_secs_f64()),
            format!(
                "took        {:.1} s, {:.1} s of CPU, {} MB",
                self.wall.as_secs_f64(),
                self.cpu.as_secs_f64(),
                self.rss_bytes / 1_000_000
            ),
            format!(
                "speed       {} calls per CPU-second",
                self.calls_per_cpu_second(summary.calls)
            ),
        ];
        let outcomes = summary.outcomes.iter();
        lines.extend(outcomes.map(|(outcome, count)| format!("  {outcome:<20} {count:>9}")));
        if summary.injected.total() > 0 {
            lines.push(format!(
                "went wrong  {}, with {} crashes",
                summary.injected.total(),
                summary.injected.crashes()
            ));
            let each = summary.injected.each();
            lines.extend(each.map(|(injury, count)| format!("  {:<20} {count:>9}", injury.word())));
        }
        lines.push(format!("digest      {}", hex(&summary.digest)));
        lines.push(match summary.violation_count {
            0 => "violations  none".to_owned(),
            count => format!("violations  {count}"),
        });
        lines.extend(
            summary.violations.iter().map(|violation| format!("  {}", sentence(violation))),
        );
        lines.join("\n") + "\n"
    }
}

fn hex(digest: &[u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_world_is_halved_while_it_fails_and_stays_a_large_one() {
        assert_eq!(halved(100_000, |calls| calls >= 20_000), 25_000);
        assert_eq!(halved(100_000, |_| false), 100_000);
        assert!(halved(100_000, |_| true) > SMALL_MAX);
    }
}
