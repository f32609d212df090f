//! What must stay fast, printed beside its limit: `./x bench` for all, or the name of one and its
//! numbers: `machine`, `engine CALLS RATE`, `memory CALLS`, `memory-audio CALLS`, `media STREAMS SECONDS`, `postgres`.
//!
//! Ratios and CPU time in one run; the machine is shared and noisy, so no figure is asserted.
#![allow(clippy::print_stdout)] // printing is what it is for

mod cpu;
mod engine;
mod kernel;
mod machine;
mod postgres;

use anyhow::Result;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize, default: u32| -> Result<u32> {
        Ok(arguments.get(place).map(|text| text.parse()).transpose()?.unwrap_or(default))
    };
    match arguments.first().map_or("", String::as_str) {
        "machine" => machine::run(),
        "engine" => engine::run(number(1, 20_000)?, number(2, 1_000)?)?,
        "engine-alone" => engine::run_alone(number(1, 100_000)?, number(2, 1_000)?)?,
        "memory" => engine::run_memory(number(1, 10_000)?, false)?,
        "memory-audio" => engine::run_memory(number(1, 2_000)?, true)?,
        "postgres" => postgres::run()?,
        other => anyhow::bail!(
            "there is no bench `{other}`; there are machine, engine, engine-alone, memory, memory-audio and postgres"
        ),
    }
    Ok(())
}
