//! `callfold verify`: is the history whole, and does every call in it keep the promises?

mod calls;

use crate::bar::Bar;
use crate::history::{History, Place};
use crate::log_tools;
use anyhow::Result;
use calls::CallRules;
use schemas::{Event, Position};
use std::io::Write;
use std::ops::ControlFlow;

/// So many faults are told one by one.
const FAULTS_SHOWN: usize = 20;

/// How many events the bar lets pass between two moves.
const BAR_MOVES_EVERY: u64 = 1000;

/// Checks everything and prints what was found. False when something is wrong. What a common log
/// keeps its events in is its server's to check: only the calls are.
pub fn run(place: &Place) -> Result<bool> {
    let (files_are_sound, events) = match &place.data {
        Some(data) if !place.is_common() => {
            let files = log_tools::check(data)?;
            (files.is_sound(), files.events)
        }
        _ => (true, History::open(place)?.reader.head()?.0),
    };
    let rules = match files_are_sound {
        true => calls(place, events)?,
        false => CallRules::default(),
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "calls    {} ended, {} open", rules.ended(), rules.open())?;
    for fault in rules.faults().iter().take(FAULTS_SHOWN) {
        writeln!(out, "  FAULT  {fault}")?;
    }
    if rules.faults().len() > FAULTS_SHOWN {
        writeln!(out, "  and {} more", rules.faults().len() - FAULTS_SHOWN)?;
    }
    let is_sound = files_are_sound && rules.faults().is_empty();
    writeln!(out, "{}", if is_sound { "all is well" } else { "something is wrong: see above" })?;
    Ok(is_sound)
}

/// Lives every call again, by the rules of [`CallRules`].
fn calls(place: &Place, events: u64) -> Result<CallRules> {
    let mut history = History::open(place)?;
    let (mut bar, mut seen) = (Bar::of_events("checking the calls"), 0);
    let mut rules = CallRules::default();
    history.walk(Position(0), |_, recorded, _| {
        seen += 1;
        if seen % BAR_MOVES_EVERY == 0 {
            bar.at(seen, events);
        }
        if let (Event::Call(event), Some(call)) = (&recorded.event, recorded.stream.as_call()) {
            rules.check(call, &recorded, event);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    drop(bar);
    rules.unknown(history.unknown);
    Ok(rules)
}
