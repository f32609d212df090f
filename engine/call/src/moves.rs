//! The steps the states share: what a heard thing is recorded as, and what an event changes.

use crate::effect::{Effect, Invite, OpenDialog};
use crate::facts::{CallFacts, TryFact};
use crate::signal::{Cleared, HungUp, Refused};
use crate::state::CallState;
use crate::turn::Turn;
use mutants::mutant;
use schemas::call::{
    CallAnswered, CallEnded, CallEvent, CallHungUp, CallProceeding, CallRang, DialStarted,
    EarlyMediaStarted, HangUpCause, TryFailed,
};
use schemas::{EndedBy, Timestamp, causes};
use statig::Outcome::{self, Handled};
use std::sync::Arc;

/// What a provisional answer means while nothing has rung.
pub(crate) fn progress(status: u16, early_media: bool, turn: &mut Turn) -> Outcome<CallState> {
    match status {
        180..=189 if early_media => turn.record(EarlyMediaStarted { status }),
        180..=189 => turn.record(CallRang { status }),
        199 => Handled,
        _ => turn.record(CallProceeding { status }),
    }
}

pub(crate) fn by_us(cause: HangUpCause) -> CallHungUp {
    CallHungUp { by: EndedBy::Us, cause, q850: None, detail: None }
}

impl CallFacts {
    pub(crate) fn dial_started(&self, way: &Cleared) -> CallEvent {
        CallEvent::DialStarted(Box::new(DialStarted {
            try_no: u8::try_from(self.tries.len() + 1).unwrap_or(u8::MAX),
            gateway: way.gateway.clone(),
            caller_id: way.caller_id.clone(),
            local: way.local.clone(),
            sip_call_id: way.sip_call_id.clone(),
            from_tag: way.from_tag.clone(),
            cseq: way.cseq,
            branch: way.branch.clone(),
        }))
    }

    pub(crate) fn dial(&mut self, dial: &DialStarted, at: Timestamp) -> Arc<Invite> {
        let gateway = dial.gateway.clone();
        Arc::make_mut(&mut self.tries).push(TryFact { gateway, started_at: at, ended: None });
        self.proceeding_at = None;
        let dial = Arc::new(dial.clone());
        self.dial = Some(dial.clone());
        self.invite(dial)
    }

    fn invite(&self, dial: Arc<DialStarted>) -> Arc<Invite> {
        let asked = &self.requested;
        Arc::new(Invite { callee: asked.callee, phone: asked.phone.clone(), dial })
    }

    pub(crate) fn ring(&mut self, at: Timestamp) {
        self.proceeding_at = self.proceeding_at.or(Some(at));
        self.ringing_at = self.ringing_at.or(Some(at));
    }

    /// An answer, and what follows from it at once: a call that may not talk, or cannot, is hung
    /// up in the same breath, which saves a write to the disk.
    pub(crate) fn answer(&self, answered: CallAnswered, turn: &mut Turn) -> Outcome<CallState> {
        let mismatch = answered.media_fault.is_some();
        turn.record(answered);
        if mismatch {
            turn.record(by_us(HangUpCause::MediaMismatch))
        } else if self.requested.max_talk_ms == 0 {
            turn.record(by_us(HangUpCause::MaxTalk))
        } else {
            Handled
        }
    }

    /// Another gateway may try on a carrier's fault only, and never once it rang.
    pub(crate) fn refuse(&self, refused: &Refused, turn: &mut Turn) -> Outcome<CallState> {
        let tries_left = self.tries.len() < usize::from(self.options.tries_max);
        let rang = self.rang() && !mutant!("tries on although it rang");
        let theirs = !refused.carrier_fault && !mutant!("tries on after the callee's word");
        if theirs || rang || !tries_left {
            return turn.record(self.ended_refused(refused, turn.now()));
        }
        let reason = match refused.status {
            Some(status) => causes::cause(status).reason,
            None => refused.local.unwrap_or("failed"),
        };
        turn.record(TryFailed {
            status: refused.status,
            q850: refused.q850,
            reason: reason.to_owned(),
            detail: refused.detail.clone(),
            retry_after_s: refused.retry_after_s,
        })
    }

    pub(crate) fn peer_hung_up(&self, hung_up: &HungUp, turn: &mut Turn) -> Outcome<CallState> {
        let cause = match hung_up.by {
            EndedBy::Callee => HangUpCause::Bye,
            EndedBy::Carrier | EndedBy::Us => HangUpCause::DialogLost,
        };
        let event = CallHungUp {
            by: hung_up.by,
            cause,
            q850: hung_up.q850,
            detail: hung_up.detail.clone(),
        };
        let twice = mutant!("ends twice");
        let ended = (!self.wants_audio()).then(|| self.ended_after(&event, turn.now(), turn.now()));
        turn.record(event);
        if let Some(ended) = ended.clone().filter(|_| twice) {
            turn.record(ended);
        }
        ended.map_or(Handled, |ended| turn.record(ended))
    }

    pub(crate) fn close(&mut self, hung_up: &CallHungUp, turn: &mut Turn) -> Outcome<CallState> {
        self.hung_up = Some(Arc::new((hung_up.clone(), turn.now())));
        let bye_out = hung_up.by == EndedBy::Us && !mutant!("thinks that they hung up");
        if bye_out {
            turn.effects.push(Effect::SendBye);
        }
        turn.go([], CallState::Closing { bye_out, media_open: self.wants_audio() })
    }

    pub(crate) fn ended_talk(&self, at: Timestamp) -> CallEnded {
        let (hung_up, hung_up_at) =
            self.hung_up.as_deref().expect("a call is closing since its CallHungUp");
        self.ended_after(hung_up, *hung_up_at, at)
    }

    pub(crate) fn end_try(&mut self, status: Option<u16>, at: Timestamp) {
        if self.tries.last().is_some_and(|t| t.ended.is_none())
            && let Some(last) = Arc::make_mut(&mut self.tries).last_mut()
        {
            last.ended = Some((at, status));
        }
    }

    pub(crate) fn open_dialog(&self) -> Option<OpenDialog> {
        self.tries.last().filter(|t| t.ended.is_none())?;
        let dial = self.dial.clone()?;
        let dialog = self.dialog.as_deref().cloned();
        Some(OpenDialog { invite: self.invite(dial), dialog })
    }
}
