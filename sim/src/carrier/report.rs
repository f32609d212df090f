//! What a carrier says at its end, and the file it writes on the way.

use super::signalling::seconds;
use crate::exchange::Exchange;
use crate::ledger::{Entry, Ledger, Totals};
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Duration;

/// A carrier's last word.
#[derive(Debug, Default)]
pub struct Report {
    /// The sums over everything it saw.
    pub totals: Totals,
    /// The ledger, as far as it was kept in memory.
    pub entries: Vec<Entry>,
    /// Messages that the system did not take.
    pub unsent: u64,
    /// How long it ran.
    pub ran: Duration,
    /// Why the ledger's file is incomplete, when it is.
    pub ledger_fault: Option<io::Error>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} after {:.1} s", self.totals, seconds(self.ran))?;
        if self.unsent > 0 {
            writeln!(f, "  not sent     {} messages that the system did not take", self.unsent)?;
        }
        if let Some(fault) = &self.ledger_fault {
            writeln!(f, "  the ledger's file is incomplete: {fault}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} INVITEs, {} repeats", self.invites, self.invite_repeats)?;
        write!(f, "\n  finals      ")?;
        self.finals.iter().try_for_each(|(status, count)| write!(f, " {status}: {count}"))?;
        write!(f, "\n  callees     ")?;
        self.plans.iter().try_for_each(|(plan, count)| write!(f, " {plan}: {count}"))?;
        let Self { unacked, strays, unreadable, lost, without_port, .. } = self;
        write!(f, "\n  owed         {unacked} finals without ACK")?;
        write!(
            f,
            "\n  odd          {strays} strays, {unreadable} unreadable, {lost} lost by faults"
        )?;
        write!(f, "\n  other        {} OPTIONS, {} REGISTER", self.options, self.registers)?;
        write!(f, "\n  at most      {} calls at one time", self.calls_max)?;
        if *without_port > 0 {
            write!(f, ", {without_port} without an RTP port")?;
        }
        Ok(())
    }
}

/// The ledger as JSON lines.
pub struct LedgerFile {
    to: BufWriter<File>,
    written: u64,
    fault: Option<io::Error>,
}

impl LedgerFile {
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { to: BufWriter::new(File::create(path)?), written: 0, fault: None })
    }

    /// Writes the entries that are done since the last time.
    pub fn write_done(&mut self, ledger: &Ledger) {
        if ledger.put_away_count() == self.written {
            return;
        }
        for entry in ledger.done_since(self.written) {
            self.write(entry);
        }
        self.written = ledger.put_away_count();
    }

    /// Writes those that are not done either. Gives back what went wrong on the way.
    pub fn finish(mut self, exchange: &Exchange) -> Option<io::Error> {
        self.write_done(exchange.ledger());
        let done = exchange.ledger().done().count();
        for entry in exchange.entries().iter().skip(done) {
            self.write(entry);
        }
        let flushed = self.to.flush();
        self.fault.or(flushed.err())
    }

    fn write(&mut self, entry: &Entry) {
        if self.fault.is_none() {
            let line = serde_json::to_writer(&mut self.to, entry).map_err(io::Error::from);
            self.fault = line.and_then(|()| self.to.write_all(b"\n")).err();
        }
    }
}
