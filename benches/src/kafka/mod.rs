//! What topics cost, with a real broker: `./x bench kafka`.

mod latency;
mod relay;

use anyhow::Result;

/// The relay's rate and the way of a command.
pub fn run() -> Result<()> {
    relay::run(300_000)?;
    latency::run(60, 20)
}
