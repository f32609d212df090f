//! Records as rows of a table.

use super::RecordView;
use crate::table::{Align, Paint, Style, cell, cell_of_end, span};
use schemas::Outcome;

/// From here on the whole call id and the reason have room.
const WIDE: usize = 124;

/// Prints records one by one: no row waits for another.
#[derive(Clone, Copy, Debug)]
pub struct RecordRows {
    style: Style,
}

impl RecordRows {
    /// In this style. Rows fit 80 columns, and use 124 where there are as many.
    pub fn new(style: Style) -> Self {
        Self { style }
    }

    /// The names of the columns, with the line's end.
    pub fn header(&self) -> String {
        let names = Row {
            call: "CALL",
            phone: "PHONE",
            outcome: "OUTCOME",
            status: "SIP",
            ring: "RING",
            talk: "TALK",
            gateway: "GATEWAY",
            time: "TIME",
            reason: "REASON",
        };
        self.style.paint(Paint::Heading, self.line(&names, |outcome| outcome).trim_end()) + "\n"
    }

    /// One record, with the line's end. Times are UTC.
    pub fn row(&self, record: &RecordView) -> String {
        let started = record.started_at.or(record.requested_at).map(|at| at.to_string());
        let time = started.as_deref().and_then(|at| at.get(11..19)).unwrap_or("");
        let length = |ms: Option<u32>| ms.map_or_else(|| "–".to_owned(), span);
        let outcome = record.outcome.unwrap_or(record.state);
        let paint = Paint::of(record.outcome.and_then(Outcome::parse));
        let row = Row {
            call: &record.call_id,
            phone: record.phone.as_deref().unwrap_or(if record.erased {
                "(erased)"
            } else {
                "(sealed)"
            }),
            outcome,
            status: &record.sip_status.map_or_else(|| "–".to_owned(), |status| status.to_string()),
            ring: &length(record.ring_ms),
            talk: &length(record.talk_ms),
            gateway: record.gateway.as_deref().unwrap_or("–"),
            time,
            reason: record.reason.as_deref().unwrap_or(""),
        };
        let line = self.line(&row, |outcome| self.style.paint(paint, &outcome));
        line.trim_end().to_owned() + "\n"
    }

    fn line(&self, row: &Row<'_>, outcome: impl FnOnce(String) -> String) -> String {
        let wide = self.style.width >= WIDE;
        let (call, gateway) = if wide { (36, 16) } else { (8, 10) };
        // Beside another the scheme says nothing.
        let way = row.gateway.strip_prefix("sip:").unwrap_or(row.gateway);
        let id = if wide { row.call } else { row.call.get(..8).unwrap_or(row.call) };
        let mut line = [
            cell(row.time, 8, Align::Left),
            cell(id, call, Align::Left),
            cell_of_end(row.phone, 16),
            outcome(cell(row.outcome, 15, Align::Left)),
            cell(row.status, 3, Align::Right),
            cell(row.ring, 6, Align::Right),
            cell(row.talk, 7, Align::Right),
            cell_of_end(way, gateway),
        ]
        .join(" ");
        if wide {
            line = line + " " + &cell(row.reason, self.style.width.min(160) - 115, Align::Left);
        }
        line
    }
}

struct Row<'a> {
    call: &'a str,
    phone: &'a str,
    outcome: &'a str,
    status: &'a str,
    ring: &'a str,
    talk: &'a str,
    gateway: &'a str,
    time: &'a str,
    reason: &'a str,
}
