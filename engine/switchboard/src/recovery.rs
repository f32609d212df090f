//! After a start: the calls are rebuilt from their events, and each hears that the engine was
//! gone.
//!
//! The events run through the very same `evolve` as live ones; what they ask for is dropped.
//! Then a call asks again for what stands in its state, and decides for itself what its dead
//! dialog means. Only what an earlier restart had to close on the wire is closed again, for as long
//! as it may still be open.

use crate::slots::{Key, MediaState, Slot};
use crate::{Now, Past, Switchboard};
use call::{Call, Effect, Invite, OpenDialog, Signal};
use hashbrown::HashMap;
use mutants::mutant;
use schemas::call::CallEvent;
use schemas::{CallId, Pseudonyms, Recorded, Revision, Timestamp, Vault};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// 64*T1 (RFC 3261): for so long a callee repeats an answer that nobody acknowledges, and what a
/// process left open can still be closed.
const ORPHANS_LAST: Duration = Duration::from_secs(32);

#[derive(Default)]
pub(crate) struct Recovery {
    open: HashMap<CallId, (Call, Revision, Timestamp), foldhash::fast::FixedState>,
    /// What earlier restarts of the last [`ORPHANS_LAST`] had to close on the wire. Their process
    /// may have been killed as well, before the last message had arrived.
    orphans: VecDeque<(Timestamp, CallId, Box<OpenDialog>)>,
}

impl Recovery {
    fn note_orphan(&mut self, at: Timestamp, id: CallId, effects: Vec<Effect>) {
        self.forget_orphans(at);
        let orphan = effects.into_iter().find_map(|effect| match effect {
            Effect::CloseOrphan(open) => Some(open),
            _ => None,
        });
        self.orphans.extend(orphan.map(|open| (at, id, open)));
    }

    fn forget_orphans(&mut self, now: Timestamp) {
        while self.orphans.front().is_some_and(|(at, ..)| now.since(*at) >= ORPHANS_LAST) {
            self.orphans.pop_front();
        }
    }
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

    /// Takes in what is known of a call from before. One that cannot be followed is left alone, and
    /// said; the others go on.
    pub fn recall(&mut self, past: Past) {
        let lost = match past {
            Past::Beyond(call) => {
                self.leave(call);
                return;
            }
            Past::Event(event) => self.replay(event).err(),
        };
        if let Some(Unfollowable { call, why }) = lost {
            tracing::error!(%call, why, "left alone: its events cannot be followed");
        }
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
            requested.first_call.into_iter().for_each(|first| self.work.made(first));
            let (call, _) = Call::begin(Arc::new(*requested), at, &self.options.call);
            open.insert(id, (call, revision, at));
            return Ok(());
        }
        let Some((call, last, last_at)) = open.get_mut(&id) else { return Ok(()) };
        let effects = match call.evolve(&event, at) {
            Ok(effects) => effects,
            Err(illegal) => {
                open.remove(&id);
                return Err(Unfollowable { call: id, why: illegal.to_string() });
            }
        };
        (*last, *last_at) = (revision, at);
        if let CallEvent::CallEnded(ended) = event {
            let requested = call.facts().requested.clone();
            open.remove(&id);
            let kept = |_: &Timestamp| !mutant!("forgets a redial in a crash");
            if let Some(due) = ended.redial_at.filter(kept) {
                self.work.promise(requested.first_call.unwrap_or(id), self.work.at_hand());
                self.redials.promise(due, id, requested);
            }
            self.recovery.note_orphan(at, id, effects);
        }
        Ok(())
    }

    /// All events are in, and the batches run: the open calls take their places and hear that the
    /// engine restarted. How many there were.
    pub fn start(&mut self, now: Now) -> usize {
        let Recovery { open, orphans } = {
            self.recovery.forget_orphans(now.utc);
            std::mem::take(&mut self.recovery)
        };
        for (_, id, open) in orphans.into_iter().filter(|_| !mutant!("closes an orphan once")) {
            // Its call has no slot any more, and what is heard of it is for nobody.
            let leg = self.next_leg_of(0);
            self.close_orphan(id, leg, &open);
        }
        let mut open: Vec<_> = open.into_iter().collect();
        // The order of a hash map is nobody's business: the same log always starts the same way.
        open.sort_by_key(|(id, (call, ..))| (call.facts().requested_at, *id));
        let count = open.len();
        for (id, (call, revision, at)) in open {
            let standing = call.standing();
            let partition = self.work.at_hand();
            let key = self.slots.insert(Slot { partition, ..Slot::new(id, call, at) });
            let slot = &mut self.slots[key];
            slot.unborn = false;
            slot.last_revision = Some(revision);
            if slot.call.facts().dialled() && mutant!("sends the INVITE again after a crash") {
                self.invite_again(key, now);
            } else if slot.call.facts().dialled() && mutant!("adopts what a dead process dialled") {
                self.run(key, standing, now);
            } else if slot.call.facts().dialled() {
                // Nothing of it is up in this process: what stood there must not be raised again.
                self.hear(key, Signal::EngineRestarted, now);
            } else {
                // It takes a lane of its list as it did before, and no turn of its pace.
                let batch = self.batch_of(&self.slots[key].call.facts().requested);
                let batch = batch.filter(|_| !mutant!("forgets a list's lane in a crash"));
                if let Some(batch) = batch {
                    self.slots[key].batch = Some(batch);
                    self.batches[batch.0].0.started(now.mono, false);
                }
                let timers = !mutant!("drops a timer in a crash");
                let kept = |effect: &Effect| timers || !matches!(effect, Effect::StartTimer(..));
                let standing = standing.into_iter().filter(kept).collect();
                self.run(key, standing, now);
                self.hear(key, Signal::EngineRestarted, now);
            }
        }
        count
    }

    /// A deliberate fault: what must never be done. Nobody calls it.
    fn invite_again(&mut self, key: Key, now: Now) {
        let slot = &mut self.slots[key];
        let Some(dial) = slot.call.facts().dial.clone() else { return };
        let asked = &slot.call.facts().requested;
        let invite = Invite { callee: asked.callee, phone: asked.phone.clone(), dial };
        slot.gateway = self.routing.by_name(&invite.dial.gateway);
        slot.gateway.into_iter().for_each(|it| self.routing.try_started(it, now.mono));
        slot.invite = Some(Arc::new(invite));
        slot.media = MediaState::Sink;
        let leg = self.next_leg(key);
        self.slots[key].leg = Some(leg);
        self.send_invite(key);
    }
}
