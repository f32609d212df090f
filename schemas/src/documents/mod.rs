//! The contract for programs: a JSON Schema (draft 7) of every command and event, and an AsyncAPI 3
//! document of the topics they are in. `callfold schema` prints them.
//!
//! They are made from the types by the tests, which hold two things: what is checked in is what the
//! types say, and nothing in it breaks what was checked in before. A field that is added is no break;
//! one that goes, or means something else, is another version of its message.

#[cfg(test)]
mod breaking;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod holds;
#[cfg(test)]
mod making;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod words;

/// A file of the contract.
#[derive(Clone, Copy, Debug)]
pub struct Document {
    /// Below the folder they are written to.
    pub path: &'static str,
    /// JSON, ending in a line's end.
    pub text: &'static str,
}

macro_rules! documents {
    ($( $path:literal )*) => {
        /// Every file, the AsyncAPI document first.
        pub const ALL: &[Document] = &[ $( Document {
            path: $path,
            text: include_str!(concat!("../../generated/", $path)),
        } ),* ];
    };
}

documents! {
    "asyncapi.json"
    "commands/PlaceCall.v1.json"
    "commands/HangUpCall.v1.json"
    "commands/CancelCall.v1.json"
    "events/CallRequested.v1.json"
    "events/CallQueued.v1.json"
    "events/DialStarted.v1.json"
    "events/CallProceeding.v1.json"
    "events/CallRang.v1.json"
    "events/EarlyMediaStarted.v1.json"
    "events/TryFailed.v1.json"
    "events/CancelIssued.v1.json"
    "events/LateAnswerReleased.v1.json"
    "events/CallAnswered.v1.json"
    "events/PromptPlayed.v1.json"
    "events/DigitPressed.v1.json"
    "events/CallHeld.v1.json"
    "events/CallResumed.v1.json"
    "events/CallHungUp.v1.json"
    "events/MediaMeasured.v1.json"
    "events/CallEnded.v1.json"
    "events/HangUpConfirmed.v1.json"
}

/// The AsyncAPI document: all schemas are in it.
pub fn async_api() -> &'static str {
    ALL[0].text
}
