//! `callfold records`: what became of every call.

use crate::history::{History, Place};
use anyhow::{Context, Result};
use clap::ValueEnum;
use projections::call_record::{CSV_HEADER, RecordRows};
use projections::table::Style;
use projections::{CallRecord, CallRecords, Summary};
use schemas::{CalleeKey, Outcome, Position, Pseudonyms, Timestamp, Vault};
use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::str::FromStr;
use store::keys::NodeVault;

/// Which records, and how they are printed.
#[derive(Clone, Debug)]
pub struct RecordsOptions {
    /// Where their events are.
    pub place: Place,
    /// As they stood then; as they stand when absent.
    pub as_of: Option<AsOf>,
    /// Only those that came to this.
    pub outcome: Option<Wanted>,
    /// Only those to this number, normalised; of a person who was erased too.
    pub phone: Option<String>,
    /// How they are printed.
    pub format: Format,
    /// How a table is printed.
    pub style: Style,
}

/// A moment in the history.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AsOf {
    /// After the event at this position.
    Position(Position),
    /// After the last event that happened by then.
    Time(Timestamp),
}

impl FromStr for AsOf {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(position) = text.parse() {
            return Ok(Self::Position(Position(position)));
        }
        let moment = Timestamp::parse(text).map(Self::Time);
        moment.ok_or("write a position (a number) or a time such as 2026-09-21T14:13:20Z")
    }
}

/// What a record must have come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// To this end.
    Ended(Outcome),
    /// To none yet.
    Open,
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        if word == "open" {
            return Ok(Self::Open);
        }
        Outcome::parse(word).map(Self::Ended).ok_or_else(|| {
            let words = Outcome::ALL.map(Outcome::word);
            format!("write one of {}, open", words.join(", "))
        })
    }
}

/// How records are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// One JSON object per line.
    Json,
    /// RFC 4180, with a header.
    Csv,
}

/// Prints them: ended ones as they ended, then those that are open.
pub fn run(options: &RecordsOptions) -> Result<()> {
    let mut history = History::open(&options.place)?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let rows = RecordRows::new(options.style);
    match options.format {
        Format::Table => write!(out, "{}", rows.header())?,
        Format::Csv => write!(out, "{CSV_HEADER}")?,
        Format::Json => {}
    }
    let vault = history.vault.clone();
    let callee =
        options.phone.as_deref().map(|phone| callee_of(phone, vault.as_ref())).transpose()?;
    let mut summary = Summary::default();
    let mut print = |record: &CallRecord| -> Result<()> {
        let outcome = record.ended.as_ref().map_or(Wanted::Open, |end| Wanted::Ended(end.outcome));
        let is_wanted = options.outcome.is_none_or(|wanted| wanted == outcome)
            && callee.is_none_or(|callee| callee == record.callee);
        if is_wanted {
            summary.add_record(record);
            let view = record.open(vault.as_ref().map(|vault| vault as &dyn Vault));
            match options.format {
                Format::Table => write!(out, "{}", rows.row(&view))?,
                Format::Json => writeln!(out, "{}", view.to_json())?,
                Format::Csv => write!(out, "{}", view.to_csv())?,
            }
        }
        Ok(())
    };
    let mut records = CallRecords::default();
    history.walk(Position(0), |_, recorded, _| {
        let is_later = match options.as_of {
            None => false,
            Some(AsOf::Position(last)) => recorded.position > last,
            Some(AsOf::Time(last)) => recorded.at > last,
        };
        if is_later && matches!(options.as_of, Some(AsOf::Position(_))) {
            return Ok(ControlFlow::Break(()));
        }
        // An ended record is whole: it is printed and forgotten, so a long history needs no
        // memory.
        if !is_later
            && let Some(call) = records.apply(&recorded)
            && let Some(record) = records.take(call)
        {
            print(&record)?;
        }
        Ok(ControlFlow::Continue(()))
    })?;
    records.in_order().into_iter().try_for_each(&mut print)?;
    history.tell_unknown();
    if options.format == Format::Table {
        write!(out, "\n{}", summary.table(0, None, &options.style))?;
    }
    Ok(out.flush()?)
}

/// By its key, which outlives the number.
fn callee_of(phone: &str, vault: Option<&NodeVault>) -> Result<CalleeKey> {
    let vault = vault.context("without its keys a log does not tell whose calls are whose")?;
    Ok(vault.callee_key(phone))
}
