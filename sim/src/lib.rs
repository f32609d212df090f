//! The world around the engine: the simulated carrier and its callees.
//!
//! [`grammar`] and [`callee`] say what a callee does, [`exchange`] is the carrier as a value, sans
//! I/O, and [`carrier`] the same one over real sockets.

pub mod callee;
pub mod carrier;
pub mod checkers;
pub mod cluster;
pub mod exchange;
pub mod grammar;
pub mod ledger;
pub mod run;
pub mod seed;
pub mod shrink;
pub mod sound;
pub mod story;
pub mod world;
