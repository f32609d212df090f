//! Each row of the number grammar in virtual time, as the tiny caller saw it: a golden story each.

mod caller;

use caller::world::{exchange, options, talk};
use caller::{Caller, Script};
use expect_test::expect_file;
use sim::grammar;
use std::time::Duration;

/// The story of a call to that number, and its line in the ledger.
fn story(number: &str, script: Script) -> String {
    let mut exchange = exchange(options());
    let until = Duration::from_millis(script.until);
    let mut caller = Caller::new(number, "c1", "UDP 127.0.0.1:4060", script);
    talk(&mut exchange, &mut caller, Duration::ZERO, until);
    let mut text = caller.story.clone();
    for entry in exchange.entries() {
        text.push_str(&format!(
            "        {} {} finals={} answers={} acks={} unacked={} cancels={} pracks={} \
             byes={}/{} open={} by={:?}{}{}\n",
            entry.plan,
            entry.status,
            entry.finals,
            entry.answers,
            entry.acks,
            entry.unacked,
            entry.cancels,
            entry.pracks,
            entry.byes,
            entry.byes_sent,
            entry.open,
            entry.ended_by,
            if entry.misdirected > 0 { " misdirected" } else { "" },
            if entry.is_settled() { "" } else { " NOT SETTLED" },
        ));
    }
    text
}

#[test]
fn every_row_of_the_grammar_does_what_it_says() {
    let mut text = String::new();
    for row in grammar::ROWS {
        let code = match row.codes {
            (300, 399) => 302,
            (400, 699) => 486,
            (code, _) => code,
        };
        let nn = match row.nn {
            grammar::Detail::Unused => 0,
            grammar::Detail::Cause => 17,
            grammar::Detail::Digits => 42,
            grammar::Detail::Times => 1,
            _ => 3,
        };
        let cancels = matches!(code, 0 | 100 | 180 | 184 | 800..=803 | 805 | 806);
        let script = Script {
            cancel_after: cancels.then_some(1_000).filter(|_| code > 0),
            // 260 and 261 go on for a while.
            bye_after: (code != 812).then_some(8_000),
            reinvite_after: matches!(code, 262 | 263).then_some(1_000),
            ..Script::default()
        };
        let number = format!("999{code:03}{nn:02}");
        text.push_str(&format!("{number} {}: {}\n", row.name, row.does));
        text.push_str(&story(&number, script));
        text.push('\n');
    }
    expect_file!["./behaviours.txt"].assert_eq(&text);
}
