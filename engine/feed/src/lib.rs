//! What a node must remember of the topics it reads and writes, without the brokers: which offsets
//! may be committed ([`Offsets`]), and how far a log was told ([`ToldTo`]).
//!
//! Pure. `kafka` moves the bytes and asks here; the simulation asks the same.

mod offsets;
mod told_to;

pub use offsets::Offsets;
pub use told_to::ToldTo;
