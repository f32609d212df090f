//! The call machine: what one `decide` and one `evolve` cost.

use call::{Call, Cleared, HungUp, Options, Signal};
use schemas::call::{CallRequested, Priority};
use schemas::{CalleeKey, CommandId, EndedBy, Sealed, Timestamp};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

const CALLS: u32 = 200_000;

/// Prints both beside their limit of 0.3 µs.
pub fn run() {
    let requested = Arc::new(request());
    let options = Arc::new(Options::default());
    let script = script();
    let (mut deciding, mut evolving) = (Duration::ZERO, Duration::ZERO);
    let (mut decisions, mut events) = (0_u32, 0_u32);
    for _ in 0..CALLS {
        let (mut call, _) = Call::begin(requested.clone(), Timestamp(0), &options);
        for (at, signal) in script.iter().enumerate() {
            let at = Timestamp(1000 * at as i64);
            let start = Instant::now();
            let decision = black_box(call.decide(signal, at));
            let decided = Instant::now();
            for event in &decision.events {
                black_box(call.evolve(event, at).expect("a decided event can happen"));
            }
            evolving += decided.elapsed();
            deciding += decided - start;
            decisions += 1;
            events += decision.events.len() as u32;
        }
        assert!(call.is_ended());
    }
    // Two clock readings stand in each figure.
    let clock = {
        let start = Instant::now();
        (0..decisions).for_each(|_| _ = black_box(Instant::now()));
        start.elapsed()
    };
    let per = |total: Duration, n: u32| {
        total.saturating_sub(clock).as_nanos() as f64 / f64::from(n) / 1000.0
    };
    println!(
        "call machine, {CALLS} calls of {} signals and {} events",
        script.len(),
        events / CALLS
    );
    println!("  decide  {:.3} µs each   (limit 0.3)", per(deciding, decisions));
    println!("  evolve  {:.3} µs each   (limit 0.3)", per(evolving, events));
    println!("  a call's facts and state: {} bytes, and what they share", size_of::<Call>());
}

/// An answered call of the usual length: admitted, 100, 180, 200, their BYE.
fn script() -> Vec<Signal> {
    vec![
        Signal::Cleared(Box::new(Cleared {
            gateway: "carrier-a".into(),
            caller_id: Some("4000".into()),
            local: "127.0.0.1:5060".into(),
            sip_call_id: "abcdefghijklmn".into(),
            from_tag: "abcdefghijklmnopqrst".into(),
            cseq: 1,
            branch: "z9hG4bKabcdefghijklmnopqrstuvw".into(),
        })),
        Signal::Progress { status: 100, early_media: false },
        Signal::Progress { status: 180, early_media: false },
        Signal::Answered { status: 200, dialog: sealed(80), media_fault: None },
        Signal::HungUp(Box::new(HungUp { by: EndedBy::Callee, q850: Some(16), detail: None })),
    ]
}

fn request() -> CallRequested {
    CallRequested {
        command_id: CommandId::new("crm-17-0001").expect("a plain id"),
        fingerprint: [1; 8],
        callee: CalleeKey([7; 16]),
        phone: sealed(30),
        caller_id: Some("4000".into()),
        variables: None,
        item: None,
        campaign: None,
        script: None,
        gateway: None,
        prompt: None,
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

fn sealed(bytes: usize) -> Sealed {
    Sealed { generation: 0, nonce: [0; 12], body: vec![0; bytes].into() }
}
