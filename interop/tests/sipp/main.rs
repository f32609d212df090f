//! Our node calls sipp: another stack's opinion of every message we send, in the situations that a
//! carrier makes. `scenarios/` says what sipp does and what it wants to see.

mod answer;
mod audio;
mod begin;
mod cancel;
mod refuse;
mod talk;

use interop::caller::{Caller, call_to};
use interop::sipp::{Scenario, Sipp};
use node::Gateway;
use schemas::commands::PlaceCall;
use sip::port::Transport;

/// A call that rang, was answered, and was hung up by us when it had lasted as long as it may.
const TALKED: &str =
    "DialStarted CallRang CallAnswered CallHungUp CallEnded: completed 200 by us, max_talk";

/// Calls a sipp that behaves by the scenario. sipp must be content with us, the node must be idle
/// afterwards, and this must be what the log tells.
fn check(scenario: &Scenario<'_>, wish: PlaceCall, story: &str) {
    check_with(scenario, |_| {}, wish, story);
}

/// The same with another gateway than sipp as it is.
fn check_with(
    scenario: &Scenario<'_>,
    change: impl FnOnce(&mut Gateway),
    wish: PlaceCall,
    story: &str,
) {
    let sipp = Sipp::start(scenario);
    let mut gateway = sipp.gateway();
    change(&mut gateway);
    let mut caller = Caller::start(vec![gateway]);
    let told = caller.call(wish);
    let messages = sipp.finish();
    assert_eq!(told.to_string(), story, "{}\n{messages}", scenario.name);
    caller.stop();
}

/// By UDP, and by TCP at the same time.
fn check_both(scenario: &Scenario<'_>, wish: &PlaceCall, story: &str) {
    std::thread::scope(|scope| {
        for transport in [Transport::Udp, Transport::Tcp] {
            let scenario = Scenario { transport, ..scenario.clone() };
            scope.spawn(move || check(&scenario, wish.clone(), story));
        }
    });
}

fn anybody() -> PlaceCall {
    call_to("+12125550123")
}
