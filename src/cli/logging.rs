//! The program's own log: to stderr, so that stdout is for what was asked.

use clap::ValueEnum;
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// How the log is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Format {
    /// A line for people.
    Plain,
    /// A JSON object a line, for programs.
    Json,
}

/// KurrentDB's client calls each try that fails an error; what comes of them is ours to say.
const USUAL: &str = "warn,kurrentdb=off";

/// Starts the log: warnings and worse, unless `CALLFOLD_LOG` says otherwise. A second start
/// changes nothing.
pub fn start(format: Format) {
    let wanted = std::env::var("CALLFOLD_LOG").unwrap_or_else(|_| USUAL.to_owned());
    let filter = EnvFilter::try_new(&wanted).unwrap_or_else(|_| EnvFilter::new(USUAL));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Only the first start of a process can succeed; tests have many.
    let _ = match format {
        Format::Plain => {
            let colors = std::io::stderr().is_terminal() && super::terminal::colors_wanted();
            log.with_ansi(colors).try_init()
        }
        Format::Json => log.json().flatten_event(true).try_init(),
    };
}
