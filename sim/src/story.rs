//! The story of a call: what stood in the log and what went over the wire, line by line.

use crate::checkers::{Checker, Findings};
use crate::world::{Fact, Gone};
use schemas::CallId;
use schemas::call::CallEvent;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// So many lines are kept: a story is short.
const LINES_MAX: usize = 2_000;

/// Hears each line as it comes.
type Listener = Box<dyn FnMut(&str) + Send>;

/// Listens to one call of a world, or to all.
#[derive(Clone, Default)]
pub struct Story {
    lines: Arc<Mutex<Lines>>,
    /// One call alone, or the engine alone; all when absent.
    only: Option<Option<CallId>>,
    /// The call behind each Call-ID.
    tries: BTreeMap<String, CallId>,
}

#[derive(Default)]
struct Lines {
    kept: Vec<String>,
    listener: Option<Listener>,
}

impl Story {
    /// Of this call; of the engine alone when absent.
    pub fn of(call: Option<CallId>) -> Self {
        Self { only: Some(call), ..Self::default() }
    }

    /// Of all calls.
    pub fn of_all() -> Self {
        Self::default()
    }

    /// Of all calls; each line is told at once.
    pub fn told(listener: impl FnMut(&str) + Send + 'static) -> Self {
        let story = Self::default();
        story.lock().listener = Some(Box::new(listener));
        story
    }

    /// What has been heard so far.
    pub fn lines(&self) -> Vec<String> {
        self.lock().kept.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn line(&self, at: Duration, call: Option<CallId>, text: &str) {
        let who = match (self.only, call) {
            (None, Some(call)) => format!("{}  ", &call.to_string()[..4]),
            _ => String::new(),
        };
        let line = format!("{:>12.6} s  {who}{text}", at.as_secs_f64());
        let mut lines = self.lock();
        if let Some(listener) = &mut lines.listener {
            return listener(&line);
        }
        if lines.kept.len() < LINES_MAX {
            lines.kept.push(line);
        }
    }

    /// Whether this call is listened to.
    fn hears(&self, call: CallId) -> bool {
        self.only.is_none_or(|only| only == Some(call))
    }
}

impl Checker for Story {
    fn says(&self) -> &'static str {
        "a story"
    }

    fn see(&mut self, fact: &Fact<'_>, at: Duration, _: &mut Findings) {
        match fact {
            Fact::Durable(event) => {
                let Some(call) = event.stream.as_call().filter(|call| self.hears(*call)) else {
                    return;
                };
                if let CallEvent::DialStarted(dial) = &event.event {
                    self.tries.insert(dial.sip_call_id.clone(), call);
                }
                self.line(at, Some(call), &format!("log    {}", told(&event.event)));
            }
            Fact::Left { to, glimpse } => {
                if let Some(call) = self.tries.get(glimpse.call_id) {
                    self.line(at, Some(*call), &format!("   --> {} to {to}", glimpse.title()));
                }
            }
            Fact::Arrived { from, glimpse } => {
                if let Some(call) = self.tries.get(glimpse.call_id) {
                    self.line(at, Some(*call), &format!("   <-- {} from {from}", glimpse.title()));
                }
            }
            Fact::Answered(command, answer) => {
                let call = CallId::of_command(&command.command_id);
                if self.hears(call) {
                    self.line(at, Some(call), &format!("answer {answer:?}"));
                }
            }
            Fact::Given(command, nth) => {
                let call = CallId::of_command(&command.command_id);
                if self.hears(call) {
                    let (id, phone) = (&command.command_id, &command.phone);
                    self.line(at, Some(call), &format!("given  {id} ({nth}): {phone}"));
                }
            }
            Fact::Gone(gone) => {
                let how = match gone {
                    Gone::Died { before, power } => {
                        format!(
                            "dies before {}{}",
                            before.word(),
                            if *power { ", its power too" } else { "" }
                        )
                    }
                    Gone::Broken(why) => format!("stops: {why}"),
                    Gone::Stopped => "has stopped as it was told".to_owned(),
                };
                self.line(at, None, &format!("====== the engine {how}"));
            }
            Fact::Started { life, unfinished } => {
                self.line(
                    at,
                    None,
                    &format!("====== the engine starts ({life}), {unfinished} calls open"),
                );
            }
            _ => {}
        }
    }
}

/// An event in a line: its name, and what is said in the clear.
fn told(event: &CallEvent) -> String {
    let mut text = event.name().to_owned();
    let written = match event {
        CallEvent::DialStarted(dial) => {
            write!(text, " try {} through {}", dial.try_no, dial.gateway)
        }
        CallEvent::CallProceeding(heard) => write!(text, " {}", heard.status),
        CallEvent::CallRang(heard) => write!(text, " {}", heard.status),
        CallEvent::EarlyMediaStarted(heard) => write!(text, " {}", heard.status),
        CallEvent::TryFailed(failed) => write!(text, " {:?} {}", failed.status, failed.reason),
        CallEvent::CancelIssued(cancel) => write!(text, " {:?}", cancel.cause),
        CallEvent::CallAnswered(answer) => write!(text, " {}", answer.status),
        CallEvent::CallHungUp(hung_up) => {
            write!(text, " by {} {:?}", hung_up.by.word(), hung_up.cause)
        }
        CallEvent::CallEnded(ended) => {
            let reason = ended.reason.as_deref().unwrap_or("");
            write!(text, " {} {:?} {reason}", ended.outcome, ended.sip_status)
        }
        _ => Ok(()),
    };
    debug_assert!(written.is_ok(), "a string takes everything");
    text
}
