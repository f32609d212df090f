//! Who gives commands: they give one until it is answered, again after the engine was gone, and
//! some once more although it was.

use crate::world::plan::{CallPlan, Plan};
use schemas::call::Priority;
use schemas::commands::{PlaceCall, Variables};
use schemas::{CallId, CommandId};
use std::time::Duration;
use switchboard::Answer;

use super::clock::BEGIN;

/// How long after an answer a command is given once more.
const ONCE_MORE: Duration = Duration::from_millis(700);
/// How long after a refusal it is given again.
const AFTER_REFUSAL: Duration = Duration::from_secs(1);

/// Those who give commands.
#[derive(Debug)]
pub struct Drivers {
    commands: Vec<Given>,
    unanswered: usize,
    again: Vec<(Duration, usize)>,
}

#[derive(Debug)]
struct Given {
    command: PlaceCall,
    times: u32,
    answered: bool,
    repeats: u8,
}

impl Drivers {
    /// Those of a plan.
    pub fn new(plan: &Plan) -> Self {
        let given = |(place, call): (usize, &CallPlan)| Given {
            command: command(place, call),
            times: 0,
            answered: false,
            repeats: call.repeats,
        };
        let commands: Vec<Given> = plan.calls.iter().enumerate().map(given).collect();
        Self { unanswered: commands.len(), commands, again: Vec::new() }
    }

    /// The command at a place, which is given now; and the how-manieth time that is.
    pub fn give(&mut self, place: usize) -> (&PlaceCall, u32) {
        let given = &mut self.commands[place];
        given.times += 1;
        (&given.command, given.times)
    }

    /// The first call of the command at a place.
    pub fn call(&self, place: usize) -> CallId {
        CallId::of_command(&self.commands[place].command.command_id)
    }

    /// A command was answered.
    pub fn answered(&mut self, command: &PlaceCall, answer: &Answer) {
        let place = command.command_id.as_str().strip_prefix('c').and_then(|n| n.parse().ok());
        let Some(place) = place else { return };
        let Some(given) = self.commands.get_mut::<usize>(place) else { return };
        if matches!(answer, Answer::Refused(_)) {
            // An engine that stops takes nothing more; the next one may.
            self.again.push((AFTER_REFUSAL, place));
            return;
        }
        if !std::mem::replace(&mut given.answered, true) {
            self.unanswered -= 1;
        }
        if given.repeats > 0 {
            given.repeats -= 1;
            self.again.push((ONCE_MORE, place));
        }
    }

    /// The engine is up again: what was given and not answered is given again.
    pub fn engine_started(&mut self) {
        let open = |(place, given): (usize, &Given)| {
            (given.times > 0 && !given.answered).then_some((Duration::from_millis(50), place))
        };
        self.again.extend(self.commands.iter().enumerate().filter_map(open));
    }

    /// What is to be given again, how much later.
    pub fn again(&mut self) -> std::vec::Drain<'_, (Duration, usize)> {
        self.again.drain(..)
    }

    /// Whether every command was answered.
    pub fn are_done(&self) -> bool {
        self.unanswered == 0 && self.again.is_empty()
    }
}

fn command(place: usize, call: &CallPlan) -> PlaceCall {
    let ms = |span: Duration| u32::try_from(span.as_millis()).unwrap_or(u32::MAX);
    let terms = &call.terms;
    PlaceCall {
        command_id: CommandId::new(&format!("c{place}")).expect("a letter and digits"),
        phone: call.to.clone(),
        caller_id: Some("+4930555".to_owned()),
        gateway: call.via.clone(),
        campaign: None,
        script: None,
        prompt: terms.prompt.map(|span| ms(span).to_string()),
        record: false,
        ring_timeout_ms: Some(ms(terms.ring)),
        max_talk_ms: Some(ms(terms.talk)),
        max_attempts: Some(terms.attempts),
        redial_after_ms: terms.redial.map(ms),
        priority: if call.urgent { Priority::Urgent } else { Priority::Bulk },
        not_before: call.not_before.map(|at| BEGIN.after(at)),
        deadline: call.deadline.map(|at| BEGIN.after(at)),
        variables: Variables::new(),
    }
}
