//! `callfold replay`: a call lived again, event by event, with what it would have done.

use crate::history::{History, Place};
use anyhow::{Context, Result, bail};
use call::{Call, Effect};
use projections::table::{Paint, Style};
use schemas::call::CallEvent;
use schemas::{CallId, Event, StreamId, Vault};
use std::io::{BufWriter, Write};
use std::sync::Arc;
use store::keys::NodeVault;

/// Prints every event of a call, the state after it, and the effects it asked for.
pub fn run(place: &Place, id: CallId, style: &Style) -> Result<()> {
    let mut history = History::open(place)?;
    let mut events = history.stream(StreamId::call(id))?.into_iter();
    if history.unknown > 0 {
        // What it did cannot be known: a state shown all the same would be a guess.
        bail!(
            "{id} holds an event that this version of Callfold does not know: run the version that \
             wrote it, or a later one (`callfold events --call {id}` shows the others)"
        );
    }
    let first = events.next();
    let Some((Event::Call(CallEvent::CallRequested(requested)), at)) =
        first.map(|recorded| (recorded.event, recorded.at))
    else {
        bail!("there is no call {id} in {}", place);
    };
    let is_erased = |vault: &NodeVault| vault.open(requested.callee, &requested.phone).is_none();
    let erased = history.vault.as_ref().is_some_and(is_erased);
    let mut out = BufWriter::new(std::io::stdout().lock());
    if erased {
        let sentence = "the person was erased: number and variables are gone, what happened stays";
        writeln!(out, "{}", style.paint(Paint::Quiet, sentence))?;
    }
    let (mut call, effects) = Call::begin(Arc::new(*requested), at, &Arc::default());
    let start = at;
    let mut step = |sequence: u32, name: &str, call: &Call, ms: u32, effects: Vec<Effect>| {
        let seconds = f64::from(ms) / 1000.0;
        let state = style.paint(Paint::Heading, call.state().name());
        writeln!(out, "{sequence:>3}  {seconds:>8.3} s  {name:<18} → {state}")?;
        for effect in effects {
            writeln!(out, "                       {}", style.paint(Paint::Quiet, &told(&effect)))?;
        }
        Ok::<(), std::io::Error>(())
    };
    step(1, "CallRequested", &call, 0, effects)?;
    for recorded in events {
        let Event::Call(event) = &recorded.event else { continue };
        let sequence = recorded.revision.sequence();
        let effects = call
            .evolve(event, recorded.at)
            .with_context(|| format!("the stream of {id} cannot be followed past {sequence}"))?;
        step(sequence, event.name(), &call, recorded.at.ms_since(start), effects)?;
    }
    Ok(out.flush()?)
}

/// An effect in a few words; what is sealed stays sealed.
fn told(effect: &Effect) -> String {
    match effect {
        Effect::JoinQueue { priority, .. } => format!("join the queue ({priority:?})"),
        Effect::LeaveQueue => "leave the queue".into(),
        Effect::StartTimer(timer, at) => format!("start the {timer:?} timer, due {at}"),
        Effect::StopTimer(timer) => format!("stop the {timer:?} timer"),
        Effect::OpenMedia { audio: true, record } => {
            format!("open media{}", if *record { ", recorded" } else { "" })
        }
        Effect::OpenMedia { audio: false, .. } => "name an address for media".into(),
        Effect::CloseMedia => "close media".into(),
        Effect::SendInvite(invite) => {
            format!("send INVITE to {} (Call-ID {})", invite.dial.gateway, invite.dial.sip_call_id)
        }
        Effect::ConnectMedia => "send and hear where the SDP says".into(),
        Effect::AcceptAnswer => "send ACK".into(),
        Effect::SendCancel { .. } => "send CANCEL".into(),
        Effect::SendBye => "send BYE".into(),
        Effect::PlayPrompt(prompt) => format!("play {prompt}"),
        Effect::PauseMedia(true) => "pause sending".into(),
        Effect::PauseMedia(false) => "go on sending".into(),
        Effect::AnswerReinvite => "answer the re-INVITE".into(),
        Effect::CloseOrphan(open) => match open.dialog {
            Some(_) => "hang up what was left open: BYE".into(),
            None => "hang up what was left open: CANCEL".into(),
        },
    }
}
