//! What stands at the end: a table for people, one JSON object for programs.

use super::DialOptions;
use super::intake::Intake;
use crate::advice;
use crate::history::History;
use anyhow::Result;
use campaign::sheet::Rejected;
use node::Node;
use projections::{CallRecord, CallRecords, Summary};
use schemas::call::CallEvent;
use schemas::{Event, Position, Recorded, StreamId, Vault};
use serde_json::json;
use std::collections::HashSet;
use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::time::Duration;

/// So many rejected rows are shown to people; the rest stands in `--json`.
const REJECTED_SHOWN: usize = 10;

/// The end of a `dial`.
pub struct Report<'a> {
    pub options: &'a DialOptions,
    pub intake: &'a Intake,
    pub took: Duration,
}

impl Report<'_> {
    /// Prints it. The records are read from the log, like everything anybody sees.
    pub fn print(&self, node: &Node) -> Result<()> {
        let mut history = History::of(node.reader.clone(), node.vault.clone());
        let mut summary = Summary::default();
        self.records(&mut history, |record, _| {
            summary.add_record(record);
            Ok(())
        })?;
        match self.options.json {
            true => self.print_json(&mut history, &summary, &node.vault),
            false => self.print_table(&summary),
        }
    }

    /// Every record of the list's callees, from earlier runs of the same batch run too: each as
    /// soon as it is whole, so that a long history needs no memory.
    fn records(
        &self,
        history: &mut History,
        mut take: impl FnMut(&CallRecord, &History) -> Result<()>,
    ) -> Result<()> {
        let mut records = CallRecords::default();
        let mut ours: HashSet<StreamId> = HashSet::new();
        history.walk(Position(0), |history, recorded, _| {
            if self.is_ours(&recorded) {
                ours.insert(recorded.stream);
            }
            if ours.contains(&recorded.stream)
                && let Some(call) = records.apply(&recorded)
                && let Some(record) = records.take(call)
            {
                ours.remove(&recorded.stream);
                take(&record, history)?;
            }
            Ok(ControlFlow::Continue(()))
        })?;
        records.in_order().into_iter().try_for_each(|record| take(record, history))
    }

    fn is_ours(&self, recorded: &Recorded) -> bool {
        match &recorded.event {
            Event::Call(CallEvent::CallRequested(requested)) => {
                requested.item.is_some_and(|item| item.batch == self.intake.run.stream)
                    && self.intake.callees.contains(&requested.callee)
            }
            _ => false,
        }
    }

    fn print_json(
        &self,
        history: &mut History,
        summary: &Summary,
        vault: &dyn Vault,
    ) -> Result<()> {
        let mut out = BufWriter::new(std::io::stdout().lock());
        write!(out, "{{\"summary\":{},\"calls\":[", summary.to_json())?;
        let mut comma = "";
        self.records(history, |record, _| {
            write!(out, "{comma}{}", record.open(Some(vault)).to_json())?;
            comma = ",";
            Ok(())
        })?;
        write!(out, "],\"rejected\":{}}}", serde_json::to_string(&self.rejected())?)?;
        writeln!(out)?;
        Ok(out.flush()?)
    }

    fn rejected(&self) -> Vec<serde_json::Value> {
        let told = |row: &Rejected| json!({"line": row.line, "value": row.value, "reason": row.fault.to_string(), "code": row.fault.code()});
        self.intake.rejected.iter().map(told).collect()
    }

    fn print_table(&self, summary: &Summary) -> Result<()> {
        let mut out = std::io::stderr().lock();
        let intake = self.intake;
        let table = summary.table(intake.rejected_count, Some(self.took), &self.options.style);
        write!(out, "{table}")?;
        for row in intake.rejected.iter().take(REJECTED_SHOWN) {
            writeln!(out, "line {}: {} ({})", row.line, row.fault, row.value)?;
        }
        let more = intake.rejected_count.saturating_sub(REJECTED_SHOWN as u64);
        if more > 0 {
            writeln!(out, "and {more} more rows were not dialled; --json tells them all")?;
        }
        let records = advice::command("records", &self.options.data, self.options.store.as_ref());
        writeln!(out, "\nrecords: {records}")?;
        Ok(())
    }
}
