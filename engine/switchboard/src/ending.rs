//! How calls come to their end: by a command, and when their last event is durable.

use crate::slots::Key;
use crate::{Answer, Now, Output, Switchboard, Ticket};
use call::Signal;
use mutants::mutant;
use schemas::call::{CallEnded, CallRequested};
use schemas::commands::EndCall;
use schemas::{CallId, Pseudonyms, Vault};
use std::sync::Arc;

impl<V: Vault + Pseudonyms> Switchboard<V> {
    /// A command names a call, or another command: then whichever of its calls is live, or the one
    /// that is promised, is meant.
    pub(crate) fn end_command(&mut self, ticket: Ticket, command: &EndCall, now: Now) {
        let by = Some(command.command_id.clone());
        let signal = match command.only_unanswered {
            true => Signal::CancelAsked(by),
            false => Signal::HangUpAsked(by),
        };
        let live = match command.of {
            Some(_) => self.slots.of_command(command.call),
            None => self.slots.of_call(command.call),
        };
        if let Some(key) = live {
            self.slots[key].ends.push(ticket);
            self.hear(key, signal, now);
            self.answer_still(key);
        } else if let Some(promised) =
            command.of.as_ref().and_then(|_| self.redials.take_of(command.call))
        {
            self.end_promised(promised, vec![ticket], &signal, now);
        } else {
            self.outputs.push_back(Output::Answer(ticket, Answer::NoSuchCall(command.call)));
        }
    }

    /// A promised call is made so that it can end undialled: who was told of the promise is told
    /// of its end as well.
    fn end_promised(
        &mut self,
        (id, requested): (CallId, Arc<CallRequested>),
        ends: Vec<Ticket>,
        signal: &Signal,
        now: Now,
    ) {
        let batch = self.batch_of(&requested);
        let key = self.seat(id, requested, batch, now);
        self.slots[key].ends = ends;
        self.begin(key, signal, now);
    }

    /// The terminal event is durable: what the call held is given back.
    pub(crate) fn end(&mut self, key: Key, ended: Box<CallEnded>, now: Now) {
        let slot = &mut self.slots[key];
        self.counters.ended += 1;
        let (id, requested) = (slot.id, slot.call.facts().requested.clone());
        // It was to end, and was ending by itself at that moment: its end promised a redial.
        let asked =
            |signal: &Signal| matches!(signal, Signal::HangUpAsked(_) | Signal::CancelAsked(_));
        let asked = slot.held.drain(..).find(asked);
        let first = requested.first_call.unwrap_or(id);
        if let Some(due) = ended.redial_at.filter(|_| !mutant!("forgets a redial")) {
            self.work.promise(first, self.slots[key].partition);
            self.redials.promise(due, id, requested);
        }
        self.outputs.push_back(Output::Ended(id, ended));
        let promised = asked.and_then(|signal| Some((self.redials.take_of(first)?, signal)));
        let Some((promised, signal)) = promised else {
            return self.dismiss(key, &Answer::Accepted(id));
        };
        let ends = std::mem::take(&mut self.slots[key].ends);
        self.dismiss(key, &Answer::Accepted(id));
        self.end_promised(promised, ends, &signal, now);
    }
}
