//! The list read: good rows become durable items, bad ones are kept with line and reason.

use super::DialOptions;
use crate::signals::StopRequests;
use anyhow::{Context, Result};
use campaign::sheet::{Rejected, Sheet, SheetOptions};
use indicatif::{ProgressBar, ProgressStyle};
use node::Prepared;
use node::list::{LoadedRun, Row, Taken};
use schemas::CalleeKey;
use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// So many rejected rows are kept to be told; of more, only how many there are.
const REJECTED_MAX: usize = 100_000;

/// What a list held.
pub struct Intake {
    /// The run its rows belong to.
    pub run: LoadedRun,
    /// The callees of its good rows.
    pub callees: HashSet<CalleeKey>,
    /// Rows that are not dialled, and why.
    pub rejected: Vec<Rejected>,
    /// How many there are, those that are not kept counted.
    pub rejected_count: u64,
}

impl Intake {
    /// Reads the list into the node's log.
    ///
    /// # Errors
    /// The list or the log cannot be read or written, or somebody asked to stop before its end.
    pub fn read(
        path: &Path,
        batch: &str,
        options: &DialOptions,
        prepared: &mut Prepared,
        stop: &StopRequests,
    ) -> Result<Self> {
        let named = || format!("the list {} cannot be read", path.display());
        let file = File::open(path).with_context(named)?;
        let length = file.metadata().with_context(named)?.len();
        let bar = bar(length);
        let sheet_options =
            SheetOptions { numbering: options.numbering, ..SheetOptions::default() };
        let sheet = Sheet::open(Stoppable { list: bar.wrap_read(file), stop }, sheet_options)
            .with_context(named)?;

        let mut loading = prepared.load(batch, options.again)?;
        let mut callees = HashSet::new();
        let (mut rejected, mut rejected_count) = (Vec::new(), 0);
        let mut reject = |row: Rejected| {
            rejected_count += 1;
            if rejected.len() < REJECTED_MAX {
                rejected.push(row);
            }
        };
        for row in sheet {
            match row.with_context(named)? {
                Err(bad) => {
                    loading.reject();
                    reject(bad);
                }
                Ok(row) => {
                    let variables = (!row.variables.is_empty())
                        .then(|| serde_json::to_vec(&row.variables))
                        .transpose()?;
                    let phone = row.phone.as_str().to_owned();
                    match loading.take(Row { line: row.line, phone, variables })? {
                        Taken::Added(callee) | Taken::Known(callee) => {
                            callees.insert(callee);
                        }
                        Taken::Duplicate(first) => reject(Rejected::duplicate(&row, first)),
                    }
                }
            }
        }
        bar.finish_and_clear();
        let run = loading.finish()?;
        Ok(Self { run, callees, rejected, rejected_count })
    }
}

/// The list, up to where somebody asks to stop. A list may be a pipe, and never end.
struct Stoppable<'a, R> {
    list: R,
    stop: &'a StopRequests,
}

impl<R: Read> Read for Stoppable<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self.stop.count() {
            0 => self.list.read(buffer),
            _ => Err(std::io::Error::other("stopped before its end")),
        }
    }
}

/// Hidden where nobody looks; a short list is read before it shows.
fn bar(length: u64) -> ProgressBar {
    let style =
        ProgressStyle::with_template("reading the list  {wide_bar} {bytes}/{total_bytes}  {eta}")
            .expect("the template is a constant");
    ProgressBar::new(length).with_style(style)
}
