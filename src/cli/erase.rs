//! `callfold erase`, as it is typed.

use super::Failure;
use super::whose::normalised;
use crate::privacy::{self, Erasure, Secrets};
use clap::Args;
use node::StoreUrl;
use schemas::Numbering;
use std::path::PathBuf;

/// Erase a person: what is sealed for this number can never be read again
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct EraseArgs {
    /// The data folder; it may be in use
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The store that many nodes share, when the events are there; the folder has the secrets
    #[arg(long, value_name = "URL")]
    store: Option<StoreUrl>,
    /// Whom
    #[arg(long, value_name = "NUMBER")]
    phone: String,
    /// The region whose national numbers --phone may be, such as CN
    #[arg(long, value_name = "REGION", value_parser = Numbering::of_region)]
    region: Option<Numbering>,
    /// The file of the master key, when it is not in the data folder; the variable
    /// CALLFOLD_MASTER_KEY works too
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// The file of the secret behind callee keys, when it is not in the data folder
    #[arg(long, value_name = "FILE")]
    callee_key_file: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  callfold erase --data ./data --phone +8613800000017
  callfold erase --data ./data --store postgres://callfold@db/calls --phone +8613800000017

The person's key is overwritten on the disk, also while an engine runs there. Number, name,
variables, keys that were pressed and what carriers wrote are gone with it; the events stay, and
records show the erasure. Deny lists and limits go by the opaque key (callfold key) and keep working.

Not erased: recordings, which are files of their own (callfold records --phone NUMBER --format json
names them), and earlier backups: back up into them again.";

impl EraseArgs {
    pub fn run(self) -> Result<(), Failure> {
        let phone = normalised(&self.phone, self.region)?;
        let Self { data, key_file, callee_key_file, store, .. } = self;
        let secrets = Secrets { data, key_file, callee_key_file };
        let callee = privacy::callee_key(&secrets, &phone)?;
        // Never the number: what is said here may stand in a log.
        let erased = match store.filter(StoreUrl::has_keys) {
            Some(store) => privacy::erase_in(&store, callee)?,
            None => privacy::erase(&secrets, callee)?,
        };
        let sentence = match erased {
            Erasure::Done => "erased: what was sealed for this person can never be read again",
            Erasure::Before => "erased already: nothing has been sealed for this person since",
            Erasure::Nobody => "nothing was ever sealed for this person here",
        };
        super::say(&format!("{callee} {sentence}"));
        Ok(())
    }
}
