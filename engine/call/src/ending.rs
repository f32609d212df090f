//! The terminal event: what a call came to, made from what is known of it.

use crate::facts::CallFacts;
use crate::signal::Refused;
use mutants::mutant;
use schemas::call::{CallEnded, CallHungUp, CancelCause, HangUpCause, Try};
use schemas::outcome::RetryClass;
use schemas::{CallId, EndedBy, Outcome, Sealed, Timestamp, causes};
use std::time::Duration;

/// What decided, before the times and the redial are added.
struct Verdict {
    outcome: Outcome,
    sip_status: Option<u16>,
    q850: Option<u16>,
    reason: Option<String>,
    detail: Option<Sealed>,
    ended_by: Option<EndedBy>,
    retry: RetryClass,
}

impl Verdict {
    fn of(outcome: Outcome, reason: Option<&str>, by: Option<EndedBy>, retry: RetryClass) -> Self {
        Self {
            outcome,
            sip_status: None,
            q850: None,
            reason: reason.map(str::to_owned),
            detail: None,
            ended_by: by,
            retry,
        }
    }
}

impl CallFacts {
    /// The end of a call whose last try was refused or failed.
    pub(crate) fn ended_refused(&self, refused: &Refused, at: Timestamp) -> CallEnded {
        let verdict = self.refusal(refused.status, refused.local.unwrap_or("failed"));
        let verdict = Verdict { q850: refused.q850, detail: refused.detail.clone(), ..verdict };
        self.end_with(verdict, at)
    }

    /// The end of a call that has no gateway left: what its last try ended of.
    pub(crate) fn ended_without_route(&self, at: Timestamp) -> CallEnded {
        let verdict = match self.last_failure.as_deref() {
            Some(failed) => Verdict {
                q850: failed.q850,
                detail: failed.detail.clone(),
                ..self.refusal(failed.status, &failed.reason)
            },
            None => Verdict::of(
                Outcome::Unreachable,
                Some("no_gateway"),
                Some(EndedBy::Carrier),
                RetryClass::Carrier,
            ),
        };
        self.end_with(verdict, at)
    }

    /// The end of a call that we cancelled. `status` is the INVITE's final one.
    pub(crate) fn ended_cancelled(
        &self,
        cause: &CancelCause,
        status: Option<u16>,
        answered_late: bool,
        at: Timestamp,
    ) -> CallEnded {
        let by_timer = |outcome, reason| {
            Verdict::of(outcome, Some(reason), Some(EndedBy::Us), RetryClass::Soft)
        };
        let by_command = |reason| Verdict {
            sip_status: status,
            ..Verdict::of(Outcome::Cancelled, Some(reason), Some(EndedBy::Us), RetryClass::Never)
        };
        let verdict = match cause {
            // A phone that was picked up while our CANCEL travelled had rung, 18x or not.
            CancelCause::RingTimeout if self.rang() || answered_late => {
                by_timer(Outcome::NoAnswer, "ring_timeout")
            }
            CancelCause::RingTimeout => by_timer(Outcome::Unreachable, "ring_timeout"),
            CancelCause::Watchdog => by_timer(Outcome::Unreachable, "no_response"),
            CancelCause::Command(_) => by_command("command"),
            CancelCause::Shutdown => by_command("shutdown"),
        };
        self.end_with(verdict, at)
    }

    /// The end of a call that never left the queue because a command said so.
    pub(crate) fn ended_before_dialling(&self, at: Timestamp) -> CallEnded {
        let verdict =
            Verdict::of(Outcome::Cancelled, Some("command"), Some(EndedBy::Us), RetryClass::Never);
        self.end_with(verdict, at)
    }

    /// The end of a call that waited longer than it may.
    pub(crate) fn ended_too_late(&self, at: Timestamp) -> CallEnded {
        if self.last_failure.is_some() {
            return self.ended_without_route(at);
        }
        self.end_with(
            Verdict::of(Outcome::Suppressed, Some("deadline"), None, RetryClass::Never),
            at,
        )
    }

    /// The end of an answered call, by who hung up.
    pub(crate) fn ended_after(
        &self,
        hung_up: &CallHungUp,
        hung_up_at: Timestamp,
        at: Timestamp,
    ) -> CallEnded {
        let silent = self.heard_audio == Some(false);
        let (outcome, reason) = match &hung_up.cause {
            HangUpCause::MediaMismatch => (Outcome::Failed, Some("media_mismatch")),
            HangUpCause::MediaFailed => (Outcome::Failed, Some("media_failed")),
            HangUpCause::DialogLost => (Outcome::Completed, Some("dialog_lost")),
            HangUpCause::MaxTalk if !silent => (Outcome::Completed, Some("max_talk")),
            HangUpCause::Command(_) => (Outcome::Completed, Some("command")),
            HangUpCause::Shutdown => (Outcome::Completed, Some("shutdown")),
            // Five to ten of a hundred answered calls never get a media path elsewhere
            // (lessons 42): say so instead of calling it a talk.
            _ if silent => (Outcome::Completed, Some("no_rtp")),
            HangUpCause::NoAudio => (Outcome::Completed, Some("no_rtp")),
            HangUpCause::Bye | HangUpCause::PromptPlayed | HangUpCause::MaxTalk => {
                (Outcome::Completed, None)
            }
        };
        let retry = match outcome {
            Outcome::Failed => RetryClass::Technical,
            _ => RetryClass::Never,
        };
        let verdict = Verdict {
            // The final response to the INVITE was the answer.
            sip_status: self.answered_with,
            q850: hung_up.q850,
            detail: hung_up.detail.clone(),
            ..Verdict::of(outcome, reason, Some(hung_up.by), retry)
        };
        let mut ended = self.end_with(verdict, at);
        ended.talk_ms = self.answered_at.map(|answered| hung_up_at.ms_since(answered));
        ended
    }

    /// The end of a call whose media could not be opened: no INVITE left.
    pub(crate) fn ended_without_media(&self, at: Timestamp) -> CallEnded {
        let verdict = Verdict::of(
            Outcome::Failed,
            Some("media_failed"),
            Some(EndedBy::Us),
            RetryClass::Technical,
        );
        self.end_with(verdict, at)
    }

    /// The end of a call that the engine stopped in the middle of.
    pub(crate) fn ended_unknown(&self, at: Timestamp) -> CallEnded {
        self.end_with(
            Verdict::of(
                Outcome::OutcomeUnknown,
                Some("engine_restarted"),
                None,
                // An unknown outcome is never redialled unless a rule names it.
                RetryClass::Never,
            ),
            at,
        )
    }

    fn refusal(&self, status: Option<u16>, local: &str) -> Verdict {
        match status {
            Some(status) => {
                let cause = causes::cause(status);
                let outcome = if self.rang() { cause.outcome_rung } else { cause.outcome };
                let wrong = outcome == Outcome::Busy && mutant!("takes busy for a no");
                let outcome = if wrong { Outcome::Rejected } else { outcome };
                Verdict {
                    sip_status: Some(status),
                    ..Verdict::of(outcome, Some(cause.reason), Some(cause.ended_by), cause.retry)
                }
            }
            // Timer B, the transport, DNS: nothing can have rung.
            None => Verdict::of(
                Outcome::Unreachable,
                Some(local),
                Some(EndedBy::Carrier),
                RetryClass::Carrier,
            ),
        }
    }

    fn end_with(&self, verdict: Verdict, at: Timestamp) -> CallEnded {
        let ago = |moment: Timestamp| at.ms_since(moment);
        let open_try_status = verdict.sip_status;
        let tries = self.tries.iter().map(|t| {
            let (ended_at, sip_status) = t.ended.unwrap_or((at, open_try_status));
            Try {
                gateway: t.gateway.clone(),
                sip_status,
                started_ms: ago(t.started_at),
                ended_ms: ago(ended_at),
            }
        });
        let ring_until = self.answered_at.unwrap_or(at);
        CallEnded {
            outcome: verdict.outcome,
            sip_status: verdict.sip_status,
            q850: verdict.q850,
            reason: verdict.reason,
            detail: verdict.detail,
            gateway: self.gateway().map(str::to_owned),
            ended_by: verdict.ended_by,
            redial_at: self.redial_at(verdict.retry, at),
            retry: verdict.retry,
            causes_version: causes::VERSION,
            attempt: self.requested.attempt,
            requested_ms: ago(self.requested_at),
            started_ms: self.tries.first().map(|t| ago(t.started_at)),
            ringing_ms: self.ringing_at.map(ago),
            answered_ms: self.answered_at.map(ago),
            ring_ms: self.ringing_at.map(|rang| ring_until.ms_since(rang)),
            talk_ms: None,
            tries: tries.collect(),
        }
    }

    /// When the command's next call is due. The clock starts at the terminal event, never at
    /// the request (lessons 1), and one budget bounds all of a command's calls (lessons 2).
    fn redial_at(&self, class: RetryClass, at: Timestamp) -> Option<Timestamp> {
        let asked = &self.requested;
        let one_more = u16::from(mutant!("calls once too often"));
        if asked.attempt >= asked.max_attempts + one_more {
            return None;
        }
        let by_rule = self.options.redial.of(class)?;
        let delay = match asked.redial_after_ms {
            Some(ms) => Duration::from_millis(ms.into()),
            None => spread(by_rule, asked.first_call, asked.attempt, &asked.fingerprint),
        };
        let from = if mutant!("counts a redial from the request") { self.requested_at } else { at };
        let due = from.after(delay);
        asked.deadline.is_none_or(|deadline| due < deadline).then_some(due)
    }
}

/// Up to a tenth more or less, by the command: calls that failed together do not come back
/// together.
fn spread(delay: Duration, first: Option<CallId>, attempt: u16, fingerprint: &[u8; 8]) -> Duration {
    let first = first.map_or(0, |call| u64::from(call.0[0]));
    let mix = u64::from_le_bytes(*fingerprint) ^ first ^ u64::from(attempt);
    let tenth = delay / 10;
    // 0 to 2000 thousandths of a tenth, around the delay.
    delay - tenth + tenth * u32::try_from(mix % 2001).expect("below 2001") / 1000
}
