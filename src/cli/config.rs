//! `callfold config`: the configuration, printed or checked.

use super::{Failure, say};
use crate::config::{Config, DEFAULT};
use anyhow::Context;
use clap::Args;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The configuration: print it with comments, or check a file
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
#[group(required = true, multiple = false)]
pub struct ConfigArgs {
    /// Print every key with its default and what it means
    #[arg(long)]
    print_default: bool,
    /// Say what is wrong with a file, and in which line; with the environment over it
    #[arg(long, value_name = "FILE")]
    check: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  callfold config --print-default > callfold.toml
  callfold config --check callfold.toml
  CALLFOLD_KAFKA__BROKERS=broker:9092 callfold config --check callfold.toml

Exit status of --check: 0 nothing is wrong, 2 something is.";

impl ConfigArgs {
    pub fn run(self) -> Result<(), Failure> {
        match self.check {
            Some(path) => check(&path),
            None => {
                let mut out = std::io::stdout().lock();
                out.write_all(DEFAULT.as_bytes())?;
                Ok(out.flush()?)
            }
        }
    }
}

fn check(path: &Path) -> Result<(), Failure> {
    let config = read_file(path)?;
    // Whoever checks may not be who runs: it is said, and no fault.
    for (key, file) in config.secrets() {
        if let Err(error) = file.read() {
            say(&format!("{key}: {:#}", anyhow::Error::new(error)));
        }
    }
    writeln!(std::io::stdout(), "{}: nothing is wrong", path.display())?;
    Ok(())
}

/// The configuration in a file, with the environment over it; every fault with its line.
pub fn read_file(path: &Path) -> Result<Config, Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("{shown} cannot be read"));
    let text = text.map_err(|error| Failure::Usage(format!("{error:#}")))?;
    read(&text).map_err(|faults| {
        let faults: Vec<_> = faults.lines().map(|fault| format!("{shown}: {fault}")).collect();
        Failure::Usage(faults.join("\ncallfold: "))
    })
}

fn read(text: &str) -> Result<Config, String> {
    // Variables that are no text are none of ours: no key has such a value.
    let texts = std::env::vars_os();
    let texts = texts
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    Config::read(text, texts).map_err(|faults| faults.to_string())
}
