//! The world around the engine: the simulated carrier and its callees.

pub mod callee;
pub mod grammar;
pub mod seed;
