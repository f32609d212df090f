//! What a call wants done, handed to whom it belongs.

use crate::slots::{Key, MediaState, ReinviteAnswer};
use crate::{Now, Output, Switchboard};
use call::{Effect, Invite, OpenDialog, Signal};
use media::port::{MediaOrder, StreamId};
use media::sdp::{Direction, offer};
use mutants::mutant;
use schemas::event::from_plain_bytes;
use schemas::{CallId, CalleeKey, Pseudonyms, Sealed, Vault};
use sip::port::{Dial, DialIds, GatewayId, LegId, Orphan, Reason, RemoteDialog, SipOrder};
use std::sync::Arc;

impl<V: Vault + Pseudonyms> Switchboard<V> {
    /// Does what a call asked for.
    pub(crate) fn run(&mut self, key: Key, effects: Vec<Effect>, now: Now) {
        // A call that joins and leaves the queue in one breath was never in it.
        let leaves = effects.iter().any(|effect| matches!(effect, Effect::LeaveQueue));
        for effect in effects {
            match effect {
                Effect::JoinQueue { .. } if leaves => {}
                Effect::JoinQueue { priority, not_before, ref tried, .. } => {
                    self.slots[key].is_waiting = true;
                    match not_before.filter(|at| *at > now.utc) {
                        Some(at) => self.waiting.join_later(key, priority, at),
                        None => self.waiting.join(key, priority, !tried.is_empty()),
                    }
                }
                // It stays in the list and is passed over there.
                Effect::LeaveQueue => self.slots[key].is_waiting = false,
                Effect::StartTimer(timer, at) => {
                    let deadlines = &mut self.slots[key].deadlines;
                    self.timers.start(key.index(), timer, at, deadlines);
                }
                Effect::StopTimer(timer) => {
                    let deadlines = &mut self.slots[key].deadlines;
                    self.timers.stop(key.index(), timer, deadlines);
                }
                Effect::OpenMedia { audio, record } => self.open_media(key, audio, record),
                Effect::CloseMedia if mutant!("leaves audio open") => {}
                Effect::CloseMedia => self.close_media(key),
                Effect::SendInvite(invite) => self.slots[key].invite = Some(invite),
                Effect::ConnectMedia => self.connect_media(key),
                Effect::AcceptAnswer if mutant!("forgets to acknowledge") => {}
                Effect::AcceptAnswer => {
                    self.sip(key, SipOrder::Accept);
                    self.media(key, |stream| MediaOrder::Answered { stream });
                }
                Effect::SendCancel { no_answer } => self.cancel(key, no_answer, now),
                Effect::SendBye => {
                    if mutant!("forgets to hang up") {
                        continue;
                    }
                    // Q.850 16, normal clearing.
                    let reason = Reason { q850: Some(16), ..Reason::default() };
                    self.sip(key, |leg| SipOrder::Bye(leg, Some(reason)));
                }
                Effect::PlayPrompt(prompt) => {
                    self.media(key, |stream| MediaOrder::Play { stream, prompt });
                }
                Effect::PauseMedia(paused) => {
                    self.media(key, |stream| MediaOrder::Pause { stream, paused });
                }
                Effect::AnswerReinvite => self.answer_reinvite(key),
                Effect::CloseOrphan(open) => {
                    let (id, leg) = (self.slots[key].id, self.next_leg(key));
                    self.close_orphan(id, leg, &open);
                }
            }
        }
        self.send_invite(key);
    }

    /// Ends what a call has on the wire without a word of it in the log: only for a call that is
    /// given up. The user agent takes what fits and passes over the other.
    pub(crate) fn hang_up_unrecorded(&mut self, key: Key) {
        self.sip(key, |leg| SipOrder::Cancel(leg, None));
        self.sip(key, |leg| SipOrder::Bye(leg, None));
        self.media(key, |stream| MediaOrder::Close { stream });
    }

    fn sip(&mut self, key: Key, order: impl FnOnce(LegId) -> SipOrder) {
        if let Some(leg) = self.slots[key].leg {
            self.outputs.push_back(Output::Sip(order(leg)));
        }
    }

    /// An order for the call's audio, when it has any.
    fn media(&mut self, key: Key, order: impl FnOnce(StreamId) -> MediaOrder) {
        let slot = &self.slots[key];
        if let Some(leg) = slot.leg.filter(|_| slot.has_audio()) {
            self.outputs.push_back(Output::Media(order(StreamId(leg.0))));
        }
    }

    fn open_media(&mut self, key: Key, audio: bool, record: bool) {
        if !audio {
            self.slots[key].media = MediaState::Sink;
            return;
        }
        self.slots[key].media = MediaState::Opening;
        let id = self.slots[key].id;
        let record = self.options.recordings.as_ref().filter(|_| record);
        let record = record.map(|folder| folder.join(format!("{id}.wav")));
        self.media(key, |stream| MediaOrder::Open { stream, record });
    }

    fn close_media(&mut self, key: Key) {
        self.media(key, |stream| MediaOrder::Close { stream });
        let slot = &mut self.slots[key];
        slot.media = if slot.has_audio() { MediaState::Closing } else { MediaState::Closed };
        slot.agreed = None;
    }

    fn connect_media(&mut self, key: Key) {
        if let Some(agreed) = self.slots[key].agreed.take() {
            self.media(key, |stream| MediaOrder::Connect { stream, agreed });
        }
    }

    /// The INVITE leaves once its event is durable and its media has an address.
    pub(crate) fn send_invite(&mut self, key: Key) {
        let Some(slot) = self.slots.get_mut(key) else { return };
        let local = match slot.media {
            MediaState::Open(local) => local,
            MediaState::Sink => self.options.sink,
            _ => return,
        };
        let (Some(leg), Some(gateway)) = (slot.leg, slot.gateway) else { return };
        let Some(invite) = slot.invite.take() else { return };
        // An erased person has no number any more: the user agent refuses the empty one, and the
        // call ends as a try that could not be sent.
        let to = open_text(&self.vault, invite.callee, &invite.phone).unwrap_or_default();
        let sdp = offer(local, leg.0, slot.sdp_version, &self.options.codecs, Direction::SendRecv);
        let dial = Dial {
            leg,
            gateway: GatewayId(gateway.0 as u16),
            ids: dial_ids(&invite),
            to,
            from: invite.dial.caller_id.clone(),
            offer: sdp,
        };
        self.outputs.push_back(Output::Sip(SipOrder::Dial(Box::new(dial))));
    }

    fn cancel(&mut self, key: Key, no_answer: bool, now: Now) {
        if self.slots[key].invite.take().is_some() {
            // It never left: there is nothing to cancel and nobody to wait for.
            self.hear(key, Signal::CancelDone { status: None }, now);
            return;
        }
        if mutant!("forgets to cancel") {
            return;
        }
        // Q.850 19: no answer from the user; 31: normal, unspecified.
        let q850 = if no_answer { 19 } else { 31 };
        let reason = Reason { q850: Some(q850), ..Reason::default() };
        self.sip(key, |leg| SipOrder::Cancel(leg, Some(reason)));
    }

    fn answer_reinvite(&mut self, key: Key) {
        let Some(answer) = self.slots[key].reinvite.take() else { return };
        let ReinviteAnswer { sdp, agreed } = *answer;
        self.sip(key, |leg| SipOrder::AnswerReinvite(leg, Some(sdp)));
        if let Some(agreed) = agreed {
            self.media(key, |stream| MediaOrder::Connect { stream, agreed });
        }
    }

    /// `leg` is a new one; `id` is for the log.
    pub(crate) fn close_orphan(&mut self, id: CallId, leg: LegId, open: &OpenDialog) {
        let invite = &open.invite;
        let Some(gateway) = self.routing.by_name(&invite.dial.gateway) else {
            let gateway = &invite.dial.gateway;
            tracing::warn!(call = %id, gateway, "left open: its gateway is not configured any more");
            return;
        };
        let answered = open.dialog.as_ref().and_then(|sealed| {
            let plain = self.vault.open(invite.callee, sealed)?;
            let dialog: schemas::call::Dialog = from_plain_bytes(&plain)?;
            Some(RemoteDialog {
                remote_tag: dialog.remote_tag,
                target: dialog.target,
                route: dialog.route,
                cseq: dialog.cseq,
            })
        });
        let to = open_text(&self.vault, invite.callee, &invite.phone).unwrap_or_default();
        let orphan = Orphan {
            leg,
            gateway: GatewayId(gateway.0 as u16),
            ids: dial_ids(invite),
            to,
            from: invite.dial.caller_id.clone(),
            answered,
        };
        self.outputs.push_back(Output::Sip(SipOrder::CloseOrphan(Box::new(orphan))));
    }
}

fn dial_ids(invite: &Arc<Invite>) -> DialIds {
    let dial = &invite.dial;
    DialIds {
        call_id: dial.sip_call_id.clone(),
        from_tag: dial.from_tag.clone(),
        cseq: dial.cseq,
        branch: dial.branch.clone(),
    }
}

fn open_text(vault: &impl Vault, callee: CalleeKey, sealed: &Sealed) -> Option<String> {
    String::from_utf8(vault.open(callee, sealed)?).ok()
}
