//! What a call is: a fold over its events.
//!
//! Pure. Time comes in with every signal and event, answers go out as values.
//!
//! 1. The world tells a call a [`Signal`]; [`Call::decide`] answers with events and changes
//!    nothing.
//! 2. The events are made durable by somebody else.
//! 3. [`Call::evolve`] moves the call by one event and asks for [`Effect`]s. Live, they are run;
//!    on replay, dropped. It is the one way a call changes.
//!
//! A call that comes back from its stream asks again for what *stands* in its state, its timers
//! and its place in the queue: [`Call::standing`].

mod effect;
mod ending;
mod facts;
mod machine;
mod moves;
mod options;
mod signal;
mod state;
mod turn;

pub use effect::{Effect, Invite, OpenDialog, Timer};
pub use facts::{CallFacts, TryFact};
pub use options::Options;
pub use signal::{Cleared, HungUp, Refused, Signal};
pub use state::CallState;

use schemas::Timestamp;
use schemas::call::{CallEvent, CallRequested};
use smallvec::SmallVec;
use statig::blocking::{InitializedStateMachine, IntoStateMachineExt};
use std::sync::Arc;
use turn::{Input, Turn};

/// What a call makes of a signal.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Decision {
    /// To be made durable, in this order, all or none.
    pub events: SmallVec<[CallEvent; 2]>,
    /// To be done at once, since it changes nothing that must be remembered: the answer to a
    /// re-INVITE that leaves the call as it is.
    pub answers: SmallVec<[Effect; 1]>,
    /// Nothing in this state listens to such a signal. Normal on a network (a second BYE); worth
    /// counting by state and signal.
    pub unexpected: bool,
}

/// An event that cannot follow in this state: a corrupt stream, or a version without upcaster.
/// The call stops here, loudly.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[error("{event} cannot happen to a call that is {state:?}")]
pub struct IllegalEvent {
    /// Where the call was.
    pub state: CallState,
    /// The event's name.
    pub event: &'static str,
}

/// One walk along the gateways towards one callee.
#[derive(Clone, Debug)]
pub struct Call {
    machine: InitializedStateMachine<CallFacts>,
    /// The moment of its last event.
    since: Timestamp,
}

impl Call {
    /// The call that this request begins, and what it asks for.
    pub fn begin(
        requested: Arc<CallRequested>,
        at: Timestamp,
        options: &Arc<Options>,
    ) -> (Self, Vec<Effect>) {
        Self::at(CallFacts::new(requested, at, options.clone()), CallState::Requested, at)
    }

    /// A call in a given state since its last event, and what stands there.
    pub fn at(facts: CallFacts, state: CallState, since: Timestamp) -> (Self, Vec<Effect>) {
        let mut turn = Turn::at(since);
        let mut machine = facts.uninitialized_state_machine();
        *machine.state_mut() = state;
        (Self { machine: machine.init_with_context(&mut turn), since }, turn.effects)
    }

    /// What stands in the call's state: asked for again after a replay.
    pub fn standing(&self) -> Vec<Effect> {
        Self::at(self.facts().clone(), self.state().clone(), self.since).1
    }

    /// What a signal means to this call at this moment. Decided on a copy: nothing here changes
    /// the call.
    pub fn decide(&self, signal: &Signal, now: Timestamp) -> Decision {
        // A clock that was set back must not turn the order of a call's events round.
        let mut turn = Turn::at(now.max(self.since));
        self.machine.clone().handle_with_context(&Input::Heard(signal), &mut turn);
        debug_assert!(turn.effects.is_empty(), "a Heard arm asked for an effect");
        Decision { events: turn.events, answers: turn.answers, unexpected: turn.unexpected }
    }

    /// Moves the call by one event, and says what is to be done now.
    ///
    /// # Errors
    /// [`IllegalEvent`] when the event cannot follow in this state; the call is unchanged then.
    pub fn evolve(
        &mut self,
        event: &CallEvent,
        at: Timestamp,
    ) -> Result<Vec<Effect>, IllegalEvent> {
        let mut turn = Turn::at(at);
        self.machine.handle_with_context(&Input::Happened(event), &mut turn);
        if turn.unexpected {
            return Err(IllegalEvent { state: self.state().clone(), event: event.name() });
        }
        self.since = at;
        Ok(turn.effects)
    }

    /// Where the call is.
    pub fn state(&self) -> &CallState {
        self.machine.state()
    }

    /// What is known of the call.
    pub fn facts(&self) -> &CallFacts {
        self.machine.inner()
    }

    /// Whether its terminal event has happened.
    pub fn is_ended(&self) -> bool {
        self.state().is_ended()
    }
}
