//! Who gives commands: they give one until it is answered, again after the engine was gone, and
//! some once more although it was.

use crate::world::plan::{BurstPlan, CallPlan, Plan, Terms};
use schemas::call::Priority;
use schemas::commands::{PlaceCall, Variables};
use schemas::{CallId, CommandId};
use std::collections::BTreeMap;
use std::time::Duration;
use switchboard::Answer;

use super::clock::BEGIN;

/// How long after an answer a command is given once more.
const ONCE_MORE: Duration = Duration::from_millis(700);
/// How long after a refusal it is given again.
const AFTER_REFUSAL: Duration = Duration::from_secs(1);

/// Whose command it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Whose {
    /// The one at this place of the plan.
    Told(usize),
    /// The one that was made up for this line of the bursts.
    Made(u32),
}

impl Whose {
    fn id(self) -> String {
        match self {
            Self::Told(place) => format!("c{place}"),
            Self::Made(line) => format!("b{line}"),
        }
    }

    fn of(id: &str) -> Option<Self> {
        match id.split_at_checked(1)? {
            ("c", place) => place.parse().ok().map(Self::Told),
            ("b", line) => line.parse().ok().map(Self::Made),
            _ => None,
        }
    }
}

/// Those who give commands.
#[derive(Debug)]
pub struct Drivers {
    told: Vec<Given>,
    /// What was made up and is not answered: the others are forgotten.
    made: BTreeMap<u32, Given>,
    of_made: Terms,
    unanswered: usize,
    again: Vec<(Duration, Whose)>,
}

#[derive(Debug)]
struct Given {
    command: PlaceCall,
    times: u32,
    answered: bool,
    repeats: u8,
}

impl Given {
    fn new(whose: Whose, call: &CallPlan) -> Self {
        Self { command: command(whose, call), times: 0, answered: false, repeats: call.repeats }
    }
}

impl Drivers {
    /// Those of a plan.
    pub fn new(plan: &Plan) -> Self {
        let given = |(place, call)| Given::new(Whose::Told(place), call);
        let told: Vec<Given> = plan.calls.iter().enumerate().map(given).collect();
        let of_made = plan.bursts.as_ref().map(|bursts| bursts.terms.clone()).unwrap_or_default();
        Self { unanswered: told.len(), told, made: BTreeMap::new(), of_made, again: Vec::new() }
    }

    /// A command, which is given now; and the how-manieth time that is.
    pub fn give(&mut self, whose: Whose) -> (&PlaceCall, u32) {
        let given = match whose {
            Whose::Told(place) => &mut self.told[place],
            Whose::Made(line) => self.made.entry(line).or_insert_with(|| {
                let to = BurstPlan::number(line);
                // Most of what comes at once can wait; some cannot.
                let urgent = line.is_multiple_of(10);
                let terms = self.of_made.clone();
                Given::new(whose, &CallPlan { to, urgent, terms, ..CallPlan::default() })
            }),
        };
        given.times += 1;
        (&given.command, given.times)
    }

    /// The first call of the command at a place.
    pub fn call(&self, place: usize) -> CallId {
        CallId::of_command(&self.told[place].command.command_id)
    }

    /// A command was answered.
    pub fn answered(&mut self, command: &PlaceCall, answer: &Answer) {
        let Some(whose) = Whose::of(command.command_id.as_str()) else { return };
        if matches!(answer, Answer::Refused(_) | Answer::Stopping) {
            // An engine that stops takes nothing more; the next one may.
            self.again.push((AFTER_REFUSAL, whose));
            return;
        }
        match whose {
            Whose::Made(line) => drop(self.made.remove(&line)),
            Whose::Told(place) => {
                let given = &mut self.told[place];
                if !std::mem::replace(&mut given.answered, true) {
                    self.unanswered -= 1;
                }
                if given.repeats > 0 {
                    given.repeats -= 1;
                    self.again.push((ONCE_MORE, whose));
                }
            }
        }
    }

    /// The engine is up again: what was given and not answered is given again.
    pub fn engine_started(&mut self) {
        let told = self.told.iter().enumerate();
        let told = told.map(|(place, given)| (Whose::Told(place), given));
        let made = self.made.iter().map(|(line, given)| (Whose::Made(*line), given));
        let open = |(whose, given): (Whose, &Given)| {
            (given.times > 0 && !given.answered).then_some((Duration::from_millis(50), whose))
        };
        self.again.extend(told.chain(made).filter_map(open));
    }

    /// What is to be given again, how much later.
    pub fn again(&mut self) -> std::vec::Drain<'_, (Duration, Whose)> {
        self.again.drain(..)
    }

    /// Whether every command was answered.
    pub fn are_done(&self) -> bool {
        self.unanswered == 0 && self.made.is_empty() && self.again.is_empty()
    }
}

/// The command that a plan's call is asked for with.
pub fn command(whose: Whose, call: &CallPlan) -> PlaceCall {
    let ms = |span: Duration| u32::try_from(span.as_millis()).unwrap_or(u32::MAX);
    let terms = &call.terms;
    PlaceCall {
        command_id: CommandId::new(&whose.id()).expect("a letter and digits"),
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
