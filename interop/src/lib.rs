//! Our node against peers we did not write. For development only: nothing here is shipped.
//!
//! - [`callees`]: who is called, and the simulated carrier that answers for them.
//! - [`caller`]: a node with its own folder and ports, that places calls and waits for their ends.
//! - [`story`]: what the log tells of a call, in a line that a test can hold against another.
//! - [`sipp`]: sipp as the callee, by a scenario of `scenarios/`.
//! - [`line`]: a bad network between a node and a peer, on a seed.
//! - [`cost`]: what this process costs.
//! - [`kafka`]: real brokers, and a client for them that is not ours.
//! - [`ledger`]: what the simulated carrier saw, and what nobody may owe it.
//! - [`patience`]: how long a test waits for what has to come.
//! - [`service`]: `callfold run` as a process, and whoever asks it over HTTP.

pub mod callees;
pub mod caller;
pub mod cost;
pub mod kafka;
pub mod ledger;
pub mod line;
pub mod patience;
pub mod service;
pub mod sipp;
pub mod story;
