//! How threads are asked to end, and wake from waiting when they are.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
enum Stage {
    #[default]
    Running,
    /// No more commands are taken; events are told.
    Intake,
    /// What the log holds is told to its end.
    Relay,
    /// Whatever is waited for.
    AtOnce,
}

/// The order to end, in stages.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    stage: Mutex<Stage>,
    changed: Condvar,
}

impl Stop {
    pub fn stop_intake(&self) {
        self.raise(Stage::Intake);
    }

    pub fn stop_relay(&self) {
        self.raise(Stage::Relay);
    }

    pub fn stop_at_once(&self) {
        self.raise(Stage::AtOnce);
    }

    /// Whether no more commands are to be taken.
    pub fn intake(&self) -> bool {
        self.stage() >= Stage::Intake
    }

    /// Whether the relay is to end once everything is told.
    pub fn relay(&self) -> bool {
        self.stage() >= Stage::Relay
    }

    /// Whether nothing is to be waited for any more.
    pub fn at_once(&self) -> bool {
        self.stage() >= Stage::AtOnce
    }

    /// Waits for so long, or until the stage changes.
    pub fn wait(&self, at_most: Duration) {
        if at_most.is_zero() {
            return;
        }
        let stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *stage;
        drop(self.changed.wait_timeout_while(stage, at_most, |stage| *stage == before));
    }

    fn raise(&self, to: Stage) {
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        *stage = (*stage).max(to);
        self.changed.notify_all();
    }

    fn stage(&self) -> Stage {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
