//! Many nodes on one log in PostgreSQL, which share the partitions as a group: killed, stopped,
//! drained. Nobody is called twice, no command is lost, each event is told once.

use crate::faults::{check_once, check_told, commands};
use crate::world::World;
use interop::patience::wait_for;
use interop::service::Service;
use nix::sys::signal::Signal;
use sim::seed::Dice;
use store_postgres::cluster::Cluster;

const NODES: [&str; 3] = ["n1", "n2", "n3"];

fn world() -> (World, Cluster) {
    let cluster = Cluster::start().expect("PostgreSQL starts");
    let mut world = World::new();
    world.kafka = "partitions = \"group\"\n".to_owned();
    world.node = "calls_max = 100".to_owned();
    world.store = Some(cluster.url("callfold"));
    std::fs::write(world.folder.path().join("callee.key"), "c").unwrap();
    std::fs::write(world.folder.path().join("master.key"), "a".repeat(64)).unwrap();
    (world, cluster)
}

fn taken(world: &World, node: &Service) -> u64 {
    world.metric(node, "callfold_kafka_commands_total{became=\"taken\"}")
}

/// Commands while nodes are killed at random.
fn killed(count: usize, kills: usize, seed: u64) {
    let (world, _cluster) = world();
    let mut nodes: Vec<Service> = NODES.iter().map(|name| world.start(name)).collect();
    let mut dice = Dice::new(seed);
    let mut published = 0;
    for kill in 0..kills {
        let until = count * (kill + 1) / kills;
        let before = world.carrier.totals().invites;
        world.command(&commands(published, until));
        let more = 1 + dice.below((until - published) as u64 / 2);
        published = until;
        let dials = wait_for(|| (world.carrier.totals().invites >= before + more).then_some(()));
        assert!(dials.is_some(), "nobody dials");
        let which = dice.below(NODES.len() as u64) as usize;
        nodes.remove(which).kill();
        nodes.insert(which, world.start(NODES[which]));
    }
    let events = world.events_of(count);
    check_once(&world, &events, count);
    world.dead(0);
}

#[test]
fn commands_while_nodes_are_killed_have_one_end_each_and_nobody_is_called_twice() {
    killed(900, 6, 3);
}

/// The long one: `./x kafka many`.
#[test]
#[cfg(feature = "many")]
fn ten_thousand_commands_while_nodes_are_killed_twenty_times() {
    killed(10_000, 20, 4);
}

#[test]
fn a_node_that_dies_for_good_leaves_its_work_to_another() {
    let (world, _cluster) = world();
    let first = world.start("n1");
    world.command(&commands(0, 30));
    world.events_of(30);
    let second = world.start("n2");
    first.kill();
    world.command(&commands(30, 60));
    let events = world.events_of(60);
    check_once(&world, &events, 60);
    assert!(taken(&world, &second) > 0);
}

#[test]
fn a_node_that_was_stopped_wakes_up_fenced_and_calls_nobody_again() {
    let (world, _cluster) = world();
    let nodes: Vec<Service> = NODES[..2].iter().map(|name| world.start(name)).collect();
    world.command(&commands(0, 200));
    let some = wait_for(|| (world.carrier.totals().invites >= 40).then_some(()));
    assert!(some.is_some());
    nodes[0].signal(Signal::SIGSTOP);
    // The other one has it all, once the group has missed the first.
    world.command(&commands(200, 260));
    world.events_of(260);
    nodes[0].signal(Signal::SIGCONT);
    world.command(&commands(260, 300));
    let events = world.events_of(300);
    // A refusal that came to a stopped process was not acknowledged in time; what is open is closed.
    let closed = wait_for(|| {
        let ledger = world.carrier.ledger();
        ledger.iter().all(|entry| entry.is_settled() || entry.status >= 300).then_some(())
    });
    assert!(closed.is_some(), "{:?}", world.carrier.ledger());
    check_told(&world, &events, 300);
}

#[test]
fn a_node_that_joins_waits_for_calls_that_are_up_and_none_is_lost() {
    let (mut world, _cluster) = world();
    world.node = "calls_max = 1000".to_owned();
    let first = world.start("n1");
    let mut talks = commands(0, 40);
    for (n, talk) in talks.iter_mut().enumerate() {
        talk["phone"] = format!("+1212{n:02}99911100").into();
        talk["max_talk_s"] = 4.into();
    }
    world.command(&talks);
    let up = wait_for(|| {
        let up = world.carrier.ledger().iter().filter(|entry| entry.acks > 0).count();
        (up == 40).then_some(())
    });
    assert!(up.is_some());
    let second = world.start("n2");
    let events = world.events_of(40);
    check_once(&world, &events, 40);
    assert!(events.outcomes().values().all(|outcome| outcome == "completed"), "{events:?}");
    // Both serve now.
    let shared = wait_for(|| {
        (taken(&world, &second) > 0).then_some(()).or_else(|| {
            let n = 40 + world.carrier.totals().invites as usize;
            world.command(&commands(n, n + 4));
            None
        })
    });
    assert!(shared.is_some());
    drop(first);
}
