//! `callfold backup` and `callfold restore`, as they are typed.

use super::Failure;
use crate::log_tools;
use clap::Args;
use std::path::PathBuf;
use store::folder::BackupReport;

/// Copy a data folder while its engine runs
#[derive(Args, Debug)]
#[command(after_help = BACKUP)]
pub struct BackupArgs {
    /// The data folder; it may be in use
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Where to: nothing yet, or an earlier backup of the same folder
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

const BACKUP: &str = "\
Example:
  callfold backup --data ./data --to /backup/data

Into an earlier backup only what is new is copied, and until all of it is there the backup stays what
it was. Stopped in the middle and typed again it goes on.
The backup is a data folder: records, events and verify read it. It holds the secrets that stand in
the folder, so keep it as you keep them, and whoever is erased later can be read in it until the next
backup into it. Recordings are not in it.";

/// Bring a backup back
#[derive(Args, Debug)]
#[command(after_help = RESTORE)]
pub struct RestoreArgs {
    /// The backup
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// The data folder it is to become; there must be nothing yet
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
}

const RESTORE: &str = "\
Example:
  callfold restore --from /backup/data --data ./data

Stopped in the middle and typed again it goes on. An engine that starts on it knows nothing of what
happened after the backup: calls that were placed since may be placed once more.";

impl BackupArgs {
    pub fn run(self) -> Result<(), Failure> {
        let report = log_tools::backup(&self.data, &self.to)?;
        super::say(&format!("backed up to {}: {}", self.to.display(), told(&report)));
        Ok(())
    }
}

impl RestoreArgs {
    pub fn run(self) -> Result<(), Failure> {
        let report = log_tools::restore(&self.from, &self.data)?;
        super::say(&format!("restored to {}: {}", self.data.display(), told(&report)));
        Ok(())
    }
}

fn told(report: &BackupReport) -> String {
    let BackupReport { head, files, copied_bytes, kept_files } = report;
    let kept = match kept_files {
        0 => String::new(),
        kept => format!(", {kept} files were there already"),
    };
    format!("{head} events in {files} files, {:.1} MB copied{kept}", *copied_bytes as f64 / 1e6)
}
