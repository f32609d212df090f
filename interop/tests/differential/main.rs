//! The differential run: the same call to three callees, each on a SIP stack of its own: sipp,
//! rsipstack, and our simulated carrier. What we make of it must be the same: the events in order,
//! the outcome, the status, whose word it was. Where it is not, the table says why.

mod cases;
mod rsip_callee;

use cases::{Case, cases};
use interop::callees::quick_carrier;
use interop::caller::{Caller, call_to, gateway};
use interop::sipp::{Scenario, Sipp};
use interop::story::Story;
use node::Gateway;
use rsip_callee::RsipCallee;
use schemas::commands::PlaceCall;
use sip::port::{Credentials, Transport};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Whose stack the callee runs on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Peer {
    /// `sipp`, by a scenario of `scenarios/`.
    Sipp,
    /// The crate of this name.
    Rsipstack,
    /// `sim`, ours.
    Carrier,
}

/// How many cases run at a time: three nodes and their peers each, which wait most of the time.
const AT_A_TIME: usize = 4;

/// Calls a peer as the case says.
fn call(case: &Case, number: &str, mut gateway: Gateway, peer: Peer) -> Story {
    gateway.sip.credentials = Some(password_of(peer));
    let mut caller = Caller::start(vec![gateway]);
    let wish = PlaceCall {
        max_talk_ms: Some(case.max_talk_ms(peer)),
        ring_timeout_ms: case.ring_timeout_ms,
        ..call_to(number)
    };
    let story = caller.call(wish);
    caller.stop();
    story
}

fn password_of(peer: Peer) -> Credentials {
    let (username, password) = match peer {
        Peer::Sipp => ("user", "secret"),
        Peer::Rsipstack => (rsip_callee::USER, rsip_callee::PASSWORD),
        Peer::Carrier => ("callfold", "callfold"),
    };
    Credentials { username: username.into(), password: password.into() }
}

/// sipp must be content with us too.
fn with_sipp(case: &Case) -> Story {
    let (name, keys) = case.sipp;
    let sipp = Sipp::start(&Scenario { keys, ..Scenario::new(name) });
    let story = call(case, "+12125550123", sipp.gateway(), Peer::Sipp);
    sipp.finish();
    story
}

/// What rsipstack tells of its side must be what the case says.
fn with_rsipstack(case: &Case) -> (Story, Vec<String>) {
    let (behaviour, told) = case.rsip;
    let callee = RsipCallee::start(behaviour);
    let gateway = gateway(Transport::Udp, callee.address);
    let story = call(case, "+12125550123", gateway, Peer::Rsipstack);
    (story, callee.tells(told.len()))
}

/// Nobody may owe our carrier anything.
fn with_our_carrier(case: &Case) -> Story {
    let carrier = quick_carrier();
    let gateway = gateway(Transport::Udp, carrier.addr);
    let story = call(case, case.number, gateway, Peer::Carrier);
    let owed = interop::ledger::wait_until_settled(&carrier);
    assert!(owed.is_empty(), "{}: owed to the carrier: {owed:?}", case.name);
    story
}

/// What is wrong about a case, a line each.
fn check(case: &Case) -> Vec<String> {
    let (sipp, rsip, carrier) = std::thread::scope(|scope| {
        let sipp = scope.spawn(|| with_sipp(case));
        let rsip = scope.spawn(|| with_rsipstack(case));
        let carrier = scope.spawn(|| with_our_carrier(case));
        (sipp.join(), rsip.join(), carrier.join())
    });
    let mut wrong = Vec::new();
    let (rsip, tells) = rsip.map_or_else(|why| (Err(why), None), |(s, told)| (Ok(s), Some(told)));
    for (peer, story) in [(Peer::Sipp, sipp), (Peer::Rsipstack, rsip), (Peer::Carrier, carrier)] {
        let expected = case.story_with(peer);
        // Whoever gave up has printed why.
        let told = story.map_or_else(|_| "nothing: it gave up".into(), |story| story.to_string());
        if told != expected {
            wrong.push(format!("{}, {peer:?}\n  says {told}\n  not  {expected}", case.name));
        }
    }
    if let Some(tells) = tells.filter(|tells| *tells != case.rsip.1) {
        wrong.push(format!("{}: rsipstack tells {tells:?}, not {:?}", case.name, case.rsip.1));
    }
    wrong
}

#[test]
fn a_call_is_the_same_to_three_stacks_unless_the_table_says_why_not() {
    let cases = cases();
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = check(case);
                    wrong.lock().expect("nobody panicked").extend(found);
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("nobody panicked");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
