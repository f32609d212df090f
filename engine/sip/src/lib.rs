//! A sans-IO SIP user agent core. Knows nothing of calls, sockets, clocks or dice.
//!
//! [`port`] is what goes in and out. [`message`] reads and writes what is on the wire.

pub mod auth;
pub mod ids;
pub mod message;
pub mod port;
pub mod stream;
