//! What is known of a call beside its state. Cheap to copy, since every decision is made on a
//! copy: the large parts are shared.

use crate::Options;
use schemas::call::{CallHungUp, CallRequested, DialStarted, TryFailed};
use schemas::{Sealed, Timestamp};
use std::sync::Arc;

/// What is known of a call.
#[derive(Clone, PartialEq, Debug)]
pub struct CallFacts {
    /// What was asked for.
    pub requested: Arc<CallRequested>,
    /// When.
    pub requested_at: Timestamp,
    /// The tries so far.
    pub tries: Arc<Vec<TryFact>>,
    /// The last try's INVITE.
    pub dial: Option<Arc<DialStarted>>,
    /// When the network first answered the last try's INVITE.
    pub proceeding_at: Option<Timestamp>,
    /// When the first 18x of the call came. A phone that rang is not rung by another gateway.
    pub ringing_at: Option<Timestamp>,
    /// When the callee answered.
    pub answered_at: Option<Timestamp>,
    /// The 2xx it was answered with.
    pub answered_with: Option<u16>,
    /// The callee's half of the dialog.
    pub dialog: Option<Arc<Sealed>>,
    /// How the last try failed that another was to follow.
    pub last_failure: Option<Arc<TryFailed>>,
    /// Who hung up, and when.
    pub hung_up: Option<Arc<(CallHungUp, Timestamp)>>,
    /// Whether audio came in, once the media was measured.
    pub heard_audio: Option<bool>,
    /// How long things may take.
    pub options: Arc<Options>,
}

/// One try of the call.
#[derive(Clone, PartialEq, Debug)]
pub struct TryFact {
    /// The gateway's name.
    pub gateway: String,
    /// When its `DialStarted` happened.
    pub started_at: Timestamp,
    /// When it ended, and the status it ended with; absent while it is open.
    pub ended: Option<(Timestamp, Option<u16>)>,
}

impl CallFacts {
    /// What is known of a call that was just accepted.
    pub fn new(
        requested: Arc<CallRequested>,
        requested_at: Timestamp,
        options: Arc<Options>,
    ) -> Self {
        Self {
            requested,
            requested_at,
            tries: Arc::default(),
            dial: None,
            proceeding_at: None,
            ringing_at: None,
            answered_at: None,
            answered_with: None,
            dialog: None,
            last_failure: None,
            hung_up: None,
            heard_audio: None,
            options,
        }
    }

    /// Whether anything was dialled.
    pub fn dialled(&self) -> bool {
        !self.tries.is_empty()
    }

    /// Whether the phone rang.
    pub fn rang(&self) -> bool {
        self.ringing_at.is_some()
    }

    /// Whether audio is played or kept: else the call only needs an address for its SDP.
    pub fn wants_audio(&self) -> bool {
        self.requested.prompt.is_some() || self.requested.record
    }

    /// The gateway of the last try.
    pub fn gateway(&self) -> Option<&str> {
        self.tries.last().map(|t| t.gateway.as_str())
    }
}
