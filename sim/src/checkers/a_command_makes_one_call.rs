//! A command is accepted once, as the call that follows from its id; given again it is the same.

use super::{Checker, Findings, Set};
use crate::world::Fact;
use crate::world::plan::{FaultPlan, Mishap, Plan};
use schemas::CallId;
use std::time::Duration;
use switchboard::Answer;

#[derive(Default)]
pub struct Commands {
    accepted: Set<CallId>,
    /// Whether the engine is ever told to stop: it takes no commands then.
    stops: bool,
}

impl Checker for Commands {
    fn says(&self) -> &'static str {
        "a command makes one call"
    }

    fn open(&mut self, plan: &Plan) {
        let stops = |fault: &FaultPlan| matches!(fault.what, Mishap::Stop { .. });
        self.stops = plan.faults.iter().any(stops);
    }

    fn see(&mut self, fact: &Fact<'_>, _: Duration, findings: &mut Findings) {
        let Fact::Answered(command, answer) = fact else { return };
        let call = CallId::of_command(&command.command_id);
        let what = match answer {
            Answer::Accepted(id) if *id == call => {
                if self.accepted.insert(call) {
                    return;
                }
                "accepted twice".to_owned()
            }
            Answer::Repeated(id) if *id == call => return,
            Answer::Refused(_) => return,
            Answer::Stopping if self.stops => return,
            other => format!("{other:?} is no answer to it"),
        };
        findings.add(Some(call), format!("{}: {what}", command.command_id));
    }
}
