//! What is stored as a place in a list, told as a word.

use crate::CommandId;
use crate::call::{CancelCause, HangUpCause, QueueCause};
use crate::outcome::RetryClass;

pub(crate) fn queue_cause(cause: QueueCause) -> &'static str {
    match cause {
        QueueCause::Concurrency => "concurrency",
        QueueCause::Rate => "rate",
        QueueCause::Gateway => "gateway",
        QueueCause::NotBefore => "not_before",
    }
}

pub(super) fn cancel_cause(cause: &CancelCause) -> (&'static str, Option<&CommandId>) {
    match cause {
        CancelCause::RingTimeout => ("ring_timeout", None),
        CancelCause::Command(by) => ("command", by.as_ref()),
        CancelCause::Shutdown => ("shutdown", None),
        CancelCause::Watchdog => ("watchdog", None),
    }
}

pub(super) fn hang_up_cause(cause: &HangUpCause) -> (&'static str, Option<&CommandId>) {
    match cause {
        HangUpCause::Bye => ("bye", None),
        HangUpCause::PromptPlayed => ("prompt_played", None),
        HangUpCause::MaxTalk => ("max_talk", None),
        HangUpCause::Command(by) => ("command", by.as_ref()),
        HangUpCause::Shutdown => ("shutdown", None),
        HangUpCause::MediaMismatch => ("media_mismatch", None),
        HangUpCause::MediaFailed => ("media_failed", None),
        HangUpCause::NoAudio => ("no_audio", None),
        HangUpCause::DialogLost => ("dialog_lost", None),
    }
}

pub(crate) fn retry_class(class: RetryClass) -> &'static str {
    match class {
        RetryClass::Never => "never",
        RetryClass::SoftShort => "soft_short",
        RetryClass::Soft => "soft",
        RetryClass::SoftLong => "soft_long",
        RetryClass::Carrier => "carrier",
        RetryClass::Technical => "technical",
    }
}
