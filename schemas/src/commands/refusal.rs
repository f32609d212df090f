//! Why a command cannot be accepted, said to whoever wrote it.

use crate::phone::PhoneRefusal;

/// Why a command cannot be accepted. Shown without any value of the caller's, which may be
/// personal: the original stands in the dead letter beside it.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum CommandRefusal {
    /// More than [`COMMAND_BYTES_MAX`](super::COMMAND_BYTES_MAX).
    #[error("the command is larger than {} bytes", super::COMMAND_BYTES_MAX)]
    TooLarge,
    /// No JSON, or not in UTF-8.
    #[error("the command is no JSON: {0}")]
    NotJson(String),
    /// JSON, but a list, a text or a number.
    #[error("the command must be one JSON object")]
    NotAnObject,
    /// None of the commands.
    #[error("`type` must be PlaceCall, HangUpCall or CancelCall")]
    UnknownType,
    /// A field that must be there is not.
    #[error("`{field}` is missing: {wanted}")]
    Missing {
        /// The field's name.
        field: &'static str,
        /// What belongs there.
        wanted: &'static str,
    },
    /// A field holds something else than it may.
    #[error("`{field}` must be {wanted}")]
    Wrong {
        /// The field's name, with the name of an entry behind it: `variables.city`.
        field: String,
        /// What belongs there.
        wanted: String,
    },
    /// The number cannot be dialled, or must not be.
    #[error("`phone` cannot be dialled: {0}")]
    Phone(PhoneRefusal),
}

impl CommandRefusal {
    /// The word for programs: `callfold_reason` of a dead letter. Never changes.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::NotJson(_) => "not_json",
            Self::NotAnObject => "not_an_object",
            Self::UnknownType => "unknown_type",
            Self::Missing { .. } => "missing_field",
            Self::Wrong { .. } => "wrong_field",
            Self::Phone(PhoneRefusal::Emergency) => "emergency_number",
            Self::Phone(_) => "invalid_phone",
        }
    }

    /// The field it is about; `None` when it is about the whole.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::TooLarge | Self::NotJson(_) | Self::NotAnObject => None,
            Self::UnknownType => Some("type"),
            Self::Missing { field, .. } => Some(field),
            Self::Wrong { field, .. } => Some(field),
            Self::Phone(_) => Some("phone"),
        }
    }
}
