//! A carrier and callers in virtual time.

use super::{Caller, header};
use sim::exchange::{Exchange, Options, Output, Ports, RtpOrder};
use sip::port::{Peer, Transport};
use std::net::SocketAddr;
use std::time::Duration;

pub struct Numbered(u16);

impl Ports for Numbered {
    fn take(&mut self) -> Option<SocketAddr> {
        self.0 = self.0.wrapping_add(2);
        Some(SocketAddr::new([127, 0, 0, 1].into(), self.0))
    }
}

pub fn options() -> Options {
    Options::new("127.0.0.1:5070".parse().expect("is an address"))
}

pub fn exchange(options: Options) -> Exchange {
    Exchange::new(options, Box::new(Numbered(20_000)))
}

pub fn peer() -> Peer {
    Peer { transport: Transport::Udp, address: "127.0.0.1:4060".parse().expect("is an address") }
}

/// Lets a caller and a carrier talk until neither has anything to do.
pub fn talk(
    exchange: &mut Exchange,
    caller: &mut Caller,
    start: Duration,
    until: Duration,
) -> Duration {
    let mut now = start;
    let mut to_carrier = caller.call(now);
    loop {
        while !to_carrier.is_empty() {
            for message in std::mem::take(&mut to_carrier) {
                exchange.receive(peer(), message.as_bytes(), now);
            }
            take(exchange, caller, now, &mut to_carrier);
        }
        let due = exchange.due().into_iter().chain(caller.due()).min();
        match due {
            Some(due) if due <= until => now = now.max(due),
            _ => return now,
        }
        exchange.wake(now);
        take(exchange, caller, now, &mut to_carrier);
        to_carrier.extend(caller.wake(now));
    }
}

fn take(exchange: &mut Exchange, caller: &mut Caller, now: Duration, back: &mut Vec<String>) {
    for output in exchange.outputs().collect::<Vec<_>>() {
        match output {
            Output::Transmit { bytes, .. } => {
                let text = String::from_utf8(bytes).expect("is text");
                if header(&text, "Call-ID") != caller.call_id {
                    continue;
                }
                back.extend(caller.receive(&text, now));
            }
            Output::Rtp(order) => {
                let said = match order {
                    RtpOrder::Open { audio, .. } => format!("open {:?}", audio.codec),
                    RtpOrder::Aim { audio, .. } => {
                        format!("aim send={} receive={}", audio.send, audio.receive)
                    }
                    RtpOrder::Play { sound, .. } => format!("play {sound:?}"),
                    RtpOrder::Press { digits, .. } => {
                        format!("press {}", String::from_utf8_lossy(&digits))
                    }
                    RtpOrder::Close { .. } => "close".to_owned(),
                };
                caller.note(now, &format!("  rtp {said}"));
            }
        }
    }
}
