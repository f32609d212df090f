//! No callee's number stands readable in an event.

use super::{Checker, Findings, SMALL};
use crate::world::plan::Plan;
use schemas::Recorded;
use schemas::call::CallEvent;

#[derive(Default)]
pub struct Numbers {
    digits: Vec<Box<[u8]>>,
    /// What numbers that were made up begin with.
    made: bool,
}

/// So many digits of its end make a number known.
const DIGITS: usize = 9;
/// So many numbers are looked for, each by itself.
const NUMBERS_MAX: usize = 64;
/// What numbers that were made up begin with, and no other text of an event.
const MADE: &[u8] = b"+8613";

impl Checker for Numbers {
    fn says(&self) -> &'static str {
        "no number can be read"
    }

    fn open(&mut self, plan: &Plan) {
        let calls = plan.calls.iter().map(|call| call.to.clone());
        let list = plan.list.iter().flat_map(|list| list.numbers.each().map(|(_, number)| number));
        let end = |number: String| number.as_bytes()[number.len().saturating_sub(DIGITS)..].into();
        self.made = plan.count() > SMALL;
        if self.made {
            return;
        }
        self.digits = calls.chain(list).take(NUMBERS_MAX).map(end).collect();
    }

    fn reread(&mut self, event: &Recorded<CallEvent>, body: &[u8], findings: &mut Findings) {
        let is_made = self.made && memchr::memmem::find(body, MADE).is_some();
        if is_made || self.digits.iter().any(|digits| memchr::memmem::find(body, digits).is_some())
        {
            let what = format!("a number in {}", event.event.name());
            findings.add(event.stream.as_call(), what);
        }
    }
}
