//! A data folder with three calls in it, lived by the machine itself at moments that never change.

use call::{Call, Cleared, HungUp, Options, Refused, Signal};
use schemas::call::{BatchItem, CallEvent, CallRequested, Priority};
use schemas::{CallId, CalleeKey, CommandId, EndedBy, Event, Revision, StreamId, Timestamp, Vault};
use std::path::Path;
use std::sync::Arc;
use store::file::RealFiles;
use store::folder::MasterSource;
use store::keys::{CalleeSecret, KeyFile, Keyring};
use store::writer::KeySink;
use store::{Append, DataFolder, Expected, Log, NewEvent};

/// 2026-09-21T14:13:20Z.
pub const START: Timestamp = Timestamp(1_790_000_000_000);

pub struct Folder {
    keyring: Keyring,
    keys: KeyFile<RealFiles>,
    secret: CalleeSecret,
    log: Log<RealFiles>,
    _folder: DataFolder,
}

impl Folder {
    /// Three calls: one busy, one that talked, one that still rings.
    pub fn of_three_calls(path: &Path) {
        let mut folder = Self::open(path);
        folder.live("crm-1", "+8613800000017", 0, &[cleared(), rang(), refused(486)]);
        let talk = [cleared(), rang(), folder.answered("+8613800000018"), hung_up()];
        folder.live("crm-2", "+8613800000018", 10_000, &talk);
        folder.live("crm-3", "1001", 20_000, &[cleared(), rang()]);
        folder.log.close().unwrap();
    }

    pub fn open(path: &Path) -> Self {
        let mut folder = DataFolder::open(path, "node-1").unwrap();
        let secret = folder.callee_secret(None).unwrap();
        let (keyring, keys, _) = folder.open_keys(&MasterSource::Folder).unwrap();
        let (log, _) = folder.open_log().unwrap();
        Self { keyring, keys, secret, log, _folder: folder }
    }

    fn callee(&self, phone: &str) -> CalleeKey {
        self.secret.callee_key(phone)
    }

    fn answered(&mut self, phone: &str) -> Signal {
        let dialog = self.keyring.seal(self.callee(phone), b"a dialog");
        Signal::Answered { status: 200, dialog, media_fault: None }
    }

    /// A call hears these signals, a second apart.
    fn live(&mut self, command: &str, phone: &str, after_ms: i64, signals: &[Signal]) {
        let callee = self.callee(phone);
        let requested = CallRequested {
            command_id: CommandId::new(command).unwrap(),
            fingerprint: [0; 8],
            callee,
            phone: self.keyring.seal(callee, phone.as_bytes()),
            caller_id: Some("4008001234".into()),
            variables: Some(self.keyring.seal(callee, "{\"name\":\"李雷\"}".as_bytes())),
            item: Some(BatchItem { batch: [1; 16], line: 2 }),
            campaign: None,
            script: None,
            gateway: None,
            prompt: None,
            record: false,
            ring_timeout_ms: 30_000,
            max_talk_ms: 5_000,
            attempt: 1,
            max_attempts: 1,
            first_call: None,
            redial_after_ms: None,
            priority: Priority::Bulk,
            not_before: None,
            deadline: None,
        };
        let mut at = Timestamp(START.0 + after_ms);
        let first = CallEvent::CallRequested(Box::new(requested.clone()));
        let mut events = vec![(first, at)];
        let (mut call, _) = Call::begin(Arc::new(requested), at, &Arc::new(Options::default()));
        for signal in signals {
            at = Timestamp(at.0 + 1_000);
            for event in call.decide(signal, at).events {
                call.evolve(&event, at).unwrap();
                events.push((event, at));
            }
        }
        let id = CallId::of_command(&CommandId::new(command).unwrap());
        self.append(StreamId::call(id), Expected::NoStream, events);
    }

    /// Appends whatever it is given: what no machine would decide too.
    pub fn append(
        &mut self,
        stream: StreamId,
        expected: Expected,
        events: Vec<(CallEvent, Timestamp)>,
    ) {
        self.keys.append_and_sync(&self.keyring.take_new_keys()).unwrap();
        let stored = |(event, at)| NewEvent { encoded: Event::Call(event).encode(), at };
        self.append_stored(stream, expected, events.into_iter().map(stored).collect());
    }

    /// Appends what nobody here understands, too.
    pub fn append_stored(&mut self, stream: StreamId, expected: Expected, events: Vec<NewEvent>) {
        let results = self.log.append(&[Append { stream, expected, events }]);
        results.into_iter().for_each(|result| assert!(result.is_ok()));
        self.log.sync().unwrap();
    }

    pub fn last_revision(&self, stream: StreamId) -> Revision {
        self.log.last_revision(stream).unwrap().unwrap()
    }

    pub fn close(self) {
        self.log.close().unwrap();
    }
}

fn cleared() -> Signal {
    Signal::Cleared(Box::new(Cleared {
        gateway: "sip:192.0.2.1:5060".into(),
        caller_id: Some("4008001234".into()),
        local: "192.0.2.7:5060".into(),
        sip_call_id: "c1".into(),
        from_tag: "t1".into(),
        cseq: 1,
        branch: "z9hG4bKb1".into(),
    }))
}

fn rang() -> Signal {
    Signal::Progress { status: 180, early_media: false }
}

fn refused(status: u16) -> Signal {
    Signal::Refused(Box::new(Refused {
        status: Some(status),
        local: None,
        q850: Some(17),
        detail: None,
        retry_after_s: None,
        carrier_fault: false,
    }))
}

fn hung_up() -> Signal {
    Signal::HungUp(Box::new(HungUp { by: EndedBy::Callee, q850: Some(16), detail: None }))
}
