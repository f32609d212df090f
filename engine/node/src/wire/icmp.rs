//! ICMP errors of an unconnected UDP socket: a gateway that is not there says so at once instead
//! of after 32 seconds (RFC 3261, 18.4).

use mio::net::UdpSocket;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt,
};
use std::io::{Error, IoSliceMut};
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd;

/// So many errors are read at a time; they come back as long as there are any.
const ERRORS_PER_TURN: usize = 64;

/// Makes the kernel keep ICMP errors for us, and more datagrams than it does by itself.
pub fn prepare(socket: &std::net::UdpSocket, buffer_bytes: usize) -> Result<(), Error> {
    // Limited by the system without an error: then less is kept.
    setsockopt(socket, sockopt::RcvBuf, &buffer_bytes)?;
    setsockopt(socket, sockopt::SndBuf, &buffer_bytes)?;
    match socket.local_addr()? {
        SocketAddr::V4(_) => setsockopt(socket, sockopt::Ipv4RecvErr, &true)?,
        SocketAddr::V6(_) => setsockopt(socket, sockopt::Ipv6RecvErr, &true)?,
    }
    Ok(())
}

/// Whom the waiting errors are about, and what they say.
pub fn errors(socket: &UdpSocket) -> Vec<(SocketAddr, String)> {
    let mut found = Vec::new();
    for _ in 0..ERRORS_PER_TURN {
        let Some(error) = next(socket) else { break };
        found.push(error);
    }
    found
}

fn next(socket: &UdpSocket) -> Option<(SocketAddr, String)> {
    let mut data = [0; 64];
    let mut control = [0; 512];
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    let mut slices = [IoSliceMut::new(&mut data)];
    let message =
        recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut slices, Some(&mut control), flags)
            .ok()?;
    // The name of the message is where the datagram that failed was sent.
    let address = address(message.address?)?;
    let errno = message.cmsgs().ok()?.find_map(|control| match control {
        ControlMessageOwned::Ipv4RecvErr(error, _) => Some(error.ee_errno),
        ControlMessageOwned::Ipv6RecvErr(error, _) => Some(error.ee_errno),
        _ => None,
    })?;
    Some((address, Error::from_raw_os_error(errno as i32).to_string()))
}

fn address(storage: SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = storage.as_sockaddr_in() {
        return Some(SocketAddr::V4(SocketAddrV4::from(*v4)));
    }
    storage.as_sockaddr_in6().map(|v6| SocketAddr::V6(SocketAddrV6::from(*v6)))
}
