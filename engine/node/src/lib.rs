//! Runs the pure parts for real: moves bytes, time and files. Translates nothing, decides nothing.
//!
//! - [`clock`]: what time it is.
//! - [`dns`]: where a gateway is.
//! - [`wire`]: SIP messages on UDP and TCP.

pub mod clock;
pub mod dns;
pub mod wire;
