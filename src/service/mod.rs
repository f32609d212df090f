//! `callfold run`: the service. Commands come from HTTP and topics, until a signal; then it drains.

pub(crate) mod desk;
mod http;
#[cfg_attr(feature = "kafka", path = "kafka.rs")]
#[cfg_attr(not(feature = "kafka"), path = "no_kafka.rs")]
mod kafka;
mod lookup;
mod parts;

use crate::config::Config;
use crate::signals::StopRequests;
use anyhow::{Context, Result, bail};
use desk::{Bounds, Desk};
use http::{Front, Metrics, Server};
use kafka::Topics;
use lookup::Lookup;
use node::{Node, Notice, Prepared};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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
/// A file, a port, the folder or a broker cannot be used; or the disk failed.
pub fn run(config: &Config, stop: &StopRequests) -> Result<()> {
    let prompts = parts::prompts(config);
    let prepared = Prepared::open(parts::node_options(config, prompts.clone())?)?;
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
    let front = Arc::new(Front {
        desk: desk.clone(),
        lookup: Lookup::new(node.reader.clone(), node.vault.clone()),
        numbering: config.defaults.numbering,
        prompts,
        ready: AtomicBool::new(false),
        metrics: Metrics::default(),
    });
    let http = match &config.http {
        Some(http) => Some(Server::start(http.listen, front.clone())?),
        None => None,
    };
    let topics = Topics::start(config, &node, &desk)?;
    front.ready.store(true, Ordering::Release);
    introduce(config, &node, http.as_ref());
    let ended = serve(&node, &front, &topics, stop);
    front.ready.store(false, Ordering::Release);
    desk.give_up();
    topics.stop();
    if let Some(http) = http {
        http.stop();
    }
    ended?;
    node.stop().context("what was written last could not be made durable")
}

/// Where it can be reached, one line each, so that whoever starts it on port 0 can read it.
fn introduce(config: &Config, node: &Node, http: Option<&Server>) {
    let mut out = std::io::stderr().lock();
    // Nobody reads it: nothing to do about it.
    let _ = writeln!(out, "node {}: SIP on {}", config.node.name, node.sip);
    if let Some(http) = http {
        let _ = writeln!(out, "HTTP on http://{}", http.local);
    }
    let _ = writeln!(out, "ready");
}

/// Hands answers out and waits to be stopped.
fn serve(node: &Node, front: &Front, topics: &Topics, stop: &StopRequests) -> Result<()> {
    let mut heard_stops = 0;
    let mut still_since = None;
    loop {
        match node.notices.recv_timeout(LOOK_EVERY) {
            Ok(Notice::Answer(ticket, answer)) => front.desk.answered(ticket, answer),
            Ok(Notice::Ended(_, ended)) => front.metrics.ended(ended.outcome),
            Ok(Notice::Idle) => {}
            Ok(Notice::Stopped(why)) => bail!("the engine has stopped: {why}"),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => bail!("the engine has stopped"),
        }
        if let Some(why) = topics.fault() {
            bail!("{why}");
        }
        let stops = stop.count();
        if stops > heard_stops {
            heard_stops += 1;
            // Whoever balances load must see it before calls end: readiness goes first.
            front.ready.store(false, Ordering::Release);
            topics.stop_taking();
            front.desk.close();
            tracing::warn!(times = heard_stops, live = front.desk.live(), "stopping");
            node.ask(if heard_stops == 1 { Input::Drain } else { Input::ShutDown });
            still_since = None;
        }
        if heard_stops > 0 && topics.has_stopped_taking() && is_still(node, front) {
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

fn is_still(node: &Node, front: &Front) -> bool {
    front.desk.waiting() == 0 && node.gauges.idle.load(Ordering::Acquire)
}
