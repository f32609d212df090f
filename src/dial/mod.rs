//! Dials a list and waits until every call has ended.

mod gateways;
mod intake;
mod progress;
mod report;

pub use gateways::{GatewayTerms, local_ip_towards};

use crate::config::GatewayUri;
use crate::privacy;
use crate::signals::StopRequests;
use anyhow::{Context, Result, bail};
use campaign::BatchOptions;
use intake::Intake;
use media::clip::{Clip, ClipLimits};
use media::codec::SAMPLES_PER_MS;
use media::ports::PortOptions;
use media::prompt::Prompts;
use media::pump::PumpOptions;
use node::engine::Gateway;
use node::{Node, NodeOptions, Notice, Prepared, StoreUrl};
use progress::Progress;
use projections::table::Style;
use schemas::Numbering;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use switchboard::Input;

/// The most calls at once that one machine is asked for when nothing else is said.
pub const CONCURRENCY_DEFAULT: u32 = 500;
/// What is added to a prompt's length, and all that a call without a prompt gets.
const TALK_MS: u32 = 5_000;
/// Silence behind a prompt, so that its end is heard.
const TAIL_MS: u32 = 150;
/// How often the loop looks at what the node tells.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The name under which the list's prompt is loaded.
const PROMPT: &str = "prompt";

/// What is to be dialled, and how.
#[derive(Clone, Debug)]
pub struct DialOptions {
    /// The list.
    pub list: PathBuf,
    /// The batch's name; the list's file name when absent.
    pub batch: Option<String>,
    /// Whether to begin a new run of the batch.
    pub again: bool,
    /// The gateways, best first.
    pub gateways: Vec<GatewayUri>,
    /// What holds for all of them.
    pub terms: GatewayTerms,
    /// The number to show.
    pub caller_id: Option<String>,
    /// What to play after the answer.
    pub prompt: Option<PathBuf>,
    /// What to mix onto the prompt, and how many milliseconds after its start.
    pub overlay: Option<(PathBuf, u32)>,
    /// Where to write a recording of each call.
    pub record: Option<PathBuf>,
    /// The most calls that start per second.
    pub rate: Option<f64>,
    /// The most calls at once.
    pub concurrency: u32,
    /// How long they may ring.
    pub ring_timeout_ms: u32,
    /// How long they may last; by the prompt when absent.
    pub max_talk_ms: Option<u32>,
    /// How many calls a row may have.
    pub max_attempts: u16,
    /// How long after its end a row is tried again; by the outcome's rule when absent.
    pub redial_after_ms: Option<u32>,
    /// Where SIP listens; at the address that leads to the first gateway when absent.
    pub bind: Option<SocketAddr>,
    /// How numbers without a country code are read.
    pub numbering: Numbering,
    /// The data folder.
    pub data: PathBuf,
    /// Where the events are kept; in the data folder when absent.
    pub store: Option<StoreUrl>,
    /// The node's name.
    pub node: String,
    /// Whether one JSON object is printed instead of tables.
    pub json: bool,
    /// How tables are printed.
    pub style: Style,
}

/// What became of it, for the exit code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Finished {
    /// Every row has an end or was rejected.
    All,
    /// It was stopped before.
    Stopped,
}

/// Dials the list.
///
/// # Errors
/// The list, a file, a gateway's name, a port or the folder cannot be used: one sentence says which
/// and why. Nothing that was durable is lost.
pub fn run(options: &DialOptions, stop: &StopRequests) -> Result<Finished> {
    let start = Instant::now();
    let prompts = Prompts::new();
    let prompt_ms = load_prompt(options, &prompts)?;
    let gateways = gateways::resolve(&options.gateways, &options.terms)?;
    let node_options = node_options(options, gateways, prompts)?;
    let master = privacy::master_key(None)?;
    let mut prepared = match &options.store {
        Some(store) => Prepared::open_on(node_options, &master, store)?,
        None => Prepared::open_with(node_options, &master)?,
    };
    if let Some(cut) = &prepared.recovery.cut {
        tracing::warn!(
            "the last process was stopped in the middle of a write: {cut:?} was cut off"
        );
    }
    let batch = batch_name(options)?;
    let intake = match Intake::read(&options.list, &batch, options, &mut prepared, stop) {
        Err(_) if stop.count() > 0 => {
            tracing::warn!("stopped while the list was read: nobody of it was called");
            return Ok(Finished::Stopped);
        }
        intake => intake?,
    };
    prepared.run(batch_options(options, &batch, intake.run.run, prompt_ms), intake.run.clone());
    let node = prepared.start()?;
    if node.unfinished > 0 {
        tracing::info!(
            calls = node.unfinished,
            "left open by the process before: hung up where that can be done"
        );
    }
    let progress = Progress::start(intake.callees.len() as u64, options);
    let finished = wait(&node, &progress, stop)?;
    progress.finish();
    let report = report::Report { options, intake: &intake, took: start.elapsed() };
    report.print(&node)?;
    node.stop()?;
    Ok(finished)
}

/// Waits until nothing is up any more, or nobody wants to wait.
fn wait(node: &Node, progress: &Progress, stop: &StopRequests) -> Result<Finished> {
    let mut heard_stops = 0;
    loop {
        // Looked at ten times a second: being woken for each call would cost as much as the call.
        std::thread::sleep(LOOK_EVERY);
        for notice in node.notices.try_iter() {
            match notice {
                Notice::Ended(_, ended) => progress.ended(&ended),
                Notice::Idle if heard_stops > 0 => return Ok(Finished::Stopped),
                Notice::Idle => return Ok(Finished::All),
                Notice::Stopped(why) => bail!("the engine has stopped: {why}"),
                Notice::Answer(..) | Notice::Partition(..) => {}
            }
        }
        progress.look(node);
        if stop.count() > heard_stops {
            heard_stops += 1;
            node.ask(if heard_stops == 1 { Input::Drain } else { Input::ShutDown });
            progress.stopping(heard_stops);
        }
    }
}

fn load_prompt(options: &DialOptions, prompts: &Prompts) -> Result<Option<u32>> {
    let Some(path) = &options.prompt else { return Ok(None) };
    let mut clip = Clip::load(path, ClipLimits::default())?;
    if let Some((overlay, at_ms)) = &options.overlay {
        clip.mix(&Clip::load(overlay, ClipLimits::default())?, *at_ms);
    }
    // The BYE follows the last packet at once, and what the far end's jitter buffer still holds
    // would never be heard.
    let mut samples = clip.samples().to_vec();
    samples.resize(samples.len() + (TAIL_MS * SAMPLES_PER_MS) as usize, 0);
    prompts.insert(PROMPT, &Clip::of(samples));
    Ok(Some(clip.ms()))
}

fn batch_name(options: &DialOptions) -> Result<String> {
    let name = match &options.batch {
        Some(name) => name.clone(),
        None => {
            let name = options.list.file_name().context("the list has no file name")?;
            name.to_string_lossy().into_owned()
        }
    };
    match name.trim().is_empty() || name.chars().any(char::is_control) {
        true => bail!("`{name}` cannot be the name of a batch: give one with --batch"),
        false => Ok(name),
    }
}

fn batch_options(
    options: &DialOptions,
    name: &str,
    run: u32,
    prompt_ms: Option<u32>,
) -> BatchOptions {
    let talk_ms = prompt_ms.unwrap_or(0).saturating_add(TALK_MS);
    BatchOptions {
        name: name.to_owned(),
        run,
        per_second: options.rate,
        concurrency: options.concurrency,
        caller_id: options.caller_id.clone(),
        prompt: prompt_ms.map(|_| PROMPT.to_owned()),
        record: options.record.is_some(),
        ring_timeout_ms: options.ring_timeout_ms,
        max_talk_ms: options.max_talk_ms.unwrap_or(talk_ms),
        max_attempts: options.max_attempts,
        redial_after_ms: options.redial_after_ms,
    }
}

fn node_options(
    options: &DialOptions,
    gateways: Vec<(Gateway, SocketAddr)>,
    prompts: Prompts,
) -> Result<NodeOptions> {
    let first = gateways.first().context("there is no gateway")?.1;
    let sip_bind = match options.bind {
        Some(bind) => bind,
        None => SocketAddr::new(local_ip_towards(first)?, 0),
    };
    let ip = match sip_bind.ip().is_unspecified() {
        true => local_ip_towards(first)?,
        false => sip_bind.ip(),
    };
    let ports = PortOptions { ip, ..PortOptions::default() };
    if let Some(folder) = &options.record {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("recordings cannot be written to {}", folder.display()))?;
    }
    Ok(NodeOptions {
        name: options.node.clone(),
        data: options.data.clone(),
        key_file: None,
        callee_key_file: None,
        sip_bind: SocketAddr::new(ip, sip_bind.port()),
        gateways: gateways.into_iter().map(|(gateway, _)| gateway).collect(),
        media: PumpOptions { ports, ..PumpOptions::default() },
        prompts,
        recordings: options.record.clone(),
        calls_max: options.concurrency,
        ring_timeout_ms: options.ring_timeout_ms,
        max_talk_ms: options.max_talk_ms.unwrap_or(TALK_MS),
        call: Arc::default(),
    })
}
