//! Stores by their URL: what a history is read from, and what it is written to.

use anyhow::{Context, Result};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use store::folder::Unfinished;
use store::writer::{self, LogWriter, NoKeys};
use store::{Appender, DataFolder, Reader};

/// Where a history is, as the configuration's `store.url` says it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StoreUrl {
    /// `log:PATH`: the embedded log of a data folder.
    Log(PathBuf),
}

impl FromStr for StoreUrl {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        match url.split_once(':') {
            Some(("log", path)) if !path.is_empty() => Ok(Self::Log(path.into())),
            Some(("postgres" | "postgresql" | "kurrentdb" | "esdb", _)) => Err(format!(
                "{} is not among the stores that this program was built with",
                url.split(':').next().unwrap_or(url)
            )),
            _ => Err("write a store's URL, such as log:./data/log".to_owned()),
        }
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log(path) => write!(f, "log:{}", path.display()),
        }
    }
}

/// A history that is read.
pub struct Source {
    /// Its events.
    pub reader: Box<dyn Reader>,
    /// Its data folder, if it is a log: whose secrets go with the events.
    pub folder: Option<DataFolder>,
}

/// Where a history is written to.
pub struct Target {
    /// Takes the events.
    pub appender: Arc<dyn Appender>,
    end: End,
}

/// What is left to do when all is written.
enum End {
    Log(LogWriter, Box<Unfinished>),
}

impl StoreUrl {
    /// Opens it to read, beside whoever writes.
    pub fn open_to_read(&self) -> Result<Source> {
        match self {
            Self::Log(path) => {
                let folder = DataFolder::open_to_read(data_folder(path))?;
                Ok(Source { reader: Box::new(folder.read_log()?), folder: Some(folder) })
            }
        }
    }

    /// Opens it to take all that `source` has. A log is a new folder, or one that was broken off.
    pub fn open_to_fill(&self, source: &Source) -> Result<Target> {
        match self {
            Self::Log(path) => {
                let folder =
                    Unfinished::begin(data_folder(path), "node-1", source.folder.as_ref())?;
                let (writer, appender) = writer::start(folder.open_log()?, NoKeys)?;
                Ok(Target { appender: Arc::new(appender), end: End::Log(writer, Box::new(folder)) })
            }
        }
    }
}

impl Target {
    /// All is written: makes it whole.
    pub fn finish(self) -> Result<()> {
        match self.end {
            End::Log(writer, folder) => {
                writer.stop()?;
                folder.finish().context("all is copied, and could not be made a data folder")
            }
        }
    }
}

/// The folder whose log it is: the configuration names `DATA/log`, a person may name `DATA`.
fn data_folder(path: &Path) -> &Path {
    match path.file_name() {
        Some(name) if name == "log" && !path.join("node.toml").exists() => {
            path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
        }
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_named_by_its_scheme() {
        for (url, wanted) in [
            ("log:./data/log", Ok("log:./data/log")),
            ("log:", Err("write a store's URL")),
            ("./data", Err("write a store's URL")),
            ("postgres://u@h/db", Err("postgres is not among")),
        ] {
            let read = StoreUrl::from_str(url);
            match (read, wanted) {
                (Ok(read), Ok(wanted)) => assert_eq!(read.to_string(), wanted),
                (Err(said), Err(wanted)) => assert!(said.starts_with(wanted), "{said}"),
                (read, _) => panic!("{url}: {read:?}"),
            }
        }
    }

    #[test]
    fn a_log_stands_in_its_data_folder() {
        for (path, folder) in
            [("data/log", "data"), ("log", "."), ("data", "data"), ("/x/log", "/x")]
        {
            assert_eq!(data_folder(Path::new(path)), Path::new(folder));
        }
    }
}
