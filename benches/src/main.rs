//! What must stay fast, printed beside its limit: `./x bench` for all, or the name of one and its
//! numbers: `machine`, `engine CALLS RATE`, `memory CALLS`, `memory-audio CALLS`, `media STREAMS SECONDS`,
//! `postgres`, `log PART`, `log-history EVENTS` (the default, 100 million, takes ten minutes and 6 GB for a while).
//!
//! Ratios and CPU time in one run; the machine is shared and noisy, so no figure is asserted.
#![allow(clippy::print_stdout)] // printing is what it is for

mod cpu;
mod engine;
mod kernel;
mod log;
mod machine;
mod postgres;

use anyhow::Result;
use std::path::Path;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize, default: u32| -> Result<u32> {
        Ok(arguments.get(place).map(|text| text.parse()).transpose()?.unwrap_or(default))
    };
    let place = |at: usize| Path::new(arguments.get(at).map_or(".", String::as_str));
    match arguments.first().map_or("", String::as_str) {
        "machine" => machine::run(),
        "engine" => engine::run(number(1, 20_000)?, number(2, 1_000)?)?,
        "engine-alone" => engine::run_alone(number(1, 100_000)?, number(2, 1_000)?)?,
        "memory" => engine::run_memory(number(1, 10_000)?, false)?,
        "memory-audio" => engine::run_memory(number(1, 2_000)?, true)?,
        "log" => log::run(arguments.get(1).map(String::as_str))?,
        "log-history" => log::run_history(number(1, 100_000_000)?)?,
        "log-open" => log::open_history(place(1))?,
        "log-read" => log::read_history(place(2), number(1, 0)?.into())?,
        "postgres" => postgres::run()?,
        other => anyhow::bail!(
            "there is no bench `{other}`; there are machine, engine, engine-alone, memory, memory-audio, postgres, log and log-history"
        ),
    }
    Ok(())
}
