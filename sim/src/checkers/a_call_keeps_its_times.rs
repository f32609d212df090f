//! A call rings as long as it may and no longer, and lasts as long as it may and no longer; its
//! prompt is played to its end; what nobody dials ends at its deadline.

use super::{Checker, Findings, Map};
use crate::world::plan::Plan;
use crate::world::{Ending, Fact, disturbed};
use schemas::CallId;
use schemas::call::{CallEvent, CallRequested, CancelCause, HangUpCause};
use std::time::Duration;

#[derive(Default)]
pub struct Times {
    calls: Map<CallId, Clock>,
    /// Suspects, and when it was: what a frozen engine does is not held against it.
    late: Vec<(CallId, Duration, Duration, String)>,
    slack: Duration,
}

struct Clock {
    asked: Box<CallRequested>,
    proceeding: Option<Duration>,
    answered: Option<Duration>,
    held: bool,
    dialled: Duration,
}

/// What the disk, the loop and the media may add.
const SLACK: Duration = Duration::from_millis(150);

impl Times {
    fn mind(&mut self, call: CallId, from: Duration, took: Duration, wanted: u32, what: &str) {
        let wanted = Duration::from_millis(wanted.into());
        if took + SLACK < wanted || took > wanted + self.slack {
            let what = format!("{what} after {took:?} instead of {wanted:?}");
            self.late.push((call, from, from + took, what));
        }
    }

    fn over(&mut self, call: CallId, from: Duration, took: Duration, most: u32, what: &str) {
        let most = Duration::from_millis(most.into());
        if took > most + self.slack {
            let what = format!("{what} for {took:?} instead of {most:?} at most");
            self.late.push((call, from, from + took, what));
        }
    }

    fn durable(&mut self, call: CallId, event: &CallEvent, at: Duration) {
        if let CallEvent::CallRequested(asked) = event {
            let clock = Clock {
                asked: asked.clone(),
                proceeding: None,
                answered: None,
                held: false,
                dialled: at,
            };
            self.calls.insert(call, clock);
            return;
        }
        let Some(clock) = self.calls.get_mut(&call) else { return };
        match event {
            CallEvent::DialStarted(_) => (clock.dialled, clock.proceeding) = (at, None),
            CallEvent::CallProceeding(_)
            | CallEvent::CallRang(_)
            | CallEvent::EarlyMediaStarted(_) => {
                clock.proceeding.get_or_insert(at);
            }
            CallEvent::CallHeld(_) => clock.held = true,
            CallEvent::CallAnswered(_) => {
                clock.answered = Some(at);
                let (ring, since) = (clock.asked.ring_timeout_ms, clock.proceeding.unwrap_or(at));
                self.over(call, since, at - since, ring, "it rang");
            }
            CallEvent::CancelIssued(cancel) => {
                let (ring, since) = (clock.asked.ring_timeout_ms, clock.proceeding);
                match (&cancel.cause, since) {
                    (CancelCause::RingTimeout, Some(since)) => {
                        self.mind(call, since, at - since, ring, "its ringing ended");
                    }
                    (CancelCause::RingTimeout, None) => {
                        let what = "its ringing ended before it began".to_owned();
                        self.late.push((call, at, at, what));
                    }
                    (_, Some(since)) => self.over(call, since, at - since, ring, "it rang"),
                    (_, None) => {}
                }
            }
            CallEvent::CallHungUp(hung_up) => {
                let Some(answered) = clock.answered else { return };
                let (talk, prompt, held) = (
                    clock.asked.max_talk_ms,
                    clock.asked.prompt.as_ref().and_then(|ms| ms.parse().ok()),
                    clock.held,
                );
                let took = at - answered;
                match (&hung_up.cause, prompt) {
                    (HangUpCause::MaxTalk, _) => {
                        self.mind(call, answered, took, talk, "its talk ended");
                    }
                    (HangUpCause::PromptPlayed, Some(ms)) if !held => {
                        self.mind(call, answered, took, ms, "its prompt ended");
                    }
                    (HangUpCause::PromptPlayed, None) => {
                        let what = "a prompt that nobody asked for".to_owned();
                        self.late.push((call, at, at, what));
                    }
                    (_, Some(ms)) if ms < talk && !held => {
                        self.over(call, answered, took, ms, "it went on beyond its prompt");
                    }
                    _ => self.over(call, answered, took, talk, "it lasted"),
                }
            }
            CallEvent::CallEnded(_) => {
                self.calls.remove(&call);
            }
            _ => {}
        }
    }
}

impl Checker for Times {
    fn says(&self) -> &'static str {
        "a call keeps its times"
    }

    fn open(&mut self, plan: &Plan) {
        self.slack = SLACK + Duration::from_micros(u64::from(plan.node.sync_us.1) * 4);
    }

    fn see(&mut self, fact: &Fact<'_>, at: Duration, _: &mut Findings) {
        match fact {
            Fact::Durable(event) => {
                if let Some(call) = event.stream.as_call() {
                    self.durable(call, &event.event, at);
                }
            }
            Fact::Gone(_) => self.calls.clear(),
            _ => {}
        }
    }

    fn close(&mut self, end: &Ending<'_>, findings: &mut Findings) {
        for (call, from, to, what) in &self.late {
            if !disturbed(end.disturbed, *from, *to) {
                findings.add(Some(*call), what.clone());
            }
        }
    }
}
