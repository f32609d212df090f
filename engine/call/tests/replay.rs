//! Replay equals live: a call rebuilt from its events is the call that lived them, at every
//! prefix, and asks for the same standing things.

mod samples;

use call::{Call, Options};
use samples::{START, hear, request, signals, silent_request};
use schemas::Timestamp;
use schemas::call::{CallEvent, CallRequested};
use std::collections::BTreeSet;
use std::sync::Arc;

/// xorshift64*: a walk is its seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % sides
    }
}

fn replay(request: &CallRequested, history: &[(CallEvent, Timestamp)]) -> Call {
    let mut call = samples::begin(request.clone());
    for (event, at) in history {
        call.evolve(event, *at).expect("what happened can happen again");
    }
    call
}

fn request_of(dice: &mut Dice) -> CallRequested {
    let plain = if dice.roll(2) == 0 { request() } else { silent_request() };
    CallRequested {
        max_talk_ms: [0, 5_000, 60_000][dice.roll(3)],
        max_attempts: 1 + dice.roll(3) as u16,
        record: dice.roll(4) == 0,
        ..plain
    }
}

#[test]
fn a_call_rebuilt_from_its_events_is_the_call_that_lived_them() {
    let signals = signals();
    let mut reached = BTreeSet::new();
    let mut ends = 0;
    for seed in 1..=4_000_u64 {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let request = request_of(&mut dice);
        let mut live = samples::begin(request.clone());
        let mut history: Vec<(CallEvent, Timestamp)> = Vec::new();
        let mut at = START;
        for _ in 0..30 {
            // Now and then the clock stands still, or is set back.
            at = Timestamp(at.0 + [0, 20, 400, 5_000, -300][dice.roll(5)]);
            let signal = &signals[dice.roll(signals.len())].1;
            let decided_at = at.max(history.last().map_or(START, |(_, at)| *at));
            let (events, _) = hear(&mut live, signal, decided_at);
            history.extend(events.into_iter().map(|event| (event, decided_at)));
            reached.insert(live.state().name());

            let again = replay(&request, &history);
            assert_eq!(again.state(), live.state(), "seed {seed}");
            assert_eq!(again.facts(), live.facts(), "seed {seed}");
            assert_eq!(again.standing(), live.standing(), "seed {seed}");
        }
        let terminal: Vec<_> =
            history.iter().filter(|(e, _)| matches!(e, CallEvent::CallEnded(_))).collect();
        assert!(terminal.len() <= 1, "seed {seed}: a call ends once");
        assert_eq!(terminal.len() == 1, live.is_ended(), "seed {seed}");
        if live.is_ended() {
            ends += 1;
            assert!(matches!(history.last(), Some((CallEvent::CallEnded(_), _))), "seed {seed}");
        }
        assert!(history.is_sorted_by_key(|(_, at)| *at), "seed {seed}: time never goes back");
    }
    // The walks went everywhere, or they prove nothing.
    assert_eq!(reached.len(), 20 - 2, "no walk meets rejected or invalid numbers: {reached:?}");
    assert!(ends > 3_500, "{ends}");
}

#[test]
fn a_signal_alone_changes_nothing() {
    for (_, call, at) in samples::open_calls() {
        for (_, signal) in signals() {
            let before = (call.state().clone(), call.facts().clone());
            call.decide(&signal, at);
            assert_eq!((call.state().clone(), call.facts().clone()), before);
        }
    }
}

#[test]
fn options_are_shared_by_all_calls() {
    let options = Arc::new(Options::default());
    let (call, _) = Call::begin(Arc::new(request()), START, &options);
    assert!(Arc::ptr_eq(&call.facts().options, &options));
}
