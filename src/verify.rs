//! `callfold verify`: is the history whole, and does every call in it keep the promises?

use crate::history::History;
use anyhow::Result;
use call::Call;
use indicatif::{ProgressBar, ProgressStyle};
use schemas::call::CallEvent;
use schemas::{Event, Position, Recorded, Revision, StreamId, Timestamp};
use std::collections::HashMap;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use store::folder::DataFolder;

/// So many faults are told one by one.
const FAULTS_SHOWN: usize = 20;

/// Checks everything and prints what was found. False when something is wrong.
pub fn run(data: &Path) -> Result<bool> {
    let folder = DataFolder::open_to_read(data)?;
    let files = store::log::verify(&folder.log_files(), folder.store_id())?;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "log      {} events in {} streams, {} frames, {} segments, {:.1} MB",
        files.events,
        files.streams,
        files.frames,
        files.segments,
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
    let checked = match files.is_sound() {
        true => calls(data, files.events)?,
        false => Checked::default(),
    };
    let unfinished = checked.open;
    writeln!(out, "calls    {} ended, {unfinished} open", checked.ended)?;
    for (at, fault) in checked.faults.iter().take(FAULTS_SHOWN) {
        writeln!(out, "  FAULT  position {}: {fault}", at.0)?;
    }
    if checked.faults.len() > FAULTS_SHOWN {
        writeln!(out, "  and {} more", checked.faults.len() - FAULTS_SHOWN)?;
    }
    let is_sound = files.is_sound() && checked.faults.is_empty();
    writeln!(out, "{}", if is_sound { "all is well" } else { "something is wrong: see above" })?;
    Ok(is_sound)
}

#[derive(Default)]
struct Checked {
    ended: u64,
    open: u64,
    faults: Vec<(Position, String)>,
}

/// A call as far as its events have gone.
struct Walked {
    call: Call,
    last: Revision,
    at: Timestamp,
}

/// Lives every call again: each event must be able to follow, and nothing follows the end.
fn calls(data: &Path, events: u64) -> Result<Checked> {
    let mut history = History::open(data)?;
    let style = ProgressStyle::with_template("checking the calls  {wide_bar} {pos}/{len}  {eta}")
        .expect("the template is a constant");
    let bar = ProgressBar::new(events).with_style(style);
    let mut checked = Checked::default();
    let mut open: HashMap<StreamId, Walked> = HashMap::new();
    history.walk(Position(0), |_, recorded, _| {
        bar.inc(1);
        let position = recorded.position;
        if let Err(fault) = step(&mut open, &mut checked, recorded) {
            checked.faults.push((position, fault));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    bar.finish_and_clear();
    checked.open = open.len() as u64;
    if history.unknown > 0 {
        let fault =
            format!("{} events are of types that this version does not know", history.unknown);
        checked.faults.push((Position(0), fault));
    }
    Ok(checked)
}

fn step(
    open: &mut HashMap<StreamId, Walked>,
    checked: &mut Checked,
    recorded: Recorded,
) -> Result<(), String> {
    let Recorded { stream, revision, at, event, .. } = recorded;
    let Event::Call(event) = event else { return Ok(()) };
    let name = event.name();
    if let CallEvent::CallRequested(requested) = event {
        let (call, _) = Call::begin(Arc::new(*requested), at, &Arc::default());
        let is_first = revision == Revision(0);
        open.insert(stream, Walked { call, last: revision, at });
        return if is_first { Ok(()) } else { Err(format!("{stream} begins at {}", revision.0)) };
    }
    let Some(walked) = open.get_mut(&stream) else {
        return Err(format!("{stream}: {name} follows its end, or nothing"));
    };
    if revision.0 != walked.last.0 + 1 {
        return Err(format!("{stream}: event {} follows event {}", revision.0, walked.last.0));
    }
    if at < walked.at {
        return Err(format!("{stream}: {name} happened before the event it follows"));
    }
    walked.call.evolve(&event, at).map_err(|illegal| format!("{stream}: {illegal}"))?;
    (walked.last, walked.at) = (revision, at);
    if walked.call.is_ended() {
        open.remove(&stream);
        checked.ended += 1;
    }
    Ok(())
}
