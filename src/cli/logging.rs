//! The program's own log: to stderr, so that stdout is for what was asked.

use clap::ValueEnum;
use std::io::IsTerminal;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt};

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

/// Starts the log: warnings and worse, unless `CALLFOLD_LOG` says otherwise, such as `info` or
/// `warn,sip=debug`. A second start changes nothing.
pub fn start(format: Format) {
    let given = std::env::var("CALLFOLD_LOG").ok().map(|wanted| wanted.parse::<Targets>());
    let (wanted, fault) = match given {
        Some(Ok(wanted)) => (Some(wanted), None),
        Some(Err(fault)) => (None, Some(fault)),
        None => (None, None),
    };
    let wanted = wanted.unwrap_or_else(|| USUAL.parse().expect("what is usual can be read"));
    let log = fmt::layer::<Registry>().with_writer(std::io::stderr);
    let log = match format {
        Format::Plain => {
            let colors = std::io::stderr().is_terminal() && super::terminal::colors_wanted();
            log.with_ansi(colors).boxed()
        }
        Format::Json => log.json().flatten_event(true).boxed(),
    };
    // Only the first start of a process can succeed; tests have many.
    let started = tracing_subscriber::registry().with(log.with_filter(wanted)).try_init().is_ok();
    if let (true, Some(fault)) = (started, fault) {
        tracing::warn!(
            "CALLFOLD_LOG cannot be read ({fault}), so {USUAL} holds; write it as warn,sip=debug"
        );
    }
}
