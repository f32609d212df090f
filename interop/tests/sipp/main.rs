//! Our node calls sipp: another stack's opinion of every message we send, in the situations that a
//! carrier makes.

mod begin;

use interop::caller::{Caller, call_to};
use interop::sipp::{Scenario, Sipp};
use schemas::commands::PlaceCall;

/// Calls a sipp that behaves by the scenario. sipp must be content with us, the node must be idle
/// afterwards, and this must be what the log tells. Gives sipp's messages.
fn check(scenario: &Scenario<'_>, wish: PlaceCall, story: &str) -> String {
    let sipp = Sipp::start(scenario);
    let mut caller = Caller::start(vec![sipp.gateway()]);
    let told = caller.call(wish);
    let messages = sipp.finish();
    assert_eq!(told.to_string(), story, "{}\n{messages}", scenario.name);
    caller.stop();
    messages
}

/// A number that nobody else calls.
fn anybody() -> PlaceCall {
    call_to("+12125550123")
}
