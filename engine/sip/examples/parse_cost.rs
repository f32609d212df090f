//! What reading and writing a message costs: nanoseconds and allocations each.
//!
//! `cargo run --release -p sip --example parse_cost`

#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::alloc::System;
use std::hint::black_box;
use std::time::Instant;

use sip::ids::{Owner, branch, owner_of_branch};
use sip::message::{Builder, Method, Name, parse, respond};
use sip::port::{LegId, Transport};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const ROUNDS: u32 = 10_000;
const BATCHES: u32 = 20;

fn main() {
    let sdp = "v=0\r\no=- 3724394400 3724394405 IN IP4 198.51.100.17\r\ns=-\r\nc=IN IP4 198.51.100.17\r\nt=0 0\r\n\
               m=audio 20480 RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
               a=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n";
    let ids = "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKAQAAAAAAAAA7q1w2e3r4t5y6;rport=5060;received=192.0.2.10\r\n\
               Record-Route: <sip:198.51.100.9;lr;ftag=AQAAAAAAAAA7k3j4h5g6>\r\n\
               From: \"Callfold\" <sip:+8613800138000@192.0.2.10>;tag=AQAAAAAAAAA7k3j4h5g6\r\n\
               To: <sip:+8613900139000@198.51.100.9>;tag=as58f4201b-7c2d\r\nCall-ID: k3j4h5g6f7d8s9\r\n";
    let more = "Server: Carrier SBC 9.3.0\r\nAllow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, INFO, UPDATE, PRACK\r\n\
                Supported: replaces, timer, 100rel\r\nContact: <sip:+8613900139000@198.51.100.17:5060;transport=udp>\r\n";
    let ringing =
        format!("SIP/2.0 180 Ringing\r\n{ids}CSeq: 1 INVITE\r\n{more}Content-Length: 0\r\n\r\n");
    let answer = format!(
        "SIP/2.0 200 OK\r\n{ids}CSeq: 1 INVITE\r\n{more}Session-Expires: 1800;refresher=uas\r\nRequire: timer\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    );
    let bye = "BYE sip:AQAAAAAAAAA7@192.0.2.10:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.9:5060;branch=z9hG4bK8f2c.1\r\n\
               Max-Forwards: 69\r\nFrom: <sip:+8613900139000@198.51.100.9>;tag=as58f4201b-7c2d\r\n\
               To: \"Callfold\" <sip:+8613800138000@192.0.2.10>;tag=AQAAAAAAAAA7k3j4h5g6\r\nCall-ID: k3j4h5g6f7d8s9\r\n\
               CSeq: 102 BYE\r\nReason: Q.850;cause=16;text=\"Normal call clearing\"\r\nContent-Length: 0\r\n\r\n";
    for (name, bytes) in
        [("180", ringing.as_bytes()), ("200 with SDP", answer.as_bytes()), ("BYE", bye.as_bytes())]
    {
        measure(&format!("parse {name} ({} bytes)", bytes.len()), || {
            black_box(parse(black_box(bytes)).expect("sound"));
        });
        measure(&format!("parse {name}, and find its leg"), || {
            let message = parse(black_box(bytes)).expect("sound");
            black_box((
                owner_of_branch(message.top_via().branch().unwrap_or("")),
                message.cseq(),
                message.call_id(),
            ));
            black_box((
                message.from_tag(),
                message.to_tag(),
                message.via_count(),
                message.status(),
            ));
        });
    }
    let message = parse(answer.as_bytes()).expect("sound");
    measure("read Contact and Record-Route of the 200", || {
        let _ = black_box(message.contact().map(|contact| contact.sip_uri()));
        black_box(message.headers(Name::RecordRoute).count());
    });
    let message = parse(bye.as_bytes()).expect("sound");
    let source = "198.51.100.9:5060".parse().expect("an address");
    let mut out = Vec::with_capacity(2048);
    measure("answer the BYE with 200", || {
        respond(&mut out, &message, 200, "OK", None, source).finish().expect("sound");
    });
    let owner = Owner { shard: 1, leg: LegId(59) };
    measure("write an INVITE with SDP", || {
        let mut invite =
            Builder::request(&mut out, Method::Invite, "sip:+8613900139000@198.51.100.9");
        invite
            .via(Transport::Udp, "192.0.2.10:5060", &branch(owner, 77))
            .header(Name::MaxForwards, 70);
        let from = [("tag", "AQAAAAAAAAA7k3j4h5g6")];
        invite.address(Name::From, Some("Callfold"), "sip:+8613800138000@192.0.2.10", &from);
        invite.address(Name::To, None, "sip:+8613900139000@198.51.100.9", &[]);
        invite.header(Name::CallId, "k3j4h5g6f7d8s9").cseq(1, Method::Invite);
        invite.address(Name::Contact, None, "sip:AQAAAAAAAAA7@192.0.2.10:5060", &[]);
        invite
            .header(Name::Supported, "100rel, timer")
            .header(Name::Allow, "INVITE, ACK, CANCEL, BYE, OPTIONS");
        invite.finish_with("application/sdp", sdp.as_bytes()).expect("sound");
    });
}

/// Prints the quickest of several batches, for other work on the machine only adds to them.
fn measure(what: &str, mut action: impl FnMut()) {
    action();
    let region = Region::new(ALLOCATOR);
    let batch = || {
        let begin = Instant::now();
        (0..ROUNDS).for_each(|_| action());
        begin.elapsed().as_nanos() / u128::from(ROUNDS)
    };
    let nanoseconds = std::iter::repeat_with(batch).take(BATCHES as usize).min().unwrap_or(0);
    let change = region.change();
    let allocations =
        (change.allocations + change.reallocations) as f64 / f64::from(ROUNDS * BATCHES);
    println!("{nanoseconds:6} ns  {allocations:4.1} allocations  {what}");
}
