//! Commands from topics of a real Apache Kafka, events to them: `callfold run` between a producer
//! and a consumer that are not ours, and the simulated carrier.

mod commands;
mod events;
mod faults;
#[cfg(feature = "many")]
mod many;
mod nodes;
mod secure;
mod world;
