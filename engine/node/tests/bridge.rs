//! The bridge between the two worlds: the same numbers called over real SIP, sockets and disk, and
//! in virtual time, must leave the same events.

mod world;

use schemas::call::CallEvent;
use schemas::{CallId, CommandId, Event, Outcome, Revision, StreamId};
use sim::checkers::{Checker, Findings};
use sim::run::small_with;
use sim::world::Fact;
use sim::world::plan::{CallPlan, Plan, Terms};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use world::World;

/// Numbers of every kind that are over within seconds.
const NUMBERS: [&str; 34] = [
    "+12125550199910000",
    "+12125550199911001",
    "+12125550199911101",
    "+12125550199918000",
    "+12125550199918101",
    "+12125550199918300",
    "+12125550199918500",
    "+12125550199918600",
    "+12125550199918700",
    "+12125550199918800",
    "+12125550199918901",
    "+12125550199919000",
    "+12125550199919200",
    "+12125550199920103",
    "+12125550199920200",
    "+12125550199921100",
    "+12125550199921212",
    "+12125550199924000",
    "+12125550199924100",
    "+12125550199924200",
    "+12125550199924400",
    "+12125550199924500",
    "+12125550199925003",
    "+12125550199940400",
    "+12125550199948000",
    "+12125550199948600",
    "+12125550199948601",
    "+12125550199950300",
    "+12125550199960300",
    "+12125550199980002",
    "+12125550199980100",
    "+12125550199980600",
    "+12125550199981100",
    "+12125550199981302",
];

/// What a call left: the names of its events in order, and its outcome.
type Left = (Vec<&'static str>, Option<Outcome>);

fn note(left: &mut Left, event: &CallEvent) {
    left.0.push(event.name());
    if let CallEvent::CallEnded(ended) = event {
        left.1 = Some(ended.outcome);
    }
}

/// Over real SIP.
fn in_reality() -> Vec<Left> {
    let mut world = World::new();
    world.call(NUMBERS);
    world.check_the_carriers_ledger();
    let left = NUMBERS.map(|number| {
        let command = CommandId::new(&format!("test/{number}")).expect("printable");
        let stream = StreamId::call(CallId::of_command(&command));
        let stored = world.node.reader.read_stream(stream, Revision(0), 100).expect("it is read");
        let mut left = Left::default();
        for stored in stored {
            let encoded = &stored.encoded;
            let event = Event::decode(encoded.kind, encoded.version, &encoded.body);
            if let Ok(Event::Call(event)) = event {
                note(&mut left, &event);
            }
        }
        left
    });
    left.into()
}

/// Listens to every call of a world.
#[derive(Clone, Default)]
struct Listener(Arc<Mutex<BTreeMap<CallId, Left>>>);

impl Checker for Listener {
    fn says(&self) -> &'static str {
        "a listener"
    }

    fn see(&mut self, fact: &Fact<'_>, _: Duration, _: &mut Findings) {
        if let Fact::Durable(event) = fact
            && let Some(call) = event.stream.as_call()
        {
            let mut all = self.0.lock().expect("nobody panics with it");
            note(all.entry(call).or_default(), &event.event);
        }
    }
}

/// In virtual time, as the same command would ask for it.
fn in_virtual_time() -> Vec<Left> {
    let mut plan = Plan::quiet(1);
    plan.node.calls_max = 1_000;
    let terms = Terms {
        ring: Duration::from_secs(2),
        talk: Duration::from_millis(500),
        ..Terms::default()
    };
    let call = |number: &str| CallPlan {
        at: Duration::from_secs(1),
        to: number.to_owned(),
        terms: terms.clone(),
        ..CallPlan::default()
    };
    plan.calls = NUMBERS.iter().map(|number| call(number)).collect();
    let listener = Listener::default();
    let summary = small_with(&plan, Some(Box::new(listener.clone())));
    assert_eq!(summary.violations, []);
    let all = listener.0.lock().expect("nobody panics with it");
    let left = (0..NUMBERS.len()).map(|place| {
        let command = CommandId::new(&format!("c{place}")).expect("printable");
        all.get(&CallId::of_command(&command)).cloned().unwrap_or_default()
    });
    left.collect()
}

#[test]
fn the_same_numbers_leave_the_same_events_over_real_sip_and_in_virtual_time() {
    let (real, virtual_) = (in_reality(), in_virtual_time());
    let differ: Vec<_> = NUMBERS
        .iter()
        .zip(real.iter().zip(&virtual_))
        .filter(|(_, (real, virtual_))| real != virtual_)
        .collect();
    assert!(differ.is_empty(), "{differ:#?}");
}
