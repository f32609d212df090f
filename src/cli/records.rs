//! `callfold records`, as it is typed.

use super::Failure;
use super::place::PlaceArgs;
use super::terminal;
use super::whose::normalised;
use crate::history::Place;
use crate::records::{self, AsOf, Format, RecordsOptions, Wanted};
use clap::Args;
use schemas::Numbering;

/// What became of each call, one record per call
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct RecordsArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// As it was then: a position of the log, or a time (RFC 3339)
    #[arg(long, value_name = "POSITION|TIME")]
    as_of: Option<AsOf>,
    /// A table for people, JSON a line, or CSV for spreadsheets
    #[arg(long, value_name = "table|json|csv", default_value = "table")]
    #[arg(hide_possible_values = true, hide_default_value = true)]
    format: Format,
    /// Only calls that came to this, such as no_answer; open for those that have not ended
    #[arg(long, value_name = "OUTCOME")]
    outcome: Option<Wanted>,
    /// Only calls to this number
    #[arg(long, value_name = "NUMBER")]
    phone: Option<String>,
    /// The region whose national numbers --phone may be, such as CN
    #[arg(long, value_name = "REGION", value_parser = Numbering::of_region, requires = "phone")]
    region: Option<Numbering>,
}

const EXAMPLES: &str = "\
Examples:
  callfold records --data ./data
  callfold records --data ./data --outcome no_answer --format csv > not-reached.csv
  callfold records --data ./data --phone +8613800000017 --format json
  callfold records --data ./data --as-of 2026-09-21T12:00:00Z

Ended calls stand in the order in which they ended, then those that are open. In CSV a cell that a
spreadsheet would compute with begins with a single quote.";

impl RecordsArgs {
    pub fn run(self) -> Result<(), Failure> {
        let place = Place::from(self.place);
        let phone = self.phone.as_ref().map(|phone| normalised(phone, self.region)).transpose()?;
        let options = RecordsOptions {
            place,
            as_of: self.as_of,
            outcome: self.outcome,
            phone,
            format: self.format,
            style: terminal::of_stdout(),
        };
        Ok(records::run(&options)?)
    }
}
