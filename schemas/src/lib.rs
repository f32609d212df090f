//! The contract: what is stored and what is published.
//!
//! Types only. Everything here is read by somebody who is not us, or by us in ten years:
//! ids, the commands that come in, the events that are kept, and the table that gives a
//! SIP status its meaning. A component's own types stay with the component.
//!
//! - [`ids`], [`time`]: the values events are made of.
//! - [`sealed`]: personal data, readable only while its key exists.
//! - [`phone`]: a number as people write it, made the one form that everything else uses.
//! - [`commands`]: what others ask of us.
//! - [`call`], [`batch`], [`node`]: what happened, one frozen struct per (type, version).
//! - [`event`]: all of them as one stored form, written and read by [`event::Event`].
//! - [`public`]: events as others read them, in JSON.
//! - [`documents`]: all of that for programs: JSON Schema and AsyncAPI.
//! - [`outcome`], [`causes`]: what a call came to, and why.

pub mod batch;
pub mod call;
pub mod causes;
pub mod commands;
pub mod documents;
pub mod event;
pub mod ids;
pub mod node;
pub mod outcome;
pub mod phone;
pub mod public;
pub mod sealed;
pub mod time;

pub use event::{Event, Recorded};
pub use ids::{CallId, CalleeKey, CommandId, Position, Revision, StreamId, StreamKind};
pub use outcome::{EndedBy, Outcome};
pub use phone::{Numbering, Phone};
pub use sealed::{Pseudonyms, Sealed, Vault};
pub use time::Timestamp;
