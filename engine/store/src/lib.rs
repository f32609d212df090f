//! The event log: append frames, durable before the acknowledgement, one order for all.
//!
//! - [`api`]: what every store takes and gives; [`Appender`] for a shard, [`Reader`] for views.
//! - [`log`]: the embedded log, synchronous, over a [`file`] layer; [`disk`] is that layer in
//!   memory, with the faults of real disks.
//! - [`writer`]: the thread around it: group commit, one sync for all that wait.
//! - [`subscription`]: following a store, with a [`filter`] if it wants little.
//! - [`memory`]: a store that forgets.
//! - [`transfer`]: moving a history from one store to another.
//! - [`remote`]: what stores on other machines have in common.
//! - [`keys`]: the keys of sealed personal data.
//! - [`folder`]: where all of it stands, and who may write.

pub mod api;
mod bytes;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
pub mod dice;
pub mod disk;
mod error;
pub mod file;
pub mod filter;
pub mod folder;
pub mod keys;
pub mod log;
pub mod memory;
pub mod remote;
pub mod subscription;
pub mod transfer;
pub mod writer;

pub use api::{
    Append, AppendError, Appended, Appender, Batch, Expected, NewEvent, Ownership, Reader, Reply,
    Results, Stored, Verdict,
};
pub use error::StoreError;
pub use filter::{Filter, StreamPrefix};
pub use folder::DataFolder;
pub use log::{Log, LogReader, Options, Recovery, StoreId};
pub use subscription::{Feed, Subscription};
