//! A view that follows the log while the world goes on, reads a stretch twice and begins anew after
//! a crash as often as not, is what one fold over the whole log makes.

use super::{Checker, Findings, Map};
use crate::world::{Ending, Fact};
use projections::CallRecords;
use schemas::call::CallEvent;
use schemas::{CallId, Event, Position, Recorded};
use std::time::Duration;
use store::Reader;

#[derive(Default)]
pub struct Records {
    view: CallRecords,
    after: u64,
    looks: u64,
    whole: CallRecords,
    ends: Map<CallId, Box<schemas::call::CallEnded>>,
}

/// So many events it reads again, as one that was told at least once is.
const AGAIN: u64 = 3;

impl Records {
    fn follow(&mut self, log: &dyn Reader) {
        self.looks += 1;
        if self.looks.is_multiple_of(17) {
            (self.view, self.after) = (CallRecords::default(), 0);
        }
        loop {
            let after = Position(self.after.saturating_sub(AGAIN));
            // A disk that has just died is read after the restart.
            let Ok(stored) = log.read_all(after, 512) else { return };
            let Some(last) = stored.last().filter(|last| last.position.0 > self.after) else {
                return;
            };
            self.after = last.position.0;
            for stored in &stored {
                let encoded = &stored.encoded;
                let Ok(event) = Event::decode(encoded.kind, encoded.version, &encoded.body) else {
                    continue;
                };
                let (position, stream, revision) =
                    (stored.position, stored.stream, stored.revision);
                self.view.apply(&Recorded { position, stream, revision, at: stored.at, event });
            }
        }
    }
}

impl Checker for Records {
    fn says(&self) -> &'static str {
        "records are a fold"
    }

    fn see(&mut self, fact: &Fact<'_>, _: Duration, _: &mut Findings) {
        if let Fact::Looked { log, .. } = fact {
            self.follow(*log);
        }
    }

    fn reread(&mut self, event: &Recorded<CallEvent>, _: &[u8], _: &mut Findings) {
        let Recorded { position, stream, revision, at, ref event } = *event;
        if let (CallEvent::CallEnded(ended), Some(call)) = (event, stream.as_call()) {
            self.ends.insert(call, ended.clone());
        }
        let event = Event::Call(event.clone());
        self.whole.apply(&Recorded { position, stream, revision, at, event });
    }

    fn close(&mut self, _: &Ending<'_>, findings: &mut Findings) {
        let (whole, view) = (self.whole.in_order(), self.view.in_order());
        if whole.len() != view.len() {
            findings.add(None, format!("{} records of {}", view.len(), whole.len()));
        }
        for (whole, view) in whole.iter().zip(&view) {
            if format!("{whole:?}") != format!("{view:?}") {
                findings.add(Some(whole.call), "the view has another record".to_owned());
            }
            if whole.ended.as_deref() != self.ends.get(&whole.call).map(|ended| &**ended) {
                findings.add(Some(whole.call), "the record has another end".to_owned());
            }
        }
        if self.view.orphans() + self.whole.orphans() > 0 {
            findings.add(None, "events of a call that never began".to_owned());
        }
    }
}
