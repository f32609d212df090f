//! `cargo xtask`: what a developer does now and then to the sources.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it talks to who typed it")]

mod events;
mod rust_text;

use anyhow::{Result, bail};
use events::Sources;
use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask new-version NAME          a stored event changes: the next version of CallRang, say
cargo xtask new-event FAMILY NAME     a new type of event: of call, batch or node

docs/schema-evolution.md says what to do then.";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask stands in the tree");
    let mut sources = Sources::read(root)?;
    let next = match words[..] {
        ["new-version", name] => sources.new_version(name)?,
        ["new-event", family, name] => sources.new_event(family, name)?,
        [] | ["--help" | "-h" | "help"] => {
            println!("{USAGE}");
            return Ok(());
        }
        _ => bail!("cargo xtask {} is no task.\n\n{USAGE}", words.join(" ")),
    };
    for path in sources.write()? {
        println!("changed  {}", path.display());
    }
    println!("\n{next}");
    Ok(())
}
