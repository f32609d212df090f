//! One event of every kind with every field filled, and one with as few as it may have: what the
//! golden files are made of.

use super::Event;
use crate::batch::{BatchEvent, BatchLoaded, BatchOpened, ItemAdded};
use crate::call::*;
use crate::node::{NodeEvent, NodeStarted, NodeStopped};
use crate::outcome::RetryClass::{Carrier, Never, Soft, SoftLong, SoftShort, Technical};
use crate::sealed::StoredKey;
use crate::{CallId, CalleeKey, CommandId, EndedBy, Outcome, Sealed, Timestamp, Vault};

pub(crate) const CALLEE: CalleeKey = CalleeKey([0xca; 16]);

/// Seals by writing the plain text: what is opened is what was put in.
pub(crate) struct GlassVault;

impl Vault for GlassVault {
    fn seal(&mut self, _: CalleeKey, plain: &[u8]) -> Sealed {
        sealed(plain)
    }

    fn open(&self, callee: CalleeKey, sealed: &Sealed) -> Option<Vec<u8>> {
        (callee == CALLEE).then(|| sealed.body.to_vec())
    }

    fn take_new_keys(&mut self) -> Vec<StoredKey> {
        Vec::new()
    }
}

fn sealed(plain: &[u8]) -> Sealed {
    Sealed { generation: 3, nonce: *b"twelve bytes", body: plain.into() }
}

pub(crate) fn command() -> CommandId {
    CommandId::new("crm-17-0001").unwrap()
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// Every kind, in the order of its number.
pub(crate) fn events() -> Vec<Event> {
    let mut events = Vec::new();
    events.extend(requested().map(|e| CallEvent::CallRequested(Box::new(e)).into()));
    for cause in
        [QueueCause::Concurrency, QueueCause::Rate, QueueCause::Gateway, QueueCause::NotBefore]
    {
        events.push(CallEvent::CallQueued(CallQueued { cause }).into());
    }
    events.extend(started().map(|e| CallEvent::DialStarted(Box::new(e)).into()));
    events.extend(on_the_way().map(Event::from));
    events.extend(talk().into_iter().map(Event::from));
    events.extend(measured().map(|e| CallEvent::MediaMeasured(Box::new(e)).into()));
    events.extend(ended().into_iter().map(|e| CallEvent::CallEnded(Box::new(e)).into()));
    events.push(CallEvent::HangUpConfirmed(HangUpConfirmed {}).into());
    events.extend(of_no_call());
    events
}

fn requested() -> [CallRequested; 2] {
    let full = CallRequested {
        command_id: command(),
        fingerprint: [1, 2, 3, 4, 5, 6, 7, 8],
        callee: CALLEE,
        phone: sealed(b"+8613800000017"),
        caller_id: text("075523456789"),
        variables: Some(sealed("{\"name\":\"李雷\",\"debt\":12.5}".as_bytes())),
        item: Some(BatchItem { batch: [0xba; 16], line: 300 }),
        campaign: text("spring"),
        script: text("hello"),
        gateway: text("carrier-a"),
        prompt: text("hello.wav"),
        record: true,
        ring_timeout_ms: 30_000,
        max_talk_ms: 5_250,
        attempt: 2,
        max_attempts: 3,
        first_call: Some(CallId([0xf1; 16])),
        redial_after_ms: Some(60_000),
        priority: Priority::Urgent,
        not_before: Some(Timestamp(1_790_000_000_000)),
        deadline: Some(Timestamp(1_790_003_600_000)),
    };
    let bare = CallRequested {
        caller_id: None,
        variables: None,
        item: None,
        campaign: None,
        script: None,
        gateway: None,
        prompt: None,
        record: false,
        max_talk_ms: 0,
        attempt: 1,
        max_attempts: 1,
        first_call: None,
        redial_after_ms: None,
        priority: Priority::Bulk,
        not_before: None,
        deadline: None,
        ..full.clone()
    };
    [full, bare]
}

fn started() -> [DialStarted; 2] {
    let full = DialStarted {
        try_no: 2,
        gateway: "carrier-b".into(),
        caller_id: text("075523456789"),
        local: "192.0.2.1:5060".into(),
        sip_call_id: "a84b4c76e66710".into(),
        from_tag: "1928301774".into(),
        cseq: 70_000,
        branch: "z9hG4bK776asdhds".into(),
    };
    [full.clone(), DialStarted { caller_id: None, ..full }]
}

fn on_the_way() -> [CallEvent; 10] {
    let failed = TryFailed {
        status: Some(503),
        q850: Some(34),
        reason: "carrier_congestion".into(),
        detail: Some(sealed(b"Service Unavailable; Q.850;cause=34")),
        retry_after_s: Some(120),
    };
    let bare = TryFailed {
        status: None,
        q850: None,
        reason: "no_response".into(),
        detail: None,
        retry_after_s: None,
    };
    [
        CallEvent::CallProceeding(CallProceeding { status: 100 }),
        CallEvent::CallRang(CallRang { status: 180 }),
        CallEvent::EarlyMediaStarted(EarlyMediaStarted { status: 183 }),
        CallEvent::TryFailed(failed),
        CallEvent::TryFailed(bare),
        CallEvent::CancelIssued(CancelIssued { cause: CancelCause::RingTimeout }),
        CallEvent::CancelIssued(CancelIssued { cause: CancelCause::Command(Some(command())) }),
        CallEvent::CancelIssued(CancelIssued { cause: CancelCause::Shutdown }),
        CallEvent::CancelIssued(CancelIssued { cause: CancelCause::Watchdog }),
        CallEvent::LateAnswerReleased(LateAnswerReleased { status: 200 }),
    ]
}

fn talk() -> Vec<CallEvent> {
    let answered = CallAnswered { status: 200, dialog: sealed(b"a dialog"), media_fault: None };
    let unusable = CallAnswered { media_fault: text("no audio in common"), ..answered.clone() };
    let by_them = CallHungUp {
        by: EndedBy::Callee,
        cause: HangUpCause::Bye,
        q850: Some(16),
        detail: Some(sealed(b"Q.850;cause=16;text=\"Terminated\"")),
    };
    let by_us = |cause| CallHungUp { by: EndedBy::Us, cause, q850: None, detail: None };
    let mut events = vec![
        CallEvent::CallAnswered(answered),
        CallEvent::CallAnswered(unusable),
        CallEvent::PromptPlayed(PromptPlayed { ms: 3_210 }),
        CallEvent::DigitPressed(DigitPressed { digit: sealed(b"1"), ms: 120 }),
        CallEvent::CallHeld(CallHeld {}),
        CallEvent::CallResumed(CallResumed {}),
        CallEvent::CallHungUp(by_them),
    ];
    for cause in [
        HangUpCause::PromptPlayed,
        HangUpCause::MaxTalk,
        HangUpCause::Command(Some(command())),
        HangUpCause::Shutdown,
        HangUpCause::MediaMismatch,
        HangUpCause::MediaFailed,
        HangUpCause::NoAudio,
        HangUpCause::DialogLost,
    ] {
        events.push(CallEvent::CallHungUp(by_us(cause)));
    }
    events
}

fn measured() -> [MediaMeasured; 2] {
    let full = MediaMeasured {
        codec: "PCMU".into(),
        sent: 250,
        received: 70_000,
        lost: 3,
        discarded: 1,
        jitter_us: 1_250,
        remote_lost_256ths: Some(3),
        first_audio_ms: Some(40),
        recording: Some(Recording {
            file: "2026/09/21/9eb39ff5.wav".into(),
            ms: 5_000,
            fault: text("no space left"),
        }),
    };
    let bare = MediaMeasured {
        remote_lost_256ths: None,
        first_audio_ms: None,
        recording: None,
        ..full.clone()
    };
    [full, bare]
}

fn ended() -> Vec<CallEnded> {
    let full = CallEnded {
        outcome: Outcome::Busy,
        sip_status: Some(486),
        q850: Some(17),
        reason: text("busy"),
        detail: Some(sealed(b"Busy Here")),
        gateway: text("carrier-b"),
        ended_by: Some(EndedBy::Callee),
        redial_at: Some(Timestamp(1_790_000_060_000)),
        retry: SoftShort,
        causes_version: 1,
        attempt: 2,
        requested_ms: 9_000,
        started_ms: Some(8_000),
        ringing_ms: Some(3_000),
        answered_ms: Some(1_000),
        ring_ms: Some(2_000),
        talk_ms: Some(999),
        tries: vec![
            Try {
                gateway: "carrier-a".into(),
                sip_status: None,
                started_ms: 8_000,
                ended_ms: 4_000,
            },
            Try {
                gateway: "carrier-b".into(),
                sip_status: Some(486),
                started_ms: 4_000,
                ended_ms: 0,
            },
        ],
    };
    let bare = CallEnded {
        outcome: Outcome::Suppressed,
        sip_status: None,
        q850: None,
        reason: None,
        detail: None,
        gateway: None,
        ended_by: None,
        redial_at: None,
        retry: Never,
        attempt: 1,
        started_ms: None,
        ringing_ms: None,
        answered_ms: None,
        ring_ms: None,
        talk_ms: None,
        tries: Vec::new(),
        ..full.clone()
    };
    // Words are stored by their place in their list: every one stands in a golden file.
    let retries = [Never, SoftShort, Soft, SoftLong, Carrier, Technical];
    let words = [EndedBy::Us, EndedBy::Callee, EndedBy::Carrier];
    let each = Outcome::ALL.into_iter().zip(retries.into_iter().cycle());
    let each = each.zip(words.into_iter().cycle()).map(|((outcome, retry), by)| CallEnded {
        outcome,
        retry,
        ended_by: Some(by),
        ..bare.clone()
    });
    [full, bare.clone()].into_iter().chain(each).collect()
}

fn of_no_call() -> [Event; 6] {
    let item = ItemAdded {
        line: 17,
        callee: CALLEE,
        phone: sealed(b"+8613800000017"),
        variables: Some(sealed(b"{\"city\":\"Shenzhen\"}")),
    };
    let bare = ItemAdded { variables: None, ..item.clone() };
    let node = NodeStarted {
        name: "node-1".into(),
        version: "0.1.0".into(),
        sip: "192.0.2.1:5060".into(),
    };
    [
        BatchEvent::BatchOpened(BatchOpened { name: "spring.csv".into(), run: 2 }).into(),
        BatchEvent::ItemAdded(item).into(),
        BatchEvent::ItemAdded(bare).into(),
        BatchEvent::BatchLoaded(BatchLoaded { rows: 100_000, added: 99_990, rejected: 10 }).into(),
        NodeEvent::NodeStarted(node).into(),
        NodeEvent::NodeStopped(NodeStopped { open_calls: 4 }).into(),
    ]
}
