//! A command is accepted once, as the call that follows from its id; given again it is the same.

use super::{Checker, Findings, Set};
use crate::world::Fact;
use schemas::CallId;
use std::time::Duration;
use switchboard::Answer;

#[derive(Default)]
pub struct Commands {
    accepted: Set<CallId>,
}

impl Checker for Commands {
    fn says(&self) -> &'static str {
        "a command makes one call"
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
            other => format!("{other:?} is no answer to it"),
        };
        findings.add(Some(call), format!("{}: {what}", command.command_id));
    }
}
