//! A sans-IO SIP user agent core. Knows nothing of calls, sockets, clocks or dice.
//!
//! [`port`] is what goes in and out. [`agent`] is the user agent: drive it as its page says.
//! [`message`] reads and writes what is on the wire.

pub mod agent;
mod answers;
pub mod auth;
mod counters;
mod dialog;
mod dice;
mod gateway;
pub mod ids;
mod leg;
mod legs;
mod line;
pub mod message;
mod options;
mod outside;
pub mod port;
mod probe;
mod register;
mod shared;
mod status;
pub mod stream;
mod timer;
mod transaction;
mod watch;

pub use agent::UserAgent;
pub use counters::Counters;
pub use options::Options;
