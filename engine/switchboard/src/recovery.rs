//! After a start: the calls are rebuilt from their events, and each hears that the engine was
//! gone.
//!
//! The events run through the very same `evolve` as live ones; what they ask for is dropped.
//! Then a call asks again for what stands in its state, and decides for itself what its dead
//! dialog means.

use crate::slots::Slot;
use crate::{Now, Switchboard};
use call::{Call, Signal};
use hashbrown::HashMap;
use schemas::call::CallEvent;
use schemas::{CallId, Pseudonyms, Recorded, Revision, Timestamp, Vault};
use std::sync::Arc;

#[derive(Default)]
pub(crate) struct Recovery {
    open: HashMap<CallId, (Call, Revision, Timestamp), foldhash::fast::FixedState>,
}

/// A stream that cannot be followed: damage, or the work of a later version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unfollowable {
    /// Whose stream.
    pub call: CallId,
    /// Why, for people.
    pub why: String,
}

impl<V: Vault + Pseudonyms> Switchboard<V> {
    /// Leaves a call alone that holds what nobody here understands: it is neither ended nor
    /// redialled. Whether it was open until now.
    pub fn leave(&mut self, call: CallId) -> bool {
        self.recovery.open.remove(&call).is_some()
    }

    /// Takes in an event of a call, in the order of the log, before the start.
    ///
    /// # Errors
    /// [`Unfollowable`]: that call is left alone; the others go on.
    pub fn replay(&mut self, recorded: Recorded<CallEvent>) -> Result<(), Unfollowable> {
        let Some(id) = recorded.stream.as_call() else { return Ok(()) };
        let Recorded { event, at, revision, .. } = recorded;
        let open = &mut self.recovery.open;
        if let CallEvent::CallRequested(requested) = event {
            self.redials.made(id);
            let (call, _) = Call::begin(Arc::new(*requested), at, &self.options.call);
            open.insert(id, (call, revision, at));
            return Ok(());
        }
        let Some((call, last, last_at)) = open.get_mut(&id) else { return Ok(()) };
        if let Err(illegal) = call.evolve(&event, at) {
            open.remove(&id);
            return Err(Unfollowable { call: id, why: illegal.to_string() });
        }
        (*last, *last_at) = (revision, at);
        if let CallEvent::CallEnded(ended) = event {
            let requested = call.facts().requested.clone();
            open.remove(&id);
            if let Some(due) = ended.redial_at {
                self.redials.promise(due, id, requested);
            }
        }
        Ok(())
    }

    /// All events are in: the open calls take their places and hear that the engine restarted.
    /// How many there were.
    pub fn start(&mut self, now: Now) -> usize {
        let mut open: Vec<_> = std::mem::take(&mut self.recovery.open).into_iter().collect();
        // The order of a hash map is nobody's business: the same log always starts the same way.
        open.sort_by_key(|(id, (call, ..))| (call.facts().requested_at, *id));
        let count = open.len();
        for (id, (call, revision, at)) in open {
            let standing = call.standing();
            let key = self.slots.insert(Slot::new(id, call, at));
            let slot = &mut self.slots[key];
            slot.unborn = false;
            slot.last_revision = Some(revision);
            if slot.call.facts().dialled() {
                // Nothing of it is up in this process: what stood there must not be raised again.
                self.hear(key, Signal::EngineRestarted, now);
            } else {
                self.run(key, standing, now);
                self.hear(key, Signal::EngineRestarted, now);
            }
        }
        count
    }
}
