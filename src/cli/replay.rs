//! `callfold replay`, as it is typed.

use super::Failure;
use super::place::PlaceArgs;
use super::terminal;
use super::values::WhichCall;
use crate::history::Place;
use crate::replay;
use clap::Args;

/// One call lived again: each event, the state after it, and the effects it would have had
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ReplayArgs {
    #[command(flatten)]
    place: PlaceArgs,
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
        let place = Place::from(self.place);
        let call = self.call.find(&place)?;
        Ok(replay::run(&place, call, &terminal::of_stdout())?)
    }
}
