//! Runs the pure parts for real: moves bytes, time and files. Translates nothing, decides nothing.
//!
//! - [`engine`]: a node, from its folder to its threads.
//! - [`shard`]: the loop that everything passes through.
//! - [`errands`]: what the loop asks the store without waiting for it.
//! - [`list`]: a list's rows become durable items.
//! - [`wire`]: SIP messages on UDP and TCP. [`dns`]: where a gateway is. [`clock`]: what time it is.
//! - [`store_url`]: where events are kept, and [`history`]: what calls are rebuilt from.

pub mod clock;
pub mod dns;
pub mod engine;
pub mod errands;
pub mod history;
pub mod inbox;
pub mod list;
pub mod shard;
pub mod store_url;
pub mod wire;

pub use engine::{Asker, Gateway, Node, NodeError, NodeOptions, Prepared};
pub use shard::{Gauges, Notice};
pub use store_url::StoreUrl;
