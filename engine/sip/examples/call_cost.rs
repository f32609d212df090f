//! What a call costs: microseconds, allocations, and bytes held, over 20 000 calls in memory.
//!
//! `cargo run --release -p sip --example call_cost`
//!
//! The callee is the one of the tests. Only what happens inside the user agent is counted.

#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::alloc::System;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sip::ids::{Owner, dial_ids};
use sip::port::{Dial, GatewayId, LegId, Output, SipHeard, SipOrder};
use sip::{Options, UserAgent};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, Stats, StatsAlloc};

#[allow(dead_code, reason = "the tests need more of it")]
#[path = "../tests/checklist/world/callee.rs"]
mod callee;
#[allow(dead_code, reason = "the tests need more of it")]
#[path = "../tests/checklist/world/script.rs"]
mod script;
#[allow(dead_code, reason = "the tests need more of it")]
#[path = "../tests/checklist/world/text.rs"]
mod text;

use callee::Callee;
use script::{GATEWAY, OFFER, Plan, US, gateway, say};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const CALLS: u64 = 20_000;
/// A call begins every millisecond.
const EVERY: Duration = Duration::from_millis(1);
const RINGS: Duration = Duration::from_millis(500);
const TALKS: Duration = Duration::from_millis(1500);

/// A user agent, and what was spent in it.
struct Counted {
    agent: UserAgent,
    spent: Duration,
    allocations: usize,
    held: isize,
}

impl Counted {
    fn new() -> Self {
        let mut options = Options::new(address(US), vec![gateway()]);
        options.contact = Some(address(US));
        let agent = UserAgent::new(options, [7; 32]);
        Self { agent, spent: Duration::ZERO, allocations: 0, held: 0 }
    }

    fn count<T>(&mut self, act: impl FnOnce(&mut UserAgent) -> T) -> T {
        let region = Region::new(ALLOCATOR);
        let began = Instant::now();
        let result = act(&mut self.agent);
        self.spent += began.elapsed();
        let Stats { allocations, bytes_allocated, bytes_deallocated, reallocations, .. } =
            region.change();
        self.allocations += allocations + reallocations;
        self.held += bytes_allocated as isize - bytes_deallocated as isize;
        result
    }

    /// Gives an order. What the order itself holds becomes the agent's.
    fn order(&mut self, now: Duration, order: SipOrder, holds: usize) {
        self.held += holds as isize;
        self.count(|agent| agent.order(now, order));
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn dial(n: u64) -> (SipOrder, usize) {
    let owner = Owner { shard: 0, leg: LegId(n) };
    let random = u128::from(n) << 64 | u128::from(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let dial = Dial {
        leg: LegId(n),
        gateway: GatewayId(0),
        ids: dial_ids(owner, random),
        to: format!("+86138{n:08}"),
        from: Some("+8621000001".into()),
        offer: OFFER.into(),
    };
    let ids = dial.ids.call_id.len() + dial.ids.from_tag.len() + dial.ids.branch.len();
    let holds = size_of::<Dial>() + ids + dial.to.len() + 11 + dial.offer.len();
    (SipOrder::Dial(Box::new(dial)), holds)
}

/// Plain calls, one a millisecond: INVITE, 100, 180, 200, ACK, BYE, 200.
fn plain_calls() {
    let mut us = Counted::new();
    // A callee for each call: one for all would look through all of them.
    let mut callees: BTreeMap<u64, Callee> = BTreeMap::new();
    let plan = Plan::invite([say(0, 100), say(10, 180), say(RINGS.as_millis() as u64, 200)]);
    let mut orders: BTreeMap<(Duration, u64), SipOrder> = BTreeMap::new();
    let (mut closed, mut began, mut printed) = (0, 0, 0);
    let mut before = (Duration::ZERO, 0);
    let mut now = Duration::ZERO;
    println!("{:>14} {:>10} {:>16} {:>12}", "calls", "us each", "allocations each", "legs held");
    while closed < CALLS {
        if began < CALLS && now >= EVERY * began as u32 {
            let (order, holds) = dial(began);
            callees.insert(began, Callee::new(address(GATEWAY), plan.clone()));
            us.order(now, order, holds);
            began += 1;
        }
        while let Some(entry) = orders.first_entry().filter(|entry| entry.key().0 <= now) {
            us.order(now, entry.remove(), 0);
        }
        us.count(|agent| agent.handle_timeout(now));
        while let Some(output) = us.count(UserAgent::poll_output) {
            match output {
                Output::Transmit { to, bytes } => {
                    let leg = leg_of(&bytes);
                    if let Some(callee) = callees.get_mut(&leg) {
                        callee.receive(now, to.transport, &bytes);
                    }
                    us.held -= bytes.capacity() as isize;
                }
                Output::Heard(SipHeard::Answered { leg, sdp, dialog, .. }) => {
                    let texts = dialog.remote_tag.len() + dialog.target.len();
                    us.held -= (sdp.map_or(0, |sdp| sdp.len()) + texts) as isize;
                    orders.insert((now, leg.0 * 2), SipOrder::Accept(leg));
                    orders.insert((now + TALKS, leg.0 * 2 + 1), SipOrder::Bye(leg, None));
                }
                Output::Heard(SipHeard::Closed { leg }) => {
                    closed += 1;
                    callees.remove(&leg.0);
                }
                Output::Heard(_) | Output::Resolve { .. } => {}
            }
        }
        let first = began.saturating_sub(3000);
        for (_, callee) in callees.range_mut(first..) {
            if callee.next().is_some_and(|at| at <= now) {
                callee.timeout(now);
            }
            while let Some(sent) = callee.out.pop_front() {
                us.count(|agent| agent.receive(now, sent.from, &sent.bytes));
            }
        }
        if closed / 5000 > printed {
            printed = closed / 5000;
            let (spent, allocations) = (us.spent - before.0, us.allocations - before.1);
            println!(
                "{:>14} {:>10.1} {:>16.1} {:>12}",
                format!("{}..{closed}", closed - 5000),
                spent.as_secs_f64() * 1e6 / 5000.0,
                allocations as f64 / 5000.0,
                us.agent.legs(),
            );
            before = (us.spent, us.allocations);
        }
        now += EVERY;
    }
}

/// The leg that a message of ours is of: it stands in the Via branch.
fn leg_of(bytes: &[u8]) -> u64 {
    let message = sip::message::parse(bytes).expect("we write what can be read");
    let tag = if message.is_request() { message.from_tag() } else { message.to_tag() };
    sip::ids::leg_of_tag(tag.unwrap_or("")).map_or(0, |leg| leg.0)
}

/// Bytes held for each of 2000 legs that are at the same point.
fn held(what: &str, steps: impl IntoIterator<Item = script::Step>, accept: bool, hang_up: bool) {
    const LEGS: u64 = 2048;
    let mut us = Counted::new();
    let plan = Plan::invite(steps);
    for n in 0..LEGS {
        let (order, holds) = dial(n);
        let mut callee = Callee::new(address(GATEWAY), plan.clone());
        us.order(Duration::ZERO, order, holds);
        for turn in 0..4 {
            while let Some(output) = us.count(UserAgent::poll_output) {
                match output {
                    Output::Transmit { to, bytes } => {
                        callee.receive(Duration::ZERO, to.transport, &bytes);
                        us.held -= bytes.capacity() as isize;
                    }
                    Output::Heard(SipHeard::Answered { leg, sdp, dialog, .. }) => {
                        let texts = dialog.remote_tag.len() + dialog.target.len();
                        us.held -= (sdp.map_or(0, |sdp| sdp.len()) + texts) as isize;
                        if accept {
                            us.order(Duration::ZERO, SipOrder::Accept(leg), 0);
                        }
                    }
                    Output::Heard(SipHeard::Progress { sdp, .. }) => {
                        us.held -= sdp.map_or(0, |sdp| sdp.len()) as isize;
                    }
                    Output::Heard(SipHeard::Refused { refusal, .. }) => {
                        us.held -= (size_of_val(&*refusal) + refusal.phrase.len()) as isize;
                    }
                    Output::Heard(_) | Output::Resolve { .. } => {}
                }
            }
            while let Some(sent) = callee.out.pop_front() {
                us.count(|agent| agent.receive(Duration::ZERO, sent.from, &sent.bytes));
            }
            if turn == 2 && hang_up {
                us.order(Duration::ZERO, SipOrder::Bye(LegId(n), None), 0);
            }
        }
    }
    println!("{what:<44} {:>6} bytes a leg", us.held / LEGS as isize);
}

fn main() {
    plain_calls();
    println!();
    held("ringing", [say(0, 180)], false, false);
    held("ringing, with early media", [say(0, 183).sdp(script::ANSWER)], false, false);
    held("up", [say(0, 200)], true, false);
    held("refused, lingering for 64*T1", [say(0, 486)], false, false);
    held("hung up by us, lingering", [say(0, 200)], true, true);
}
