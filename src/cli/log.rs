//! `callfold log`, as it is typed.

use super::Failure;
use crate::log_tools;
use anyhow::anyhow;
use clap::{Args, Subcommand};
use node::StoreUrl;
use std::path::PathBuf;

/// The log as such: what it is, whether it is whole, mending it, moving it to another store
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct LogArgs {
    #[command(subcommand)]
    task: LogTask,
}

#[derive(Subcommand, Debug)]
enum LogTask {
    Info(InfoArgs),
    Verify(VerifyArgs),
    Repair(RepairArgs),
    Copy(CopyArgs),
}

const EXAMPLES: &str = "\
Examples:
  callfold log info --data ./data
  callfold log verify --data ./data
  callfold log repair --data ./data --to ./repaired
  callfold log copy --from log:./data/log --to log:./copy/log

callfold verify checks the calls too.";

/// How long it is, how large, of whom
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  callfold log info --data ./data --json")]
struct InfoArgs {
    /// The data folder; it may be in use
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// Check every frame, checksum, position, revision, back pointer and index
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  callfold log verify --data ./data

Nothing is changed, and it may be stopped at any moment. What a crash left unfinished at the end is
no fault: it was never acknowledged, and the next start cuts it.

Exit status: 0 all is well, 1 something is wrong, and where stands above.")]
struct VerifyArgs {
    /// The data folder; it may be in use
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
}

/// Copy what is provably good of a damaged log into a new folder
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  callfold log repair --data ./data --to ./repaired

The damaged folder is only read; an engine must not run there. What can be read is copied, also
behind the damage; of a stream that lost an event, what came after is left out. The new folder has the
same node and persons, and is another store: positions are dealt anew, so views and relays begin
again. Stopped in the middle it is no data folder yet: type it again, or remove it.

Exit status: 0 nothing was lost, 1 something was, and what stands above.")]
struct RepairArgs {
    /// The data folder
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The new folder
    #[arg(long, value_name = "NEW")]
    to: PathBuf,
}

/// Copy a history from one store to another
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  callfold log copy --from log:./data/log --to log:./copy/log
  callfold log copy --from log:./data/log --to postgres://callfold@db/calls

Every event keeps its stream and its place in it; positions are the new store's. Stopped in the
middle and typed again it goes on: what is there already is recognised. What is written to the old
store while it runs may be missing: stop the engine first. The keys of persons go along; who
goes on there begins with a new folder that has copies of callee.key and master.key.")]
struct CopyArgs {
    /// The store to copy from: log:PATH, or one that many nodes share, such as
    /// postgres://callfold@db/calls
    #[arg(long, value_name = "URL")]
    from: StoreUrl,
    /// The store to copy to; a log must not be there yet
    #[arg(long, value_name = "URL")]
    to: StoreUrl,
    /// The data folder that has the secrets, when the store to copy from is shared
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl LogArgs {
    pub fn run(self) -> Result<(), Failure> {
        match self.task {
            LogTask::Info(InfoArgs { data, json }) => Ok(log_tools::info(&data, json)?),
            LogTask::Verify(VerifyArgs { data }) => match log_tools::check(&data)?.is_sound() {
                true => Ok(()),
                false => Err(Failure::Work(anyhow!(
                    "{} is not sound: `callfold log repair --to NEW` copies what is good",
                    data.display()
                ))),
            },
            LogTask::Repair(RepairArgs { data, to }) => match log_tools::repair(&data, &to)? {
                true => Ok(()),
                false => Err(Failure::Work(anyhow!(
                    "{} holds what could be saved: go on with it. What could not be stands above, \
                     and the damaged folder is as it was",
                    to.display()
                ))),
            },
            LogTask::Copy(CopyArgs { from, to, data }) => {
                let report = log_tools::copy(&from, &to, data.as_deref())?;
                let already = match report.already {
                    0 => String::new(),
                    already => format!(", {already} of them were there already"),
                };
                super::say(&format!("{} events copied to {to}{already}", report.events));
                Ok(())
            }
        }
    }
}
