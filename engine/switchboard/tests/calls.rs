//! Calls through the switchboard: who is told what, and in which order.

mod world;

use campaign::BatchOptions;
use media::port::{MediaHeard, MediaOrder, StreamId};
use routing::GatewayOptions;
use schemas::commands::{EndCall, PlaceCall};
use schemas::{CallId, CommandId, Timestamp};
use sip::port::{HungUpBy, LegId, Reason, RefusalSource, SipHeard, SipOrder};
use std::time::Duration;
use switchboard::{Answer, Input, Ticket};
use world::{World, batch_options, command, gateway};

fn one_gateway() -> World {
    World::new(vec![gateway("a")])
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn bye(leg: LegId) -> Input {
    Input::Sip(SipHeard::HungUp { leg, by: HungUpBy::Bye, reason: Reason::default() })
}

// The product's first promise.
#[test]
fn no_invite_leaves_before_its_dial_started_is_durable() {
    let mut world = one_gateway();
    world.disk_is_slow = true;
    let call = world.place(command("c1", "+15550001"));
    assert!(world.sip.is_empty() && world.answers.is_empty());
    assert!(world.log.events.is_empty());

    world.disk_is_slow = false;
    world.settle();
    assert_eq!(world.log.names_of(call), ["CallRequested", "DialStarted"]);
    assert_eq!(world.answers, [(Ticket(1), Answer::Accepted(call))]);
    assert_eq!(world.dials().len(), 1);
    assert_eq!(world.dials()[0].to, "+15550001");
}

#[test]
fn a_call_whose_cancel_came_before_it_ends_undialled_and_its_command_is_answered() {
    let mut world = one_gateway();
    let wish = command("c1", "+15550001");
    let (call, by) = (CallId::of_command(&wish.command_id), CommandId::new("x").unwrap());
    world.hear(Input::PlaceCancelled(Ticket(7), Box::new(wish.clone()), by));
    assert_eq!(world.log.names_of(call), ["CallRequested", "CallEnded"]);
    assert_eq!(world.answers, [(Ticket(7), Answer::Accepted(call))]);
    assert!(world.sip.is_empty() && world.ended == 1);
    // It comes again without its cancel: still the same command.
    world.hear(Input::Place(Ticket(8), Box::new(wish)));
    assert!(world.sip.is_empty() && world.log.count("CallEnded") == 1);
}

// Nobody talks into a dead line: after a crash the callee repeats its 200 and hangs up.
#[test]
fn no_ack_leaves_before_the_answer_is_durable() {
    let mut world = one_gateway();
    world.place(command("c1", "+15550001"));
    let leg = world.last_leg();
    world.disk_is_slow = true;
    world.answers(leg);
    assert!(!world.sip.contains(&SipOrder::Accept(leg)));
    world.disk_is_slow = false;
    world.settle();
    assert!(world.sip.contains(&SipOrder::Accept(leg)));
}

#[test]
fn a_call_hears_in_order_what_came_while_its_events_were_on_their_way() {
    let mut world = one_gateway();
    let call = world.place(command("c1", "+15550001"));
    let leg = world.last_leg();
    world.disk_is_slow = true;
    world.rings(leg);
    world.answers(leg);
    world.hear(bye(leg));
    world.disk_is_slow = false;
    world.settle();
    assert_eq!(
        world.log.names_of(call),
        ["CallRequested", "DialStarted", "CallRang", "CallAnswered", "CallHungUp", "CallEnded"]
    );
    assert_eq!((world.ended, world.board.live()), (1, 0));
}

#[test]
fn a_call_with_a_prompt_opens_its_media_before_the_invite_and_plays_after_the_answer() {
    let mut world = one_gateway();
    let command = PlaceCall { prompt: Some("hello".into()), ..command("c1", "+15550001") };
    let call = world.place(command);
    let leg = world.last_leg();
    let stream = StreamId(leg.0);
    assert!(matches!(world.media[..], [MediaOrder::Open { .. }]));
    let offer = String::from_utf8(world.dials()[0].offer.clone()).unwrap();
    assert!(offer.contains("m=audio 4000 "), "{offer}");

    world.rings(leg);
    world.answers(leg);
    assert!(matches!(
        world.media[1..],
        [MediaOrder::Answered { .. }, MediaOrder::Connect { .. }, MediaOrder::Play { .. }]
    ));
    world.hear(Input::Media(MediaHeard::PromptFinished { stream, ms: 700 }));
    assert!(world.sip.iter().any(|order| matches!(order, SipOrder::Bye(..))));
    assert!(world.media.contains(&MediaOrder::Close { stream }));
    world.hear(Input::Sip(SipHeard::Closed { leg }));
    let names = world.log.names_of(call);
    assert_eq!(names[4..], ["PromptPlayed", "CallHungUp", "MediaMeasured", "CallEnded"]);
    assert_eq!(world.board.live(), 0);
}

#[test]
fn a_carrier_fault_leads_to_the_next_gateway_and_a_busy_callee_does_not() {
    let mut world = World::new(vec![gateway("a"), gateway("b")]);
    world.place(command("c1", "+15550001"));
    let first = world.last_leg();
    world.refuses(first, RefusalSource::Network(503));
    let second = world.last_leg();
    assert_ne!(first, second);
    assert_eq!(world.dials()[1].gateway.0, 1);
    assert_ne!(world.dials()[0].ids, world.dials()[1].ids, "a try has its own Call-ID");
    world.refuses(second, RefusalSource::Network(486));
    assert_eq!((world.dials().len(), world.ended), (2, 1));
}

// Found by the simulation: each try that a carrier refused left a port of audio open.
#[test]
fn the_audio_of_a_try_that_failed_is_closed_before_the_next_one_opens() {
    let mut world = World::new(vec![gateway("a"), gateway("b")]);
    world.place(PlaceCall { prompt: Some("hello".into()), ..command("c1", "+15550001") });
    let first = world.last_leg();
    world.refuses(first, RefusalSource::Network(503));
    let second = world.last_leg();
    let streams: Vec<(bool, u64)> = world
        .media
        .iter()
        .filter_map(|order| match order {
            MediaOrder::Open { stream, .. } => Some((true, stream.0)),
            MediaOrder::Close { stream } => Some((false, stream.0)),
            _ => None,
        })
        .collect();
    assert_eq!(streams, [(true, first.0), (false, first.0), (true, second.0)]);
}

#[test]
fn the_rate_and_the_lanes_of_a_batch_hold() {
    let mut world = one_gateway();
    let options = BatchOptions { per_second: Some(10.0), concurrency: 15, ..batch_options() };
    world.run_batch(options, 100);
    world.live(seconds(1));
    assert!((10..=11).contains(&world.dials().len()), "{}", world.dials().len());
    world.live(seconds(5));
    assert_eq!(world.dials().len(), 15, "every lane is taken");
    let leg = world.last_leg();
    world.refuses(leg, RefusalSource::Network(486));
    world.live(seconds(1));
    assert_eq!(world.dials().len(), 16);
}

#[test]
fn a_batch_dials_every_item_once_and_is_through() {
    let mut world = one_gateway();
    world.run_batch(batch_options(), 1200);
    let mut done = 0;
    while !world.board.is_idle() {
        let leg = world.dials()[done].leg;
        world.refuses(leg, RefusalSource::Network(486));
        done += 1;
    }
    assert_eq!((world.dials().len(), world.ended), (1200, 1200));
    let mut numbers: Vec<_> = world.dials().iter().map(|dial| dial.to.clone()).collect();
    numbers.sort();
    numbers.dedup();
    assert_eq!(numbers.len(), 1200);
}

#[test]
fn a_full_gateway_makes_calls_wait_in_order_and_the_urgent_go_first() {
    let narrow = GatewayOptions { max_concurrent: 1, ..gateway("a") };
    let mut world = World::new(vec![narrow]);
    world.place(command("c1", "+1"));
    let waits = world.place(command("c2", "+2"));
    world.place(command("c3", "+3"));
    let urgent = PlaceCall { priority: schemas::call::Priority::Urgent, ..command("c4", "+4") };
    world.place(urgent);
    assert_eq!(world.log.names_of(waits), ["CallRequested", "CallQueued"]);
    for _ in 0..3 {
        let leg = world.last_leg();
        world.refuses(leg, RefusalSource::Network(404));
    }
    let order: Vec<_> = world.dials().iter().map(|dial| dial.to.as_str()).collect();
    assert_eq!(order, ["+1", "+4", "+2", "+3"]);
}

#[test]
fn a_call_with_an_hour_waits_for_it() {
    let mut world = one_gateway();
    let at = Timestamp(world::START.0 + 60_000);
    let call = world.place(PlaceCall { not_before: Some(at), ..command("c1", "+1") });
    assert_eq!(world.log.names_of(call), ["CallRequested", "CallQueued"]);
    world.live(seconds(59));
    assert!(world.dials().is_empty());
    world.live(seconds(2));
    assert_eq!(world.dials().len(), 1);
}

#[test]
fn a_call_that_waits_past_its_deadline_is_suppressed() {
    let full = GatewayOptions { max_concurrent: 0, ..gateway("a") };
    let mut world = World::new(vec![full]);
    let deadline = Some(Timestamp(world::START.0 + 10_000));
    let call = world.place(PlaceCall { deadline, ..command("c1", "+1") });
    world.live(seconds(11));
    assert_eq!(world.log.names_of(call).last(), Some(&"CallEnded"));
    assert!(world.dials().is_empty());
}

// Found by the simulation: given again after a restart, it was dialled although its hour was over.
#[test]
fn a_command_that_comes_after_its_deadline_is_suppressed_and_not_dialled() {
    let mut world = one_gateway();
    let deadline = Some(Timestamp(world.now.utc.0 - 1));
    let call = world.place(PlaceCall { deadline, ..command("c1", "+15550001") });
    assert_eq!(world.log.names_of(call), ["CallRequested", "CallEnded"]);
    assert_eq!((world.dials().len(), world.ended, world.board.live()), (0, 1, 0));
}

#[test]
fn a_repeat_of_a_command_dials_once_and_another_with_its_id_is_a_conflict() {
    let mut world = one_gateway();
    let call = world.place(command("c1", "+1"));
    world.place(command("c1", "+1"));
    world.place(command("c1", "+2"));
    let leg = world.last_leg();
    world.refuses(leg, RefusalSource::Network(486));
    // The call has ended and is not held any more: the log knows it.
    world.place(command("c1", "+1"));
    world.place(command("c1", "+2"));
    let answers: Vec<_> = world.answers.iter().map(|(_, answer)| answer.clone()).collect();
    assert_eq!(
        answers,
        [
            Answer::Accepted(call),
            Answer::Repeated(call),
            Answer::Conflict(call),
            Answer::Repeated(call),
            Answer::Conflict(call),
        ]
    );
    assert_eq!((world.dials().len(), world.log.count("CallRequested")), (1, 1));
}

#[test]
fn a_repeat_that_overtakes_the_disk_is_answered_when_the_command_is_durable() {
    let mut world = one_gateway();
    world.disk_is_slow = true;
    let call = world.place(command("c1", "+1"));
    world.place(command("c1", "+1"));
    world.place(command("c1", "+2"));
    assert_eq!(world.answers, []);
    world.disk_is_slow = false;
    world.settle();
    let answers: Vec<_> = world.answers.iter().map(|(ticket, a)| (ticket.0, a.clone())).collect();
    let [first, second, third] =
        [Answer::Accepted(call), Answer::Repeated(call), Answer::Conflict(call)];
    assert_eq!(answers, [(1, first), (2, second), (3, third)]);
}

#[test]
fn who_ends_a_call_is_answered_when_that_is_durable() {
    for only_unanswered in [true, false] {
        let mut world = one_gateway();
        let call = world.place(command("c1", "+1"));
        world.disk_is_slow = true;
        let end = EndCall {
            command_id: CommandId::new("end").expect("a plain id"),
            call,
            of: None,
            only_unanswered,
        };
        world.hear(Input::End(Ticket(99), end));
        assert_eq!(world.answers.len(), 1, "the call's own answer alone");
        assert_eq!(world.log.names_of(call), ["CallRequested", "DialStarted"]);
        world.disk_is_slow = false;
        world.settle();
        assert_eq!(world.answers.last(), Some(&(Ticket(99), Answer::Accepted(call))));
        assert_eq!(world.log.names_of(call)[2], "CancelIssued");
    }
}

#[test]
fn a_redial_is_the_commands_next_call_at_its_hour() {
    let mut world = one_gateway();
    let command =
        PlaceCall { max_attempts: Some(2), redial_after_ms: Some(30_000), ..command("c1", "+1") };
    let first = world.place(command);
    let leg = world.last_leg();
    world.refuses(leg, RefusalSource::Network(486));
    assert!(!world.board.is_idle());
    world.live(seconds(29));
    assert_eq!(world.dials().len(), 1);
    world.live(seconds(2));
    assert_eq!(world.dials().len(), 2);
    let leg = world.last_leg();
    world.refuses(leg, RefusalSource::Network(486));
    let second = CallId::of_redial(first, 2);
    assert_eq!(world.log.names_of(second), ["CallRequested", "DialStarted", "CallEnded"]);
    assert!(world.board.is_idle());
}

/// A command whose first call was busy, and which is hung up by its own id at that moment.
fn hang_up_by_command(world: &mut World, only_unanswered: bool) -> Answer {
    let of = CommandId::new("c1").expect("a plain id");
    let end = EndCall {
        command_id: CommandId::new("end").expect("a plain id"),
        call: CallId::of_command(&of),
        of: Some(of),
        only_unanswered,
    };
    world.hear(Input::End(Ticket(99), end));
    assert!(!world.disk_is_slow || world.answers.iter().all(|(ticket, _)| *ticket != Ticket(99)));
    std::mem::take(&mut world.disk_is_slow);
    world.settle();
    world.answers.pop().expect("an answer").1
}

fn redialled() -> (World, CallId) {
    let mut world = one_gateway();
    let command =
        PlaceCall { max_attempts: Some(3), redial_after_ms: Some(30_000), ..command("c1", "+1") };
    let first = world.place(command);
    let leg = world.last_leg();
    world.refuses(leg, RefusalSource::Network(486));
    (world, first)
}

#[test]
fn hanging_up_a_command_reaches_its_live_redial() {
    let (mut world, first) = redialled();
    world.live(seconds(31));
    let (second, leg) = (CallId::of_redial(first, 2), world.last_leg());
    world.answers(leg);
    assert_eq!(hang_up_by_command(&mut world, false), Answer::Accepted(second));
    assert!(world.sip.iter().any(|o| matches!(o, SipOrder::Bye(of, _) if *of == leg)));
    world.hear(Input::Sip(SipHeard::Closed { leg }));
    assert!(world.board.is_idle());
}

#[test]
fn cancelling_a_command_lets_its_answered_redial_talk() {
    let (mut world, first) = redialled();
    world.live(seconds(31));
    let leg = world.last_leg();
    world.answers(leg);
    assert_eq!(hang_up_by_command(&mut world, true), Answer::Accepted(CallId::of_redial(first, 2)));
    assert!(!world.sip.iter().any(|o| matches!(o, SipOrder::Bye(..))));
}

// Its last CallEnded must have no redial: whoever counts on one end per command waits for that.
#[test]
fn hanging_up_a_command_whose_redial_is_promised_ends_that_call_undialled() {
    for only_unanswered in [false, true] {
        let (mut world, first) = redialled();
        let second = CallId::of_redial(first, 2);
        assert_eq!(hang_up_by_command(&mut world, only_unanswered), Answer::Accepted(second));
        assert_eq!(world.log.names_of(second), ["CallRequested", "CallEnded"]);
        assert!(world.board.is_idle());
        world.live(seconds(60));
        assert_eq!(world.dials().len(), 1);
    }
}

#[test]
fn a_hang_up_while_the_calls_end_is_on_its_way_to_the_disk_takes_its_promise_back() {
    let mut world = one_gateway();
    let command =
        PlaceCall { max_attempts: Some(3), redial_after_ms: Some(30_000), ..command("c1", "+1") };
    let first = world.place(command);
    let leg = world.last_leg();
    world.disk_is_slow = true;
    world.refuses(leg, RefusalSource::Network(486));
    assert_eq!(
        hang_up_by_command(&mut world, false),
        Answer::Accepted(CallId::of_redial(first, 2))
    );
    world.disk_is_slow = false;
    world.live(seconds(60));
    assert_eq!((world.dials().len(), world.ended), (1, 2));
    assert!(world.board.is_idle());
}

#[test]
fn hanging_up_a_call_by_its_own_id_does_not_reach_the_commands_next_one() {
    let (mut world, first) = redialled();
    world.live(seconds(31));
    let end = EndCall {
        command_id: CommandId::new("end").expect("a plain id"),
        call: first,
        of: None,
        only_unanswered: false,
    };
    world.hear(Input::End(Ticket(99), end));
    assert_eq!(world.answers.pop(), Some((Ticket(99), Answer::NoSuchCall(first))));
    assert_eq!(world.board.live(), 1);
}

// Found by the simulation: redials were dialled beside the calls that filled their list's lanes.
#[test]
fn a_redial_of_a_list_waits_for_a_lane_of_its_list() {
    let mut world = one_gateway();
    let options = BatchOptions {
        concurrency: 1,
        max_attempts: 2,
        redial_after_ms: Some(1_000),
        ..batch_options()
    };
    world.run_batch(options, 2);
    let first = world.last_leg();
    world.refuses(first, RefusalSource::Network(486));
    let second = world.last_leg();
    world.live(seconds(5));
    assert_eq!(world.dials().len(), 2, "the redial is due, and the lane is taken");
    world.refuses(second, RefusalSource::Network(486));
    world.live(seconds(2));
    assert_eq!(world.dials().len(), 3);
}

#[test]
fn a_drain_starts_nothing_more_and_a_shutdown_ends_what_is_up() {
    let mut world = one_gateway();
    world.run_batch(BatchOptions { concurrency: 2, ..batch_options() }, 10);
    let (ringing, talking) = (world.dials()[0].leg, world.dials()[1].leg);
    world.rings(ringing);
    world.answers(talking);
    world.hear(Input::Drain);
    assert!(!world.board.is_idle());
    world.hear(Input::ShutDown);
    assert!(world.sip.iter().any(|o| matches!(o, SipOrder::Cancel(leg, _) if *leg == ringing)));
    assert!(world.sip.iter().any(|o| matches!(o, SipOrder::Bye(leg, _) if *leg == talking)));
    world.hear(Input::Sip(SipHeard::Cancelled { leg: ringing, status: Some(487) }));
    world.hear(Input::Sip(SipHeard::Closed { leg: talking }));
    assert!(world.board.is_idle());
    assert_eq!((world.dials().len(), world.ended), (2, 2));
}

// Found by the simulation: a node that drained spun until it stopped.
#[test]
fn a_call_whose_hour_comes_during_a_drain_does_not_keep_the_loop_awake() {
    let mut world = one_gateway();
    let not_before = Some(world.now.utc.after(seconds(2)));
    world.place(PlaceCall { not_before, ..command("c1", "+15550001") });
    world.hear(Input::Drain);
    world.pass(seconds(3));
    let next = world.board.next_timeout(world.now);
    assert!(next.is_none_or(|at| at > world.now.mono), "{next:?} at {:?}", world.now.mono);
}

#[test]
fn a_call_that_another_owner_writes_to_is_given_up() {
    let mut world = one_gateway();
    world.place(command("c1", "+1"));
    let leg = world.last_leg();
    // The stream is not as we left it: somebody else has written to it.
    world.log = world::TestLog::default();
    world.answers(leg);
    assert_eq!(world.board.live(), 0);
    assert!(!world.sip.contains(&SipOrder::Accept(leg)));
}

#[test]
fn a_hold_is_answered_and_stops_the_prompt_until_it_is_resumed() {
    let mut world = one_gateway();
    let command = PlaceCall { prompt: Some("hello".into()), ..command("c1", "+1") };
    let call = world.place(command);
    let leg = world.last_leg();
    world.answers(leg);
    let hold = world::SDP.replace("m=audio", "a=sendonly\r\nm=audio");
    for sdp in [hold.as_str(), world::SDP] {
        world.hear(Input::Sip(SipHeard::Reinvited { leg, sdp: Some(sdp.into()) }));
    }
    let answers =
        world.sip.iter().filter(|o| matches!(o, SipOrder::AnswerReinvite(_, Some(_)))).count();
    assert_eq!(answers, 2);
    let names = world.log.names_of(call);
    assert_eq!(names[3..], ["CallHeld", "CallResumed"]);
    let pauses: Vec<_> = world
        .media
        .iter()
        .filter_map(|order| match order {
            MediaOrder::Pause { paused, .. } => Some(*paused),
            _ => None,
        })
        .collect();
    assert_eq!(pauses, [true, false]);
    // What cannot be agreed on is refused, and the call goes on.
    world.hear(Input::Sip(SipHeard::Reinvited { leg, sdp: Some(b"nonsense".to_vec()) }));
    assert!(world.sip.contains(&SipOrder::AnswerReinvite(leg, None)));
}

#[test]
fn a_storm_of_progress_is_bounded_while_the_disk_is_slow() {
    let mut world = one_gateway();
    world.place(command("c1", "+1"));
    let leg = world.last_leg();
    world.disk_is_slow = true;
    for _ in 0..10_000 {
        world.rings(leg);
    }
    world.answers(leg);
    world.disk_is_slow = false;
    world.settle();
    assert!(world.board.counters().overflows > 9_000);
    assert!(world.sip.contains(&SipOrder::Accept(leg)), "what matters is never dropped");
}

#[test]
fn a_message_for_a_leg_that_is_gone_is_a_stray() {
    let mut world = one_gateway();
    world.place(command("c1", "+1"));
    let leg = world.last_leg();
    world.refuses(leg, RefusalSource::Network(486));
    world.rings(leg);
    world.hear(bye(LegId(u64::MAX)));
    assert_eq!(world.board.counters().strays, 2);
}

#[test]
fn a_disk_that_stands_still_lets_no_burst_of_invites_go_when_it_moves_again() {
    for (per_second, most) in [(1000.0, 140), (60.0, 17)] {
        let wide = GatewayOptions { max_concurrent: 900, ..gateway("wide") };
        let mut world = World::new(vec![wide]);
        let options =
            BatchOptions { per_second: Some(per_second), concurrency: 900, ..batch_options() };
        world.run_batch(options, 900);
        world.live(Duration::from_millis(100));
        world.disk_is_slow = true;
        let before = world.dials().len();
        world.live(seconds(3));
        assert_eq!(world.dials().len(), before, "nothing is dialled that is not durable");
        world.disk_is_slow = false;
        world.settle();
        let burst = world.dials().len() - before;
        assert!((1..=most).contains(&burst), "{burst} at once at {per_second}/s");
        let rest = Duration::from_secs_f64(900.0 / per_second);
        world.live(rest);
        assert_eq!(world.dials().len(), world.log.count("DialStarted"));
    }
}
