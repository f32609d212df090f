//! `callfold sim`, as it is typed.

use super::Failure;
use crate::simulate::{self, Simulation, Worlds};
use anyhow::anyhow;
use clap::Args;
use sim::world::plan::Wish;
use std::path::PathBuf;
use std::time::Duration;

/// The engine in a simulated world, in virtual time, on a seed
///
/// The same code as in production: calls, user agent, log. Carriers, callees, network, disk and
/// clock are simulated, and break as they are told to. The same seed gives the same events.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct SimArgs {
    /// How many calls a world has; up to 1000 it is a small one, in which anything may go wrong
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    calls: u32,
    /// Where all chance comes from
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// What goes wrong: none, carrier (carriers and network), crash (the engine, its machine, disk and clock), all
    #[arg(long, value_name = "WHAT", default_value = "none", value_parser = wish)]
    faults: Wish,
    /// Threads that run the two shards of a large world; the events are the same on any number
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    threads: u8,
    /// How many calls of a large world start per second
    #[arg(long, value_name = "CPS", default_value_t = 60.0)]
    rate: f64,
    /// For a minute of every ten of a large world so many times as many start: a list goes on at its
    /// pace, and commands come beside it
    #[arg(long, value_name = "TIMES", default_value_t = 1.0)]
    bursts: f64,
    /// So many small worlds, each on the next seed, until one fails
    #[arg(long, value_name = "N")]
    worlds: Option<u64>,
    /// Small worlds for so many seconds, however many that makes
    #[arg(long, value_name = "SECONDS", conflicts_with = "worlds")]
    lasts: Option<u64>,
    /// As many small worlds as it takes for the engine to crash so often
    #[arg(long, value_name = "N", conflicts_with_all = ["worlds", "lasts"])]
    crashes: Option<u64>,
    /// Small worlds of two or three nodes that share a log and the work: they die, stand still and
    /// wake up late, partitions move, brokers are away
    #[arg(long)]
    shared: bool,
    /// Run the world of this file, which a failing run has written
    #[arg(long, value_name = "TRACE", conflicts_with_all = ["calls", "seed", "faults", "bursts", "worlds", "lasts", "crashes", "shared"])]
    replay: Option<PathBuf>,
    /// Stop after each thing that happens, until Enter is pressed
    #[arg(long, requires = "replay")]
    step: bool,
    /// Print one JSON object
    #[arg(long, conflicts_with = "replay")]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  callfold sim --calls 100000 --seed 7                 a large world, its outcomes and its digest
  callfold sim --calls 1500000 --bursts 3 --faults carrier --threads 2
                                                       a day at up to 60 calls a second, 180 in bursts, on bad carriers
  callfold sim --worlds 500 --faults all               five hundred small worlds in which all goes wrong
  callfold sim --replay callfold-sim-77.toml --step    a world that failed, thing by thing

Exit status: 0 every promise was kept, 1 one was not, or nothing went wrong that was to.";

fn wish(word: &str) -> Result<Wish, String> {
    Wish::parse(word).ok_or_else(|| "it is none, carrier, crash or all".to_owned())
}

impl SimArgs {
    pub fn run(self) -> Result<(), Failure> {
        if !(self.rate.is_finite() && self.rate > 0.0) {
            return Err(Failure::Usage("--rate is a number above zero".to_owned()));
        }
        if !(1.0..10.0).contains(&self.bursts) {
            return Err(Failure::Usage("--bursts is a number from 1 to below 10".to_owned()));
        }
        if self.crashes.is_some() && !self.faults.crash {
            let why = "--crashes needs --faults crash or all: nothing crashes without";
            return Err(Failure::Usage(why.to_owned()));
        }
        let is_small = self.calls <= simulate::SMALL_MAX;
        if self.shared && !is_small {
            return Err(Failure::Usage(
                "--shared is for small worlds: --calls up to 1000".to_owned(),
            ));
        }
        if !is_small && (self.worlds, self.lasts, self.crashes) != (None, None, None) {
            let why = "--worlds, --lasts and --crashes are for small worlds: --calls up to 1000";
            return Err(Failure::Usage(why.to_owned()));
        }
        let kept = match &self.replay {
            Some(trace) => simulate::replay(trace, self.step)?,
            None => simulate::run(&self.simulation(), self.json)?,
        };
        match kept {
            true => Ok(()),
            false => Err(Failure::Work(anyhow!("a promise was broken: see above"))),
        }
    }

    fn simulation(&self) -> Simulation {
        Simulation {
            calls: self.calls,
            seed: self.seed,
            wish: self.faults,
            threads: self.threads.into(),
            shared: self.shared,
            per_second: self.rate,
            bursts: self.bursts,
            worlds: match (self.worlds, self.lasts, self.crashes) {
                (_, Some(seconds), _) => Worlds::For(Duration::from_secs(seconds)),
                (_, _, Some(crashes)) => Worlds::UntilCrashes(crashes),
                (worlds, ..) => Worlds::Count(worlds.unwrap_or(1)),
            },
        }
    }
}
