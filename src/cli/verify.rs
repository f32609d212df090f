//! `callfold verify`, as it is typed.

use super::Failure;
use crate::verify;
use anyhow::anyhow;
use clap::Args;
use std::path::PathBuf;

/// Integrity of the log and every invariant of its calls
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct VerifyArgs {
    /// The data folder; it may be in use
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
}

const EXAMPLES: &str = "\
Example:
  callfold verify --data ./data

Checked: every frame, checksum, position, revision and back pointer; that every event can follow
those before it; that a call has the id that follows from its command, ends once and never goes back
in time; that its last event tells what its events told. Nothing is changed.

Exit status: 0 all is well, 1 something is wrong, and where stands above.";

impl VerifyArgs {
    pub fn run(self) -> Result<(), Failure> {
        match verify::run(&self.data)? {
            true => Ok(()),
            false => Err(Failure::Work(anyhow!("{} is not sound", self.data.display()))),
        }
    }
}
