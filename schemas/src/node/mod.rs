//! What happened to a node.

pub mod v1;
pub use v1::{NodeStarted, NodeStopped};

/// What happened to a node.
#[derive(Clone, PartialEq, Debug)]
pub enum NodeEvent {
    /// It took up its work.
    NodeStarted(NodeStarted),
    /// It ended its work in order.
    NodeStopped(NodeStopped),
}
