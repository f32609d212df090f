//! Every type of event with every version it was ever written in, and how each is read.

use super::{DecodeError, Encoded, from_bytes, to_bytes};
use crate::batch::{self, BatchEvent};
use crate::call::{self, CallEvent};
use crate::node::{self, NodeEvent};

/// A type of event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kind {
    /// What it is stored under. Never reused.
    pub number: u16,
    /// What everybody calls it, such as `CallEnded`.
    pub name: &'static str,
    /// Every version it was ever written in, the oldest first. The last one is written today.
    pub versions: &'static [u8],
}

/// The last of a list: the version that is written today.
macro_rules! last {
    ($last:tt) => { $last };
    ($older:tt, $($newer:tt),+) => { last!($($newer),+) };
}

/// An event of an older version made one of the last, one version at a time.
macro_rules! upcast {
    ($event:expr; $last:ty) => { $event };
    ($event:expr; $older:ty, $newer:ty $(, $newest:ty)*) => {
        upcast!(<$newer>::from($event); $newer $(, $newest)*)
    };
}

/// Reads a body by its version, through all later ones.
macro_rules! read {
    ($make:path, $form:expr;) => { None };
    ($make:path, $form:expr; $version:literal: $type:ty $(, $newer:literal: $newest:ty)*) => {{
        let (kind, version, body) = $form;
        if version == $version {
            let read = from_bytes::<$type>(kind, version, body);
            Some(read.map(|event| $make(upcast!(event; $type $(, $newest)*).into())))
        } else {
            read!($make, $form; $($newer: $newest),*)
        }
    }};
}

/// Shows a body as its version's frozen struct, for the tests that hold it.
#[cfg(test)]
macro_rules! show {
    ($viewer:expr, $form:expr;) => { None };
    ($viewer:expr, $form:expr; $version:literal: $type:ty $(, $newer:literal: $newest:ty)*) => {{
        let (kind, version, body) = $form;
        if version == $version {
            Some(from_bytes::<$type>(kind, version, body).map(|event| $viewer.see(&event)))
        } else {
            show!($viewer, $form; $($newer: $newest),*)
        }
    }};
}

/// The events of a family. A row is for ever: number, name, and the frozen struct of each version.
/// A new version stands behind the others, and has a `From` of the one before it.
macro_rules! stored {
    ($family:ident: $( $kind:literal => $name:ident { $( $version:literal: $type:ty ),+ } )*) => {
        impl $family {
            /// Every type of this family.
            pub const KINDS: &[Kind] = &[ $( Kind {
                number: $kind,
                name: stringify!($name),
                versions: &[ $($version),+ ],
            }, )* ];

            /// The event's type as the contract names it.
            pub fn name(&self) -> &'static str {
                match self {
                    $( Self::$name(_) => stringify!($name), )*
                }
            }

            /// The stored form, always of the latest version.
            pub fn encode(&self) -> Encoded {
                match self {
                    $( Self::$name(event) => Encoded {
                        kind: $kind,
                        version: last!($($version),+),
                        body: to_bytes::<last!($($type),+)>(event),
                    }, )*
                }
            }

            /// Reads a stored form; `None` when it is of no (kind, version) of this family.
            pub(super) fn decode(
                kind: u16,
                version: u8,
                body: &[u8],
            ) -> Option<Result<Self, DecodeError>> {
                match kind {
                    $( $kind => read!(Self::$name, (kind, version, body); $($version: $type),+), )*
                    _ => None,
                }
            }

            /// Shows a stored form as it was frozen; `None` when it is not of this family.
            #[cfg(test)]
            pub(super) fn show(
                kind: u16,
                version: u8,
                body: &[u8],
                viewer: &mut impl super::frozen::Viewer,
            ) -> Option<Result<(), DecodeError>> {
                match kind {
                    $( $kind => show!(viewer, (kind, version, body); $($version: $type),+), )*
                    _ => None,
                }
            }
        }

        $( impl From<last!($($type),+)> for $family {
            fn from(event: last!($($type),+)) -> Self {
                Self::$name(event.into())
            }
        } )*
    };
}

stored! { CallEvent:
    1 => CallRequested { 1: call::v1::CallRequested }
    2 => CallQueued { 1: call::v1::CallQueued }
    3 => DialStarted { 1: call::v1::DialStarted }
    4 => CallProceeding { 1: call::v1::CallProceeding }
    5 => CallRang { 1: call::v1::CallRang }
    6 => EarlyMediaStarted { 1: call::v1::EarlyMediaStarted }
    7 => TryFailed { 1: call::v1::TryFailed }
    8 => CancelIssued { 1: call::v1::CancelIssued }
    9 => LateAnswerReleased { 1: call::v1::LateAnswerReleased }
    10 => CallAnswered { 1: call::v1::CallAnswered }
    11 => PromptPlayed { 1: call::v1::PromptPlayed }
    12 => DigitPressed { 1: call::v1::DigitPressed }
    13 => CallHeld { 1: call::v1::CallHeld }
    14 => CallResumed { 1: call::v1::CallResumed }
    15 => CallHungUp { 1: call::v1::CallHungUp }
    16 => MediaMeasured { 1: call::v1::MediaMeasured }
    17 => CallEnded { 1: call::v1::CallEnded }
    18 => HangUpConfirmed { 1: call::v1::HangUpConfirmed }
}

stored! { BatchEvent:
    100 => BatchOpened { 1: batch::v1::BatchOpened }
    101 => ItemAdded { 1: batch::v1::ItemAdded }
    102 => BatchLoaded { 1: batch::v1::BatchLoaded }
}

stored! { NodeEvent:
    200 => NodeStarted { 1: node::v1::NodeStarted }
    201 => NodeStopped { 1: node::v1::NodeStopped }
}
