//! `GET /metrics`, in the text format of Prometheus 0.0.4. No label holds anything personal.

use super::{Door, Readiness};
use crate::service::desk::Desk;
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use schemas::Outcome;
use std::fmt::{Display, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What the service counts beside the desk.
#[derive(Debug, Default)]
pub struct Metrics {
    ended: [AtomicU64; Outcome::ALL.len()],
    /// Requests answered, by the hundred of their status.
    requests: [AtomicU64; 6],
}

impl Metrics {
    /// A call ended.
    pub fn ended(&self, outcome: Outcome) {
        if let Some(at) = Outcome::ALL.iter().position(|known| *known == outcome) {
            self.ended[at].fetch_add(1, Relaxed);
        }
    }
}

/// Counts a request by its answer.
pub async fn count(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let hundred = usize::from(response.status().as_u16() / 100);
    if let Some(count) = door.metrics.requests.get(hundred) {
        count.fetch_add(1, Relaxed);
    }
    response
}

/// The page.
pub async fn metrics(State(door): State<Arc<Door>>) -> Response {
    let mut page = Page::default();
    page.head("callfold_ready", "gauge", "whether commands are taken");
    page.row("callfold_ready", "", u8::from(door.readiness() == Readiness::Ready));
    page.head("callfold_calls_ended_total", "counter", "calls that ended, by outcome");
    for (outcome, count) in Outcome::ALL.iter().zip(&door.metrics.ended) {
        let label = format!("outcome=\"{outcome}\"");
        page.row("callfold_calls_ended_total", &label, count.load(Relaxed));
    }
    page.head("callfold_http_requests_total", "counter", "requests by status");
    for (hundred, count) in door.metrics.requests.iter().enumerate().skip(1) {
        let label = format!("status=\"{hundred}xx\"");
        page.row("callfold_http_requests_total", &label, count.load(Relaxed));
    }
    if let Ok(front) = door.front() {
        page.desk(&front.desk);
    }
    if let Some(more) = door.more_metrics.get() {
        page.0.push_str(&more());
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page.0).into_response()
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn desk(&mut self, desk: &Desk) {
        self.head("callfold_calls_live", "gauge", "calls that have not ended");
        self.row("callfold_calls_live", "", desk.live());
        self.head("callfold_commands_waiting", "gauge", "commands without an answer");
        self.row("callfold_commands_waiting", "", desk.waiting());
        self.head("callfold_commands_total", "counter", "commands by answer");
        let counts = &desk.counts;
        for (answer, count) in [
            ("accepted", &counts.accepted),
            ("repeated", &counts.repeated),
            ("conflict", &counts.conflicts),
            ("no_such_call", &counts.no_such_call),
            ("refused", &counts.refused),
            ("full", &counts.full),
        ] {
            let label = format!("answer=\"{answer}\"");
            self.row("callfold_commands_total", &label, count.load(Relaxed));
        }
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}").expect("a String takes all");
    }

    fn row(&mut self, name: &str, labels: &str, value: impl Display) {
        let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        writeln!(self.0, "{name}{labels} {value}").expect("a String takes all");
    }
}
