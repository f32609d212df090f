//! `callfold run`: the service. Commands come from HTTP and topics, until a signal; then it drains.

mod desk;
mod http;
mod lookup;
mod parts;

use crate::config::Config;
use crate::privacy;
use crate::signals::StopRequests;
use anyhow::{Context, Result, bail};
use desk::{Bounds, Desk};
use http::{Door, Front, Server};
use lookup::Lookup;
use node::{Node, Notice, Prepared};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};
use switchboard::Input;

/// How many commands may be without an answer: at most so much memory, and an answer takes a sync.
const OPEN_MAX: usize = 4096;
/// How often the loop looks whether it is to stop.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Runs it until it is asked to stop. Asked once: no new commands, live calls go on to their end;
/// calls that were never dialled stay for the next start. Twice: they are hung up.
///
/// # Errors
/// A file, a port, the folder, the store or a broker cannot be used; or the store failed.
pub fn run(config: &Config, stop: &StopRequests) -> Result<()> {
    if config.kafka.is_some() {
        bail!("[kafka]: this program was built without it; delete the section");
    }
    let door = Arc::new(Door::default());
    // It listens before the calls are rebuilt: alive, and not ready.
    let http = match &config.http {
        Some(http) => Some(Server::start(http.listen, door.clone())?),
        None => None,
    };
    if let Some(http) = &http {
        say(&format!("HTTP on http://{}", http.local));
    }
    let (node, desk) = start(config, &door)?;
    say(&format!("node {}: SIP on {}\nready", config.node.name, node.sip));
    let ended = serve(&node, &door, &desk, stop);
    door.stop();
    desk.give_up();
    if let Some(http) = http {
        http.stop();
    }
    ended?;
    node.stop().context("what was written last could not be made durable")
}

/// Opens the store, rebuilds the calls, and lets commands in.
fn start(config: &Config, door: &Door) -> Result<(Node, Arc<Desk>)> {
    let prompts = parts::prompts(config);
    let options = parts::node_options(config, prompts.clone())?;
    let master = privacy::service_master_key(&config.privacy.key_file)?;
    let prepared = Prepared::open_on(options, &master, &config.store)?;
    if let Some(cut) = &prepared.recovery.cut {
        tracing::warn!(
            "the last process was stopped in the middle of a write: {cut:?} was cut off"
        );
    }
    let node = prepared.start()?;
    if node.unfinished > 0 {
        tracing::warn!(
            calls = node.unfinished,
            "left open by the process before: hung up where that can be done"
        );
    }
    let calls_max = config.node.calls_max as usize + config.node.waiting_max as usize;
    let bounds = Bounds { open_max: OPEN_MAX, calls_max };
    let desk = Arc::new(Desk::new(node.asker(), node.gauges.clone(), bounds));
    door.open(Front {
        desk: desk.clone(),
        lookup: Lookup::new(node.reader.clone(), node.vault.clone()),
        numbering: config.defaults.numbering,
        prompts,
        gateways: config.gateways.iter().map(|gateway| gateway.name.clone()).collect(),
    });
    Ok((node, desk))
}

/// Where it can be reached, a line each, so that whoever starts it on port 0 can read it.
fn say(line: &str) {
    // Nobody reads it: nothing to do about it.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Hands answers out and waits to be stopped.
fn serve(node: &Node, door: &Door, desk: &Desk, stop: &StopRequests) -> Result<()> {
    let mut heard_stops = 0;
    let mut still_since = None;
    loop {
        match node.notices.recv_timeout(LOOK_EVERY) {
            Ok(Notice::Answer(ticket, answer)) => desk.answered(ticket, answer),
            Ok(Notice::Ended(_, ended)) => door.metrics.ended(ended.outcome),
            // Nobody has asked for any: commands over HTTP are the node's own work.
            Ok(Notice::Partition(..) | Notice::Idle) => {}
            Ok(Notice::Stopped(why)) => bail!("the engine has stopped: {why}"),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => bail!("the engine has stopped"),
        }
        let stops = stop.count();
        if stops > heard_stops {
            heard_stops += 1;
            // Whoever balances load must see it before calls end: readiness goes first.
            door.stop();
            tracing::warn!(times = heard_stops, live = desk.live(), "stopping");
            node.ask(if heard_stops == 1 { Input::Drain } else { Input::ShutDown });
            still_since = None;
        }
        if heard_stops > 0 && is_still(node, desk) {
            // Twice in a row: what was on its way to the shard when it looked has arrived by then.
            let since = *still_since.get_or_insert_with(Instant::now);
            if since.elapsed() >= 2 * LOOK_EVERY {
                return Ok(());
            }
        } else {
            still_since = None;
        }
    }
}

fn is_still(node: &Node, desk: &Desk) -> bool {
    desk.waiting() == 0 && node.gauges.idle.load(Ordering::Acquire)
}
