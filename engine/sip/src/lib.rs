//! A sans-IO SIP user agent core. Knows nothing of calls, sockets, clocks or dice.
//!
//! [`port`] is what goes in and out.

pub mod port;
