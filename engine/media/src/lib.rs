//! RTP, codecs, prompts, digits, mixing, and the pump's slot wheel. Knows nothing of calls.
//!
//! [`port`] is what goes in and out.

pub mod clip;
pub mod codec;
pub mod dtmf;
pub mod jitter;
pub mod port;
pub mod ports;
pub mod prompt;
pub mod pump;
pub mod record;
pub mod rtp;
pub mod sdp;
#[cfg(test)]
mod seeded;
pub mod sink;
pub mod stream;
pub mod tones;
pub mod wheel;
