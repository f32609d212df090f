//! The command line: wiring, nothing else.

mod carrier;
mod demo;
mod demo_sound;
mod dial;
mod events;
mod history;
mod records;
mod replay;
mod signals;
mod verify;

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
    Demo {
        #[arg(long, default_value_t = 50)]
        calls: u32,
        #[arg(long, default_value_t = 10.0)]
        rate: f64,
        #[arg(long, default_value_t = 1)]
        seed: u64,
        #[arg(long)]
        data: Option<std::path::PathBuf>,
        #[arg(long)]
        json: bool,
    },
    Dial {
        #[arg(long)]
        list: std::path::PathBuf,
        #[arg(long)]
        gateway: Vec<dial::GatewayUri>,
        #[arg(long)]
        data: std::path::PathBuf,
        #[arg(long)]
        rate: Option<f64>,
        #[arg(long)]
        json: bool,
        #[arg(long)]
        max_talk: Option<u32>,
        #[arg(long, default_value_t = 30)]
        ring_timeout: u32,
        #[arg(long)]
        prompt: Option<std::path::PathBuf>,
    },
    Records {
        #[arg(long)]
        data: std::path::PathBuf,
    },
    Events {
        #[arg(long)]
        data: std::path::PathBuf,
        #[arg(long)]
        json: bool,
        #[arg(long)]
        all: bool,
    },
    Replay {
        #[arg(long)]
        data: std::path::PathBuf,
        #[arg(long)]
        call: String,
    },
    Verify {
        #[arg(long)]
        data: std::path::PathBuf,
    },
}

fn main() -> ExitCode {
    let done = match CommandLine::parse().command {
        Command::Carrier(arguments) => carrier::run(arguments),
        Command::Demo { calls, rate, seed, data, json } => demo::run(
            &demo::DemoOptions { calls, rate, seed, data, json, style: style() },
            &signals::StopRequests::listen().unwrap(),
        )
        .map(|_| ()),
        Command::Dial { list, gateway, data, rate, json, max_talk, ring_timeout, prompt } => {
            dial::run(
                &dial::DialOptions {
                    list,
                    batch: None,
                    again: false,
                    gateways: gateway,
                    credentials: None,
                    caller_id: None,
                    prompt,
                    overlay: None,
                    record: None,
                    rate,
                    concurrency: 500,
                    ring_timeout_ms: ring_timeout * 1000,
                    max_talk_ms: max_talk.map(|s| s * 1000),
                    max_attempts: 1,
                    redial_after_ms: None,
                    bind: None,
                    numbering: schemas::Numbering::INTERNATIONAL,
                    data,
                    json,
                    style: style(),
                },
                &signals::StopRequests::listen().unwrap(),
            )
            .map(|_| ())
        }
        Command::Records { data } => records::run(&records::RecordsOptions {
            data,
            as_of: None,
            outcome: None,
            phone: None,
            format: records::Format::Table,
            style: style(),
        }),
        Command::Events { data, json, all } => events::run(
            &events::EventsOptions {
                data,
                call: None,
                from: schemas::Position(0),
                follow: false,
                all,
                json,
                style: style(),
            },
            || false,
        ),
        Command::Replay { data, call } => {
            replay::run(&data, schemas::CallId::parse(&call).unwrap(), &style())
        }
        Command::Verify { data } => verify::run(&data).map(|_| ()),
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

fn style() -> projections::table::Style {
    projections::table::Style { width: 100, terminal: true, color: true }
}
