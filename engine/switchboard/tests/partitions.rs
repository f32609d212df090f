//! Partitions of the work: taken over, drained, left, lost.

mod world;

use schemas::commands::{EndCall, PlaceCall};
use schemas::{CallId, CommandId, Outcome, StreamId};
use sip::port::{RefusalSource, SipHeard, SipOrder};
use std::time::Duration;
use switchboard::{Answer, GiveUp, Input, PartitionNews, Past, TakenOver, Ticket};
use world::{World, command, gateway};

const P: u32 = 7;

fn node() -> World {
    World::new(vec![gateway("a")])
}

/// The store gives the partition to this node, with what stands in its log.
fn take_over(world: &mut World) {
    let epoch = world.log.owners.get(&P).copied().unwrap_or_default() + 1;
    world.log.owners.insert(P, epoch);
    let of_partition = |stream: &StreamId| world.log.work.get(stream) == Some(&P);
    let past = world.log.events.iter().filter(|event| of_partition(&event.stream));
    let past = past.cloned().map(Past::Event).collect();
    world.hear(Input::TakenOver(Box::new(TakenOver { partition: P, epoch, past })));
}

/// A node that owns the partition.
fn owner() -> World {
    let mut world = node();
    world.hear(Input::Take(P));
    take_over(&mut world);
    assert_eq!(world.news.pop(), Some((P, PartitionNews::Owned { open: 0 })));
    world
}

/// The next owner, while the one before may still be there.
fn successor(before: &World) -> World {
    let mut world = World::on(world::options(), vec![gateway("a")], before.log.clone());
    world.now = before.now;
    world.hear(Input::Take(P));
    take_over(&mut world);
    world
}

fn place(world: &mut World, ticket: u64, command: PlaceCall) -> CallId {
    let call = CallId::of_command(&command.command_id);
    let input = Input::Place(Ticket(ticket), Box::new(command));
    world.hear(Input::Of(P, Box::new(input)));
    call
}

fn last_event(world: &World, call: CallId) -> &'static str {
    world.log.names_of(call).last().copied().unwrap_or("nothing")
}

fn outcome(world: &World, call: CallId) -> Option<Outcome> {
    let stream = StreamId::call(call);
    world.log.events.iter().filter(|event| event.stream == stream).find_map(|event| {
        match &event.event {
            schemas::call::CallEvent::CallEnded(ended) => Some(ended.outcome),
            _ => None,
        }
    })
}

#[test]
fn commands_wait_until_their_partition_is_there_and_are_refused_without_it() {
    let mut world = node();
    let nobodys = place(&mut world, 1, command("c0", "+1"));
    assert_eq!(world.answers, [(Ticket(1), Answer::NotOurs)]);
    world.hear(Input::Take(P));
    assert_eq!(world.wanted, [P]);
    let call = place(&mut world, 2, command("c1", "+1"));
    assert_eq!((world.answers.len(), world.board.is_idle()), (1, false));
    take_over(&mut world);
    assert_eq!(world.answers[1], (Ticket(2), Answer::Accepted(call)));
    assert_eq!(world.log.names_of(nobodys), Vec::<&str>::new());
    assert_eq!((world.dials().len(), world.log.work[&StreamId::call(call)]), (1, P));
}

#[test]
fn whatever_is_asked_of_a_partition_that_is_not_ours_is_answered() {
    let mut world = node();
    let (wish, by) = (command("c1", "+1"), CommandId::new("x").unwrap());
    let input = Input::PlaceCancelled(Ticket(1), Box::new(wish), by);
    world.hear(Input::Of(P, Box::new(input)));
    assert_eq!(world.answers, [(Ticket(1), Answer::NotOurs)]);
    assert!(world.log.events.is_empty());
}

#[test]
fn a_partition_that_cannot_be_had_refuses_what_waited_for_it() {
    for given_up in [false, true] {
        let mut world = node();
        world.hear(Input::Take(P));
        place(&mut world, 1, command("c1", "+1"));
        if given_up {
            world.hear(Input::GiveUp(P, GiveUp::Drain));
            assert_eq!(world.news, [], "not before the store is done with it");
        }
        world.hear(Input::NotTaken(P, "away".to_owned()));
        let failed = PartitionNews::Failed("away".to_owned());
        let news = if given_up { PartitionNews::GivenUp } else { failed };
        assert_eq!(world.news, [(P, news)]);
        assert_eq!(world.answers, [(Ticket(1), Answer::NotOurs)]);
        assert!(world.board.is_idle());
    }
}

#[test]
fn one_that_comes_when_nobody_wants_it_any_more_is_given_up_at_once() {
    let mut world = node();
    world.hear(Input::Take(P));
    world.hear(Input::GiveUp(P, GiveUp::Drain));
    take_over(&mut world);
    assert_eq!(world.news, [(P, PartitionNews::GivenUp)]);
    place(&mut world, 1, command("c1", "+1"));
    assert_eq!(world.answers, [(Ticket(1), Answer::NotOurs)]);
}

#[test]
fn the_next_owner_ends_what_was_up_as_unknown_and_dials_what_was_not() {
    let mut dead = owner();
    let up = place(&mut dead, 1, command("up", "+1"));
    let leg = dead.last_leg();
    dead.answers(leg);
    let later = Some(dead.now.utc.after(Duration::from_secs(5)));
    let waits = place(&mut dead, 2, PlaceCall { not_before: later, ..command("waits", "+2") });
    let mut next = successor(&dead);
    assert_eq!(next.news, [(P, PartitionNews::Owned { open: 2 })]);
    assert_eq!(outcome(&next, up), Some(Outcome::OutcomeUnknown));
    assert!(next.sip.iter().any(|order| matches!(order, SipOrder::CloseOrphan(_))));
    assert!(next.dials().is_empty());
    next.live(Duration::from_secs(6));
    assert_eq!((next.dials().len(), last_event(&next, waits)), (1, "DialStarted"));
    assert_eq!(next.log.work[&StreamId::call(waits)], P, "it stays in its partition");
}

#[test]
fn an_owner_that_wakes_up_late_loses_its_partition_with_its_first_append() {
    let mut asleep = owner();
    let [talks, rings] = [("talks", "+1"), ("rings", "+2")]
        .map(|(id, phone)| place(&mut asleep, 1, command(id, phone)));
    let legs: Vec<_> = asleep.dials().iter().map(|dial| dial.leg).collect();
    asleep.answers(legs[0]);
    let own = asleep.place(command("own", "+3"));
    let own_leg = asleep.last_leg();
    let next = successor(&asleep);
    assert_eq!(outcome(&next, talks), Some(Outcome::OutcomeUnknown));
    asleep.log = next.log;
    asleep.answers.clear();
    asleep.sip.clear();
    // The phone that rang there is answered now.
    asleep.answers(legs[1]);
    assert!(!asleep.sip.contains(&SipOrder::Accept(legs[1])));
    assert_eq!(asleep.news.last(), Some(&(P, PartitionNews::Lost { epoch: 2 })));
    for leg in &legs {
        let byes = |order: &&SipOrder| matches!(order, SipOrder::Bye(of, _) if of == leg);
        assert_eq!(asleep.sip.iter().filter(byes).count(), 1, "what is up is hung up");
    }
    let before = asleep.log.events.len();
    place(&mut asleep, 9, command("late", "+4"));
    assert_eq!(asleep.answers, [(Ticket(9), Answer::NotOurs)]);
    // What is its own goes on.
    asleep.answers(own_leg);
    assert_eq!((asleep.board.live(), last_event(&asleep, own)), (1, "CallAnswered"));
    assert_eq!(asleep.log.events.len(), before + 1);
    assert_eq!(outcome(&asleep, rings), Some(Outcome::OutcomeUnknown));
}

#[test]
fn who_is_told_that_another_node_owns_its_partition_gives_it_up_without_an_append() {
    let mut world = owner();
    place(&mut world, 1, command("c1", "+1"));
    let leg = world.last_leg();
    world.hear(Input::Lost(P, 1));
    assert_eq!(world.board.live(), 1, "that is our own epoch");
    world.hear(Input::Lost(P, 2));
    assert_eq!(world.news.last(), Some(&(P, PartitionNews::Lost { epoch: 2 })));
    assert!(world.board.live() == 0 && world.sip.contains(&SipOrder::Cancel(leg, None)));
}

#[test]
fn a_drain_keeps_what_is_up_and_leaves_the_rest_to_the_next_owner() {
    let mut world = owner();
    let talks = place(&mut world, 1, command("talks", "+1"));
    let leg = world.last_leg();
    world.answers(leg);
    let later = Some(world.now.utc.after(Duration::from_secs(5)));
    let waits = place(&mut world, 2, PlaceCall { not_before: later, ..command("waits", "+2") });
    world.hear(Input::GiveUp(P, GiveUp::Drain));
    place(&mut world, 3, command("late", "+3"));
    assert_eq!(world.answers.last(), Some(&(Ticket(3), Answer::NotOurs)));
    world.live(Duration::from_secs(4));
    assert_eq!((world.news.len(), world.board.live()), (0, 2));
    let end = EndCall {
        command_id: CommandId::new("end").unwrap(),
        call: talks,
        of: None,
        only_unanswered: false,
    };
    world.hear(Input::Of(P, Box::new(Input::End(Ticket(4), end))));
    world.hear(Input::Sip(SipHeard::Closed { leg }));
    assert_eq!(world.answers.last(), Some(&(Ticket(4), Answer::Accepted(talks))));
    assert_eq!(outcome(&world, talks), Some(Outcome::Completed));
    assert_eq!(world.news, [(P, PartitionNews::GivenUp)]);
    assert!(world.board.is_idle() && world.dials().len() == 1);
    let mut next = successor(&world);
    next.live(Duration::from_secs(6));
    assert_eq!((next.dials().len(), last_event(&next, waits)), (1, "DialStarted"));
}

#[test]
fn a_partition_that_comes_back_during_its_drain_goes_on_as_if_nothing_was() {
    let mut world = owner();
    place(&mut world, 1, command("talks", "+1"));
    let leg = world.last_leg();
    world.answers(leg);
    let later = Some(world.now.utc.after(Duration::from_secs(2)));
    place(&mut world, 2, PlaceCall { not_before: later, ..command("waits", "+2") });
    world.hear(Input::GiveUp(P, GiveUp::Drain));
    world.pass(Duration::from_secs(3));
    assert_eq!(world.dials().len(), 1);
    world.hear(Input::Take(P));
    assert_eq!((world.wanted.len(), world.dials().len()), (1, 2));
    place(&mut world, 3, command("new", "+3"));
    assert_eq!(world.dials().len(), 3);
}

#[test]
fn a_partition_that_is_left_leaves_nothing_up_and_nothing_unsaid() {
    let mut world = owner();
    let call = place(&mut world, 1, command("c1", "+1"));
    let leg = world.last_leg();
    world.answers(leg);
    world.hear(Input::GiveUp(P, GiveUp::Leave));
    assert_eq!(world.news, [(P, PartitionNews::GivenUp)]);
    assert_eq!((world.board.live(), last_event(&world, call)), (0, "CallAnswered"));
    assert!(world.sip.contains(&SipOrder::Bye(leg, None)));
    assert_eq!(outcome(&successor(&world), call), Some(Outcome::OutcomeUnknown));
}

#[test]
fn a_promised_redial_goes_with_its_partition() {
    let mut world = owner();
    let wish =
        PlaceCall { max_attempts: Some(2), redial_after_ms: Some(30_000), ..command("c1", "+1") };
    let first = place(&mut world, 1, wish);
    let leg = world.last_leg();
    world.refuses(leg, RefusalSource::Network(486));
    world.hear(Input::GiveUp(P, GiveUp::Drain));
    assert_eq!(world.news, [(P, PartitionNews::GivenUp)]);
    world.live(Duration::from_secs(60));
    assert_eq!(world.dials().len(), 1, "it is not ours to make");
    let mut next = successor(&world);
    next.live(Duration::from_secs(60));
    let second = CallId::of_redial(first, 2);
    assert_eq!((next.dials().len(), next.log.work[&StreamId::call(second)]), (1, P));
}

#[test]
fn what_was_on_its_way_to_the_disk_when_the_drain_began_is_answered_and_left_undialled() {
    let mut world = owner();
    world.disk_is_slow = true;
    let later = Some(world.now.utc.after(Duration::from_secs(5)));
    let call = place(&mut world, 1, PlaceCall { not_before: later, ..command("c1", "+1") });
    world.hear(Input::GiveUp(P, GiveUp::Drain));
    assert_eq!((world.news.len(), world.answers.len()), (0, 0));
    world.disk_is_slow = false;
    world.settle();
    assert_eq!(world.answers, [(Ticket(1), Answer::Accepted(call))]);
    assert_eq!(world.news, [(P, PartitionNews::GivenUp)]);
}
