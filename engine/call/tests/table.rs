//! The transition table: what every state makes of every signal, generated from the machine into
//! `docs/call-states.md`, so that a change of behaviour shows in a review.

mod samples;

use call::{Call, Effect};
use samples::{ended_states, hear, open_calls, signals};
use schemas::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

struct Row {
    state: &'static str,
    heard: String,
    recorded: Vec<&'static str>,
    next: &'static str,
    effects: Vec<String>,
}

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (state, call, at) in open_calls() {
        for (heard, signal) in signals() {
            let mut call: Call = call.clone();
            if call.decide(&signal, at).unexpected {
                continue;
            }
            let (events, effects) = hear(&mut call, &signal, Timestamp(at.0 + 1000));
            if events.is_empty() && effects.is_empty() {
                continue;
            }
            rows.push(Row {
                state,
                heard,
                recorded: events.iter().map(|e| e.name()).collect(),
                next: call.state().name(),
                effects: effects.iter().map(effect_name).collect(),
            });
        }
    }
    rows
}

fn effect_name(effect: &Effect) -> String {
    match effect {
        Effect::StartTimer(timer, _) => format!("StartTimer({timer:?})"),
        Effect::StopTimer(timer) => format!("StopTimer({timer:?})"),
        Effect::PauseMedia(paused) => format!("PauseMedia({paused})"),
        other => {
            let text = format!("{other:?}");
            text.split(['(', ' ', '{']).next().unwrap_or(&text).to_owned()
        }
    }
}

/// The states nested as their paths say, and one arrow per pair of states.
fn diagram(rows: &[Row]) -> String {
    let mut arrows: BTreeMap<(&str, &str), BTreeSet<String>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.next != row.state) {
        let label = row.heard.split(['(', ',']).next().unwrap_or_default().trim().to_owned();
        let label = match row.heard.strip_prefix("TimerFired") {
            Some(timer) => timer.trim_matches(['(', ')']).to_lowercase() + " timer",
            None => label,
        };
        arrows.entry((row.state, row.next)).or_default().insert(label);
    }
    // Every open state may end as unknown at a restart; one note says it better than nine arrows.
    arrows.retain(|(_, next), _| *next != "OutcomeUnknown");

    let mut text = String::from("stateDiagram-v2\n    [*] --> Requested\n");
    for (name, inside) in [
        ("waiting", vec!["Requested", "Queued"]),
        ("inviting", vec!["Dialing", "alerting"]),
        ("alerting", vec!["Proceeding", "Ringing", "EarlyMedia"]),
        ("connected", vec!["Greeting", "Holding"]),
    ] {
        writeln!(text, "    state {name} {{").unwrap();
        inside.iter().for_each(|state| writeln!(text, "        {state}").unwrap());
        writeln!(text, "    }}").unwrap();
    }
    for ((from, to), labels) in arrows {
        let labels: Vec<_> = labels.into_iter().collect();
        writeln!(text, "    {from} --> {to}: {}", labels.join(", ")).unwrap();
    }
    for state in ended_states() {
        writeln!(text, "    {} --> [*]", state.name()).unwrap();
    }
    text
}

#[test]
fn the_transition_table_is_the_one_in_the_docs() {
    let rows = rows();
    let mut text = String::from(
        "# The states of a call\n\n\
         Generated from the machine (`engine/call/src/machine.rs`) by `cargo test -p call`; renew it with\n\
         `UPDATE_EXPECT=1 cargo test -p call --test table`. Not written by hand.\n\n\
         A call changes by events alone. A signal is what the world tells it; what it records is made\n\
         durable, and then moves it and asks for effects. The sample call plays a prompt and has a\n\
         second gateway; a signal that changes nothing in a state has no row.\n\n\
         ## Diagram\n\nA restart of the engine ends every call that was dialled as `OutcomeUnknown`; those arrows are\nleft out.\n\n```mermaid\n",
    );
    text += &diagram(&rows);
    text += "```\n\n## Superstates\n\n| state | inside |\n|---|---|\n";
    let open = open_calls().into_iter().map(|(_, call, _)| call.state().clone());
    for state in open.chain(ended_states()) {
        writeln!(text, "| {} | {} |", state.name(), state.path().join(" > ")).unwrap();
    }
    text += "\n## Transitions\n\n| state | heard | recorded | next | effects |\n|---|---|---|---|---|\n";
    for row in rows {
        let (recorded, effects) = (row.recorded.join(", "), row.effects.join(", "));
        writeln!(text, "| {} | {} | {recorded} | {} | {effects} |", row.state, row.heard, row.next)
            .unwrap();
    }
    expect_test::expect_file!["../../../docs/call-states.md"].assert_eq(&text);
}

// A state of the hand-written enum that has no handler would swallow everything: every state must
// refuse something, and refuse it through the top superstate.
#[test]
fn every_state_refuses_an_event_that_cannot_follow() {
    let open = open_calls().into_iter().map(|(_, call, _)| call);
    let template = open_calls().remove(0).1;
    let ended = ended_states()
        .into_iter()
        .map(|state| Call::at(template.facts().clone(), state, samples::START).0);
    let mut seen = BTreeSet::new();
    for mut call in open.chain(ended) {
        seen.insert(call.state().name());
        let requested = schemas::call::CallEvent::from(samples::request());
        let before = call.state().clone();
        let error = call.evolve(&requested, samples::START).expect_err("requested twice");
        assert_eq!((error.state, error.event), (before.clone(), "CallRequested"));
        assert_eq!(*call.state(), before);
    }
    assert_eq!(seen.len(), 20, "every state was looked at");
}

// DESIGN 4: a watchdog in every waiting state.
#[test]
fn every_open_state_has_a_way_out_by_time() {
    for (name, call, _) in open_calls() {
        let timers: Vec<_> = call
            .standing()
            .into_iter()
            .filter(|effect| matches!(effect, Effect::StartTimer(..)))
            .collect();
        assert!(!timers.is_empty(), "{name} could wait for ever");
        let Effect::StartTimer(timer, at) = timers[0].clone() else { unreachable!() };
        let mut call = call;
        let (events, _) = hear(&mut call, &call::Signal::TimerFired(timer), at);
        assert!(!events.is_empty(), "{name} ignores its {timer:?} timer");
    }
}
