//! `callfold verify`, as it is typed.

use super::Failure;
use super::place::PlaceArgs;
use crate::history::Place;
use crate::verify;
use anyhow::anyhow;
use clap::Args;

/// Integrity of the log and every invariant of its calls
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct VerifyArgs {
    #[command(flatten)]
    place: PlaceArgs,
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
        let place = Place::from(self.place);
        match verify::run(&place)? {
            true => Ok(()),
            false => Err(Failure::Work(anyhow!(
                "{place} is not sound: what is wrong stands above; of a damaged log, `callfold log \
                 repair --to NEW` copies what is good"
            ))),
        }
    }
}
