//! Nodes on one log in PostgreSQL, killed again and again: `./x kafka many`.

use crate::faults::{check_told, commands};
use crate::nodes::{NODES, world};
use crate::world::Events;
use interop::ledger::wait_until_settled_or_left;
use interop::patience::wait_for;
use interop::service::Service;
use sim::seed::Dice;
use std::io::Write;
use std::time::Instant;

/// Commands while nodes are killed at random, and started again.
fn killed(count: usize, kills: usize, seed: u64) {
    let (world, _cluster) = world();
    let mut nodes: Vec<Service> = NODES.iter().map(|name| world.start(name)).collect();
    let mut dice = Dice::new(seed);
    let (mut published, began) = (0, Instant::now());
    for kill in 0..kills {
        let until = count * (kill + 1) / kills;
        let before = world.carrier.totals().invites;
        world.command(&commands(published, until));
        let more = 1 + dice.below((until - published) as u64 / 2);
        published = until;
        let dials = wait_for(|| (world.carrier.totals().invites >= before + more).then_some(()));
        assert!(dials.is_some(), "nobody dials");
        let which = dice.below(NODES.len() as u64) as usize;
        tell(began, &format!("{} killed", NODES[which]));
        nodes.remove(which).kill();
        nodes.insert(which, world.start(NODES[which]));
    }
    let events = world.events_of(count);
    tell(began, &format!("{} events", events.0.len()));
    check_told(&world, &events, count);
    tell(began, &format!("the longest silences of the topic, in ms: {:?}", gaps(&events)));
    let owed = wait_until_settled_or_left(&world.carrier);
    assert!(owed.is_empty(), "owed to the carrier: {owed:?}");
    world.dead(0);
}

/// For who watches the run.
fn tell(began: Instant, what: &str) {
    let seconds = began.elapsed().as_secs_f64();
    let _ = writeln!(std::io::stderr(), "{seconds:>5.1} s: {what}");
}

/// How long nothing was told, the longest five: when, and for how long, in milliseconds.
fn gaps(events: &Events) -> Vec<(i64, i64)> {
    let mut times: Vec<i64> = events.0.iter().map(|event| event.timestamp).collect();
    times.sort_unstable();
    let first = times.first().copied().unwrap_or(0);
    let mut gaps: Vec<_> = times.windows(2).map(|two| (two[0] - first, two[1] - two[0])).collect();
    gaps.sort_by_key(|(_, long)| -long);
    gaps.truncate(5);
    gaps
}

#[test]
fn commands_while_nodes_are_killed_have_one_end_each_and_nobody_is_called_twice() {
    killed(900, 6, 3);
}

#[test]
fn ten_thousand_commands_while_nodes_are_killed_twenty_times() {
    killed(10_000, 20, 4);
}
