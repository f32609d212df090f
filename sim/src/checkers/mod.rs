//! What must be true of every world, whatever goes wrong in it: one checker a file, named as the
//! sentence that it holds.
//!
//! A checker is told what happens, as it happens, and looks at what is left at the end. It knows
//! nothing of how the engine works: only the log, the wire and the carriers' books.

use crate::world::{Ending, Fact};
use schemas::call::CallEvent;
use schemas::{CallId, Recorded};
use std::time::Duration;

/// Something that should not be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// The sentence that is not true.
    pub checker: &'static str,
    /// When it was seen.
    pub at: Duration,
    /// What was seen.
    pub what: String,
    /// Of which call, when it is of one.
    pub call: Option<CallId>,
}

/// Where checkers put what they find.
#[derive(Debug, Default)]
pub struct Findings {
    found: Vec<Violation>,
    /// All of them, those counted that are not kept.
    pub count: u64,
    checker: &'static str,
    at: Duration,
}

/// So many are kept: the first says most.
const KEPT_MAX: usize = 20;

impl Findings {
    /// One more.
    pub fn add(&mut self, call: Option<CallId>, what: String) {
        self.count += 1;
        if self.found.len() < KEPT_MAX {
            let (checker, at) = (self.checker, self.at);
            self.found.push(Violation { checker, at, what, call });
        }
    }
}

/// Holds one sentence.
pub trait Checker: Send {
    /// The sentence.
    fn says(&self) -> &'static str;
    /// Something happened.
    fn see(&mut self, _fact: &Fact<'_>, _at: Duration, _findings: &mut Findings) {}
    /// After the end the whole log is read once more: its next event.
    fn reread(&mut self, _event: &Recorded<CallEvent>, _findings: &mut Findings) {}
    /// The world has come to rest, and the log was read.
    fn close(&mut self, _end: &Ending<'_>, _findings: &mut Findings) {}
}

/// All checkers of a world.
#[derive(Default)]
pub struct Checkers {
    checkers: Vec<Box<dyn Checker>>,
    findings: Findings,
}

impl Checkers {
    /// These.
    pub fn new(checkers: Vec<Box<dyn Checker>>) -> Self {
        Self { checkers, findings: Findings::default() }
    }

    /// Tells all of them what happened.
    pub fn see(&mut self, at: Duration, fact: &Fact<'_>) {
        self.findings.at = at;
        for checker in &mut self.checkers {
            self.findings.checker = checker.says();
            checker.see(fact, at, &mut self.findings);
        }
    }

    /// The log is read once more: its next event.
    pub fn reread(&mut self, event: &Recorded<CallEvent>) {
        for checker in &mut self.checkers {
            self.findings.checker = checker.says();
            checker.reread(event, &mut self.findings);
        }
    }

    /// The world has come to rest.
    pub fn close(&mut self, end: &Ending<'_>) {
        self.findings.at = end.at;
        for checker in &mut self.checkers {
            self.findings.checker = checker.says();
            checker.close(end, &mut self.findings);
        }
    }

    /// The world itself found something.
    pub fn found(&mut self, checker: &'static str, at: Duration, what: String) {
        (self.findings.checker, self.findings.at) = (checker, at);
        self.findings.add(None, what);
    }

    /// What was found, and how much there was of it.
    pub fn findings(&self) -> (&[Violation], u64) {
        (&self.findings.found, self.findings.count)
    }
}
