//! `callfold kafka`, as it is typed.

use super::{Failure, config};
use crate::topics::options;
use anyhow::anyhow;
use clap::{Args, Subcommand};
use kafka::dead::{self, Letter};
use kafka::{Error, topics};
use schemas::Timestamp;
use serde_json::json;
use std::io::{Write, stdout};
use std::path::PathBuf;

/// The topics: made as they must be, and what could not be taken from them
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct KafkaArgs {
    #[command(subcommand)]
    command: KafkaCommand,
}

const EXAMPLES: &str = "\
Examples:
  callfold kafka topics --config callfold.toml --partitions 64 --replication 3
  callfold kafka dead list --config callfold.toml
  callfold kafka dead redrive --config callfold.toml --reason refused";

#[derive(Subcommand, Debug)]
enum KafkaCommand {
    /// Make the topics that are not there, with the settings they need
    Topics {
        /// The configuration; the environment stands over it
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Of the topics of commands, work and events; for life, since a callee's calls must stay
        /// together
        #[arg(long, value_name = "N", default_value_t = topics::PARTITIONS)]
        #[arg(value_parser = clap::value_parser!(i32).range(1..=10_000))]
        partitions: i32,
        /// Copies of each partition; as the brokers have it when left out
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=100))]
        replication: Option<i32>,
        /// JSON on stdout
        #[arg(long)]
        json: bool,
    },
    /// What could not be read or accepted
    #[command(subcommand)]
    Dead(DeadCommand),
}

#[derive(Subcommand, Debug)]
enum DeadCommand {
    /// Show dead letters and why they are there; by default those that were not sent again
    List {
        /// The configuration; the environment stands over it
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Those that were sent again too
        #[arg(long)]
        all: bool,
        /// What was in them too; it may hold phone numbers
        #[arg(long)]
        values: bool,
        /// One JSON object a line on stdout
        #[arg(long)]
        json: bool,
    },
    /// Send dead letters again, in their order; what was taken before stays as it is
    Redrive {
        /// The configuration; the environment stands over it
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Only those of one reason; the others can be sent again later
        #[arg(long, value_name = "CODE")]
        reason: Option<String>,
        /// Those that were sent again before too
        #[arg(long)]
        all: bool,
    },
}

impl KafkaArgs {
    pub fn run(self) -> Result<(), Failure> {
        match self.command {
            KafkaCommand::Topics { config, partitions, replication, json } => {
                let options = read(&config)?;
                let made = topics::make(&options, partitions, replication).map_err(failed)?;
                let mut out = stdout().lock();
                for topics::Made { topic, partitions, was_there } in made {
                    if json {
                        let line = json!({
                            "topic": topic, "partitions": partitions, "was_there": was_there,
                        });
                        writeln!(out, "{line}").map_err(anyhow::Error::from)?;
                    } else {
                        let what = if was_there { "was there" } else { "made" };
                        let of = if partitions == 1 { "partition" } else { "partitions" };
                        writeln!(out, "{topic}: {what}, {partitions} {of}")
                            .map_err(anyhow::Error::from)?;
                    }
                }
                Ok(())
            }
            KafkaCommand::Dead(DeadCommand::List { config, all, values, json }) => {
                let options = read(&config)?;
                let mut out = stdout().lock();
                let mut broken = None;
                dead::read(&options, all, |letter| {
                    let written = match json {
                        true => writeln!(out, "{}", as_json(&letter, values)),
                        false => writeln!(out, "{}", as_text(&letter, values)),
                    };
                    broken = written.err();
                    Ok(broken.is_none())
                })
                .map_err(failed)?;
                broken.map_or(Ok(()), |error| Err(anyhow::Error::from(error).into()))
            }
            KafkaCommand::Dead(DeadCommand::Redrive { config, reason, all }) => {
                let options = read(&config)?;
                let sent = dead::redrive(&options, reason.as_deref(), all).map_err(failed)?;
                let letters = if sent == 1 { "letter" } else { "letters" };
                super::say(&format!("{sent} dead {letters} sent again"));
                Ok(())
            }
        }
    }
}

fn read(file: &std::path::Path) -> Result<kafka::Options, Failure> {
    let config = config::read_file(file)?;
    let kafka = config
        .kafka
        .as_ref()
        .ok_or_else(|| anyhow!("{} has no section [kafka]", file.display()))?;
    Ok(options(kafka, &config.node.name)?)
}

fn failed(error: Error) -> anyhow::Error {
    anyhow!(error.in_full())
}

fn at(letter: &Letter) -> String {
    letter.at_ms.map_or_else(|| "unknown".to_owned(), |at| Timestamp(at).to_string())
}

fn as_json(letter: &Letter, values: bool) -> String {
    let Letter { partition, offset, reason, detail, from, bytes, redriven, .. } = letter;
    let mut line = json!({
        "partition": partition, "offset": offset, "at": at(letter), "reason": reason,
        "detail": detail, "from": from, "bytes": bytes, "redriven": redriven,
    });
    if values {
        line["value"] = String::from_utf8_lossy(letter.value()).into();
    }
    line.to_string()
}

fn as_text(letter: &Letter, values: bool) -> String {
    let Letter { reason, detail, from, bytes, redriven, .. } = letter;
    let again = if *redriven { ", sent again" } else { "" };
    let mut text = format!("{}  {reason}: {detail}  ({from}, {bytes} bytes{again})", at(letter));
    if values {
        // A stranger's bytes must not drive the terminal.
        let value = String::from_utf8_lossy(letter.value());
        let plain: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        text.push_str(&format!("\n    {plain}"));
    }
    text
}
