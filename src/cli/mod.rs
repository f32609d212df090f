//! What is typed (`cli.md`): the arguments of each command in a module of its own, made the values
//! that the command's function takes.
//!
//! What people read goes to the terminal or to stderr; with `--json` stdout carries JSON alone.
//! Exit: 0 done, 1 the work failed, 2 wrong usage or configuration.

mod backup;
mod config;
mod demo;
mod dial;
mod erase;
mod events;
mod failure;
#[cfg(feature = "kafka")]
mod kafka;
mod key;
mod log;
mod logging;
mod place;
mod records;
mod replay;
mod run;
mod schema;
mod simulation;
mod terminal;
mod values;
mod verify;
mod whose;

#[cfg(test)]
mod tests;

use crate::carrier;
use clap::{Parser, Subcommand};
use failure::Failure;
use std::io::Write;
use std::process::ExitCode;

/// An outbound-calling engine in which a call is a fold over its events
#[derive(Parser, Debug)]
#[command(name = "callfold", version = env!("CALLFOLD_VERSION"), after_help = EXAMPLES)]
#[command(disable_help_subcommand = true, max_term_width = 100)]
struct CommandLine {
    /// How the program's own log is written to stderr; CALLFOLD_LOG says how much, such as debug
    #[arg(long, global = true, value_name = "plain|json", hide_possible_values = true)]
    #[arg(default_value = "plain", hide_default_value = true, display_order = 1000)]
    log: logging::Format,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  callfold demo                                        fifty calls on this machine, to see it work
  callfold dial --list spring.csv --gateway sip:192.0.2.1 --data ./data
  callfold run --config callfold.toml                  the service: HTTP and Kafka, until a signal
  callfold records --data ./data                       what became of each call
  callfold events --data ./data --follow               every event, as it happens
  callfold config --print-default > callfold.toml      the configuration, with comments

Exit status: 0 done, 1 the work failed, 2 wrong usage or configuration.";

/// One command. A new one is a variant here, a module, and a line in [`run`].
#[derive(Subcommand, Debug)]
enum Command {
    Demo(demo::DemoArgs),
    Dial(Box<dial::DialArgs>),
    Run(run::RunArgs),
    Schema(schema::SchemaArgs),
    Records(records::RecordsArgs),
    Events(events::EventsArgs),
    Replay(replay::ReplayArgs),
    Verify(verify::VerifyArgs),
    Config(config::ConfigArgs),
    Carrier(Box<carrier::CarrierArgs>),
    Sim(simulation::SimArgs),
    Log(log::LogArgs),
    Backup(backup::BackupArgs),
    Restore(backup::RestoreArgs),
    Erase(erase::EraseArgs),
    Key(key::KeyArgs),
    #[cfg(feature = "kafka")]
    Kafka(kafka::KafkaArgs),
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Demo(arguments) => arguments.run(),
        Command::Dial(arguments) => arguments.run(),
        Command::Run(arguments) => arguments.run(),
        Command::Schema(arguments) => arguments.run(),
        Command::Records(arguments) => arguments.run(),
        Command::Events(arguments) => arguments.run(),
        Command::Replay(arguments) => arguments.run(),
        Command::Verify(arguments) => arguments.run(),
        Command::Config(arguments) => arguments.run(),
        Command::Carrier(arguments) => Ok(carrier::run(*arguments)?),
        Command::Sim(arguments) => arguments.run(),
        Command::Log(arguments) => arguments.run(),
        Command::Backup(arguments) => arguments.run(),
        Command::Restore(arguments) => arguments.run(),
        Command::Erase(arguments) => arguments.run(),
        Command::Key(arguments) => arguments.run(),
        #[cfg(feature = "kafka")]
        Command::Kafka(arguments) => arguments.run(),
    }
}

/// The program: reads the command line, runs the command, says what went wrong.
pub fn main() -> ExitCode {
    // Ends the process with 2 when it is wrong, with 0 for --help and --version.
    let CommandLine { log, command } = CommandLine::parse();
    logging::start(log);
    match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read us has seen enough: `callfold events | head`.
        Err(failure) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            say(&failure.to_string());
            failure.exit_code()
        }
    }
}

/// A sentence on stderr.
fn say(sentence: &str) {
    // Nobody reads it: the exit status says the same.
    let _ = writeln!(std::io::stderr(), "callfold: {sentence}");
}
