//! The command line: wiring, nothing else.

mod carrier;

use clap::{Parser, Subcommand};
use std::io::Write;
use std::process::ExitCode;

/// An outbound-calling engine in which a call is a fold over its events
#[derive(Parser, Debug)]
#[command(name = "callfold", version)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Carrier(carrier::CarrierArgs),
}

fn main() -> ExitCode {
    let done = match CommandLine::parse().command {
        Command::Carrier(arguments) => carrier::run(arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody reads it: the exit status says the same.
            let _ = writeln!(std::io::stderr(), "callfold: {error:#}");
            ExitCode::FAILURE
        }
    }
}
