//! The states of a call. One machine, two kinds of input.
//!
//! A `Heard` arm records what a signal means and does nothing else. A `Happened` arm moves the
//! state by an event and asks for its effects. Entry and exit ask for what stands while the call
//! is there. `decide` runs on a copy, so nothing a `Heard` arm changes could survive.
//!
//! The table of all this is generated into `docs/call-states.md`: read that first.

use crate::effect::{Effect, Timer};
use crate::facts::CallFacts;
use crate::moves::{by_us, progress};
use crate::signal::Signal;
use crate::state::CallState;
use crate::turn::Input::{self, Happened, Heard};
use crate::turn::Turn;
use mutants::mutant;
use schemas::call::{
    CallAnswered, CallEvent, CallHeld, CallQueued, CallResumed, CancelCause, CancelIssued,
    DigitPressed, HangUpCause, HangUpConfirmed, LateAnswerReleased, PromptPlayed,
};
use statig::Outcome::{self, Handled, Super};
use statig::blocking::state_machine;
use std::sync::Arc;
use std::time::Duration;

#[state_machine(
    initial = "CallState::Requested",
    state(custom, name = "CallState"),
    event_identifier = "input",
    context_identifier = "turn"
)]
impl CallFacts {
    // ---- before anything is dialled, and between two tries ----

    #[state(superstate = "waiting")]
    fn requested(input: &Input<'_>, turn: &mut Turn) -> Outcome<CallState> {
        match *input {
            Heard(Signal::MustWait(cause)) => turn.record(CallQueued { cause: *cause }),
            Happened(CallEvent::CallQueued(_)) => turn.go([], CallState::Queued),
            _ => Super,
        }
    }

    #[state(superstate = "waiting")]
    fn queued(input: &Input<'_>) -> Outcome<CallState> {
        match *input {
            Heard(Signal::MustWait(_)) => Handled,
            _ => Super,
        }
    }

    /// In the waiting list, for its first or its next try.
    #[superstate(superstate = "open", entry_action = "join_queue", exit_action = "leave_queue")]
    fn waiting(&mut self, input: &Input<'_>, turn: &mut Turn) -> Outcome<CallState> {
        match *input {
            Heard(Signal::Cleared(way)) => {
                let event = self.dial_started(way);
                turn.record(event)
            }
            Heard(Signal::NoRoute) => turn.record(self.ended_without_route(turn.now())),
            Heard(Signal::TimerFired(Timer::Deadline)) => {
                turn.record(self.ended_too_late(turn.now()))
            }
            Heard(Signal::HangUpAsked(_) | Signal::CancelAsked(_)) => {
                turn.record(self.ended_before_dialling(turn.now()))
            }
            // What was never dialled waits for the next start; a half-tried call ends here.
            Heard(Signal::ShutDown) if self.dialled() => {
                turn.record(self.ended_without_route(turn.now()))
            }
            Heard(Signal::ShutDown) => Handled,
            Happened(CallEvent::DialStarted(dial)) => {
                let invite = self.dial(dial, turn.now());
                turn.go([Effect::SendInvite(invite)], CallState::Dialing)
            }
            _ => Super,
        }
    }

    #[action]
    fn join_queue(&mut self, turn: &mut Turn) {
        let asked = &self.requested;
        let deadline =
            asked.deadline.unwrap_or_else(|| self.requested_at.after(self.options.queue_max));
        turn.effects.push(Effect::JoinQueue {
            priority: asked.priority,
            not_before: asked.not_before,
            only: asked.gateway.clone(),
            tried: self.tries.iter().map(|t| t.gateway.clone()).collect(),
        });
        turn.start(Timer::Deadline, deadline, Duration::ZERO);
    }

    #[action]
    fn leave_queue(turn: &mut Turn) {
        turn.effects.push(Effect::LeaveQueue);
        turn.stop(Timer::Deadline);
    }

    // ---- an INVITE is out ----

    /// Our media listens: from `DialStarted` on, so that the first word after the answer is heard.
    #[superstate(superstate = "open", entry_action = "open_media", exit_action = "close_media")]
    fn listening() -> Outcome<CallState> {
        Super
    }

    #[action]
    fn open_media(&mut self, turn: &mut Turn) {
        let record = self.requested.record;
        turn.effects.push(Effect::OpenMedia { audio: self.wants_audio(), record });
    }

    #[action]
    fn close_media(turn: &mut Turn) {
        turn.effects.push(Effect::CloseMedia);
    }

    /// The INVITE is out and has no final answer.
    #[superstate(superstate = "listening")]
    fn inviting(&mut self, input: &Input<'_>, turn: &mut Turn) -> Outcome<CallState> {
        match *input {
            Heard(Signal::Answered { status, dialog, media_fault }) => {
                let (status, media_fault) = (*status, media_fault.clone());
                self.answer(CallAnswered { status, dialog: dialog.clone(), media_fault }, turn)
            }
            Heard(Signal::Refused(refused)) => self.refuse(refused, turn),
            // Another process's CANCEL, or a final that overtook our report of it.
            Heard(Signal::CancelDone { status }) => {
                let cause = CancelCause::Watchdog;
                turn.record(self.ended_cancelled(&cause, *status, false, turn.now()))
            }
            Heard(Signal::HangUpAsked(by) | Signal::CancelAsked(by)) => {
                turn.record(CancelIssued { cause: CancelCause::Command(by.clone()) })
            }
            Heard(Signal::ShutDown) => turn.record(CancelIssued { cause: CancelCause::Shutdown }),
            // Repeats of what was heard, and 199 (RFC 6228).
            Heard(Signal::Progress { .. }) => Handled,
            // Without audio an INVITE can still be ended in order, and the talk will show it.
            Heard(Signal::MediaFailed) => Handled,
            Happened(CallEvent::CallAnswered(answered)) => {
                self.answered_at = Some(turn.now());
                self.answered_with = Some(answered.status);
                self.dialog = Some(Arc::new(answered.dialog.clone()));
                turn.effects.push(Effect::AcceptAnswer);
                if answered.media_fault.is_none() {
                    turn.effects.push(Effect::ConnectMedia);
                    let prompt = self.requested.prompt.clone();
                    turn.effects.extend(prompt.map(Effect::PlayPrompt));
                }
                turn.go([], CallState::Greeting)
            }
            Happened(CallEvent::TryFailed(failed)) => {
                self.end_try(failed.status, turn.now());
                self.last_failure = Some(Arc::new(failed.clone()));
                turn.go([], CallState::Queued)
            }
            Happened(CallEvent::CancelIssued(cancel)) => {
                let no_answer = cancel.cause == CancelCause::RingTimeout;
                let cause = cancel.cause.clone();
                turn.go([Effect::SendCancel { no_answer }], CallState::Cancelling { cause })
            }
            _ => Super,
        }
    }

    /// Nobody has answered the INVITE yet. Timer B of the transaction ends this; the watchdog
    /// here only catches a report that got lost.
    #[state(
        superstate = "inviting",
        entry_action = "start_setup_timer",
        exit_action = "stop_setup_timer"
    )]
    fn dialing(&mut self, input: &Input<'_>, turn: &mut Turn) -> Outcome<CallState> {
        match *input {
            Heard(Signal::Progress { status, early_media }) => {
                progress(*status, *early_media, turn)
            }
            Heard(Signal::TimerFired(Timer::Setup)) => {
                turn.record(CancelIssued { cause: CancelCause::Watchdog })
            }
            // The INVITE waits for the media's address: it never left.
            Heard(Signal::MediaOpenFailed) => turn.record(self.ended_without_media(turn.now())),
            Happened(CallEvent::CallProceeding(_)) => {
                self.proceeding_at = Some(turn.now());
                turn.go([], CallState::Proceeding)
            }
            Happened(CallEvent::CallRang(_)) => {
                self.ring(turn.now());
                turn.go([], CallState::Ringing)
            }
            Happened(CallEvent::EarlyMediaStarted(_)) => {
                self.ring(turn.now());
                turn.go([Effect::ConnectMedia], CallState::EarlyMedia)
            }
            _ => Super,
        }
    }

    #[action]
    fn start_setup_timer(&mut self, turn: &mut Turn) {
        let started = self.tries.last().map_or(self.requested_at, |t| t.started_at);
        turn.start(Timer::Setup, started, self.options.setup_max);
    }

    #[action]
    fn stop_setup_timer(turn: &mut Turn) {
        turn.stop(Timer::Setup);
    }

    /// The network has answered: from its first provisional on only our ring timer ends the wait
    /// (RFC 3261, 17.1.1.2: a UAC has no Timer C).
    #[superstate(
        superstate = "inviting",
        entry_action = "start_ring_timer",
        exit_action = "stop_ring_timer"
    )]
    fn alerting(input: &Input<'_>, turn: &mut Turn) -> Outcome<CallState> {
        match *input {
            Heard(Signal::TimerFired(Timer::Ring)) => {
                turn.record(CancelIssued { cause: CancelCause::RingTimeout })
            }
            _ => Super,
        }
    }

    #[action]
    fn start_ring_timer(&mut self, turn: &mut Turn) {
        let since = self.proceeding_at.unwrap_or(self.requested_at);
        let since =
            if mutant!("counts ringing from the request") { self.requested_at } else { since };
        let span = Duration::from_millis(self.requested.ring_timeout_ms.into());
        turn.start(Timer::Ring, since, span);
    }

    #[action]
    fn stop_ring_timer(turn: &mut Turn) {
        turn.stop(Timer::Ring);
    }

    #[state(superstate = "alerting")]
    fn proceeding(&mut self, input: &Input<'_>, turn: &mut Turn) -> Outcome<CallState> {
        match *input {
            Heard(Signal::Progress { status: status @ 180..=189, early_media }) => {
                progress(*status, *early_media, turn)
            }
            Happened(CallEvent::CallRang(_)) => {
                self.ring(turn.now());
                turn.go([], CallState::Ringing)
            }
            Happened(CallEvent::EarlyMediaStarted(_)) => {
                self.ring(turn.now());
                turn.go([Effect::ConnectMedia], CallState::EarlyMedia)
            }
            _ => Super,
        }
    }

    #[state(superstate = "alerting")]
    fn ringing(input: &Input<'_>, turn: &mut Turn) -> Outcome<CallState> {
        match *input {
            Heard(Signal::Progress { status: status @ 180..=189, early_media: true }) => {
                progress(*status, true, turn)
            }
            Happened(CallEvent::EarlyMediaStarted(_)) => {
                turn.go([Effect::ConnectMedia], CallState::EarlyMedia)
            }
            _ => Super,
        }
    }

    #[state(superstate = "alerting")]
    fn early_media() -> Outcome<CallState> {
        Super
    }

    /// Our CANCEL is out, or waits for the first provisional. A 200 may cross it on the wire
    /// (RFC 3261, 9.1): the callee then sits in an open call, which the user agent closes.
    #[state(
        superstate = "open",
        entry_action = "start_cancel_timer",
        exit_action = "stop_cancel_timer"
    )]
    fn cancelling(
        &mut self,
        cause: &CancelCause,
        input: &Input<'_>,
        turn: &mut Turn,
    ) -> Outcome<CallState> {
        match *input {
            Heard(Signal::CancelDone { status }) => {
                turn.record(self.ended_cancelled(cause, *status, false, turn.now()))
            }
            Heard(Signal::LateAnswerClosed { status }) => {
                turn.record(LateAnswerReleased { status: *status });
                turn.record(self.ended_cancelled(cause, Some(*status), true, turn.now()))
            }
            // A final that our order to cancel crossed: it ended, as we wanted.
            Heard(Signal::Refused(refused)) => {
                turn.record(self.ended_cancelled(cause, refused.status, false, turn.now()))
            }
            Heard(Signal::TimerFired(Timer::Cancel)) => {
                turn.record(self.ended_cancelled(cause, None, false, turn.now()))
            }
            // The user agent is told to cancel and will answer with `LateAnswerClosed`.
            Heard(
                Signal::Answered { .. }
                | Signal::Progress { .. }
                | Signal::MediaClosed(_)
                | Signal::MediaFailed
                | Signal::HangUpAsked(_)
                | Signal::CancelAsked(_)
                | Signal::ShutDown,
            ) => Handled,
            Happened(CallEvent::LateAnswerReleased(_)) => Handled,
            _ => Super,
        }
    }

    #[action]
    fn start_cancel_timer(&mut self, turn: &mut Turn) {
        turn.start(Timer::Cancel, turn.now(), self.options.cancel_max);
    }

    #[action]
    fn stop_cancel_timer(turn: &mut Turn) {
        turn.stop(Timer::Cancel);
    }

    // ---- answered ----

    #[superstate(
        superstate = "listening",
        entry_action = "start_talk_timer",
        exit_action = "stop_talk_timer"
    )]
    fn connected(&mut self, input: &Input<'_>, turn: &mut Turn) -> Outcome<CallState> {
        match *input {
            Heard(Signal::HungUp(hung_up)) => self.peer_hung_up(hung_up, turn),
            Heard(Signal::TimerFired(Timer::MaxTalk)) => turn.record(by_us(HangUpCause::MaxTalk)),
            Heard(Signal::PromptFinished { ms }) => {
                turn.record(PromptPlayed { ms: *ms });
                if mutant!("talks on after its prompt") {
                    return Handled;
                }
                turn.record(by_us(HangUpCause::PromptPlayed))
            }
            Heard(Signal::Digit { digit, ms }) => {
                turn.record(DigitPressed { digit: digit.clone(), ms: *ms })
            }
            Heard(Signal::HangUpAsked(by)) => turn.record(by_us(HangUpCause::Command(by.clone()))),
            Heard(Signal::ShutDown) => turn.record(by_us(HangUpCause::Shutdown)),
            Heard(Signal::MediaFailed) => turn.record(by_us(HangUpCause::MediaFailed)),
            // A cancel is for what nobody has answered.
            Heard(Signal::CancelAsked(_) | Signal::Progress { .. }) => Handled,
            // The state is the same after it: no fact, but the callee wants an answer.
            Heard(Signal::Reinvited { .. }) => turn.answer(Effect::AnswerReinvite),
            Happened(CallEvent::PromptPlayed(_) | CallEvent::DigitPressed(_)) => Handled,
            Happened(CallEvent::CallHungUp(hung_up)) => self.close(hung_up, turn),
            _ => Super,
        }
    }

    #[action]
    fn start_talk_timer(&mut self, turn: &mut Turn) {
        let answered = self.answered_at.unwrap_or(self.requested_at);
        let span = Duration::from_millis(self.requested.max_talk_ms.into());
        let span = if mutant!("talks for twice as long") { span * 2 } else { span };
        turn.start(Timer::MaxTalk, answered, span);
    }

    #[action]
    fn stop_talk_timer(turn: &mut Turn) {
        turn.stop(Timer::MaxTalk);
    }

    /// The prompt plays, if there is one.
    #[state(superstate = "connected")]
    fn greeting(input: &Input<'_>, turn: &mut Turn) -> Outcome<CallState> {
        match *input {
            Heard(Signal::Reinvited { hold: true }) => turn.record(CallHeld {}),
            Happened(CallEvent::CallHeld(_)) => {
                turn.go([Effect::AnswerReinvite, Effect::PauseMedia(true)], CallState::Holding)
            }
            _ => Super,
        }
    }

    #[state(superstate = "connected")]
    fn holding(input: &Input<'_>, turn: &mut Turn) -> Outcome<CallState> {
        match *input {
            Heard(Signal::Reinvited { hold: false }) => turn.record(CallResumed {}),
            Happened(CallEvent::CallResumed(_)) => {
                turn.go([Effect::AnswerReinvite, Effect::PauseMedia(false)], CallState::Greeting)
            }
            _ => Super,
        }
    }

    /// Somebody hung up. Our BYE wants its answer, the media its last report.
    #[state(
        superstate = "open",
        entry_action = "start_close_timer",
        exit_action = "stop_close_timer"
    )]
    fn closing(
        &mut self,
        bye_out: &bool,
        media_open: &bool,
        input: &Input<'_>,
        turn: &mut Turn,
    ) -> Outcome<CallState> {
        match *input {
            // Their BYE may cross ours: both are answered, and either ends it.
            Heard(Signal::ByeDone | Signal::HungUp(_)) if *bye_out => {
                if *media_open {
                    return turn.record(HangUpConfirmed {});
                }
                turn.record(self.ended_talk(turn.now()))
            }
            Heard(Signal::MediaClosed(measured)) if *media_open => {
                turn.record(CallEvent::MediaMeasured(measured.clone()));
                if *bye_out {
                    return Handled;
                }
                // The event just recorded is not a fact yet, and the end speaks of it.
                self.heard_audio = Some(measured.received > 0);
                turn.record(self.ended_talk(turn.now()))
            }
            Heard(Signal::TimerFired(Timer::Close)) => turn.record(self.ended_talk(turn.now())),
            Heard(
                Signal::ByeDone
                | Signal::HungUp(_)
                | Signal::MediaClosed(_)
                | Signal::MediaFailed
                | Signal::PromptFinished { .. }
                | Signal::Digit { .. }
                | Signal::Reinvited { .. }
                | Signal::Progress { .. }
                | Signal::HangUpAsked(_)
                | Signal::CancelAsked(_)
                | Signal::ShutDown,
            ) => Handled,
            Happened(CallEvent::HangUpConfirmed(_)) => {
                turn.go([], CallState::Closing { bye_out: false, media_open: *media_open })
            }
            Happened(CallEvent::MediaMeasured(measured)) => {
                self.heard_audio = Some(measured.received > 0);
                turn.go([], CallState::Closing { bye_out: *bye_out, media_open: false })
            }
            _ => Super,
        }
    }

    #[action]
    fn start_close_timer(&mut self, turn: &mut Turn) {
        let hung_up = self.hung_up.as_deref().map_or(turn.now(), |(_, at)| *at);
        turn.start(Timer::Close, hung_up, self.options.close_max);
    }

    #[action]
    fn stop_close_timer(turn: &mut Turn) {
        turn.stop(Timer::Close);
    }

    // ---- around them all ----

    /// Not ended. Every way out leads through `CallEnded`.
    #[superstate(superstate = "call")]
    fn open(&mut self, input: &Input<'_>, turn: &mut Turn) -> Outcome<CallState> {
        match *input {
            // What was on the wire is lost to us: neither re-sent nor adopted.
            Heard(Signal::EngineRestarted) if self.dialled() => {
                turn.record(self.ended_unknown(turn.now()))
            }
            Heard(Signal::EngineRestarted) => Handled,
            // A timer that fired while the event that stops it was on its way to the disk.
            Heard(Signal::TimerFired(_)) => Handled,
            Happened(CallEvent::CallEnded(ended)) => {
                if ended.outcome == schemas::Outcome::OutcomeUnknown
                    && let Some(orphan) = self.open_dialog()
                {
                    turn.effects.push(Effect::CloseOrphan(Box::new(orphan)));
                }
                self.end_try(ended.sip_status, turn.now());
                turn.go([], CallState::of_outcome(ended.outcome))
            }
            _ => Super,
        }
    }

    /// Nothing more happens to it. Late answers, late timers and second commands are normal.
    #[superstate(superstate = "call")]
    fn ended(input: &Input<'_>) -> Outcome<CallState> {
        match *input {
            Heard(_) => Handled,
            Happened(_) => Super,
        }
    }

    /// The top: what gets here was not expected. A signal is counted; an event is a corrupt
    /// stream.
    #[superstate]
    fn call(turn: &mut Turn) -> Outcome<CallState> {
        turn.unexpected = true;
        Handled
    }

    #[state(superstate = "ended")]
    fn completed() -> Outcome<CallState> {
        Super
    }
    #[state(superstate = "ended")]
    fn busy() -> Outcome<CallState> {
        Super
    }
    #[state(superstate = "ended")]
    fn no_answer() -> Outcome<CallState> {
        Super
    }
    #[state(superstate = "ended")]
    fn rejected() -> Outcome<CallState> {
        Super
    }
    #[state(superstate = "ended")]
    fn invalid_number() -> Outcome<CallState> {
        Super
    }
    #[state(superstate = "ended")]
    fn unreachable() -> Outcome<CallState> {
        Super
    }
    #[state(superstate = "ended")]
    fn failed() -> Outcome<CallState> {
        Super
    }
    #[state(superstate = "ended")]
    fn cancelled() -> Outcome<CallState> {
        Super
    }
    #[state(superstate = "ended")]
    fn suppressed() -> Outcome<CallState> {
        Super
    }
    #[state(superstate = "ended")]
    fn outcome_unknown() -> Outcome<CallState> {
        Super
    }
}
