//! `callfold records`: what became of every call.

use crate::history::History;
use anyhow::Result;
use projections::call_record::{CSV_HEADER, RecordRows};
use projections::table::Style;
use projections::{CallRecord, CallRecords};
use schemas::{Outcome, Position, Timestamp, Vault};
use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;

/// Which records, and how they are printed.
#[derive(Clone, Debug)]
pub struct RecordsOptions {
    /// The data folder.
    pub data: PathBuf,
    /// As they stood then; as they stand when absent.
    pub as_of: Option<AsOf>,
    /// Only those that ended so.
    pub outcome: Option<Outcome>,
    /// Only those to this number, normalised.
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

/// How records are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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
    let mut history = History::open(&options.data)?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let rows = RecordRows::new(options.style);
    match options.format {
        Format::Table => write!(out, "{}", rows.header())?,
        Format::Csv => write!(out, "{CSV_HEADER}")?,
        Format::Json => {}
    }
    let vault = history.vault.clone();
    let mut print = |record: &CallRecord| -> Result<()> {
        let view = record.open(vault.as_ref().map(|vault| vault as &dyn Vault));
        let is_wanted = options.outcome.is_none_or(|o| view.outcome == Some(o.word()))
            && options.phone.as_ref().is_none_or(|phone| view.phone.as_ref() == Some(phone));
        if is_wanted {
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
    Ok(out.flush()?)
}
