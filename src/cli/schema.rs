//! `callfold schema`: the contract for programs.

use super::{Failure, say};
use anyhow::Context;
use clap::Args;
use schemas::documents;
use std::io::Write;
use std::path::{Path, PathBuf};

/// JSON Schemas of commands and events, and the AsyncAPI document of their topics
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct SchemaArgs {
    /// Write them all below this folder, a file each; without it the AsyncAPI document, which has
    /// all schemas in it, is printed
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  callfold schema > asyncapi.json
  callfold schema --out contract     asyncapi.json, commands/PlaceCall.v1.json, events/CallEnded.v1.json, …";

impl SchemaArgs {
    pub fn run(self) -> Result<(), Failure> {
        match self.out {
            Some(folder) => Ok(write(&folder)?),
            None => {
                let mut out = std::io::stdout().lock();
                out.write_all(documents::async_api().as_bytes())?;
                Ok(out.flush()?)
            }
        }
    }
}

fn write(folder: &Path) -> anyhow::Result<()> {
    for document in documents::ALL {
        let path = folder.join(document.path);
        let parent = path.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent)
            .and_then(|()| std::fs::write(&path, document.text))
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    say(&format!("{} files below {}", documents::ALL.len(), folder.display()));
    Ok(())
}
