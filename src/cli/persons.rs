//! What the commands about persons have in common: where the secrets are, and whose number it is.

use super::Failure;
use crate::privacy::Secrets;
use clap::Args;
use schemas::Numbering;
use std::path::PathBuf;

/// Where a folder and its secrets are.
#[derive(Args, Debug)]
pub struct SecretArgs {
    /// The data folder
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The file of the master key, when it is not in the data folder; the variable
    /// CALLFOLD_MASTER_KEY works too
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// The file of the secret behind callee keys, when it is not in the data folder
    #[arg(long, value_name = "FILE")]
    callee_key_file: Option<PathBuf>,
}

impl SecretArgs {
    /// As the commands take them.
    pub fn secrets(self) -> Secrets {
        let Self { data, key_file, callee_key_file } = self;
        Secrets { data, key_file, callee_key_file }
    }
}

/// A number as it was normalised when it was called.
pub fn normalised(phone: &str, region: Option<Numbering>) -> Result<String, Failure> {
    let read = region.unwrap_or_default().read_shown(phone);
    read.map(String::from).map_err(|why| Failure::Usage(format!("--phone: {why}")))
}
