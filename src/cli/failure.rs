//! How a command fails: a sentence, and one of two exit codes.

use std::fmt;
use std::io;
use std::process::ExitCode;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub enum Failure {
    /// Wrong usage or configuration: exit 2. Nothing was done.
    Usage(String),
    /// The work failed: exit 1.
    Work(anyhow::Error),
}

impl Failure {
    /// Somebody asked it to stop before the work was done.
    pub fn stopped() -> Self {
        Self::Work(anyhow::anyhow!(
            "stopped before every call had its end; started again, it goes on"
        ))
    }

    /// 1 or 2.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Work(_) => ExitCode::from(1),
        }
    }

    /// Whether nobody reads our output any more.
    pub fn is_broken_pipe(&self) -> bool {
        let Self::Work(error) = self else { return false };
        let io = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
        io.map(io::Error::kind).any(|kind| kind == io::ErrorKind::BrokenPipe)
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Work(error.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(sentence) => f.write_str(sentence),
            // With its causes, in one line.
            Self::Work(error) => write!(f, "{error:#}"),
        }
    }
}
