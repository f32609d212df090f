//! Answers to commands. None is given before what it says is durable: whoever hears it forgets the
//! command.

use crate::slots::Key;
use crate::{Answer, Output, Switchboard, Ticket};
use schemas::{CallId, Pseudonyms, Vault};

impl<V: Vault + Pseudonyms> Switchboard<V> {
    /// A call's first event is durable.
    pub(crate) fn answer_born(&mut self, key: Key) {
        let slot = &mut self.slots[key];
        let (call, mine) = (slot.id, slot.call.facts().requested.fingerprint);
        let mut asked = std::mem::take(&mut slot.asked).into_iter();
        if let Some((ticket, _)) = asked.next() {
            self.outputs.push_back(Output::Answer(ticket, Answer::Accepted(call)));
        }
        asked.for_each(|(ticket, fingerprint)| {
            self.answer_repeat(ticket, call, fingerprint == mine)
        });
    }

    /// Nothing of a call is on its way to the disk: what it was told to end by has been heard, and
    /// what followed is durable.
    pub(crate) fn answer_still(&mut self, key: Key) {
        let Some(slot) = self.slots.get_mut(key).filter(|slot| slot.in_flight == 0) else { return };
        let call = slot.id;
        for ticket in std::mem::take(&mut slot.ends) {
            self.outputs.push_back(Output::Answer(ticket, Answer::Accepted(call)));
        }
    }

    /// The first append of a call met its stream: the command was there before.
    pub(crate) fn was_there_before(&mut self, key: Key) {
        let slot = &mut self.slots[key];
        let (id, asked) = (slot.id, std::mem::take(&mut slot.asked));
        if asked.is_empty() {
            self.counters.repeats += 1;
        } else {
            self.repeats.entry(id).or_default().extend(asked);
            self.outputs.push_back(Output::ReadFirst(id));
        }
        self.dismiss(key, &Answer::NoSuchCall(id));
    }

    pub(crate) fn first_read(&mut self, call: CallId, fingerprint: Option<[u8; 8]>) {
        for (ticket, mine) in self.repeats.remove(&call).unwrap_or_default() {
            self.answer_repeat(ticket, call, fingerprint == Some(mine));
        }
    }

    pub(crate) fn answer_repeat(&mut self, ticket: Ticket, call: CallId, same: bool) {
        self.counters.repeats += 1;
        let answer = if same { Answer::Repeated(call) } else { Answer::Conflict(call) };
        self.outputs.push_back(Output::Answer(ticket, answer));
    }

    /// Forgets a call; whoever still waits for an answer gets this one.
    pub(crate) fn dismiss(&mut self, key: Key, answer: &Answer) {
        let slot = &mut self.slots[key];
        let asked = std::mem::take(&mut slot.asked).into_iter().map(|(ticket, _)| ticket);
        for ticket in asked.chain(std::mem::take(&mut slot.ends)) {
            self.outputs.push_back(Output::Answer(ticket, answer.clone()));
        }
        self.release(key);
    }
}
