//! `callfold verify`: is the history whole, and does every call in it keep the promises?

mod calls;

use crate::history::{History, Place};
use anyhow::Result;
use calls::CallRules;
use indicatif::{ProgressBar, ProgressStyle};
use schemas::{Event, Position};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
use store::folder::DataFolder;

/// So many faults are told one by one.
const FAULTS_SHOWN: usize = 20;

/// Checks everything and prints what was found. False when something is wrong. What a common log
/// keeps its events in is its server's to check: only the calls are.
pub fn run(place: &Place) -> Result<bool> {
    let (files_are_sound, events) = match &place.data {
        Some(data) if !place.is_common() => files(data)?,
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

/// Checks the files of a log. Whether they are sound, and how many events they have.
fn files(data: &Path) -> Result<(bool, u64)> {
    let folder = DataFolder::open_to_read(data)?;
    let files = store::log::verify(&folder.log_files(), folder.store_id())?;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "log      {} events in {} streams, {} {} ({} sealed), {:.1} MB",
        files.events,
        files.streams,
        files.segments,
        if files.segments == 1 { "segment" } else { "segments" },
        files.sealed,
        files.bytes as f64 / 1e6
    )?;
    for fault in &files.faults {
        writeln!(
            out,
            "  FAULT  {} byte {}, position {}: {}",
            fault.file, fault.offset, fault.position.0, fault.what
        )?;
    }
    if let Some(cut) = &files.torn {
        writeln!(out, "  torn   {cut:?}: what a crash left unfinished, cut at the next start")?;
    }
    Ok((files.is_sound(), files.events))
}

/// Lives every call again, by the rules of [`CallRules`].
fn calls(place: &Place, events: u64) -> Result<CallRules> {
    let mut history = History::open(place)?;
    let style = ProgressStyle::with_template("checking the calls  {wide_bar} {pos}/{len}  {eta}")
        .expect("the template is a constant");
    let bar = ProgressBar::new(events).with_style(style);
    let mut rules = CallRules::default();
    history.walk(Position(0), |_, recorded, _| {
        bar.inc(1);
        if let (Event::Call(event), Some(call)) = (&recorded.event, recorded.stream.as_call()) {
            rules.check(call, &recorded, event);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    bar.finish_and_clear();
    rules.unknown(history.unknown);
    Ok(rules)
}
