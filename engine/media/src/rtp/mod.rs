//! RTP and RTCP as values (RFC 3550, RFC 3551): no socket, no clock, no allocation per packet.
//!
//! [`packet`] reads and writes a packet, [`send`] numbers ours, [`receive`] judges theirs,
//! [`latch`] decides who *they* are, [`rtcp`] tells both sides how it went.

pub mod latch;
pub mod packet;
pub mod receive;
pub mod rtcp;
pub mod send;
