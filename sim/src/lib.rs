//! The world around the engine: the simulated carrier and its callees.

pub mod callee;
pub mod exchange;
pub mod grammar;
pub mod ledger;
pub mod seed;
