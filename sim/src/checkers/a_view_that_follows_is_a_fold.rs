//! A view that follows the log while it is written makes the same records as one fold over all of
//! it in the end. Of a large world every sixteenth call is looked at, and what is remembered of a
//! record is a hash.

use super::{Checker, Findings, Map, short};
use crate::seed::fingerprint;
use crate::world::{Ending, Fact};
use projections::CallRecords;
use schemas::call::CallEvent;
use schemas::{CallId, Event, Position, Recorded};
use std::time::Duration;
use store::Reader;

/// Of so many calls one is looked at.
const ONE_IN: u64 = 16;

#[derive(Default)]
pub struct Views {
    live: View,
    whole: View,
    after: u64,
}

/// Records of the calls that are up, and the hashes of those that are over.
#[derive(Default)]
struct View {
    up: CallRecords,
    over: Map<u64, u64>,
}

impl View {
    fn take(&mut self, event: &Recorded) {
        let Some(call) = self.up.apply(event) else { return };
        if matches!(event.event, Event::Call(CallEvent::CallEnded(_)))
            && let Some(record) = self.up.take(call)
        {
            self.over.insert(short(call), fingerprint(&format!("{record:?}")));
        }
    }
}

fn is_looked_at(call: CallId) -> bool {
    short(call).is_multiple_of(ONE_IN)
}

impl Views {
    fn follow(&mut self, log: &dyn Reader) {
        // A disk that has just died is read after the restart.
        while let Ok(stored) = log.read_all(Position(self.after), 4_096) {
            let Some(last) = stored.last() else { return };
            self.after = last.position.0;
            for stored in &stored {
                if !stored.stream.as_call().is_some_and(is_looked_at) {
                    continue;
                }
                let encoded = &stored.encoded;
                let Ok(event) = Event::decode(encoded.kind, encoded.version, &encoded.body) else {
                    continue;
                };
                let (position, stream, revision) =
                    (stored.position, stored.stream, stored.revision);
                self.live.take(&Recorded { position, stream, revision, at: stored.at, event });
            }
        }
    }
}

impl Checker for Views {
    fn says(&self) -> &'static str {
        "a view that follows is a fold"
    }

    fn see(&mut self, fact: &Fact<'_>, _: Duration, _: &mut Findings) {
        if let Fact::Looked { log, .. } = fact {
            self.follow(*log);
        }
    }

    fn reread(&mut self, event: &Recorded<CallEvent>, _: &[u8], findings: &mut Findings) {
        let Some(call) = event.stream.as_call().filter(|call| is_looked_at(*call)) else { return };
        let Recorded { position, stream, revision, at, event: ref what } = *event;
        let event = Event::Call(what.clone());
        self.whole.take(&Recorded { position, stream, revision, at, event });
        if matches!(what, CallEvent::CallEnded(_)) {
            let (live, whole) =
                (self.live.over.remove(&short(call)), self.whole.over.remove(&short(call)));
            if live.is_none() || live != whole {
                findings.add(Some(call), "the view that followed has another record".to_owned());
            }
        }
    }

    fn close(&mut self, _: &Ending<'_>, findings: &mut Findings) {
        let left = self.live.over.len() + self.whole.over.len();
        let orphans = self.live.up.orphans() + self.whole.up.orphans();
        if left > 0 || orphans > 0 {
            let what = format!(
                "{left} records that the log does not have, {orphans} events of calls that never began"
            );
            findings.add(None, what);
        }
    }
}
