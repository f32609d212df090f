//! What must be true of every world, whatever goes wrong in it: one checker a file, named as the
//! sentence that it holds.
//!
//! A checker is told what happens, as it happens, and looks at what is left at the end. It knows
//! nothing of how the engine works: only the log, the wire and the carriers' books.

mod a_call_keeps_its_times;
mod a_command_makes_one_call;
mod a_number_gets_what_it_chooses;
mod a_redial_comes_as_promised;
mod a_view_that_follows_is_a_fold;
mod an_ack_waits_for_its_answer;
mod an_answer_is_acknowledged_and_closed;
mod an_invite_waits_for_its_dial_started;
mod every_call_ends_once;
mod limits_hold;
mod memory_follows_the_calls;
mod no_number_can_be_read;
mod nobody_is_rung_twice;
mod nothing_leaks;
mod records_are_a_fold;
mod records_say_what_was_on_the_wire;
mod replay_is_live;
mod the_topic_equals_the_log;
mod what_was_told_is_in_the_log;

use crate::world::{Ending, Fact, Plan};
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

/// Worlds of more calls have the cheap checkers alone.
const SMALL: u32 = 1_000;
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
    /// The world begins.
    fn open(&mut self, _plan: &Plan) {}
    /// Something happened.
    fn see(&mut self, _fact: &Fact<'_>, _at: Duration, _findings: &mut Findings) {}
    /// After the end the whole log is read once more: its next event.
    fn reread(&mut self, _event: &Recorded<CallEvent>, _body: &[u8], _findings: &mut Findings) {}
    /// The world has come to rest, and the log was read.
    fn close(&mut self, _end: &Ending<'_>, _findings: &mut Findings) {}
}

type Map<K, V> = hashbrown::HashMap<K, V, foldhash::fast::FixedState>;
type Set<K> = hashbrown::HashSet<K, foldhash::fast::FixedState>;

/// A call, short: ids are hashes, and eight bytes of one tell millions apart.
fn short(call: CallId) -> u64 {
    u64::from_le_bytes(call.0[..8].try_into().expect("eight of sixteen"))
}

/// Every checker.
fn all() -> Vec<Box<dyn Checker>> {
    let mut all = cheap();
    all.extend([
        Box::<a_call_keeps_its_times::Times>::default() as Box<dyn Checker>,
        Box::<a_command_makes_one_call::Commands>::default(),
        Box::<a_number_gets_what_it_chooses::Choices>::default(),
        Box::<a_redial_comes_as_promised::Redials>::default(),
        Box::<an_ack_waits_for_its_answer::Acks>::default(),
        Box::<nobody_is_rung_twice::Rings>::default(),
        Box::<records_are_a_fold::Records>::default(),
        Box::<records_say_what_was_on_the_wire::Wire>::default(),
        Box::<what_was_told_is_in_the_log::Told>::default(),
    ]);
    all
}

/// Those that cost little at every step of a large world.
fn cheap() -> Vec<Box<dyn Checker>> {
    vec![
        Box::<every_call_ends_once::Ends>::default(),
        Box::<an_invite_waits_for_its_dial_started::Invites>::default(),
        Box::<an_answer_is_acknowledged_and_closed::Books>::default(),
        Box::<limits_hold::Limits>::default(),
        Box::<memory_follows_the_calls::Memory>::default(),
        Box::<no_number_can_be_read::Numbers>::default(),
        Box::<nothing_leaks::Leaks>::default(),
        // Asked at each crash and every few minutes; in small worlds more often.
        Box::<replay_is_live::Replay>::default(),
        Box::<a_view_that_follows_is_a_fold::Views>::default(),
    ]
}

/// All checkers of a world.
#[derive(Default)]
pub struct Checkers {
    checkers: Vec<Box<dyn Checker>>,
    findings: Findings,
}

impl Checkers {
    /// Those that a world of this plan can afford.
    pub fn of(plan: &Plan) -> Self {
        Self::these(plan, if Self::are_all(plan) { all() } else { cheap() })
    }

    /// Those of one among many nodes: what its own process owes.
    pub fn of_one_among_many(plan: &Plan) -> Self {
        Self::these(
            plan,
            vec![
                Box::<an_ack_waits_for_its_answer::Acks>::default(),
                Box::<an_invite_waits_for_its_dial_started::Invites>::default(),
                Box::<nothing_leaks::Leaks>::default(),
                Box::<replay_is_live::Replay>::default(),
            ],
        )
    }

    /// Those of all of them together.
    pub fn of_many(plan: &Plan) -> Self {
        Self::these(
            plan,
            vec![
                Box::<a_command_makes_one_call::Commands>::default(),
                Box::<a_redial_comes_as_promised::Redials>::default(),
                Box::<an_answer_is_acknowledged_and_closed::Books>::default(),
                Box::<every_call_ends_once::Ends>::default(),
                Box::<no_number_can_be_read::Numbers>::default(),
                Box::<nobody_is_rung_twice::Rings>::default(),
                Box::<records_are_a_fold::Records>::default(),
                Box::<the_topic_equals_the_log::Topic>::default(),
                Box::<what_was_told_is_in_the_log::Told>::default(),
            ],
        )
    }

    fn these(plan: &Plan, mut checkers: Vec<Box<dyn Checker>>) -> Self {
        checkers.iter_mut().for_each(|checker| checker.open(plan));
        Self { checkers, findings: Findings::default() }
    }

    /// Whether a world of this plan can afford every checker, at every step.
    pub fn are_all(plan: &Plan) -> bool {
        plan.count() <= SMALL
    }

    /// The same, and one more.
    #[must_use]
    pub fn with(mut self, checker: Box<dyn Checker>) -> Self {
        self.checkers.push(checker);
        self
    }

    /// One more listens.
    pub fn listen(&mut self, checker: Box<dyn Checker>) {
        self.checkers.push(checker);
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
    pub fn reread(&mut self, event: &Recorded<CallEvent>, body: &[u8]) {
        for checker in &mut self.checkers {
            self.findings.checker = checker.says();
            checker.reread(event, body, &mut self.findings);
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
