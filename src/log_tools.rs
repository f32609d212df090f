//! `callfold log`, `backup`, `restore`: what is done with a log as such, whatever its events say.

use crate::bar::Bar;
use crate::stores::{Source, Target};
use anyhow::{Context, Result, bail};
use node::StoreUrl;
use schemas::{Position, Timestamp};
use serde_json::json;
use std::io::Write;
use std::path::Path;
use store::log::{self, Report};
use store::transfer::{TransferReport, transfer};
use store::{DataFolder, Reader, folder};

/// So many lost gaps, and streams that end early, are told one by one.
const NAMED_MAX: usize = 20;

/// Prints what a log is: whose, how long, how large.
pub fn info(data: &Path, as_json: bool) -> Result<()> {
    let folder = DataFolder::open_to_read(data)?;
    let outline = log::outline(&folder.log_files())?;
    let reader = folder.read_log()?;
    let head = reader.head()?;
    let first = reader.read_all(Position(0), 1)?.pop().map(|event| event.at);
    let last = reader.read_all_backward(Position(u64::MAX), 1)?.pop().map(|event| event.at);
    let bytes = outline.sealed_bytes + outline.frame_bytes;
    let mut out = std::io::stdout().lock();
    if as_json {
        let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
        let told = json!({
            "node": folder.node(),
            "store": folder.store_id().to_string(),
            "format": log::FORMAT,
            "events": head.0,
            "first_at": time(first),
            "last_at": time(last),
            "bytes": bytes,
            "sealed_segments": outline.sealed,
            "sealed_to": outline.sealed_to,
            "sealed_bytes": outline.sealed_bytes,
            "open_segments": outline.frames,
            "open_bytes": outline.frame_bytes,
            "indexes": outline.indexes,
            "index_bytes": outline.index_bytes,
        });
        return Ok(writeln!(out, "{told}")?);
    }
    let time = |at: Option<Timestamp>| at.map_or_else(|| "–".to_owned(), |at| at.to_string());
    writeln!(out, "node      {}", folder.node())?;
    writeln!(out, "store     {}, format {}", folder.store_id(), log::FORMAT)?;
    writeln!(out, "events    {}, from {} to {}", head.0, time(first), time(last))?;
    let each = |bytes: u64, events: u64| match events {
        0 => String::new(),
        _ => format!(", {:.0} bytes an event", bytes as f64 / events as f64),
    };
    writeln!(
        out,
        "sealed    {} to event {}, {:.1} MB{}",
        segments(outline.sealed),
        outline.sealed_to,
        outline.sealed_bytes as f64 / 1e6,
        each(outline.sealed_bytes, outline.sealed_to)
    )?;
    writeln!(
        out,
        "open      {}, {:.1} MB{}",
        segments(outline.frames),
        outline.frame_bytes as f64 / 1e6,
        each(outline.frame_bytes, head.0 - outline.sealed_to.min(head.0))
    )?;
    writeln!(out, "indexes   {}, {:.1} MB", outline.indexes, outline.index_bytes as f64 / 1e6)?;
    Ok(())
}

fn segments(count: usize) -> String {
    format!("{count} {}", if count == 1 { "segment" } else { "segments" })
}

/// Checks every byte of a log and prints what was found.
pub fn check(data: &Path) -> Result<Report> {
    let folder = DataFolder::open_to_read(data)?;
    let mut bar = Bar::of_bytes("checking the log");
    let report =
        log::verify_showing(&folder.log_files(), folder.store_id(), &mut |done, whole| {
            bar.at(done, whole);
        })?;
    drop(bar);
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "log      {} events in {} streams, {} ({} sealed), {:.1} MB",
        report.events,
        report.streams,
        segments(report.segments as usize),
        report.sealed,
        report.bytes as f64 / 1e6
    )?;
    for fault in &report.faults {
        writeln!(
            out,
            "  FAULT  {} byte {}, position {}: {}",
            fault.file, fault.offset, fault.position.0, fault.what
        )?;
    }
    if let Some(cut) = &report.torn {
        writeln!(
            out,
            "  torn   {} from byte {} on, {} bytes: what a crash left unfinished, cut at the next start",
            cut.file, cut.offset, cut.bytes
        )?;
    }
    Ok(report)
}

/// Copies what is good of a damaged log into a new folder and prints what was lost. Whether
/// nothing was.
pub fn repair(data: &Path, to: &Path) -> Result<bool> {
    let mut bar = Bar::of_bytes("copying what is good");
    let report = folder::repair(data, to, &mut |done, whole| bar.at(done, whole))?;
    drop(bar);
    let mut out = std::io::stdout().lock();
    writeln!(out, "copied   {} events to {}", report.copied, to.display())?;
    writeln!(out, "lost     {} events", report.lost)?;
    for gap in report.gaps.iter().take(NAMED_MAX) {
        let (first, last) = gap.positions;
        writeln!(out, "  LOST   positions {first} to {last}, {}", gap.file)?;
    }
    writeln!(out, "left out {} events that follow a lost one in their stream", report.left_out)?;
    for stream in report.streams_cut.iter().take(NAMED_MAX) {
        writeln!(out, "  ENDS   {stream}")?;
    }
    Ok(report.lost + report.left_out == 0)
}

/// Copies a history from one store to another.
/// Of a common log `data` has the secrets.
pub fn copy(from: &StoreUrl, to: &StoreUrl, data: Option<&Path>) -> Result<TransferReport> {
    if from == to {
        bail!("{from} is both where from and where to: name another store with --to");
    }
    let mut source = Source::open(from, data).with_context(|| from.to_string())?;
    let target = Target::open(to, &mut source).with_context(|| to.to_string())?;
    let mut bar = Bar::of_events("copying events");
    let report = transfer(&*source.reader, &*target.appender, |at, head| bar.at(at.0, head.0))?;
    drop(bar);
    target.finish()?;
    Ok(report)
}

/// Copies a data folder while its node runs.
pub fn backup(data: &Path, to: &Path) -> Result<folder::BackupReport> {
    let mut bar = Bar::of_bytes("copying the log");
    Ok(folder::backup(data, to, &mut |done, whole| bar.at(done, whole))?)
}

/// Brings a backup back to where there is nothing.
pub fn restore(from: &Path, data: &Path) -> Result<folder::BackupReport> {
    let mut bar = Bar::of_bytes("bringing back the log");
    Ok(folder::restore(from, data, &mut |done, whole| bar.at(done, whole))?)
}
