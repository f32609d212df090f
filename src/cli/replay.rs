//! `callfold replay`, as it is typed.

use super::Failure;
use super::terminal;
use super::values::WhichCall;
use crate::replay;
use clap::Args;
use std::path::PathBuf;

/// One call lived again: each event, the state after it, and the effects it would have had
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ReplayArgs {
    /// The data folder; it may be in use
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Which call: its id, or a beginning of it that no other call has
    #[arg(long, value_name = "ID")]
    call: WhichCall,
}

const EXAMPLES: &str = "\
Example:
  callfold replay --data ./data --call 9eb39ff5

Nothing is dialled: it is the machine that ran the call, without anybody who does what it asks for.";

impl ReplayArgs {
    pub fn run(self) -> Result<(), Failure> {
        let call = self.call.find(&self.data)?;
        Ok(replay::run(&self.data, call, &terminal::of_stdout())?)
    }
}
