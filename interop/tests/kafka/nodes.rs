//! Many nodes on one log in PostgreSQL, which share the partitions as a group: killed, stopped,
//! drained. Nobody is called twice, no command is lost, each event is told once.

use crate::faults::{check_once, check_told, commands};
use crate::world::{PROGRAM, World, place, place_to};
use interop::forwarder::Forwarder;
use interop::kafka::Brokers;
use interop::patience::wait_for;
use interop::service::Service;
use nix::sys::signal::Signal;
use sim::ledger::Entry;
use std::sync::Arc;
use store_postgres::cluster::Cluster;

pub const NODES: [&str; 3] = ["n1", "n2", "n3"];

/// Brokers, a carrier, and PostgreSQL as the common log.
pub fn world() -> (World, Cluster) {
    let mut world = World::new();
    let cluster = shared_log(&mut world);
    (world, cluster)
}

/// Gives a world PostgreSQL as its common log, and its nodes a group.
pub fn shared_log(world: &mut World) -> Cluster {
    let cluster = Cluster::start().expect("PostgreSQL starts");
    world.kafka = "partitions = \"group\"\n".to_owned();
    world.node = "calls_max = 100".to_owned();
    world.store = Some(cluster.url("callfold"));
    std::fs::write(world.folder.path().join("callee.key"), "c").unwrap();
    std::fs::write(world.folder.path().join("master.key"), "a".repeat(64)).unwrap();
    cluster
}

fn taken(world: &World, node: &Service) -> u64 {
    world.metric(node, "callfold_kafka_commands_total{became=\"taken\"}")
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
    // What came to a stopped process was not acknowledged in time, and the other one does not know
    // of it: such a callee hung up by itself. Nothing is left open.
    let closed = wait_for(|| {
        let ended = |entry: &Entry| entry.is_settled() || entry.ended_ms > 0 && entry.open == 0;
        world.carrier.ledger().iter().all(|entry| ended(entry) || entry.status >= 300).then_some(())
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

#[test]
fn a_node_that_drains_hands_its_partitions_on_one_by_one_and_cuts_no_call() {
    let (mut world, _cluster) = world();
    world.node = "calls_max = 1000".to_owned();
    let mut first = world.start("n1");
    let mut talk = place_to("talk", "+121299999911100");
    talk["max_talk_s"] = 20.into();
    world.command(&[talk]);
    let up = wait_for(|| world.carrier.ledger().iter().any(|entry| entry.acks > 0).then_some(()));
    assert!(up.is_some());
    first.signal(Signal::SIGTERM);
    let second = world.start("n2");
    let others: Vec<_> = (0..24).map(|n| place(&format!("c{n}"), n)).collect();
    world.command(&others);
    // Of eight partitions one stands still.
    let goes_on = wait_for(|| (taken(&world, &second) >= 12).then_some(()));
    assert!(goes_on.is_some() && !first.has_ended(), "the others waited for the call");
    assert!(first.wait().success());
    let events = world.events_of(25);
    check_once(&world, &events, 25);
    assert_eq!(events.outcomes()["talk"], "completed", "it was cut");
}

#[test]
fn a_node_that_is_cut_off_from_the_brokers_is_followed_by_another_and_serves_again() {
    let line = Forwarder::start();
    let mut world = World::on(Arc::new(Brokers::start_behind(&line)));
    let _cluster = shared_log(&mut world);
    let behind = format!("127.0.0.1:{}", line.port);
    let config = world.config("n1").replace(&world.brokers.addresses(), &behind);
    let mut first = Service::start(PROGRAM, world.folder.path(), &config);
    world.command(&commands(0, 20));
    let dials = wait_for(|| (world.carrier.totals().invites >= 10).then_some(()));
    assert!(dials.is_some());
    line.cut();
    let second = world.start("n2");
    world.command(&commands(20, 60));
    world.events_of(60);
    assert!(taken(&world, &second) > 0);
    line.mend();
    let (before, mut count) = (taken(&world, &first), 60);
    let serves = wait_for(|| {
        (taken(&world, &first) > before).then_some(()).or_else(|| {
            world.command(&commands(count, count + 4));
            count += 4;
            None
        })
    });
    assert!(serves.is_some() && !first.has_ended());
    let events = world.events_of(count);
    check_told(&world, &events, count);
}
