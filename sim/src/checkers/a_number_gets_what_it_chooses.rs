//! In a world where nothing goes wrong, a test number gets the outcome that it chooses.

use super::{Checker, Findings, Map};
use crate::grammar;
use crate::world::plan::{Plan, Weather};
use crate::world::{Ending, Fact};
use schemas::{CallId, CommandId, Outcome};
use std::time::Duration;

#[derive(Default)]
pub struct Choices {
    wanted: Map<CallId, (String, Outcome)>,
}

impl Checker for Choices {
    fn says(&self) -> &'static str {
        "a number gets what it chooses"
    }

    fn open(&mut self, plan: &Plan) {
        let Weather { lost, late, noise, jitter_us, .. } = plan.weather;
        let media = plan.media;
        let quiet = plan.faults.is_empty()
            && lost + late + noise + jitter_us + media.no_port + media.fails == 0
            && plan.gateways.iter().all(|gateway| gateway.takes_per_second == 0);
        if !quiet {
            return;
        }
        for (place, call) in plan.calls.iter().enumerate() {
            let patient = call.terms.ring >= Duration::from_secs(100);
            let simple = call.end.is_none() && call.deadline.is_none();
            let Some(chosen) = grammar::read(&call.to).filter(|_| simple && patient) else {
                continue;
            };
            let word = chosen.row.outcome.trim_matches('`');
            if let Some(outcome) = Outcome::parse(word) {
                let id = CommandId::new(&format!("c{place}")).expect("a letter and digits");
                self.wanted.insert(CallId::of_command(&id), (call.to.clone(), outcome));
            }
        }
    }

    fn see(&mut self, fact: &Fact<'_>, _: Duration, findings: &mut Findings) {
        let Fact::Ended(call, ended) = fact else { return };
        if let Some((number, outcome)) = self.wanted.remove(call)
            && ended.outcome != outcome
        {
            let what = format!("{number} chose {outcome} and got {}", ended.outcome);
            findings.add(Some(*call), what);
        }
    }

    fn close(&mut self, _: &Ending<'_>, findings: &mut Findings) {
        for (call, (number, _)) in &self.wanted {
            findings.add(Some(*call), format!("nobody told that {number} ended"));
        }
    }
}
