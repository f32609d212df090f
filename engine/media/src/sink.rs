//! The sink: an address for calls that have no media of their own.
//!
//! A call without a prompt still needs an address in its SDP, and gets RTP there. All such calls of
//! a node share one pair of ports that hears nothing: the kernel drops each packet before any
//! thread would wake for it.

use std::net::SocketAddr;

use crate::ports::{PortFault, PortOptions, PortPair, Ports, deafen};

/// A bound pair of ports that drops everything. It is closed when this is dropped.
#[derive(Debug)]
pub struct Sink {
    pair: PortPair,
}

impl Sink {
    /// Binds a pair. `options` as for calls; nothing rests here.
    pub fn bind(options: PortOptions) -> Result<Self, PortFault> {
        let pair = Ports::new(options).take(0)?;
        deafen(&pair.rtp);
        deafen(&pair.rtcp);
        Ok(Self { pair })
    }

    /// The address for the SDP of every call without media.
    pub fn local(&self) -> SocketAddr {
        self.pair.local
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn what_is_sent_to_the_sink_wakes_no_one() {
        let sink = Sink::bind(PortOptions::default()).expect("a free pair");
        let mouth = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        for _ in 0..1_000 {
            mouth.send_to(&[0x80; 172], sink.local()).expect("sent");
        }
        let heard = sink.pair.rtp.recv(&mut [0; 200]);
        assert_eq!(heard.expect_err("nothing is queued").kind(), ErrorKind::WouldBlock);
    }
}
