//! `callfold key`, as it is typed.

use super::Failure;
use super::persons::{SecretArgs, normalised};
use crate::privacy::{self, NewMaster, Rotation};
use clap::{Args, Subcommand};
use schemas::Numbering;
use std::io::Write;
use std::path::PathBuf;

/// The opaque key of a number; another master key
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct KeyArgs {
    #[command(subcommand)]
    task: Option<KeyTask>,
    #[command(flatten)]
    of: Option<OfNumber>,
}

#[derive(Args, Debug)]
struct OfNumber {
    #[command(flatten)]
    secrets: SecretArgs,
    /// Whose
    #[arg(long, value_name = "NUMBER")]
    phone: String,
    /// The region whose national numbers --phone may be, such as CN
    #[arg(long, value_name = "REGION", value_parser = Numbering::of_region)]
    region: Option<Numbering>,
}

#[derive(Subcommand, Debug)]
enum KeyTask {
    Rotate(RotateArgs),
}

/// Wrap the keys of all persons by another master key
#[derive(Args, Debug)]
#[command(after_help = ROTATING)]
struct RotateArgs {
    #[command(flatten)]
    secrets: SecretArgs,
    /// The file of the new master key, made when there is none; the variable
    /// CALLFOLD_NEW_MASTER_KEY works too
    #[arg(long, value_name = "FILE")]
    new_key_file: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  callfold key --data ./data --phone +8613800000017     the key by which everything goes; it names nobody
  callfold key rotate --data ./data                     a new master key, in the file of the old one

The key of a number never changes: owners, deny lists and limits go by it.";

const ROTATING: &str = "\
Examples:
  callfold key rotate --data ./data
  callfold key rotate --data ./data --key-file /run/keys/old --new-key-file /run/keys/new
  CALLFOLD_MASTER_KEY=… CALLFOLD_NEW_MASTER_KEY=… callfold key rotate --data ./data

The engine has to be stopped. No event changes, and every person can be read as before. Killed in the
middle and typed again it goes on. Without a new file or variable the old key is overwritten; with
one, destroy the old key yourself once this is done. Backups keep the master key they were made with.";

impl KeyArgs {
    pub fn run(self) -> Result<(), Failure> {
        match (self.task, self.of) {
            (Some(KeyTask::Rotate(arguments)), _) => arguments.run(),
            (None, Some(of)) => of.run(),
            (None, None) => {
                Err(Failure::Usage("write --data DIR --phone NUMBER, or rotate".to_owned()))
            }
        }
    }
}

impl OfNumber {
    fn run(self) -> Result<(), Failure> {
        let phone = normalised(&self.phone, self.region)?;
        let callee = privacy::callee_key(&self.secrets.secrets(), &phone)?;
        Ok(writeln!(std::io::stdout(), "{callee}")?)
    }
}

impl RotateArgs {
    fn run(self) -> Result<(), Failure> {
        let given = std::env::var_os(privacy::NEW_MASTER_VARIABLE).is_some();
        let new = match self.new_key_file {
            Some(file) => NewMaster::File(file),
            None if given => NewMaster::Variable,
            None => NewMaster::InPlace,
        };
        let sentence = match privacy::rotate(&self.secrets.secrets(), &new)? {
            Rotation::Done(persons) => {
                format!("the keys of {persons} persons are wrapped by the new master key")
            }
            Rotation::Before => "the new master key wraps them already".to_owned(),
        };
        super::say(&sentence);
        Ok(())
    }
}
