//! The story of one call: what stood in the log and what went over the wire, line by line.

use crate::checkers::{Checker, Findings};
use crate::world::{Fact, Gone};
use schemas::CallId;
use schemas::call::CallEvent;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// So many lines are kept: a story is short.
const LINES_MAX: usize = 400;

/// Listens to one call of a world.
#[derive(Clone, Debug, Default)]
pub struct Story {
    lines: Arc<Mutex<Vec<String>>>,
    call: Option<CallId>,
    /// The Call-IDs of its tries.
    tries: Vec<String>,
}

impl Story {
    /// Of this call; of the engine alone when absent.
    pub fn of(call: Option<CallId>) -> Self {
        Self { call, ..Self::default() }
    }

    /// What has been heard so far.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn line(&self, at: Duration, text: &str) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() < LINES_MAX {
            lines.push(format!("{:>12.6} s  {text}", at.as_secs_f64()));
        }
    }
}

impl Checker for Story {
    fn says(&self) -> &'static str {
        "a story"
    }

    fn see(&mut self, fact: &Fact<'_>, at: Duration, _: &mut Findings) {
        match fact {
            Fact::Durable(event) if event.stream.as_call() == self.call => {
                if let CallEvent::DialStarted(dial) = &event.event {
                    self.tries.push(dial.sip_call_id.clone());
                }
                self.line(at, &format!("log    {}", told(&event.event)));
            }
            Fact::Left { to, glimpse } if self.tries.iter().any(|id| id == glimpse.call_id) => {
                self.line(at, &format!("   --> {} to {to}", glimpse.title()));
            }
            Fact::Arrived { from, glimpse }
                if self.tries.iter().any(|id| id == glimpse.call_id) =>
            {
                self.line(at, &format!("   <-- {} from {from}", glimpse.title()));
            }
            Fact::Answered(command, answer) => {
                let call = CallId::of_command(&command.command_id);
                if Some(call) == self.call {
                    self.line(at, &format!("answer {answer:?}"));
                }
            }
            Fact::Given(command, nth) => {
                let call = CallId::of_command(&command.command_id);
                if Some(call) == self.call {
                    self.line(
                        at,
                        &format!("given  {} ({nth}): {}", command.command_id, command.phone),
                    );
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
                self.line(at, &format!("====== the engine {how}"));
            }
            Fact::Started { life, unfinished } => {
                self.line(
                    at,
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
