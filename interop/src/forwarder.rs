//! A line between two programs that can be cut: what goes through it goes nowhere then, and neither
//! side is told.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::Duration;

/// How often a cut line is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Listens on loopback, and brings what comes to another port there.
pub struct Forwarder {
    /// Where it listens.
    pub port: u16,
    to: Arc<AtomicU16>,
    is_cut: Arc<AtomicBool>,
}

impl Forwarder {
    /// Listens.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let (to, is_cut) = (Arc::new(AtomicU16::new(0)), Arc::new(AtomicBool::new(false)));
        let forwarder = Self { port, to: to.clone(), is_cut: is_cut.clone() };
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let far = TcpStream::connect(("127.0.0.1", to.load(Ordering::Acquire)));
                let Ok(far) = far else { continue };
                for (mut from, mut to) in [(&near, &far), (&far, &near)]
                    .map(|(from, to)| (from.try_clone().unwrap(), to.try_clone().unwrap()))
                {
                    let is_cut = is_cut.clone();
                    std::thread::spawn(move || carry(&mut from, &mut to, &is_cut));
                }
            }
        });
        forwarder
    }

    /// Where it leads from now on.
    pub fn lead_to(&self, port: u16) {
        self.to.store(port, Ordering::Release);
    }

    /// Cuts the line.
    pub fn cut(&self) {
        self.is_cut.store(true, Ordering::Release);
    }

    /// Mends it: what was sent meanwhile arrives.
    pub fn mend(&self) {
        self.is_cut.store(false, Ordering::Release);
    }
}

fn carry(from: &mut TcpStream, to: &mut TcpStream, is_cut: &AtomicBool) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        while is_cut.load(Ordering::Acquire) {
            std::thread::sleep(LOOK_EVERY);
        }
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}
