//! What a call comes to: given what it heard, how it ends.

mod samples;

use call::{Call, Effect, Signal, Timer};
use samples::{
    answered, bye, cleared, dialog_lost, hear, measured, refused, request, silent_request, timer_b,
    unusable_answer,
};
use schemas::Timestamp;
use schemas::call::{CallEnded, CallEvent, CallRequested};

fn trying() -> Signal {
    Signal::Progress { status: 100, early_media: false }
}

fn ringing() -> Signal {
    Signal::Progress { status: 180, early_media: false }
}

fn timer(timer: Timer) -> Signal {
    Signal::TimerFired(timer)
}

/// The end of a call that hears these, a second apart.
fn end_of(request: CallRequested, signals: &[Signal]) -> CallEnded {
    let mut call = samples::begin(request);
    let mut at = samples::START;
    let mut end = None;
    for signal in signals {
        at = Timestamp(at.0 + 1000);
        let (events, _) = hear(&mut call, signal, at);
        end = end.or(events.into_iter().find_map(|event| match event {
            CallEvent::CallEnded(ended) => Some(*ended),
            _ => None,
        }));
    }
    end.unwrap_or_else(|| panic!("still {:?} after {signals:?}", call.state()))
}

fn check(request: CallRequested, signals: &[Signal], expected: &str) {
    let end = end_of(request, signals);
    let text = format!(
        "{} {:?} {} {}",
        end.outcome,
        end.sip_status.unwrap_or(0),
        end.reason.as_deref().unwrap_or("-"),
        end.ended_by.map_or("-", |by| by.word()),
    );
    assert_eq!(text, expected, "after {signals:?}");
}

#[test]
fn a_call_ends_as_the_contract_says() {
    let asked = request;
    let up = [cleared("a"), ringing(), answered()];
    let with = |more: &[Signal]| [&up, more].concat();

    check(asked(), &with(&[bye(), measured(9)]), "completed 200 - callee");
    check(
        asked(),
        &with(&[Signal::PromptFinished { ms: 9 }, Signal::ByeDone, measured(9)]),
        "completed 200 - us",
    );
    check(
        asked(),
        &with(&[timer(Timer::MaxTalk), measured(9), Signal::ByeDone]),
        "completed 200 max_talk us",
    );
    check(asked(), &with(&[bye(), measured(0)]), "completed 200 no_rtp callee");
    check(asked(), &with(&[dialog_lost(), measured(9)]), "completed 200 dialog_lost carrier");
    check(silent_request(), &with(&[bye()]), "completed 200 - callee");
    check(
        asked(),
        &[cleared("a"), unusable_answer(), Signal::ByeDone, measured(0)],
        "failed 200 media_mismatch us",
    );

    check(asked(), &[cleared("a"), refused(486)], "busy 486 busy callee");
    check(asked(), &[cleared("a"), ringing(), refused(600)], "busy 600 busy_everywhere callee");
    check(asked(), &[cleared("a"), refused(603)], "rejected 603 declined callee");
    check(asked(), &[cleared("a"), refused(607)], "rejected 607 unwanted callee");
    check(asked(), &[cleared("a"), refused(404)], "invalid_number 404 unallocated_number carrier");
    check(asked(), &[cleared("a"), refused(480)], "unreachable 480 unavailable carrier");
    check(asked(), &[cleared("a"), ringing(), refused(408)], "no_answer 408 no_response carrier");
    check(asked(), &[cleared("a"), refused(302)], "failed 302 redirected carrier");
    check(
        asked(),
        &[cleared("a"), refused(408), Signal::NoRoute],
        "unreachable 408 no_response carrier",
    );
    check(
        asked(),
        &[cleared("a"), timer_b(), Signal::NoRoute],
        "unreachable 0 no_response carrier",
    );
    check(asked(), &[Signal::NoRoute], "unreachable 0 no_gateway carrier");

    let cancelled = Signal::CancelDone { status: Some(487) };
    check(
        asked(),
        &[cleared("a"), ringing(), timer(Timer::Ring), cancelled.clone()],
        "no_answer 0 ring_timeout us",
    );
    check(
        asked(),
        &[cleared("a"), trying(), timer(Timer::Ring), cancelled.clone()],
        "unreachable 0 ring_timeout us",
    );
    check(
        asked(),
        &[cleared("a"), ringing(), Signal::CancelAsked(None), cancelled],
        "cancelled 487 command us",
    );
    check(asked(), &[Signal::CancelAsked(None)], "cancelled 0 command us");
    check(asked(), &[timer(Timer::Deadline)], "suppressed 0 deadline -");
    check(
        asked(),
        &[cleared("a"), ringing(), Signal::EngineRestarted],
        "outcome_unknown 0 engine_restarted -",
    );
    check(asked(), &[cleared("a"), Signal::MediaOpenFailed], "failed 0 media_failed us");
}

// RFC 3261, 9.1: the callee picked up while our CANCEL was on its way.
#[test]
fn a_200_that_crosses_our_cancel_is_released_and_the_call_ends_as_not_answered() {
    let late = Signal::LateAnswerClosed { status: 200 };
    check(
        request(),
        &[cleared("a"), trying(), timer(Timer::Ring), late.clone()],
        "no_answer 0 ring_timeout us",
    );
    check(
        request(),
        &[cleared("a"), ringing(), Signal::HangUpAsked(None), late],
        "cancelled 200 command us",
    );
}

// Lessons 3 and 4: the callee's phone must not ring again by the next gateway.
#[test]
fn another_gateway_is_tried_on_a_carrier_fault_only_and_never_once_it_rang() {
    let state_after = |signals: &[Signal]| samples::after(request(), signals).0.state().name();
    assert_eq!(state_after(&[cleared("a"), refused(503)]), "Queued");
    assert_eq!(state_after(&[cleared("a"), trying(), refused(500)]), "Queued");
    assert_eq!(state_after(&[cleared("a"), refused(486)]), "Busy");
    assert_eq!(state_after(&[cleared("a"), ringing(), refused(503)]), "Failed");
    let early = Signal::Progress { status: 183, early_media: true };
    assert_eq!(state_after(&[cleared("a"), early, refused(503)]), "Failed");
}

#[test]
fn the_tries_tell_each_gateway_with_its_status_and_times() {
    let end = end_of(
        request(),
        &[cleared("a"), refused(503), cleared("b"), ringing(), answered(), bye(), measured(3)],
    );
    let tries: Vec<_> = end.tries.iter().map(|t| (t.gateway.as_str(), t.sip_status)).collect();
    assert_eq!(tries, [("a", Some(503)), ("b", Some(200))]);
    assert_eq!((end.tries[0].started_ms, end.tries[0].ended_ms), (6000, 5000));
    assert_eq!((end.tries[1].started_ms, end.tries[1].ended_ms), (4000, 0));
    assert_eq!((end.requested_ms, end.started_ms), (7000, Some(6000)));
    assert_eq!((end.ringing_ms, end.ring_ms), (Some(3000), Some(1000)));
    assert_eq!((end.answered_ms, end.talk_ms), (Some(2000), Some(1000)));
    assert_eq!(end.gateway.as_deref(), Some("b"));
}

#[test]
fn a_hang_up_order_reaches_the_wire_as_cancel_or_bye() {
    let effects_of = |signals: &[Signal], last: Signal| {
        let (mut call, at) = samples::after(request(), signals);
        hear(&mut call, &last, at).1
    };
    let cancels = effects_of(&[cleared("a"), ringing()], Signal::HangUpAsked(None));
    assert!(cancels.contains(&Effect::SendCancel { no_answer: false }));
    let byes = effects_of(&[cleared("a"), answered()], Signal::HangUpAsked(None));
    assert!(byes.contains(&Effect::SendBye));
    // A cancel does not end what somebody answered.
    let nothing = effects_of(&[cleared("a"), answered()], Signal::CancelAsked(None));
    assert!(nothing.is_empty());
}

#[test]
fn after_a_restart_what_is_on_the_wire_is_closed_and_what_never_left_waits_on() {
    let restarted = |signals: &[Signal]| {
        let (mut call, at) = samples::after(request(), signals);
        let effects = hear(&mut call, &Signal::EngineRestarted, at).1;
        let orphan = effects.into_iter().find_map(|effect| match effect {
            Effect::CloseOrphan(open) => Some(open.dialog.is_some()),
            _ => None,
        });
        (call.state().name(), orphan)
    };
    assert_eq!(restarted(&[]), ("Requested", None));
    assert_eq!(restarted(&[cleared("a")]), ("OutcomeUnknown", Some(false)));
    assert_eq!(restarted(&[cleared("a"), ringing(), answered()]), ("OutcomeUnknown", Some(true)));
    // Its first try is known to be over: nothing is open on the wire.
    assert_eq!(restarted(&[cleared("a"), refused(503)]), ("OutcomeUnknown", None));
}

#[test]
fn a_redial_is_due_by_its_rule_within_one_budget() {
    let redial = |max_attempts, attempt, after: Option<u32>, status| {
        let asked = CallRequested { max_attempts, attempt, redial_after_ms: after, ..request() };
        let end = end_of(asked, &[cleared("a"), refused(status), Signal::NoRoute]);
        end.redial_at.map(|due| due.0 - samples::START.0)
    };
    assert_eq!(redial(1, 1, None, 486), None);
    assert_eq!(redial(3, 3, None, 486), None);
    assert_eq!(redial(3, 1, Some(1500), 486), Some(2000 + 1500));
    // The person's no is not asked again, whatever the budget.
    assert_eq!(redial(3, 1, Some(1500), 603), None);
    assert_eq!(redial(3, 1, Some(1500), 404), None);
    let busy = redial(3, 1, None, 486).expect("a busy line is tried again") - 2000;
    assert!((270_000..=330_000).contains(&busy), "five minutes, a tenth more or less: {busy}");
}

#[test]
fn a_redial_that_would_come_after_the_deadline_is_not_promised() {
    let asked = CallRequested {
        max_attempts: 3,
        redial_after_ms: Some(60_000),
        deadline: Some(Timestamp(samples::START.0 + 30_000)),
        ..request()
    };
    assert_eq!(end_of(asked, &[cleared("a"), refused(486)]).redial_at, None);
}

#[test]
fn a_call_that_may_not_talk_is_hung_up_in_the_breath_of_its_answer() {
    let asked = CallRequested { max_talk_ms: 0, ..silent_request() };
    let (mut call, at) = samples::after(asked, &[cleared("a"), ringing()]);
    let decision = call.decide(&answered(), at);
    let names: Vec<_> = decision.events.iter().map(CallEvent::name).collect();
    assert_eq!(names, ["CallAnswered", "CallHungUp"]);
    let (_, effects) = hear(&mut call, &answered(), at);
    let order: Vec<_> = effects
        .iter()
        .filter(|e| matches!(e, Effect::AcceptAnswer | Effect::SendBye))
        .cloned()
        .collect();
    assert_eq!(order, [Effect::AcceptAnswer, Effect::SendBye], "the ACK goes before the BYE");
}

#[test]
fn a_clock_that_was_set_back_does_not_turn_the_order_of_events_round() {
    let (call, at): (Call, _) = samples::after(request(), &[cleared("a")]);
    let earlier = Timestamp(at.0 - 60_000);
    let decision = call.decide(&refused(486), earlier);
    let Some(CallEvent::CallEnded(ended)) = decision.events.first() else { panic!() };
    assert_eq!(ended.started_ms, Some(0));
}
