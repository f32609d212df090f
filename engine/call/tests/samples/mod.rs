//! Calls, signals and moments to test with.
#![allow(dead_code)] // each test file uses its part

use call::{Call, CallState, Cleared, Effect, HungUp, Options, Refused, Signal, Timer};
use schemas::call::{CallEvent, CallRequested, MediaMeasured, Priority, QueueCause};
use schemas::{CalleeKey, CommandId, EndedBy, Sealed, Timestamp};
use std::sync::Arc;

pub const START: Timestamp = Timestamp(1_790_000_000_000);

pub fn sealed(text: &str) -> Sealed {
    Sealed { generation: 0, nonce: [0; 12], body: text.as_bytes().into() }
}

/// What somebody might ask for: a prompt is played, and it may ring for 30 s.
pub fn request() -> CallRequested {
    CallRequested {
        command_id: CommandId::new("crm-17-0001").expect("a plain id"),
        fingerprint: [1; 8],
        callee: CalleeKey([7; 16]),
        phone: sealed("+8613800000017"),
        caller_id: Some("4000".into()),
        variables: None,
        item: None,
        campaign: None,
        script: None,
        gateway: None,
        prompt: Some("hello".into()),
        record: false,
        ring_timeout_ms: 30_000,
        max_talk_ms: 60_000,
        attempt: 1,
        max_attempts: 1,
        first_call: None,
        redial_after_ms: None,
        priority: Priority::Bulk,
        not_before: None,
        deadline: None,
    }
}

/// The same without a prompt: no audio is played or kept.
pub fn silent_request() -> CallRequested {
    CallRequested { prompt: None, ..request() }
}

pub fn begin(request: CallRequested) -> Call {
    Call::begin(Arc::new(request), START, &Arc::new(Options::default())).0
}

pub fn cleared(gateway: &str) -> Signal {
    Signal::Cleared(Box::new(Cleared {
        gateway: gateway.into(),
        caller_id: Some("4000".into()),
        local: "127.0.0.1:5060".into(),
        sip_call_id: "c1".into(),
        from_tag: "t1".into(),
        cseq: 1,
        branch: "z9hG4bKb1".into(),
    }))
}

pub fn refused(status: u16) -> Signal {
    Signal::Refused(Box::new(Refused {
        status: Some(status),
        local: None,
        q850: None,
        detail: None,
        retry_after_s: None,
        carrier_fault: schemas::causes::cause(status).carrier_fault,
    }))
}

pub fn timer_b() -> Signal {
    Signal::Refused(Box::new(Refused {
        status: None,
        local: Some("no_response"),
        q850: None,
        detail: None,
        retry_after_s: None,
        carrier_fault: true,
    }))
}

pub fn answered() -> Signal {
    Signal::Answered { status: 200, dialog: sealed("dialog"), media_fault: None }
}

pub fn unusable_answer() -> Signal {
    let media_fault = Some("no common codec".into());
    Signal::Answered { status: 200, dialog: sealed("dialog"), media_fault }
}

pub fn bye() -> Signal {
    Signal::HungUp(Box::new(HungUp { by: EndedBy::Callee, q850: Some(16), detail: None }))
}

pub fn dialog_lost() -> Signal {
    Signal::HungUp(Box::new(HungUp { by: EndedBy::Carrier, q850: None, detail: None }))
}

pub fn measured(received: u32) -> Signal {
    Signal::MediaClosed(Box::new(MediaMeasured {
        codec: "PCMU".into(),
        sent: 100,
        received,
        lost: 0,
        discarded: 0,
        jitter_us: 125,
        remote_lost_256ths: None,
        first_audio_ms: Some(20),
        recording: None,
    }))
}

/// Every kind of signal, each with a name for tables.
pub fn signals() -> Vec<(String, Signal)> {
    let mut all: Vec<(String, Signal)> = vec![
        ("MustWait(Rate)".into(), Signal::MustWait(QueueCause::Rate)),
        ("Cleared".into(), cleared("b")),
        ("NoRoute".into(), Signal::NoRoute),
        ("Progress(100)".into(), Signal::Progress { status: 100, early_media: false }),
        ("Progress(180)".into(), Signal::Progress { status: 180, early_media: false }),
        ("Progress(183, SDP)".into(), Signal::Progress { status: 183, early_media: true }),
        ("Answered".into(), answered()),
        ("Answered, SDP unusable".into(), unusable_answer()),
        ("Refused(486)".into(), refused(486)),
        ("Refused(503)".into(), refused(503)),
        ("Refused, no response".into(), timer_b()),
        ("CancelDone(487)".into(), Signal::CancelDone { status: Some(487) }),
        ("LateAnswerClosed".into(), Signal::LateAnswerClosed { status: 200 }),
        ("HungUp, by BYE".into(), bye()),
        ("HungUp, dialog lost".into(), dialog_lost()),
        ("ByeDone".into(), Signal::ByeDone),
        ("Reinvited, hold".into(), Signal::Reinvited { hold: true }),
        ("Reinvited, no hold".into(), Signal::Reinvited { hold: false }),
        ("MediaOpenFailed".into(), Signal::MediaOpenFailed),
        ("MediaFailed".into(), Signal::MediaFailed),
        ("PromptFinished".into(), Signal::PromptFinished { ms: 1500 }),
        ("Digit".into(), Signal::Digit { digit: sealed("5"), ms: 100 }),
        ("MediaClosed".into(), measured(50)),
        ("HangUpAsked".into(), Signal::HangUpAsked(None)),
        ("CancelAsked".into(), Signal::CancelAsked(None)),
        ("ShutDown".into(), Signal::ShutDown),
        ("EngineRestarted".into(), Signal::EngineRestarted),
    ];
    all.extend(Timer::ALL.map(|t| (format!("TimerFired({t:?})"), Signal::TimerFired(t))));
    all
}

/// Decides on a signal and evolves by what it recorded, one second later than before.
pub fn hear(call: &mut Call, signal: &Signal, at: Timestamp) -> (Vec<CallEvent>, Vec<Effect>) {
    let decision = call.decide(signal, at);
    let mut effects: Vec<Effect> = decision.answers.into_vec();
    for event in &decision.events {
        effects.extend(call.evolve(event, at).expect("a decided event can happen"));
    }
    (decision.events.into_vec(), effects)
}

/// A call that heard these, a second apart.
pub fn after(request: CallRequested, signals: &[Signal]) -> (Call, Timestamp) {
    let mut call = begin(request);
    let mut at = START;
    for signal in signals {
        at = Timestamp(at.0 + 1000);
        hear(&mut call, signal, at);
    }
    (call, at)
}

/// A call in each state that is not ended, as it is reached.
pub fn open_calls() -> Vec<(&'static str, Call, Timestamp)> {
    let ringing = || Signal::Progress { status: 180, early_media: false };
    let up = || vec![cleared("a"), ringing(), answered()];
    let ways: Vec<(&str, Vec<Signal>)> = vec![
        ("Requested", vec![]),
        ("Queued", vec![Signal::MustWait(QueueCause::Rate)]),
        ("Dialing", vec![cleared("a")]),
        ("Proceeding", vec![cleared("a"), Signal::Progress { status: 100, early_media: false }]),
        ("Ringing", vec![cleared("a"), ringing()]),
        ("EarlyMedia", vec![cleared("a"), Signal::Progress { status: 183, early_media: true }]),
        ("Cancelling", vec![cleared("a"), ringing(), Signal::TimerFired(Timer::Ring)]),
        ("Greeting", up()),
        ("Holding", [up(), vec![Signal::Reinvited { hold: true }]].concat()),
        ("Closing", [up(), vec![Signal::TimerFired(Timer::MaxTalk)]].concat()),
    ];
    ways.into_iter()
        .map(|(name, signals)| {
            let (call, at) = after(request(), &signals);
            assert_eq!(call.state().name(), name);
            (name, call, at)
        })
        .collect()
}

pub fn ended_states() -> Vec<CallState> {
    schemas::Outcome::ALL.into_iter().map(CallState::of_outcome).collect()
}
