//! Each row of the number grammar in virtual time, as the tiny caller saw it: a golden story each.

mod caller;

use caller::{Caller, Script};
use expect_test::expect_file;
use sim::exchange::{Exchange, Options, Output, Ports, RtpOrder};
use sim::grammar;
use sip::port::{Peer, Transport};
use std::net::SocketAddr;
use std::time::Duration;

struct Numbered(u16);

impl Ports for Numbered {
    fn take(&mut self) -> Option<SocketAddr> {
        self.0 += 2;
        Some(SocketAddr::new([127, 0, 0, 1].into(), self.0))
    }
}

fn options() -> Options {
    Options::new("127.0.0.1:5070".parse().expect("is an address"))
}

fn exchange(options: Options) -> Exchange {
    Exchange::new(options, Box::new(Numbered(20_000)))
}

fn peer() -> Peer {
    Peer { transport: Transport::Udp, address: "127.0.0.1:4060".parse().expect("is an address") }
}

/// Lets a caller and a carrier talk until neither has anything to do.
fn talk(
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

/// The story of a call to that number, and its line in the ledger.
fn story(number: &str, script: Script) -> String {
    let mut exchange = exchange(options());
    let until = Duration::from_millis(script.until);
    let mut caller = Caller::new(number, "c1", "UDP 127.0.0.1:4060", script);
    talk(&mut exchange, &mut caller, Duration::ZERO, until);
    let mut text = caller.story.clone();
    for entry in exchange.entries() {
        text.push_str(&format!(
            "        {} {} finals={} answers={} acks={} unacked={} cancels={} pracks={} \
             byes={}/{} open={} by={:?}{}{}\n",
            entry.plan,
            entry.status,
            entry.finals,
            entry.answers,
            entry.acks,
            entry.unacked,
            entry.cancels,
            entry.pracks,
            entry.byes,
            entry.byes_sent,
            entry.open,
            entry.ended_by,
            if entry.misdirected > 0 { " misdirected" } else { "" },
            if entry.is_settled() { "" } else { " NOT SETTLED" },
        ));
    }
    text
}

#[test]
fn every_row_of_the_grammar_does_what_it_says() {
    let mut text = String::new();
    for row in grammar::ROWS {
        let code = match row.codes {
            (300, 399) => 302,
            (400, 699) => 486,
            (code, _) => code,
        };
        let nn = match row.nn {
            grammar::Detail::Unused => 0,
            grammar::Detail::Cause => 17,
            grammar::Detail::Digits => 42,
            grammar::Detail::Times => 1,
            _ => 3,
        };
        let cancels = matches!(code, 0 | 100 | 180 | 184 | 800..=803 | 805 | 806);
        let script = Script {
            cancel_after: cancels.then_some(1_000).filter(|_| code > 0),
            // 260 and 261 go on for a while.
            bye_after: (code != 812).then_some(8_000),
            reinvite_after: matches!(code, 262 | 263).then_some(1_000),
            ..Script::default()
        };
        let number = format!("999{code:03}{nn:02}");
        text.push_str(&format!("{number} {}: {}\n", row.name, row.does));
        text.push_str(&story(&number, script));
        text.push('\n');
    }
    expect_file!["./behaviours.txt"].assert_eq(&text);
}
