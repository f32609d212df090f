//! What must be true of every call, whoever wrote its events.

use call::Call;
use projections::CallRecord;
use schemas::call::{CallEvent, CallRequested};
use schemas::{CallId, Event, Position, Recorded, Timestamp};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

/// So many broken rules are kept.
const FAULTS_MAX: usize = 1000;

/// A rule that a call broke, and where.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct BrokenRule {
    place: Option<(CallId, Position, u32)>,
    what: String,
}

impl fmt::Display for BrokenRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((call, position, sequence)) = self.place {
            write!(f, "position {}, call {call}, sequence {sequence}: ", position.0)?;
        }
        f.write_str(&self.what)
    }
}

/// Follows every call of a log. Memory grows with the open calls, and by an id for each ended one.
#[derive(Default)]
pub(super) struct CallRules {
    open: HashMap<CallId, Open>,
    ended: HashSet<CallId>,
    faults: Vec<BrokenRule>,
}

struct Open {
    /// `None` once an event could not follow: what comes after says nothing.
    machine: Option<Call>,
    record: CallRecord,
    last: Timestamp,
}

impl CallRules {
    /// What was broken, the first first.
    pub(super) fn faults(&self) -> &[BrokenRule] {
        &self.faults
    }

    /// How many have not ended.
    pub(super) fn open(&self) -> usize {
        self.open.len()
    }

    /// So many events are of types that this version does not know: nothing can be said of them.
    pub(super) fn unknown(&mut self, events: u64) {
        if events > 0 {
            let what = format!("{events} events are of types that this version does not know");
            self.faults.push(BrokenRule { place: None, what });
        }
    }

    /// How many have ended.
    pub(super) fn ended(&self) -> usize {
        self.ended.len()
    }

    /// Follows one more event.
    pub(super) fn check(&mut self, call: CallId, recorded: &Recorded, event: &CallEvent) {
        let mut broken = Vec::new();
        if self.ended.contains(&call) {
            broken.push(format!("{} after the terminal event", event.name()));
        } else if let Some(open) = self.open.get_mut(&call) {
            open.follow(recorded, event, &mut broken);
            if matches!(event, CallEvent::CallEnded(_)) {
                self.open.remove(&call);
                self.ended.insert(call);
            }
        } else {
            match begin(call, recorded, event, &mut broken) {
                Some(open) => drop(self.open.insert(call, open)),
                None => broken.push(format!("begins with {}, not CallRequested", event.name())),
            }
        }
        let place = Some((call, recorded.position, recorded.revision.sequence()));
        let room = FAULTS_MAX.saturating_sub(self.faults.len());
        let broken = broken.into_iter().take(room);
        self.faults.extend(broken.map(|what| BrokenRule { place, what }));
    }
}

fn begin(
    call: CallId,
    recorded: &Recorded,
    event: &CallEvent,
    broken: &mut Vec<String>,
) -> Option<Open> {
    let CallEvent::CallRequested(requested) = event else { return None };
    if derived(requested) != call {
        broken.push("its id does not follow from its command and attempt".to_owned());
    }
    let record = CallRecord::begin(&of_call(recorded, event))?;
    let requested = Arc::new((**requested).clone());
    let (machine, _) = Call::begin(requested, recorded.at, &Arc::default());
    Some(Open { machine: Some(machine), record, last: recorded.at })
}

/// The id that anybody can derive (`contract.md`).
fn derived(requested: &CallRequested) -> CallId {
    let first = CallId::of_command(&requested.command_id);
    match requested.attempt {
        0 | 1 => first,
        attempt => CallId::of_redial(first, attempt),
    }
}

impl Open {
    fn follow(&mut self, recorded: &Recorded, event: &CallEvent, broken: &mut Vec<String>) {
        if recorded.at < self.last {
            broken.push(format!("{} happened before what it follows", event.name()));
        }
        self.last = self.last.max(recorded.at);
        let followed = self.machine.as_mut().map(|machine| machine.evolve(event, recorded.at));
        if let Some(Err(illegal)) = followed {
            broken.push(illegal.to_string());
            self.machine = None;
        }
        self.record.apply(&of_call(recorded, event));
        if matches!(event, CallEvent::CallEnded(_)) {
            self.compare_times(broken);
        }
    }

    /// The terminal event repeats the times as spans: who has only it reads the same.
    fn compare_times(&self, broken: &mut Vec<String>) {
        let view = self.record.open(None);
        let (Some(ended), Some(end)) = (&self.record.ended, view.ended_at) else { return };
        let back = |ms: Option<u32>| ms.map(|ms| Timestamp(end.0 - i64::from(ms)));
        for (what, told, seen) in [
            ("requested", back(Some(ended.requested_ms)), view.requested_at),
            ("started", back(ended.started_ms), view.started_at),
            ("ringing", back(ended.ringing_ms), view.ringing_at),
            ("answered", back(ended.answered_ms), view.answered_at),
        ] {
            if told != seen {
                broken.push(format!("CallEnded tells another {what}_at than the events"));
            }
        }
    }
}

fn of_call(recorded: &Recorded, event: &CallEvent) -> Recorded<CallEvent> {
    let Recorded { position, stream, revision, at, event: _ } = recorded;
    debug_assert!(matches!(recorded.event, Event::Call(_)), "only events of calls come here");
    Recorded {
        position: *position,
        stream: *stream,
        revision: *revision,
        at: *at,
        event: event.clone(),
    }
}
