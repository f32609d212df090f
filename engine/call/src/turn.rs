//! One input to the machine, and what it led to.

use crate::effect::{Effect, Timer};
use crate::signal::Signal;
use crate::state::CallState;
use schemas::Timestamp;
use schemas::call::CallEvent;
use smallvec::SmallVec;
use statig::Outcome::{self, Handled, Transition};
use std::time::Duration;

/// What a call is given: something heard, to be decided on, or something that happened.
pub enum Input<'a> {
    /// Decide: what does it mean?
    Heard(&'a Signal),
    /// Evolve: it is so.
    Happened(&'a CallEvent),
}

/// What one input led to.
#[derive(Default)]
pub struct Turn {
    at: Option<Timestamp>,
    pub events: SmallVec<[CallEvent; 2]>,
    pub answers: SmallVec<[Effect; 1]>,
    pub effects: Vec<Effect>,
    pub unexpected: bool,
}

impl Turn {
    pub fn at(at: Timestamp) -> Self {
        Self { at: Some(at), ..Self::default() }
    }

    pub fn now(&self) -> Timestamp {
        self.at.expect("a turn is made with its moment")
    }

    pub fn record(&mut self, event: impl Into<CallEvent>) -> Outcome<CallState> {
        self.events.push(event.into());
        Handled
    }

    pub fn answer(&mut self, effect: Effect) -> Outcome<CallState> {
        self.answers.push(effect);
        Handled
    }

    pub fn go<const N: usize>(
        &mut self,
        effects: [Effect; N],
        next: CallState,
    ) -> Outcome<CallState> {
        self.effects.extend(effects);
        Transition(next)
    }

    pub fn start(&mut self, timer: Timer, from: Timestamp, span: Duration) {
        self.effects.push(Effect::StartTimer(timer, from.after(span)));
    }

    pub fn stop(&mut self, timer: Timer) {
        self.effects.push(Effect::StopTimer(timer));
    }
}
