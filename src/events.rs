//! `callfold events`: the history itself, one event per line.

use crate::history::{History, Place};
use anyhow::Result;
use projections::table::{Align, Paint, Style, cell};
use schemas::call::CallEvent;
use schemas::public::{EventLine, Include};
use schemas::{CallId, CalleeKey, Event, Position, Recorded, StreamId, Vault};
use serde_json::Value;
use std::collections::HashMap;
use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::time::Duration;

/// How long `--follow` waits for events before it looks whether it is to stop.
const WAIT: Duration = Duration::from_millis(500);

/// Which events, and how they are printed.
#[derive(Clone, Debug)]
pub struct EventsOptions {
    /// Where they are.
    pub place: Place,
    /// Only those of this call.
    pub call: Option<CallId>,
    /// Only those from this position on.
    pub from: Position,
    /// Whether to wait for more.
    pub follow: bool,
    /// Whether events of batches and nodes are printed too.
    pub all: bool,
    /// One JSON object per line, or a table.
    pub json: bool,
    /// How a table is printed.
    pub style: Style,
}

/// Prints them; with `follow`, until `is_over`.
pub fn run(options: &EventsOptions, is_over: impl Fn() -> bool) -> Result<()> {
    let mut history = History::open(&options.place)?;
    let mut printer = Printer::new(options);
    if !options.json {
        printer.header()?;
    }
    if let Some(call) = options.call {
        for recorded in history.stream(StreamId::call(call))? {
            printer.take(&history, &recorded, 1)?;
        }
        if printer.printed == 0 && history.unknown == 0 {
            anyhow::bail!("there is no call {call} in {}", options.place);
        }
        printer.out.flush()?;
        history.tell_unknown();
        return Ok(());
    }
    let mut after = Position(0);
    loop {
        history.walk(after, |history, recorded, version| {
            after = recorded.position;
            printer.take(history, &recorded, version)?;
            Ok(ControlFlow::Continue(()))
        })?;
        printer.out.flush()?;
        if !options.follow || is_over() {
            history.tell_unknown();
            return Ok(());
        }
        history.reader.wait(after, WAIT)?;
    }
}

struct Printer<'a> {
    options: &'a EventsOptions,
    out: BufWriter<std::io::StdoutLock<'static>>,
    /// Whose each open call is: only its first event says so.
    callees: HashMap<StreamId, CalleeKey>,
    printed: u64,
}

impl<'a> Printer<'a> {
    fn new(options: &'a EventsOptions) -> Self {
        let out = BufWriter::new(std::io::stdout().lock());
        Self { options, out, callees: HashMap::new(), printed: 0 }
    }

    fn take(&mut self, history: &History, recorded: &Recorded, version: u8) -> Result<()> {
        if let Event::Call(CallEvent::CallRequested(requested)) = &recorded.event {
            self.callees.insert(recorded.stream, requested.callee);
        }
        let callee = self.callees.get(&recorded.stream).copied();
        if matches!(recorded.event, Event::Call(CallEvent::CallEnded(_))) {
            self.callees.remove(&recorded.stream);
        }
        let is_call = recorded.stream.as_call().is_some();
        if recorded.position < self.options.from || !(is_call || self.options.all) {
            return Ok(());
        }
        let reveal = history.vault.as_ref().map(|vault| (vault as &dyn Vault, Include::EVERYTHING));
        let line = EventLine::new(recorded, version, callee, reveal);
        self.printed += 1;
        match self.options.json {
            true => {
                self.out.write_all(&line.to_json())?;
                Ok(writeln!(self.out)?)
            }
            false => self.row(&line),
        }
    }

    fn header(&mut self) -> Result<()> {
        let names = format!(
            "{:>9}  {:<8}  {:>3}  {:<12}  {:<18}  DATA",
            "POSITION", "CALL", "SEQ", "TIME", "TYPE"
        );
        Ok(writeln!(self.out, "{}", self.options.style.paint(Paint::Heading, &names))?)
    }

    fn row(&mut self, line: &EventLine<'_>) -> Result<()> {
        let call = line.call_id.map(|call| call.to_string()).unwrap_or_default();
        let at = line.occurred_at.to_string();
        let data = readable(&line.data_json());
        // A file has no edge.
        let data = match self.options.style.terminal {
            true => cell(&data, self.options.style.width.saturating_sub(62).max(18), Align::Left),
            false => data,
        };
        writeln!(
            self.out,
            "{:>9}  {}  {:>3}  {}  {}  {}",
            line.position.0,
            call.get(..8).unwrap_or("        "),
            line.sequence,
            at.get(11..23).unwrap_or(&at),
            cell(line.kind, 18, Align::Left),
            data.trim_end(),
        )?;
        Ok(())
    }
}

/// `{"sip_status":180,"q850":null}` as `sip_status=180`: what is null says nothing.
fn readable(json: &[u8]) -> String {
    let Ok(Value::Object(fields)) = serde_json::from_slice(json) else {
        return String::from_utf8_lossy(json).into_owned();
    };
    // A number is told only by who has the keys: none means that there is no key any more.
    let erased = |name: &str, value: &Value| name == "phone" && value.is_null();
    let told = fields.iter().filter(|(name, value)| !value.is_null() || erased(name, value));
    let told = told.map(|(name, value)| {
        if erased(name, value) {
            return format!("{name}=(erased)");
        }
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        format!("{name}={text}")
    });
    told.collect::<Vec<_>>().join(" ")
}
