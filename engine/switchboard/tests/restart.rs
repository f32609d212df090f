//! What a process that starts again makes of what it left.

mod world;

use routing::GatewayOptions;
use schemas::CallId;
use schemas::call::CallEvent;
use schemas::commands::PlaceCall;
use sip::port::{RefusalSource, SipOrder};
use std::time::Duration;
use switchboard::Input;
use world::{World, batch_options, command, gateway};

/// A new process on what became durable.
fn restart(old: World) -> World {
    let mut world = World::on(world::options(), vec![gateway("a"), gateway("b")], old.log.clone());
    restart_on(&mut world, old);
    world
}

fn restart_on(world: &mut World, old: World) {
    world.now.utc = old.now.utc.after(Duration::from_secs(3));
    for event in old.log.events {
        world.board.replay(event).expect("our own events can be followed");
    }
    world.board.start(world.now);
    world.settle();
}

fn outcome_of(world: &World, call: CallId) -> Option<schemas::Outcome> {
    world.log.events.iter().rev().find_map(|e| match &e.event {
        CallEvent::CallEnded(ended) if e.stream.as_call() == Some(call) => Some(ended.outcome),
        _ => None,
    })
}

#[test]
fn what_was_dialled_is_closed_on_the_wire_and_never_dialled_again() {
    let mut old = World::new(vec![gateway("a")]);
    let ringing = old.place(command("c1", "+1"));
    let leg = old.last_leg();
    old.rings(leg);
    let talking = old.place(command("c2", "+2"));
    let leg = old.last_leg();
    old.answers(leg);

    let world = restart(old);
    assert_eq!(outcome_of(&world, ringing), Some(schemas::Outcome::OutcomeUnknown));
    assert_eq!(outcome_of(&world, talking), Some(schemas::Outcome::OutcomeUnknown));
    assert!(world.dials().is_empty());
    let orphans: Vec<_> = world
        .sip
        .iter()
        .map(|order| match order {
            SipOrder::CloseOrphan(orphan) => (orphan.to.as_str(), orphan.answered.is_some()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(orphans, [("+1", false), ("+2", true)]);
    assert!(world.board.is_idle());
}

// The process that closed it may have been killed before its CANCEL or BYE had arrived.
#[test]
fn a_second_restart_soon_after_closes_the_same_again_and_records_nothing() {
    let mut old = World::new(vec![gateway("a")]);
    old.place(command("c1", "+1"));
    let first = restart(old);
    let ids = |world: &World| match &world.sip[..] {
        [SipOrder::CloseOrphan(orphan)] => orphan.ids.clone(),
        other => panic!("{other:?}"),
    };
    let closed = ids(&first);
    let again = restart(first);
    assert_eq!(ids(&again), closed);
    assert!(again.board.is_idle());
    assert_eq!(again.log.count("CallEnded"), 1);
}

#[test]
fn a_restart_64_t1_later_finds_nothing_left_to_do() {
    let mut old = World::new(vec![gateway("a")]);
    old.place(command("c1", "+1"));
    let mut first = restart(old);
    first.live(Duration::from_secs(30));
    let again = restart(first);
    assert!(again.sip.is_empty() && again.board.is_idle());
    assert_eq!(again.log.count("CallEnded"), 1);
}

#[test]
fn a_call_that_was_accepted_and_never_dialled_is_dialled_now() {
    let full = GatewayOptions { max_concurrent: 0, ..gateway("a") };
    let mut old = World::new(vec![full]);
    let call = old.place(command("c1", "+1"));
    assert!(old.dials().is_empty());
    let world = restart(old);
    assert_eq!(world.dials().len(), 1);
    assert_eq!(world.log.names_of(call), ["CallRequested", "CallQueued", "DialStarted"]);
}

// A crash between the append and its acknowledgement.
#[test]
fn an_invite_whose_event_was_durable_but_never_left_is_not_sent_after_the_restart() {
    let mut old = World::new(vec![gateway("a")]);
    let call = old.place(command("c1", "+1"));
    old.sip.clear();
    let world = restart(old);
    assert!(world.dials().is_empty());
    assert_eq!(outcome_of(&world, call), Some(schemas::Outcome::OutcomeUnknown));
}

#[test]
fn the_rest_of_a_batch_is_dialled_after_a_restart_and_nobody_twice() {
    let mut old = World::new(vec![gateway("a")]);
    old.run_batch(campaign::BatchOptions { concurrency: 4, ..batch_options() }, 10);
    let leg = old.last_leg();
    old.refuses(leg, RefusalSource::Network(486));
    assert_eq!(old.dials().len(), 5);

    let mut world = restart(old);
    world.run_batch(batch_options(), 10);
    world.live(Duration::from_secs(1));
    assert_eq!(world.dials().len(), 5, "the five that were never dialled");
    for leg in world.dials().iter().map(|dial| dial.leg).collect::<Vec<_>>() {
        world.refuses(leg, RefusalSource::Network(486));
    }
    assert!(world.board.is_idle());
    assert_eq!(world.log.count("DialStarted"), 10);
    assert_eq!(world.log.count("CallEnded"), 10);
}

// Found by the simulation: what a list had waiting took no lane of it after a restart.
#[test]
fn a_lists_call_that_waited_at_the_crash_takes_a_lane_of_its_list() {
    let few = campaign::BatchOptions { concurrency: 1, ..batch_options() };
    let mut old = World::new(vec![GatewayOptions { max_concurrent: 1, ..gateway("a") }]);
    old.place(command("c1", "+1"));
    old.run_batch(few.clone(), 4);
    assert_eq!(old.dials().len(), 1, "the list's first call waits for the gateway");

    let mut world = World::on(world::options(), vec![gateway("a")], old.log.clone());
    world.begin_batch(few, 4);
    restart_on(&mut world, old);
    world.live(Duration::from_secs(1));
    assert_eq!(world.dials().len(), 1, "one at once");
}

#[test]
fn a_promised_redial_survives_and_is_made_once() {
    let mut old = World::new(vec![gateway("a")]);
    let command =
        PlaceCall { max_attempts: Some(3), redial_after_ms: Some(60_000), ..command("c1", "+1") };
    old.place(command);
    let leg = old.last_leg();
    old.refuses(leg, RefusalSource::Network(486));

    let mut world = restart(old);
    assert_eq!(world.board.redials().0, 1);
    world.live(Duration::from_secs(61));
    assert_eq!(world.dials().len(), 1);

    // It was made: the next restart does not make it again, and its end is unknown.
    let mut world = restart(world);
    assert_eq!(world.board.redials().0, 0);
    world.live(Duration::from_secs(120));
    assert!(world.dials().is_empty());
    assert_eq!(world.log.count("CallRequested"), 2);
}

#[test]
fn the_deadline_of_a_waiting_call_is_the_one_that_was() {
    let full = || GatewayOptions { max_concurrent: 0, ..gateway("a") };
    let mut old = World::new(vec![full()]);
    let deadline = Some(schemas::Timestamp(world::START.0 + 10_000));
    let call = old.place(PlaceCall { deadline, ..command("c1", "+1") });
    old.live(Duration::from_secs(6));

    let mut world = World::on(world::options(), vec![full()], old.log.clone());
    world.now.utc = old.now.utc;
    for event in old.log.events {
        world.board.replay(event).unwrap();
    }
    world.board.start(world.now);
    world.live(Duration::from_secs(3));
    assert_eq!(outcome_of(&world, call), None);
    world.live(Duration::from_secs(2));
    assert_eq!(outcome_of(&world, call), Some(schemas::Outcome::Suppressed));
}

#[test]
fn an_event_that_cannot_follow_stops_its_call_and_no_other() {
    let mut old = World::new(vec![gateway("a")]);
    old.place(command("c1", "+1"));
    old.place(command("c2", "+2"));
    let mut world = World::new(vec![gateway("a")]);
    let mut damaged = old.log.events.clone();
    damaged.insert(1, damaged[0].clone());
    // The first call's request stands there twice: a stream begins once.
    damaged[1].event = schemas::call::CallResumed {}.into();
    let faults = damaged.into_iter().filter(|e| world.board.replay(e.clone()).is_err()).count();
    assert_eq!(faults, 1);
    assert_eq!(world.board.start(world.now), 1);
    world.hear(Input::Tick);
}

#[test]
fn a_call_that_holds_what_nobody_understands_is_neither_ended_nor_dialled_again() {
    let mut old = World::new(vec![gateway("a")]);
    let left = old.place(command("c1", "+1"));
    let other = old.place(command("c2", "+2"));
    let mut world = World::on(world::options(), vec![gateway("a")], old.log.clone());
    for event in old.log.events {
        world.board.replay(event).unwrap();
    }
    assert!(world.board.leave(left) && !world.board.leave(left));
    assert_eq!(world.board.start(world.now), 1);
    world.live(Duration::from_secs(120));
    assert_eq!(outcome_of(&world, left), None);
    assert!(outcome_of(&world, other).is_some());
}
