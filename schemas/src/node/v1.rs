//! Version 1 of the node's events. Frozen: a change is a new version beside it.

use serde::{Deserialize, Serialize};

/// The node took up its work.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct NodeStarted {
    /// Its name, unique in a cluster and stable over restarts.
    pub name: String,
    /// The version of the program.
    pub version: String,
    /// The address its SIP socket is bound to.
    pub sip: String,
}

/// The node ended its work in order.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct NodeStopped {
    /// How many calls were still open, to be closed at its next start.
    pub open_calls: u32,
}
