//! `callfold run`, as it is typed.

use super::{Failure, config};
use crate::service;
use crate::signals::StopRequests;
use clap::Args;
use std::path::PathBuf;

/// The service: commands from HTTP and topics, until a signal; then it drains
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct RunArgs {
    /// The configuration; the environment stands over it
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  callfold run --config callfold.toml
  CALLFOLD_HTTP__LISTEN=127.0.0.1:9000 callfold run --config callfold.toml

Ctrl-C or SIGTERM once: /readyz says no, no commands are taken, live calls go on to their end and
those that were never dialled stay for the next start. Twice: live calls are hung up.";

impl RunArgs {
    pub fn run(self) -> Result<(), Failure> {
        let config = config::read_file(&self.config)?;
        Ok(service::run(&config, &StopRequests::listen()?)?)
    }
}
