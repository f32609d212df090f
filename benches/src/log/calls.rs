//! Calls as they are in production: real events, personal data sealed, many up at a time.

use schemas::call::{
    CallAnswered, CallEnded, CallEvent, CallHungUp, CallProceeding, CallQueued, CallRang,
    CallRequested, CancelCause, CancelIssued, DialStarted, Dialog, DigitPressed, HangUpCause,
    MediaMeasured, Priority, PromptPlayed, QueueCause, Try,
};
use schemas::event::to_bytes;
use schemas::outcome::RetryClass;
use schemas::{
    CallId, CalleeKey, CommandId, EndedBy, Event, Outcome, Revision, StreamId, Timestamp, Vault,
};
use std::collections::VecDeque;
use store::dice::Dice;
use store::keys::Keyring;
use store::{Append, Expected, NewEvent};

/// Makes the appends of calls that go on side by side.
pub struct Calls {
    dice: Dice,
    keyring: Keyring,
    up: VecDeque<Call>,
    /// How many are up at a time.
    concurrency: usize,
    begun: u64,
    at: i64,
    /// Bodies to use again instead of sealing anew, once there are so many.
    templates: Vec<Vec<Event>>,
    templates_max: usize,
}

struct Call {
    stream: StreamId,
    events: VecDeque<Event>,
    revision: u32,
}

impl Calls {
    /// `concurrency` calls at a time; at most `fresh` different ones, the same bodies again after.
    pub fn new(concurrency: usize, fresh: usize) -> Self {
        let keyring = Keyring::from_seed(1, 0);
        let (dice, up) = (Dice::new(7), VecDeque::new());
        Self {
            dice,
            keyring,
            up,
            concurrency,
            begun: 0,
            at: 1_790_000_000_000,
            templates: Vec::new(),
            templates_max: fresh,
        }
    }

    /// The stream of the `number`-th call.
    pub fn stream(number: u64) -> StreamId {
        StreamId::call(CallId::of_command(&command(number, callee(number))))
    }

    /// How many calls have ended.
    pub fn ended(&self) -> u64 {
        self.begun - self.up.len() as u64
    }

    pub fn next(&mut self) -> Append {
        while self.up.len() < self.concurrency {
            let call = self.begin();
            // At any place among the others.
            let place = self.dice.below(self.up.len() as u64 + 1) as usize;
            self.up.push_back(call);
            let last = self.up.len() - 1;
            self.up.swap(place, last);
        }
        // Calls live about equally long, so the one that goes on is mostly among the older.
        let which = self.dice.below(self.up.len() as u64) as usize;
        self.at += self.dice.below(3) as i64;
        let call = &mut self.up[which];
        let event = call.events.pop_front().expect("a call that is up goes on");
        let expected = call
            .revision
            .checked_sub(1)
            .map_or(Expected::NoStream, |last| Expected::Exact(Revision(last)));
        call.revision += 1;
        let append = Append {
            stream: call.stream,
            expected,
            events: vec![NewEvent { encoded: event.encode(), at: Timestamp(self.at) }],
        };
        if call.events.is_empty() {
            self.up.swap_remove_back(which);
        }
        append
    }

    fn begin(&mut self) -> Call {
        let number = self.begun;
        self.begun += 1;
        let events = if self.templates.len() < self.templates_max {
            let events = self.story(number);
            self.templates.push(events.clone());
            events
        } else {
            self.templates[self.dice.below(self.templates.len() as u64) as usize].clone()
        };
        Call { stream: Self::stream(number), events: events.into(), revision: 0 }
    }

    /// What happens in a call: 55 in 100 are answered, 25 ring out, 20 are busy.
    fn story(&mut self, number: u64) -> Vec<Event> {
        let callee = callee(number);
        let mut events = vec![self.requested(number, callee)];
        events.push(CallEvent::CallQueued(CallQueued { cause: QueueCause::Rate }).into());
        events.push(self.started());
        events.push(CallEvent::CallProceeding(CallProceeding { status: 100 }).into());
        let fate = self.dice.below(100);
        if fate < 80 {
            events.push(CallEvent::CallRang(CallRang { status: 180 }).into());
        }
        if fate < 55 {
            events.extend(self.talk(callee));
        } else if fate < 80 {
            events.push(
                CallEvent::CancelIssued(CancelIssued { cause: CancelCause::RingTimeout }).into(),
            );
        }
        events.push(self.ended_as(fate));
        events
    }

    fn requested(&mut self, number: u64, callee: CalleeKey) -> Event {
        let phone = format!("+86138{:08}", number % 100_000_000);
        let variables =
            format!(r#"{{"name":"Zhang San","due":"{}.50","city":"Hangzhou"}}"#, number % 900);
        let mut fingerprint = [0; 8];
        self.dice.fill(&mut fingerprint);
        let requested = CallRequested {
            command_id: command(number, callee),
            fingerprint,
            callee,
            phone: self.keyring.seal(callee, phone.as_bytes()),
            caller_id: None,
            variables: Some(self.keyring.seal(callee, variables.as_bytes())),
            item: None,
            campaign: None,
            script: None,
            gateway: None,
            prompt: Some("spring.wav".to_owned()),
            record: false,
            ring_timeout_ms: 30_000,
            max_talk_ms: 25_000,
            attempt: 1,
            max_attempts: 1,
            first_call: None,
            redial_after_ms: None,
            priority: Priority::Bulk,
            not_before: None,
            deadline: None,
        };
        CallEvent::CallRequested(Box::new(requested)).into()
    }

    fn started(&mut self) -> Event {
        let started = DialStarted {
            try_no: 1,
            gateway: "carrier-a".to_owned(),
            caller_id: Some("057112345678".to_owned()),
            local: "192.0.2.10:5060".to_owned(),
            sip_call_id: self.token(14),
            from_tag: self.token(20),
            cseq: 1,
            branch: format!("z9hG4bK{}", self.token(23)),
        };
        CallEvent::DialStarted(Box::new(started)).into()
    }

    fn talk(&mut self, callee: CalleeKey) -> Vec<Event> {
        let dialog = Dialog {
            remote_tag: self.token(12),
            target: "sip:+8613812345678@203.0.113.7:5060;transport=udp".to_owned(),
            route: Vec::new(),
            cseq: 1,
        };
        let dialog = self.keyring.seal(callee, &to_bytes(&dialog));
        let measured = MediaMeasured {
            codec: "PCMU".to_owned(),
            sent: 900 + self.dice.below(300) as u32,
            received: 900 + self.dice.below(300) as u32,
            lost: self.dice.below(3) as u32,
            discarded: 0,
            jitter_us: self.dice.below(9000) as u32,
            remote_lost_256ths: Some(0),
            first_audio_ms: Some(self.dice.below(400) as u32),
            recording: None,
        };
        let digit = self.keyring.seal(callee, b"1");
        let by_callee = CallHungUp {
            by: EndedBy::Callee,
            cause: HangUpCause::Bye,
            q850: Some(16),
            detail: None,
        };
        vec![
            CallEvent::CallAnswered(CallAnswered { status: 200, dialog, media_fault: None }).into(),
            CallEvent::DigitPressed(DigitPressed { digit, ms: 120 }).into(),
            CallEvent::PromptPlayed(PromptPlayed { ms: 18_340 }).into(),
            CallEvent::CallHungUp(by_callee).into(),
            CallEvent::MediaMeasured(Box::new(measured)).into(),
        ]
    }

    fn ended_as(&mut self, fate: u64) -> Event {
        let (outcome, sip_status, ended_by) = match fate {
            0..55 => (Outcome::Completed, Some(200), Some(EndedBy::Callee)),
            55..80 => (Outcome::NoAnswer, None, Some(EndedBy::Us)),
            _ => (Outcome::Busy, Some(486), Some(EndedBy::Callee)),
        };
        let ms = 20_000 + self.dice.below(20_000) as u32;
        let ended = CallEnded {
            outcome,
            sip_status,
            q850: Some(16),
            reason: Some("normal".to_owned()),
            detail: None,
            gateway: Some("carrier-a".to_owned()),
            ended_by,
            redial_at: None,
            retry: RetryClass::Never,
            causes_version: 1,
            attempt: 1,
            requested_ms: ms,
            started_ms: Some(ms - 40),
            ringing_ms: Some(ms - 900),
            answered_ms: Some(ms / 2),
            ring_ms: Some(ms / 3),
            talk_ms: Some(ms / 2),
            tries: vec![Try {
                gateway: "carrier-a".to_owned(),
                sip_status,
                started_ms: ms - 40,
                ended_ms: 0,
            }],
        };
        CallEvent::CallEnded(Box::new(ended)).into()
    }

    /// Random digits of base 64, as identifiers of SIP have.
    fn token(&mut self, length: usize) -> String {
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        (0..length).map(|_| char::from(DIGITS[self.dice.below(64) as usize])).collect()
    }
}

fn callee(number: u64) -> CalleeKey {
    let mut key = [0; 16];
    Dice::new(number ^ 0xca11).fill(&mut key);
    CalleeKey(key)
}

fn command(number: u64, callee: CalleeKey) -> CommandId {
    CommandId::new(&format!("dial/spring-{}/{callee}", number / 100_000))
        .expect("a short printable text")
}
