//! What the kernel takes for the same packets, with nobody's program around them.

use anyhow::Result;
use std::net::UdpSocket;

use crate::cpu;

/// CPU seconds to send one datagram of this size over loopback and to receive it again.
///
/// # Errors
/// No socket on loopback.
pub fn datagram(bytes: usize) -> Result<f64> {
    const ROUNDS: u32 = 200_000;
    let (from, to) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    let (target, packet) = (to.local_addr()?, vec![b'x'; bytes]);
    let mut buffer = vec![0; bytes];
    let before = cpu::own();
    for _ in 0..ROUNDS {
        from.send_to(&packet, target)?;
        to.recv_from(&mut buffer)?;
    }
    Ok((cpu::own() - before) / f64::from(ROUNDS))
}
