//! `callfold events`, as it is typed.

use super::Failure;
use super::place::PlaceArgs;
use super::terminal;
use super::values::WhichCall;
use crate::events::{self, EventsOptions};
use crate::history::Place;
use crate::signals::StopRequests;
use clap::{Args, ValueEnum};
use schemas::Position;

/// Every event of every call, in the order of the log
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct EventsArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Only this call's: its id, or a beginning of it that no other call has
    #[arg(long, value_name = "ID")]
    call: Option<WhichCall>,
    /// From this position on
    #[arg(long, value_name = "POSITION", default_value_t = 0, hide_default_value = true)]
    from: u64,
    /// Go on with what happens, until Ctrl-C
    #[arg(long, conflicts_with = "call")]
    follow: bool,
    /// A table for people, or JSON a line
    #[arg(long, value_name = "table|json", default_value = "table")]
    #[arg(hide_possible_values = true, hide_default_value = true)]
    format: Format,
    /// The events of batches and nodes too
    #[arg(long, conflicts_with = "call")]
    all: bool,
}

const EXAMPLES: &str = "\
Examples:
  callfold events --data ./data --follow
  callfold events --data ./data --call 9eb39ff5
  callfold events --data ./data --from 5000 --format json | jq .type

Without the keys, and for a person who was erased, what is personal is null.";

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Format {
    Table,
    Json,
}

impl EventsArgs {
    pub fn run(self) -> Result<(), Failure> {
        let place = Place::from(self.place);
        let call = match self.call {
            Some(which) => Some(which.find(&place)?),
            None => None,
        };
        let options = EventsOptions {
            place,
            call,
            from: Position(self.from),
            follow: self.follow,
            all: self.all,
            json: self.format == Format::Json,
            style: terminal::of_stdout(),
        };
        // Only who follows has to be told to end; everybody else is killed by Ctrl-C as usual.
        let stop = if self.follow { Some(StopRequests::listen()?) } else { None };
        Ok(events::run(&options, || stop.as_ref().is_some_and(|stop| stop.count() > 0))?)
    }
}
