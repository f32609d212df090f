//! `callfold erase`, as it is typed.

use super::Failure;
use super::persons::{SecretArgs, normalised};
use crate::privacy::{self, Erasure};
use clap::Args;
use schemas::Numbering;

/// Erase a person: what is sealed for this number can never be read again
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct EraseArgs {
    #[command(flatten)]
    secrets: SecretArgs,
    /// Whom
    #[arg(long, value_name = "NUMBER")]
    phone: String,
    /// The region whose national numbers --phone may be, such as CN
    #[arg(long, value_name = "REGION", value_parser = Numbering::of_region)]
    region: Option<Numbering>,
}

const EXAMPLES: &str = "\
Example:
  callfold erase --data ./data --phone +8613800000017

The person's key is overwritten on the disk, also while an engine runs there. Number, name, variables,
keys that were pressed and what carriers wrote are gone with it; the events stay, and records show the
erasure. Deny lists and limits go by the opaque key (callfold key) and keep working.

Not erased: recordings, which are files of their own (callfold records --phone NUMBER --format json
names them), and earlier backups: back up into them again.";

impl EraseArgs {
    pub fn run(self) -> Result<(), Failure> {
        let phone = normalised(&self.phone, self.region)?;
        let secrets = self.secrets.secrets();
        let callee = privacy::callee_key(&secrets, &phone)?;
        // Never the number: what is said here may stand in a log.
        let sentence = match privacy::erase(&secrets, callee)? {
            Erasure::Done => "erased: what was sealed for this person can never be read again",
            Erasure::Before => "erased already: nothing has been sealed for this person since",
            Erasure::Nobody => "nothing was ever sealed for this person here",
        };
        super::say(&format!("{callee} {sentence}"));
        Ok(())
    }
}
