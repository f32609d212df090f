//! `callfold key`, as it is typed.

use super::Failure;
use super::whose::normalised;
use crate::privacy::{self, NewMaster, Rotation, Secrets};
use clap::{Args, Subcommand};
use node::StoreUrl;
use schemas::Numbering;
use std::io::Write;
use std::path::PathBuf;

/// The opaque key of a number; another master key
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct KeyArgs {
    #[command(subcommand)]
    task: Option<KeyTask>,
    /// The data folder
    #[arg(long, value_name = "DIR", required = true)]
    data: Option<PathBuf>,
    /// Whose
    #[arg(long, value_name = "NUMBER", required = true)]
    phone: Option<String>,
    /// The region whose national numbers --phone may be, such as CN
    #[arg(long, value_name = "REGION", value_parser = Numbering::of_region)]
    region: Option<Numbering>,
    /// The file of the secret behind callee keys, when it is not in the data folder
    #[arg(long, value_name = "FILE")]
    callee_key_file: Option<PathBuf>,
}

#[derive(Subcommand, Debug)]
enum KeyTask {
    Rotate(RotateArgs),
}

/// Wrap the keys of all persons by another master key
#[derive(Args, Debug)]
#[command(after_help = ROTATING)]
struct RotateArgs {
    /// The data folder
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The store that many nodes share, when the keys of persons are there
    #[arg(long, value_name = "URL")]
    store: Option<StoreUrl>,
    /// The file of the master key, when it is not in the data folder; the variable
    /// CALLFOLD_MASTER_KEY works too
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// The file of the new master key, made when there is none; the variable
    /// CALLFOLD_NEW_MASTER_KEY works too
    #[arg(long, value_name = "FILE")]
    new_key_file: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  callfold key --data ./data --phone +8613800000017     what everything goes by; it names nobody
  callfold key rotate --data ./data                     a new master key in place of the old one

The key of a number never changes: owners, deny lists and limits go by it.";

const ROTATING: &str = "\
Examples:
  callfold key rotate --data ./data
  callfold key rotate --data ./data --key-file /run/keys/old --new-key-file /run/keys/new
  callfold key rotate --data ./data --store postgres://callfold@db/calls --new-key-file ./new.key
  CALLFOLD_MASTER_KEY=… CALLFOLD_NEW_MASTER_KEY=… callfold key rotate --data ./data

The engine has to be stopped; on a store that many nodes share, all of them, and each gets the new
key in place of the old one before it starts again. No event changes, and every person can be read as before. Killed in
the middle and typed again it goes on. Without a new file or variable the old key is overwritten;
with one, destroy the old key yourself once this is done. Backups keep the key they were made with.";

impl KeyArgs {
    pub fn run(self) -> Result<(), Failure> {
        if let Some(KeyTask::Rotate(arguments)) = self.task {
            return arguments.run();
        }
        let (Some(data), Some(phone)) = (self.data, self.phone) else {
            return Err(Failure::Usage("write --data DIR --phone NUMBER, or rotate".to_owned()));
        };
        let phone = normalised(&phone, self.region)?;
        let secrets = Secrets { data, key_file: None, callee_key_file: self.callee_key_file };
        let callee = privacy::callee_key(&secrets, &phone)?;
        Ok(writeln!(std::io::stdout(), "{callee}")?)
    }
}

impl RotateArgs {
    fn run(self) -> Result<(), Failure> {
        let Self { data, store, key_file, new_key_file } = self;
        let secrets = Secrets { data, key_file, callee_key_file: None };
        let given = std::env::var_os(privacy::NEW_MASTER_VARIABLE).is_some();
        let new = match new_key_file {
            Some(file) => NewMaster::File(file),
            None if given => NewMaster::Variable,
            None => NewMaster::InPlace,
        };
        let rotated = match store.filter(StoreUrl::is_common) {
            Some(store) => privacy::rotate_in(&store, &secrets, &new)?,
            None => privacy::rotate(&secrets, &new)?,
        };
        let sentence = match rotated {
            Rotation::Done(persons) => {
                format!("the keys of {persons} persons are wrapped by the new master key")
            }
            Rotation::Before => "the new master key wraps them already".to_owned(),
        };
        super::say(&sentence);
        Ok(())
    }
}
