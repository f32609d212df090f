//! `callfold demo`, as it is typed.

use super::Failure;
use super::terminal;
use super::values::PerSecond;
use crate::demo::{self, CALLS_MAX, DemoOptions};
use crate::dial::Finished;
use crate::signals::StopRequests;
use clap::Args;
use std::path::PathBuf;

/// The whole engine against a simulated carrier, with real SIP and RTP over loopback
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct DemoArgs {
    /// How many calls
    #[arg(long, value_name = "CALLS", default_value_t = 50)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=i64::from(CALLS_MAX)))]
    calls: u32,
    /// How many start per second
    #[arg(long, value_name = "CPS", default_value = "10")]
    rate: PerSecond,
    /// Where all chance comes from: the same seed, the same callees
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Where it is kept, to look at afterwards; among the temporary files when absent
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// One JSON object on stdout, as `dial --json` prints it
    #[arg(long)]
    json: bool,
    /// The same through topics: commands are written to them, and what is shown is read from them
    #[cfg(feature = "kafka")]
    #[arg(long, value_name = "BROKERS", conflicts_with = "json")]
    kafka: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  callfold demo
  callfold demo --calls 500 --rate 50 --seed 7 --data ./demo
  callfold demo --kafka localhost:9092
  callfold demo --json | jq .summary";

impl DemoArgs {
    pub fn run(self) -> Result<(), Failure> {
        let Self { calls, rate, seed, data, json, .. } = self;
        let style = terminal::of_stderr();
        let options = DemoOptions { calls, rate: rate.0, seed, data, json, style };
        let stop = StopRequests::listen()?;
        #[cfg(feature = "kafka")]
        if let Some(brokers) = &self.kafka {
            return match crate::demo_kafka::run(&options, brokers, &stop)? {
                Finished::All => Ok(()),
                Finished::Stopped => Err(Failure::stopped()),
            };
        }
        match demo::run(&options, &stop)? {
            Finished::All => Ok(()),
            Finished::Stopped => Err(Failure::stopped()),
        }
    }
}
