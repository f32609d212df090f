//! RTP, codecs, prompts, digits, mixing, and the pump's slot wheel. Knows nothing of calls.
//!
//! [`port`] is what goes in and out.

pub mod port;
